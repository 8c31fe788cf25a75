using CrossModel.Accounts;

namespace CrossModel.Limits;

/// <summary>Nano-dollars charged in the current UTC day, the current UTC month and in all.</summary>
internal readonly record struct Spent(long Day, long Month, long Total)
{
    public static Spent operator +(Spent a, Spent b) => new(a.Day + b.Day, a.Month + b.Month, a.Total + b.Total);
}

/// <summary>What one key or account has spent and what its calls in flight hold. The books are the source: this is loaded from them at first sight,
/// at every change of day (the clock may have jumped either way) and once in a while, since corrections are booked by other processes too.
/// Not thread-safe: the account's lock guards it.</summary>
internal sealed class SpendWindows
{
    private Spent _spent;           // the books at the last load, and what was charged here since
    private Spent _duringLoad;      // charged here since the load under way began: the books may lack it

    /// <summary>Days since 1970-01-01, UTC; -1: never loaded.</summary>
    public int Day { get; private set; } = -1;

    /// <summary>Nano-dollars held by calls in flight.</summary>
    public long Held { get; private set; }

    /// <summary>Nano-dollars charged here since the last load: what other nodes may not have seen.</summary>
    public long Unseen { get; private set; }

    /// <summary>Monotonic ticks of the last load.</summary>
    public long LoadedAt { get; private set; }

    public Spent Spent => _spent;

    public void BeginLoad() => _duringLoad = default;

    /// <summary>A charge that was committed during the load may be counted twice until the next one; none is ever missed.</summary>
    public void EndLoad(int day, Spent books, long now)
    {
        (Day, _spent, Unseen, LoadedAt) = (day, books + _duringLoad, _duringLoad.Total, now);
        _duringLoad = default;
    }

    public void Hold(long cost) => Held += cost;

    /// <summary>Replaces a hold by its charge. A call belongs to the day and month in which it was admitted.</summary>
    public void Charge(long hold, long cost, int day)
    {
        Held -= hold;
        var charge = new Spent(day == Day ? cost : 0, MonthOf(day) == MonthOf(Day) ? cost : 0, cost);
        _spent += charge;
        _duringLoad += charge;
        Unseen += cost;
    }

    /// <summary>The first spend limit that has no room for a hold; null: all have. A call that costs nothing always fits.</summary>
    public Stop? Judge(Terms terms, Scope scope, long cost)
    {
        if (cost <= 0) return null;
        if (IsOver(terms.SpendDay, _spent.Day, cost)) return new Stop(LimitKind.SpendDay, scope, terms.SpendDay!.Value, 0);
        if (IsOver(terms.SpendMonth, _spent.Month, cost)) return new Stop(LimitKind.SpendMonth, scope, terms.SpendMonth!.Value, 0);
        if (IsOver(terms.SpendTotal, _spent.Total, cost)) return new Stop(LimitKind.SpendTotal, scope, terms.SpendTotal!.Value, 0);
        return null;
    }

    public static int DayOf(DateTimeOffset time) => (int)Math.DivRem(time.ToUnixTimeMilliseconds(), 86_400_000).Quotient;

    /// <summary>The first day of the day's month, in days since 1970-01-01.</summary>
    public static int MonthOf(int day)
    {
        var date = DateOnly.FromDayNumber(Epoch + Math.Max(day, 0));
        return date.DayNumber - date.Day + 1 - Epoch;
    }

    private static readonly int Epoch = new DateOnly(1970, 1, 1).DayNumber;

    // The hold counts as the limit at most: else a limit below one call's hold would refuse every call for ever.
    private bool IsOver(long? limit, long spent, long cost) => limit is { } most && spent + Held + Math.Min(cost, most) > most;
}
