namespace CrossModel.Billing;

/// <summary>Something that waits for the next commit of <see cref="Books"/>.</summary>
internal abstract class BookItem
{
    public abstract string AccountId { get; }

    /// <summary>True: stays queued while the database is away. False: fails at once.</summary>
    public abstract bool OutlivesOutage { get; }

    /// <summary>Inside the transaction. May run several times for one commit, so it changes nothing but the posting and its own outcome.</summary>
    public abstract void Apply(Posting posting, AccountRow row);

    /// <summary>It is durable. Told in the order of the commits, and what follows is not run yet.</summary>
    public abstract void Committed();

    /// <summary>Behind <see cref="Committed"/>: whoever waits for it goes on, on this thread, which others wait for (docs/decisions/0008).</summary>
    public virtual void Answer() { }

    /// <summary>Its commit has failed, or was never begun.</summary>
    /// <param name="away">The database was away; else the item itself was at fault.</param>
    public abstract void Failed(bool away);
}
