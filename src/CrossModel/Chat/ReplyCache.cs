using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CrossModel.Protocol;
using CrossModel.Usage;

namespace CrossModel.Chat;

/// <summary>
/// Calls with <c>x-crossmodel-cache</c>: one whose body an earlier call of the account had, byte for byte, gets that call's reply and costs nothing. Only
/// where the key allows it; without that the header is named as ignored.
/// </summary>
internal sealed class ReplyCache(ReplyStore store)
{
    public const string Header = "x-crossmodel-cache";

    /// <summary>Null: the call goes on, with what it is sent recorded where it is to be kept; or (status 200) it is answered by <see cref="ChatCall.Kept"/>.</summary>
    public async ValueTask<ApiError?> BeginAsync(ChatCall call)
    {
        if (call.Kept is not null) return null;
        if (Read(call.Http.Request.Headers, out var oldest) is { } refusal) return refusal;
        if (oldest is null) return null;
        // A call that has a key of its own is kept under that.
        if (call.Run is not null || call.Caller.Key.CacheFor is not { } longest)
        {
            call.IgnoresCache = true;
            return null;
        }
        if (call.Request.Body.Length > SocketTurn.MostBytes) await SocketTurn.End();
        var account = call.Caller.Account.Id;
        var key = KeyOf(call);
        // What other keys have had kept may be older than this one allows.
        call.Kept = await store.FindAsync(account, key, TimeSpan.FromMilliseconds(Math.Min(oldest.Value * 1000, longest)));
        if (call.Kept is null) (call.Recording, call.MissedCache) = (new Recording(account, key, call.RequestId, TimeSpan.FromMilliseconds(longest)), true);
        return null;
    }

    /// <param name="oldest">Seconds; 0: the call is to be made anew. Null: the cache is not asked.</param>
    public static ApiError? Read(IHeaderDictionary headers, out long? oldest)
    {
        oldest = null;
        var header = headers[Header];
        if (header.Count == 0) return null;
        var wish = header.ToString();
        if (wish is "off") return null;
        if (wish is "refresh") oldest = 0;
        else if (int.TryParse(wish, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds > 0) oldest = seconds;
        return oldest is null ? ApiErrors.InvalidValue(Header, $"{Header} is how old a reply may be, in seconds (3600), or refresh, or off.") : null;
    }

    /// <summary>
    /// What a cached reply is kept under and encrypted with: made of the body, of which the database holds nothing else. Keys that may not call the same
    /// models share none. With a space in it, as no Idempotency-Key has.
    /// </summary>
    private static string KeyOf(ChatCall call)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(string.Join(',', call.Caller.Key.Models ?? ["*"]) + '\n'));
        hash.AppendData(call.Request.Body.Span);
        return "cached " + Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
