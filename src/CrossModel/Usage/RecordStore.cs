using CrossModel.Storage;

namespace CrossModel.Usage;

/// <summary>A request record's row.</summary>
/// <param name="Place">Where the ledger entry that has its hash lies.</param>
/// <param name="Seq">That entry's.</param>
/// <param name="Cost">Nano-dollars that left the balance; the record's Price less this is uncovered.</param>
/// <param name="Detail">JSON in UTF-8, see <see cref="RecordText"/>.</param>
internal sealed record RecordRow(string AccountId, string Id, long Created, long Place, long Seq, long Cost, byte[] Detail);

/// <summary>Writes request records, inside the settlement's transaction.</summary>
internal static class RecordStore
{
    private static readonly ManyRows Insert = new("INSERT INTO request_record (id, account_id, created, place, seq, cost, detail) {rows}", "ttnnnnt");

    private static readonly ManyRows Select = new("SELECT id, seq, cost FROM request_record{, rows} WHERE id = {1}", "t");

    public static ValueTask InsertAsync(Session session, IReadOnlyList<RecordRow> rows) => Insert.ExecuteAsync(session, rows, static (r, values) =>
    {
        values.Add(r.Id);
        values.Add(r.AccountId);
        values.Add(r.Created);
        values.Add(r.Place);
        values.Add(r.Seq);
        values.Add(r.Cost);
        values.Add(r.Detail);
    });

    /// <summary>Which of these are written already.</summary>
    public static async Task<Dictionary<string, (long Seq, long Cost)>> FindAsync(Session session, IReadOnlyList<string> ids)
    {
        var found = await Select.QueryAsync(session, ids, static (id, values) => values.Add(id), static row => (Id: row.Text(0), Seq: row.Number(1), Cost: row.Number(2)));
        return found.ToDictionary(r => r.Id, r => (r.Seq, r.Cost), StringComparer.Ordinal);
    }
}
