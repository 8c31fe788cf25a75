namespace CrossModel.Limits;

/// <summary>The tallies of an account and of its keys behind one lock. A key belongs to one account, so a call takes one lock and waits for no other account.</summary>
internal sealed class AccountTally(string id, bool shared)
{
    private readonly Dictionary<string, Tally> _keys = [];

    public Lock Gate { get; } = new();

    public Tally Own { get; } = new(id, null, NewShare(shared));

    /// <summary>Forgotten by the sweep: whoever still has it looks the account up again.</summary>
    public bool IsRetired { get; private set; }

    /// <param name="line">All keys that were rotated from one another count as one.</param>
    public Tally Key(string line)
    {
        if (!_keys.TryGetValue(line, out var tally)) _keys[line] = tally = new Tally(id, line, NewShare(shared));
        return tally;
    }

    /// <summary>All tallies, the account's own first.</summary>
    public IEnumerable<Tally> All => _keys.Values.Prepend(Own);

    /// <summary>Forgets keys unused since <paramref name="before"/>, then the whole if nothing is left. What was spent is on the books.</summary>
    public bool TryRetire(long before)
    {
        foreach (var (line, tally) in _keys)
            if (IsIdle(tally, before)) _keys.Remove(line);
        return IsRetired = _keys.Count == 0 && IsIdle(Own, before);
    }

    private static bool IsIdle(Tally tally, long before) =>
        tally is { Parallel: 0, Loading: null, Share: null or { IsLeased: false } } && tally.LastUsed < before;

    private static Share? NewShare(bool shared) => shared ? new Share() : null;
}
