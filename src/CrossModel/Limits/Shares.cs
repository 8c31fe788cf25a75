using System.Collections.Concurrent;
using CrossModel.Accounts;
using CrossModel.Storage;

namespace CrossModel.Limits;

/// <summary>
/// Deals limits out among the nodes of one database. A node that is alone with a key, account or model of an account leases all that is left of its limits; with others about only
/// what it uses and a twentieth of the limit more, and of limits under 20 exactly what it uses: those are then counted in the database.
/// The shares of all nodes never sum to more than the limit; a dead node's run out.
/// </summary>
/// <param name="clock">Ticks of a clock that never jumps.</param>
internal sealed class Shares(Database database, string node, Func<long> clock)
{
    // A node stops using its lease two seconds before others may take it: the clocks of nodes may differ by that much.
    private const long UseTicks = 8 * TimeSpan.TicksPerSecond;
    private const long RenewTicks = 3 * TimeSpan.TicksPerSecond;
    private const long IdleTicks = SlidingWindow.Length + 15 * TimeSpan.TicksPerSecond; // nothing of a window is given up with it

    /// <summary>How often nodes give back what lies idle.</summary>
    public static TimeSpan Tick { get; } = TimeSpan.FromMilliseconds(250);

    private readonly ShareStore _store = new(database, node);
    private readonly ConcurrentDictionary<string, (AccountTally Account, Tally Tally)> _leased = new();
    private long _renewed;

    /// <summary>
    /// Leases what one more call needs; false when the other nodes leave too little. Who only lacks a seat or spend that others have waits for their next
    /// ticks: they may have it without a call to use it.
    /// </summary>
    public async Task<bool> GrowAsync(AccountTally account, Tally tally, Arrival call, CancellationToken ct)
    {
        var deal = await DealInTurnAsync(account, tally, call, waits: false, ct);
        if (deal != Dealt.Elsewhere) return deal == Dealt.Granted;
        var (share, own) = (tally.Share!, new ShareAmounts(0, 0, 1, call.Cost));
        lock (account.Gate)
        {
            if (!tally.MayWait(call.TermsOf(tally), call.Cost)) return false;
            share.Waiting += own;
        }
        try
        {
            for (var turns = 4; deal == Dealt.Elsewhere && turns > 0; turns--)
            {
                await Task.Delay(Tick, database.Time, ct);
                deal = await DealInTurnAsync(account, tally, call, waits: true, ct);
            }
            return deal == Dealt.Granted;
        }
        finally
        {
            lock (account.Gate) share.Waiting -= own;
        }
    }

    /// <summary>A node that comes new to a subject waits once for the others to notice and to give back what they do not use.</summary>
    /// <param name="waits">Has been told that others have it, and counts as one who waits.</param>
    private async Task<Dealt> DealInTurnAsync(AccountTally account, Tally tally, Arrival call, bool waits, CancellationToken ct)
    {
        var share = tally.Share!;
        await share.Deal.WaitAsync(ct);
        try
        {
            for (var turns = 0; ; turns--)
            {
                if (turns == 0 && Denied(account, tally, call) is { } denied && (denied == Dealt.Elsewhere || !waits)) return denied;
                var deal = await DealAsync(account, tally, call, waits);
                if (deal is Dealt.Granted or Dealt.OverLimit) return deal;
                if (deal == Dealt.NotAlone) turns = 3;
                if (turns <= 0)
                {
                    lock (account.Gate) share.Deny(call.Tokens, call.Cost, deal == Dealt.Elsewhere, clock());
                    return deal;
                }
                await Task.Delay(Tick, database.Time, ct);
            }
        }
        finally
        {
            share.Deal.Release();
        }
    }

    /// <summary>What somebody was told who asked just now for no more, in vain; null: nobody did, or there is room meanwhile.</summary>
    private Dealt? Denied(AccountTally account, Tally tally, in Arrival call)
    {
        lock (account.Gate)
        {
            var (share, now) = (tally.Share!, clock());
            if (!share.IsDenied(call.Tokens, call.Cost, now) || HasRoom(tally, call, now)) return null;
            return share.IsElsewhere ? Dealt.Elsewhere : Dealt.NothingLeft;
        }
    }

    private static bool HasRoom(Tally tally, in Arrival call, long now) =>
        tally.JudgeRate(call.TermsOf(tally), call.Tokens, now) is null && tally.JudgeSpend(call.TermsOf(tally), call.Cost, now) is null;

    private async Task<Dealt> DealAsync(AccountTally account, Tally tally, Arrival call, bool waits)
    {
        var (share, terms, cost) = (tally.Share!, call.TermsOf(tally), call.Cost);
        SpendWindows? spend;
        ShareAmounts need, had, waiting;
        long held, began, day = SpendStore.DayOf(database.Now);
        lock (account.Gate)
        {
            began = clock();
            if (HasRoom(tally, call, began)) return Dealt.Granted; // an earlier deal was large enough
            var used = tally.Used(began);
            (had, spend, held) = (share.Of(began), tally.Spend, tally.Spend?.Held ?? 0);
            waiting = waits ? share.Waiting - new ShareAmounts(0, 0, 1, cost) : share.Waiting;
            need = new ShareAmounts(used.Requests + 1, used.Tokens + Math.Min(call.Tokens, terms.TokensPerMinute ?? 0), used.Parallel + 1, held + cost);
            if (need.Requests > terms.RequestsPerMinute || need.Tokens > terms.TokensPerMinute || need.Parallel > terms.Parallel) return Dealt.OverLimit;
            // What was charged here until now is on the books that the deal reads, so the share need not cover it any longer.
            had = had with { Spend = Math.Max(0, had.Spend - (used.Spend - held)) };
            spend?.BeginLoad();
            // Should the answer not come a tick returns what the row may have got.
            (share.IsLeased, share.Row) = (true, null);
        }
        var subject = tally.Subject.Id;
        var writing = database.WriteAsync(async session =>
        {
            var (others, count) = await _store.BeginDealAsync(session, subject);
            var spent = spend is null ? default : await tally.Subject.ReadSpentAsync(session, day);
            var alone = count == 0;
            var granted = new ShareAmounts(
                Portions.Of(terms.RequestsPerMinute, others.Requests, need.Requests, 0, alone), Portions.Of(terms.TokensPerMinute, others.Tokens, need.Tokens, 0, alone),
                Portions.Of(terms.Parallel, others.Parallel, need.Parallel, waiting.Parallel, alone),
                Portions.OfSpend(terms, tally.Subject, spent, others.Spend, held, cost, waiting.Spend, alone));
            var fits = granted is { Requests: >= 0, Tokens: >= 0, Parallel: >= 0, Spend: >= 0 };
            // Never less than before, since calls go on being admitted within it. A row of nothing tells the others that they are not alone.
            var amounts = fits ? ShareAmounts.Most(had, granted) : had;
            var isNew = await _store.EndDealAsync(session, subject, amounts);
            var isElsewhere = granted is { Requests: >= 0, Tokens: >= 0 } && (granted.Parallel >= 0 || others.Parallel > 0) && (granted.Spend >= 0 || others.Spend > 0);
            var dealt = fits ? Dealt.Granted : alone ? Dealt.NothingLeft : isNew ? Dealt.NotAlone : isElsewhere ? Dealt.Elsewhere : Dealt.NothingLeft;
            return (dealt, amounts, granted, spent, Portions.FreeSpend(terms, spent));
        }, CancellationToken.None);
        await ((Task)writing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _leased[subject] = (account, tally);
        var (answer, amounts, granted, books, left) = await writing;
        lock (account.Gate)
        {
            // Others have given back, all that lies idle at once.
            if (answer == Dealt.Granted) share.Grant();
            spend?.EndLoad(day, books, began);
            // What lacks beside all that could be had is the limit that is reached.
            share.Set(ShareAmounts.Most(had, granted), began + UseTicks);
            share.DeniedBy = tally.JudgeRate(terms, call.Tokens, began) ?? tally.JudgeSpend(terms, cost, began);
            share.Set(amounts, began + UseTicks);
            (share.Row, share.IsSpendNear) = (amounts, Portions.IsSpendNear(left, cost));
        }
        return answer;
    }

    /// <summary>To be called every <see cref="Tick"/>: renews leases, and gives back what is idle to nodes that want it.</summary>
    public async Task TickAsync(CancellationToken ct)
    {
        if (_leased.IsEmpty) return;
        if (clock() - _renewed >= RenewTicks) await RenewAsync(ct);
        foreach (var (subject, seats) in await _store.WantedAsync(ct))
            if (_leased.TryGetValue(subject, out var lease)) await GiveBackAsync(subject, lease.Account, lease.Tally, seats, ct);
    }

    private async Task RenewAsync(CancellationToken ct)
    {
        var began = clock();
        foreach (var (subject, (account, tally)) in _leased)
        {
            bool isIdle;
            lock (account.Gate) isIdle = tally.Parallel == 0 && tally.LastUsed < began - IdleTicks;
            if (isIdle) await ForgetAsync(subject, account, tally, ct);
        }
        // What the database did not renew (a clock that jumped, a row taken away) runs out here too.
        foreach (var subject in await _store.RenewAsync(ct))
            if (_leased.TryGetValue(subject, out var lease))
                lock (lease.Account.Gate) lease.Tally.Share!.Renew(began, began + UseTicks);
        _renewed = began;
    }

    /// <param name="seats">What all nodes have of them.</param>
    private async Task GiveBackAsync(string subject, AccountTally account, Tally tally, long seats, CancellationToken ct)
    {
        var share = tally.Share!;
        await share.Deal.WaitAsync(ct);
        try
        {
            ShareAmounts kept;
            var isCharged = share.IsSpendNear && tally.Spend is { Unseen: > 0 };
            if (isCharged) await tally.LoadSpentAsync(database, account);
            lock (account.Gate)
            {
                var now = clock();
                var spare = Portions.SpareOf(share.Terms, share.IsSpendNear);
                // Spend that lies idle is money that others are refused; requests and tokens come back with their minute.
                if (tally.LastUsed < now - TimeSpan.TicksPerSecond) spare = spare with { Spend = 0 };
                var (had, used) = (share.Kept, tally.Used(now));
                kept = ShareAmounts.Least(had, used + ShareAmounts.Most(spare, share.Waiting));
                // No seat is left to lease: what is kept ahead here a call may lack elsewhere.
                if (kept.Parallel == share.Row?.Parallel && seats >= share.Terms.Parallel)
                    kept = kept with { Parallel = Math.Min(had.Parallel, used.Parallel + share.Waiting.Parallel) };
                if (kept == share.Row) return;
                // First here, then in the database: in between nobody has it. Should that fail, the next tick does it.
                share.Shrink(kept);
                share.Row = null;
            }
            await _store.ShrinkAsync(subject, kept, ct);
            lock (account.Gate) share.Row = kept;
        }
        finally
        {
            share.Deal.Release();
        }
    }

    private async Task ForgetAsync(string subject, AccountTally account, Tally tally, CancellationToken ct)
    {
        var share = tally.Share!;
        await share.Deal.WaitAsync(ct);
        try
        {
            lock (account.Gate)
            {
                if (tally.Parallel > 0 || tally.LastUsed >= clock() - IdleTicks) return;
                share.Shrink(default);
            }
            await _store.DeleteAsync(subject, ct);
            lock (account.Gate) share.IsLeased = false;
            _leased.TryRemove(subject, out _);
        }
        finally
        {
            share.Deal.Release();
        }
    }

    /// <summary>To be called now and then: takes away the rows of nodes that were killed.</summary>
    public Task SweepAsync(CancellationToken ct) => _store.DeleteLeftAsync(ct);

    /// <summary>Gives everything back: the node stops.</summary>
    public Task ReleaseAsync() => _leased.IsEmpty ? Task.CompletedTask : _store.DeleteAllAsync();
}

/// <summary>What became of a wish for a larger share of a limit.</summary>
internal enum Dealt
{
    Granted,
    NothingLeft,
    /// <summary>This node is new to the subject, and others have it.</summary>
    NotAlone,
    /// <summary>What lacks are seats or spend, and others have some.</summary>
    Elsewhere,
    OverLimit,
}
