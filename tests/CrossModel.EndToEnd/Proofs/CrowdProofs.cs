using System.Globalization;
using System.Text.RegularExpressions;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>2,000 callers at once on money for 100: never below zero, and no money lies idle while somebody is refused.</summary>
public sealed partial class CrowdProofs
{
    private const int Callers = 2000;
    private const int Affordable = 100;
    private const int CompletionTokens = 1000;

    [Fact]
    public Task Crowd_OneNodeOnSqlite_SpendsTheMoneyAndNoMore() => CrowdAsync("2,000 callers on money for 100, SQLite, 1 node", postgres: false, nodes: 1, maxTokens: CompletionTokens);

    [Fact]
    public Task Crowd_ThreeNodesOnPostgres_SpendsTheMoneyAndNoMore() => CrowdAsync("2,000 callers on money for 100, PostgreSQL, 3 nodes", postgres: true, nodes: 3, maxTokens: CompletionTokens);

    [Fact]
    public Task Crowd_WhoseHoldsAreTwiceTheCost_SpendsTheMoneyAndNoMore() => CrowdAsync("2,000 callers whose holds are twice the cost, PostgreSQL, 3 nodes", postgres: true, nodes: 3, maxTokens: 2 * CompletionTokens);

    private static async Task CrowdAsync(string proof, bool postgres, int nodes, int maxTokens)
    {
        var cost = ProofSite.CostOf(CompletionTokens);
        var money = cost * Affordable;
        for (var round = 1; round <= ProofMode.Times(1, 20); round++)
        {
            await using var upstream = await ProofUpstream.StartAsync(CompletionTokens, () => TimeSpan.FromMilliseconds(Random.Shared.Next(5, 100)));
            await using var site = await ProofSite.MakeAsync(postgres, upstream.BaseUrl);
            var key = await site.NewKeyAsync("crowd", money / 1_000_000_000m);
            var servers = await Task.WhenAll(Enumerable.Range(0, nodes).Select(_ => ServerProcess.StartAsync(site.ConfigFile)));
            using var end = new CancellationTokenSource();
            var sampling = SampleAsync(site, end.Token);

            // Who was refused comes again when the wave is over; a wave in which nobody is served is made of refusals that stay.
            var log = new CallLog();
            var (waves, afterFirstWave) = (0, 0L);
            for (var waiting = Callers; ;)
            {
                var served = log.Acknowledged;
                var outcomes = await Task.WhenAll(Enumerable.Range(0, waiting).Select(async i =>
                    log.Add(await ProofCaller.CallAsync(servers[i % nodes].Http, key, ProofCaller.Body(stream: i % 2 == 0, maxTokens)))));
                AssertTruthful(outcomes);
                waves++;
                if (waves == 1) afterFirstWave = money - (await site.MoneyAsync("crowd")).Balance;
                if (log.Acknowledged == served) break;
                waiting = outcomes.Count(o => o.End == CallEnd.Refused);
            }
            await end.CancelAsync();
            var (samples, lowest) = await sampling;
            var charges = await site.ChargesAsync("crowd");
            var (balance, _) = await site.MoneyAsync("crowd");
            var spent = money - balance;
            ProofMode.Print(proof, string.Create(CultureInfo.InvariantCulture,
                $"{log.Acknowledged} served in {waves} waves, {(double)afterFirstWave / money:P1} spent by the first wave, {(double)spent / money:P1} before the first refusal that stays, lowest balance {lowest / 1e9:0.######} USD in {samples} samples, {log.Count(CallEnd.Refused)} refusals"));

            Assert.Equal(0, log.Count(CallEnd.Broken) + log.Count(CallEnd.Unreached));
            Assert.True(lowest >= 0);
            Assert.True(await LowestEverAsync(site) >= 0);
            Assert.True(spent >= money * 95 / 100, $"only {spent} of {money} nano-dollars were spent");
            // Where holds are what calls cost, nobody has to come twice.
            if (maxTokens == CompletionTokens) Assert.True(afterFirstWave >= money * 95 / 100, $"only {afterFirstWave} of {money} nano-dollars were spent by the first wave");
            Assert.Equal(charges.Values.Sum(), spent);
            Assert.Equal(log.Acknowledged, charges.Count);
            Assert.All(log.Whole, c => Assert.Equal(c.Cost, charges[c.RequestId!]));
            foreach (var server in servers) Assert.Equal(0, await server.TerminateAsync());
            await site.AssertBooksAgreeAsync("crowd");
            Assert.Equal(0, (await site.MoneyAsync("crowd")).Leased);
            foreach (var server in servers) await server.DisposeAsync();
        }
    }

    /// <summary>Every refusal is for want of money, and its numbers say so.</summary>
    private static void AssertTruthful(IEnumerable<CallOutcome> outcomes)
    {
        foreach (var refusal in outcomes.Where(o => o.End == CallEnd.Refused))
        {
            Assert.True(refusal.Status == 402, $"{refusal.Status} {refusal.Body}");
            var numbers = Numbers().Match(refusal.Body);
            Assert.True(numbers.Success, refusal.Body);
            Assert.True(Amount(numbers, "available") < Amount(numbers, "needed"), refusal.Body);
        }
    }

    private static decimal Amount(Match match, string name) => decimal.Parse(match.Groups[name].Value, CultureInfo.InvariantCulture);

    private static async Task<(int Samples, long Lowest)> SampleAsync(ProofSite site, CancellationToken end)
    {
        var (samples, lowest) = (0, long.MaxValue);
        while (!end.IsCancellationRequested)
        {
            var (balance, leased) = await site.MoneyAsync("crowd");
            lowest = Math.Min(lowest, balance);
            Assert.InRange(leased, 0, balance);
            samples++;
            await Task.Delay(10, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return (samples, lowest);
    }

    /// <summary>Each entry has the balance after it: together they are every balance that ever was.</summary>
    private static Task<long> LowestEverAsync(ProofSite site) => site.Database.ReadAsync(s => s.FirstAsync("SELECT MIN(balance) FROM ledger_entry", row => row.GetInt64(0)));

    [GeneratedRegex("needed (?<needed>[0-9.]+), held (?<held>[0-9.]+), available (?<available>[0-9.]+) USD")]
    private static partial Regex Numbers();
}
