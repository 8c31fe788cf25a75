using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;

namespace CrossModel.Protocol;

/// <summary>What makes a body unreadable, named by line and byte, both counted from 1; the byte is the one within its line.</summary>
internal static class JsonFaults
{
    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>Faults that the JSON reader lets pass or would throw on later: nothing at all, a byte order mark, broken UTF-8, half a surrogate pair.</summary>
    public static ApiError? BeforeParsing(ReadOnlySpan<byte> body)
    {
        if (body.IndexOfAnyExcept(" \t\r\n"u8) < 0) return At(body, 0, "the body is empty; a JSON object is needed");
        if (body.StartsWith(ByteOrderMark)) return At(body, 0, "it begins with a byte order mark; send UTF-8 without one");
        if (!Utf8.IsValid(body)) return At(body, InvalidUtf8(body), "the bytes are not UTF-8");
        var half = LoneSurrogate(body);
        return half < 0 ? null : At(body, half, "this \\u escape is half of a surrogate pair; send both halves or the character itself");
    }

    /// <param name="levels">Objects and arrays open where the reader stopped.</param>
    public static ApiError Broken(ReadOnlySpan<byte> body, JsonException fault, int levels)
    {
        var offset = 0;
        for (var line = fault.LineNumber ?? 0; line > 0; line--) offset += body[offset..].IndexOf((byte)'\n') + 1;
        offset += (int)(fault.BytePositionInLine ?? 0);
        var isAtEnd = offset >= body.TrimEnd(" \t\r\n"u8).Length;
        return At(body, offset, isAtEnd ? "it ends too early"
            : levels >= ChatRequestReader.MaxDepth && body[offset] is (byte)'[' or (byte)'{' ? $"it is nested deeper than {ChatRequestReader.MaxDepth} levels"
            : "this is not JSON");
    }

    public static ApiError At(ReadOnlySpan<byte> body, int offset, string what)
    {
        var before = body[..Math.Min(offset, body.Length)];
        return ApiErrors.InvalidJson($"The body cannot be read at line {before.Count((byte)'\n') + 1}, byte {offset - before.LastIndexOf((byte)'\n')}: {what}.");
    }

    private static int InvalidUtf8(ReadOnlySpan<byte> body)
    {
        Span<char> text = stackalloc char[512];
        for (var at = 0; ;)
        {
            var status = Utf8.ToUtf16(body[at..], text, out var read, out _, replaceInvalidSequences: false);
            at += read;
            if (status is OperationStatus.InvalidData or OperationStatus.NeedMoreData or OperationStatus.Done) return at;
        }
    }

    // Over the whole body at once: in JSON a backslash stands only inside strings, so this covers the caller's own objects too,
    // which the reader skips token by token without looking inside.
    private static int LoneSurrogate(ReadOnlySpan<byte> body)
    {
        for (var at = 0; at < body.Length;)
        {
            // Text that escapes every letter has the next escape right here: searching for it each time would cost more than reading it.
            if (body[at] != '\\' || at + 1 == body.Length || body[at + 1] != 'u')
            {
                var hit = body[at..].IndexOf("\\u"u8);
                if (hit < 0) return -1;
                at += hit;
                if (IsEscaped(body, at))
                {
                    at += 2;
                    continue;
                }
            }
            var half = Half(body, at);
            if (half == 0) at += 6;
            else if (half == 1 && Half(body, at + 6) == 2) at += 12;
            else return at;
        }
        return -1;
    }

    /// <summary>1: the escape here is the first half of a surrogate pair, 2: the second, 0: neither, or no escape.</summary>
    private static int Half(ReadOnlySpan<byte> body, int at) =>
        body.Length - at < 6 || body[at] != '\\' || body[at + 1] != 'u' || (body[at + 2] | 0x20) != 'd' || !char.IsAsciiHexDigit((char)body[at + 3]) ? 0
        : (body[at + 3] | 0x20) switch { < '8' => 0, < 'c' => 1, _ => 2 };

    private static bool IsEscaped(ReadOnlySpan<byte> body, int at)
    {
        var slashes = 0;
        while (at - slashes > 0 && body[at - slashes - 1] == '\\') slashes++;
        return slashes % 2 == 1;
    }
}
