using CrossModel.Accounts;

namespace CrossModel.Limits;

/// <summary>
/// The tallies of an account, of its keys and of the models that are limited for each account, behind one lock. A call has one key and one account, so it
/// takes one lock and waits for no other account.
/// </summary>
/// <param name="clock">Ticks of a clock that never jumps.</param>
internal sealed class AccountTally(string id, bool shared, Func<long> clock)
{
    private readonly Dictionary<string, Tally> _keys = [];
    private Dictionary<string, Tally>? _models;

    public Lock Gate { get; } = new();

    public Tally Own { get; } = new(new Subject(Scope.Account, id, ""), NewShare(shared));

    public long Now => clock();

    /// <summary>Forgotten by the sweep: whoever still has it looks the account up again.</summary>
    public bool IsRetired { get; private set; }

    public Tally Key(string line) => Find(_keys, Scope.Key, line);

    public Tally Model(string model) => Find(_models ??= [], Scope.Model, model);

    private Tally Find(Dictionary<string, Tally> tallies, Scope scope, string name)
    {
        if (!tallies.TryGetValue(name, out var tally)) tallies[name] = tally = new Tally(new Subject(scope, id, name), NewShare(shared));
        return tally;
    }

    /// <summary>All tallies, the account's own first.</summary>
    public IEnumerable<Tally> All => _keys.Values.Prepend(Own).Concat(_models?.Values ?? Enumerable.Empty<Tally>());

    /// <summary>Judges a call in memory, and counts it where all limits have room. A seat that moves to another model is judged by that model's limits alone.</summary>
    /// <param name="day">Days since 1970-01-01, UTC.</param>
    public Turn Judge(in Arrival call, long day)
    {
        var (key, now) = (Key(call.Caller.Key.Line), Now);
        var model = call.Model is null ? null : Model(call.Model.Id);
        key.NoteCall(call.TermsOf(key), now);
        Own.NoteCall(call.TermsOf(Own), now);
        model?.NoteCall(call.TermsOf(model), now);
        Stop? stop = null;
        if (call.Moving is null)
        {
            if (key.NeedsBooks(call.TermsOf(key), day)) return new Turn(default, this, key, NeedsBooks: true);
            if (Own.NeedsBooks(call.TermsOf(Own), day)) return new Turn(default, this, Own, NeedsBooks: true);
            stop = Stop.Longer(key.JudgeRate(call.TermsOf(key), call.Tokens, now), Own.JudgeRate(call.TermsOf(Own), call.Tokens, now));
        }
        if (model is not null && model.NeedsBooks(call.TermsOf(model), day)) return new Turn(default, this, model, NeedsBooks: true);
        stop = Stop.Longer(stop, model?.JudgeRate(call.TermsOf(model), call.Tokens, now));
        if (call.Moving is null) stop ??= key.JudgeSpend(call.TermsOf(key), call.Cost, now) ?? Own.JudgeSpend(call.TermsOf(Own), call.Cost, now);
        stop ??= model?.JudgeSpend(call.TermsOf(model), call.Cost, now);
        if (stop is { } reached)
        {
            var stopped = reached.Subject.Scope switch { Scope.Key => key, Scope.Account => Own, _ => model! };
            var mayGrow = stopped.MayGrow(call.TermsOf(stopped), call.Tokens, call.Cost, now);
            if (stopped.Share is { } share && share.IsDenied(call.Tokens, call.Cost, now)) reached = share.DeniedBy ?? reached;
            return new Turn(new(reached.ToError(), null, reached.Subject.Scope == Scope.Model), this, mayGrow ? stopped : null, NeedsBooks: false);
        }
        var seat = call.Moving ?? new Seat(this, key, key.Take(call.TermsOf(key), call.Tokens, call.Cost, now), Own.Take(call.TermsOf(Own), call.Tokens, call.Cost, now));
        if (model is not null) seat.Enter(model, model.Take(call.TermsOf(model), call.Tokens, call.Cost, now));
        return new Turn(new(null, seat), this, null, NeedsBooks: false);
    }

    /// <summary>Forgets keys and models unused since <paramref name="before"/>, then the whole if nothing is left. What was spent is on the books.</summary>
    public bool TryRetire(long before)
    {
        Forget(_keys, before);
        if (_models is not null) Forget(_models, before);
        return IsRetired = _keys.Count == 0 && _models is null or { Count: 0 } && IsIdle(Own, before);
    }

    private static void Forget(Dictionary<string, Tally> tallies, long before)
    {
        foreach (var (name, tally) in tallies)
            if (IsIdle(tally, before)) tallies.Remove(name);
    }

    private static bool IsIdle(Tally tally, long before) =>
        tally is { Parallel: 0, Loading: null, Share: null or { IsLeased: false } } && tally.LastUsed < before;

    private static Share? NewShare(bool shared) => shared ? new Share() : null;
}

/// <summary>A call at the gate, or one that goes on to another model.</summary>
/// <param name="Model">Null: its model has no limits.</param>
/// <param name="Tokens">The hold: prompt estimate and output cap.</param>
/// <param name="Cost">The hold in nano-dollars.</param>
/// <param name="Moving">Its seat, if it has one already.</param>
internal readonly record struct Arrival(Caller Caller, ModelTerms? Model, long Tokens, long Cost, Seat? Moving)
{
    public Terms TermsOf(Tally tally) => tally.Subject.Scope switch
    {
        Scope.Key => Caller.Key.Terms,
        Scope.Account => Caller.Account.Terms,
        _ => Model!.Terms,
    };
}

/// <summary>One judgement. With a tally, the database may still change it: its books are to be read, or its share to grow.</summary>
internal readonly record struct Turn(AdmitAnswer Answer, AccountTally Account, Tally? Tally, bool NeedsBooks);
