using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Reads a <c>usage</c> object: what was read is split in three there (fresh, from the cache, into the cache).</summary>
internal static class BedrockUsage
{
    private const long Largest = 1L << 31;

    /// <summary>Null: a count is missing, or one of them cannot be true (negative, fractional, above 2^31).</summary>
    public static TokenUsage? Read(ReadOnlySpan<byte> usage)
    {
        long input = -1, output = -1, read = 0, written = 0, hour = 0;
        var json = new Utf8JsonReader(usage);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return null;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isGood = true;
            var name = JsonText.Name(ref json);
            if (name.SequenceEqual("inputTokens"u8)) isGood = Count(ref json, ref input);
            else if (name.SequenceEqual("outputTokens"u8)) isGood = Count(ref json, ref output);
            // Both spellings come, with the same number.
            else if (name.SequenceEqual("cacheReadInputTokens"u8) || name.SequenceEqual("cacheReadInputTokenCount"u8)) isGood = Count(ref json, ref read);
            else if (name.SequenceEqual("cacheWriteInputTokens"u8) || name.SequenceEqual("cacheWriteInputTokenCount"u8)) isGood = Count(ref json, ref written);
            else if (name.SequenceEqual("cacheDetails"u8)) isGood = Writes(ref json, out hour);
            else
            {
                json.Read();
                json.Skip();
            }
            if (!isGood) return null;
        }
        if (input < 0 || output < 0) return null;
        return new TokenUsage
        {
            InputTokens = input + read + written,
            CachedInputTokens = read,
            CacheWriteTokens = written,
            CacheWriteHourTokens = Math.Min(hour, written),
            OutputTokens = output,
        };
    }

    /// <summary>Reads how long what was written is kept: <c>[{ttl, inputTokens}]</c>.</summary>
    private static bool Writes(ref Utf8JsonReader json, out long hour)
    {
        hour = 0;
        json.Read();
        if (json.TokenType != JsonTokenType.StartArray)
        {
            json.Skip();
            return true;
        }
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            if (json.TokenType != JsonTokenType.StartObject)
            {
                json.Skip();
                continue;
            }
            var (isHour, tokens) = (false, 0L);
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var name = JsonText.Name(ref json);
                if (name.SequenceEqual("inputTokens"u8))
                {
                    if (!Count(ref json, ref tokens)) return false;
                    continue;
                }
                var isLife = name.SequenceEqual("ttl"u8);
                json.Read();
                if (isLife) isHour = json.TokenType == JsonTokenType.String && json.ValueSpan.SequenceEqual("1h"u8);
                json.Skip();
            }
            if (isHour) hour += tokens;
        }
        return true;
    }

    private static bool Count(ref Utf8JsonReader json, ref long count)
    {
        json.Read();
        if (json.TokenType == JsonTokenType.Null) return true;
        if (json.TokenType != JsonTokenType.Number || !json.TryGetInt64(out var value) || value is < 0 or > Largest) return false;
        count = value;
        return true;
    }
}
