using CrossModel.Billing;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Billing;

/// <summary>On which threads callers go on after the commit of their charges.</summary>
public sealed class AnswerTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    [Fact]
    public async Task Charge_OnSqlite_IsAnsweredOnTheThreadThatCommitsIt()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1000);
        var hold = await till.HoldAsync(account, 10);

        var threads = new List<string?>();
        await Following(till.Settlements.SettleAsync(Till.Record(account.Id, 10), hold), () => threads.Add(Thread.CurrentThread.Name));

        Assert.Equal(["sqlite writer"], threads);
    }

    [Fact]
    public async Task CrowdOfCharges_OneOfWhomIsSlow_TakesTheLastElsewhere()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1_000_000);
        var holds = new List<Hold>();
        for (var i = 0; i < 200; i++) holds.Add(await till.HoldAsync(account, 10));
        using var slow = new ManualResetEventSlim();
        var queued = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // All in one commit: the database's only writer is taken until they are queued.
        var before = till.Database.WriteAsync(_ => queued.Task);
        var charges = holds.ConvertAll(hold => till.Settlements.SettleAsync(Till.Record(account.Id, 10), hold));
        var first = Following(charges[0], () => slow.Wait(Patience));
        queued.SetResult();
        await before;

        await Task.WhenAll(charges[64..]).WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.All(charges[1..64], charge => Assert.False(charge.IsCompleted));

        slow.Set();
        await first;
        Assert.All(await Task.WhenAll(charges), charge => Assert.Equal(10, charge.Charged));
        await till.AssertSoundAsync();
    }

    private static Task Following(Task<Settled> charge, Action what) =>
        charge.ContinueWith(_ => what(), TestContext.Current.CancellationToken, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
}
