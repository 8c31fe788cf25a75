using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Limits;

/// <summary>Limits of a model: they hold for each account by itself, beside its own and its key's.</summary>
public sealed class ModelLimitTests : OneGate
{
    private static ModelTerms Model(Terms terms, string id = "x/dear") => new(id, terms);

    [Fact]
    public async Task Admit_LimitOfOne_IsNamedInTheSingular()
    {
        using var seat = await Gate.SeatAsync(Gates.Caller(id: "1"), model: Model(new Terms { RequestsPerMinute = 1 }));
        var answer = await Gate.AdmitAsync(Gates.Caller(id: "1"), Model(new Terms { RequestsPerMinute = 1 }), 1, 0, TestContext.Current.CancellationToken);
        Assert.Contains("is reached: 1 request per minute.", answer.Refusal!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Admit_ModelFull_IsRefusedForAllKeysOfTheAccountAndForNoOtherAccount()
    {
        var model = Model(new Terms { RequestsPerMinute = 2 });
        (await Gate.SeatAsync(Gates.Caller(id: "1"), model: model)).Dispose();
        (await Gate.SeatAsync(Gates.Caller(id: "2"), model: model)).Dispose();
        var answer = await Gate.AdmitAsync(Gates.Caller(id: "3"), model, 1, 0, TestContext.Current.CancellationToken);
        Assert.True(answer.IsOfModel);
        Assert.Equal((429, "rate_limit_exceeded"), (answer.Refusal!.Status, answer.Refusal.Code));
        Assert.Equal("The limit rpm of this account for model x/dear is reached: 2 requests per minute. Retry after 60 s.", answer.Refusal.Message);
        Assert.Equal(TimeSpan.FromMinutes(1), answer.Refusal.RetryAfter);
        (await Gate.SeatAsync(Gates.Caller(id: "3"), model: Model(model.Terms, "x/other"))).Dispose();
        (await Gate.SeatAsync(Gates.Caller(id: "3"))).Dispose();
        (await Gate.SeatAsync(Gates.Caller(id: "4", accountId: "4"), model: model)).Dispose();
        Clock.Advance(TimeSpan.FromMinutes(1));
        (await Gate.SeatAsync(Gates.Caller(id: "3"), model: model)).Dispose();
    }

    [Fact]
    public async Task Admit_RefusedByTheModel_TakesNothingOfKeyAndAccount_AndTheOtherWayRound()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 2 }, new Terms { TokensPerMinute = 1000 });
        var (full, open) = (Model(new Terms { TokensPerMinute = 10 }), Model(new Terms { RequestsPerMinute = 5 }, "x/open"));
        (await Gate.SeatAsync(caller, 10, model: full)).Correct(10, 0);
        for (var i = 0; i < 5; i++) Assert.Contains("tpm of this account for model x/dear", (await Gate.RefusalAsync(caller, 10, model: full)).Message, StringComparison.Ordinal);
        Assert.Equal("990", Gate.Headers(caller)["x-ratelimit-remaining-tokens"]);
        (await Gate.SeatAsync(caller, model: open)).Dispose();
        for (var i = 0; i < 5; i++) Assert.Contains("rpm of this key", (await Gate.RefusalAsync(caller, model: open)).Message, StringComparison.Ordinal);
        Assert.Equal("4", Gate.Headers(Gates.Caller(id: "2"), model: open)["x-ratelimit-remaining-requests"]);
    }

    [Fact]
    public async Task Headers_ModelLimited_ShowTheTightestOfThree()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 5, TokensPerMinute = 900 }, new Terms { RequestsPerMinute = 4 });
        var model = Model(new Terms { RequestsPerMinute = 3, TokensPerMinute = 1000 });
        (await Gate.SeatAsync(caller, 100, model: model)).Correct(100, 0);
        var headers = Gate.Headers(caller, model: model);
        Assert.Equal("3", headers["x-ratelimit-limit-requests"]);
        Assert.Equal("2", headers["x-ratelimit-remaining-requests"]);
        Assert.Equal("900", headers["x-ratelimit-limit-tokens"]);
        Assert.Equal("800", headers["x-ratelimit-remaining-tokens"]);
        Assert.Equal("4", Gate.Headers(caller)["x-ratelimit-limit-requests"]);
        // A model without minutes of its own adds nothing.
        Assert.Equal("4", Gate.Headers(caller, model: Model(new Terms { Parallel = 1 }, "x/y"))["x-ratelimit-limit-requests"]);
    }

    [Fact]
    public async Task Correct_OfAStream_CorrectsTheModelToo()
    {
        var (caller, model) = (Gates.Caller(), Model(new Terms { TokensPerMinute = 100, Parallel = 1 }));
        var seat = await Gate.SeatAsync(caller, 5000, model: model);
        Assert.Equal("0", Gate.Headers(caller, model: model)["x-ratelimit-remaining-tokens"]);
        seat.Correct(30, 0);
        Assert.Equal("70", Gate.Headers(caller, model: model)["x-ratelimit-remaining-tokens"]);
        Assert.Contains("parallel of this account for model x/dear", (await Gate.RefusalAsync(caller, model: model)).Message, StringComparison.Ordinal);
        seat.Dispose();
        (await Gate.SeatAsync(caller, 70, model: model)).Dispose();
    }

    [Fact]
    public async Task Move_ToAnotherModel_CountsThereAndLeavesTheFirstAsAWaivedCall()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 100, TokensPerMinute = 1000 });
        var terms = new Terms { RequestsPerMinute = 10, TokensPerMinute = 1000, Parallel = 1 };
        var (first, second) = (Model(terms, "x/first"), Model(terms, "x/second"));
        var seat = await Gate.SeatAsync(caller, 100, model: first);
        Assert.Equal("x/first", seat.Model);
        Assert.Same(seat, (await Gate.MoveAsync(seat, caller, second, 100, 0, TestContext.Current.CancellationToken)).Seat);
        Assert.Equal("x/second", seat.Model);
        using (await Gate.SeatAsync(caller, 100, model: first)) await Gate.RefusalAsync(caller, 1, model: second);
        seat.Correct(40, 0);
        seat.Dispose();
        Assert.Equal(("8", "1000"), Left(first));
        Assert.Equal(("9", "960"), Left(second));
        Assert.Equal(("98", "960"), (Gate.Headers(caller)["x-ratelimit-remaining-requests"].ToString(), Gate.Headers(caller)["x-ratelimit-remaining-tokens"].ToString()));

        (string, string) Left(ModelTerms model)
        {
            var headers = Gate.Headers(Gates.Caller(id: "unlimited"), model: model);
            return (headers["x-ratelimit-remaining-requests"].ToString(), headers["x-ratelimit-remaining-tokens"].ToString());
        }
    }

    /// <summary>Key and account have counted it already, and so has its own model.</summary>
    [Fact]
    public async Task Move_OfACallThatUsesUpItsKey_IsJudgedByTheNewModelAlone()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 1, Parallel = 1, SpendDay = Gates.Usd });
        var (first, second) = (Model(new Terms { RequestsPerMinute = 5 }, "x/first"), Model(new Terms { RequestsPerMinute = 5 }, "x/second"));
        using var seat = await Gate.SeatAsync(caller, 1, Gates.Usd, first);
        Assert.Same(seat, (await Gate.MoveAsync(seat, caller, first, 1, Gates.Usd, TestContext.Current.CancellationToken)).Seat);
        Assert.Equal("4", Gate.Headers(Gates.Caller(id: "unlimited"), model: first)["x-ratelimit-remaining-requests"]);
        Assert.Same(seat, (await Gate.MoveAsync(seat, caller, second, 1, Gates.Usd, TestContext.Current.CancellationToken)).Seat);
    }

    [Fact]
    public async Task Move_ToAModelWithoutLimits_LeavesTheFirstAsAWaivedCall()
    {
        var (caller, model) = (Gates.Caller(), Model(new Terms { RequestsPerMinute = 10, TokensPerMinute = 100, Parallel = 1 }));
        using var seat = await Gate.SeatAsync(caller, 100, model: model);
        Assert.Same(seat, (await Gate.MoveAsync(seat, caller, null, 100, 0, TestContext.Current.CancellationToken)).Seat);
        Assert.Null(seat.Model);
        Assert.Equal("100", Gate.Headers(caller, model: model)["x-ratelimit-remaining-tokens"]);
        using var another = await Gate.SeatAsync(caller, 100, model: model);
        seat.Dispose();
        await Gate.RefusalAsync(caller, model: model);
    }

    [Fact]
    public async Task Move_ToAFullModel_IsRefusedAndStays()
    {
        var caller = Gates.Caller();
        var (first, second) = (Model(new Terms { Parallel = 5 }, "x/first"), Model(new Terms { Parallel = 1 }, "x/second"));
        using var other = await Gate.SeatAsync(caller, model: second);
        using var seat = await Gate.SeatAsync(caller, model: first);
        var answer = await Gate.MoveAsync(seat, caller, second, 1, 0, TestContext.Current.CancellationToken);
        Assert.True(answer is { Seat: null, IsOfModel: true });
        Assert.Equal("x/first", seat.Model);
        // From a call without any limit, too.
        var unlimited = await Gate.SeatAsync(caller);
        Assert.Same(Seat.None, unlimited);
        Assert.Null((await Gate.MoveAsync(unlimited, caller, second, 1, 0, TestContext.Current.CancellationToken)).Seat);
        other.Dispose();
        using var moved = (await Gate.MoveAsync(unlimited, caller, second, 1, 0, TestContext.Current.CancellationToken)).Seat;
        Assert.Equal("x/second", moved!.Model);
    }

    [Fact]
    public async Task Limits_ChangedByAReload_HoldAtOnceAndRememberTheMinute()
    {
        var caller = Gates.Caller();
        for (var i = 0; i < 3; i++) (await Gate.SeatAsync(caller, model: Model(new Terms { RequestsPerMinute = 10 }))).Dispose();
        await Gate.RefusalAsync(caller, model: Model(new Terms { RequestsPerMinute = 3 }));
        Assert.Equal("1", Gate.Headers(caller, model: Model(new Terms { RequestsPerMinute = 4 }))["x-ratelimit-remaining-requests"]);
        Assert.Same(Seat.None, await Gate.SeatAsync(caller));
    }

    [Fact]
    public async Task SpendOfAModel_Reached_Is402ForItAloneAndIsReadFromTheBooks()
    {
        var (caller, model) = (Gates.Caller(), Model(new Terms { SpendDay = Gates.Usd, SpendTotal = 3 * Gates.Usd }));
        await Database.StoreAsync(caller);
        var seat = await Gate.SeatAsync(caller, 1, Gates.Usd, model);
        await Gate.RefusalAsync(caller, 1, 1, model);
        await Database.ChargeAsync(caller, Gates.Usd, model);
        seat.Correct(1, Gates.Usd);
        seat.Dispose();
        var refusal = await Gate.RefusalAsync(caller, 1, 1, model);
        Assert.Equal((402, "insufficient_balance"), (refusal.Status, refusal.Code));
        Assert.Contains("The limit spend-day of this account for model x/dear is reached: 1 USD.", refusal.Message, StringComparison.Ordinal);
        (await Gate.SeatAsync(caller, 1, Gates.Usd, Model(model.Terms, "x/other"))).Dispose();
        await using var restarted = Gates.Open(Database);
        await restarted.RefusalAsync(caller, 1, 1, model);
        Clock.Advance(TimeSpan.FromHours(12));
        (await Gate.SeatAsync(caller, 1, Gates.Usd, model)).Dispose();
        // The key's own spend is none of the model's.
        var day = SpendStore.DayOf(Database.Now);
        Assert.Equal(Gates.Usd, (await Database.ReadAsync(s => SpendStore.ReadAsync(s, caller.Account.Id, caller.Key.Line, day), TestContext.Current.CancellationToken)).Total);
    }

    [Fact]
    public async Task Sweep_IdleModels_AreForgotten()
    {
        for (var i = 0; i < 100; i++) (await Gate.SeatAsync(Gates.Caller(), model: Model(new Terms { RequestsPerMinute = 5 }, "x/" + i))).Dispose();
        Assert.Equal(1, Gate.Count);
        for (var turn = 0; turn < 10_000 && Gate.Count > 0; turn++)
        {
            Clock.Advance(TimeSpan.FromMinutes(1));
            await Task.Yield(); // the sweep runs beside the test
        }
        Assert.Equal(0, Gate.Count);
    }
}
