using System.Globalization;
using CrossModel.Protocol;
using CrossModel.Storage;

namespace CrossModel.Billing;

/// <summary>Takes out old request records. Their ledger entries stay; a checkpoint entry in each chain says up to where records may be missing.</summary>
internal sealed class Pruning(Database database)
{
    // Small transactions: a server beside it waits for one at most.
    private const int Portion = 2000;

    private static readonly ManyRows Delete = new("DELETE FROM request_record {USING rows} WHERE id = {1}", "t");

    /// <param name="before">Unix milliseconds.</param>
    /// <returns>Records taken out.</returns>
    public async Task<long> RunAsync(long before)
    {
        var end = RequestIds.EndBefore(before);
        var old = await database.ReadAsync(s => s.QueryAsync(
            "SELECT account_id, COUNT(*), MAX(seq) FROM request_record WHERE id < @end AND created < @before GROUP BY account_id",
            row => (Account: row.GetString(0), Count: row.GetInt64(1), Through: row.GetInt64(2)), ("@end", end), ("@before", before)));
        foreach (var (account, count, through) in old)
            await database.WriteAsync(session => CheckpointAsync(session, account, before, count, through));
        // Every checkpoint stands before the first record goes: a record that came later stays, whatever its time says.
        var prunable = old.ToDictionary(o => o.Account, o => o.Through, StringComparer.Ordinal);
        long pruned = 0;
        for (var after = ""; ;)
        {
            var portion = await database.ReadAsync(s => s.QueryAsync(
                "SELECT id, account_id, seq FROM request_record WHERE id > @after AND id < @end AND created < @before ORDER BY id LIMIT @portion",
                row => (Id: row.GetString(0), Account: row.GetString(1), Seq: row.GetInt64(2)),
                ("@after", after), ("@end", end), ("@before", before), ("@portion", Portion)));
            string[] going = [.. portion.Where(r => prunable.TryGetValue(r.Account, out var through) && r.Seq <= through).Select(r => r.Id)];
            await database.WriteAsync(async session => await Delete.ExecuteAsync(session, going, static (id, values) => values.Add(id)));
            pruned += going.Length;
            if (portion.Count < Portion) return pruned;
            after = portion[^1].Id;
        }
    }

    private async Task CheckpointAsync(Session session, string account, long before, long count, long through)
    {
        var posting = await Posting.OpenAsync(database, session, "", [account]);
        posting.Post(posting.Find(account)!, EntryKind.Checkpoint, 0, through.ToString(CultureInfo.InvariantCulture),
            string.Create(CultureInfo.InvariantCulture, $"{Counted.Of(count, "request record")} created before {DateTimeOffset.FromUnixTimeMilliseconds(before):yyyy-MM-dd'T'HH:mm:ss'Z'} {(count == 1 ? "was" : "were")} taken out"));
        await posting.SaveAsync();
    }
}
