using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Storage;

namespace CrossModel.EndToEnd.Support;

internal static class TestAccounts
{
    /// <summary>An account with a balance in USD, and a key of it.</summary>
    public static async Task<string> CreateAsync(Database database, string name, decimal balance, Terms? accountTerms, Terms? keyTerms, IReadOnlyList<string>? models)
    {
        var key = await database.WriteAsync(async session =>
        {
            var account = await AccountStore.CreateAsync(session, name, database.Time);
            if (balance > 0) await new Ledger(database).CreditAsync(session, account!.Id, (long)(balance * 1_000_000_000), null, "test credit");
            return await KeyStore.CreateAsync(session, new KeyOrder(account!.Id, "test", null, models, keyTerms ?? Terms.None), database.Time);
        });
        if (accountTerms is not null) await new AccountStore(database).ChangeAsync(name, a => a with { Terms = accountTerms });
        return key.Key;
    }
}
