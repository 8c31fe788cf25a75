using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>What servers write as <c>finish_reason</c>, and which of the four it is.</summary>
internal static class FinishMap
{
    internal enum Said { Nothing, Reason, Failed }

    /// <param name="value">The JSON value; empty when the member is absent.</param>
    /// <param name="hasCall">The choice has a tool call: then "stop" is one too, and a word nobody knows as well.</param>
    public static Said Read(ReadOnlySpan<byte> value, bool hasCall, out FinishReason reason)
    {
        reason = hasCall ? FinishReason.ToolCalls : FinishReason.Stop;
        if (value.IsEmpty || value[0] != (byte)'"' || value.Length == 2) return Said.Nothing;
        var word = value[1..^1];
        if (word.SequenceEqual("stop"u8)) return Said.Reason;
        if (word.SequenceEqual("tool_calls"u8) || word.SequenceEqual("function_call"u8) || word.SequenceEqual("tool_use"u8) || word.SequenceEqual("tool_call"u8))
        {
            reason = FinishReason.ToolCalls;
        }
        else if (word.SequenceEqual("length"u8) || word.SequenceEqual("max_tokens"u8)
            || word.SequenceEqual("model_length"u8) || word.SequenceEqual("model_context_window_exceeded"u8))
        {
            reason = FinishReason.Length;
        }
        else if (word.SequenceEqual("content_filter"u8) || word.SequenceEqual("sensitive"u8))
        {
            reason = FinishReason.ContentFilter;
        }
        else if (word.SequenceEqual("error"u8) || word.SequenceEqual("abort"u8) || word.SequenceEqual("network_error"u8) || word.SequenceEqual("insufficient_system_resource"u8))
        {
            return Said.Failed;
        }
        return Said.Reason;
    }
}
