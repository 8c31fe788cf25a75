using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using CrossModel.Protocol;
using CrossModel.Storage;

namespace CrossModel.Usage;

/// <summary>A reply as its first caller got it.</summary>
/// <param name="RequestId">The first call's x-request-id: whose receipt it is.</param>
internal sealed record KeptReply(string RequestId, string ContentType, byte[] Body)
{
    private const int Largest = 1024 * 1024;

    /// <summary>Of one that the cache had: how long ago it was kept. Null: it is a repeat's.</summary>
    public TimeSpan? Age { get; init; }

    /// <summary>It is not kept: a repeat is a new charge.</summary>
    public bool IsTooLarge => Body.Length > Largest;
}

/// <summary>A reply on its way to be kept. Its usage shows the cost, which only the transaction that charges it decides.</summary>
/// <param name="reply">With the cost that is expected.</param>
/// <param name="cost">Nano-dollars: the expected cost.</param>
internal sealed class ReplyToKeep(string account, string key, KeptReply reply, long cost)
{
    // Made before the transaction, which others wait for.
    private readonly string _sealed = reply.IsTooLarge ? "" : Seal(account, key, reply);

    public string Account => account;
    public string KeyHash { get; } = ReplyStore.HashOf(key);
    public KeptReply Reply => reply;

    /// <summary>How long other calls of the account may get it; null: it is kept for the repeats of a call that holds its key.</summary>
    public TimeSpan? CacheFor { get; init; }

    /// <summary>As it is sent when it was charged so many nano-dollars.</summary>
    public KeptReply For(long charged) => charged == cost ? reply : reply with { Body = UsageJson.WithCost(reply.Body, charged) };

    /// <summary>The same as the database keeps it.</summary>
    public string SealedFor(long charged) => charged == cost ? _sealed : Seal(account, key, For(charged));

    private static string Seal(string account, string key, KeptReply reply) => Convert.ToBase64String(ReplyStore.Seal(account, key, reply.Body));
}

/// <summary>What is known of an Idempotency-Key. None set: it is ours now, the call may run.</summary>
/// <param name="Damaged">The call that was charged for a reply that can no longer be read.</param>
internal readonly record struct Claim(bool OtherBody = false, bool RunsElsewhere = false, KeptReply? Kept = null, bool DatabaseAway = false, string? Damaged = null);

/// <summary>
/// Replies that can be had again: for a day by who repeats a call with its Idempotency-Key, and from the cache by who sends the same body. What is kept is
/// encrypted with a key made of the account and of the Idempotency-Key or the body: the database holds only that one's hash, so its reader cannot read the replies.
/// </summary>
internal sealed partial class ReplyStore(Database database, string node, ILogger log)
{
    private static readonly TimeSpan Kept = TimeSpan.FromHours(24);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan BetweenSweeps = TimeSpan.FromMinutes(1);

    /// <summary>How long the cache is waited for: a call may well be served without it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>Replies that leave at a time: charges wait for that transaction, and of large ones some hundred take a second.</summary>
    private const int Portion = 20;

    /// <summary>Keys that are freed at a time, once the database is back.</summary>
    private const int MostFreed = 100;

    private readonly List<HeldKey> _toFree = [];

    /// <summary>The calls that have ended under a key and still hold it in the database: who wants the key meanwhile frees it himself.</summary>
    private readonly ConcurrentDictionary<(string Account, string KeyHash), string> _ended = new();

    private long _swept;

    private static readonly ManyRows Keep = new(
        "UPDATE stored_reply SET content_type = {4}, reply = {5} {FROM rows} WHERE account_id = {1} AND key_hash = {2} AND request_id = {3}", "ttttt");

    private static readonly ManyRows Cache = new(
        """
        INSERT INTO stored_reply (account_id, key_hash, body_hash, node, request_id, content_type, reply, kept, expires) {rows}
        ON CONFLICT (account_id, key_hash) DO UPDATE SET request_id = excluded.request_id, content_type = excluded.content_type, reply = excluded.reply, kept = excluded.kept, expires = excluded.expires
        """, "tttttttnn");

    /// <summary>A key that a call holds, or may hold.</summary>
    private readonly record struct HeldKey(string Account, string Hash, string RequestId);

    /// <summary>As the database holds it: base64 of the encrypted bytes.</summary>
    private sealed record SealedReply(string RequestId, string ContentType, string Reply);

    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    /// <summary>A server that starts alone on its database: whatever ran before was cut.</summary>
    public Task FreeAllRunningAsync() =>
        database.IsShared ? Task.CompletedTask : database.WriteAsync(session => session.ExecuteAsync("DELETE FROM stored_reply WHERE reply IS NULL"));

    /// <summary>Takes the key for this call, or tells what stands under it.</summary>
    public async Task<Claim> ClaimAsync(string account, string key, byte[] bodyHash, string requestId)
    {
        var commits = database.Commits;
        try
        {
            return await TakeAsync(account, key, bodyHash, requestId);
        }
        catch (Exception e) when (database.IsAway(e))
        {
            // Perhaps it was taken and nobody has seen it.
            if (database.Commits != commits)
            {
                Ended(account, key, requestId);
                FreeLater(new(account, HashOf(key), requestId));
            }
            return new Claim(DatabaseAway: true);
        }
    }

    private async Task<Claim> TakeAsync(string account, string key, byte[] bodyHash, string requestId)
    {
        var (claim, kept) = await TakeSealedAsync(account, HashOf(key), Convert.ToHexStringLower(bodyHash), requestId);
        if (kept is null) return claim;
        // Decrypted after the transaction, which others wait for.
        return Open(account, key, kept) is { } reply ? new Claim(Kept: reply) : new Claim(Damaged: kept.RequestId);
    }

    private Task<(Claim Claim, SealedReply? Kept)> TakeSealedAsync(string account, string keyHash, string body, string requestId) => database.WriteAsync(async session =>
    {
        await SweepAsync(session);
        if (_ended.TryGetValue((account, keyHash), out var ended)) await ForgetAsync(session, account, keyHash, ended);
        await session.ExecuteAsync(
            """
            DELETE FROM stored_reply WHERE account_id = @account AND key_hash = @key
              AND (expires < @now OR (reply IS NULL AND @shared = 1 AND node <> @node AND NOT EXISTS (SELECT 1 FROM node WHERE node.id = stored_reply.node)))
            """,
            ("@account", account), ("@key", keyHash), ("@now", database.Now), ("@shared", database.IsShared), ("@node", node));
        var mine = await session.ExecuteAsync(
            """
            INSERT INTO stored_reply (account_id, key_hash, body_hash, node, request_id, expires) VALUES (@account, @key, @body, @node, @request, @expires)
            ON CONFLICT (account_id, key_hash) DO NOTHING
            """,
            ("@account", account), ("@key", keyHash), ("@body", body), ("@node", node), ("@request", requestId), ("@expires", database.Now + (long)Kept.TotalMilliseconds));
        if (mine == 1) return (default(Claim), null);
        return await session.FirstAsync(
            "SELECT body_hash, request_id, content_type, reply FROM stored_reply WHERE account_id = @account AND key_hash = @key",
            row => row.GetString(0) != body ? (new Claim(OtherBody: true), null)
                : row.TextOrNull(3) is { } reply ? (default(Claim), new SealedReply(row.GetString(1), row.GetString(2), reply))
                : (new Claim(RunsElsewhere: true), (SealedReply?)null),
            ("@account", account), ("@key", keyHash));
    });

    /// <summary>What the cache has that is at most so old; null: nothing, or the database is away.</summary>
    /// <param name="oldest">Zero: nothing is wanted. What is too old leaves all the same, since the call will bring a new one.</param>
    public async Task<KeptReply?> FindAsync(string account, string key, TimeSpan oldest)
    {
        try
        {
            return await LookAsync(account, key, oldest).WaitAsync(Patience, database.Time);
        }
        catch (Exception e) when (e is TimeoutException || database.IsAway(e))
        {
            return null;
        }
    }

    private async Task<KeptReply?> LookAsync(string account, string key, TimeSpan oldest)
    {
        var last = Volatile.Read(ref _swept);
        if (database.Time.GetElapsedTime(last) > BetweenSweeps && Interlocked.CompareExchange(ref _swept, database.Time.GetTimestamp(), last) == last
            && await database.WriteAsync(SweepAsync) == Portion)
        {
            // There are more: the next call takes its portion, too.
            Volatile.Write(ref _swept, last);
        }
        if (oldest == TimeSpan.Zero) return null;
        var now = database.Now;
        var found = await database.ReadAsync(session => session.FirstAsync(
            "SELECT request_id, content_type, reply, kept FROM stored_reply WHERE account_id = @account AND key_hash = @key AND kept >= @since AND expires >= @now",
            row => (Sealed: new SealedReply(row.GetString(0), row.GetString(1), row.GetString(2)), Kept: row.GetInt64(3)),
            ("@account", account), ("@key", HashOf(key)), ("@since", now - (long)oldest.TotalMilliseconds), ("@now", now)));
        if (found.Sealed is null || Open(account, key, found.Sealed) is not { } reply) return null;
        return reply with { Age = TimeSpan.FromMilliseconds(Math.Max(0, now - found.Kept)) };
    }

    /// <summary>A portion of what is too old; each call brings one new reply at most.</summary>
    private Task<int> SweepAsync(Session session) => session.ExecuteAsync(
        $"""
        DELETE FROM stored_reply WHERE (account_id, key_hash) IN
          (SELECT old.account_id, old.key_hash FROM stored_reply old WHERE old.expires < @now ORDER BY old.expires LIMIT {Portion}{database.FreeRowLock("old")})
        """, ("@now", database.Now));

    /// <summary>Keeps replies, in the transaction that charges them: under the keys that their calls hold, or in the cache.</summary>
    /// <param name="replies">With what each was charged, nano-dollars; null: its charge is given back, and it is kept no longer.</param>
    public static async ValueTask WriteAsync(Session session, IReadOnlyList<(ReplyToKeep Reply, long? Cost)> replies, long now)
    {
        await Keep.ExecuteAsync(session, [.. replies.Where(r => r is { Cost: not null, Reply.CacheFor: null })], static (kept, values) =>
        {
            values.Add(kept.Reply.Account);
            values.Add(kept.Reply.KeyHash);
            values.Add(kept.Reply.Reply.RequestId);
            values.Add(kept.Reply.Reply.ContentType);
            values.Add(kept.Reply.SealedFor(kept.Cost!.Value));
        });
        // One a place: PostgreSQL changes no row twice in one statement.
        await Cache.ExecuteAsync(session, [.. replies.Where(r => r is { Cost: not null, Reply.CacheFor: not null }).DistinctBy(r => (r.Reply.Account, r.Reply.KeyHash))], (kept, values) =>
        {
            values.Add(kept.Reply.Account);
            values.Add(kept.Reply.KeyHash);
            values.Add("");
            values.Add("");
            values.Add(kept.Reply.Reply.RequestId);
            values.Add(kept.Reply.Reply.ContentType);
            values.Add(kept.Reply.SealedFor(kept.Cost!.Value));
            values.Add(now);
            values.Add(now + (long)kept.Reply.CacheFor!.Value.TotalMilliseconds);
        });
        foreach (var (reply, cost) in replies)
            if (cost is null) await ForgetAsync(session, reply.Account, reply.KeyHash, reply.Reply.RequestId);
    }

    /// <summary>A call has failed, and its caller may be told: the next one gets the key, though the database does not know yet.</summary>
    public void Ended(string account, string key, string requestId) => _ended[(account, HashOf(key))] = requestId;

    /// <summary>A call that failed leaves its key to the next: at once, or as soon as a database that is away can be told.</summary>
    public async Task FreeAsync(string account, string key, string requestId)
    {
        var held = new HeldKey(account, HashOf(key), requestId);
        // Unless it is known already, or another call has taken the key since and has ended, too.
        _ended.TryAdd((held.Account, held.Hash), requestId);
        try
        {
            await database.WriteAsync(session => ForgetAsync(session, held.Account, held.Hash, held.RequestId));
            Freed(held);
        }
        catch (Exception e) when (database.IsAway(e))
        {
            FreeLater(held);
        }
    }

    // Until it is told, this node would be taken to run the call still. A process that ends has freed the key thereby.
    private void FreeLater(HeldKey held)
    {
        lock (_toFree)
        {
            _toFree.Add(held);
            if (_toFree.Count > 1) return;
        }
        _ = FreeAllAsync();
    }

    /// <summary>One for all that wait: a database that is away for long is not asked by thousands.</summary>
    private async Task FreeAllAsync()
    {
        await Task.Delay(Pause, database.Time);
        while (true)
        {
            List<HeldKey> some;
            lock (_toFree) some = [.. _toFree.Take(MostFreed)];
            try
            {
                await database.WriteAsync(async session =>
                {
                    foreach (var held in some) await ForgetAsync(session, held.Account, held.Hash, held.RequestId);
                });
            }
            catch (Exception e) when (database.IsAway(e))
            {
                await Task.Delay(Pause, database.Time);
                continue;
            }
            catch (Exception)
            {
                // A database that is closed: a process that ends has freed its keys. Whatever else it was must not keep the next ones waiting.
            }
            some.ForEach(Freed);
            lock (_toFree)
            {
                _toFree.RemoveRange(0, some.Count);
                if (_toFree.Count == 0) return;
            }
        }
    }

    private void Freed(HeldKey held) => _ended.TryRemove(new((held.Account, held.Hash), held.RequestId));

    private static Task<int> ForgetAsync(Session session, string account, string keyHash, string requestId) => session.ExecuteAsync(
        "DELETE FROM stored_reply WHERE account_id = @account AND key_hash = @key AND request_id = @request",
        ("@account", account), ("@key", keyHash), ("@request", requestId));

    public static string HashOf(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    public static byte[] Seal(string account, string key, byte[] reply)
    {
        var box = new byte[NonceBytes + TagBytes + reply.Length];
        RandomNumberGenerator.Fill(box.AsSpan(0, NonceBytes));
        using var cipher = new AesGcm(Secret(account, key), TagBytes);
        cipher.Encrypt(box.AsSpan(0, NonceBytes), reply, box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes));
        return box;
    }

    /// <summary>Null: the row is damaged.</summary>
    private KeptReply? Open(string account, string key, SealedReply kept)
    {
        try
        {
            var box = Convert.FromBase64String(kept.Reply).AsSpan();
            if (box.Length < NonceBytes + TagBytes) throw new FormatException("it is too short");
            var reply = new byte[box.Length - NonceBytes - TagBytes];
            using var cipher = new AesGcm(Secret(account, key), TagBytes);
            cipher.Decrypt(box[..NonceBytes], box[(NonceBytes + TagBytes)..], box[NonceBytes..(NonceBytes + TagBytes)], reply);
            return new KeptReply(kept.RequestId, kept.ContentType, reply);
        }
        catch (Exception e) when (e is FormatException or CryptographicException)
        {
            Damaged(log, kept.RequestId, e.GetType().Name);
            return null;
        }
    }

    [LoggerMessage(EventId = 8001, Level = LogLevel.Error, Message = "The kept reply of {RequestId} cannot be read ({Fault}): the database was damaged, or changed by hand")]
    private static partial void Damaged(ILogger log, string requestId, string fault);

    private static byte[] Secret(string account, string key) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(key), 32, Encoding.UTF8.GetBytes(account), "crossmodel stored reply"u8.ToArray());
}
