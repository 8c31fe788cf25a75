using System.Collections.Concurrent;
using CrossModel.Accounts;
using CrossModel.Protocol;
using Microsoft.AspNetCore.Http;

namespace CrossModel.Limits;

/// <summary>The answer to a call at the gate: exactly one of the two is set.</summary>
internal readonly record struct AdmitAnswer(ApiError? Refusal, Seat? Seat);

/// <summary>May they? Requests and tokens per minute, parallel calls and spend, of the key and of its account. A call passes all limits or takes nothing of any.</summary>
internal sealed class LimitGate : IAsyncDisposable
{
    // Longer than any window that only memory knows; spend is read from the books again.
    private static readonly long IdleTicks = TimeSpan.FromMinutes(5).Ticks;

    private readonly ConcurrentDictionary<string, AccountTally> _accounts = new();
    private readonly TimeProvider _time;
    private readonly long _started;

    public LimitGate(TimeProvider time)
    {
        _time = time;
        _started = time.GetTimestamp();
    }

    /// <summary>Ticks of a clock that never jumps.</summary>
    public long Now => _time.GetElapsedTime(_started).Ticks;

    /// <summary>Accounts in memory.</summary>
    public int Count => _accounts.Count;

    /// <param name="tokens">The hold: prompt estimate and output cap.</param>
    /// <param name="cost">The hold in nano-dollars.</param>
    public ValueTask<AdmitAnswer> AdmitAsync(Caller caller, long tokens, long cost, CancellationToken ct = default)
    {
        if (HasNone(caller.Key.Terms) && HasNone(caller.Account.Terms)) return new(new AdmitAnswer(null, Seat.None));
        while (true)
        {
            var account = _accounts.GetOrAdd(caller.Account.Id, static _ => new AccountTally());
            lock (account.Gate)
            {
                if (!account.IsRetired) return new(Admit(account, caller, tokens, cost));
            }
        }
    }

    private AdmitAnswer Admit(AccountTally account, Caller caller, long tokens, long cost)
    {
        var (key, ofKey, ofAccount, now) = (account.Key(caller.Key.Id), caller.Key.Terms, caller.Account.Terms, Now);
        var stop = Longer(key.JudgeRate(ofKey, tokens, now), account.Own.JudgeRate(ofAccount, tokens, now))
            ?? key.JudgeSpend(ofKey, cost)
            ?? account.Own.JudgeSpend(ofAccount, cost);
        return stop is { } reached
            ? new AdmitAnswer(reached.ToError(), null)
            : new AdmitAnswer(null, new Seat(this, account, key, key.Take(ofKey, tokens, cost, now), account.Own.Take(ofAccount, tokens, cost, now)));
    }

    /// <summary>Writes <c>x-ratelimit-{limit,remaining,reset}-{requests,tokens}</c>: of key and account the tighter. Nothing where there is no limit.</summary>
    /// <param name="tokens">The call's hold: reset says when a call like it would be admitted again.</param>
    public void WriteHeaders(Caller caller, IHeaderDictionary headers, long tokens = 1)
    {
        var (ofKey, ofAccount) = (caller.Key.Terms, caller.Account.Terms);
        if (ofKey is { RequestsPerMinute: null, TokensPerMinute: null } && ofAccount is { RequestsPerMinute: null, TokensPerMinute: null }) return;
        RateLeft? requests = null, left = null;
        var account = _accounts.GetOrAdd(caller.Account.Id, static _ => new AccountTally());
        lock (account.Gate)
        {
            var (key, own, now) = (account.Key(caller.Key.Id), account.Own, Now);
            if (ofKey.RequestsPerMinute is { } a) requests = new RateLeft(a, key.RequestsLeft(a, now), key.WaitForRequest(a, now));
            if (ofAccount.RequestsPerMinute is { } b) requests = RateLeft.Tighter(requests, new RateLeft(b, own.RequestsLeft(b, now), own.WaitForRequest(b, now)));
            if (ofKey.TokensPerMinute is { } c) left = new RateLeft(c, key.TokensLeft(c, now), key.WaitForTokens(c, tokens, now));
            if (ofAccount.TokensPerMinute is { } d) left = RateLeft.Tighter(left, new RateLeft(d, own.TokensLeft(d, now), own.WaitForTokens(d, tokens, now)));
        }
        requests?.Write(headers, "requests");
        left?.Write(headers, "tokens");
    }

    /// <summary>Forgets accounts and keys that have been idle for five minutes.</summary>
    internal void Sweep()
    {
        var before = Now - IdleTicks;
        foreach (var (id, account) in _accounts)
        {
            lock (account.Gate)
            {
                if (account.TryRetire(before)) _accounts.TryRemove(id, out _);
            }
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static bool HasNone(Terms terms) => ReferenceEquals(terms, Terms.None)
        || terms is { RequestsPerMinute: null, TokensPerMinute: null, Parallel: null, SpendDay: null, SpendMonth: null, SpendTotal: null };

    private static Stop? Longer(Stop? a, Stop? b) => a is null || b?.Wait > a?.Wait ? b : a;
}
