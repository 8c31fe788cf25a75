using System.Globalization;
using CrossModel.Accounts;
using CrossModel.Storage;
using CrossModel.Usage;

namespace CrossModel.Billing;

/// <summary>One row of the margin report. Amounts in nano-dollars.</summary>
/// <param name="Route">upstream/model that answered last; empty when no attempt was made.</param>
/// <param name="Day">Days since 1970, UTC.</param>
/// <param name="Cost">What the operator pays, where it is known.</param>
/// <param name="UnknownCost">Requests whose route states no cost: the margin is too high by theirs.</param>
internal sealed record MarginRow(string Model, string Route, string Account, long Day, long Requests, long Income, long Cost, long Uncovered, long UnknownCost)
{
    public long Margin => Income - Cost;

    /// <summary><c>2026-12-01</c>.</summary>
    public string DayText => DateTime.UnixEpoch.AddDays(Day).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}

/// <summary>Income, cost and margin by model, route, account and day.</summary>
internal static class MarginReport
{
    /// <param name="since">Unix milliseconds, inclusive.</param>
    /// <param name="until">Unix milliseconds, exclusive.</param>
    public static Task<List<MarginRow>> ReadAsync(Database database, long since, long until) => database.SnapshotAsync(async session =>
    {
        var names = (await session.QueryAsync("SELECT id, name FROM account", row => (Id: row.GetString(0), Name: row.GetString(1)))).ToDictionary(a => a.Id, a => a.Name);
        // What a correction took is less than nothing given back.
        var givenBack = (await session.QueryAsync("SELECT account_id, reference, CAST(SUM(amount) AS BIGINT) FROM ledger_entry WHERE kind IN ('refund', 'correction') GROUP BY account_id, reference",
            row => (Account: row.GetString(0), Request: row.GetString(1), Sum: row.GetInt64(2)))).ToDictionary(r => (r.Account, r.Request), r => r.Sum);
        var rows = new Dictionary<(string, string, string, long), MarginRow>();
        await foreach (var request in UsageQueries.StreamAsync(session, since, until))
        {
            var record = request.Record;
            var route = record.Attempts.Count == 0 ? "" : $"{record.Attempts[^1].Upstream}/{record.Attempts[^1].UpstreamModel}";
            var key = (record.Model, route, record.AccountId, SpendStore.DayOf(record.Created));
            var row = rows.GetValueOrDefault(key) ?? new MarginRow(record.Model, route, names[record.AccountId], key.Item4, 0, 0, 0, 0, 0);
            rows[key] = row with
            {
                Requests = row.Requests + 1,
                Income = row.Income + request.Cost - givenBack.GetValueOrDefault((record.AccountId, record.Id)),
                Cost = row.Cost + (record.OperatorCost ?? 0),
                Uncovered = row.Uncovered + request.Uncovered,
                UnknownCost = row.UnknownCost + (record.OperatorCostIsPartial || (record.OperatorCost is null && record.Basis != Basis.Waived) ? 1 : 0),
            };
        }
        return rows.Values.OrderBy(r => r.Day).ThenBy(r => r.Model, StringComparer.Ordinal).ThenBy(r => r.Route, StringComparer.Ordinal).ThenBy(r => r.Account, StringComparer.Ordinal).ToList();
    });
}
