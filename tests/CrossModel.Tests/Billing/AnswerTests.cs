using CrossModel.Billing;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Billing;

/// <summary>On which threads callers go on after the commit of their charges, and how long they wait for it.</summary>
public sealed class AnswerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Charge_OnSqlite_IsAnsweredOnTheThreadThatCommitsIt()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1000);
        var hold = await till.HoldAsync(account, 10);
        string? thread = null;
        Task answered;

        await using (await HeldUp.BeginAsync(till))
            answered = Following(till.Settlements.SettleAsync(Till.Record(account.Id, 10), hold), () => thread = Thread.CurrentThread.Name);
        await answered;

        Assert.Equal("sqlite writer", thread);
    }

    [Fact]
    public async Task CrowdOfCharges_OneOfWhomIsSlow_TakesTheLastElsewhere()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1_000_000);
        var holds = new List<Hold>();
        for (var i = 0; i < 200; i++) holds.Add(await till.HoldAsync(account, 10));
        using var slow = new ManualResetEventSlim();
        List<Task<Settled>> charges;
        Task first;

        // All in one commit.
        await using (await HeldUp.BeginAsync(till))
        {
            charges = holds.ConvertAll(hold => till.Settlements.SettleAsync(Till.Record(account.Id, 10), hold));
            first = Following(charges[0], () => slow.Wait(Patience));
        }

        await Task.WhenAll(charges[64..]).WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.All(charges[1..64], charge => Assert.False(charge.IsCompleted));

        slow.Set();
        await first;
        Assert.All(await Task.WhenAll(charges), charge => Assert.Equal(10, charge.Charged));
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Charges_BegunAtDifferentTimes_WaitTenSecondsEach()
    {
        var clock = new FakeClock();
        await using var till = await Till.OpenNewAsync(postgres: false, clock);
        var account = await till.NewAccountAsync(1000);
        Assert.True((await till.ChargeAsync(account, hold: 10, price: 10)).Committed);
        var (hold, laterHold) = (await till.HoldAsync(account, 10), await till.HoldAsync(account, 10));
        // The first one's time is over, and nobody waits.
        clock.Advance(TimeSpan.FromSeconds(11));

        Task<Settled> charge, later;
        await using (await HeldUp.BeginAsync(till))
        {
            charge = till.Settlements.SettleAsync(Till.Record(account.Id, 10), hold);
            clock.Advance(TimeSpan.FromSeconds(6));
            later = till.Settlements.SettleAsync(Till.Record(account.Id, 10), laterHold);
            clock.Advance(TimeSpan.FromSeconds(4.1));
            Assert.Equal((true, false), (charge.IsCompleted, later.IsCompleted));
            clock.Advance(TimeSpan.FromSeconds(6));
            Assert.True(later.IsCompleted);
        }
        Assert.Equal((false, false), ((await charge).Committed, (await later).Committed));
        await Till.UntilAsync(async () => (await till.Purses.StandingAsync(account.Id))!.Value.Held == 0, clock);
        Assert.Equal(990, await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    private static Task Following(Task<Settled> charge, Action what) =>
        charge.ContinueWith(_ => what(), TestContext.Current.CancellationToken, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    /// <summary>The database's only writer is taken: nothing commits until this ends.</summary>
    private sealed class HeldUp : IAsyncDisposable
    {
        private readonly TaskCompletionSource _end = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private Task _write = Task.CompletedTask;

        public static async Task<HeldUp> BeginAsync(Till till)
        {
            var (held, begun) = (new HeldUp(), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            held._write = till.Database.WriteAsync(_ =>
            {
                begun.SetResult();
                return held._end.Task;
            });
            await begun.Task;
            return held;
        }

        public async ValueTask DisposeAsync()
        {
            _end.SetResult();
            await _write;
        }
    }
}
