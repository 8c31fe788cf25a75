using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Limits;

/// <summary>Limits of a model: they hold for each account by itself, beside its own and its key's.</summary>
public sealed class ModelLimitTests : IAsyncLifetime
{
    private readonly FakeClock _clock = new();
    private Database _database = null!;
    private LimitGate _gate = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.OpenNewAsync(postgres: false, _clock);
        _gate = Gates.Open(_database);
    }

    public async ValueTask DisposeAsync()
    {
        await _gate.DisposeAsync();
        await _database.DisposeAsync();
    }

    private static ModelTerms Model(Terms terms, string id = "x/dear") => new(id, terms);

    [Fact]
    public async Task Admit_LimitOfOne_IsNamedInTheSingular()
    {
        using var seat = await _gate.SeatAsync(Gates.Caller(id: "1"), model: Model(new Terms { RequestsPerMinute = 1 }));
        var answer = await _gate.AdmitAsync(Gates.Caller(id: "1"), Model(new Terms { RequestsPerMinute = 1 }), 1, 0, TestContext.Current.CancellationToken);
        Assert.Contains("is reached: 1 request per minute.", answer.Refusal!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Admit_ModelFull_IsRefusedForAllKeysOfTheAccountAndForNoOtherAccount()
    {
        var model = Model(new Terms { RequestsPerMinute = 2 });
        (await _gate.SeatAsync(Gates.Caller(id: "1"), model: model)).Dispose();
        (await _gate.SeatAsync(Gates.Caller(id: "2"), model: model)).Dispose();
        var answer = await _gate.AdmitAsync(Gates.Caller(id: "3"), model, 1, 0, TestContext.Current.CancellationToken);
        Assert.True(answer.IsOfModel);
        Assert.Equal((429, "rate_limit_exceeded"), (answer.Refusal!.Status, answer.Refusal.Code));
        Assert.Equal("The limit rpm of this account for model x/dear is reached: 2 requests per minute. Retry after 60 s.", answer.Refusal.Message);
        Assert.Equal(TimeSpan.FromMinutes(1), answer.Refusal.RetryAfter);
        (await _gate.SeatAsync(Gates.Caller(id: "3"), model: Model(model.Terms, "x/other"))).Dispose();
        (await _gate.SeatAsync(Gates.Caller(id: "3"))).Dispose();
        (await _gate.SeatAsync(Gates.Caller(id: "4", accountId: "4"), model: model)).Dispose();
        _clock.Advance(TimeSpan.FromMinutes(1));
        (await _gate.SeatAsync(Gates.Caller(id: "3"), model: model)).Dispose();
    }

    [Fact]
    public async Task Admit_RefusedByTheModel_TakesNothingOfKeyAndAccount_AndTheOtherWayRound()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 2 }, new Terms { TokensPerMinute = 1000 });
        var (full, open) = (Model(new Terms { TokensPerMinute = 10 }), Model(new Terms { RequestsPerMinute = 5 }, "x/open"));
        (await _gate.SeatAsync(caller, 10, model: full)).Correct(10, 0);
        for (var i = 0; i < 5; i++) Assert.Contains("tpm of this account for model x/dear", (await _gate.RefusalAsync(caller, 10, model: full)).Message, StringComparison.Ordinal);
        Assert.Equal("990", _gate.Headers(caller)["x-ratelimit-remaining-tokens"]);
        (await _gate.SeatAsync(caller, model: open)).Dispose();
        for (var i = 0; i < 5; i++) Assert.Contains("rpm of this key", (await _gate.RefusalAsync(caller, model: open)).Message, StringComparison.Ordinal);
        Assert.Equal("4", _gate.Headers(Gates.Caller(id: "2"), model: open)["x-ratelimit-remaining-requests"]);
    }

    [Fact]
    public async Task Headers_ModelLimited_ShowTheTightestOfThree()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 5, TokensPerMinute = 900 }, new Terms { RequestsPerMinute = 4 });
        var model = Model(new Terms { RequestsPerMinute = 3, TokensPerMinute = 1000 });
        (await _gate.SeatAsync(caller, 100, model: model)).Correct(100, 0);
        var headers = _gate.Headers(caller, model: model);
        Assert.Equal("3", headers["x-ratelimit-limit-requests"]);
        Assert.Equal("2", headers["x-ratelimit-remaining-requests"]);
        Assert.Equal("900", headers["x-ratelimit-limit-tokens"]);
        Assert.Equal("800", headers["x-ratelimit-remaining-tokens"]);
        Assert.Equal("4", _gate.Headers(caller)["x-ratelimit-limit-requests"]);
        // A model without minutes of its own adds nothing.
        Assert.Equal("4", _gate.Headers(caller, model: Model(new Terms { Parallel = 1 }, "x/y"))["x-ratelimit-limit-requests"]);
    }

    [Fact]
    public async Task Correct_OfAStream_CorrectsTheModelToo()
    {
        var (caller, model) = (Gates.Caller(), Model(new Terms { TokensPerMinute = 100, Parallel = 1 }));
        var seat = await _gate.SeatAsync(caller, 5000, model: model);
        Assert.Equal("0", _gate.Headers(caller, model: model)["x-ratelimit-remaining-tokens"]);
        seat.Correct(30, 0);
        Assert.Equal("70", _gate.Headers(caller, model: model)["x-ratelimit-remaining-tokens"]);
        Assert.Contains("parallel of this account for model x/dear", (await _gate.RefusalAsync(caller, model: model)).Message, StringComparison.Ordinal);
        seat.Dispose();
        (await _gate.SeatAsync(caller, 70, model: model)).Dispose();
    }

    [Fact]
    public async Task Move_ToAnotherModel_CountsThereAndLeavesTheFirstAsAWaivedCall()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 100, TokensPerMinute = 1000 });
        var terms = new Terms { RequestsPerMinute = 10, TokensPerMinute = 1000, Parallel = 1 };
        var (first, second) = (Model(terms, "x/first"), Model(terms, "x/second"));
        var seat = await _gate.SeatAsync(caller, 100, model: first);
        Assert.Equal("x/first", seat.Model);
        Assert.Same(seat, (await _gate.MoveAsync(seat, caller, second, 100, 0, TestContext.Current.CancellationToken)).Seat);
        Assert.Equal("x/second", seat.Model);
        using (await _gate.SeatAsync(caller, 100, model: first)) await _gate.RefusalAsync(caller, 1, model: second);
        seat.Correct(40, 0);
        seat.Dispose();
        Assert.Equal(("8", "1000"), Left(first));
        Assert.Equal(("9", "960"), Left(second));
        Assert.Equal(("98", "960"), (_gate.Headers(caller)["x-ratelimit-remaining-requests"].ToString(), _gate.Headers(caller)["x-ratelimit-remaining-tokens"].ToString()));

        (string, string) Left(ModelTerms model)
        {
            var headers = _gate.Headers(Gates.Caller(id: "unlimited"), model: model);
            return (headers["x-ratelimit-remaining-requests"].ToString(), headers["x-ratelimit-remaining-tokens"].ToString());
        }
    }

    /// <summary>Key and account have counted it already, and so has its own model.</summary>
    [Fact]
    public async Task Move_OfACallThatUsesUpItsKey_IsJudgedByTheNewModelAlone()
    {
        var caller = Gates.Caller(new Terms { RequestsPerMinute = 1, Parallel = 1, SpendDay = Gates.Usd });
        var (first, second) = (Model(new Terms { RequestsPerMinute = 5 }, "x/first"), Model(new Terms { RequestsPerMinute = 5 }, "x/second"));
        using var seat = await _gate.SeatAsync(caller, 1, Gates.Usd, first);
        Assert.Same(seat, (await _gate.MoveAsync(seat, caller, first, 1, Gates.Usd, TestContext.Current.CancellationToken)).Seat);
        Assert.Equal("4", _gate.Headers(Gates.Caller(id: "unlimited"), model: first)["x-ratelimit-remaining-requests"]);
        Assert.Same(seat, (await _gate.MoveAsync(seat, caller, second, 1, Gates.Usd, TestContext.Current.CancellationToken)).Seat);
    }

    [Fact]
    public async Task Move_ToAModelWithoutLimits_LeavesTheFirstAsAWaivedCall()
    {
        var (caller, model) = (Gates.Caller(), Model(new Terms { RequestsPerMinute = 10, TokensPerMinute = 100, Parallel = 1 }));
        using var seat = await _gate.SeatAsync(caller, 100, model: model);
        Assert.Same(seat, (await _gate.MoveAsync(seat, caller, null, 100, 0, TestContext.Current.CancellationToken)).Seat);
        Assert.Null(seat.Model);
        Assert.Equal("100", _gate.Headers(caller, model: model)["x-ratelimit-remaining-tokens"]);
        using var another = await _gate.SeatAsync(caller, 100, model: model);
        seat.Dispose();
        await _gate.RefusalAsync(caller, model: model);
    }

    [Fact]
    public async Task Move_ToAFullModel_IsRefusedAndStays()
    {
        var caller = Gates.Caller();
        var (first, second) = (Model(new Terms { Parallel = 5 }, "x/first"), Model(new Terms { Parallel = 1 }, "x/second"));
        using var other = await _gate.SeatAsync(caller, model: second);
        using var seat = await _gate.SeatAsync(caller, model: first);
        var answer = await _gate.MoveAsync(seat, caller, second, 1, 0, TestContext.Current.CancellationToken);
        Assert.True(answer is { Seat: null, IsOfModel: true });
        Assert.Equal("x/first", seat.Model);
        // From a call without any limit, too.
        var unlimited = await _gate.SeatAsync(caller);
        Assert.Same(Seat.None, unlimited);
        Assert.Null((await _gate.MoveAsync(unlimited, caller, second, 1, 0, TestContext.Current.CancellationToken)).Seat);
        other.Dispose();
        using var moved = (await _gate.MoveAsync(unlimited, caller, second, 1, 0, TestContext.Current.CancellationToken)).Seat;
        Assert.Equal("x/second", moved!.Model);
    }

    [Fact]
    public async Task Limits_ChangedByAReload_HoldAtOnceAndRememberTheMinute()
    {
        var caller = Gates.Caller();
        for (var i = 0; i < 3; i++) (await _gate.SeatAsync(caller, model: Model(new Terms { RequestsPerMinute = 10 }))).Dispose();
        await _gate.RefusalAsync(caller, model: Model(new Terms { RequestsPerMinute = 3 }));
        Assert.Equal("1", _gate.Headers(caller, model: Model(new Terms { RequestsPerMinute = 4 }))["x-ratelimit-remaining-requests"]);
        Assert.Same(Seat.None, await _gate.SeatAsync(caller));
    }

    [Fact]
    public async Task SpendOfAModel_Reached_Is402ForItAloneAndIsReadFromTheBooks()
    {
        var (caller, model) = (Gates.Caller(), Model(new Terms { SpendDay = Gates.Usd, SpendTotal = 3 * Gates.Usd }));
        await _database.StoreAsync(caller);
        var seat = await _gate.SeatAsync(caller, 1, Gates.Usd, model);
        await _gate.RefusalAsync(caller, 1, 1, model);
        await _database.ChargeAsync(caller, Gates.Usd, model);
        seat.Correct(1, Gates.Usd);
        seat.Dispose();
        var refusal = await _gate.RefusalAsync(caller, 1, 1, model);
        Assert.Equal((402, "insufficient_balance"), (refusal.Status, refusal.Code));
        Assert.Contains("The limit spend-day of this account for model x/dear is reached: 1 USD.", refusal.Message, StringComparison.Ordinal);
        (await _gate.SeatAsync(caller, 1, Gates.Usd, Model(model.Terms, "x/other"))).Dispose();
        await using var restarted = Gates.Open(_database);
        await restarted.RefusalAsync(caller, 1, 1, model);
        _clock.Advance(TimeSpan.FromHours(12));
        (await _gate.SeatAsync(caller, 1, Gates.Usd, model)).Dispose();
        // The key's own spend is none of the model's.
        var day = SpendStore.DayOf(_database.Now);
        Assert.Equal(Gates.Usd, (await _database.ReadAsync(s => SpendStore.ReadAsync(s, caller.Account.Id, caller.Key.Line, day), TestContext.Current.CancellationToken)).Total);
    }

    [Fact]
    public async Task Sweep_IdleModels_AreForgotten()
    {
        for (var i = 0; i < 100; i++) (await _gate.SeatAsync(Gates.Caller(), model: Model(new Terms { RequestsPerMinute = 5 }, "x/" + i))).Dispose();
        Assert.Equal(1, _gate.Count);
        for (var turn = 0; turn < 10_000 && _gate.Count > 0; turn++)
        {
            _clock.Advance(TimeSpan.FromMinutes(1));
            await Task.Yield(); // the sweep runs beside the test
        }
        Assert.Equal(0, _gate.Count);
    }
}
