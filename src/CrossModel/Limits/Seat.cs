namespace CrossModel.Limits;

/// <summary>An admitted call's place within the limits: what it holds until its true numbers are known, and its parallel seats until it is disposed.</summary>
internal sealed class Seat : IDisposable
{
    private readonly AccountTally? _account;
    private readonly Tally? _key;
    private readonly Taken _ofKey;
    private readonly Taken _ofAccount;
    private OfModel? _ofModel;
    private int _corrected;
    private int _left;

    /// <summary>The seat of every call whose key, account and model have no limits.</summary>
    public static Seat None { get; } = new();

    private Seat()
    {
    }

    public Seat(AccountTally account, Tally key, Taken ofKey, Taken ofAccount) =>
        (_account, _key, _ofKey, _ofAccount) = (account, key, ofKey, ofAccount);

    /// <summary>The id of the model whose limits it counts for; null: its model has none.</summary>
    public string? Model => _ofModel?.Tally.Subject.Name;

    /// <summary>Under the account's lock: counts for this model from now on, and for the one before as a call that came to nothing.</summary>
    public void Enter(Tally model, in Taken taken)
    {
        CorrectModel(0, 0, _account!.Now);
        _ofModel?.Tally.Leave();
        _ofModel = new OfModel(model, taken);
    }

    /// <summary>The call goes on to a model without limits.</summary>
    public void LeaveModel()
    {
        lock (_account!.Gate)
        {
            CorrectModel(0, 0, _account.Now);
            _ofModel?.Tally.Leave();
            _ofModel = null;
        }
    }

    /// <summary>The true numbers, once; later calls do nothing.</summary>
    /// <param name="tokens">Prompt and completion tokens of the reply; 0 when it was waived.</param>
    /// <param name="cost">Nano-dollars that left the balance.</param>
    public void Correct(long tokens, long cost)
    {
        if (_account is null || Interlocked.Exchange(ref _corrected, 1) != 0) return;
        lock (_account.Gate)
        {
            // Read under the lock: who is counted while it is waited for has a later moment.
            var now = _account.Now;
            _key!.Correct(_ofKey, tokens, cost, now);
            _account.Own.Correct(_ofAccount, tokens, cost, now);
            CorrectModel(tokens, cost, now);
        }
    }

    private void CorrectModel(long tokens, long cost, long now) => _ofModel?.Tally.Correct(_ofModel.Taken, tokens, cost, now);

    /// <summary>Frees the parallel seats. A call that was never corrected is waived: it counts as a request only.</summary>
    public void Dispose()
    {
        if (_account is null || Interlocked.Exchange(ref _left, 1) != 0) return;
        Correct(0, 0);
        lock (_account.Gate)
        {
            _key!.Leave();
            _account.Own.Leave();
            _ofModel?.Tally.Leave();
        }
    }

    private sealed record OfModel(Tally Tally, Taken Taken);
}
