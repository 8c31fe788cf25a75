using System.Text;
using System.Text.Json;

namespace CrossModel.Dialects.Gemini;

/// <summary>
/// The state that a call was thought from, on its way back to the provider: from the caller's own <c>extra_content.google.thought_signature</c>,
/// else from memory, else, where the model insists on one, Google's documented marker that skips the check.
/// </summary>
internal sealed class Signatures(GeminiHost host, GeminiLessons lessons, ReasoningMemory memory, string account)
{
    private long _put;

    /// <summary>Base64 text; empty: none is to be sent.</summary>
    /// <param name="call">An element of <c>tool_calls</c>.</param>
    /// <param name="arguments">Unescaped.</param>
    /// <param name="isRequired">The model refuses the call without one.</param>
    public ReadOnlySpan<byte> Find(JsonElement call, string id, string name, ReadOnlySpan<byte> arguments, bool isRequired)
    {
        var found = OfCaller(call) ?? memory.Find(host.StateKind, account, id, name, arguments, ref _put);
        if (found is { Length: > 0 } && !lessons.IsForeign(found)) return found;
        return isRequired ? GoogleState.SkipMarker : default;
    }

    private static byte[]? OfCaller(JsonElement call)
    {
        if (!call.TryGetProperty("extra_content"u8, out var extra) || extra.ValueKind != JsonValueKind.Object) return null;
        if (!extra.TryGetProperty("google"u8, out var google) || google.ValueKind != JsonValueKind.Object) return null;
        if (!google.TryGetProperty("thought_signature"u8, out var signature) || signature.ValueKind != JsonValueKind.String) return null;
        var text = signature.GetString()!;
        // What is no base64 the provider would refuse as a fault of the whole request.
        return text.AsSpan().TrimEnd('=').ContainsAnyExcept(Letters) ? null : Encoding.ASCII.GetBytes(text);
    }

    private static readonly System.Buffers.SearchValues<char> Letters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_");
}
