using System.Globalization;
using CrossModel.Billing;
using CrossModel.EndToEnd.Support;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using CrossModel.Usage;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>A folder with a configuration and a database that servers come and go on, and the books as they are read from outside.</summary>
internal sealed class ProofSite : IAsyncDisposable
{
    /// <summary>USD per million tokens.</summary>
    public const decimal Input = 1.00m, Output = 2.00m;

    private ProofSite(string configFile, Database database) => (ConfigFile, Database) = (configFile, database);

    public string ConfigFile { get; }

    /// <summary>Opened as a command would: beside the servers.</summary>
    public Database Database { get; }

    public static async Task<ProofSite> MakeAsync(bool postgres, string upstream, string more = "", string model = "", string upstreamMore = "") =>
        await MakeAsync(await TestDatabase.NewAddressAsync(postgres), upstream, more, model, upstreamMore);

    /// <param name="more">Further top-level members, each ending in a comma.</param>
    /// <param name="model">Further members of the model, each beginning with a comma.</param>
    public static async Task<ProofSite> MakeAsync(string database, string upstream, string more = "", string model = "", string upstreamMore = "")
    {
        var file = Path.Combine(TempFolder.New(), "crossmodel.json");
        await File.WriteAllTextAsync(file, string.Create(CultureInfo.InvariantCulture, $$"""
            {
              "urls": "http://127.0.0.1:0",
              "database": "{{database}}",
              {{more}}
              "upstreams": { "up": { "dialect": "openai", "baseUrl": "{{upstream}}", "apiKey": "sk-upstream-secret"{{upstreamMore}} } },
              "models": { "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": {{Input}}, "output": {{Output}} }{{model}} } }
            }
            """));
        return new ProofSite(file, await TestDatabase.OpenAsync(database));
    }

    /// <summary>An account with this much, and a key of it.</summary>
    public Task<string> NewKeyAsync(string account, decimal balance) => TestAccounts.CreateAsync(Database, account, balance, null, null, null);

    /// <summary>What a reply of the proof upstream costs, nano-dollars.</summary>
    public static long CostOf(int completionTokens) => (long)((ProofUpstream.PromptTokens * Input + completionTokens * Output) * 1000);

    public Task<(long Balance, long Leased)> MoneyAsync(string account) => Database.ReadAsync(s => s.FirstAsync(
        "SELECT balance, leased FROM account WHERE name = @name", row => (row.GetInt64(0), row.GetInt64(1)), ("@name", account)));

    /// <summary>Charges by request id, nano-dollars; a request that is charged twice fails the test.</summary>
    public async Task<Dictionary<string, long>> ChargesAsync(string account)
    {
        var rows = await Database.ReadAsync(s => s.QueryAsync(
            "SELECT e.reference, -e.amount FROM ledger_entry e JOIN account a ON a.id = e.account_id WHERE a.name = @name AND e.kind = 'charge'",
            row => (Id: row.GetString(0), Amount: row.GetInt64(1)), ("@name", account)));
        var twice = rows.GroupBy(r => r.Id).Where(g => g.Count() > 1).Select(g => g.Key).ToList();
        Assert.Empty(twice);
        return rows.ToDictionary(r => r.Id, r => r.Amount, StringComparer.Ordinal);
    }

    /// <summary>The charged requests of callers who gave them an id of their own: request ids by that id.</summary>
    public async Task<ILookup<string, string>> ChargedByClientIdAsync()
    {
        var details = await Database.ReadAsync(s => s.QueryAsync(
            "SELECT r.detail FROM request_record r JOIN ledger_entry e ON e.place = r.place AND e.account_id = r.account_id AND e.seq = r.seq WHERE e.kind = 'charge'", row => row.GetString(0)));
        return details.Select(RecordText.Read).Where(r => r.ClientRequestId is not null).ToLookup(r => r.ClientRequestId!, r => r.Id, StringComparer.Ordinal);
    }

    /// <summary>Nodes that live, and those that nobody has found dead yet.</summary>
    public Task<long> NodesAsync() => Database.ReadAsync(s => s.FirstAsync("SELECT COUNT(*) FROM node", row => row.GetInt64(0)));

    public Task<long> SumOfEntriesAsync(string account) => Database.ReadAsync(s => s.FirstAsync(
        "SELECT CAST(COALESCE(SUM(e.amount), 0) AS BIGINT) FROM ledger_entry e JOIN account a ON a.id = e.account_id WHERE a.name = @name",
        row => row.GetInt64(0), ("@name", account)));

    /// <summary>Entries sum to the balance, and crossmodel ledger verify has nothing to say against the books.</summary>
    public async Task AssertBooksAgreeAsync(string account)
    {
        var (balance, leased) = await MoneyAsync(account);
        Assert.Equal(balance, await SumOfEntriesAsync(account));
        Assert.InRange(leased, 0, Math.Max(0, balance));
        var report = await new LedgerVerifier(Database).RunAsync();
        Assert.Empty(report.Faults);
        var (exitCode, output, errors) = await ServerProcess.CommandAsync("ledger", "verify", "--config", ConfigFile);
        Assert.True(exitCode == 0, output + errors);
    }

    public ValueTask DisposeAsync() => Database.DisposeAsync();
}
