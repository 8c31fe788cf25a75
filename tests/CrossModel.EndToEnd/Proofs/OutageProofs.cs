using System.Diagnostics;
using System.Globalization;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>The database stops, the disk is full, a node freezes, the clock goes back: nothing is charged twice, nothing acknowledged is lost, service comes back by itself.</summary>
public sealed class OutageProofs
{
    private const int CompletionTokens = 50;
    private static readonly TimeSpan Recovery = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Postgres_StoppedAndStartedUnderLoad_LosesAndDoublesNothing()
    {
        PostgresServer.SkipIfMissing();
        var random = new Random(7);
        await using var postgres = await PostgresServer.StartNewAsync();
        await using var upstream = await ProofUpstream.StartAsync(CompletionTokens, () => TimeSpan.FromMilliseconds(Random.Shared.Next(0, 60)));
        await using var site = await ProofSite.MakeAsync(await postgres.CreateDatabaseAsync(), upstream.BaseUrl);
        var key = await site.NewKeyAsync("crowd", 1000m);
        var servers = await Task.WhenAll(ServerProcess.StartAsync(site.ConfigFile), ServerProcess.StartAsync(site.ConfigFile));
        var outages = ProofMode.Times(4, 40);

        await using var crowd = new Crowd(16, (i, stream) => ProofCaller.CallAsync(servers[i % 2].Http, key, ProofCaller.Body(stream, CompletionTokens)));
        for (var outage = 0; outage < outages; outage++)
        {
            await crowd.WaitForAsync(100, Recovery);
            await Task.Delay(random.Next(0, 50));
            // A restart in order, or a power cut: the latter leaves commits of which nobody knows whether they happened.
            await (outage % 2 == 0 ? postgres.KillAsync() : postgres.StopAsync());
            // One outage is longer than a settlement waits.
            await Task.Delay(outage == 0 ? TimeSpan.FromSeconds(12) : TimeSpan.FromMilliseconds(random.Next(100, 2500)));
            await postgres.StartAsync();
        }
        await crowd.WaitForAsync(100, Recovery);
        await crowd.StopAsync();

        await Task.WhenAll(servers.Select(s => s.TerminateAsync()));
        await AssertExactAsync($"PostgreSQL stopped {outages} times under load, 2 nodes", site, crowd.Log);
        foreach (var server in servers) await server.DisposeAsync();
    }

    [Fact]
    public async Task Disk_FullUnderLoad_DamagesNothingAndServiceComesBack()
    {
        Assert.SkipUnless(Environment.UserName == "root", "a file system of its own can only be mounted by root");
        await using var disk = await SmallDisk.MountAsync(megabytes: 12);
        await using var upstream = await ProofUpstream.StartAsync(CompletionTokens, () => TimeSpan.FromMilliseconds(Random.Shared.Next(0, 40)));
        await using var site = await ProofSite.MakeAsync("sqlite:" + Path.Combine(disk.Folder, "books.db"), upstream.BaseUrl);
        var key = await site.NewKeyAsync("crowd", 1000m);
        await using var server = await ServerProcess.StartAsync(site.ConfigFile);
        var rounds = ProofMode.Times(2, 10);

        await using var crowd = new Crowd(16, (_, stream) => ProofCaller.CallAsync(server.Http, key, ProofCaller.Body(stream, CompletionTokens)));
        for (var round = 0; round < rounds; round++)
        {
            await crowd.WaitForAsync(100, Recovery);
            disk.Fill();
            await crowd.WaitForRefusalsAsync(20, Recovery);
            // Nothing is written any more: no balancer should send callers here.
            await Until.TrueAsync(async () => (await server.Http.GetAsync("/readyz")).Text.Contains("the database takes no writes", StringComparison.Ordinal), seconds: 30);
            disk.Empty();
        }
        await crowd.WaitForAsync(100, Recovery);
        await crowd.StopAsync();

        Assert.All(crowd.Log.All.Where(c => c is { End: CallEnd.Refused, Status: not 200 }), c => Assert.True(c.Status == 503, $"{c.Status} {c.Body}"));
        Assert.Equal(0, await server.TerminateAsync());
        await AssertExactAsync($"disk full {rounds} times under load, SQLite", site, crowd.Log);
    }

    [Fact]
    public async Task Node_FrozenPastItsLease_SpendsNothingTwice()
    {
        const int Affordable = 400;
        var cost = ProofSite.CostOf(CompletionTokens);
        // Streams that last longer than the freeze are in flight on the frozen node.
        var slow = TimeSpan.FromMilliseconds(300);
        await using var upstream = await ProofUpstream.StartAsync(CompletionTokens, () => slow);
        await using var site = await ProofSite.MakeAsync(postgres: true, upstream.BaseUrl);
        var key = await site.NewKeyAsync("crowd", cost * Affordable / 1_000_000_000m);
        var servers = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => ServerProcess.StartAsync(site.ConfigFile)));
        var log = new CallLog();
        Task<CallOutcome[]> CallAsync(int node, int times) => Task.WhenAll(Enumerable.Range(0, times).Select(async i =>
            log.Add(await ProofCaller.CallAsync(servers[node].Http, key, ProofCaller.Body(stream: i % 2 == 0, CompletionTokens)))));

        await Task.WhenAll(CallAsync(0, 20), CallAsync(1, 20), CallAsync(2, 20));
        var caught = CallAsync(0, 40);
        await Task.Delay(150);
        servers[0].Freeze();
        var frozen = Stopwatch.StartNew();
        // The other two spend all they can, while the frozen node's lease is out and after it has come back to the account.
        while (frozen.Elapsed < TimeSpan.FromSeconds(15)) await Task.WhenAll(CallAsync(1, 20), CallAsync(2, 20), Task.Delay(500));
        var spentByOthers = cost * Affordable - (await site.MoneyAsync("crowd")).Balance;
        servers[0].Thaw();
        await Task.WhenAll(CallAsync(0, 40), CallAsync(1, 40));
        var finished = (await caught).Count(c => c.End == CallEnd.Acknowledged);

        var charges = await site.ChargesAsync("crowd");
        var (balance, _) = await site.MoneyAsync("crowd");
        var lowest = await site.Database.ReadAsync(s => s.FirstAsync("SELECT MIN(balance) FROM ledger_entry", row => row.GetInt64(0)));
        ProofMode.Print("node frozen 15 s, PostgreSQL, 3 nodes", string.Create(CultureInfo.InvariantCulture,
            $"{log.Acknowledged} replies acknowledged, {charges.Count} charges, {(double)spentByOthers / (cost * Affordable):P1} of the money spent by the other nodes meanwhile, lowest balance {lowest / 1e9:0.######} USD, {finished} of 40 calls finished after the thaw"));
        Assert.True(lowest >= 0);
        Assert.All(log.Whole, c => Assert.Equal(c.Cost, charges.GetValueOrDefault(c.RequestId!)));
        Assert.Equal(charges.Values.Sum(), cost * Affordable - balance);
        Assert.True(spentByOthers >= cost * Affordable * 95 / 100, "what the frozen node had leased did not come back");
        foreach (var server in servers) Assert.Equal(0, await server.TerminateAsync());
        await site.AssertBooksAgreeAsync("crowd");
        Assert.Equal(0, (await site.MoneyAsync("crowd")).Leased);
        foreach (var server in servers) await server.DisposeAsync();
    }

    /// <summary>Acknowledged = charged as shown; refused = not charged in the end; all that was charged left the balance.</summary>
    private static async Task AssertExactAsync(string proof, ProofSite site, CallLog log)
    {
        var charges = await site.ChargesAsync("crowd");
        var refunds = await site.Database.ReadAsync(s => s.QueryAsync("SELECT reference, amount FROM ledger_entry WHERE kind = 'refund'",
            row => (Id: row.GetString(0), Amount: row.GetInt64(1))));
        foreach (var (id, amount) in refunds) charges[id] -= amount;
        var cutStreams = log.All.Count(c => c is { End: CallEnd.Refused, Status: 200 });
        var lost = log.Whole.Count(c => !charges.ContainsKey(c.RequestId!));
        ProofMode.Print(proof, $"{log.Acknowledged} replies acknowledged, {lost} lost, 0 double, {log.All.Count(c => c.Status == 503)} told 503, {cutStreams} streams told the error event, {refunds.Count} refunds of commits that were not seen");
        Assert.Equal(0, lost);
        Assert.All(log.Whole, c => Assert.Equal(c.Cost, charges[c.RequestId!]));
        Assert.All(log.All.Where(c => c is { End: CallEnd.Refused, Status: not 200 }), c => Assert.Equal(0, charges.GetValueOrDefault(c.RequestId!)));
        Assert.Equal(0, log.Count(CallEnd.Broken));
        var (balance, leased) = await site.MoneyAsync("crowd");
        Assert.Equal(1000_000_000_000 - charges.Values.Sum(), balance);
        Assert.Equal(0, leased);
        await site.AssertBooksAgreeAsync("crowd");
    }
}

/// <summary>Callers that call until they are told to stop, streams and plain calls in turn.</summary>
internal sealed class Crowd : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly Task _callers;

    /// <param name="call">The caller's number, and whether it wants a stream.</param>
    public Crowd(int callers, Func<int, bool, Task<CallOutcome>> call) => _callers = Task.WhenAll(Enumerable.Range(0, callers).Select(async caller =>
    {
        for (var i = caller; !_end.IsCancellationRequested; i++)
        {
            var outcome = Log.Add(await call(caller, i % 2 == 0));
            if (outcome.End != CallEnd.Acknowledged) await Task.Delay(50);
        }
    }));

    public CallLog Log { get; } = new();

    /// <summary>Until that many more replies were acknowledged.</summary>
    public Task WaitForAsync(int more, TimeSpan patience) => WaitAsync(() => Log.Acknowledged, more, patience);

    public Task WaitForRefusalsAsync(int more, TimeSpan patience) => WaitAsync(() => Log.Count(CallEnd.Refused), more, patience);

    private async Task WaitAsync(Func<int> count, int more, TimeSpan patience)
    {
        var (target, waited) = (count() + more, Stopwatch.StartNew());
        while (count() < target)
        {
            Assert.True(waited.Elapsed < patience, $"no progress within {patience}: {string.Join("; ", Log.All.TakeLast(3))}");
            Assert.False(_callers.IsFaulted, _callers.Exception?.ToString());
            await Task.Delay(5);
        }
    }

    public async Task StopAsync()
    {
        await _end.CancelAsync();
        await _callers;
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _callers.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }
}

/// <summary>A file system of a few megabytes in memory.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private readonly string _filler;

    private SmallDisk(string folder) => (Folder, _filler) = (folder, Path.Combine(folder, "filler"));

    public string Folder { get; }

    public static async Task<SmallDisk> MountAsync(int megabytes)
    {
        var folder = TempFolder.New();
        Assert.SkipUnless(await RunAsync("mount", "-t", "tmpfs", "-o", $"size={megabytes}m", "tmpfs", folder) == 0, "this machine does not let root mount a tmpfs");
        return new SmallDisk(folder);
    }

    /// <summary>Takes every byte that is left.</summary>
    public void Fill()
    {
        using var file = new FileStream(_filler, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        var (block, size) = (new byte[64 * 1024], 64 * 1024);
        while (size > 0)
        {
            try
            {
                file.Write(block, 0, size);
            }
            catch (IOException)
            {
                size /= 2;
            }
        }
    }

    public void Empty() => File.Delete(_filler);

    public async ValueTask DisposeAsync() => await RunAsync("umount", "-l", Folder);

    private static async Task<int> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        await process.WaitForExitAsync();
        return process.ExitCode;
    }
}
