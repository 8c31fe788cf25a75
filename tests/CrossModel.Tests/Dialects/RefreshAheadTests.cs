using CrossModel.Dialects;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects;

public sealed class RefreshAheadTests
{
    private readonly FakeClock _clock = new();
    private readonly List<TaskCompletionSource<(string, DateTimeOffset)>> _fetches = [];
    private volatile bool _isAway;
    private int _asked;

    private RefreshAhead<string> Create() => new(_ =>
    {
        Interlocked.Increment(ref _asked);
        if (_isAway) return Task.FromException<(string, DateTimeOffset)>(new CredentialException("away"));
        var fetch = new TaskCompletionSource<(string, DateTimeOffset)>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_fetches) _fetches.Add(fetch);
        return fetch.Task;
    }, _clock);

    private async Task<TaskCompletionSource<(string, DateTimeOffset)>> FetchAsync(int number)
    {
        while (true)
        {
            lock (_fetches) if (_fetches.Count > number) return _fetches[number];
            await Task.Yield();
        }
    }

    /// <summary>Holds "a", which ends in four minutes: it is time to renew it.</summary>
    private async Task<RefreshAhead<string>> NearItsEndAsync()
    {
        var token = Create();
        var first = token.GetAsync(default).AsTask();
        (await FetchAsync(0)).SetResult(("a", _clock.GetUtcNow() + TimeSpan.FromHours(1)));
        await first;
        _clock.Advance(TimeSpan.FromMinutes(56));
        return token;
    }

    [Fact]
    public async Task Get_WhileItHolds_AsksNobody()
    {
        using var token = Create();
        var first = token.GetAsync(default).AsTask();
        (await FetchAsync(0)).SetResult(("a", _clock.GetUtcNow() + TimeSpan.FromHours(1)));
        Assert.Equal("a", await first);
        _clock.Advance(TimeSpan.FromMinutes(50));
        var again = token.GetAsync(default);
        Assert.True(again.IsCompletedSuccessfully);
        Assert.Single(_fetches);
    }

    [Fact]
    public async Task Get_ShortlyBeforeTheEnd_RenewsOnceBesideTheOldOne()
    {
        using var token = await NearItsEndAsync();
        for (var i = 0; i < 20; i++) Assert.Equal("a", await token.GetAsync(default));
        (await FetchAsync(1)).SetResult(("b", _clock.GetUtcNow() + TimeSpan.FromHours(1)));
        while (await token.GetAsync(default) != "b") await Task.Yield();
        Assert.Equal(2, _fetches.Count);
    }

    [Fact]
    public async Task Get_RenewalFails_KeepsTheOldOneUntilItsEnd()
    {
        using var token = await NearItsEndAsync();
        _isAway = true;
        for (var i = 0; i < 20; i++) Assert.Equal("a", await token.GetAsync(default));
        _clock.Advance(TimeSpan.FromMinutes(5));
        await Assert.ThrowsAsync<CredentialException>(() => token.GetAsync(default).AsTask());
        _isAway = false;
        var last = token.GetAsync(default).AsTask();
        (await FetchAsync(1)).SetResult(("b", _clock.GetUtcNow() + TimeSpan.FromHours(1)));
        Assert.Equal("b", await last);
    }

    /// <summary>A provider that is away is not asked by every call.</summary>
    [Fact]
    public async Task Get_RenewalFails_AsksAgainTenSecondsLater()
    {
        using var token = await NearItsEndAsync();
        _isAway = true;
        foreach (var asked in new[] { 2, 3 })
        {
            for (var i = 0; i < 20; i++)
            {
                Assert.Equal("a", await token.GetAsync(default));
                await Task.Delay(5, TestContext.Current.CancellationToken);
            }
            Assert.Equal(asked, Volatile.Read(ref _asked));
            _clock.Advance(TimeSpan.FromSeconds(10));
        }
    }

    /// <summary>A machine's own token server may give what is near its end again and again.</summary>
    [Fact]
    public async Task Get_OfWhatIsNearItsEndWhenItComes_AsksAgainTenSecondsLater()
    {
        using var token = Create();
        var first = token.GetAsync(default).AsTask();
        for (var number = 0; number < 3; number++)
        {
            (await FetchAsync(number)).SetResult(("a", _clock.GetUtcNow() + TimeSpan.FromMinutes(4)));
            Assert.Equal("a", await first);
            for (var i = 0; i < 20; i++)
            {
                Assert.Equal("a", await token.GetAsync(default));
                await Task.Delay(5, TestContext.Current.CancellationToken);
            }
            Assert.Equal(number + 1, Volatile.Read(ref _asked));
            _clock.Advance(TimeSpan.FromSeconds(10));
            Assert.Equal("a", await token.GetAsync(default));
        }
    }

    [Fact]
    public async Task Get_OneLeaves_TheOthersStillGetIt()
    {
        using var token = Create();
        using var leaving = new CancellationTokenSource();
        var (gone, stays) = (token.GetAsync(leaving.Token).AsTask(), token.GetAsync(default).AsTask());
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        (await FetchAsync(0)).SetResult(("a", _clock.GetUtcNow() + TimeSpan.FromHours(1)));
        Assert.Equal("a", await stays);
    }
}
