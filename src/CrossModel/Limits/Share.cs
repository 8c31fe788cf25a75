namespace CrossModel.Limits;

/// <summary>Requests and tokens a minute, parallel seats and nano-dollars, of one subject.</summary>
internal readonly record struct ShareAmounts(long Requests, long Tokens, long Parallel, long Spend)
{
    public static ShareAmounts operator +(ShareAmounts a, ShareAmounts b) =>
        new(a.Requests + b.Requests, a.Tokens + b.Tokens, a.Parallel + b.Parallel, a.Spend + b.Spend);

    public static ShareAmounts operator -(ShareAmounts a, ShareAmounts b) =>
        new(a.Requests - b.Requests, a.Tokens - b.Tokens, a.Parallel - b.Parallel, a.Spend - b.Spend);

    public static ShareAmounts Least(ShareAmounts a, ShareAmounts b) =>
        new(Math.Min(a.Requests, b.Requests), Math.Min(a.Tokens, b.Tokens), Math.Min(a.Parallel, b.Parallel), Math.Min(a.Spend, b.Spend));

    public static ShareAmounts Most(ShareAmounts a, ShareAmounts b) =>
        new(Math.Max(a.Requests, b.Requests), Math.Max(a.Tokens, b.Tokens), Math.Max(a.Parallel, b.Parallel), Math.Max(a.Spend, b.Spend));
}

/// <summary>The part of a subject's limits that this node may admit by itself, leased from the database. Guarded by the account's lock.</summary>
/// <remarks>
/// Why the shares of sliding windows may move between nodes: a node only gives up what it has not used within the last minute, and uses at most
/// its share in every minute that ends later; so at any moment the minutes behind all nodes sum to the limit at most.
/// </remarks>
internal sealed class Share
{
    private ShareAmounts _amounts;
    private long _validUntil;

    /// <summary>One deal at a time between this node and the database.</summary>
    public SemaphoreSlim Deal { get; } = new(1);

    /// <summary>The database has a row of this node's.</summary>
    public bool IsLeased { get; set; }

    /// <summary>Monotonic ticks: until then the database is not asked again, since it had nothing left. Keeps a flood of refused calls off it.</summary>
    public long DeniedUntil { get; set; }

    /// <summary>What the database lacked then, other nodes had: they may give it back.</summary>
    public bool IsElsewhere { get; set; }

    /// <summary>Seats and spend that calls wait for until other nodes give them back.</summary>
    public ShareAmounts Waiting { get; set; }

    /// <summary>The limit that had nothing left then. By its own share alone a node that was given nothing is short of every limit.</summary>
    public Stop? DeniedBy { get; set; }

    /// <summary>Would it be in vain to ask for such a call? Money that others have is nothing to one that costs none.</summary>
    public bool IsDenied(long cost, long now) => now < DeniedUntil && (cost > 0 || DeniedBy is not { Wait: 0 });

    /// <summary>What it may keep beyond its use while other nodes are about.</summary>
    public ShareAmounts Spare { get; set; }

    /// <summary>Little of a spend limit is left: what was charged here is taken off the share soon after it is on the books, or the others would count it twice.</summary>
    public bool IsSpendNear { get; set; }

    /// <summary>What may be used now: nothing once the lease has run out, since others may have it by then.</summary>
    public ShareAmounts Of(long now) => now < _validUntil ? _amounts : default;

    public void Set(ShareAmounts amounts, long validUntil) => (_amounts, _validUntil) = (amounts, validUntil);

    /// <summary>Prolongs a lease that still holds.</summary>
    public void Renew(long now, long validUntil)
    {
        if (now < _validUntil) _validUntil = validUntil;
    }

    /// <summary>Gives up part of the share; it keeps its term.</summary>
    public void Shrink(ShareAmounts amounts) => _amounts = amounts;
}
