namespace CrossModel.Billing;

/// <summary>
/// One account's money on this node: leased from the database, held by calls in flight, the rest idle. Its lock is the account's own and is never held
/// over a wait.
/// </summary>
internal sealed class Purse(string accountId, Books books)
{
    /// <summary>An account is near its end while its free money is under this many recent holds: then nothing is kept idle, so that every node can use the last cents.</summary>
    public const int NearHolds = 20;

    /// <summary>Nano-dollars of a hold: a million dollars, of which a thousand and more still are a number.</summary>
    private const long MostRemembered = 1_000_000 * Usd.Nano;

    private const int SmallestStock = 16;
    private const int LargestStock = 1024;

    /// <summary>How long a refusal waits for what other nodes lease: they give back idle money within this time (Busy and a sweep).</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(1500);
    private static readonly TimeSpan AskAgain = TimeSpan.FromMilliseconds(150);

    /// <summary>Money that was idle for so long goes back to the account.</summary>
    private static readonly TimeSpan Busy = TimeSpan.FromMilliseconds(700);

    /// <summary>And for so long where no other node waits for it: to lease again costs a commit that the next caller waits for.</summary>
    private static readonly TimeSpan BusyAlone = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiters = new();
    private long _leased;
    private long _held;
    private long _returning; // the part of held that no call holds: on its way back to the account
    private long _recent; // a moving average of holds
    private long _free;   // nobody's, as the last commit saw it
    private long _lastUsed = books.Database.Time.GetTimestamp();
    private long _lastRefill;
    private int _stock = SmallestStock; // holds to keep idle
    private bool _asked;
    private bool _isUnsure; // the last commit of a lease may have happened although nobody could say so

    public string AccountId => accountId;

    /// <summary>What calls hold.</summary>
    public long Held
    {
        get { lock (_lock) return _held - _returning; }
    }

    /// <summary>A hold out of idle money, at once.</summary>
    public bool TryTake(long amount)
    {
        bool refill;
        lock (_lock)
        {
            // Those who wait come first, or a stream of small holds would starve a large one.
            if (_waiters.Count > 0 || _leased - _held < amount) return false;
            _held += amount;
            Remember(amount);
            // Refills early enough that nobody waits for one, and only where it would bring a good deal more.
            refill = !_asked && _leased - _held < Math.Min(_recent * (_stock / 4), (_free - NearHolds * _recent) / 8);
            if (refill) _asked = true;
        }
        if (refill) Ask(returnsAll: false);
        return true;
    }

    /// <summary>A hold that may need the database. Fails within seconds.</summary>
    public async Task<HoldAnswer> TakeAsync(long amount)
    {
        if (books.IsAway) return HoldAnswer.Away;
        var waiter = new Waiter(amount, books.Database.Time.GetTimestamp());
        bool ask;
        lock (_lock)
        {
            Remember(amount);
            _waiters.AddLast(waiter);
            ask = !_asked;
            _asked = true;
        }
        if (ask) Ask(returnsAll: false);
        return await waiter.Task;
    }

    /// <summary>Takes as much as is idle.</summary>
    public long TakeUpTo(long wanted)
    {
        lock (_lock)
        {
            var taken = Math.Clamp(_leased - _held, 0, Math.Max(0, wanted));
            _held += taken;
            return taken;
        }
    }

    /// <summary>A hold or a part of one ends without a charge.</summary>
    public void GiveBack(long amount)
    {
        if (amount == 0) return;
        bool ask;
        lock (_lock)
        {
            _held -= amount;
            ask = !_asked && (_waiters.Count > 0 || IsIdleNearTheEnd);
            if (ask) _asked = true;
        }
        if (ask) Ask(returnsAll: false);
    }

    /// <summary>Inside a transaction: moves the lease to what is wanted now. Runs again when the transaction does.</summary>
    public void Plan(LeaseChange change, AccountRow row)
    {
        lock (_lock)
        {
            TakeBack(change);
            change.Refused.Clear();
            // By the database's lease, not by memory's: a node that was taken for dead has lost it.
            var idle = row.Lease - _held;
            var usable = idle + Math.Max(0, row.Free);
            long wanted = 0;
            foreach (var waiter in _waiters)
            {
                if (waiter.Amount <= usable - wanted) wanted += waiter.Amount;
                else change.Refused.Add(waiter);
            }
            var left = usable - wanted;
            var rich = !change.ReturnsAll && !IsNear(left);
            var stock = rich ? Math.Max(Math.Max(0, idle - wanted), Math.Min(_recent * Restock(change), (left - NearHolds * _recent) / 4)) : 0;
            var delta = Math.Min(wanted + stock - idle, Math.Max(0, row.Free));
            row.MoveLease(delta);
            if (delta >= 0) return;
            // What goes back is set aside until the commit, so that nobody takes it meanwhile.
            change.Returning = _returning = -delta;
            _held += change.Returning;
        }
    }

    // Under the lock: what was set aside to be returned is so no longer.
    private void TakeBack(LeaseChange change)
    {
        _held -= change.Returning;
        change.Returning = _returning = 0;
    }

    /// <summary>A commit that touched this account is durable: the row says what this node leases now.</summary>
    public void Committed(AccountRow row)
    {
        List<Waiter>? served = null, refused = null;
        bool ask, askLater = false;
        var othersLease = row.Leased > row.Lease;
        long held;
        lock (_lock)
        {
            _held -= row.HoldsEnded;
            if (row.Change is not null) TakeBack(row.Change);
            _leased = row.Lease;
            _free = row.Free;
            _isUnsure = false;
            if (row.Change is not null) _asked = false;
            for (var node = _waiters.First; node is not null;)
            {
                var next = node.Next;
                var waiter = node.Value;
                if (_leased - _held >= waiter.Amount)
                {
                    _held += waiter.Amount;
                    _waiters.Remove(node);
                    (served ??= []).Add(waiter);
                }
                else if (row.Change?.Refused.Contains(waiter) == true)
                {
                    if (othersLease && books.Database.Time.GetElapsedTime(waiter.Since) < Patience)
                    {
                        askLater = true;
                    }
                    else
                    {
                        _waiters.Remove(node);
                        (refused ??= []).Add(waiter);
                    }
                }
                node = next;
            }
            held = _held + row.Leased - row.Lease;
            ask = !_asked && (_waiters.Count > 0 ? !askLater : IsIdleNearTheEnd);
            if (ask || askLater) _asked = true;
        }
        if (ask) Ask(returnsAll: false);
        else if (askLater) _ = AskLaterAsync();
        if (served is not null)
            foreach (var waiter in served) waiter.Complete(new HoldAnswer(new Hold(this, waiter.Amount)));
        if (refused is not null)
            foreach (var waiter in refused)
                waiter.Complete(new HoldAnswer(null, waiter.Amount, held, row.Balance + row.CreditLimit - held));
    }

    /// <summary>The lease could not be changed, so nobody can say whether the money is there: whoever waits for it is refused.</summary>
    public void Failed(LeaseChange change, bool away)
    {
        List<Waiter> waiters;
        lock (_lock)
        {
            TakeBack(change);
            _asked = false;
            _isUnsure |= away;
            waiters = [.. _waiters];
            _waiters.Clear();
        }
        foreach (var waiter in waiters) waiter.Complete(HoldAnswer.Away);
    }

    /// <summary>This node's leases were taken back: nothing is here to hold from until more is leased.</summary>
    public void Lost()
    {
        lock (_lock) _leased = 0;
    }

    /// <summary>Several times a second: gives back what lies idle, and what may have been leased without this node's knowledge.</summary>
    public void Sweep()
    {
        lock (_lock)
        {
            if (_asked || _waiters.Count > 0 || (_leased <= _held && !_isUnsure) || books.Database.Time.GetElapsedTime(_lastUsed) <= (books.Database.IsShared ? Busy : BusyAlone)) return;
            _asked = true;
        }
        Ask(returnsAll: true);
    }

    /// <summary>At shutdown: gives back everything that no call holds.</summary>
    public void ReturnAll()
    {
        lock (_lock)
        {
            if (_leased <= _held) return;
            _asked = true;
        }
        Ask(returnsAll: true);
    }

    private void Ask(bool returnsAll)
    {
        var change = new LeaseChange(this, returnsAll);
        if (!books.Add(change)) change.Failed(away: true);
    }

    private async Task AskLaterAsync()
    {
        await Task.Delay(AskAgain, books.Database.Time);
        Ask(returnsAll: false);
    }

    private void Remember(long amount)
    {
        // Who asks for a fortune is refused; what is kept idle for the others must not follow him.
        amount = Math.Min(amount, MostRemembered);
        _recent = _recent == 0 ? amount : _recent + (amount - _recent) / 8;
        _lastUsed = books.Database.Time.GetTimestamp();
    }

    private bool IsNear(long free) => free < NearHolds * Math.Max(1, _recent);

    /// <summary>Money lies idle that the other nodes should be able to use.</summary>
    private bool IsIdleNearTheEnd => _leased > _held && IsNear(_free + _leased - _held);

    /// <summary>Holds to keep idle: twice as many as last time while refills follow each other closely.</summary>
    private int Restock(LeaseChange change)
    {
        if (change.Planned) return _stock;
        change.Planned = true;
        var now = books.Database.Time.GetTimestamp();
        var soon = _lastRefill != 0 && books.Database.Time.GetElapsedTime(_lastRefill, now) < TimeSpan.FromSeconds(2);
        _stock = soon ? Math.Min(LargestStock, _stock * 2) : SmallestStock;
        _lastRefill = now;
        return _stock;
    }

    /// <summary>A call that waits for money.</summary>
    internal sealed class Waiter(long amount, long since)
    {
        private readonly TaskCompletionSource<HoldAnswer> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public long Amount => amount;
        public long Since => since;
        public Task<HoldAnswer> Task => _answer.Task;
        public void Complete(HoldAnswer answer) => _answer.TrySetResult(answer);
    }
}
