namespace CrossModel.Limits;

/// <summary>An admitted call's place within the limits: what it holds until its true numbers are known, and its parallel seat until it is disposed.</summary>
internal sealed class Seat : IDisposable
{
    private readonly LimitGate? _gate;
    private readonly AccountTally? _account;
    private readonly Tally? _key;
    private readonly Taken _ofKey;
    private readonly Taken _ofAccount;
    private int _corrected;
    private int _left;

    /// <summary>The seat of every call whose key and account have no limits.</summary>
    public static Seat None { get; } = new();

    private Seat()
    {
    }

    public Seat(LimitGate gate, AccountTally account, Tally key, Taken ofKey, Taken ofAccount) =>
        (_gate, _account, _key, _ofKey, _ofAccount) = (gate, account, key, ofKey, ofAccount);

    /// <summary>The true numbers, once; later calls do nothing.</summary>
    /// <param name="tokens">Prompt and completion tokens of the reply; 0 when it was waived.</param>
    /// <param name="cost">Nano-dollars that left the balance.</param>
    public void Correct(long tokens, long cost)
    {
        if (_account is null || Interlocked.Exchange(ref _corrected, 1) != 0) return;
        var now = _gate!.Now;
        lock (_account.Gate)
        {
            _key!.Correct(_ofKey, tokens, cost, now);
            _account.Own.Correct(_ofAccount, tokens, cost, now);
        }
    }

    /// <summary>Frees the parallel seat. A call that was never corrected is waived: it counts as a request only.</summary>
    public void Dispose()
    {
        if (_account is null || Interlocked.Exchange(ref _left, 1) != 0) return;
        Correct(0, 0);
        lock (_account.Gate)
        {
            _key!.Leave();
            _account.Own.Leave();
        }
    }
}
