using CrossModel.Accounts;
using CrossModel.Storage;

namespace CrossModel.Limits;

/// <summary>What one key, one account or an account on one model has used of its limits. Only what is limited is counted. Not thread-safe: the account's lock guards it.</summary>
/// <param name="share">What this node may admit by itself; null: it is alone and may admit all.</param>
internal sealed class Tally(Subject subject, Share? share)
{
    // Up to so many requests a minute each has its own moment; above, those of one second share one (see SlidingWindow).
    private const long ExactRequests = 64;

    private SlidingWindow? _requests;
    private SlidingWindow? _tokens;

    public Subject Subject => subject;
    public Share? Share => share;

    /// <summary>Calls in flight, limited or not: a limit set later counts those that run already.</summary>
    public int Parallel { get; private set; }

    /// <summary>Null until a spend limit was seen.</summary>
    public SpendWindows? Spend { get; private set; }

    /// <summary>The load of the books under way; all calls that need it await the same.</summary>
    public Task? Loading { get; set; }

    /// <summary>Monotonic ticks of the last call that began, refused or not, or ended.</summary>
    public long LastUsed { get; private set; }

    /// <summary>A call begins. Its limits are the newest that are known.</summary>
    public void NoteCall(Terms terms, long now)
    {
        LastUsed = now;
        share?.Terms = terms;
    }

    /// <summary>Must the books be read before a call can be judged?</summary>
    public bool NeedsBooks(Terms terms, long day)
    {
        if (!terms.HasSpend) return false;
        Spend ??= new SpendWindows();
        return Spend.Day != day;
    }

    /// <summary>The limit on requests, tokens or parallel calls that keeps this call waiting longest; null: there is room.</summary>
    public Stop? JudgeRate(Terms terms, long tokens, long now)
    {
        Stop? longest = null;
        if (terms.RequestsPerMinute is { } requests)
            longest = Stop.Longer(longest, new Stop(LimitKind.Requests, subject, requests, WaitForRequest(requests, now)));
        if (terms.TokensPerMinute is { } most)
            longest = Stop.Longer(longest, new Stop(LimitKind.Tokens, subject, most, WaitForTokens(most, tokens, now)));
        if (terms.Parallel is { } parallel && Parallel >= Math.Min(parallel, share?.Of(now).Parallel ?? parallel))
            longest = Stop.Longer(longest, new Stop(LimitKind.Parallel, subject, parallel, TimeSpan.TicksPerSecond));
        return longest;
    }

    public Stop? JudgeSpend(Terms terms, long cost, long now)
    {
        if (Spend is null || !terms.HasSpend || cost <= 0) return null;
        if (SpendWindows.Judge(terms, subject, Spend.Spent, Spend.Held, cost) is { } stop) return stop;
        return share is not null && Spend.Unseen + Spend.Held + cost > share.Of(now).Spend
            ? new Stop(terms.SpendDay is not null ? LimitKind.SpendDay : terms.SpendMonth is not null ? LimitKind.SpendMonth : LimitKind.SpendTotal, subject,
                terms.SpendDay ?? terms.SpendMonth ?? terms.SpendTotal!.Value, 0)
            : null;
    }

    /// <summary>May the database be asked for more of this call's limits, or be waited for?</summary>
    public bool MayGrow(Terms terms, long tokens, long cost, long now) =>
        share is not null && (!share.IsDenied(tokens, cost, now) || (share.IsElsewhere && MayWait(terms, cost)));

    /// <summary>Everyone who waits would have his seat and his spend if no other node had a call under way: beyond that a wait is one for a refusal.</summary>
    public bool MayWait(Terms terms, long cost) =>
        share!.Waiting.Parallel < (terms.Parallel is { } parallel ? parallel - Parallel : Portions.NearCalls)
        && (Spend is null || SpendWindows.Judge(terms, subject, Spend.Spent, Spend.Held + share.Waiting.Spend, cost) is null);

    /// <summary>Counts an admitted call. Answers what to correct at its end.</summary>
    public Taken Take(Terms terms, long tokens, long cost, long now)
    {
        Parallel++;
        if (terms.RequestsPerMinute is { } requests)
            (_requests ??= new SlidingWindow()).Add(now, 1, requests <= ExactRequests ? 0 : TimeSpan.TicksPerSecond);
        var taken = new Taken(-1, 0, -1);
        if (terms.TokensPerMinute is { } most)
        {
            var held = Math.Min(tokens, most);
            taken = taken with { Entry = (_tokens ??= new SlidingWindow()).Add(now, held, TimeSpan.TicksPerSecond), Tokens = held };
        }
        if (Spend is { Day: >= 0 })
        {
            Spend.Hold(cost);
            taken = taken with { Cost = cost };
        }
        return taken;
    }

    /// <summary>Replaces what was held by what it came to. Tokens beyond the hold count from now: that is when they are known.</summary>
    public void Correct(in Taken taken, long tokens, long cost, long now)
    {
        LastUsed = now;
        if (taken.Entry >= 0)
        {
            if (tokens < taken.Tokens) _tokens!.Reduce(taken.Entry, taken.Tokens - tokens);
            if (tokens > taken.Tokens) _tokens!.Add(now, tokens - taken.Tokens, TimeSpan.TicksPerSecond);
        }
        if (taken.Cost >= 0) Spend!.Charge(taken.Cost, cost);
    }

    public void Leave() => Parallel--;

    /// <summary>Reads from the books what was spent. One at a time with its share's deals.</summary>
    public async Task LoadSpentAsync(Database database, AccountTally account)
    {
        lock (account.Gate) Spend!.BeginLoad();
        var day = SpendStore.DayOf(database.Now);
        var books = await database.ReadAsync(session => Subject.ReadSpentAsync(session, day));
        lock (account.Gate)
        {
            var now = account.Now;
            var seen = Spend!.EndLoad(day, books, now);
            // The others see it on the books as well now: it must not be spent from the share again.
            if (Share?.Kept is { } kept) Share.Shrink(kept with { Spend = Math.Max(0, kept.Spend - seen) });
        }
    }

    /// <summary>What a share must cover: windows, seats, and charges that the last load of the books lacked.</summary>
    public ShareAmounts Used(long now) =>
        new(_requests?.Used(now) ?? 0, _tokens?.Used(now) ?? 0, Parallel, Spend is null ? 0 : Spend.Unseen + Spend.Held);

    public RateLeft RequestsLeft(long limit, long now) =>
        new(limit, Math.Max(0, Math.Min(limit, share?.Of(now).Requests ?? limit) - (_requests?.Used(now) ?? 0)), WaitForRequest(limit, now));

    public RateLeft TokensLeft(long limit, long tokens, long now) =>
        new(limit, Math.Max(0, Math.Min(limit, share?.Of(now).Tokens ?? limit) - (_tokens?.Used(now) ?? 0)), WaitForTokens(limit, tokens, now));

    // A limit of 0 is never open: a whole window is the longest that can be said.
    private long WaitForRequest(long limit, long now) =>
        Wait(_requests, Math.Min(limit, share?.Of(now).Requests ?? limit), 1, now);

    private long WaitForTokens(long limit, long tokens, long now) => limit <= 0
        ? SlidingWindow.Length
        : Wait(_tokens, Math.Min(limit, share?.Of(now).Tokens ?? limit), Math.Min(tokens, limit), now);

    private static long Wait(SlidingWindow? window, long most, long amount, long now) =>
        window?.Wait(now, most, amount) ?? (amount > most ? SlidingWindow.Length : 0);
}

/// <summary>What a call took from one tally.</summary>
/// <param name="Entry">Of the token window; -1: tokens were not counted.</param>
/// <param name="Cost">Held of the spend limits; -1: spend was not counted.</param>
internal readonly record struct Taken(long Entry, long Tokens, long Cost);
