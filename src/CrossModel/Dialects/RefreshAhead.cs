using CrossModel.Protocol;

namespace CrossModel.Dialects;

/// <summary>
/// A credential that expires: fetched once for all who wait for it, and renewed before it ends, so that no call waits for a renewal
/// unless the old one is gone. A renewal that fails is tried again by the next call while the old one still holds.
/// </summary>
/// <param name="fetch">Throws <see cref="CredentialException"/> when there is none to be had.</param>
internal sealed class RefreshAhead<T>(Func<CancellationToken, Task<(T Value, DateTimeOffset Until)>> fetch, TimeProvider time) : IDisposable
    where T : class
{
    /// <summary>How long before its end it is renewed.</summary>
    private static readonly TimeSpan Ahead = TimeSpan.FromMinutes(5);

    /// <summary>While a credential holds, its renewal is begun this often at most: one may fail, or bring what is near its end itself.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stopping = new();
    private T? _value;
    private DateTimeOffset _until;
    private DateTimeOffset _since;
    private DateTimeOffset _notBefore;
    private Task<T>? _fetching;

    /// <summary>Completes at once for a credential that still holds.</summary>
    /// <exception cref="CredentialException">There is none, and none can be had.</exception>
    public ValueTask<T> GetAsync(CancellationToken cancellation)
    {
        Task<T> fetching;
        lock (_lock)
        {
            var now = time.GetUtcNow();
            var holds = _value is not null && now < _until;
            if (holds && now < _until - Ahead) return new ValueTask<T>(_value!);
            if (_fetching is null && (!holds || now >= _notBefore))
            {
                _notBefore = now + Pause;
                _fetching = FetchAsync();
                // Nobody may be waiting for a renewal that fails.
                _ = _fetching.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            }
            if (holds) return new ValueTask<T>(_value!);
            fetching = _fetching!;
        }
        // One caller who leaves must not take the fetch away from the others.
        return new ValueTask<T>(fetching.WaitAsync(cancellation));
    }

    /// <summary>The credential was refused before its time. True: it was older than that, and who asks next gets another.</summary>
    public bool Forget(TimeSpan olderThan)
    {
        lock (_lock)
        {
            if (_value is null || time.GetUtcNow() - _since < olderThan) return false;
            _value = null;
            return true;
        }
    }

    /// <summary>Cancels a fetch that still runs. Who asks later, e.g. a call that outlives its configuration, is cancelled too.</summary>
    public void Dispose() => _stopping.Cancel();

    private async Task<T> FetchAsync()
    {
        // Off the caller's stack and out of the lock before anything is asked.
        await Task.Yield();
        try
        {
            var (value, until) = await fetch(_stopping.Token).ConfigureAwait(false);
            lock (_lock) (_value, _until, _since) = (value, until, time.GetUtcNow());
            // All who waited go on from here.
            await SocketTurn.End();
            return value;
        }
        finally
        {
            lock (_lock) _fetching = null;
        }
    }
}
