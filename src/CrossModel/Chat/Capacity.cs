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
    /// <summary>What the program needs for itself, whatever it is asked.</summary>
    private const long Own = 64 * 1024 * 1024;

    // A call in flight costs about 30 KB, counted as 128 KB with its sockets.
    private static readonly long Share = ShareOf(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
    private static readonly int UsualCalls = (int)Math.Clamp(Share / (128 * 1024), 64, 100_000);

    /// <summary>
    /// Connections whose heads and forms there is room for, at 256 KB of the process's memory each: strangers without a key may send so much and wait. Two for
    /// each call.
    /// </summary>
    public static readonly long MostConnections = Share / (64 * 1024);

    private long _bytes;
    private int _calls;
    private volatile bool _draining;

    /// <summary>Bytes for bodies and replies: a quarter, since they are held in arrays of up to twice their size, and large ones as received and as sent.</summary>
    /// <param name="available">What the runtime takes for the memory of the process: of a container's limit three quarters.</param>
    internal static long ShareOf(long available) => Math.Max(available - Own, Own / 4) / 4;

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
        return ApiErrors.NoRoom();
    }

    public void Give(long bytes) => Interlocked.Add(ref _bytes, -bytes);
}
