namespace CrossModel.Limits;

/// <summary>The tallies of an account and of its keys behind one lock. A key belongs to one account, so a call takes one lock and waits for no other account.</summary>
internal sealed class AccountTally
{
    private readonly Dictionary<string, Tally> _keys = [];

    public Lock Gate { get; } = new();

    public Tally Own { get; } = new(Scope.Account);

    /// <summary>Forgotten by the sweep: whoever still has it looks the account up again.</summary>
    public bool IsRetired { get; private set; }

    public Tally Key(string id)
    {
        if (!_keys.TryGetValue(id, out var tally)) _keys[id] = tally = new Tally(Scope.Key);
        return tally;
    }

    public Tally? FindKey(string id) => _keys.GetValueOrDefault(id);

    /// <summary>Forgets keys unused since <paramref name="before"/>, then the whole if nothing is left. What was spent is on the books.</summary>
    public bool TryRetire(long before)
    {
        foreach (var (id, tally) in _keys)
            if (IsIdle(tally, before)) _keys.Remove(id);
        return IsRetired = _keys.Count == 0 && IsIdle(Own, before);
    }

    private static bool IsIdle(Tally tally, long before) => tally.Parallel == 0 && tally.LastUsed < before;
}
