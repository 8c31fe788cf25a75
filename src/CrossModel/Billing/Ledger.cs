using CrossModel.Storage;
using CrossModel.Usage;

namespace CrossModel.Billing;

internal enum CreditOutcome
{
    Added,
    /// <summary>The same reference, account and amount is on the books already: nothing was added.</summary>
    AlreadyThere,
    /// <summary>The reference belongs to another account or amount: nothing was added.</summary>
    ReferenceTaken,
    NoSuchAccount,
}

/// <param name="Balance">Nano-dollars, after.</param>
internal readonly record struct CreditAnswer(CreditOutcome Outcome, long Balance);

/// <summary>Movements of money that no call makes: credits, corrections. Any process may make them beside a running server.</summary>
internal sealed class Ledger(Database database)
{
    internal static readonly string EntriesBack = LedgerChain.Statement("e.seq, e.kind, e.reference");

    /// <summary>An account's entries, the last one first.</summary>
    public static IAsyncEnumerable<(long Seq, string Kind, string Reference)> EntriesBackAsync(Session session, string accountId) =>
        LedgerChain.ReadAsync(session, accountId, EntriesBack, row => (row.GetInt64(0), row.GetString(1), row.GetString(2)));

    /// <summary>Adds credit to an account, in a transaction of its own.</summary>
    /// <param name="amount">Nano-dollars, above 0.</param>
    /// <param name="reference">Credits once in the whole database; null: every call credits.</param>
    public Task<CreditAnswer> CreditAsync(string accountId, long amount, string? reference, string? note, CancellationToken ct = default) =>
        WithReferenceAsync(reference, session => CreditAsync(session, accountId, amount, reference, note), ct);

    /// <summary>Adds credit inside the caller's transaction, for an account that is made with a balance. A reference that another process takes at the same moment is a unique violation.</summary>
    public async Task<CreditAnswer> CreditAsync(Session session, string accountId, long amount, string? reference, string? note)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(amount);
        if (reference is not null)
        {
            var there = await session.FirstAsync("SELECT account_id, amount FROM credit_reference WHERE reference = @reference",
                row => ((string Account, long Amount)?)(row.GetString(0), row.GetInt64(1)), ("@reference", reference));
            if (there is { } taken)
            {
                var now = await AccountMoney.ReadAsync(session, database.Now, accountId);
                return new CreditAnswer(taken == (accountId, amount) ? CreditOutcome.AlreadyThere : CreditOutcome.ReferenceTaken, now?.Balance ?? 0);
            }
        }
        var posting = await Posting.OpenAsync(database, session, "", [accountId]);
        if (posting.Find(accountId) is not { } row) return new CreditAnswer(CreditOutcome.NoSuchAccount, 0);
        var entry = posting.Post(row, EntryKind.Credit, amount, reference ?? "", note ?? "");
        await posting.SaveAsync();
        if (reference is not null)
            await session.ExecuteAsync("INSERT INTO credit_reference (reference, account_id, amount, seq) VALUES (@reference, @account, @amount, @seq)",
                ("@reference", reference), ("@account", accountId), ("@amount", amount), ("@seq", entry.Seq));
        return new CreditAnswer(CreditOutcome.Added, row.Balance);
    }

    /// <summary>
    /// Mends a mistake. What is taken (negative) is at most what nobody holds: the entry says how much it was. Answers the amount moved; null: there
    /// is no such account, or it was not to be.
    /// </summary>
    /// <param name="unless">Asked while the account is locked: true, and nothing is written.</param>
    public Task<long?> CorrectAsync(string accountId, long amount, string reference, string note, Func<Session, Task<bool>>? unless = null) =>
        database.WriteAsync(async session =>
        {
            var posting = await Posting.OpenAsync(database, session, "", [accountId]);
            if (posting.Find(accountId) is not { } row || (unless is not null && await unless(session))) return (long?)null;
            var moved = Math.Max(amount, -Math.Max(0, Math.Min(row.Free, row.Balance + row.CreditLimit)));
            if (moved != 0) posting.Post(row, EntryKind.Correction, moved, reference, note);
            await posting.SaveAsync();
            return moved;
        });

    private async Task<CreditAnswer> WithReferenceAsync(string? reference, Func<Session, Task<CreditAnswer>> credit, CancellationToken ct)
    {
        try
        {
            return await database.WriteAsync(credit, ct);
        }
        catch (Exception e) when (reference is not null && database.IsUniqueViolation(e))
        {
            // Somebody else was a moment faster with the same reference: now it can be seen and compared.
            return await database.WriteAsync(credit, ct);
        }
    }
}
