using System.Data.Common;
using CrossModel.Storage;

namespace CrossModel.Usage;

/// <summary>
/// An account's ledger entries, the last one first. The table holds the entries of all accounts in the order in which they came, so that a commit writes
/// its end and nothing else; the account names the place of its last entry, and each entry that of the one before it.
/// </summary>
internal static class LedgerChain
{
    // Read in portions, so that whoever wants the newest few does not walk the whole chain.
    private const int Portion = 128;

    /// <summary>Reads a portion of a chain, for <see cref="ReadAsync"/>.</summary>
    /// <param name="columns">What is read of the entry <c>e</c> and what is joined to it.</param>
    /// <param name="join">A LEFT JOIN, or empty: every entry must come, since it names the next.</param>
    // CROSS JOIN tells SQLite to go from the chain to the entries; left to choose, it reads the whole ledger once a portion.
    public static string Statement(string columns, string join = "") => $"""
        WITH RECURSIVE chain (place, seq, previous, step) AS (
          SELECT place, seq, previous, 1 FROM ledger_entry WHERE place = @place AND account_id = @account AND seq = @seq
          UNION ALL
          SELECT e.place, e.seq, e.previous, c.step + 1 FROM chain c CROSS JOIN ledger_entry e
            WHERE e.place = c.previous AND e.account_id = @account AND e.seq = c.seq - 1 AND c.step < @portion)
        SELECT {columns}, e.previous FROM chain c CROSS JOIN ledger_entry e {join}
          WHERE e.place = c.place AND e.account_id = @account AND e.seq = c.seq ORDER BY c.seq DESC
        """;

    /// <summary>Throws <see cref="DatabaseException"/> where the chain breaks off.</summary>
    /// <param name="statement">From <see cref="Statement"/>.</param>
    public static async IAsyncEnumerable<T> ReadAsync<T>(Session session, string accountId, string statement, Func<DbDataReader, T> map)
    {
        var (place, seq) = await session.FirstAsync("SELECT ledger_place, ledger_seq FROM account WHERE id = @account",
            row => (row.GetInt64(0), row.GetInt64(1)), ("@account", accountId));
        while (seq > 0)
        {
            var portion = await session.QueryAsync(statement, row => (Value: map(row), Previous: row.GetInt64(row.FieldCount - 1)),
                ("@place", place), ("@account", accountId), ("@seq", seq), ("@portion", Portion));
            foreach (var (value, _) in portion) yield return value;
            seq -= portion.Count;
            if (seq > 0 && portion.Count < Portion)
                throw new DatabaseException($"The account's ledger breaks off before entry {seq + 1}. Run crossmodel ledger verify: it says what was changed.");
            if (seq > 0) place = portion[^1].Previous;
        }
    }
}
