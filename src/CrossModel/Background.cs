namespace CrossModel;

/// <summary>Work that goes on beside the requests; disposing ends it and waits for it.</summary>
internal sealed class Background : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _work;

    public Background(Func<CancellationToken, Task> work) => _work = work(_stopping.Token);

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }
}
