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

    // The node waits on the clock for others to give back. Time passes only then: while the disk works it would pass by minutes, and leases run out.
    private async Task<Seat?> AdmitAsync()
    {
        var admit = _gate.AdmitAsync(Limited, null, 1, 0, TestContext.Current.CancellationToken).AsTask();
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
        for (var i = 0; i < 3; i++) Assert.NotNull(await AdmitAsync());
        Assert.Null(await AdmitAsync());
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
