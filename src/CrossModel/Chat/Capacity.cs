using CrossModel.Configuration;
using CrossModel.Protocol;
using CrossModel.Routing;

namespace CrossModel.Chat;

/// <summary>
/// How much this node takes on: calls in flight and bytes held, so that a flood meets 503 and never the kernel's out-of-memory killer.
/// Also the door that closes when the server stops.
/// </summary>
internal sealed class Capacity(Snapshots snapshots)
{
    // A quarter of what the process may use for bodies and replies; a call in flight costs about 30 KB, counted as 128 KB with its sockets.
    private static readonly long Share = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4;
    private static readonly int UsualCalls = (int)Math.Clamp(Share / (128 * 1024), 64, 100_000);
    private long _bytes;
    private int _calls;
    private volatile bool _draining;

    public int Calls => Volatile.Read(ref _calls);

    /// <summary>Bytes of bodies and large replies held.</summary>
    public long Bytes => Volatile.Read(ref _bytes);
    public bool IsDraining => _draining;

    /// <summary>From now on every new call is refused; running ones go on.</summary>
    public void Drain() => _draining = true;

    private LimitsConfig Limits => snapshots.Current.Config.Limits;

    public ApiError? Enter()
    {
        if (_draining) return ApiErrors.ServerStopping();
        if (Interlocked.Increment(ref _calls) <= (Limits.CallsInFlight ?? UsualCalls)) return null;
        Leave();
        return ApiErrors.ModelUnavailable("Too many calls are in flight on this server. Retry after the time given in retry-after.");
    }

    public void Leave() => Interlocked.Decrement(ref _calls);

    public ApiError? Take(long bytes)
    {
        if (Interlocked.Add(ref _bytes, bytes) <= (Limits.BufferedBytes ?? Share)) return null;
        Give(bytes);
        return ApiErrors.ModelUnavailable("This server holds as many bytes as it may. Retry after the time given in retry-after, or send less.");
    }

    public void Give(long bytes) => Interlocked.Add(ref _bytes, -bytes);
}
