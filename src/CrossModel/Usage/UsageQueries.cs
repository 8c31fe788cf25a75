using System.Data.Common;
using CrossModel.Storage;

namespace CrossModel.Usage;

/// <summary>A request as it stands on the books.</summary>
/// <param name="Cost">Nano-dollars that left the balance.</param>
/// <param name="Seq">Its ledger entry's.</param>
/// <param name="BalanceAfter">Nano-dollars.</param>
/// <param name="EntryHash">Hex.</param>
internal sealed record StoredRequest(RequestRecord Record, long Cost, long Seq, long BalanceAfter, string EntryHash)
{
    public long Uncovered => Record.Price - Cost;
}

/// <summary>What happened, asked of the books.</summary>
internal sealed class UsageQueries(Database database)
{
    private const string Columns = "r.detail, r.cost, r.seq, e.balance, e.hash";
    private const string Records = "SELECT " + Columns + " FROM request_record r JOIN ledger_entry e ON e.place = r.place AND e.account_id = r.account_id AND e.seq = r.seq ";

    /// <summary>Entries with their requests; those of entries of another kind, or taken out, are null.</summary>
    internal static readonly string RequestsBack =
        LedgerChain.Statement(Columns + ", e.place", "LEFT JOIN request_record r ON r.id = e.reference AND e.kind IN ('charge', 'waived')");

    /// <summary>An account's requests, the last settled first.</summary>
    /// <param name="since">Unix milliseconds; null: all there are.</param>
    /// <param name="limit">Null: no limit.</param>
    public Task<List<StoredRequest>> ListAsync(string accountId, long? since, long? limit) =>
        database.ReadAsync(async session =>
        {
            var found = new List<StoredRequest>();
            var entries = LedgerChain.ReadAsync(session, accountId, RequestsBack,
                row => (Request: row.IsDBNull(0) ? null : Map(row), Place: row.GetInt64(5)));
            await foreach (var (request, place) in entries)
            {
                if (found.Count >= limit || place < since - RequestIds.Slack) break;
                if (request is not null && (since is null || request.Record.Created >= since)) found.Add(request);
            }
            return found;
        });

    /// <summary>One of the account's requests; null: it has none of that id, or it was refused.</summary>
    public Task<StoredRequest?> FindAsync(string accountId, string id, CancellationToken ct = default) =>
        database.ReadAsync(session => session.FirstAsync(Records + "WHERE r.account_id = @account AND r.id = @id", Map, ("@account", accountId), ("@id", id)), ct);

    /// <summary>A request of whatever account: for the operator.</summary>
    public Task<StoredRequest?> FindAsync(string id, CancellationToken ct = default) =>
        database.ReadAsync(session => session.FirstAsync(Records + "WHERE r.id = @id", Map, ("@id", id)), ct);

    /// <summary>All requests of a time, in no order, as they come: for reports.</summary>
    /// <param name="since">Unix milliseconds, inclusive.</param>
    /// <param name="until">Unix milliseconds, exclusive.</param>
    public static IAsyncEnumerable<StoredRequest> StreamAsync(Session session, long since, long until) =>
        session.StreamAsync(Records + "WHERE r.id >= @first AND r.created >= @since AND r.created < @until", Map,
            ("@first", RequestIds.FirstSince(since)), ("@since", since), ("@until", until));

    private static StoredRequest Map(DbDataReader row) =>
        new(RecordText.Read(row.GetString(0)), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetString(4));
}
