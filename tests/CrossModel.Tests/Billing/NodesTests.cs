using CrossModel.Billing;
using CrossModel.Tests.Support;
using Microsoft.Extensions.Logging;

namespace CrossModel.Tests.Billing;

/// <summary>Several nodes on one PostgreSQL.</summary>
public sealed class NodesTests
{
    [Fact]
    public async Task ThreeNodes_MoreCallsThanMoney_SpendItAllAndNoMore()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        Till[] tills = [await Till.OpenAsync(address), await Till.OpenAsync(address), await Till.OpenAsync(address)];
        var account = await tills[0].NewAccountAsync(100 * 1000);
        long spent = 0;
        var answers = await Task.WhenAll(Enumerable.Range(0, 600).Select(async i =>
        {
            var till = tills[i % 3];
            var answer = await till.Purses.HoldAsync(account, 1000);
            if (answer.Hold is not null) Interlocked.Add(ref spent, (await till.Settlements.SettleAsync(Till.Record(account.Id, 1000), answer.Hold)).Charged);
            return answer;
        }));
        Assert.Equal(100_000, spent);
        Assert.Equal(100, answers.Count(a => a.Hold is not null));
        Assert.Equal(0, await tills[0].BalanceAsync(account));
        await tills[0].AssertSoundAsync();
        foreach (var till in tills) await till.DisposeAsync();
    }

    [Fact]
    public async Task OtherNode_WithIdleMoney_GivesItBackBeforeARefusalStays()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        await using var one = await Till.OpenAsync(address);
        await using var two = await Till.OpenAsync(address);
        var account = await one.NewAccountAsync(1_000_000);
        (await one.HoldAsync(account, 1000)).Release();
        var leased = await one.LeasedAsync(account);
        Assert.True(leased > 10_000);
        // Everything, including what the first node has idle.
        await two.HoldAsync(account, 1_000_000);
        Assert.Null((await one.Purses.HoldAsync(account, 1)).Hold);
    }

    [Fact]
    public async Task Node_ThatFindsItsLeasesGone_ForgetsThemBeforeItAdmitsAgain()
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenAsync(await TestDatabase.NewAddressAsync(postgres: true), clock);
        var wasAlive = new List<bool>();
        Nodes? nodes = null;
        nodes = new Nodes(database, "node_1", () => wasAlive.Add(nodes!.IsAlive));
        await nodes.BeatAsync(default);
        Assert.True(nodes.IsAlive);
        clock.Advance(TimeSpan.FromSeconds(15));
        await database.WriteAsync(session => session.ExecuteAsync("DELETE FROM node"));

        await nodes.BeatAsync(default);

        Assert.Equal([false], wasAlive);
        Assert.True(nodes.IsAlive);
    }

    /// <summary>In between nobody trusts the leases: no beat is three seconds on its way.</summary>
    [Fact]
    public async Task Node_WhoseBeatStandsStill_MistrustsItselfAfterSevenSeconds_AndIsBuriedAfterTen()
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenAsync(await TestDatabase.NewAddressAsync(postgres: true), clock);
        var (still, watcher) = (new Nodes(database, "node_still", () => { }), new Nodes(database, "node_watcher", () => { }));
        await still.BeatAsync(default);
        await watcher.BeatAsync(default);
        await watcher.BuryAsync(default);

        clock.Advance(TimeSpan.FromSeconds(6.99));
        Assert.True(still.IsAlive);
        clock.Advance(TimeSpan.FromSeconds(0.02));
        Assert.False(still.IsAlive);

        clock.Advance(TimeSpan.FromSeconds(2.98));
        await watcher.BuryAsync(default);
        Assert.Equal(["node_still", "node_watcher"], await NamesAsync());
        clock.Advance(TimeSpan.FromSeconds(0.02));
        // Seen when it beat again, in the moment in which it was to be buried.
        await database.WriteAsync(session => watcher.ReturnAsync(session, "node_still", 0));
        Assert.Equal(["node_still", "node_watcher"], await NamesAsync());
        await watcher.BuryAsync(default);
        Assert.Equal(["node_watcher"], await NamesAsync());

        Task<List<string>> NamesAsync() => database.ReadAsync(s => s.QueryAsync("SELECT id FROM node ORDER BY id", row => row.GetString(0)));
    }

    /// <summary>It beats every two seconds: an hour without the database would be many hundred lines.</summary>
    [Fact]
    public async Task Beat_ThatFailsForLong_IsSaidOnce_AndOnceThatItIsOver()
    {
        var (clock, log) = (new FakeClock(), new Events());
        await using var database = await TestDatabase.OpenAsync(await TestDatabase.NewAddressAsync(postgres: true), clock, server: true);
        await using var purses = await Purses.StartAsync(new Books(database, log), TestContext.Current.CancellationToken);
        for (var outage = 1; outage <= 2; outage++)
        {
            await database.WriteAsync(session => session.ExecuteAsync("ALTER TABLE node RENAME TO away"));
            await Till.UntilAsync(() => Task.FromResult(log.Count(7012) == outage), clock);
            for (var i = 0; i < 8; i++)
            {
                clock.Advance(TimeSpan.FromSeconds(2));
                await Task.Delay(30, TestContext.Current.CancellationToken);
            }
            Assert.Equal((outage, outage - 1), (log.Count(7012), log.Count(7013)));
            await database.WriteAsync(session => session.ExecuteAsync("ALTER TABLE away RENAME TO node"));
            await Till.UntilAsync(() => Task.FromResult(log.Count(7013) == outage), clock);
        }
    }

    private sealed class Events : ILogger
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<int> _events = new();

        public int Count(int id) => _events.Count(seen => seen == id);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => _events.Enqueue(eventId.Id);
    }

    /// <summary>The others may have seen it as early as it was sent.</summary>
    [Fact]
    public async Task Beat_ThatIsLongOnItsWay_CountsFromWhenItBegan()
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenAsync(await TestDatabase.NewAddressAsync(postgres: true), clock);
        var nodes = new Nodes(database, "node_1", () => { });
        var beat = Task.CompletedTask;
        await database.WriteAsync(async session =>
        {
            await Nodes.EnsureAliveAsync(session, "node_1");
            beat = nodes.BeatAsync(default);
            clock.Advance(TimeSpan.FromSeconds(7));
        });
        await beat;
        Assert.False(nodes.IsAlive);
    }

    /// <summary>Ten seconds without a beat are what counts: not ten seconds since it was first seen, nor since an earlier life of it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Node_ThatBeatsOn_IsNotBuried(bool wasBuriedByAnother)
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenAsync(await TestDatabase.NewAddressAsync(postgres: true), clock);
        var (node, watcher) = (new Nodes(database, "node_1", () => { }), new Nodes(database, "node_watcher", () => { }));
        await node.BeatAsync(default);
        await watcher.BuryAsync(default);
        if (wasBuriedByAnother)
        {
            await database.WriteAsync(session => session.ExecuteAsync("DELETE FROM node"));
            await watcher.BuryAsync(default);
        }
        clock.Advance(TimeSpan.FromSeconds(11));
        await node.BeatAsync(default);
        await watcher.BuryAsync(default);
        Assert.Equal(["node_1"], await database.ReadAsync(s => s.QueryAsync("SELECT id FROM node", row => row.GetString(0))));
    }

    /// <summary>Its leases are others' money by now: a hold that comes out of its memory would be the operator's loss.</summary>
    [Fact]
    public async Task Node_ThatWasTakenForDead_HoldsNothingFromWhatItHadLeased()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        var clock = new FakeClock();
        await using var other = await Till.OpenAsync(address);
        await using var till = await Till.OpenAsync(address, clock);
        var account = await other.NewAccountAsync(1000);
        var before = await till.HoldAsync(account, 1000);
        Task ReturnAsync(long? beat) => other.Database.WriteAsync(session => new Nodes(other.Database, other.Books.Node, () => { }).ReturnAsync(session, till.Books.Node, beat));
        // It has beaten again since.
        await ReturnAsync(beat: 0);
        Assert.Equal(1000, await other.LeasedAsync(account));
        await ReturnAsync(beat: null);
        var others = await other.HoldAsync(account, 1000);
        // With its second beat it has gone through all that its first one told it.
        await Till.UntilAsync(async () => await other.Database.ReadAsync(s => s.FirstAsync("SELECT beat FROM node WHERE id = @id", row => row.GetInt64(0), ("@id", till.Books.Node))) >= 2, clock);

        before.Release();
        var again = till.Purses.HoldAsync(account, 1000).AsTask();
        await Till.UntilAsync(() => Task.FromResult(again.IsCompleted), clock);

        Assert.Null((await again).Hold);
        others.Release();
        await other.AssertSoundAsync();
    }

    /// <summary>The others may have its leases soon: it gives nothing more out of them, though nothing else that it asks of the database fails.</summary>
    [Fact]
    public async Task Node_ThatCannotBeat_HoldsNothingFromWhatItHasLeased()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        var clock = new FakeClock();
        await using var other = await TestDatabase.OpenAsync(address);
        await using var till = await Till.OpenAsync(address, clock);
        var account = await till.NewAccountAsync(1_000_000_000);
        (await till.HoldAsync(account, 1000)).Release();
        Assert.NotNull((await till.Purses.HoldAsync(account, 1000)).Hold);
        HoldAnswer answer = default;
        await other.WriteAsync(async session =>
        {
            await session.ExecuteAsync("LOCK TABLE node IN EXCLUSIVE MODE");
            clock.Advance(TimeSpan.FromSeconds(7));
            Assert.False(till.Books.IsAway);
            // What /readyz says, too.
            Assert.True(till.Purses.IsAway);
            answer = await till.Purses.HoldAsync(account, 1).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        });
        Assert.Equal(HoldAnswer.Away, answer);
        await Till.UntilAsync(async () => (await till.Purses.HoldAsync(account, 1)).Hold is not null, clock);
        Assert.False(till.Purses.IsAway);
    }

    [Fact]
    public async Task Node_ThatLeases_CountsItsBeatOn()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres: true);
        var lost = 0;
        var nodes = new Nodes(database, "node_1", () => lost++);
        await nodes.BeatAsync(default);
        await nodes.BeatAsync(default);
        await database.WriteAsync(session => Nodes.EnsureAliveAsync(session, "node_1"));
        await nodes.BeatAsync(default);
        Assert.Equal(0, lost);
    }

    [Fact]
    public async Task Node_ThatStopsBeating_LosesItsLeasesAndNothingElse()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        var frozenClock = new FakeClock();
        var clock = new FakeClock();
        var frozen = await Till.OpenAsync(address, frozenClock);
        await using var alive = await Till.OpenAsync(address, clock);
        var account = await frozen.NewAccountAsync(1000);
        var hold = await frozen.HoldAsync(account, 600);
        Assert.Equal(600, await alive.LeasedAsync(account));
        await Till.UntilAsync(async () => await alive.LeasedAsync(account) == 0, clock);
        Assert.Equal(0, await alive.Database.ReadAsync(s => s.FirstAsync("SELECT COUNT(*) FROM lease WHERE node = @node", row => row.GetInt64(0), ("@node", frozen.Books.Node))));
        await alive.AssertSoundAsync();
        // Somebody else takes the money; the frozen node wakes and settles what it delivered: it gets what is free, the rest is uncovered.
        var other = await alive.HoldAsync(account, 900);
        Assert.Equal(new Settled(true, 100, 500, 900), await frozen.Settlements.SettleAsync(Till.Record(account.Id, 600), hold));
        await alive.AssertSoundAsync();
        other.Release();
        await Till.UntilAsync(async () => await alive.LeasedAsync(account) == 0, clock);
        // By its own clock it is still fresh; it finds out at its next beat, and begins anew.
        frozenClock.Advance(TimeSpan.FromSeconds(2));
        await Till.UntilAsync(async () => (await frozen.Purses.HoldAsync(account, 100)).Hold is not null, frozenClock);
        await alive.AssertSoundAsync();
        await frozen.DisposeAsync();
    }

    [Fact]
    public async Task Node_WithoutADatabase_StopsAdmittingAndComesBack()
    {
        PostgresServer.SkipIfMissing();
        await using var server = await PostgresServer.StartNewAsync();
        var clock = new FakeClock();
        await using var till = await Till.OpenAsync(await server.CreateDatabaseAsync(), clock);
        var account = await till.NewAccountAsync(1_000_000_000);
        var before = await till.HoldAsync(account, 1000);
        var waiting = await till.HoldAsync(account, 1000);
        var plain = await till.HoldAsync(account, 1000);
        await server.StopAsync();
        // A stream waits for its turn, a plain reply gives up after ten seconds and is never charged.
        var queued = till.Settlements.SettleOrQueueAsync(Till.Record(account.Id, 70), waiting);
        var given = till.Settlements.SettleAsync(Till.Record(account.Id, 500), plain);
        // Money lies idle here, but what it would pay for could not be put on the books.
        await Till.UntilAsync(() => Task.FromResult(till.Books.IsAway));
        Assert.True((await till.Purses.HoldAsync(account, 1)).DatabaseAway);
        await Till.UntilAsync(() => Task.FromResult(given.IsCompleted && queued.IsCompleted), clock);
        Assert.False((await given).Committed);
        Assert.False((await queued).Committed);
        Assert.True((await till.Purses.HoldAsync(account, 1000)).DatabaseAway);
        Assert.NotNull((await till.Purses.HoldAsync(account, 0)).Hold);
        var late = till.Settlements.SettleAsync(Till.Record(account.Id, 30), before);
        await server.StartAsync();
        await Till.UntilAsync(() => Task.FromResult(late.IsCompleted), clock);
        Assert.Equal(30, (await late).Charged);
        await Till.UntilAsync(async () => (await till.Purses.HoldAsync(account, 1000)).Hold is not null, clock);
        Assert.Equal(1_000_000_000 - 70 - 30, await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    /// <summary>The others would be refused that money for as long as this node lives.</summary>
    [Fact]
    public async Task Lease_WhoseCommitWasNotAnswered_IsGivenBackWithoutAFurtherCall()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        await using var other = await Till.OpenAsync(address);
        var account = await other.NewAccountAsync(1_000_000);
        using var wire = CutWire.Of(address, "INSERT INTO lease", out var cut);
        await using var node = await Till.OpenAsync(cut);
        Assert.True((await node.Purses.HoldAsync(account, 1000)).DatabaseAway);
        Assert.True(await other.LeasedAsync(account) > 0);

        await Till.UntilAsync(async () => await other.LeasedAsync(account) == 0);

        (await other.HoldAsync(account, 1_000_000)).Release();
        await other.AssertSoundAsync();
    }
}
