using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>kill -9 at random moments under load: what a caller has received in full is on the books, once.</summary>
public sealed class KillProofs
{
    private const int CompletionTokens = 50;

    [Fact]
    public Task Kill_OneNodeOnSqlite_LosesAndDoublesNoAcknowledgedReply() => KillAsync("kill -9, SQLite, 1 node", postgres: false, nodes: 1,
        kills: ProofMode.Times(20, 300), acknowledged: ProofMode.Times(2000, 30_000), seed: 20260714);

    [Fact]
    public Task Kill_AnyOfThreeNodesOnPostgres_LosesAndDoublesNoAcknowledgedReply() => KillAsync("kill -9, PostgreSQL, 3 nodes", postgres: true, nodes: 3,
        kills: ProofMode.Times(20, 150), acknowledged: ProofMode.Times(2000, 15_000), seed: 4711);

    private static async Task KillAsync(string proof, bool postgres, int nodes, int kills, int acknowledged, int seed)
    {
        var random = new Random(seed);
        await using var upstream = await ProofUpstream.StartAsync(CompletionTokens, () => TimeSpan.FromMilliseconds(Random.Shared.Next(0, 40)));
        await using var site = await ProofSite.MakeAsync(postgres, upstream.BaseUrl);
        var key = await site.NewKeyAsync("crowd", 1000m);
        var log = new CallLog();
        var servers = await Task.WhenAll(Enumerable.Range(0, nodes).Select(_ => ServerProcess.StartAsync(site.ConfigFile)));
        using var end = new CancellationTokenSource();
        var callers = Enumerable.Range(0, 24).Select(i => CallForeverAsync(i)).ToArray();
        try
        {
            for (var kill = 1; kill <= kills; kill++)
            {
                // After some replies and a moment more: the moment falls anywhere in the life of the calls in flight.
                var share = acknowledged * kill / kills + random.Next(0, 20);
                while (log.Acknowledged < share) await Task.Delay(1);
                await Task.Delay(random.Next(0, 30));
                var victim = random.Next(nodes);
                await servers[victim].KillAsync();
                await servers[victim].DisposeAsync();
                servers[victim] = await ServerProcess.StartAsync(site.ConfigFile);
            }
        }
        finally
        {
            await end.CancelAsync();
            await Task.WhenAll(callers);
        }

        var charges = await site.ChargesAsync("crowd");
        var whole = log.Whole.ToList();
        var lost = whole.Where(c => !charges.ContainsKey(c.RequestId!)).ToList();
        var wrong = whole.Where(c => charges.TryGetValue(c.RequestId!, out var amount) && (amount != c.Cost || amount != ProofSite.CostOf(CompletionTokens))).ToList();
        var unseen = charges.Count - whole.Count + lost.Count;
        ProofMode.Print(proof, $"{kills} kills, {whole.Count} replies acknowledged, {lost.Count} lost, 0 double, {unseen} charged that were cut in their last bytes, {log.Count(CallEnd.Broken)} calls cut");
        Assert.Empty(lost);
        Assert.Empty(wrong);
        Assert.True(whole.Count >= acknowledged);
        // Only a call that was in flight at a kill can be charged without being seen.
        Assert.InRange(unseen, 0, log.Count(CallEnd.Broken));
        Assert.DoesNotContain(log.All, c => c.End == CallEnd.Refused && charges.ContainsKey(c.RequestId!));
        var (balance, _) = await site.MoneyAsync("crowd");
        Assert.Equal(1000_000_000_000 - charges.Values.Sum(), balance);
        foreach (var server in servers) Assert.Equal(0, await server.TerminateAsync());
        await site.AssertBooksAgreeAsync("crowd");
        foreach (var server in servers) await server.DisposeAsync();

        async Task CallForeverAsync(int caller)
        {
            for (var i = 0; !end.IsCancellationRequested; i++)
            {
                var outcome = log.Add(await CallAsync(servers[caller % nodes].Http, i % 2 == 0));
                if (outcome.End != CallEnd.Acknowledged) await Task.Delay(20);
            }
        }

        async Task<CallOutcome> CallAsync(Http http, bool stream)
        {
            try
            {
                return await ProofCaller.CallAsync(http, key, ProofCaller.Body(stream, CompletionTokens));
            }
            catch (ObjectDisposedException)
            {
                return new CallOutcome(CallEnd.Unreached, 0, null, null, "");
            }
        }
    }
}
