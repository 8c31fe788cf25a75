using CrossModel.Storage;

namespace CrossModel.Usage;

/// <summary>A request record's row.</summary>
/// <param name="Seq">The ledger entry that has its hash.</param>
/// <param name="Cost">Nano-dollars that left the balance; the record's Price less this is uncovered.</param>
/// <param name="Detail">JSON, see <see cref="RecordText"/>.</param>
internal sealed record RecordRow(string AccountId, string Id, long Created, long Seq, long Cost, string Detail);

/// <summary>Writes request records, inside the settlement's transaction.</summary>
internal static class RecordStore
{
    private static readonly ManyRows Insert = new("INSERT INTO request_record (account_id, id, created, seq, cost, detail) VALUES", 6);

    private static readonly ManyRows Select = new("SELECT id, seq, cost FROM request_record WHERE (account_id, id) IN (VALUES", 2, ")");

    public static Task InsertAsync(Session session, int mostRows, IReadOnlyList<RecordRow> rows) =>
        Insert.ExecuteAsync(session, mostRows, rows, static (r, v) => (v[0], v[1], v[2], v[3], v[4], v[5]) = (r.AccountId, r.Id, r.Created, r.Seq, r.Cost, r.Detail));

    /// <summary>Which of these are written already.</summary>
    public static async Task<Dictionary<string, (long Seq, long Cost)>> FindAsync(Session session, int mostRows, IReadOnlyList<(string AccountId, string Id)> ids)
    {
        var found = await Select.QueryAsync(session, mostRows, ids, static (id, v) => (v[0], v[1]) = (id.AccountId, id.Id),
            static row => (Id: row.GetString(0), Seq: row.GetInt64(1), Cost: row.GetInt64(2)));
        return found.ToDictionary(r => r.Id, r => (r.Seq, r.Cost), StringComparer.Ordinal);
    }
}
