namespace CrossModel.Billing;

/// <summary>The answer to a call that wants to begin: a hold, or why there is none. Amounts in nano-dollars.</summary>
/// <param name="Hold">Null: refused.</param>
/// <param name="Needed">What was asked for and is not there.</param>
/// <param name="Held">What calls in flight hold here, and other nodes lease.</param>
/// <param name="Available">Balance + credit limit − held.</param>
/// <param name="DatabaseAway">Refused because nobody can say whether the money is there.</param>
internal readonly record struct HoldAnswer(Hold? Hold, long Needed = 0, long Held = 0, long Available = 0, bool DatabaseAway = false)
{
    public static HoldAnswer Away { get; } = new(null, DatabaseAway: true);
}

/// <summary>What became of a wish for a larger hold.</summary>
internal enum Extension
{
    Covered,
    /// <summary>The money is not there, or the hold has ended.</summary>
    NoMoney,
    /// <summary>The database is away: nobody can say.</summary>
    Unknown,
}

/// <summary>Money set aside for one call. Ends once: settled with its charge, or released; the first of the two wins.</summary>
internal sealed class Hold(Purse purse, long amount)
{
    private static readonly object Released = new();

    private long _amount = amount;
    private object? _end;

    /// <summary>Nano-dollars.</summary>
    public long Amount => Volatile.Read(ref _amount);

    public Purse Purse => purse;

    public bool HasEnded => Volatile.Read(ref _end) is not null;

    /// <summary>Sets aside more, for a stream that outgrows its hold. What is not covered leaves the hold as it is. One caller at a time.</summary>
    public async ValueTask<Extension> ExtendToAsync(long amount)
    {
        var more = amount - Amount;
        if (more <= 0) return HasEnded ? Extension.NoMoney : Extension.Covered;
        if (HasEnded) return Extension.NoMoney;
        if (!purse.TryTake(more) && await purse.TakeAsync(more) is { Hold: null, DatabaseAway: var isAway }) return isAway ? Extension.Unknown : Extension.NoMoney;
        Interlocked.Add(ref _amount, more);
        if (!HasEnded) return Extension.Covered;
        purse.GiveBack(more);
        return Extension.NoMoney;
    }

    /// <summary>Gives the money back, if nobody settled.</summary>
    public void Release()
    {
        if (Interlocked.CompareExchange(ref _end, Released, null) is null) purse.GiveBack(Amount);
    }

    /// <summary>Ends the hold with this charge. Answers the charge that ended it (a repeat gets the first one's), null when it was released.</summary>
    public Charge? EndWith(Charge charge) => Interlocked.CompareExchange(ref _end, charge, null) switch
    {
        null => charge,
        Charge first => first,
        _ => null,
    };

    /// <summary>By the charge that ended it: takes up to that much of the purse's idle money on top, for a cost above the hold.</summary>
    public void Grow(long wanted) => Interlocked.Add(ref _amount, purse.TakeUpTo(wanted));
}
