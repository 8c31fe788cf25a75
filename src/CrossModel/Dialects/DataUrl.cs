using System.Text;

namespace CrossModel.Dialects;

/// <summary>Inline media: <c>data:TYPE;base64,DATA</c>, or bare base64 as some callers send files.</summary>
/// <param name="mediaType">As declared, lower case, without parameters; application/octet-stream where nothing is.</param>
/// <param name="sniffed">What the first bytes say; null: nothing known. It wins, because clients mislabel.</param>
internal readonly ref struct DataUrl(string mediaType, string? sniffed, ReadOnlySpan<byte> base64)
{
    public string MediaType { get; } = mediaType;
    public string? Sniffed { get; } = sniffed;
    public ReadOnlySpan<byte> Base64 { get; } = base64;

    /// <summary>Its scheme is written in any case.</summary>
    public static bool IsOne(ReadOnlySpan<byte> text) => text.Length >= "data:"u8.Length && Ascii.EqualsIgnoreCase(text[.."data:"u8.Length], "data:"u8);

    /// <summary>What stands between scheme and comma says that base64 follows: in any case, too.</summary>
    public static bool IsBase64(ReadOnlySpan<byte> head) => head.Length >= ";base64"u8.Length && Ascii.EqualsIgnoreCase(head[^";base64"u8.Length..], ";base64"u8);

    /// <summary>False: a data URL that is not base64, or no base64 at all.</summary>
    public static bool TryRead(ReadOnlySpan<byte> text, out DataUrl url)
    {
        url = default;
        var type = "application/octet-stream";
        if (IsOne(text))
        {
            var comma = text.IndexOf((byte)',');
            if (comma < 0) return false;
            var head = text["data:"u8.Length..comma];
            if (!IsBase64(head)) return false;
            head = head[..^";base64"u8.Length];
            var end = head.IndexOf((byte)';');
            if (end >= 0) head = head[..end];
            if (head.Length > 0) type = Encoding.UTF8.GetString(head).Trim().ToLowerInvariant();
            text = text[(comma + 1)..];
        }
        if (text.IsEmpty) return false;
        Span<byte> first = stackalloc byte[24];
        var status = System.Buffers.Text.Base64.DecodeFromUtf8(text[..Math.Min(32, text.Length & ~3)], first, out _, out var length, isFinalBlock: text.Length <= 32);
        if (status == System.Buffers.OperationStatus.InvalidData) return false;
        url = new DataUrl(type, Sniff(first[..length]), text);
        return true;
    }

    /// <summary>The type that a file's first bytes tell (12 are enough); null: nothing known.</summary>
    public static string? Sniff(ReadOnlySpan<byte> bytes)
    {
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G'])) return "image/png";
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF])) return "image/jpeg";
        if (bytes.StartsWith("GIF8"u8)) return "image/gif";
        if (bytes.StartsWith("RIFF"u8) && bytes.Length >= 12 && bytes[8..12].SequenceEqual("WEBP"u8)) return "image/webp";
        if (bytes.Length >= 12 && bytes[4..8].SequenceEqual("ftyp"u8) && (bytes[8..11].SequenceEqual("hei"u8) || bytes[8..12].SequenceEqual("mif1"u8))) return "image/heic";
        return bytes.StartsWith("%PDF-"u8) ? "application/pdf" : null;
    }
}
