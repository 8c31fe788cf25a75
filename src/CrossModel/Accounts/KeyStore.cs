using System.Data.Common;
using CrossModel.Storage;

namespace CrossModel.Accounts;

/// <summary>What a new key is to be.</summary>
/// <param name="Expires">Unix milliseconds; null: never.</param>
/// <param name="Models">Allowed ids and <c>vendor/*</c>; null: all.</param>
internal sealed record KeyOrder(string AccountId, string Name, long? Expires, IReadOnlyList<string>? Models, Terms Terms)
{
    /// <summary>As <see cref="KeyEntry.CacheFor"/>.</summary>
    public long? CacheFor { get; init; }
}

/// <summary>A key just made. <paramref name="Key"/> is known here and never again.</summary>
internal sealed record NewKey(string Key, KeyEntry Entry);

/// <summary>A key for people: with its account's name.</summary>
/// <param name="Created">Unix milliseconds.</param>
internal sealed record KeyListing(KeyEntry Entry, string Account, long Created);

/// <summary>The keys in the database: hashes, never keys.</summary>
internal sealed class KeyStore(Database database)
{
    /// <summary>The keys' kind in the change feed.</summary>
    public const string Kind = "keys";

    private const string Columns =
        "k.id, k.line, k.account_id, k.name, k.hash, k.prefix, k.expires, k.enabled, k.revoked,"
        + " k.models, k.rpm, k.tpm, k.parallel, k.spend_day, k.spend_month, k.spend_total, k.cache";

    private const int ColumnCount = 17;

    private const string Listings = "SELECT " + Columns + ", a.name, k.created FROM api_key k JOIN account a ON a.id = k.account_id";

    public Task<NewKey> CreateAsync(KeyOrder order) => database.WriteAsync(session => CreateAsync(session, order, database.Time));

    /// <summary>Inside a transaction of the caller's.</summary>
    public static async Task<NewKey> CreateAsync(Session session, KeyOrder order, TimeProvider time)
    {
        var key = ApiKey.New();
        var entry = new KeyEntry(Ids.New("key", time), order.AccountId, order.Name, ApiKey.Hash(key), ApiKey.Prefix(key), order.Expires,
            Enabled: true, Revoked: false, order.Models, order.Terms)
        { CacheFor = order.CacheFor };
        await InsertAsync(session, entry, await ChangeFeed.NextAsync(session, Kind), time);
        return new NewKey(key, entry);
    }

    /// <summary>Every key that an id, a whole key, or a prefix (<c>cm-a1b2</c>, <c>cm-a1b2…wxyz</c>, three dots as well) can mean.</summary>
    public Task<List<KeyListing>> FindAsync(string idOrKey)
    {
        var prefix = idOrKey.Replace("...", "…", StringComparison.Ordinal);
        var hash = ApiKey.HasValidChecksum(idOrKey) ? ApiKey.Hash(idOrKey) : "";
        return database.ReadAsync(session => session.QueryAsync(
            $"""
            {Listings}
            WHERE k.id = @text OR k.hash = @hash OR k.prefix = @prefix OR substr(k.prefix, 1, 7) = @prefix ORDER BY k.id
            """,
            ReadListing, ("@text", idOrKey), ("@hash", hash), ("@prefix", prefix)));
    }

    /// <summary>Of one account, or of all; oldest first.</summary>
    public Task<List<KeyListing>> ListAsync(string? accountId) => database.ReadAsync(session => accountId is null
        ? session.QueryAsync($"{Listings} ORDER BY k.id", ReadListing)
        : session.QueryAsync($"{Listings} WHERE k.account_id = @account ORDER BY k.id", ReadListing, ("@account", accountId)));

    /// <summary>The last made of one account's that are not revoked; oldest first.</summary>
    public async Task<List<KeyListing>> NewestAsync(string accountId, int most)
    {
        var keys = await database.ReadAsync(session => session.QueryAsync(
            $"{Listings} WHERE k.account_id = @account AND k.revoked = 0 ORDER BY k.id DESC LIMIT {most}", ReadListing, ("@account", accountId)));
        keys.Reverse();
        return keys;
    }

    /// <summary>One account's, the revoked among them.</summary>
    public Task<long> CountAsync(string accountId) => database.ReadAsync(session => session.FirstAsync(
        "SELECT count(*) FROM api_key WHERE account_id = @account", row => row.GetInt64(0), ("@account", accountId)));

    /// <summary>Changes name, expiry, status, models or limits; the running nodes see it within a second. Null: no such key.</summary>
    public Task<KeyEntry?> ChangeAsync(string id, Func<KeyEntry, KeyEntry> change) => database.WriteAsync(async session =>
    {
        // First the number: its row is locked from here on, so nobody else changes what is read next.
        var number = await ChangeFeed.NextAsync(session, Kind);
        if (await ReadAsync(session, id) is not { } before) return null;
        var after = change(before);
        await UpdateAsync(session, after, number);
        return after;
    });

    /// <summary>A new key in the old one's place: name, limits, models, expiry and line (with it the spend) carry over.
    /// The old one works for <paramref name="grace"/> more. Null: no such key, or it is revoked or expired,
    /// perhaps since somebody else has rotated it: the new one would be born so.</summary>
    public Task<NewKey?> RotateAsync(string id, TimeSpan grace) => database.WriteAsync(async session =>
    {
        var number = await ChangeFeed.NextAsync(session, Kind);
        if (await ReadAsync(session, id) is not { } old || old.StatusAt(database.Now) is "revoked" or "expired") return null;
        var key = ApiKey.New();
        var entry = old with { Id = Ids.New("key", database.Time), Hash = ApiKey.Hash(key), Prefix = ApiKey.Prefix(key) };
        await InsertAsync(session, entry, number, database.Time);
        var end = database.Now + (long)grace.TotalMilliseconds;
        await UpdateAsync(session, grace <= TimeSpan.Zero ? old with { Revoked = true } : old with { Expires = Math.Min(end, old.Expires ?? end) }, number);
        return new NewKey(key, entry);
    });

    /// <summary>By hash, with its account; null: there is none.</summary>
    public Task<Caller?> LookUpAsync(KeyHash hash) => database.ReadAsync(session => session.FirstAsync(
        $"SELECT {Columns}, {AccountStore.Columns} FROM api_key k JOIN account a ON a.id = k.account_id WHERE k.hash = @hash",
        row => new Caller(Read(row), AccountStore.Read(row, ColumnCount)), ("@hash", hash.ToString())));

    /// <summary>Those changed after the number <paramref name="before"/> of the change feed.</summary>
    public Task<List<KeyEntry>> ChangedAsync(long before) => database.ReadAsync(session => session.QueryAsync(
        $"SELECT {Columns} FROM api_key k WHERE k.changed > @before", Read, ("@before", before)));

    private static Task<KeyEntry?> ReadAsync(Session session, string id) =>
        session.FirstAsync($"SELECT {Columns} FROM api_key k WHERE k.id = @id", Read, ("@id", id));

    private static Task<int> InsertAsync(Session session, KeyEntry key, long number, TimeProvider time) => session.ExecuteAsync(
        """
        INSERT INTO api_key (id, line, account_id, name, hash, prefix, expires, enabled, revoked, models,
          rpm, tpm, parallel, spend_day, spend_month, spend_total, cache, created, changed)
        VALUES (@id, @line, @account, @name, @hash, @prefix, @expires, @enabled, @revoked, @models,
          @rpm, @tpm, @parallel, @spend_day, @spend_month, @spend_total, @cache, @created, @changed)
        """,
        [
            ("@id", key.Id), ("@line", key.Line), ("@account", key.AccountId), ("@name", key.Name), ("@hash", key.Hash), ("@prefix", key.Prefix),
            ("@expires", key.Expires), ("@enabled", key.Enabled), ("@revoked", key.Revoked), ("@models", Join(key.Models)),
            .. TermsColumns.Parameters(key.Terms), ("@cache", key.CacheFor), ("@created", time.GetUtcNow().ToUnixTimeMilliseconds()), ("@changed", number),
        ]);

    private static Task<int> UpdateAsync(Session session, KeyEntry key, long number) => session.ExecuteAsync(
        $"""
        UPDATE api_key SET name = @name, expires = @expires, enabled = @enabled, revoked = @revoked, models = @models,
          {TermsColumns.Assignments}, cache = @cache, changed = @changed
        WHERE id = @id
        """,
        [
            ("@name", key.Name), ("@expires", key.Expires), ("@enabled", key.Enabled), ("@revoked", key.Revoked), ("@models", Join(key.Models)),
            .. TermsColumns.Parameters(key.Terms), ("@cache", key.CacheFor), ("@changed", number), ("@id", key.Id),
        ]);

    private static string? Join(IReadOnlyList<string>? models) => models is null ? null : string.Join(',', models);

    private static KeyEntry Read(DbDataReader row) =>
        new(row.GetString(0), row.GetString(2), row.GetString(3), row.GetString(4), row.GetString(5), row.LongOrNull(6), row.Flag(7), row.Flag(8),
            row.TextOrNull(9)?.Split(','), TermsColumns.Read(row, 10))
        { Line = row.GetString(1), CacheFor = row.LongOrNull(16) };

    private static KeyListing ReadListing(DbDataReader row) => new(Read(row), row.GetString(ColumnCount), row.GetInt64(ColumnCount + 1));
}
