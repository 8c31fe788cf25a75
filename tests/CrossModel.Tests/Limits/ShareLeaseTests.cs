using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using Microsoft.Extensions.Logging;

namespace CrossModel.Tests.Limits;

/// <summary>One node and the rows of others, on a clock of the test's own.</summary>
public sealed class ShareLeaseTests : IAsyncLifetime
{
    private static readonly Caller Limited = Gates.Caller(account: new Terms { RequestsPerMinute = 10, Parallel = 10 });

    private readonly FakeClock _clock = new();
    private Database _database = null!;
    private LimitGate _gate = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.OpenNewAsync(postgres: false, _clock);
        _gate = Gates.Open(_database, shared: true);
    }

    public async ValueTask DisposeAsync()
    {
        await _gate.DisposeAsync();
        await _database.DisposeAsync();
    }

    private Task<int> OtherNodeAsync(long share, TimeSpan term) => _database.WriteAsync(session => session.ExecuteAsync(
        """
        INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires) VALUES (@subject, 'other', @share, 0, @share, 0, @expires)
        ON CONFLICT (subject, node) DO UPDATE SET requests = excluded.requests, parallel = excluded.parallel, expires = excluded.expires
        """,
        ("@subject", "account:" + Limited.Account.Id), ("@share", share), ("@expires", _database.Now + (long)term.TotalMilliseconds)));

    /// <summary>What the database says that this node has, and until when (unix milliseconds); null: nothing.</summary>
    private Task<(ShareAmounts Amounts, long Expires)?> RowAsync(Caller caller) => _database.ReadAsync(session => session.FirstAsync<(ShareAmounts, long)?>(
        "SELECT requests, tokens, parallel, spend, expires FROM limit_share WHERE subject = @subject AND node <> 'other'",
        row => (new ShareAmounts(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3)), row.GetInt64(4)), ("@subject", "account:" + caller.Account.Id)));

    /// <summary>The upkeep runs beside the test, and needs time of its own.</summary>
    private static async Task UntilAsync(Func<Task<bool>> isSo)
    {
        for (var i = 0; !await isSo(); i++)
        {
            Assert.True(i < 2000, "It did not come.");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>A tick may fail, and the next one must do it.</summary>
    private Task UntilTicksLeaveAsync(Caller caller, ShareAmounts amounts) => UntilAsync(async () =>
    {
        _clock.Advance(TimeSpan.FromMilliseconds(10));
        return (await RowAsync(caller))?.Amounts == amounts;
    });

    /// <summary>Time for one renewal of leases, and the renewal.</summary>
    private async Task RenewalAsync(Caller caller)
    {
        var before = (await RowAsync(caller))?.Expires;
        _clock.Advance(TimeSpan.FromSeconds(3.25));
        await UntilAsync(async () => (await RowAsync(caller))?.Expires != before);
    }

    /// <summary>Until it is disposed of nobody else writes: neither deals nor renewals end.</summary>
    private async Task<IDisposable> WriterAsync()
    {
        var (entered, goesOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        _ = _database.WriteAsync(async session =>
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

    private string? RequestsLeft(Caller caller) => _gate.Headers(caller)["x-ratelimit-remaining-requests"];

    // The node waits on the clock for others to give back. Time passes only then: while the disk works it would pass by minutes, and leases run out.
    private async Task<Seat?> AdmitAsync(Caller? caller = null, long tokens = 1, long cost = 0)
    {
        var admit = _gate.AdmitAsync(caller ?? Limited, null, tokens, cost, TestContext.Current.CancellationToken).AsTask();
        while (await Task.WhenAny(admit, Task.Delay(1, TestContext.Current.CancellationToken)) != admit)
            if (_clock.IsAwaited) _clock.Advance(TimeSpan.FromMilliseconds(250));
        return (await admit).Seat;
    }

    /// <summary>While the clock stands still: nothing is waited for.</summary>
    private async Task<Seat?> AdmitAtOnceAsync(Caller caller, long tokens = 1, long cost = 0) =>
        (await _gate.AdmitAsync(caller, null, tokens, cost, TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken)).Seat;

    /// <summary>It is tried four times a second: an hour without the database would be many thousand lines.</summary>
    [Fact]
    public async Task Upkeep_ThatFailsForLong_IsSaidOnceUntilItWorksAgain()
    {
        var log = new Lines();
        await using var gate = new LimitGate(_database, shared: true, log);
        (await gate.SeatAsync(Limited)).Dispose();
        for (var outage = 1; outage <= 2; outage++)
        {
            await _database.WriteAsync(session => session.ExecuteAsync("ALTER TABLE limit_share RENAME TO away"));
            await UntilAsync(() =>
            {
                _clock.Advance(TimeSpan.FromMilliseconds(250));
                return Task.FromResult(log.Count == outage);
            });
            for (var i = 0; i < 8; i++)
            {
                _clock.Advance(TimeSpan.FromMilliseconds(250));
                await Task.Delay(20, TestContext.Current.CancellationToken);
            }
            Assert.Equal(outage, log.Count);
            await _database.WriteAsync(session => session.ExecuteAsync("ALTER TABLE away RENAME TO limit_share"));
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
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.NotNull(await AdmitAsync());
    }

    [Fact]
    public async Task Share_OthersHoldSome_LeavesTheRestAndNoMore()
    {
        await OtherNodeAsync(7, TimeSpan.FromDays(1));
        for (var i = 1; i <= 3; i++)
        {
            Assert.NotNull(await AdmitAsync());
            Assert.Equal((new ShareAmounts(i, 0, i, 0), _database.Now + 10_000), await RowAsync(Limited));
            _clock.Advance(TimeSpan.FromMilliseconds(100));
        }
        Assert.Null(await AdmitAsync());
        Assert.Equal(new ShareAmounts(3, 0, 3, 0), (await RowAsync(Limited))?.Amounts);
    }

    [Fact]
    public async Task Share_NothingLeft_IsAskedForAgainOnlyAfterAWhile()
    {
        await OtherNodeAsync(10, TimeSpan.FromDays(1));
        Assert.Null(await AdmitAsync());
        var asked = await DealsAsync();
        for (var i = 0; i < 20; i++) Assert.Null(await AdmitAsync());
        Assert.Equal(asked, await DealsAsync());
        _clock.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Null(await AdmitAsync());
        Assert.Equal(asked + 1, await DealsAsync());
    }

    /// <summary>What the limit itself does not allow, or a lone node is refused, no other node can give back.</summary>
    [Fact]
    public async Task Share_BeyondTheLimitOfANodeThatIsAlone_IsRefusedAtOnce()
    {
        var caller = Gates.Caller(account: new Terms { Parallel = 1, SpendDay = 1000 });
        await _database.StoreAsync(caller);
        await _database.ChargeAsync(caller, 900);
        Assert.Null(await AdmitAtOnceAsync(caller, cost: 200));
        using var seat = await AdmitAtOnceAsync(caller, cost: 100);
        Assert.NotNull(seat);
        _clock.Advance(TimeSpan.FromMilliseconds(150)); // a refusal stands for a tenth of a second
        var asked = await DealsAsync();
        Assert.Null(await AdmitAtOnceAsync(caller));
        Assert.Equal(asked, await DealsAsync());
    }

    /// <summary>Whichever of two kinds of calls was refused last: neither is asked for again.</summary>
    [Fact]
    public async Task Share_RefusedToCallsOfTwoKinds_IsAskedForOnceForEach()
    {
        var caller = Gates.Caller(account: new Terms { TokensPerMinute = 1000, SpendDay = 1000 });
        await _database.StoreAsync(caller);
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 1000, 0, 1000));
        Assert.Null(await AdmitAsync(caller, tokens: 500, cost: 10));
        _clock.Advance(TimeSpan.FromMilliseconds(150));
        var asked = await DealsAsync();
        for (var i = 0; i < 5; i++)
        {
            Assert.Null(await AdmitAtOnceAsync(caller, tokens: 500, cost: 10));
            Assert.Null(await AdmitAtOnceAsync(caller, tokens: 400, cost: 20));
        }
        Assert.Equal(asked + 2, await DealsAsync());
    }

    [Fact]
    public async Task Share_RefusedForMoney_IsThereForACallThatCostsNothing()
    {
        var caller = Gates.Caller(account: new Terms { TokensPerMinute = 1000, SpendDay = 1000 });
        await _database.StoreAsync(caller);
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 900, 0, 1000));
        Assert.Null(await AdmitAsync(caller, tokens: 500, cost: 0));
        _clock.Advance(TimeSpan.FromMilliseconds(150));
        Assert.Null(await AdmitAtOnceAsync(caller, tokens: 500, cost: 0));
        using var leaves = new CancellationTokenSource();
        var waiting = _gate.AdmitAsync(caller, null, 10, 100, leaves.Token).AsTask();
        await UntilAsync(() => Task.FromResult(_clock.IsAwaited));
        Assert.NotNull(await AdmitAtOnceAsync(caller, tokens: 50, cost: 0));
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    private Task<int> OtherNodeHasAsync(Caller caller, ShareAmounts amounts) => _database.WriteAsync(session => session.ExecuteAsync(
        """
        INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires) VALUES (@subject, 'other', @requests, @tokens, @parallel, @spend, @expires)
        ON CONFLICT (subject, node) DO UPDATE SET requests = excluded.requests, tokens = excluded.tokens, parallel = excluded.parallel, spend = excluded.spend
        """,
        ("@subject", "account:" + caller.Account.Id), ("@requests", amounts.Requests), ("@tokens", amounts.Tokens), ("@parallel", amounts.Parallel), ("@spend", amounts.Spend),
        ("@expires", _database.Now + 86_400_000)));

    /// <summary>Everyone who waits would have his seat and his money if no other node had any: who comes beyond that is refused while they wait.</summary>
    [Theory]
    [InlineData(1, 9000)]
    [InlineData(5, 1000)]
    public async Task Share_WaitedForByAsManyAsItCanServe_IsRefusedToTheNext(int parallel, int spend)
    {
        var caller = Gates.Caller(account: new Terms { Parallel = parallel, SpendDay = spend });
        await _database.StoreAsync(caller);
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 0, parallel, spend));
        Assert.Null(await AdmitAsync(caller, cost: 600)); // the node is new to the account no longer
        _clock.Advance(TimeSpan.FromMilliseconds(150));
        var first = _gate.AdmitAsync(caller, null, 1, 600, TestContext.Current.CancellationToken).AsTask();
        await UntilAsync(() => Task.FromResult(_clock.IsAwaited));
        Assert.Null(await AdmitAtOnceAsync(caller, cost: 600));
        _clock.Advance(TimeSpan.FromMilliseconds(150)); // the refusal stands no longer, and the first one waits still
        Assert.Null(await AdmitAtOnceAsync(caller, cost: 600));
        Assert.False(first.IsCompleted);
        await OtherNodeHasAsync(caller, default);
        await UntilAsync(() =>
        {
            _clock.Advance(TimeSpan.FromMilliseconds(10));
            return Task.FromResult(first.IsCompleted);
        });
        Assert.NotNull((await first).Seat);
    }

    /// <summary>Who is first to ask once others have given back leases for all that wait, and for nobody else.</summary>
    [Fact]
    public async Task Share_WaitedForByTwo_IsFetchedForBothInOneGo()
    {
        var caller = Gates.Caller(account: new Terms { Parallel = 4, SpendDay = 4000 });
        await _database.StoreAsync(caller);
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 0, 4, 4000));
        Assert.Null(await AdmitAsync(caller, cost: 500));
        _clock.Advance(TimeSpan.FromMilliseconds(150));
        var (first, asked) = (_gate.AdmitAsync(caller, null, 1, 500, TestContext.Current.CancellationToken).AsTask(), await DealsAsync());
        await UntilAsync(() => Task.FromResult(_clock.IsAwaited));
        var second = _gate.AdmitAsync(caller, null, 1, 500, TestContext.Current.CancellationToken).AsTask();
        await UntilAsync(() => Task.FromResult(_clock.Awaited == 2));
        await OtherNodeHasAsync(caller, default);
        asked = await DealsAsync();
        _clock.Advance(Shares.Tick);
        var answers = await Task.WhenAll(first, second).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.All(answers, answer => Assert.NotNull(answer.Seat));
        Assert.Equal((asked + 1, new ShareAmounts(0, 0, 2, 1000)), (await DealsAsync(), (await RowAsync(caller))?.Amounts));
    }

    /// <summary>Calls go on being admitted within it while the answer of the database is on its way.</summary>
    [Fact]
    public async Task Share_ThatGrowsInOneLimit_ShrinksInNoOther()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 200, Parallel = 40 });
        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        for (var i = 0; i < 5; i++) (await AdmitAsync(caller))!.Dispose();
        Assert.Equal(new ShareAmounts(11, 0, 3, 0), (await RowAsync(caller))?.Amounts);
        var seats = new List<Seat>();
        for (var i = 0; i < 4; i++) seats.Add((await AdmitAsync(caller))!);
        Assert.Equal(new ShareAmounts(19, 0, 6, 0), (await RowAsync(caller))?.Amounts);
        seats.ForEach(seat => seat.Dispose());
        for (var i = 0; i < 12; i++) (await AdmitAsync(caller))!.Dispose();
        Assert.Equal(new ShareAmounts(30, 0, 6, 0), (await RowAsync(caller))?.Amounts);
    }

    /// <summary>A limit that is lowered holds at once, whatever the node has leased of the one before.</summary>
    [Fact]
    public async Task Share_LargerThanTheLimitIsNow_AdmitsNoMoreThanTheLimit()
    {
        using var seat = await AdmitAsync();
        Assert.Null(await AdmitAtOnceAsync(Gates.Caller(account: Limited.Account.Terms with { RequestsPerMinute = 1 })));
        Assert.Null(await AdmitAtOnceAsync(Gates.Caller(account: Limited.Account.Terms with { Parallel = 1 })));
        Assert.NotNull(await AdmitAtOnceAsync(Limited));
    }

    private Task<long> DealsAsync() => _database.ReadAsync(session => session.FirstAsync("SELECT deals FROM limit_subject", row => row.GetInt64(0)));

    [Fact]
    public async Task Share_ForALoneCallOfAllThatIsAllowed_OrMore_IsGiven()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 1, TokensPerMinute = 1000, Parallel = 1, SpendDay = 1000 });
        await _database.StoreAsync(caller);
        Assert.NotNull(await AdmitAsync(caller, tokens: 5000, cost: 5000));
    }

    [Fact]
    public async Task Share_LyingIdle_IsGivenBackWhenAnotherNodeComes()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 200, TokensPerMinute = 1000, Parallel = 40, SpendDay = 1000 });
        await _database.StoreAsync(caller);
        using var seat = await AdmitAsync(caller, tokens: 100, cost: 10);
        Assert.Equal(new ShareAmounts(200, 1000, 40, 1000), (await RowAsync(caller))?.Amounts);
        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        _clock.Advance(Shares.Tick);
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(11, 150, 3, 60));
        // Here, too: what the others may take by now is not admitted any more.
        var headers = _gate.Headers(caller);
        Assert.Equal(["10", "50"], [headers["x-ratelimit-remaining-requests"].ToString(), headers["x-ratelimit-remaining-tokens"].ToString()]);
        // Money that lies idle is kept for a second.
        _clock.Advance(TimeSpan.FromSeconds(1));
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(11, 150, 3, 10));
    }

    /// <summary>What is on the books has left the share: twice counted it would be refused to others, and left out of both it would be spent twice.</summary>
    [Fact]
    public async Task Share_OfMoney_CoversWhatIsHeldAndWhatTheBooksLack()
    {
        var caller = Gates.Caller(account: new Terms { SpendDay = 1000 });
        await _database.StoreAsync(caller);
        async Task EndAsync(Seat seat, long cost)
        {
            await _database.ChargeAsync(caller, cost);
            seat.Correct(1, cost);
            seat.Dispose();
        }

        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        var (first, second) = ((await AdmitAsync(caller, cost: 200))!, (await AdmitAsync(caller, cost: 100))!);
        Assert.Equal(300, (await RowAsync(caller))?.Amounts.Spend);
        await EndAsync(first, 200);
        await _database.ChargeAsync(caller, 650); // by the other
        Assert.Null(await AdmitAsync(caller, cost: 61));
        Assert.Equal(100, (await RowAsync(caller))?.Amounts.Spend);
        _clock.Advance(TimeSpan.FromMilliseconds(150)); // a refusal stands for a tenth of a second
        using var third = await AdmitAsync(caller, cost: 50);
        Assert.NotNull(third);
        await EndAsync(second, 100);
        _clock.Advance(Shares.Tick);
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
        await _database.WriteAsync(session => session.ExecuteAsync("DELETE FROM limit_share WHERE subject = 'account:acc_gone'"), TestContext.Current.CancellationToken);
        await _database.WriteAsync(session => session.ExecuteAsync("UPDATE limit_share SET expires = 1 WHERE subject = 'account:acc_late'"), TestContext.Current.CancellationToken);
        for (var i = 0; i < 3; i++) await RenewalAsync(Limited);
        Assert.Equal(("9", "0", "0"), (RequestsLeft(Limited), RequestsLeft(gone), RequestsLeft(late)));
        Assert.Equal(1, (await RowAsync(late))?.Expires); // others may have it by now
    }

    /// <summary>The database counts from when it was asked, and so does the node, however long the answer takes.</summary>
    [Fact]
    public async Task Share_ThatComesLate_RunsOutAsEarly()
    {
        var writer = await WriterAsync();
        var admit = _gate.AdmitAsync(Limited, null, 1, 0, TestContext.Current.CancellationToken).AsTask();
        _clock.Advance(TimeSpan.FromSeconds(5));
        writer.Dispose();
        Assert.NotNull((await admit).Seat);
        Assert.Equal("9", RequestsLeft(Limited));
        using var again = await WriterAsync();
        _clock.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal("9", RequestsLeft(Limited));
        _clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal("0", RequestsLeft(Limited));
    }

    /// <summary>A node that was killed does not do it itself, and comes back under another name.</summary>
    [Fact]
    public async Task Share_OfANodeThatWasKilled_IsTakenAway()
    {
        await OtherNodeAsync(9, TimeSpan.FromSeconds(10));
        await UntilAsync(async () =>
        {
            _clock.Advance(TimeSpan.FromSeconds(30));
            return await _database.ReadAsync(session => session.FirstAsync("SELECT 1 FROM limit_share", _ => true), TestContext.Current.CancellationToken) is false;
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
        Assert.Equal(1, await _database.WriteAsync(session => session.ExecuteAsync("DELETE FROM limit_share"), TestContext.Current.CancellationToken));
        (await AdmitAsync())!.Dispose();
        Assert.Equal(new ShareAmounts(10, 0, 10, 0), (await RowAsync(Limited))?.Amounts);
        await UntilAsync(() =>
        {
            _clock.Advance(TimeSpan.FromSeconds(30));
            return Task.FromResult(_gate.Count == 0);
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
        _clock.Advance(Shares.Tick);
        await UntilAsync(() => Task.FromResult(RequestsLeft(caller) == "10"));
        Assert.Equal(new ShareAmounts(200, 0, 40, 0), (await RowAsync(caller))?.Amounts);
        await _database.WriteAsync(session => session.ExecuteAsync("DROP TRIGGER broken"), TestContext.Current.CancellationToken);
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
            _clock.Advance(TimeSpan.FromSeconds(9));
            Assert.Equal("0", RequestsLeft(caller));
        }
        await UntilAsync(async () => (await RowAsync(caller))?.Expires > _database.Now + 2_000);
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
        _clock.Advance(Shares.Tick);
        await UntilAsync(() => Task.FromResult(RequestsLeft(caller) == "10"));
        using (await WriterAsync()) _clock.Advance(TimeSpan.FromSeconds(9));
        await UntilAsync(async () => (await RowAsync(caller))?.Expires > _database.Now + 2_000);
        await _database.WriteAsync(session => session.ExecuteAsync("DROP TRIGGER broken"), TestContext.Current.CancellationToken);
        await UntilTicksLeaveAsync(caller, new ShareAmounts(11, 0, 3, 0));
    }

    private Task<int> BreakReturnsAsync() => _database.WriteAsync(session => session.ExecuteAsync(
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
        await _database.WriteAsync(session => session.ExecuteAsync("CREATE TABLE written (n BIGINT)"), TestContext.Current.CancellationToken);
        await _database.WriteAsync(session => session.ExecuteAsync(
            "CREATE TRIGGER counted AFTER UPDATE OF parallel ON limit_share WHEN NEW.node <> 'other' BEGIN INSERT INTO written (n) VALUES (1); END"), TestContext.Current.CancellationToken);
        _clock.Advance(Shares.Tick);
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(11, 0, 3, 0));
        Assert.Equal(renewed, (await RowAsync(caller))?.Expires);
        for (var i = 0; i < 3; i++) await RenewalAsync(caller);
        Assert.Equal(1, await _database.ReadAsync(session => session.FirstAsync("SELECT COUNT(*) FROM written", row => row.GetInt64(0)), TestContext.Current.CancellationToken));
    }

    /// <summary>What is kept beyond use is a part of the limit, whosever it is.</summary>
    [Fact]
    public async Task Share_OfAKeyAndOfAModel_KeepsATwentiethToo()
    {
        var terms = new Terms { RequestsPerMinute = 200 };
        var (caller, model) = (Gates.Caller(terms), new ModelTerms("x/dear", terms));
        using var seat = await _gate.SeatAsync(caller, model: model);
        string[] subjects = ["key:" + caller.Key.Line, $"model:{caller.Account.Id}/{model.Id}"];
        foreach (var subject in subjects)
            await _database.WriteAsync(session => session.ExecuteAsync(
                "INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires) VALUES (@subject, 'other', 0, 0, 0, 0, @expires)",
                ("@subject", subject), ("@expires", _database.Now + 86_400_000)), TestContext.Current.CancellationToken);
        _clock.Advance(Shares.Tick);
        foreach (var subject in subjects)
            await UntilAsync(async () => await _database.ReadAsync(session => session.FirstAsync<long?>(
                "SELECT requests FROM limit_share WHERE subject = @subject AND node <> 'other'", row => row.GetInt64(0), ("@subject", subject))) == 11);
    }

    [Fact]
    public async Task Spare_OfALimitThatWasLowered_IsOfTheNewOne()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 2000, Parallel = 400 });
        using var seat = await AdmitAsync(caller);
        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        _clock.Advance(Shares.Tick);
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(101, 0, 21, 0));
        var lowered = Gates.Caller(account: new Terms { RequestsPerMinute = 10, Parallel = 10 });
        using var another = await AdmitAsync(lowered);
        Assert.NotNull(another);
        _clock.Advance(Shares.Tick);
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(2, 0, 2, 0));
    }

    /// <summary>Who retries a call too large for what is left must not keep all others from it.</summary>
    [Fact]
    public async Task Share_RefusedToALargeCall_IsThereForASmallOne()
    {
        var caller = Gates.Caller(account: new Terms { TokensPerMinute = 1000, SpendDay = 1000 });
        await _database.StoreAsync(caller);
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 900, 0, 900));
        Assert.Null(await AdmitAsync(caller, tokens: 500, cost: 10));
        Assert.NotNull(await AdmitAsync(caller, tokens: 50, cost: 10));
        Assert.Null(await AdmitAsync(caller, tokens: 10, cost: 500));
        Assert.NotNull(await AdmitAtOnceAsync(caller, tokens: 10, cost: 50));
        var asked = await DealsAsync();
        for (var i = 0; i < 20; i++) Assert.Null(await AdmitAsync(caller, tokens: 500 + i, cost: 500 - i));
        Assert.InRange(await DealsAsync(), asked, asked + 25);
    }

    /// <summary>A grant is newer than the refusal before it: the database is asked again, in the same moment.</summary>
    [Fact]
    public async Task Share_GrantedAfterARefusal_IsAskedForAgainAtOnce()
    {
        var caller = Gates.Caller(account: new Terms { TokensPerMinute = 1000 });
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 900, 0, 0));
        Assert.Null(await AdmitAsync(caller, tokens: 500));
        Assert.NotNull(await AdmitAsync(caller, tokens: 90));
        await _database.WriteAsync(session => session.ExecuteAsync("DELETE FROM limit_share WHERE node = 'other'"), TestContext.Current.CancellationToken);
        Assert.NotNull(await AdmitAsync(caller, tokens: 500));
    }

    [Fact]
    public async Task Share_TakenWhileTheNodeWasFrozen_AdmitsNothingMore()
    {
        Assert.NotNull(await AdmitAsync());
        Assert.Equal("9", _gate.Headers(Limited)["x-ratelimit-remaining-requests"]);
        await _database.WriteAsync(session => session.ExecuteAsync("DELETE FROM limit_share"), TestContext.Current.CancellationToken);
        await OtherNodeAsync(10, TimeSpan.FromDays(1));
        _clock.Advance(TimeSpan.FromSeconds(9));
        Assert.Equal("0", _gate.Headers(Limited)["x-ratelimit-remaining-requests"]);
        for (var i = 0; i < 2; i++) Assert.Null(await AdmitAsync());
    }

    [Fact]
    public async Task Node_ThatStops_GivesBackItsOwnSharesAlone()
    {
        await using (var gate = Gates.Open(_database, shared: true))
        {
            await gate.SeatAsync(Limited);
            await OtherNodeAsync(1, TimeSpan.FromDays(1));
        }
        Assert.Equal(["other"], await _database.ReadAsync(session => session.QueryAsync("SELECT node FROM limit_share", row => row.GetString(0)), TestContext.Current.CancellationToken));
    }
}
