using System.Collections.Concurrent;
using CrossModel.Accounts;
using CrossModel.Protocol;
using CrossModel.Storage;

namespace CrossModel.Limits;

/// <summary>The answer to a call at the gate: either it is refused or it has a seat.</summary>
/// <param name="IsOfModel">Refused by its model's limits alone: on another model it may fit.</param>
internal readonly record struct AdmitAnswer(ApiError? Refusal, Seat? Seat, bool IsOfModel = false);

/// <summary>
/// May they? Requests and tokens per minute, parallel calls and spend, of the key, of its account and of the account on the model. A call passes all
/// limits or takes nothing of any. In memory: the database is asked at the first sight of one whose spend is limited, and, where nodes share it, for more of a limit.
/// </summary>
internal sealed class LimitGate : IAsyncDisposable
{
    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);
    // Longer than any window that only memory knows; what was spent is read from the books again.
    private static readonly long IdleTicks = TimeSpan.FromMinutes(5).Ticks;

    private readonly ConcurrentDictionary<string, AccountTally> _accounts = new();
    private readonly Func<string, AccountTally> _newAccount;
    private readonly Database _database;
    private readonly ILogger _log;
    private readonly Shares? _shares;
    private readonly long _started;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _upkeep;

    /// <param name="shared">Other nodes may use this database: limits are then dealt out among them.</param>
    public LimitGate(Database database, bool shared, ILogger log)
    {
        (_database, _log) = (database, log);
        _started = database.Time.GetTimestamp();
        _shares = shared ? new Shares(database, Ids.New("node", database.Time), () => Now) : null;
        _newAccount = id => new AccountTally(id, shared, () => Now);
        _upkeep = KeepUpAsync();
    }

    /// <summary>Ticks of a clock that never jumps.</summary>
    public long Now => _database.Time.GetElapsedTime(_started).Ticks;

    /// <summary>Accounts in memory.</summary>
    public int Count => _accounts.Count;

    /// <param name="model">Null: the model has no limits.</param>
    /// <param name="tokens">The hold: prompt estimate and output cap.</param>
    /// <param name="cost">The hold in nano-dollars.</param>
    public ValueTask<AdmitAnswer> AdmitAsync(Caller caller, ModelTerms? model, long tokens, long cost, CancellationToken ct = default) =>
        model is null && caller.Key.Terms.IsNone && caller.Account.Terms.IsNone
            ? new(new AdmitAnswer(null, Seat.None))
            : JudgeAsync(new Arrival(caller, model, tokens, cost, null), ct);

    /// <summary>The call goes on to a model, perhaps another than its seat counts for: what it took of that one's limits it gives back, but for the
    /// request. Refused, the seat stays as it was.</summary>
    public ValueTask<AdmitAnswer> MoveAsync(Seat seat, Caller caller, ModelTerms? model, long tokens, long cost, CancellationToken ct = default)
    {
        if (seat.Model == model?.Id) return new(new AdmitAnswer(null, seat));
        if (seat == Seat.None) return AdmitAsync(caller, model, tokens, cost, ct);
        if (model is not null) return JudgeAsync(new Arrival(caller, model, tokens, cost, seat), ct);
        seat.LeaveModel();
        return new(new AdmitAnswer(null, seat));
    }

    private ValueTask<AdmitAnswer> JudgeAsync(in Arrival call, CancellationToken ct)
    {
        var turn = Judge(call);
        return turn.Tally is null ? new(turn.Answer) : AskAsync(call, turn, ct);
    }

    /// <summary>Judges once, in memory.</summary>
    private Turn Judge(in Arrival call)
    {
        var day = SpendStore.DayOf(_database.Now);
        while (true)
        {
            var account = _accounts.GetOrAdd(call.Caller.Account.Id, _newAccount);
            lock (account.Gate)
            {
                if (!account.IsRetired) return account.Judge(call, day);
            }
        }
    }

    /// <summary>As often as the database gives more, judges again.</summary>
    private async ValueTask<AdmitAnswer> AskAsync(Arrival call, Turn turn, CancellationToken ct)
    {
        try
        {
            while (turn.Tally is { } tally)
            {
                if (turn.NeedsBooks) await LoadOnceAsync(turn.Account, tally).WaitAsync(ct);
                else if (!await _shares!.GrowAsync(turn.Account, tally, call, ct)) return Judge(call) is { NeedsBooks: false } last ? last.Answer : turn.Answer;
                turn = Judge(call);
            }
            return turn.Answer;
        }
        catch (Exception e) when (_database.IsAway(e))
        {
            _log.LimitsUnknown(_database.Reason(e));
            return new(ApiErrors.ModelUnavailable("The gateway cannot look up this key's limits right now. Retry shortly."), null);
        }
    }

    private Task LoadOnceAsync(AccountTally account, Tally tally)
    {
        lock (account.Gate)
        {
            return tally.Loading ??= LoadAsync(account, tally);
        }
    }

    private async Task LoadAsync(AccountTally account, Tally tally)
    {
        await Task.Yield(); // The caller has the account's lock, and notes this task before it may end.
        var deal = tally.Share?.Deal;
        if (deal is not null) await deal.WaitAsync();
        try
        {
            await tally.LoadSpentAsync(_database, account);
        }
        finally
        {
            lock (account.Gate) tally.Loading = null;
            deal?.Release();
        }
    }

    /// <summary>Writes <c>x-ratelimit-{limit,remaining,reset}-{requests,tokens}</c>: of key, account and model the tightest. Nothing where there is no limit.</summary>
    /// <param name="tokens">The call's hold: reset says when a call like it would be admitted again.</param>
    public void WriteHeaders(Caller caller, ModelTerms? model, IHeaderDictionary headers, long tokens = 1)
    {
        if (!HasMinutes(caller.Key.Terms) && !HasMinutes(caller.Account.Terms) && !HasMinutes(model?.Terms)) return;
        RateLeft? requests = null, left = null;
        var account = _accounts.GetOrAdd(caller.Account.Id, _newAccount);
        lock (account.Gate)
        {
            var now = Now;
            Look(account.Key(caller.Key.Line), caller.Key.Terms);
            Look(account.Own, caller.Account.Terms);
            if (HasMinutes(model?.Terms)) Look(account.Model(model!.Id), model.Terms);

            void Look(Tally tally, Terms terms)
            {
                if (terms.RequestsPerMinute is { } most) requests = RateLeft.Tighter(requests, tally.RequestsLeft(most, now));
                if (terms.TokensPerMinute is { } mostTokens) left = RateLeft.Tighter(left, tally.TokensLeft(mostTokens, tokens, now));
            }
        }
        requests?.Write(headers, "requests");
        left?.Write(headers, "tokens");
    }

    private static bool HasMinutes(Terms? terms) => terms is not (null or { RequestsPerMinute: null, TokensPerMinute: null });

    private async Task KeepUpAsync()
    {
        var (swept, fails) = (0L, false);
        using var timer = new PeriodicTimer(_shares is null ? SweepEvery : Shares.Tick, _database.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                try
                {
                    if (_shares is not null) await _shares.TickAsync(_stopping.Token);
                    if (Now - swept >= SweepEvery.Ticks)
                    {
                        swept = Now;
                        await SweepAsync();
                        if (_shares is not null) await _shares.SweepAsync(_stopping.Token);
                    }
                    fails = false;
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // Leases that cannot be renewed run out by themselves; the next tick tries again. Said once, until one works: they come four times a second.
                    if (!fails) _log.UpkeepFailed(_database.Reason(e));
                    fails = true;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    /// <summary>Forgets accounts, keys and models that have been idle for five minutes; reads the books again for those whose spend is limited.</summary>
    private async Task SweepAsync()
    {
        var (before, stale) = (Now - IdleTicks, Now - SweepEvery.Ticks);
        foreach (var (id, account) in _accounts)
        {
            List<Tally>? outdated = null;
            lock (account.Gate)
            {
                if (account.TryRetire(before)) _accounts.TryRemove(id, out _);
                else foreach (var tally in account.All)
                    if (tally.Spend is { Day: >= 0 } spend && spend.LoadedAt <= stale && tally.LastUsed > stale) (outdated ??= []).Add(tally);
            }
            foreach (var tally in outdated ?? []) await LoadOnceAsync(account, tally);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _upkeep;
        _stopping.Dispose();
        try
        {
            if (_shares is not null) await _shares.ReleaseAsync();
        }
        catch (Exception e) when (_database.IsAway(e))
        {
            _log.UpkeepFailed(_database.Reason(e));
        }
    }
}

internal static partial class Log
{
    [LoggerMessage(EventId = 3001, Level = LogLevel.Warning, Message = "A call was refused: the database is away and its limits are not known ({Reason})")]
    public static partial void LimitsUnknown(this ILogger log, string reason);

    [LoggerMessage(EventId = 3002, Level = LogLevel.Warning, Message = "Upkeep of limits failed and will be tried again ({Reason})")]
    public static partial void UpkeepFailed(this ILogger log, string reason);
}
