using CrossModel.Configuration;

namespace CrossModel.Routing;

/// <summary>The upstreams in force, by name. A reload keeps every one whose configuration stayed the same, and closes the others once their last call has ended.</summary>
/// <param name="create">Makes an upstream with its dialect and connections.</param>
internal sealed class UpstreamSet(Func<string, UpstreamConfig, Upstream> create, TimeProvider time) : IAsyncDisposable
{
    private static readonly IReadOnlyDictionary<string, string> NoHeaders = new Dictionary<string, string>();
    /// <summary>A call may hold an old snapshot and not have sent yet: no upstream is closed sooner than this after its last use.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(1);

    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Task> _closing = [];
    private Dictionary<string, Upstream> _current = [];

    /// <summary>Called by one reload at a time.</summary>
    public IReadOnlyDictionary<string, Upstream> Update(IReadOnlyDictionary<string, UpstreamConfig> wanted)
    {
        var next = new Dictionary<string, Upstream>(StringComparer.Ordinal);
        foreach (var (name, config) in wanted)
            next[name] = _current.TryGetValue(name, out var kept) && IsSame(kept.Config, config) ? kept : create(name, config);
        _closing.RemoveAll(t => t.IsCompleted);
        foreach (var gone in _current.Values.Where(u => !next.TryGetValue(u.Name, out var kept) || kept != u)) _closing.Add(CloseAsync(gone));
        _current = next;
        return next;
    }

    /// <summary>Records compare by value, their lists and dictionaries do not.</summary>
    public static bool IsSame(UpstreamConfig a, UpstreamConfig b) =>
        Bare(a) == Bare(b) && a.ApiKeys.SequenceEqual(b.ApiKeys) && a.Headers.Count == b.Headers.Count
        && a.Headers.All(h => b.Headers.TryGetValue(h.Key, out var value) && value == h.Value);

    private static UpstreamConfig Bare(UpstreamConfig config) => config with { ApiKeys = [], Headers = NoHeaders };

    private async Task CloseAsync(Upstream gone)
    {
        do
        {
            await Task.Delay(Grace, time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // A call that took longer on its first route goes on to another one.
            gone.Seats.SetLimit(0);
        }
        while (gone.Seats.InUse > 0 && !_stopping.IsCancellationRequested);
        gone.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_closing);
        foreach (var upstream in _current.Values) upstream.Dispose();
        _stopping.Dispose();
    }
}
