using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;

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

    [Fact]
    public async Task Share_NotUsedForAWhile_IsForgotten_AndLeasedAnew()
    {
        (await AdmitAsync())!.Dispose();
        for (var i = 0; i < 40 && await RowAsync(Limited) is not null; i++) await RenewalAsync(Limited);
        Assert.Null(await RowAsync(Limited));
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
        await _database.WriteAsync(session => session.ExecuteAsync(
            "CREATE TRIGGER broken BEFORE UPDATE OF parallel ON limit_share WHEN NEW.node <> 'other' BEGIN SELECT RAISE(ABORT, 'not now'); END"), TestContext.Current.CancellationToken);
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
        await _database.WriteAsync(session => session.ExecuteAsync(
            "INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires) VALUES (@subject, 'other', 0, 900, 0, 900, @expires)",
            ("@subject", "account:" + caller.Account.Id), ("@expires", _database.Now + 86_400_000)), TestContext.Current.CancellationToken);
        Assert.Null(await AdmitAsync(caller, tokens: 500, cost: 10));
        Assert.NotNull(await AdmitAsync(caller, tokens: 50, cost: 10));
        Assert.Null(await AdmitAsync(caller, tokens: 10, cost: 500));
        Assert.NotNull(await AdmitAsync(caller, tokens: 10, cost: 50));
        var asked = await DealsAsync();
        for (var i = 0; i < 20; i++) Assert.Null(await AdmitAsync(caller, tokens: 500 + i, cost: 500 - i));
        Assert.InRange(await DealsAsync(), asked, asked + 25);
    }

    /// <summary>A grant is newer than the refusal before it: the database is asked again, in the same moment.</summary>
    [Fact]
    public async Task Share_GrantedAfterARefusal_IsAskedForAgainAtOnce()
    {
        var caller = Gates.Caller(account: new Terms { TokensPerMinute = 1000 });
        await _database.WriteAsync(session => session.ExecuteAsync(
            "INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires) VALUES (@subject, 'other', 0, 900, 0, 0, @expires)",
            ("@subject", "account:" + caller.Account.Id), ("@expires", _database.Now + 86_400_000)), TestContext.Current.CancellationToken);
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
        Assert.Null(await AdmitAsync());
    }
}
