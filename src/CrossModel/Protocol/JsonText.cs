using System.Text.Encodings.Web;

namespace CrossModel.Protocol;

/// <summary>A run of bytes in a body. Length 0 means absent (no JSON value is empty).</summary>
internal readonly record struct JsonSpan(int Start, int Length)
{
    public int End => Start + Length;
    public bool IsPresent => Length > 0;
    public ReadOnlySpan<byte> In(ReadOnlyMemory<byte> body) => body.Span.Slice(Start, Length);
}

/// <summary>How every JSON text of ours is written.</summary>
internal static class JsonText
{
    /// <summary>Non-ASCII letters stay readable; only what JSON itself demands is escaped. Replies are never embedded in HTML unescaped.</summary>
    public static JavaScriptEncoder Encoder { get; } = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
}
