using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Routing;
using CrossModel.Storage;

namespace CrossModel;

/// <summary>
/// A newcomer's first start: neither a configuration file nor anything in the database. Makes the account <c>default</c> with some credit and a
/// key, and says what to paste. Never happens again on the same database.
/// </summary>
internal static class FirstRun
{
    private const string AccountName = "default";

    /// <summary>Enough for a few evenings with a paid provider's key, little enough to forget in an open laptop.</summary>
    private const long StartingCredit = 10 * Usd.Nano;

    public static readonly TimeSpan ConsoleLinkLasts = TimeSpan.FromHours(1);

    /// <summary>Null: this database has accounts already.</summary>
    public static async Task<string?> MakeKeyAsync(Database database)
    {
        if (await new AccountStore(database).AnyAsync()) return null;
        return await database.WriteAsync(async session =>
        {
            var account = await AccountStore.CreateAsync(session, AccountName, database.Time);
            // Another process was first: its key has been shown.
            if (account is null) return null;
            await new Ledger(database).CreditAsync(session, account.Id, StartingCredit, null, "starting credit");
            var key = await KeyStore.CreateAsync(session, new KeyOrder(account.Id, "first key", null, null, Terms.None), database.Time);
            return key.Key;
        });
    }

    /// <summary>The command works when pasted: it starts its line, and continued lines end in a backslash.</summary>
    public static void Print(TextWriter output, string address, string key, string model, string console) => output.WriteLine($$"""

        Account "{{AccountName}}" has {{Usd.Format(StartingCredit)}} USD of credit. Its first key is in this command and is not shown again:

        curl {{address}}/v1/chat/completions \
          -H "Authorization: Bearer {{key}}" \
          -H "Content-Type: application/json" \
          -d '{"model": "{{model}}", "messages": [{"role": "user", "content": "Hello!"}]}'

        OpenAI SDKs: base_url {{address}}/v1 and this key. More keys: crossmodel keys create --account {{AccountName}} --name laptop

        Console in a browser: {{console}}
        (this link works once, within an hour; crossmodel console prints another)

        """);

    /// <summary>The list of models and where they come from.</summary>
    public static void PrintModels(TextWriter output, IReadOnlyList<DiscoverySource> sources)
    {
        output.WriteLine("Models:");
        foreach (var source in sources)
            output.WriteLine($"  {source.Upstream + "/…",-20} {source.Models,4} {(source.Models == 1 ? "model " : "models")}  from {source.Origin}, {source.Price}");
    }
}
