using CrossModel.Accounts;

namespace CrossModel.Limits;

/// <summary>What one key or one account has used of its limits. Only what is limited is counted. Not thread-safe: the account's lock guards it.</summary>
internal sealed class Tally(Scope scope)
{
    // Up to so many requests a minute each has its own moment; above, those of one second share one (see SlidingWindow).
    private const long ExactRequests = 64;

    private SlidingWindow? _requests;
    private SlidingWindow? _tokens;

    /// <summary>Calls in flight, limited or not: a limit set now counts those that run already.</summary>
    public int Parallel { get; private set; }

    public SpendWindows? Spend { get; private set; }

    /// <summary>Monotonic ticks of the last call.</summary>
    public long LastUsed { get; set; }

    public Scope Scope => scope;

    /// <summary>Must the books be read before this call can be judged?</summary>
    public bool NeedsBooks(Terms terms, int day)
    {
        if (terms is { SpendDay: null, SpendMonth: null, SpendTotal: null }) return false;
        Spend ??= new SpendWindows();
        return Spend.Day != day;
    }

    /// <summary>The limit on requests, tokens or parallel calls that keeps this call waiting longest; null: there is room.</summary>
    public Stop? JudgeRate(Terms terms, long tokens, long now)
    {
        Stop? longest = null;
        if (terms.RequestsPerMinute is { } requests)
            longest = Longer(longest, new Stop(LimitKind.Requests, scope, requests, WaitForRequest(requests, now)));
        if (terms.TokensPerMinute is { } most)
            longest = Longer(longest, new Stop(LimitKind.Tokens, scope, most, WaitForTokens(most, tokens, now)));
        if (terms.Parallel is { } parallel && Parallel >= parallel)
            longest = Longer(longest, new Stop(LimitKind.Parallel, scope, parallel, TimeSpan.TicksPerSecond));
        return longest;
    }

    public Stop? JudgeSpend(Terms terms, long cost) => Spend?.Judge(terms, scope, cost);

    /// <summary>Counts an admitted call. Answers what to undo or correct at its end.</summary>
    public Taken Take(Terms terms, long tokens, long cost, long now)
    {
        LastUsed = now;
        Parallel++;
        if (terms.RequestsPerMinute is { } requests)
            (_requests ??= new SlidingWindow()).Add(now, 1, requests <= ExactRequests ? 0 : TimeSpan.TicksPerSecond);
        var taken = new Taken(-1, 0, 0, -1);
        if (terms.TokensPerMinute is { } most)
        {
            var held = Math.Min(tokens, most);
            taken = taken with { Entry = (_tokens ??= new SlidingWindow()).Add(now, held, TimeSpan.TicksPerSecond), Tokens = held };
        }
        if (Spend is { Day: >= 0 } spend)
        {
            spend.Hold(cost);
            taken = taken with { Cost = cost, Day = spend.Day };
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
        if (taken.Day >= 0) Spend!.Charge(taken.Cost, cost, taken.Day);
    }

    public void Leave() => Parallel--;

    public long RequestsLeft(long limit, long now) => Math.Max(0, limit - (_requests?.Used(now) ?? 0));
    public long TokensLeft(long limit, long now) => Math.Max(0, limit - (_tokens?.Used(now) ?? 0));

    /// <summary>Ticks until one more request is within the limit; a limit of 0 is never open.</summary>
    public long WaitForRequest(long limit, long now) =>
        limit <= 0 ? SlidingWindow.Length : _requests?.Wait(now, limit, 1) ?? 0;

    public long WaitForTokens(long limit, long tokens, long now) =>
        limit <= 0 ? SlidingWindow.Length : _tokens?.Wait(now, limit, tokens) ?? 0;

    private static Stop? Longer(Stop? a, Stop b) => b.Wait == 0 || a?.Wait >= b.Wait ? a : b;
}

/// <summary>What a call took from one tally.</summary>
/// <param name="Entry">Of the token window; -1: tokens were not counted.</param>
/// <param name="Day">In which the spend was held; -1: none was.</param>
internal readonly record struct Taken(long Entry, long Tokens, long Cost, int Day);
