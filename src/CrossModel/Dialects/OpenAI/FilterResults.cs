using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>What Azure adds to chunks, replies and usage: the outcome of its content filter and counts of its own. None of it is the specification's.</summary>
internal static class FilterResults
{
    /// <summary>Additions stand in the root, in a choice or in usage; below that everything is the model's.</summary>
    private const int DeepestLevel = 3;

    /// <summary>Leaves them out. False: there was none, and <paramref name="json"/> is as it was.</summary>
    /// <param name="buffer">Overwritten; holds the text afterwards.</param>
    public static bool Strip(ref ReadOnlySpan<byte> json, PooledBuffer buffer)
    {
        if (json.IndexOf("filter"u8) < 0 && json.IndexOf("latency_checkpoint"u8) < 0
            && json.IndexOf("num_sources_used"u8) < 0 && json.IndexOf("audio_prompt_tokens"u8) < 0) return false;
        buffer.Reset();
        var target = buffer.GetSpan(json.Length);
        var (at, length) = (0, 0);
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth > DeepestLevel || !IsAddition(reader.ValueSpan)) continue;
            var start = (int)reader.TokenStartIndex;
            reader.Read();
            reader.Skip();
            var end = (int)reader.BytesConsumed;
            length += Copy(json[at..start], target[length..]);
            at = end + json[end..].IndexOfAnyExcept(" \n\r\t"u8);
            if (json[at] == (byte)',') at++;
            else if (target[..length].TrimEnd(" \n\r\t"u8) is [.., (byte)','] kept) length = kept.Length - 1;
        }
        if (at == 0) return false;
        length += Copy(json[at..], target[length..]);
        buffer.Advance(length);
        json = buffer.Span;
        return true;
    }

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        from.CopyTo(to);
        return from.Length;
    }

    private static bool IsAddition(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("prompt_filter_results"u8) || name.SequenceEqual("content_filter_results"u8) || name.SequenceEqual("content_filter_result"u8)
        || name.SequenceEqual("content_filter_offsets"u8) || name.SequenceEqual("latency_checkpoint"u8) || name.SequenceEqual("audio_prompt_tokens"u8)
        || name.SequenceEqual("num_sources_used"u8);
}
