using CrossModel.Accounts;

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
    private const long DeniedTicks = TimeSpan.TicksPerSecond / 10;

    private ShareAmounts _amounts;
    private long _validUntil;
    private long _deniedUntil;
    private (long Tokens, long Cost) _denied;

    /// <summary>One deal at a time between this node and the database.</summary>
    public SemaphoreSlim Deal { get; } = new(1);

    /// <summary>The database has a row of this node's, or may have.</summary>
    public bool IsLeased { get; set; }

    /// <summary>What the row says, which is what the others cannot have; null: a write went wrong, and nobody knows.</summary>
    public ShareAmounts? Row { get; set; }

    /// <summary>What the database lacked when it denied something last, other nodes had: they may give it back.</summary>
    public bool IsElsewhere { get; private set; }

    /// <summary>Seats and spend that calls wait for until other nodes give them back.</summary>
    public ShareAmounts Waiting { get; set; }

    /// <summary>The limit that had nothing left then. By its own share alone a node that was given nothing is short of every limit.</summary>
    public Stop? DeniedBy { get; set; }

    /// <summary>The limit as the latest call had it: what may be kept beyond use while other nodes are about is a part of it.</summary>
    public Terms Terms { get; set; } = Terms.None;

    /// <summary>Little of a spend limit is left: what was charged here is taken off the share soon after it is on the books, or the others would count it twice.</summary>
    public bool IsSpendNear { get; set; }

    /// <summary>What may be used now: nothing once the lease has run out, since others may have it by then.</summary>
    public ShareAmounts Of(long now) => now < _validUntil ? _amounts : default;

    /// <summary>What this node keeps from the others, also of a lease that has run out here: the row may be renewed, and covers what calls use.</summary>
    public ShareAmounts Kept => _amounts;

    public void Set(ShareAmounts amounts, long validUntil) => (_amounts, _validUntil) = (amounts, validUntil);

    /// <summary>Prolongs a lease that still holds.</summary>
    public void Renew(long now, long validUntil)
    {
        if (now < _validUntil) _validUntil = validUntil;
    }

    /// <summary>Gives up part of the share; it keeps its term.</summary>
    public void Shrink(ShareAmounts amounts) => _amounts = amounts;

    /// <summary>The database had nothing left for such a call, and is not asked again for one as large for a moment. Keeps a flood of refused calls off it.</summary>
    public void Deny(long tokens, long cost, bool isElsewhere, long now)
    {
        _denied = now < _deniedUntil ? (Math.Min(tokens, _denied.Tokens), Math.Min(cost, _denied.Cost)) : (tokens, cost);
        (_deniedUntil, IsElsewhere) = (now + DeniedTicks, isElsewhere);
    }

    /// <summary>There was something after all: what was refused just before is no word on who asks next.</summary>
    public void Grant() => _deniedUntil = 0;

    /// <summary>Would it be in vain to ask for such a call? One that needs less may have it, and money that others have is nothing to one that costs none.</summary>
    public bool IsDenied(long tokens, long cost, long now) =>
        now < _deniedUntil && tokens >= _denied.Tokens && cost >= _denied.Cost && (cost > 0 || DeniedBy is not { Wait: 0 });
}
