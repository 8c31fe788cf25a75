using CrossModel.Storage;

namespace CrossModel.Accounts;

/// <summary>Nano-dollars charged in the current UTC day, the current UTC month and in all.</summary>
internal readonly record struct Spent(long Day, long Month, long Total)
{
    public static Spent operator +(Spent a, Spent b) => new(a.Day + b.Day, a.Month + b.Month, a.Total + b.Total);
}

/// <summary>What left the balance, a key and day. A day is the number of days since 1970-01-01, UTC.</summary>
internal static class SpendStore
{
    private const long DayMs = 86_400_000;
    private static readonly int Epoch = new DateOnly(1970, 1, 1).DayNumber;

    /// <summary>Adds to a day, in the transaction that moves the money. A refund adds a negative amount to the day of its charge.</summary>
    public static Task AddAsync(Session session, string accountId, string keyId, long day, long amount) => session.ExecuteAsync(
        """
        INSERT INTO spend (account_id, key_id, day, amount) VALUES (@account, @key, @day, @amount)
        ON CONFLICT (account_id, key_id, day) DO UPDATE SET amount = spend.amount + excluded.amount
        """,
        ("@account", accountId), ("@key", keyId), ("@day", day), ("@amount", amount));

    /// <param name="line">The key's line (all keys of its rotations count as one); null: the whole account.</param>
    public static async Task<Spent> ReadAsync(Session session, string accountId, string? line, long day)
    {
        const string sums = """
            SELECT CAST(COALESCE(SUM(CASE WHEN day = @day THEN amount ELSE 0 END), 0) AS BIGINT),
                   CAST(COALESCE(SUM(CASE WHEN day >= @month AND day <= @day THEN amount ELSE 0 END), 0) AS BIGINT),
                   CAST(COALESCE(SUM(amount), 0) AS BIGINT)
            FROM spend WHERE account_id = @account
            """;
        return line is null
            ? await session.FirstAsync(sums, Row, ("@account", accountId), ("@day", day), ("@month", MonthOf(day)))
            : await session.FirstAsync(sums + " AND key_id IN (SELECT id FROM api_key WHERE account_id = @account AND line = @line)", Row,
                ("@account", accountId), ("@day", day), ("@month", MonthOf(day)), ("@line", line));
    }

    /// <param name="unixMs">Unix milliseconds, e.g. a request's <c>Created</c>.</param>
    public static long DayOf(long unixMs) => unixMs / DayMs;

    /// <summary>The first day of the day's month.</summary>
    public static long MonthOf(long day)
    {
        var date = DateOnly.FromDayNumber(Epoch + (int)day);
        return date.DayNumber - date.Day + 1 - Epoch;
    }

    private static Spent Row(System.Data.Common.DbDataReader row) => new(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2));
}
