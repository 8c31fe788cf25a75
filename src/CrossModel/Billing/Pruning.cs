using System.Globalization;
using CrossModel.Storage;

namespace CrossModel.Billing;

/// <summary>Takes out old request records. Their ledger entries stay; a checkpoint entry in each chain says up to where records may be missing.</summary>
internal sealed class Pruning(Database database)
{
    // Small transactions: a server beside it waits for one at most.
    private const int Portion = 2000;

    /// <param name="before">Unix milliseconds.</param>
    /// <returns>Records taken out.</returns>
    public async Task<long> RunAsync(long before, CancellationToken ct = default)
    {
        var accounts = await database.ReadAsync(s => s.QueryAsync("SELECT id FROM account", row => row.GetString(0)), ct);
        long pruned = 0;
        foreach (var account in accounts)
        {
            if (await database.WriteAsync(session => CheckpointAsync(session, account, before), ct) is not { } through) continue;
            int portion;
            do
            {
                portion = await database.WriteAsync(session => session.ExecuteAsync(
                    "DELETE FROM request_record WHERE account_id = @account AND id IN (SELECT id FROM request_record WHERE account_id = @account "
                    + "AND created < @before AND seq <= @through LIMIT @portion)",
                    ("@account", account), ("@before", before), ("@through", through), ("@portion", Portion)), ct);
                pruned += portion;
            }
            while (portion == Portion);
        }
        return pruned;
    }

    /// <summary>The seq up to which records may go; null: there are none to take out.</summary>
    private async Task<long?> CheckpointAsync(Session session, string account, long before)
    {
        var (count, through) = await session.FirstAsync(
            "SELECT COUNT(*), COALESCE(MAX(seq), 0) FROM request_record WHERE account_id = @account AND created < @before",
            row => (row.GetInt64(0), row.GetInt64(1)), ("@account", account), ("@before", before));
        if (count == 0) return null;
        var posting = await Posting.OpenAsync(database, session, "", [account]);
        posting.Post(posting.Find(account)!, EntryKind.Checkpoint, 0, through.ToString(CultureInfo.InvariantCulture),
            string.Create(CultureInfo.InvariantCulture, $"{count} request records created before {DateTimeOffset.FromUnixTimeMilliseconds(before):yyyy-MM-dd'T'HH:mm:ss'Z'} were taken out"));
        await posting.SaveAsync();
        return through;
    }
}
