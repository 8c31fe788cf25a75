using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using CrossModel.Usage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Limits;

public sealed class SpendLimitTests : OneGate
{
    private async Task SpendAsync(Caller caller, long hold, long cost)
    {
        var seat = await Gate.SeatAsync(caller, 1, hold);
        await Database.ChargeAsync(caller, cost);
        seat.Correct(1, cost);
        seat.Dispose();
    }

    [Fact]
    public async Task Admit_SpendDayReached_Is402NamingTheFlagUntilMidnight()
    {
        var caller = Gates.Caller(new Terms { SpendDay = Gates.Usd });
        await Database.StoreAsync(caller);
        await SpendAsync(caller, Gates.Usd, Gates.Usd * 7 / 10);
        var refusal = await Gate.RefusalAsync(caller, 1, Gates.Usd / 2);
        Assert.Equal((402, "insufficient_balance"), (refusal.Status, refusal.Code));
        Assert.Contains("spend-day of this key", refusal.Message, StringComparison.Ordinal);
        Assert.Null(refusal.RetryAfter);
        await SpendAsync(caller, Gates.Usd * 3 / 10, Gates.Usd * 3 / 10);
        await Gate.RefusalAsync(caller, 1, 1);
        (await Gate.SeatAsync(caller, 1, 0)).Dispose(); // a free model spends nothing
        Clock.Advance(TimeSpan.FromHours(12));
        (await Gate.SeatAsync(caller, 1, Gates.Usd)).Dispose();
    }

    [Fact]
    public async Task Admit_SpendMonthAndTotal_OutliveTheDayAndTheTotalTheMonth()
    {
        var caller = Gates.Caller(account: new Terms { SpendMonth = 2 * Gates.Usd, SpendTotal = 3 * Gates.Usd });
        await Database.StoreAsync(caller);
        await SpendAsync(caller, 2 * Gates.Usd, 2 * Gates.Usd);
        Clock.Advance(TimeSpan.FromDays(1));
        Assert.Contains("spend-month of this account", (await Gate.RefusalAsync(caller, 1, 1)).Message, StringComparison.Ordinal);
        Clock.Advance(TimeSpan.FromDays(31));
        await SpendAsync(caller, Gates.Usd, Gates.Usd);
        Assert.Contains("spend-total of this account", (await Gate.RefusalAsync(caller, 1, 1)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Gates.Usd, null, null)]
    [InlineData(null, Gates.Usd, null)]
    [InlineData(null, null, Gates.Usd)]
    public async Task Admit_HoldsInFlight_CountTowardsTheLimit(long? day, long? month, long? total)
    {
        var caller = Gates.Caller(account: new Terms { SpendDay = day, SpendMonth = month, SpendTotal = total });
        using var first = await Gate.SeatAsync(caller, 1, Gates.Usd * 6 / 10);
        await Gate.RefusalAsync(caller, 1, Gates.Usd * 6 / 10);
        first.Correct(1, Gates.Usd / 10);
        using var second = await Gate.SeatAsync(caller, 1, Gates.Usd * 6 / 10);
    }

    [Fact]
    public async Task Admit_HoldAboveTheLimit_AdmitsALoneCall()
    {
        var caller = Gates.Caller(account: new Terms { SpendDay = 10 });
        using var lone = await Gate.SeatAsync(caller, 1, Gates.Usd);
        await Gate.RefusalAsync(caller, 1, 1);
    }

    [Fact]
    public void Charge_WhileTheBooksAreRead_IsNotLostByWhatTheySaid()
    {
        var spend = new SpendWindows();
        spend.BeginLoad();
        spend.Hold(9);
        spend.Charge(9, 2);
        Assert.Equal(0, spend.EndLoad(1, new Spent(3, 5, 7), 0));
        Assert.Equal((new Spent(5, 7, 9), 0L, 2L), (spend.Spent, spend.Held, spend.Unseen));
        spend.BeginLoad();
        Assert.Equal(2, spend.EndLoad(1, new Spent(5, 7, 9), 0));
        Assert.Equal((new Spent(5, 7, 9), 0L), (spend.Spent, spend.Unseen));
    }

    [Fact]
    public async Task Sweep_SpendChargedElsewhere_IsReadFromTheBooks()
    {
        var caller = Gates.Caller(account: new Terms { SpendTotal = Gates.Usd });
        await Database.StoreAsync(caller);
        (await Gate.SeatAsync(caller, 1, 1)).Dispose();
        await Database.ChargeAsync(caller, Gates.Usd);
        // Some hours at most: at midnight the books are read anyway.
        for (var turn = 0; turn < 3000; turn++)
        {
            var answer = await Gate.AdmitAsync(caller, null, 1, 1, TestContext.Current.CancellationToken);
            if (answer.Refusal is not null) return;
            answer.Seat!.Dispose();
            Clock.Advance(TimeSpan.FromSeconds(10));
            // The sweep runs beside the test, and needs time of its own.
            if (turn % 10 == 9) await Task.Delay(1, TestContext.Current.CancellationToken);
        }
        Assert.Fail("What another charged was never seen.");
    }

    [Fact]
    public async Task Restart_SpentBefore_IsReadFromTheBooks()
    {
        await RestartAsync(Gates.Caller(new Terms { SpendDay = Gates.Usd }, id: "1", accountId: "1"));
        await RestartAsync(Gates.Caller(account: new Terms { SpendMonth = Gates.Usd }, id: "2", accountId: "2"));
    }

    private async Task RestartAsync(Caller caller)
    {
        await Database.StoreAsync(caller);
        await SpendAsync(caller, Gates.Usd, Gates.Usd);
        await using var restarted = Gates.Open(Database);
        await restarted.RefusalAsync(caller, 1, 1);
    }

    [Fact]
    public async Task Settlement_OfACall_CountsForItsKeyAndItsAccount()
    {
        var caller = Gates.Caller(new Terms { SpendTotal = 5 * Gates.Usd });
        await Database.StoreAsync(caller);
        await new Ledger(Database).CreditAsync(caller.Account.Id, 10 * Gates.Usd, null, null, TestContext.Current.CancellationToken);
        await using var books = new Books(Database, NullLogger.Instance);
        await using var purses = await Purses.StartAsync(books, TestContext.Current.CancellationToken);
        var settlements = new Settlements(books);
        long[] costs = [Gates.Usd, 2 * Gates.Usd];
        await Task.WhenAll(costs.Select(async (cost, number) =>
        {
            var hold = (await purses.HoldAsync(caller.Account, cost)).Hold!;
            Assert.True((await settlements.SettleAsync(new RequestRecord
            {
                Id = "req_" + number,
                AccountId = caller.Account.Id,
                KeyId = caller.Key.Id,
                Model = "a/b",
                ModelAsked = "a/b",
                Created = Database.Now,
                Status = 200,
                Stream = false,
                Basis = Basis.Reported,
                PriceVersion = "v",
                Price = cost,
            }, hold)).Committed);
        }));
        var day = SpendStore.DayOf(Database.Now);
        var spent = new Spent(3 * Gates.Usd, 3 * Gates.Usd, 3 * Gates.Usd);
        Assert.Equal(spent, await Database.ReadAsync(session => SpendStore.ReadAsync(session, caller.Account.Id, caller.Key.Line, day), TestContext.Current.CancellationToken));
        Assert.Equal(spent, await Database.ReadAsync(session => SpendStore.ReadAsync(session, caller.Account.Id, null, day), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Rotate_SpentUnderTheOldKey_CountsForTheNewOne()
    {
        var old = Gates.Caller(new Terms { SpendTotal = Gates.Usd });
        var rotated = old with { Key = old.Key with { Id = "key_new", Hash = "new", Line = old.Key.Line } };
        await Database.StoreAsync(old);
        await Database.StoreAsync(rotated);
        await Database.ChargeAsync(old, Gates.Usd / 2);
        await Database.ChargeAsync(rotated, Gates.Usd / 2);
        await Gate.RefusalAsync(rotated, 1, 1);
    }

    [Fact]
    public async Task Clock_JumpsBackOverMidnight_CountsTheDayBefore()
    {
        var caller = Gates.Caller(account: new Terms { SpendDay = Gates.Usd });
        await Database.StoreAsync(caller);
        await SpendAsync(caller, Gates.Usd, Gates.Usd);
        var noon = Clock.GetUtcNow();
        Clock.SetUtcNow(noon.AddDays(1));
        (await Gate.SeatAsync(caller, 1, Gates.Usd)).Dispose();
        Clock.SetUtcNow(noon);
        await Gate.RefusalAsync(caller, 1, 1);
    }

    [Theory]
    [InlineData("2026-07-14T12:00:00Z", "2026-07-01T00:00:00Z")]
    [InlineData("2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z")]
    public void MonthOf_ADay_IsTheFirstOfItsMonth(string time, string first) => Assert.Equal(
        SpendStore.DayOf(DateTimeOffset.Parse(first, null).ToUnixTimeMilliseconds()),
        SpendStore.MonthOf(SpendStore.DayOf(DateTimeOffset.Parse(time, null).ToUnixTimeMilliseconds())));
}
