using System.Collections.Concurrent;
using System.Diagnostics;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>
/// kill -9 at random moments under load: what a caller has received in full is on the books, once. Half of the callers send an Idempotency-Key and, when
/// they are cut, come again with it: each key ends in a whole reply and in one charge, wherever the kill fell.
/// </summary>
public sealed class KillProofs
{
    private const int CompletionTokens = 50;
    private const int Callers = 24;

    /// <summary>Nothing takes longer: a server starts within seconds, and a dead node's calls are free again after ten.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Kills on end. Only who has lived for ten seconds can tell a dead node from a living one: on a fast machine nobody would, and nothing that the dead held became free.</summary>
    private const int KillsUntilBuried = 15;

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
        var (log, repeated) = (new CallLog(), new CallLog());
        var (once, keys) = (new ConcurrentDictionary<string, CallOutcome>(), 0);
        var servers = await Task.WhenAll(Enumerable.Range(0, nodes).Select(_ => ServerProcess.StartAsync(site.ConfigFile)));
        using var end = new CancellationTokenSource();
        var callers = Enumerable.Range(0, Callers).Select(i => i % 2 == 0 ? CallOnceEachAsync(i) : CallForeverAsync(i)).ToArray();
        try
        {
            for (var kill = 1; kill <= kills; kill++)
            {
                // After some replies and a moment more: the moment falls anywhere in the life of the calls in flight.
                var share = acknowledged * kill / kills + random.Next(0, 20);
                for (var waited = Stopwatch.StartNew(); log.Acknowledged + repeated.Acknowledged < share;)
                {
                    Assert.True(waited.Elapsed < Patience, $"no progress: {string.Join("; ", log.All.TakeLast(3))}");
                    await Task.Delay(1);
                }
                await Task.Delay(random.Next(0, 30));
                var victim = random.Next(nodes);
                await servers[victim].KillAsync();
                await servers[victim].DisposeAsync();
                servers[victim] = await ServerProcess.StartAsync(site.ConfigFile);
                if (nodes > 1 && kill % KillsUntilBuried == 0) await Until.TrueAsync(async () => await site.NodesAsync() == nodes, seconds: 30);
            }
        }
        finally
        {
            await end.CancelAsync();
            await Task.WhenAll(callers);
        }

        var all = await site.ChargesAsync("crowd");
        var byKey = await site.ChargedByClientIdAsync();
        var keyed = byKey.SelectMany(requests => requests).ToHashSet();
        var charges = all.Where(c => !keyed.Contains(c.Key)).ToDictionary();
        var whole = log.Whole.ToList();
        var lost = whole.Where(c => !charges.ContainsKey(c.RequestId!)).ToList();
        var wrong = whole.Where(c => charges.TryGetValue(c.RequestId!, out var amount) && (amount != c.Cost || amount != ProofSite.CostOf(CompletionTokens))).ToList();
        var unseen = charges.Count - whole.Count + lost.Count;
        ProofMode.Print(proof, $"{kills} kills, {whole.Count + once.Count} replies acknowledged, {lost.Count} lost, 0 double, {unseen} charged that were cut in their last bytes, {log.Count(CallEnd.Broken)} calls cut; "
            + $"{once.Count} keys, {repeated.Count(CallEnd.Broken)} calls with a key cut and repeated, {once.Values.Count(c => c.Replayed is not null)} of them got the kept reply, one charge each");
        Assert.Empty(lost);
        Assert.Empty(wrong);
        Assert.True(whole.Count + once.Count >= acknowledged);
        // Only a call that was in flight at a kill can be charged without being seen.
        Assert.InRange(unseen, 0, log.Count(CallEnd.Broken));
        Assert.DoesNotContain(log.All, c => c.End == CallEnd.Refused && charges.ContainsKey(c.RequestId!));
        // Of a key: a whole reply, one charge, that reply's, in the amount that its caller was shown.
        Assert.Equal(once.Keys.Order(StringComparer.Ordinal), byKey.Select(requests => requests.Key).Order(StringComparer.Ordinal));
        Assert.All(once, k => Assert.Equal(k.Value.Replayed ?? k.Value.RequestId, Assert.Single(byKey[k.Key])));
        Assert.All(once.Values, c => Assert.Equal((ProofSite.CostOf(CompletionTokens), c.Cost), (all[c.Replayed ?? c.RequestId!], c.Cost)));
        var (balance, _) = await site.MoneyAsync("crowd");
        Assert.Equal(1000_000_000_000 - all.Values.Sum(), balance);
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

        // The same key and body until there is a whole reply, on whichever node comes next.
        async Task CallOnceEachAsync(int caller)
        {
            for (var i = 0; !end.IsCancellationRequested; i++)
            {
                var name = $"once-{Interlocked.Increment(ref keys)}-{Guid.NewGuid():N}";
                var waited = Stopwatch.StartNew();
                for (var at = caller; !once.ContainsKey(name); at++)
                {
                    var outcome = repeated.Add(await CallAsync(servers[at % nodes].Http, i % 2 == 0, name));
                    if (outcome.End == CallEnd.Acknowledged) once[name] = outcome;
                    else await Task.Delay(20);
                    Assert.True(waited.Elapsed < Patience, $"a repeat got no whole reply: {outcome}");
                }
            }
        }

        async Task<CallOutcome> CallAsync(Http http, bool stream, string? name = null)
        {
            try
            {
                return await ProofCaller.CallAsync(http, key, ProofCaller.Body(stream, CompletionTokens), name);
            }
            catch (ObjectDisposedException)
            {
                return new CallOutcome(CallEnd.Unreached, 0, null, null, "");
            }
        }
    }
}
