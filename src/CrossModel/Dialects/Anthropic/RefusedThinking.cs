using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// Signed thinking that one upstream has refused: another provider's or account's, or bound to a conversation that its caller has changed since.
/// It is not sent there again.
/// </summary>
internal sealed class RefusedThinking
{
    /// <summary>Beyond this many everything is forgotten: a caller who sends a forgery over and over must not fill the memory.</summary>
    private const int Most = 10_000;

    private readonly ConcurrentDictionary<UInt128, bool> _refused = new();

    /// <param name="block">As Anthropic writes it.</param>
    public bool Holds(JsonElement block) => !_refused.IsEmpty && SealOf(block) is { } seal && _refused.ContainsKey(Key(seal));

    /// <summary>True: the upstream refused a request for its thinking of earlier turns.</summary>
    public bool Learn(string message, ReadOnlyMemory<byte> sent) => IsAbout(message) && LearnAll(sent);

    private static bool IsAbout(string message)
    {
        bool Says(string words) => message.Contains(words, StringComparison.OrdinalIgnoreCase);
        return Says("thinking") && (Says("invalid `signature`") || Says("invalid signature") || Says("invalid `data`") || Says("cannot be modified"));
    }

    /// <summary>Of several only the first is named, and what stands behind it is bound to it: all that were sent go.</summary>
    private bool LearnAll(ReadOnlyMemory<byte> sent)
    {
        if (_refused.Count > Most) _refused.Clear();
        var any = false;
        using var json = JsonDocument.Parse(sent, new JsonDocumentOptions { MaxDepth = 1000 });
        foreach (var message in json.RootElement.GetProperty("messages"u8).EnumerateArray())
        {
            foreach (var seal in message.GetProperty("content"u8).EnumerateArray().Select(SealOf).OfType<string>()) any = _refused[Key(seal)] = true;
        }
        return any;
    }

    /// <summary>What only the provider can have written; null: it is no such block.</summary>
    private static string? SealOf(JsonElement block)
    {
        if (block.TryGetProperty("reasoningContent"u8, out var reasoning))
            return reasoning.TryGetProperty("reasoningText"u8, out var text) ? text.TextOf("signature"u8) : reasoning.TextOf("redactedContent"u8);
        return block.TextOf("type"u8) switch { "thinking" => block.TextOf("signature"u8), "redacted_thinking" => block.TextOf("data"u8), _ => null };
    }

    private static UInt128 Key(string seal)
    {
        Span<byte> digest = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes(seal), digest);
        return BitConverter.ToUInt128(digest);
    }
}
