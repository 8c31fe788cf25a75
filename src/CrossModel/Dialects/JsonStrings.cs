using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace CrossModel.Dialects;

/// <summary>Strings of parsed JSON.</summary>
internal static class JsonStrings
{
    /// <summary>Of an object: the member's text; null: there is none, or it is no string.</summary>
    public static string? TextOf(this JsonElement json, ReadOnlySpan<byte> name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>A string's UTF-8 text, without a copy where it has no escapes: images are megabytes.</summary>
    public static ReadOnlySpan<byte> Utf8Text(this JsonElement text)
    {
        var raw = JsonMarshal.GetRawUtf8Value(text)[1..^1];
        return raw.Contains((byte)'\\') ? Encoding.UTF8.GetBytes(text.GetString()!) : raw;
    }

    /// <summary>Says nothing: white space only, or nothing at all. Its first letter tells as a rule: a text may be megabytes.</summary>
    public static bool IsBlank(this JsonElement text)
    {
        var raw = JsonMarshal.GetRawUtf8Value(text)[1..^1];
        return raw.IsEmpty || (raw[0] is <= (byte)' ' or >= 0x80 or (byte)'\\' && string.IsNullOrWhiteSpace(text.GetString()));
    }
}
