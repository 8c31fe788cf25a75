using System.Buffers.Text;
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

    /// <summary>Says nothing: white space only, or nothing at all. Read no further than the first letter: a text may be megabytes.</summary>
    public static bool IsBlank(this JsonElement text)
    {
        var raw = JsonMarshal.GetRawUtf8Value(text)[1..^1];
        while (!raw.IsEmpty)
        {
            int length;
            if (raw[0] != '\\')
            {
                Rune.DecodeFromUtf8(raw, out var rune, out length);
                if (!Rune.IsWhiteSpace(rune)) return false;
            }
            else if (raw[1] == 'u')
            {
                length = 6;
                if (!Utf8Parser.TryParse(raw[2..length], out ushort letter, out _, 'x') || !char.IsWhiteSpace((char)letter)) return false;
            }
            else
            {
                length = 2;
                if (raw[1] is not ((byte)'n' or (byte)'r' or (byte)'t' or (byte)'f')) return false;
            }
            raw = raw[length..];
        }
        return true;
    }

    /// <summary>One step of a reference inside a schema (<c>#/$defs/a~1b</c>) as the member it leads to is named.</summary>
    public static string Step(string written) => Uri.UnescapeDataString(written).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
}
