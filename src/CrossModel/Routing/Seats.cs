namespace CrossModel.Routing;

/// <summary>Calls in flight against a limit that a reload may change. Taking a seat never waits.</summary>
internal sealed class Seats
{
    private int _inUse;
    private int _limit;

    public Seats(int? limit) => SetLimit(limit);

    public int InUse => Volatile.Read(ref _inUse);

    public bool IsFull => InUse >= Volatile.Read(ref _limit);

    /// <summary>Null: no limit. Calls above a lowered limit go on; new ones wait for them.</summary>
    public void SetLimit(int? limit) => Volatile.Write(ref _limit, limit ?? int.MaxValue);

    public bool TryTake()
    {
        if (Interlocked.Increment(ref _inUse) <= Volatile.Read(ref _limit)) return true;
        Interlocked.Decrement(ref _inUse);
        return false;
    }

    public void Free() => Interlocked.Decrement(ref _inUse);
}
