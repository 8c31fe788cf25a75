using CrossModel.Usage;

namespace CrossModel.Billing;

/// <summary>Puts replies on the books, exactly once each, many in one commit. Not sealed: the load run compares it with one that does nothing.</summary>
internal class Settlements(Books books)
{
    /// <summary>How long a reply waits for a database that is away.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private static readonly Task<Settled> NotCommitted = Task.FromResult(default(Settled));

    private readonly Waits _waits = new(books.Database.Time, Patience);
    private long _charged;
    private long _uncovered;
    private long _replies;
    private long _queued;

    /// <summary>Nano-dollars charged since the start, for a metric.</summary>
    public long Charged => Volatile.Read(ref _charged);
    /// <summary>Nano-dollars that nobody could pay, since the start, for a metric.</summary>
    public long Uncovered => Volatile.Read(ref _uncovered);
    /// <summary>Replies on the books since the start, for a metric.</summary>
    public long Replies => Volatile.Read(ref _replies);

    /// <summary>Replies that wait for their commit, those of a database that is away included.</summary>
    public long Queued => Volatile.Read(ref _queued);

    /// <summary>Told after each commit of a charge: the account, its balance before and after, nano-dollars. Must not block.</summary>
    public Action<string, long, long>? BalanceChanged { get; set; }

    /// <summary>
    /// Charges the reply and ends the hold; done when it is durable. Not cancelled with the caller: never pass on its cancellation. When the database
    /// stays away for 10 s the answer is "not committed", and then it never will be: should the commit have happened unseen, it is refunded.
    /// </summary>
    public virtual Task<Settled> SettleAsync(RequestRecord record, Hold hold, Beside? beside = null) => Begin(record, hold, staysQueued: false, beside);

    /// <summary>As <see cref="SettleAsync"/>, for a stream whose content is with the caller already: after 10 s the answer is "not committed", but the charge stays queued until it commits or the process ends.</summary>
    public virtual Task<Settled> SettleOrQueueAsync(RequestRecord record, Hold hold, Beside? beside = null) => Begin(record, hold, staysQueued: true, beside);

    private Task<Settled> Begin(RequestRecord record, Hold hold, bool staysQueued, Beside? beside)
    {
        var charge = new Charge(record, hold, this, staysQueued, beside);
        var first = hold.EndWith(charge);
        if (first == charge)
        {
            _waits.Add(charge);
            Queue(charge);
        }
        return first?.Task ?? NotCommitted;
    }

    /// <summary>By a charge that was abandoned during its commit: to be given back.</summary>
    public void Again(Charge charge) => Queue(charge);

    private void Queue(Charge charge)
    {
        Interlocked.Increment(ref _queued);
        if (!books.Add(charge)) charge.Failed(away: true);
    }

    /// <summary>By a charge whose wait is over, well or not.</summary>
    public void Leave(Charge charge)
    {
        Interlocked.Decrement(ref _queued);
        _waits.Remove(charge);
    }

    /// <summary>By a charge that is on the books.</summary>
    public void Count(in Settled settled, Charge charge)
    {
        Interlocked.Add(ref _charged, settled.Charged);
        Interlocked.Add(ref _uncovered, settled.Uncovered);
        Interlocked.Increment(ref _replies);
        if (settled.Charged != 0) BalanceChanged?.Invoke(charge.AccountId, settled.BalanceAfter + settled.Charged, settled.BalanceAfter);
    }
}
