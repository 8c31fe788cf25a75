using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>Reads <c>usageMetadata</c>.</summary>
internal static class GeminiUsage
{
    private const long Largest = 1L << 31;

    /// <summary>It says something of tokens: the chunks in the middle of a stream may name the kind of traffic only.</summary>
    public static bool HasCounts(JsonElement usage) =>
        usage.ValueKind == JsonValueKind.Object && (usage.TryGetProperty("promptTokenCount"u8, out _) || usage.TryGetProperty("totalTokenCount"u8, out _));

    /// <summary>By our rules; null when a count cannot be trusted or the prompt's is missing.</summary>
    /// <param name="before">What the reply has said before: some gateways leave out at the end what came from the cache.</param>
    public static TokenUsage? Read(JsonElement usage, TokenUsage? before)
    {
        var isHostile = false;
        long? Count(ReadOnlySpan<byte> name)
        {
            if (!usage.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null) return null;
            if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var count) && count is >= 0 and <= Largest) return count;
            isHostile = true;
            return null;
        }
        long Audio(ReadOnlySpan<byte> name)
        {
            if (!usage.TryGetProperty(name, out var details) || details.ValueKind != JsonValueKind.Array) return 0;
            long sum = 0;
            foreach (var one in details.EnumerateArray())
            {
                if (one.ValueKind != JsonValueKind.Object || !one.TryGetProperty("modality"u8, out var modality) || modality.ValueKind != JsonValueKind.String
                    || !modality.ValueEquals("AUDIO"u8) || !one.TryGetProperty("tokenCount"u8, out var value) || value.ValueKind == JsonValueKind.Null) continue;
                if (value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var count) && count is >= 0 and <= Largest) sum += count;
                else isHostile = true;
            }
            return sum;
        }

        var (prompt, toolUse, total) = (Count("promptTokenCount"u8), Count("toolUsePromptTokenCount"u8) ?? 0, Count("totalTokenCount"u8));
        var (visible, thoughts, saidCached) = (Count("candidatesTokenCount"u8), Count("thoughtsTokenCount"u8) ?? 0, Count("cachedContentTokenCount"u8));
        var (heard, heardFromCache, spoken) = (Audio("promptTokensDetails"u8), Audio("cacheTokensDetails"u8), Audio("candidatesTokensDetails"u8));
        if (isHostile || prompt is not { } read) return null;
        // Of before, and so no more than there is to read now.
        var cached = saidCached ?? Math.Min(before?.CachedInputTokens ?? 0, read);
        // The count is left out where nothing visible came; what the total has beyond the others was generated all the same.
        var shown = visible ?? Math.Max(0, (total ?? 0) - read - toolUse - thoughts);
        // Some gateways count the thoughts among what is visible: their total tells.
        if (thoughts > 0 && shown >= thoughts && total == read + toolUse + shown) shown -= thoughts;
        // Vertex AI at times leaves what the cache gave out of the prompt, and of its details. Else it is in both.
        if (cached > read) read += cached;
        else heard -= heardFromCache;
        return new TokenUsage
        {
            InputTokens = read + toolUse,
            CachedInputTokens = cached,
            AudioInputTokens = Math.Clamp(heard, 0, read - cached),
            OutputTokens = shown + thoughts,
            ReasoningTokens = thoughts,
            AudioOutputTokens = Math.Min(spoken, shown),
        };
    }
}
