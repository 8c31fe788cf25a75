using System.Buffers;
using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>Writes <c>usage</c> as callers see it: our counts, both detail objects, what else the upstream said of it, and <c>cost</c> in USD.</summary>
internal static class UsageJson
{
    /// <param name="cost">Nano-dollars; null: no <c>cost</c> member.</param>
    /// <param name="upstream">The upstream's usage object whose further members are kept, empty for none. What it calls a cost is the operator's, and is left out.</param>
    public static void Write(IBufferWriter<byte> target, in TokenUsage usage, long? cost, ReadOnlySpan<byte> upstream)
    {
        var further = Look(upstream);
        target.Write("{\"prompt_tokens\":"u8);
        JsonText.WriteNumber(target, usage.InputTokens);
        target.Write(",\"completion_tokens\":"u8);
        JsonText.WriteNumber(target, usage.OutputTokens);
        target.Write(",\"total_tokens\":"u8);
        JsonText.WriteNumber(target, usage.TotalTokens);
        target.Write(",\"prompt_tokens_details\":{\"cached_tokens\":"u8);
        JsonText.WriteNumber(target, usage.CachedInputTokens);
        if (usage.CacheWriteTokens > 0)
        {
            target.Write(",\"cache_write_tokens\":"u8);
            JsonText.WriteNumber(target, usage.CacheWriteTokens);
        }
        if (further.InDetails) Further(target, upstream, "prompt_tokens_details"u8);
        target.Write("},\"completion_tokens_details\":{\"reasoning_tokens\":"u8);
        JsonText.WriteNumber(target, usage.ReasoningTokens);
        if (further.InDetails) Further(target, upstream, "completion_tokens_details"u8);
        target.Write("}"u8);
        if (further.AtRoot) Further(target, upstream, default);
        if (cost is { } nano)
        {
            target.Write(",\"cost\":"u8);
            JsonText.WriteUsd(target, nano);
        }
        target.Write("}"u8);
    }

    /// <summary>A whole reply of ours, plain or a stream, with another cost in its usage; the same bytes if it shows none.</summary>
    /// <param name="cost">Nano-dollars.</param>
    public static byte[] WithCost(byte[] reply, long cost)
    {
        // The usage of a stream is in its last event before [DONE].
        var start = 0;
        var end = reply.AsSpan().LastIndexOf("\n\ndata: [DONE]"u8);
        if (end < 0) end = reply.Length;
        else start = reply.AsSpan(0, end).LastIndexOf("data: "u8) + "data: ".Length;
        var json = new Utf8JsonReader(reply.AsSpan(start, end - start));
        var inUsage = false;
        while (json.Read())
        {
            if (json.TokenType != JsonTokenType.PropertyName || json.CurrentDepth > 2) continue;
            if (json.CurrentDepth == 1) inUsage = json.ValueTextEquals("usage"u8);
            else if (inUsage && json.ValueTextEquals("cost"u8))
            {
                json.Read();
                using var changed = new PooledBuffer();
                changed.Write(reply.AsSpan(0, start + (int)json.TokenStartIndex));
                JsonText.WriteUsd(changed, cost);
                changed.Write(reply.AsSpan(start + (int)json.BytesConsumed));
                return changed.Span.ToArray();
            }
        }
        return reply;
    }

    /// <summary>Is there anything to keep at all? Most servers send the counts alone, and the passes below are then saved.</summary>
    private static (bool AtRoot, bool InDetails) Look(ReadOnlySpan<byte> upstream)
    {
        var (atRoot, inDetails) = (false, false);
        if (upstream.IsEmpty) return default;
        var json = new Utf8JsonReader(upstream);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return default;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            atRoot |= !IsOurs(ref json);
            json.Read();
            inDetails |= json.TokenType == JsonTokenType.StartObject;
            json.Skip();
        }
        return (atRoot, inDetails);
    }

    /// <summary>The members of the upstream's object, or of the named object in it, that are not written above.</summary>
    private static void Further(IBufferWriter<byte> target, ReadOnlySpan<byte> upstream, ReadOnlySpan<byte> inside)
    {
        if (upstream.IsEmpty) return;
        var json = new Utf8JsonReader(upstream);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var start = (int)json.TokenStartIndex;
            var isInside = !inside.IsEmpty && JsonText.Name(ref json).SequenceEqual(inside);
            var isOurs = inside.IsEmpty && IsOurs(ref json);
            json.Read();
            if (isInside && json.TokenType == JsonTokenType.StartObject)
            {
                FurtherDetails(target, upstream, ref json);
                continue;
            }
            json.Skip();
            if (inside.IsEmpty && !isOurs) Copy(target, upstream[start..(int)json.BytesConsumed]);
        }
    }

    private static void FurtherDetails(IBufferWriter<byte> target, ReadOnlySpan<byte> upstream, ref Utf8JsonReader json)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var start = (int)json.TokenStartIndex;
            var isOurs = IsOurs(ref json);
            json.Read();
            json.Skip();
            if (!isOurs) Copy(target, upstream[start..(int)json.BytesConsumed]);
        }
    }

    private static bool IsOurs(ref Utf8JsonReader json)
    {
        var name = JsonText.Name(ref json);
        return name.SequenceEqual("prompt_tokens"u8) || name.SequenceEqual("completion_tokens"u8) || name.SequenceEqual("total_tokens"u8)
            || name.SequenceEqual("prompt_tokens_details"u8) || name.SequenceEqual("completion_tokens_details"u8)
            || name.SequenceEqual("cached_tokens"u8) || name.SequenceEqual("reasoning_tokens"u8) || name.SequenceEqual("cache_write_tokens"u8)
            || name.IndexOf("cost"u8) >= 0 || name.SequenceEqual("is_byok"u8);
    }

    private static void Copy(IBufferWriter<byte> target, ReadOnlySpan<byte> member)
    {
        target.Write(","u8);
        target.Write(member);
    }
}
