using System.Security.Cryptography;
using System.Text;
using CrossModel.Storage;

namespace CrossModel.Usage;

/// <summary>A reply as its first caller got it.</summary>
/// <param name="RequestId">The first call's x-request-id: whose receipt it is.</param>
internal sealed record KeptReply(string RequestId, string ContentType, byte[] Body);

/// <summary>What is known of an Idempotency-Key. None set: it is ours now, the call may run.</summary>
internal readonly record struct Claim(bool OtherBody = false, bool RunsElsewhere = false, KeptReply? Kept = null);

/// <summary>
/// Replies that can be had again for a day. What is kept is encrypted with a key made of the caller's Idempotency-Key and account: the database
/// holds only the Idempotency-Key's hash, so its reader cannot read the replies.
/// </summary>
internal sealed class ReplyStore(Database database, string node)
{
    /// <summary>Larger replies are not kept: a repeat of theirs is a new charge.</summary>
    public const int LargestReply = 1024 * 1024;

    private static readonly TimeSpan Kept = TimeSpan.FromHours(24);
    private const int NonceBytes = 12;
    private const int TagBytes = 16;

    /// <summary>A server that starts alone on its database: whatever ran before was cut.</summary>
    public Task FreeAllRunningAsync() =>
        database.IsShared ? Task.CompletedTask : database.WriteAsync(session => session.ExecuteAsync("DELETE FROM stored_reply WHERE reply IS NULL"));

    /// <summary>Takes the key for this call, or tells what stands under it.</summary>
    public Task<Claim> ClaimAsync(string account, string key, byte[] bodyHash, string requestId) => database.WriteAsync(async session =>
    {
        var (keyHash, body) = (HashOf(key), Convert.ToHexStringLower(bodyHash));
        await session.ExecuteAsync("DELETE FROM stored_reply WHERE expires < @now", ("@now", database.Now));
        await session.ExecuteAsync(
            "DELETE FROM stored_reply WHERE account_id = @account AND key_hash = @key AND reply IS NULL AND @shared = 1 AND node <> @node AND NOT EXISTS (SELECT 1 FROM node WHERE node.id = stored_reply.node)",
            ("@account", account), ("@key", keyHash), ("@shared", database.IsShared), ("@node", node));
        var mine = await session.ExecuteAsync(
            """
            INSERT INTO stored_reply (account_id, key_hash, body_hash, node, request_id, expires) VALUES (@account, @key, @body, @node, @request, @expires)
            ON CONFLICT (account_id, key_hash) DO NOTHING
            """,
            ("@account", account), ("@key", keyHash), ("@body", body), ("@node", node), ("@request", requestId), ("@expires", database.Now + (long)Kept.TotalMilliseconds));
        if (mine == 1) return default;
        return await session.FirstAsync(
            "SELECT body_hash, request_id, content_type, reply FROM stored_reply WHERE account_id = @account AND key_hash = @key",
            row => row.GetString(0) != body ? new Claim(OtherBody: true)
                : row.TextOrNull(3) is { } reply ? new Claim(Kept: new KeptReply(row.GetString(1), row.GetString(2), Open(account, key, Convert.FromBase64String(reply))))
                : new Claim(RunsElsewhere: true),
            ("@account", account), ("@key", keyHash));
    });

    /// <summary>Keeps the reply under the key that this call holds.</summary>
    public Task KeepAsync(string account, string key, KeptReply reply) => database.WriteAsync(session => session.ExecuteAsync(
        "UPDATE stored_reply SET content_type = @type, reply = @reply WHERE account_id = @account AND key_hash = @key AND request_id = @request",
        ("@type", reply.ContentType), ("@reply", Convert.ToBase64String(Seal(account, key, reply.Body))), ("@account", account), ("@key", HashOf(key)), ("@request", reply.RequestId)));

    /// <summary>A call that failed leaves its key to the next.</summary>
    public Task FreeAsync(string account, string key, string requestId) => database.WriteAsync(session => session.ExecuteAsync(
        "DELETE FROM stored_reply WHERE account_id = @account AND key_hash = @key AND request_id = @request AND reply IS NULL",
        ("@account", account), ("@key", HashOf(key)), ("@request", requestId)));

    private static string HashOf(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    private static byte[] Seal(string account, string key, byte[] reply)
    {
        var box = new byte[NonceBytes + TagBytes + reply.Length];
        RandomNumberGenerator.Fill(box.AsSpan(0, NonceBytes));
        using var cipher = new AesGcm(Secret(account, key), TagBytes);
        cipher.Encrypt(box.AsSpan(0, NonceBytes), reply, box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes));
        return box;
    }

    private static byte[] Open(string account, string key, byte[] box)
    {
        var reply = new byte[box.Length - NonceBytes - TagBytes];
        using var cipher = new AesGcm(Secret(account, key), TagBytes);
        cipher.Decrypt(box.AsSpan(0, NonceBytes), box.AsSpan(NonceBytes + TagBytes), box.AsSpan(NonceBytes, TagBytes), reply);
        return reply;
    }

    private static byte[] Secret(string account, string key) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(key), 32, Encoding.UTF8.GetBytes(account), "crossmodel stored reply"u8.ToArray());
}
