using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using Microsoft.Extensions.Logging;

namespace CrossModel.Tests.Limits;

/// <summary>How long a node has its shares: renewed, returned, run out, or left by the dead.</summary>
public sealed class ShareLeaseTests : OneNode
{
    /// <summary>A tick may fail, and the next one must do it.</summary>
    private Task UntilTicksLeaveAsync(Caller caller, ShareAmounts amounts) => UntilAsync(async () =>
    {
        Clock.Advance(TimeSpan.FromMilliseconds(10));
        return (await RowAsync(caller))?.Amounts == amounts;
    });

    /// <summary>Time for one renewal of leases, and the renewal.</summary>
    private async Task RenewalAsync(Caller caller)
    {
        var before = (await RowAsync(caller))?.Expires;
        Clock.Advance(TimeSpan.FromSeconds(3.25));
        await UntilAsync(async () => (await RowAsync(caller))?.Expires != before);
    }

    /// <summary>Until it is disposed of nobody else writes: neither deals nor renewals end.</summary>
    private async Task<IDisposable> WriterAsync()
    {
        var (entered, goesOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        _ = Database.WriteAsync(async session =>
        {
            entered.SetResult();
            await goesOn.Task;
            return 0;
        });
        await entered.Task;
        return new Ending(goesOn);
    }

    private sealed record Ending(TaskCompletionSource End) : IDisposable
    {
        public void Dispose() => End.TrySetResult();
    }

    private string? RequestsLeft(Caller caller) => Gate.Headers(caller)["x-ratelimit-remaining-requests"];

    /// <summary>It is tried four times a second: an hour without the database would be many thousand lines.</summary>
    [Fact]
    public async Task Upkeep_ThatFailsForLong_IsSaidOnceUntilItWorksAgain()
    {
        var log = new Lines();
        await using var gate = new LimitGate(Database, shared: true, log);
        (await gate.SeatAsync(Limited)).Dispose();
        for (var outage = 1; outage <= 2; outage++)
        {
            await Database.WriteAsync(session => session.ExecuteAsync("ALTER TABLE limit_share RENAME TO away"));
            await UntilAsync(() =>
            {
                Clock.Advance(TimeSpan.FromMilliseconds(250));
                return Task.FromResult(log.Count == outage);
            });
            for (var i = 0; i < 8; i++)
            {
                Clock.Advance(TimeSpan.FromMilliseconds(250));
                await Task.Delay(20, TestContext.Current.CancellationToken);
            }
            Assert.Equal(outage, log.Count);
            await Database.WriteAsync(session => session.ExecuteAsync("ALTER TABLE away RENAME TO limit_share"));
            await RenewalAsync(Limited);
        }
    }

    private sealed class Lines : ILogger
    {
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Interlocked.Increment(ref _count);
    }

    [Fact]
    public async Task Share_OfADeadNode_IsFreeOnceItHasRunOut()
    {
        await OtherNodeAsync(10, TimeSpan.FromDays(1));
        Assert.Null(await AdmitAsync());
        await OtherNodeAsync(10, TimeSpan.Zero);
        Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull(await AdmitAsync());
    }

    [Fact]
    public async Task Share_LyingIdle_IsGivenBackWhenAnotherNodeComes()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 200, TokensPerMinute = 1000, Parallel = 40, SpendDay = 1000 });
        await Database.StoreAsync(caller);
        using var seat = await AdmitAsync(caller, tokens: 100, cost: 10);
        Assert.Equal(new ShareAmounts(200, 1000, 40, 1000), (await RowAsync(caller))?.Amounts);
        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        Clock.Advance(Shares.Tick);
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(11, 150, 3, 60));
        // Here, too: what the others may take by now is not admitted any more.
        var headers = Gate.Headers(caller);
        Assert.Equal(["10", "50"], [headers["x-ratelimit-remaining-requests"].ToString(), headers["x-ratelimit-remaining-tokens"].ToString()]);
        // Money that lies idle is kept for a second.
        Clock.Advance(TimeSpan.FromSeconds(1));
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(11, 150, 3, 10));
    }

    /// <summary>What is on the books has left the share: twice counted it would be refused to others, and left out of both it would be spent twice.</summary>
    [Fact]
    public async Task Share_OfMoney_CoversWhatIsHeldAndWhatTheBooksLack()
    {
        var caller = Gates.Caller(account: new Terms { SpendDay = 1000 });
        await Database.StoreAsync(caller);
        async Task EndAsync(Seat seat, long cost)
        {
            await Database.ChargeAsync(caller, cost);
            seat.Correct(1, cost);
            seat.Dispose();
        }

        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        var (first, second) = ((await AdmitAsync(caller, cost: 200))!, (await AdmitAsync(caller, cost: 100))!);
        Assert.Equal(300, (await RowAsync(caller))?.Amounts.Spend);
        await EndAsync(first, 200);
        await Database.ChargeAsync(caller, 650); // by the other
        Assert.Null(await AdmitAsync(caller, cost: 61));
        Assert.Equal(100, (await RowAsync(caller))?.Amounts.Spend);
        Clock.Advance(TimeSpan.FromMilliseconds(150)); // a refusal stands for a tenth of a second
        using var third = await AdmitAsync(caller, cost: 50);
        Assert.NotNull(third);
        await EndAsync(second, 100);
        Clock.Advance(Shares.Tick);
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts.Spend == 50);
    }

    [Fact]
    public async Task Share_OfANodeThatRuns_IsRenewedAndKeptFromTheDead()
    {
        await OtherNodeAsync(0, TimeSpan.Zero);
        using var seat = await AdmitAsync();
        for (var i = 0; i < 5; i++)
        {
            await RenewalAsync(Limited);
            Assert.Equal("9", RequestsLeft(Limited));
        }
        Assert.Equal(new ShareAmounts(10, 0, 10, 0), (await RowAsync(Limited))?.Amounts);
    }

    [Fact]
    public async Task Share_ThatTheDatabaseDoesNotRenew_RunsOut()
    {
        var (gone, late) = (Gates.Caller(account: new Terms { RequestsPerMinute = 10 }, accountId: "gone"), Gates.Caller(account: new Terms { RequestsPerMinute = 10 }, accountId: "late"));
        foreach (var caller in new[] { Limited, gone, late }) Assert.NotNull(await AdmitAsync(caller));
        await Database.WriteAsync(session => session.ExecuteAsync("DELETE FROM limit_share WHERE subject = 'account:acc_gone'"), TestContext.Current.CancellationToken);
        await Database.WriteAsync(session => session.ExecuteAsync("UPDATE limit_share SET expires = 1 WHERE subject = 'account:acc_late'"), TestContext.Current.CancellationToken);
        for (var i = 0; i < 3; i++) await RenewalAsync(Limited);
        Assert.Equal(("9", "0", "0"), (RequestsLeft(Limited), RequestsLeft(gone), RequestsLeft(late)));
        Assert.Equal(1, (await RowAsync(late))?.Expires); // others may have it by now
    }

    /// <summary>The database counts from when it was asked, and so does the node, however long the answer takes.</summary>
    [Fact]
    public async Task Share_ThatComesLate_RunsOutAsEarly()
    {
        var writer = await WriterAsync();
        var admit = Gate.AdmitAsync(Limited, null, 1, 0, TestContext.Current.CancellationToken).AsTask();
        Clock.Advance(TimeSpan.FromSeconds(5));
        writer.Dispose();
        Assert.NotNull((await admit).Seat);
        Assert.Equal("9", RequestsLeft(Limited));
        using var again = await WriterAsync();
        Clock.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal("9", RequestsLeft(Limited));
        Clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal("0", RequestsLeft(Limited));
    }

    /// <summary>A node that was killed does not do it itself, and comes back under another name.</summary>
    [Fact]
    public async Task Share_OfANodeThatWasKilled_IsTakenAway()
    {
        await OtherNodeAsync(9, TimeSpan.FromSeconds(10));
        await UntilAsync(async () =>
        {
            Clock.Advance(TimeSpan.FromSeconds(30));
            return await Database.ReadAsync(session => session.FirstAsync("SELECT 1 FROM limit_share", _ => true), TestContext.Current.CancellationToken) is false;
        });
    }

    /// <summary>PostgreSQL keeps the locks of a connection whose end it has not noticed; who waits for them renews no share of its own.</summary>
    [Fact]
    public async Task Share_OfANodeThatWasKilledInItsTransaction_KeepsNobodyWaiting()
    {
        var ct = TestContext.Current.CancellationToken;
        await using var database = await TestDatabase.OpenNewAsync(postgres: true);
        await database.WriteAsync(session => session.ExecuteAsync(
            "INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires) VALUES ('held', 'killed', 0, 0, 0, 0, 1), ('left', 'killed', 0, 0, 0, 0, 1)"), ct);
        var (isHeld, letGo) = (new TaskCompletionSource(), new TaskCompletionSource());
        var holding = database.WriteAsync(async session =>
        {
            await session.FirstAsync("SELECT node FROM limit_share WHERE subject = 'held' FOR UPDATE", row => row.GetString(0));
            isHeld.SetResult();
            await letGo.Task;
        }, ct);
        await isHeld.Task;

        var sweep = new ShareStore(database, "alive").DeleteLeftAsync(ct);
        var ended = await Task.WhenAny(sweep, Task.Delay(10_000, ct));
        letGo.SetResult();
        await holding;

        Assert.Same(sweep, ended);
        Assert.Equal(["held"], await database.ReadAsync(session => session.QueryAsync("SELECT subject FROM limit_share", row => row.GetString(0)), ct));
    }

    [Fact]
    public async Task Share_NotUsedForAWhile_IsForgotten_AndLeasedAnew()
    {
        (await AdmitAsync())!.Dispose();
        // Its call counts for a minute.
        for (var i = 0; i < 18; i++) await RenewalAsync(Limited);
        await OtherNodeAsync(9, TimeSpan.FromDays(1));
        for (var i = 0; i < 40 && await RowAsync(Limited) is not null; i++) await RenewalAsync(Limited);
        Assert.Null(await RowAsync(Limited));
        // The other node's is its own.
        Assert.Equal(1, await Database.WriteAsync(session => session.ExecuteAsync("DELETE FROM limit_share"), TestContext.Current.CancellationToken));
        (await AdmitAsync())!.Dispose();
        Assert.Equal(new ShareAmounts(10, 0, 10, 0), (await RowAsync(Limited))?.Amounts);
        await UntilAsync(() =>
        {
            Clock.Advance(TimeSpan.FromSeconds(30));
            return Task.FromResult(Gate.Count == 0);
        });
    }

    /// <summary>A write that fails is made up for: else the others would be refused what lies idle here for as long as this node is used.</summary>
    [Fact]
    public async Task Share_WhoseReturnFailed_IsReturnedByALaterTick()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 200, Parallel = 40 });
        using var seat = await AdmitAsync(caller);
        await BreakReturnsAsync();
        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        Clock.Advance(Shares.Tick);
        await UntilAsync(() => Task.FromResult(RequestsLeft(caller) == "10"));
        Assert.Equal(new ShareAmounts(200, 0, 40, 0), (await RowAsync(caller))?.Amounts);
        await Database.WriteAsync(session => session.ExecuteAsync("DROP TRIGGER broken"), TestContext.Current.CancellationToken);
        await UntilTicksLeaveAsync(caller, new ShareAmounts(11, 0, 3, 0));
    }

    /// <summary>Renewed too late to be used here, it keeps the others out all the same: what lies idle of it goes back, what calls use does not.</summary>
    [Fact]
    public async Task Share_ThatRanOutHereAndNotInTheDatabase_IsReturned()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 200, Parallel = 40 });
        using var seat = await AdmitAsync(caller);
        using (await WriterAsync())
        {
            Clock.Advance(TimeSpan.FromSeconds(9));
            Assert.Equal("0", RequestsLeft(caller));
        }
        await UntilAsync(async () => (await RowAsync(caller))?.Expires > Database.Now + 2_000);
        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        await UntilTicksLeaveAsync(caller, new ShareAmounts(11, 0, 3, 0));
        // Not used again, though: by the clock of another node it may have run out in the database as well.
        Assert.Equal("0", RequestsLeft(caller));
    }

    /// <summary>Nobody knows what the database has of it: the others may have all but what calls use here.</summary>
    [Fact]
    public async Task Share_WhoseReturnFailed_AndThatRanOutMeanwhile_CoversWhatCallsUse()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 200, Parallel = 40 });
        using var seat = await AdmitAsync(caller);
        await BreakReturnsAsync();
        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        Clock.Advance(Shares.Tick);
        await UntilAsync(() => Task.FromResult(RequestsLeft(caller) == "10"));
        using (await WriterAsync()) Clock.Advance(TimeSpan.FromSeconds(9));
        await UntilAsync(async () => (await RowAsync(caller))?.Expires > Database.Now + 2_000);
        await Database.WriteAsync(session => session.ExecuteAsync("DROP TRIGGER broken"), TestContext.Current.CancellationToken);
        await UntilTicksLeaveAsync(caller, new ShareAmounts(11, 0, 3, 0));
    }

    private Task<int> BreakReturnsAsync() => Database.WriteAsync(session => session.ExecuteAsync(
        "CREATE TRIGGER broken BEFORE UPDATE OF parallel ON limit_share WHEN NEW.node <> 'other' BEGIN SELECT RAISE(ABORT, 'not now'); END"));

    /// <summary>A lease is renewed every three seconds, and what has been given back is not written again: an idle key must not cost a commit each tick.</summary>
    [Fact]
    public async Task Share_ThatNothingHappensTo_IsWrittenOnlyToBeRenewed()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 200, Parallel = 40 });
        using var seat = await AdmitAsync(caller);
        await RenewalAsync(caller);
        var renewed = (await RowAsync(caller))?.Expires;
        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        await Database.WriteAsync(session => session.ExecuteAsync("CREATE TABLE written (n BIGINT)"), TestContext.Current.CancellationToken);
        await Database.WriteAsync(session => session.ExecuteAsync(
            "CREATE TRIGGER counted AFTER UPDATE OF parallel ON limit_share WHEN NEW.node <> 'other' BEGIN INSERT INTO written (n) VALUES (1); END"), TestContext.Current.CancellationToken);
        Clock.Advance(Shares.Tick);
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(11, 0, 3, 0));
        Assert.Equal(renewed, (await RowAsync(caller))?.Expires);
        for (var i = 0; i < 3; i++) await RenewalAsync(caller);
        Assert.Equal(1, await Database.ReadAsync(session => session.FirstAsync("SELECT COUNT(*) FROM written", row => row.GetInt64(0)), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Share_TakenWhileTheNodeWasFrozen_AdmitsNothingMore()
    {
        Assert.NotNull(await AdmitAsync());
        Assert.Equal("9", Gate.Headers(Limited)["x-ratelimit-remaining-requests"]);
        await Database.WriteAsync(session => session.ExecuteAsync("DELETE FROM limit_share"), TestContext.Current.CancellationToken);
        await OtherNodeAsync(10, TimeSpan.FromDays(1));
        Clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal("0", Gate.Headers(Limited)["x-ratelimit-remaining-requests"]);
        for (var i = 0; i < 2; i++) Assert.Null(await AdmitAsync());
    }

    [Fact]
    public async Task Node_ThatStops_GivesBackItsOwnSharesAlone()
    {
        await using (var gate = Gates.Open(Database, shared: true))
        {
            await gate.SeatAsync(Limited);
            await OtherNodeAsync(1, TimeSpan.FromDays(1));
        }
        Assert.Equal(["other"], await Database.ReadAsync(session => session.QueryAsync("SELECT node FROM limit_share", row => row.GetString(0)), TestContext.Current.CancellationToken));
    }
}
