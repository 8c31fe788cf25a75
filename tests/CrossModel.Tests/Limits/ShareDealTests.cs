using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;

namespace CrossModel.Tests.Limits;

/// <summary>How much of a limit a node is given, what it is refused, and who waits for it.</summary>
public sealed class ShareDealTests : OneNode
{
    /// <summary>While the clock stands still: nothing is waited for.</summary>
    private async Task<Seat?> AdmitAtOnceAsync(Caller caller, long tokens = 1, long cost = 0) =>
        (await Gate.AdmitAsync(caller, null, tokens, cost, TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken)).Seat;

    [Fact]
    public async Task Share_OthersHoldSome_LeavesTheRestAndNoMore()
    {
        await OtherNodeAsync(7, TimeSpan.FromDays(1));
        for (var i = 1; i <= 3; i++)
        {
            Assert.NotNull(await AdmitAsync());
            Assert.Equal((new ShareAmounts(i, 0, i, 0), Database.Now + 10_000), await RowAsync(Limited));
            Clock.Advance(TimeSpan.FromMilliseconds(100));
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
        Clock.Advance(TimeSpan.FromMilliseconds(100));
        Assert.Null(await AdmitAsync());
        Assert.Equal(asked + 1, await DealsAsync());
    }

    /// <summary>What the limit itself does not allow, or a lone node is refused, no other node can give back.</summary>
    [Fact]
    public async Task Share_BeyondTheLimitOfANodeThatIsAlone_IsRefusedAtOnce()
    {
        var caller = Gates.Caller(account: new Terms { Parallel = 1, SpendDay = 1000 });
        await Database.StoreAsync(caller);
        await Database.ChargeAsync(caller, 900);
        Assert.Null(await AdmitAtOnceAsync(caller, cost: 200));
        using var seat = await AdmitAtOnceAsync(caller, cost: 100);
        Assert.NotNull(seat);
        Clock.Advance(TimeSpan.FromMilliseconds(150)); // a refusal stands for a tenth of a second
        var asked = await DealsAsync();
        Assert.Null(await AdmitAtOnceAsync(caller));
        Assert.Equal(asked, await DealsAsync());
    }

    /// <summary>Whichever of two kinds of calls was refused last: neither is asked for again.</summary>
    [Fact]
    public async Task Share_RefusedToCallsOfTwoKinds_IsAskedForOnceForEach()
    {
        var caller = Gates.Caller(account: new Terms { TokensPerMinute = 1000, SpendDay = 1000 });
        await Database.StoreAsync(caller);
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 1000, 0, 1000));
        Assert.Null(await AdmitAsync(caller, tokens: 500, cost: 10));
        Clock.Advance(TimeSpan.FromMilliseconds(150));
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
        await Database.StoreAsync(caller);
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 900, 0, 1000));
        Assert.Null(await AdmitAsync(caller, tokens: 500, cost: 0));
        Clock.Advance(TimeSpan.FromMilliseconds(150));
        Assert.Null(await AdmitAtOnceAsync(caller, tokens: 500, cost: 0));
        using var leaves = new CancellationTokenSource();
        var waiting = Gate.AdmitAsync(caller, null, 10, 100, leaves.Token).AsTask();
        await UntilAsync(() => Task.FromResult(Clock.IsAwaited));
        Assert.NotNull(await AdmitAtOnceAsync(caller, tokens: 50, cost: 0));
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    private Task<int> OtherNodeHasAsync(Caller caller, ShareAmounts amounts) => Database.WriteAsync(session => session.ExecuteAsync(
        """
        INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires) VALUES (@subject, 'other', @requests, @tokens, @parallel, @spend, @expires)
        ON CONFLICT (subject, node) DO UPDATE SET requests = excluded.requests, tokens = excluded.tokens, parallel = excluded.parallel, spend = excluded.spend
        """,
        ("@subject", "account:" + caller.Account.Id), ("@requests", amounts.Requests), ("@tokens", amounts.Tokens), ("@parallel", amounts.Parallel), ("@spend", amounts.Spend),
        ("@expires", Database.Now + 86_400_000)));

    /// <summary>Everyone who waits would have his seat and his money if no other node had any: who comes beyond that is refused while they wait.</summary>
    [Theory]
    [InlineData(1, 9000)]
    [InlineData(5, 1000)]
    public async Task Share_WaitedForByAsManyAsItCanServe_IsRefusedToTheNext(int parallel, int spend)
    {
        var caller = Gates.Caller(account: new Terms { Parallel = parallel, SpendDay = spend });
        await Database.StoreAsync(caller);
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 0, parallel, spend));
        Assert.Null(await AdmitAsync(caller, cost: 600)); // the node is new to the account no longer
        Clock.Advance(TimeSpan.FromMilliseconds(150));
        var first = Gate.AdmitAsync(caller, null, 1, 600, TestContext.Current.CancellationToken).AsTask();
        await UntilAsync(() => Task.FromResult(Clock.IsAwaited));
        Assert.Null(await AdmitAtOnceAsync(caller, cost: 600));
        Clock.Advance(TimeSpan.FromMilliseconds(150)); // the refusal stands no longer, and the first one waits still
        Assert.Null(await AdmitAtOnceAsync(caller, cost: 600));
        Assert.False(first.IsCompleted);
        await OtherNodeHasAsync(caller, default);
        await UntilAsync(() =>
        {
            Clock.Advance(TimeSpan.FromMilliseconds(10));
            return Task.FromResult(first.IsCompleted);
        });
        Assert.NotNull((await first).Seat);
    }

    /// <summary>Who is first to ask once others have given back leases for all that wait, and for nobody else.</summary>
    [Fact]
    public async Task Share_WaitedForByTwo_IsFetchedForBothInOneGo()
    {
        var caller = Gates.Caller(account: new Terms { Parallel = 4, SpendDay = 4000 });
        await Database.StoreAsync(caller);
        await OtherNodeHasAsync(caller, new ShareAmounts(0, 0, 4, 4000));
        Assert.Null(await AdmitAsync(caller, cost: 500));
        Clock.Advance(TimeSpan.FromMilliseconds(150));
        var (first, asked) = (Gate.AdmitAsync(caller, null, 1, 500, TestContext.Current.CancellationToken).AsTask(), await DealsAsync());
        await UntilAsync(() => Task.FromResult(Clock.IsAwaited));
        var second = Gate.AdmitAsync(caller, null, 1, 500, TestContext.Current.CancellationToken).AsTask();
        await UntilAsync(() => Task.FromResult(Clock.Awaited == 2));
        await OtherNodeHasAsync(caller, default);
        asked = await DealsAsync();
        Clock.Advance(Shares.Tick);
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

    private Task<long> DealsAsync() => Database.ReadAsync(session => session.FirstAsync("SELECT deals FROM limit_subject", row => row.GetInt64(0)));

    [Fact]
    public async Task Share_ForALoneCallOfAllThatIsAllowed_OrMore_IsGiven()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 1, TokensPerMinute = 1000, Parallel = 1, SpendDay = 1000 });
        await Database.StoreAsync(caller);
        Assert.NotNull(await AdmitAsync(caller, tokens: 5000, cost: 5000));
    }

    /// <summary>What is kept beyond use is a part of the limit, whosever it is.</summary>
    [Fact]
    public async Task Share_OfAKeyAndOfAModel_KeepsATwentiethToo()
    {
        var terms = new Terms { RequestsPerMinute = 200 };
        var (caller, model) = (Gates.Caller(terms), new ModelTerms("x/dear", terms));
        using var seat = await Gate.SeatAsync(caller, model: model);
        string[] subjects = ["key:" + caller.Key.Line, $"model:{caller.Account.Id}/{model.Id}"];
        foreach (var subject in subjects)
            await Database.WriteAsync(session => session.ExecuteAsync(
                "INSERT INTO limit_share (subject, node, requests, tokens, parallel, spend, expires) VALUES (@subject, 'other', 0, 0, 0, 0, @expires)",
                ("@subject", subject), ("@expires", Database.Now + 86_400_000)), TestContext.Current.CancellationToken);
        Clock.Advance(Shares.Tick);
        foreach (var subject in subjects)
            await UntilAsync(async () => await Database.ReadAsync(session => session.FirstAsync<long?>(
                "SELECT requests FROM limit_share WHERE subject = @subject AND node <> 'other'", row => row.GetInt64(0), ("@subject", subject))) == 11);
    }

    [Fact]
    public async Task Spare_OfALimitThatWasLowered_IsOfTheNewOne()
    {
        var caller = Gates.Caller(account: new Terms { RequestsPerMinute = 2000, Parallel = 400 });
        using var seat = await AdmitAsync(caller);
        await OtherNodeAsync(0, TimeSpan.FromDays(1));
        Clock.Advance(Shares.Tick);
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(101, 0, 21, 0));
        var lowered = Gates.Caller(account: new Terms { RequestsPerMinute = 10, Parallel = 10 });
        using var another = await AdmitAsync(lowered);
        Assert.NotNull(another);
        Clock.Advance(Shares.Tick);
        await UntilAsync(async () => (await RowAsync(caller))?.Amounts == new ShareAmounts(2, 0, 2, 0));
    }

    /// <summary>Who retries a call too large for what is left must not keep all others from it.</summary>
    [Fact]
    public async Task Share_RefusedToALargeCall_IsThereForASmallOne()
    {
        var caller = Gates.Caller(account: new Terms { TokensPerMinute = 1000, SpendDay = 1000 });
        await Database.StoreAsync(caller);
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
        await Database.WriteAsync(session => session.ExecuteAsync("DELETE FROM limit_share WHERE node = 'other'"), TestContext.Current.CancellationToken);
        Assert.NotNull(await AdmitAsync(caller, tokens: 500));
    }
}
