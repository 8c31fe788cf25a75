namespace CrossModel.Limits;

/// <summary>What was admitted in the last minute, to be asked at any moment. Times are ticks (100 ns) of a clock that never jumps.
/// Not thread-safe: the account's lock guards it.</summary>
/// <remarks>
/// A queue of (time, amount). What comes within <c>grain</c> of an entry's first moment joins that entry and moves its time to its own, so
/// an entry is forgotten late by at most a grain and never early: in no 60 s is more than the limit admitted, and the queue of a
/// busy window stays at 60 entries. A refilling bucket would need one number, but admits twice its limit in some minutes.
/// </remarks>
internal sealed class SlidingWindow
{
    public const long Length = TimeSpan.TicksPerMinute;

    private long[] _times = new long[4];
    private long[] _amounts = new long[4];
    private long _first;            // number of the oldest entry still in the window; an entry lives at number % length
    private long _next;             // number of the next entry
    private long _newestBegan;      // when the newest entry got its first amount
    private long _used;

    public long Used(long now)
    {
        while (_first < _next && _times[_first % _times.Length] + Length <= now)
            _used -= _amounts[_first++ % _times.Length];
        return _used;
    }

    /// <summary>Counts an amount at <paramref name="now"/>. Answers the number of its entry, for <see cref="Reduce"/>.</summary>
    public long Add(long now, long amount, long grain)
    {
        _used = Used(now) + amount;
        if (_first < _next && now - _newestBegan < grain)
        {
            var newest = (_next - 1) % _times.Length;
            _times[newest] = now;
            _amounts[newest] += amount;
            return _next - 1;
        }
        if (_next - _first == _times.Length) Grow();
        _times[_next % _times.Length] = now;
        _amounts[_next % _times.Length] = amount;
        _newestBegan = now;
        return _next++;
    }

    /// <summary>Takes back part of what an entry counted; nothing happens when it has left the window.</summary>
    public void Reduce(long entry, long amount)
    {
        if (entry < _first) return;
        _amounts[entry % _times.Length] -= amount;
        _used -= amount;
    }

    /// <summary>Ticks until used + amount ≤ most; 0: now; a whole window when time alone makes no room.</summary>
    public long Wait(long now, long most, long amount)
    {
        var over = Used(now) + amount - most;
        if (over <= 0) return 0;
        for (var entry = _first; entry < _next; entry++)
        {
            over -= _amounts[entry % _times.Length];
            if (over <= 0) return _times[entry % _times.Length] + Length - now;
        }
        return Length;
    }

    private void Grow()
    {
        var (times, amounts) = (new long[_times.Length * 2], new long[_times.Length * 2]);
        for (var entry = _first; entry < _next; entry++)
        {
            times[entry % times.Length] = _times[entry % _times.Length];
            amounts[entry % times.Length] = _amounts[entry % _times.Length];
        }
        (_times, _amounts) = (times, amounts);
    }
}
