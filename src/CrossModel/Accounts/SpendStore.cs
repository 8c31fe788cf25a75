using CrossModel.Storage;

namespace CrossModel.Accounts;

/// <summary>What accounts and keys have spent, as the settlement keeps it: an account's in its own row, a key's in the table spend, and there too, under a
/// name that no key has, an account's on each model whose spend is limited. A day is the number of days since 1970-01-01, UTC.</summary>
internal static class SpendStore
{
    private const long DayMs = 86_400_000;

    private static readonly ManyRows AddToKeys = new("INSERT INTO spend (account_id, key_id, day, amount) {rows} "
        + "ON CONFLICT (account_id, key_id, day) DO UPDATE SET amount = spend.amount + excluded.amount", "ttnn");

    /// <summary>Adds to keys' day, in the transaction that moves the money. A refund adds a negative amount.</summary>
    public static ValueTask AddToKeysAsync(Session session, long day, IReadOnlyDictionary<(string Account, string Key), long> amounts) =>
        AddToKeys.ExecuteAsync(session, [.. amounts], (spent, values) =>
        {
            values.Add(spent.Key.Account);
            values.Add(spent.Key.Key);
            values.Add(day);
            values.Add(spent.Value);
        });

    /// <param name="line">The key's line (all keys of its rotations count as one); null: the whole account.</param>
    public static async Task<Spent> ReadAsync(Session session, string accountId, string? line, long day)
    {
        if (line is not null) return await SumAsync(session, "key_id IN (SELECT id FROM api_key WHERE account_id = @account AND line = @name)", accountId, line, day);
        var spend = await session.FirstAsync("SELECT spent_on, spent_day, spent_month, spent_total FROM account WHERE id = @account",
            row => new AccountSpend(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3)), ("@account", accountId));
        return spend.At(day);
    }

    /// <summary>Counted since the model's spend is limited.</summary>
    public static Task<Spent> ReadModelAsync(Session session, string accountId, string model, long day) =>
        SumAsync(session, "key_id = @name", accountId, KeyOfModel(model), day);

    /// <summary>Stands in a key's place. Keys are called key_….</summary>
    public static string KeyOfModel(string model) => "model:" + model;

    private static Task<Spent> SumAsync(Session session, string which, string accountId, string name, long day) => session.FirstAsync(
        $"""
        SELECT CAST(COALESCE(SUM(CASE WHEN day >= @day THEN amount ELSE 0 END), 0) AS BIGINT),
               CAST(COALESCE(SUM(CASE WHEN day >= @month THEN amount ELSE 0 END), 0) AS BIGINT),
               CAST(COALESCE(SUM(amount), 0) AS BIGINT)
        FROM spend WHERE account_id = @account AND {which}
        """,
        row => new Spent(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)),
        ("@account", accountId), ("@day", day), ("@month", MonthOf(day)), ("@name", name));

    public static long DayOf(long unixMilliseconds) => unixMilliseconds / DayMs;

    /// <summary>The first day of the day's month.</summary>
    public static long MonthOf(long day) => day - DateTime.UnixEpoch.AddDays(day).Day + 1;
}
