using CrossModel.Accounts;

namespace CrossModel.Billing;

/// <summary>An account's money inside one transaction: read under a lock, changed in memory, written back at the end.</summary>
internal sealed class AccountRow
{
    public required string Id { get; init; }
    public required long Balance { get; set; }
    /// <summary>What all nodes hold of it.</summary>
    public required long Leased { get; set; }
    public required long CreditLimit { get; init; }
    public required long Seq { get; set; }
    public required string Head { get; set; }
    /// <summary>The place of its last ledger entry.</summary>
    public required long Place { get; set; }
    public required AccountSpend Spent { get; set; }

    /// <summary>What this node holds of it.</summary>
    public long Lease { get; private set; }
    public bool LeaseChanged { get; private set; }

    /// <summary>Nobody's: may be leased or spent. Negative when the credit limit was lowered below what is out.</summary>
    public long Free => Balance + CreditLimit - Leased;

    /// <summary>The purse that learns of the commit; null: none is concerned.</summary>
    public Purse? Purse { get; set; }
    /// <summary>Sum of the holds that end with the commit.</summary>
    public long HoldsEnded { get; set; }
    public LeaseChange? Change { get; set; }

    /// <summary>After the commit, once: the purse hears of all that happened to it together, so that it never shows money twice.</summary>
    public void TellPurse()
    {
        var purse = Purse;
        Purse = null;
        purse?.Committed(this);
    }

    public void SetLease(long amount) => Lease = amount;

    /// <summary>Moves free money into this node's lease, or back (negative).</summary>
    public void MoveLease(long amount)
    {
        if (amount == 0) return;
        Lease += amount;
        Leased += amount;
        LeaseChanged = true;
    }
}
