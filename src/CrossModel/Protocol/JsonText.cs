using System.Buffers;
using System.Buffers.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>A run of bytes in a body. Length 0 means absent (no JSON value is empty).</summary>
internal readonly record struct JsonSpan(int Start, int Length)
{
    public int End => Start + Length;
    public bool IsPresent => Length > 0;
    public ReadOnlySpan<byte> In(ReadOnlyMemory<byte> body) => body.Span.Slice(Start, Length);
    public ReadOnlySpan<byte> In(ReadOnlySpan<byte> body) => body.Slice(Start, Length);
}

/// <summary>How every JSON text of ours is written.</summary>
internal static class JsonText
{
    /// <summary>Non-ASCII letters stay readable; only what JSON itself demands is escaped. Replies are never embedded in HTML unescaped.</summary>
    public static JavaScriptEncoder Encoder { get; } = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    /// <summary>The inside of a JSON string, escaped, without quotes.</summary>
    public static byte[] Escape(ReadOnlySpan<char> text) => JsonEncodedText.Encode(text, Encoder).EncodedUtf8Bytes.ToArray();

    /// <summary>The inside of a JSON string made from UTF-8 bytes (invalid ones become U+FFFD), without quotes.</summary>
    public static byte[] Escape(ReadOnlySpan<byte> utf8) => Escape(System.Text.Encoding.UTF8.GetString(utf8));

    /// <summary>A whole JSON string with its quotes.</summary>
    public static byte[] Quoted(string text) => [.. "\""u8, .. Escape(text), .. "\""u8];

    public static void WriteNumber(IBufferWriter<byte> target, long value)
    {
        var span = target.GetSpan(20);
        Utf8Formatter.TryFormat(value, span, out var written);
        target.Advance(written);
    }

    /// <summary>Writes a whole JSON string with its quotes.</summary>
    public static void WriteString(IBufferWriter<byte> target, string text)
    {
        var span = target.GetSpan(text.Length + 2);
        // Our own ids and the operator's names seldom need escaping, and half a surrogate never is ASCII.
        if (System.Text.Ascii.FromUtf16(text, span[1..], out var length) == OperationStatus.Done && Encoder.FindFirstCharacterToEncodeUtf8(span.Slice(1, length)) < 0)
        {
            span[0] = span[length + 1] = (byte)'"';
            target.Advance(length + 2);
            return;
        }
        target.Write("\""u8);
        target.Write(Escape(text));
        target.Write("\""u8);
    }

    /// <summary>The name of a member that was just read, without its escapes. What stands for no text is given as it is written: no name of ours looks like that.</summary>
    public static ReadOnlySpan<byte> Name(scoped ref Utf8JsonReader json)
    {
        if (!json.ValueIsEscaped) return json.ValueSpan;
        try
        {
            var name = new byte[json.ValueSpan.Length];
            return name.AsSpan(0, json.CopyString(name));
        }
        catch (InvalidOperationException)
        {
            return json.ValueSpan;
        }
    }

    /// <summary>Nano-dollars (not negative) as USD in plain decimal: 1234500 -> 0.0012345.</summary>
    public static void WriteUsd(IBufferWriter<byte> target, long nano)
    {
        var (whole, fraction) = Math.DivRem(nano, 1_000_000_000);
        WriteNumber(target, whole);
        if (fraction == 0) return;
        Span<byte> digits = stackalloc byte[10];
        digits[0] = (byte)'.';
        Utf8Formatter.TryFormat(fraction, digits[1..], out _, new StandardFormat('D', 9));
        target.Write(digits.TrimEnd((byte)'0'));
    }

    /// <summary>UTF-8 bytes of the text that the inside of a JSON string stands for.</summary>
    public static int UnescapedLength(ReadOnlySpan<byte> escaped)
    {
        var length = escaped.Length;
        for (var at = escaped.IndexOf((byte)'\\'); at >= 0 && at + 1 < escaped.Length;)
        {
            var isUnicode = escaped[at + 1] == (byte)'u';
            var run = isUnicode ? 6 : 2;
            // Half a surrogate pair counts as two of the pair's four bytes; other \u escapes as what they take.
            length -= run - (isUnicode ? UnicodeLength(escaped, at) : 1);
            if (at + run >= escaped.Length) break;
            var next = escaped[(at + run)..].IndexOf((byte)'\\');
            at = next < 0 ? -1 : at + run + next;
        }
        return length;
    }

    /// <summary>UTF-8 bytes of all strings in a JSON value, names of members left out: of a called function its name and arguments.</summary>
    public static int StringBytes(ReadOnlySpan<byte> value)
    {
        var bytes = 0;
        var json = new Utf8JsonReader(value);
        while (json.Read())
        {
            if (json.TokenType == JsonTokenType.String) bytes += UnescapedLength(json.ValueSpan);
        }
        return bytes;
    }

    private static int UnicodeLength(ReadOnlySpan<byte> escaped, int at)
    {
        if (at + 6 > escaped.Length || !Utf8Parser.TryParse(escaped.Slice(at + 2, 4), out int code, out _, 'X')) return 6;
        return code < 0x80 ? 1 : code < 0x800 || char.IsSurrogate((char)code) ? 2 : 3;
    }
}
