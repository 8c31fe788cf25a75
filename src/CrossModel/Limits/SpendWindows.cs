using CrossModel.Accounts;

namespace CrossModel.Limits;

/// <summary>What one key, one account or an account on one model has spent and what its calls in flight hold, nano-dollars.
/// The books are the source: this is loaded from them at first sight, at every change of day (the clock may have jumped either way)
/// and every minute, since other processes book too.
/// Not thread-safe: the account's lock guards it.</summary>
internal sealed class SpendWindows
{
    private Spent _spent;           // the books at the last load, and what was charged here since
    private Spent _duringLoad;      // charged here since the load under way began: the books may lack it

    /// <summary>Days since 1970-01-01, UTC; -1: never loaded.</summary>
    public long Day { get; private set; } = -1;

    /// <summary>Monotonic ticks of the last load.</summary>
    public long LoadedAt { get; private set; }

    /// <summary>Held by calls in flight.</summary>
    public long Held { get; private set; }

    /// <summary>Charged here since the last load: a share still has to cover it.</summary>
    public long Unseen { get; private set; }

    public Spent Spent => _spent;

    public void BeginLoad() => _duringLoad = default;

    /// <summary>A charge that was committed during the load may count twice until the next one; none is ever missed. Answers what was charged here and
    /// is on the books now.</summary>
    public long EndLoad(long day, Spent books, long now)
    {
        var seen = Unseen - _duringLoad.Total;
        (Day, LoadedAt, _spent, Unseen) = (day, now, books + _duringLoad, _duringLoad.Total);
        return seen;
    }

    public void Hold(long cost) => Held += cost;

    /// <summary>Replaces a hold by its charge, which has just been booked. On a new day the books are read before the next call is judged.</summary>
    public void Charge(long hold, long cost)
    {
        Held -= hold;
        var charge = new Spent(cost, cost, cost);
        _spent += charge;
        _duringLoad += charge;
        Unseen += cost;
    }

    /// <summary>The first spend limit without room for a hold; null: all have some. A call that costs nothing always fits.</summary>
    public static Stop? Judge(Terms terms, Subject subject, Spent spent, long held, long cost)
    {
        if (cost <= 0) return null;
        if (IsOver(terms.SpendDay, spent.Day + held, cost)) return new Stop(LimitKind.SpendDay, subject, terms.SpendDay!.Value, 0);
        if (IsOver(terms.SpendMonth, spent.Month + held, cost)) return new Stop(LimitKind.SpendMonth, subject, terms.SpendMonth!.Value, 0);
        if (IsOver(terms.SpendTotal, spent.Total + held, cost)) return new Stop(LimitKind.SpendTotal, subject, terms.SpendTotal!.Value, 0);
        return null;
    }

    // The hold counts as the limit at most: else a limit below one call's hold would refuse every call for ever.
    private static bool IsOver(long? limit, long used, long cost) => limit is { } most && used + Math.Min(cost, most) > most;
}
