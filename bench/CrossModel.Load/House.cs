using System.Text;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Load;

/// <summary>What a gateway under test starts from: a configuration file and books with accounts and keys, each with every kind of limit, set too high to be met.</summary>
/// <param name="Keys">In the order of accounts.</param>
internal sealed record House(string File, IReadOnlyList<string> Keys, int Models)
{
    /// <summary>Of the stand-in, each behind a model of its own.</summary>
    public static IReadOnlyList<string> Behaviours { get; } = ["plain", "bulk-200", "paced-50-20", "paced-20-500", "prompt-6-20", "silent"];

    private static readonly Terms Wide = new()
    {
        RequestsPerMinute = 1_000_000_000,
        TokensPerMinute = 1_000_000_000_000_000,
        Parallel = 1_000_000,
        SpendDay = 1_000_000_000_000_000,
        SpendMonth = 1_000_000_000_000_000,
        SpendTotal = 1_000_000_000_000_000,
    };

    /// <param name="folder">Made anew.</param>
    /// <param name="database">Null: SQLite in the folder.</param>
    public static async Task<House> BuildAsync(string folder, Uri upstream, int models, int accounts, int keysEach, string? database = null)
    {
        Directory.CreateDirectory(folder);
        var file = Path.Combine(folder, "crossmodel.json");
        await System.IO.File.WriteAllTextAsync(file, Configuration(upstream, database ?? "sqlite:books.db", models));
        var address = database ?? "sqlite:" + Path.Combine(folder, "books.db");
        var keys = new List<string>();
        await using var books = await Database.OpenAsync(address, new DatabaseOptions(new StorageConfig(), TimeProvider.System, Server: false, NullLogger.Instance), CancellationToken.None);
        const int AtOnce = 250;
        var run = Ids.New("bench", TimeProvider.System);
        for (var first = 0; first < accounts; first += AtOnce)
        {
            keys.AddRange(await books.WriteAsync(async session =>
            {
                var made = new List<string>();
                for (var i = first; i < Math.Min(accounts, first + AtOnce); i++)
                {
                    var account = (await AccountStore.CreateAsync(session, $"{run}-{i}", TimeProvider.System))!;
                    await new Ledger(books).CreditAsync(session, account.Id, 1_000_000_000_000_000, reference: null, "for the load run");
                    for (var k = 0; k < keysEach; k++) made.Add((await KeyStore.CreateAsync(session, new KeyOrder(account.Id, $"key {k}", null, null, Wide), TimeProvider.System)).Key);
                }
                return made;
            }));
        }
        return new House(file, keys, models);
    }

    private static string Configuration(Uri upstream, string database, int models)
    {
        var text = new StringBuilder($$"""
            { "urls": "http://127.0.0.1:0", "database": "{{database}}",
              "upstreams": { "stand-in": { "dialect": "openai", "baseUrl": "{{upstream}}v1", "apiKey": "stand-in-key" } },
              "models": {
            """);
        string Entry(string id, string model) =>
            $$"""  "bench/{{id}}": { "routes": [ { "upstream": "stand-in", "model": "{{model}}", "cost": { "input": 0.5, "output": 1 } } ], "price": { "input": 1.00, "cachedInput": 0.10, "output": 2.00 } }""";
        var entries = Behaviours.Select(b => Entry(b, b)).Concat(Enumerable.Range(0, Math.Max(0, models - Behaviours.Count)).Select(i => Entry($"plain{i}", "plain")));
        return text.AppendJoin(",\n", entries).Append("} }").ToString();
    }
}
