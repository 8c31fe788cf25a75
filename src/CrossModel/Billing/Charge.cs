using CrossModel.Accounts;
using CrossModel.Usage;

namespace CrossModel.Billing;

/// <summary>How a settlement ended. Amounts in nano-dollars.</summary>
/// <param name="Committed">False: the reply is not on the books (or, queued, not yet).</param>
/// <param name="Charged">What left the balance.</param>
/// <param name="Uncovered">What nobody could pay: the operator's loss.</param>
internal readonly record struct Settled(bool Committed, long Charged, long Uncovered, long BalanceAfter);

/// <summary>What else is written in the transaction of a charge.</summary>
/// <param name="CountsForModel">The account's spend on the model is limited, and is counted too.</param>
/// <param name="Reply">Kept for repeats of the call; null: it is not.</param>
internal sealed record Beside(bool CountsForModel, ReplyToKeep? Reply);

/// <summary>One reply on its way to the books.</summary>
internal sealed class Charge : BookItem
{
    private const int Pending = 0, Done = 1, Abandoned = 2;

    // Who waits goes on where it is answered, and nobody is woken for it: see Books.Answer.
    private readonly TaskCompletionSource<Settled> _settled = new();
    private readonly Hold _hold;
    private readonly Settlements _settlements;
    private readonly bool _staysQueued;
    private readonly Beside? _beside;
    private readonly byte[] _detail;
    private readonly string _recordHash;
    private AccountRow? _row;
    private Settled _outcome;
    private bool _refunded;
    private bool _holdEnded;
    private int _state;
    private volatile bool _toldOtherwise;

    /// <param name="staysQueued">When its caller has waited too long the charge stays queued; else it is abandoned.</param>
    public Charge(RequestRecord record, Hold hold, Settlements settlements, bool staysQueued, Beside? beside)
    {
        (Record, _hold, _settlements, _staysQueued, _beside) = (record, hold, settlements, staysQueued, beside);
        Waiting = new LinkedListNode<Charge>(this);
        (_detail, _recordHash) = RecordText.Write(record);
    }

    public RequestRecord Record { get; }
    public override string AccountId => Record.AccountId;
    public override bool OutlivesOutage => true;
    public Task<Settled> Task => _settled.Task;

    /// <summary>The caller was told that it is not charged.</summary>
    public bool IsAbandoned => Volatile.Read(ref _state) == Abandoned;

    /// <summary>Its place among the <see cref="Waits"/>, and since when.</summary>
    public LinkedListNode<Charge> Waiting { get; }
    public long WaitsSince { get; set; }

    /// <summary>The caller waits no longer. Of a reply that it never got it must not be charged; does nothing when that is on the books already.</summary>
    public void WaitedTooLong()
    {
        if (_staysQueued) _toldOtherwise = _settled.TrySetResult(default);
        else if (Interlocked.CompareExchange(ref _state, Abandoned, Pending) == Pending) _settled.TrySetResult(default);
    }

    public override void Apply(Posting posting, AccountRow row)
    {
        _row = row;
        row.Purse = _hold.Purse;
        if (!_holdEnded) row.HoldsEnded += _hold.Amount;
        _refunded = false;
        if (posting.AlreadyThere.TryGetValue(Record.Id, out var there))
        {
            _outcome = new Settled(true, there.Cost, Record.Price - there.Cost, row.Balance);
            if (!IsAbandoned) return;
            // An earlier try has committed although nobody could say so at the time.
            _refunded = true;
            if (there.Cost != 0 && !posting.Refunded.Contains(Record.Id))
            {
                posting.Post(row, EntryKind.Refund, there.Cost, Record.Id, "the database was away: the reply was not delivered");
                Spend(posting, -there.Cost);
            }
            if (_beside?.Reply is { } kept) posting.Forget(kept);
            return;
        }
        _outcome = default;
        if (IsAbandoned) return;
        if (Record.Price > _hold.Amount)
        {
            var before = _hold.Amount;
            _hold.Grow(Record.Price - before);
            row.HoldsEnded += _hold.Amount - before;
        }
        // The lease may be less than the hold when this node was taken for dead in between.
        var reserved = Math.Min(_hold.Amount, row.Lease);
        var payable = reserved + Math.Max(0, row.Free);
        var cost = Math.Min(Record.Price, Math.Min(payable, Math.Max(0, row.Balance + row.CreditLimit)));
        // Near the account's end the hold returns at once; else the account's free money makes good what the call took from the lease: a lease that
        // stays as it is need not be written, nor filled up later.
        if (row.Free + reserved - cost < Purse.NearHolds * Math.Max(1, _hold.Amount)) row.MoveLease(-reserved);
        var kind = Record.Basis == Basis.Waived ? EntryKind.Waived : EntryKind.Charge;
        var entry = posting.Post(row, kind, -cost, Record.Id, "", _recordHash);
        Spend(posting, cost);
        // Who was told that the stream failed calls anew under its key, which is freed. A reply of nothing helps nobody else.
        if (_beside?.Reply is { } reply && !_toldOtherwise && (reply.CacheFor is null || kind == EntryKind.Charge)) posting.Keep(reply, cost);
        posting.Keep(new RecordRow(AccountId, Record.Id, Record.Created, entry.Place, entry.Seq, cost, _detail));
        _outcome = new Settled(true, cost, Record.Price - cost, row.Balance);
    }

    private void Spend(Posting posting, long amount)
    {
        posting.SpendByKey(AccountId, Record.KeyId, amount);
        if (_beside is { CountsForModel: true }) posting.SpendByKey(AccountId, SpendStore.KeyOfModel(Record.Model), amount);
    }

    public override void Committed()
    {
        _settlements.Leave(this);
        _holdEnded = true;
        _row!.TellPurse();
        if (Interlocked.CompareExchange(ref _state, Done, Pending) == Pending)
        {
            _settlements.Count(_outcome, this);
        }
        else if (_outcome.Committed && !_refunded)
        {
            // Abandoned while the commit ran: once more, to be given back.
            _settlements.Again(this);
        }
    }

    public override void Answer()
    {
        if (Volatile.Read(ref _state) == Done) _settled.TrySetResult(_outcome);
    }

    public override void Failed(bool away)
    {
        _settlements.Leave(this);
        if (!_holdEnded) _hold.Purse.GiveBack(_hold.Amount);
        _holdEnded = true;
        if (Interlocked.CompareExchange(ref _state, Done, Pending) == Pending) _settled.TrySetResult(default);
    }
}
