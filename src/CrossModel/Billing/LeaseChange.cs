namespace CrossModel.Billing;

/// <summary>A purse's wish to lease more or to give back.</summary>
/// <param name="returnsAll">Keep nothing idle.</param>
internal sealed class LeaseChange(Purse purse, bool returnsAll) : BookItem
{
    private AccountRow? _row;

    public override string AccountId => purse.AccountId;
    public override bool OutlivesOutage => false;

    public bool ReturnsAll => returnsAll;
    public bool Planned { get; set; }
    /// <summary>Set aside in the purse until the commit.</summary>
    public long Returning { get; set; }
    /// <summary>Those for whom there was not enough.</summary>
    public HashSet<Purse.Waiter> Refused { get; } = [];

    public override void Apply(Posting posting, AccountRow row)
    {
        _row = row;
        row.Purse = purse;
        row.Change = this;
        purse.Plan(this, row);
    }

    public override void Committed() => _row!.TellPurse();

    public override void Failed(bool away) => purse.Failed(this, away);
}
