using CrossModel.Configuration;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Storage;

public sealed class SqliteDatabaseContract() : DatabaseContract(postgres: false);

public sealed class PostgresDatabaseContract() : DatabaseContract(postgres: true)
{
    [Fact]
    public async Task Migration_LongerThanACommandMayTake_IsAppliedOnceByTwoNodes()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true) + "?Command%20Timeout=1";
        await using var one = await TestDatabase.OpenAsync(address);
        await using var other = await TestDatabase.OpenAsync(address);
        Migration[] known = [.. Migrations.Embedded, new(8001, "slow", "CREATE TABLE slow (n BIGINT); INSERT INTO slow (n) SELECT 1 FROM pg_sleep(2.5)")];
        var ct = TestContext.Current.CancellationToken;
        await Task.WhenAll(Migrations.ApplyAsync(one, known, NullLogger.Instance, ct), Migrations.ApplyAsync(other, known, NullLogger.Instance, ct));
        Assert.Equal([1L], await one.ReadAsync(session => session.QueryAsync("SELECT n FROM slow", row => row.GetInt64(0)), ct));
    }
}

/// <summary>What every room may rely on, the same on both databases.</summary>
public abstract class DatabaseContract(bool postgres)
{
    private const string Insert = "INSERT INTO change (kind, number) VALUES (@kind, @number)";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Task<long?> Number(Session session, string kind) =>
        session.FirstAsync("SELECT number FROM change WHERE kind = @kind", row => row.LongOrNull(0), ("@kind", kind));

    [Fact]
    public async Task Write_Committed_IsReadBackByAnotherProcess()
    {
        var address = await TestDatabase.NewAddressAsync(postgres);
        await using var one = await TestDatabase.OpenAsync(address);
        await using var two = await TestDatabase.OpenAsync(address);
        await one.WriteAsync(session => session.ExecuteAsync(Insert, ("@kind", "a"), ("@number", long.MaxValue)), Cancel);
        Assert.Equal(long.MaxValue, await two.ReadAsync(session => Number(session, "a"), Cancel));
    }

    [Fact]
    public async Task Write_ThatThrows_LeavesNothingAndHurtsNoneBesideIt()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var writes = Enumerable.Range(0, 40).Select(i => database.WriteAsync(async session =>
        {
            await session.ExecuteAsync(Insert, ("@kind", $"k{i}"), ("@number", i));
            if (i % 2 == 1) throw new InvalidOperationException($"no {i}");
            return i;
        }, Cancel)).ToArray();
        for (var i = 0; i < writes.Length; i++)
        {
            if (i % 2 == 0) Assert.Equal(i, await writes[i]);
            else Assert.Equal($"no {i}", (await Assert.ThrowsAsync<InvalidOperationException>(() => writes[i])).Message);
        }
        var kinds = await database.ReadAsync(session => session.QueryAsync("SELECT kind FROM change ORDER BY number", row => row.GetString(0)), Cancel);
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"k{i * 2}"), kinds);
    }

    [Fact]
    public async Task Rows_WhereOneCannotBeBoundOrRead_TheStatementServesTheNextWrite()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var insert = new ManyRows("INSERT INTO change (kind, number) {rows}", "tn");
        var select = new ManyRows("SELECT kind, number FROM change{, rows} WHERE kind = {1}", "t");
        Task Write(string kind, bool fails) => database.WriteAsync(async session =>
        {
            await insert.ExecuteAsync(session, [kind], (k, values) =>
            {
                values.Add(k);
                if (fails) throw new InvalidOperationException("not bound");
                values.Add(1);
            });
            return true;
        }, Cancel);
        Task<List<long>> Read(string kind, bool fails) => database.WriteAsync(session => select.QueryAsync(session, [kind], static (k, values) => values.Add(k),
            row => fails ? throw new InvalidOperationException("not read") : row.Number(1)).AsTask(), Cancel);

        await Write("first", fails: false);
        await Assert.ThrowsAsync<InvalidOperationException>(() => Write("second", fails: true));
        await Write("third", fails: false);
        await Assert.ThrowsAsync<InvalidOperationException>(() => Read("first", fails: true));
        Assert.Equal([1], await Read("third", fails: false));
        Assert.Empty(await Read("second", fails: false));
    }

    [Fact]
    public async Task Write_SameUniqueValueTwice_IsAUniqueViolationAndNotAway()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        await database.WriteAsync(session => session.ExecuteAsync(Insert, ("@kind", "a"), ("@number", 1)), Cancel);
        var fault = await Assert.ThrowsAnyAsync<Exception>(
            () => database.WriteAsync(session => session.ExecuteAsync(Insert, ("@kind", "a"), ("@number", 2)), Cancel));
        Assert.True(database.IsUniqueViolation(fault));
        Assert.False(database.IsAway(fault));
        Assert.Equal(1, await database.ReadAsync(session => Number(session, "a"), Cancel));
    }

    [Fact]
    public async Task ConditionalUpdateReturning_TakesMoneyOnlyWhileItIsThere()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        await database.WriteAsync(session => session.ExecuteAsync(Insert, ("@kind", "purse"), ("@number", 10)), Cancel);
        var takes = await Task.WhenAll(Enumerable.Range(0, 25).Select(_ => database.WriteAsync(session => session.FirstAsync<long?>(
            "UPDATE change SET number = number - @take WHERE kind = 'purse' AND number >= @take RETURNING number", row => row.GetInt64(0), ("@take", 1L)), Cancel)));
        Assert.Equal(10, takes.Count(left => left is not null));
        Assert.Equal(0, await database.ReadAsync(session => Number(session, "purse"), Cancel));
    }

    [Fact]
    public async Task Values_NullTextFlagAndBigNumbers_ComeBackAsTheyWent()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        await database.WriteAsync(async session =>
        {
            await session.ExecuteAsync("CREATE TABLE sample (t TEXT, n BIGINT, f BIGINT)");
            const string into = "INSERT INTO sample (t, n, f) VALUES (@t, @n, @f)";
            await session.ExecuteAsync(into, ("@t", "snow ☃ 'quoted'"), ("@n", long.MinValue), ("@f", true));
            await session.ExecuteAsync(into, ("@t", null), ("@n", null), ("@f", false));
        }, Cancel);
        var rows = await database.ReadAsync(session => session.QueryAsync(
            "SELECT t, n, f FROM sample ORDER BY f DESC", row => (row.TextOrNull(0), row.LongOrNull(1), row.Flag(2))), Cancel);
        Assert.Equal([("snow ☃ 'quoted'", long.MinValue, true), (null, null, false)], rows);
    }

    [Fact]
    public async Task Sum_CastToBigint_IsALongOnBoth()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        await database.WriteAsync(async session =>
        {
            await session.ExecuteAsync(Insert, ("@kind", "a"), ("@number", 1L << 40));
            await session.ExecuteAsync(Insert, ("@kind", "b"), ("@number", 3));
        }, Cancel);
        var sum = await database.ReadAsync(session => session.FirstAsync<long?>("SELECT CAST(SUM(number) AS BIGINT) FROM change", row => row.GetInt64(0)), Cancel);
        Assert.Equal((1L << 40) + 3, sum);
    }

    [Fact]
    public async Task Snapshot_WhileOthersWrite_SeesOneMoment()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        await database.WriteAsync(session => session.ExecuteAsync(Insert, ("@kind", "a"), ("@number", 1)), Cancel);
        var (before, after) = await database.SnapshotAsync(async session =>
        {
            var first = await Number(session, "a");
            await database.WriteAsync(other => other.ExecuteAsync("UPDATE change SET number = 2"), Cancel);
            return (first, await Number(session, "a"));
        }, Cancel);
        Assert.Equal((1, 1), (before, after));
        Assert.Equal(2, await database.ReadAsync(session => Number(session, "a"), Cancel));
    }

    [Fact]
    public async Task Write_Cancelled_BeforeItsTurn_DoesNothing()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => database.WriteAsync(session => session.ExecuteAsync(Insert, ("@kind", "a"), ("@number", 1)), cancelled.Token));
        Assert.Null(await database.ReadAsync(session => Number(session, "a"), Cancel));
    }

    [Fact]
    public async Task Open_FreshTwiceAndFiveAtOnce_AppliesEachMigrationOnce()
    {
        var address = await TestDatabase.NewAddressAsync(postgres);
        var nodes = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => Task.Run(() => TestDatabase.OpenAsync(address))));
        await using var again = await TestDatabase.OpenAsync(address);
        var applied = await again.ReadAsync(session => session.QueryAsync("SELECT number FROM migration ORDER BY number", row => row.GetInt64(0)), Cancel);
        Assert.Equal(Migrations.Embedded.Select(m => m.Number), applied);
        foreach (var node in nodes) await node.DisposeAsync();
    }

    [Fact]
    public async Task Open_NewerSchema_IsRefusedInWords()
    {
        var address = await TestDatabase.NewAddressAsync(postgres);
        await using (var newer = await TestDatabase.OpenAsync(address))
            await newer.WriteAsync(session => session.ExecuteAsync("INSERT INTO migration (number, name, applied) VALUES (9999, 'later', 0)"), Cancel);
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync(address));
        Assert.Contains("schema 9999", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("newer CrossModel", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Migration_ThatFailsHalfWay_LeavesThoseBeforeItAndNothingOfItself()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        Migration[] known = [.. Migrations.Embedded,
            new(8001, "good", "CREATE TABLE good (n BIGINT)"),
            new(8002, "broken", "CREATE TABLE half (n BIGINT); INSERT INTO missing (n) VALUES (1)")];
        await Assert.ThrowsAnyAsync<Exception>(() => Migrations.ApplyAsync(database, known, NullLogger.Instance, Cancel));
        Assert.Empty(await database.ReadAsync(session => session.QueryAsync("SELECT n FROM good", row => row.GetInt64(0)), Cancel));
        await Assert.ThrowsAnyAsync<Exception>(() => database.ReadAsync(session => session.QueryAsync("SELECT n FROM half", row => row.GetInt64(0)), Cancel));
    }

    [Fact]
    public async Task Migration_IsToldOnceOfANewDatabaseAndStepByStepOfAnOldOne()
    {
        var log = new EventLog();
        await using var database = await Database.OpenAsync(await TestDatabase.NewAddressAsync(postgres), new DatabaseOptions(new StorageConfig(), TimeProvider.System, false, log), Cancel);
        Assert.Equal([6004], log.Events);
        await Migrations.ApplyAsync(database, [.. Migrations.Embedded, new(8001, "a", "CREATE TABLE a (n BIGINT)"), new(8002, "b", "CREATE TABLE b (n BIGINT)")], log, Cancel);
        Assert.Equal([6004, 6001, 6001], log.Events);
    }

    [Fact]
    public async Task ChangeFeed_ChangesByAnotherNode_AreToldWithTheNumberSeenBefore()
    {
        var address = await TestDatabase.NewAddressAsync(postgres);
        await using var mine = await TestDatabase.OpenAsync(address);
        await using var theirs = await TestDatabase.OpenAsync(address);
        await theirs.WriteAsync(session => ChangeFeed.NextAsync(session, "keys"), Cancel);
        await using var feed = new ChangeFeed(mine, NullLogger.Instance);
        var told = new List<long>();
        feed.On("keys", before =>
        {
            told.Add(before);
            return Task.CompletedTask;
        });
        await feed.PollAsync();
        Assert.Empty(told);
        await theirs.WriteAsync(session => ChangeFeed.NextAsync(session, "keys"), Cancel);
        await theirs.WriteAsync(session => ChangeFeed.NextAsync(session, "keys"), Cancel);
        await theirs.WriteAsync(session => ChangeFeed.NextAsync(session, "others"), Cancel);
        await feed.PollAsync();
        await feed.PollAsync();
        Assert.Equal([1], told);
    }

    /// <summary>A change that could not be taken in is told again, however often; the log says once that it fails, and once that it is over.</summary>
    [Fact]
    public async Task ChangeFeed_WhereAListenerFails_TellsItAgainAndGoesOn()
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenNewAsync(postgres, clock);
        var log = new EventLog();
        await using var feed = new ChangeFeed(database, log);
        var told = new List<long>();
        feed.On("keys", before =>
        {
            told.Add(before);
            return told.Count < 3 ? throw new InvalidOperationException("not yet") : Task.CompletedTask;
        });
        await feed.StartAsync();
        await database.WriteAsync(session => ChangeFeed.NextAsync(session, "keys"), Cancel);
        for (var i = 0; i < 500 && log.Events.Count < 2; i++)
        {
            clock.Advance(ChangeFeed.Interval);
            await Task.Delay(20, Cancel);
        }
        for (var i = 0; i < 5; i++)
        {
            clock.Advance(ChangeFeed.Interval);
            await Task.Delay(20, Cancel);
        }
        Assert.Equal([0, 0, 0], told);
        Assert.Equal([6002, 6003], log.Events);
    }

    private sealed class EventLog : ILogger
    {
        public System.Collections.Concurrent.ConcurrentQueue<int> Events { get; } = [];
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => true;
        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Events.Enqueue(eventId.Id);
    }

    [Fact]
    public async Task ChangeFeed_NoAnswerForTooLong_IsStaleUntilTheNext()
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenNewAsync(postgres, clock);
        await using var feed = new ChangeFeed(database, NullLogger.Instance);
        Assert.True(feed.IsStale(TimeSpan.FromSeconds(5)));
        await feed.PollAsync();
        clock.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(feed.IsStale(TimeSpan.FromSeconds(5)));
        clock.Advance(TimeSpan.FromSeconds(0.2));
        Assert.True(feed.IsStale(TimeSpan.FromSeconds(5)));
        await feed.PollAsync();
        Assert.False(feed.IsStale(TimeSpan.FromSeconds(5)));
    }
}
