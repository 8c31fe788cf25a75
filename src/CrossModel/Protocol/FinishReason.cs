namespace CrossModel.Protocol;

/// <summary>The four ways a reply ends.</summary>
internal enum FinishReason { Stop, Length, ToolCalls, ContentFilter }

internal static class FinishReasons
{
    /// <summary>The reason as a JSON string, quotes included.</summary>
    public static ReadOnlySpan<byte> Json(this FinishReason reason) => reason switch
    {
        FinishReason.Length => "\"length\""u8,
        FinishReason.ToolCalls => "\"tool_calls\""u8,
        FinishReason.ContentFilter => "\"content_filter\""u8,
        _ => "\"stop\""u8,
    };
}
