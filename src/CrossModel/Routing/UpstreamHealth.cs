namespace CrossModel.Routing;

/// <summary>
/// This node's own view of an upstream, or of one model there: after a failure it rests a while. Resting only moves traffic to other
/// routes; it never refuses a call by itself.
/// </summary>
internal sealed class UpstreamHealth(TimeProvider time)
{
    /// <summary>However often it failed in a row, it is asked again after this long.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private long _restsUntil;
    private long _toldAt;
    private int _failures;

    /// <summary>The clock's timestamp until which it rests; 0 when it is well. A moment, not a remainder, so that two routes of one resting upstream compare equal.</summary>
    public long RestsUntil
    {
        get
        {
            var until = Volatile.Read(ref _restsUntil);
            return until != 0 && until > time.GetTimestamp() ? until : 0;
        }
    }

    /// <summary>Time it still rests; zero when it is well.</summary>
    public TimeSpan Cooling => RestsUntil is > 0 and var until ? time.GetElapsedTime(time.GetTimestamp(), until) : TimeSpan.Zero;

    /// <summary>Rests for <paramref name="rest"/>, doubled with every failure in a row, at most <see cref="Longest"/>;
    /// exactly <paramref name="asked"/> (at most ten times Longest) if the provider said how long.</summary>
    public void Failed(TimeSpan rest, TimeSpan? asked = null)
    {
        var doublings = Math.Min(Interlocked.Increment(ref _failures) - 1, 10);
        var span = asked is { } hint ? Min(hint, 10 * Longest) : Min(rest * (1 << doublings), Longest);
        var now = time.GetTimestamp();
        if (asked is not null) Volatile.Write(ref _toldAt, now);
        var until = now + (long)(span.TotalSeconds * time.TimestampFrequency);
        // The longest rest wins: a late failure of an older call must not shorten what a newer one asked for.
        long seen;
        while ((seen = Volatile.Read(ref _restsUntil)) < until && Interlocked.CompareExchange(ref _restsUntil, until, seen) != seen) { }
    }

    /// <summary>It answered: whatever was held against it is forgotten.
    /// But the end of a call that was begun before says nothing of the rest that the provider has asked for since.</summary>
    /// <param name="begun">The clock's timestamp at which it was asked for what it answered.</param>
    public void Succeeded(long begun)
    {
        if (Volatile.Read(ref _failures) == 0 && Volatile.Read(ref _restsUntil) == 0) return;
        Volatile.Write(ref _failures, 0);
        if (begun >= Volatile.Read(ref _toldAt)) Volatile.Write(ref _restsUntil, 0);
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
