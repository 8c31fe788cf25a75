using CrossModel.Accounts;
using CrossModel.Limits;
using CrossModel.Storage;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Limits;

public sealed class SpendLimitTests : IAsyncLifetime
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

    private async Task SpendAsync(Caller caller, long hold, long cost)
    {
        var seat = await _gate.SeatAsync(caller, 1, hold);
        await _database.ChargeAsync(caller, cost);
        seat.Correct(1, cost);
        seat.Dispose();
    }

    [Fact]
    public async Task Admit_SpendDayReached_Is402NamingTheFlagUntilMidnight()
    {
        var caller = Gates.Caller(new Terms { SpendDay = Gates.Usd });
        await _database.StoreAsync(caller);
        await SpendAsync(caller, Gates.Usd, Gates.Usd * 7 / 10);
        var refusal = await _gate.RefusalAsync(caller, 1, Gates.Usd / 2);
        Assert.Equal((402, "insufficient_balance"), (refusal.Status, refusal.Code));
        Assert.Contains("spend-day of this key", refusal.Message, StringComparison.Ordinal);
        Assert.Null(refusal.RetryAfter);
        await SpendAsync(caller, Gates.Usd * 3 / 10, Gates.Usd * 3 / 10);
        await _gate.RefusalAsync(caller, 1, 1);
        (await _gate.SeatAsync(caller, 1, 0)).Dispose(); // a free model spends nothing
        _clock.Advance(TimeSpan.FromHours(12));
        (await _gate.SeatAsync(caller, 1, Gates.Usd)).Dispose();
    }

    [Fact]
    public async Task Admit_SpendMonthAndTotal_OutliveTheDayAndTheTotalTheMonth()
    {
        var caller = Gates.Caller(account: new Terms { SpendMonth = 2 * Gates.Usd, SpendTotal = 3 * Gates.Usd });
        await SpendAsync(caller, 2 * Gates.Usd, 2 * Gates.Usd);
        _clock.Advance(TimeSpan.FromDays(1));
        Assert.Contains("spend-month of this account", (await _gate.RefusalAsync(caller, 1, 1)).Message, StringComparison.Ordinal);
        _clock.Advance(TimeSpan.FromDays(31));
        await SpendAsync(caller, Gates.Usd, Gates.Usd);
        Assert.Contains("spend-total of this account", (await _gate.RefusalAsync(caller, 1, 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Admit_HoldsInFlight_CountTowardsTheLimit()
    {
        var caller = Gates.Caller(account: new Terms { SpendDay = Gates.Usd });
        using var first = await _gate.SeatAsync(caller, 1, Gates.Usd * 6 / 10);
        await _gate.RefusalAsync(caller, 1, Gates.Usd * 6 / 10);
        first.Correct(1, Gates.Usd / 10);
        using var second = await _gate.SeatAsync(caller, 1, Gates.Usd * 6 / 10);
    }

    [Fact]
    public async Task Admit_HoldAboveTheLimit_AdmitsALoneCall()
    {
        var caller = Gates.Caller(account: new Terms { SpendDay = 10 });
        using var lone = await _gate.SeatAsync(caller, 1, Gates.Usd);
        await _gate.RefusalAsync(caller, 1, 1);
    }

    [Fact]
    public async Task Restart_SpentBefore_IsReadFromTheBooks()
    {
        var caller = Gates.Caller(new Terms { SpendDay = Gates.Usd });
        await _database.StoreAsync(caller);
        await SpendAsync(caller, Gates.Usd, Gates.Usd);
        await using var restarted = Gates.Open(_database);
        await restarted.RefusalAsync(caller, 1, 1);
    }

    [Fact]
    public async Task Rotate_SpentUnderTheOldKey_CountsForTheNewOne()
    {
        var old = Gates.Caller(new Terms { SpendTotal = Gates.Usd });
        var rotated = old with { Key = old.Key with { Id = "key_new", Hash = "new", Line = old.Key.Line } };
        await _database.StoreAsync(old);
        await _database.StoreAsync(rotated);
        await _database.ChargeAsync(old, Gates.Usd / 2);
        await _database.ChargeAsync(rotated, Gates.Usd / 2);
        await _gate.RefusalAsync(rotated, 1, 1);
    }

    [Fact]
    public async Task Clock_JumpsBackOverMidnight_CountsTheDayBefore()
    {
        var caller = Gates.Caller(account: new Terms { SpendDay = Gates.Usd });
        await SpendAsync(caller, Gates.Usd, Gates.Usd);
        var noon = _clock.GetUtcNow();
        _clock.SetUtcNow(noon.AddDays(1));
        (await _gate.SeatAsync(caller, 1, Gates.Usd)).Dispose();
        _clock.SetUtcNow(noon);
        await _gate.RefusalAsync(caller, 1, 1);
    }

    [Theory]
    [InlineData("2026-07-14T12:00:00Z", "2026-07-01T00:00:00Z")]
    [InlineData("2028-02-29T23:59:59Z", "2028-02-01T00:00:00Z")]
    public void MonthOf_ADay_IsTheFirstOfItsMonth(string time, string first) => Assert.Equal(
        SpendStore.DayOf(DateTimeOffset.Parse(first, null).ToUnixTimeMilliseconds()),
        SpendStore.MonthOf(SpendStore.DayOf(DateTimeOffset.Parse(time, null).ToUnixTimeMilliseconds())));
}
