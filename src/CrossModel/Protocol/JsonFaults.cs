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

    public static ApiError Broken(ReadOnlySpan<byte> body, JsonException fault, int depth)
    {
        var (line, column) = (fault.LineNumber ?? 0, fault.BytePositionInLine ?? 0);
        var what = depth >= ChatRequestReader.MaxDepth ? $"it is nested deeper than {ChatRequestReader.MaxDepth} levels, or broken there"
            : IsAtEnd(body, line, column) ? "it ends too early"
            : "this is not JSON";
        return ApiErrors.InvalidJson($"The body cannot be read at line {line + 1}, byte {column + 1}: {what}.");
    }

    public static ApiError At(ReadOnlySpan<byte> body, int offset, string what)
    {
        var before = body[..Math.Min(offset, body.Length)];
        return ApiErrors.InvalidJson($"The body cannot be read at line {before.Count((byte)'\n') + 1}, byte {offset - before.LastIndexOf((byte)'\n')}: {what}.");
    }

    private static bool IsAtEnd(ReadOnlySpan<byte> body, long line, long column)
    {
        for (; line > 0; line--) body = body[(body.IndexOf((byte)'\n') + 1)..];
        return column >= body.TrimEnd(" \t\r\n"u8).Length;
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
        for (var at = 0; ;)
        {
            var hit = body[at..].IndexOf("\\u"u8);
            if (hit < 0) return -1;
            hit += at;
            at = hit + 2;
            if (IsEscaped(body, hit)) continue;
            var unit = Unit(body, hit);
            if (unit is < 0xD800 or > 0xDFFF) continue;
            if (unit >= 0xDC00 || Unit(body, hit + 6) is < 0xDC00 or > 0xDFFF) return hit;
            at = hit + 12;
        }
    }

    /// <summary>The four hex digits of <c>\uXXXX</c>; -1 if there is no such escape here.</summary>
    public static int Unit(ReadOnlySpan<byte> body, int at)
    {
        if (body.Length - at < 6 || body[at] != '\\' || body[at + 1] != 'u') return -1;
        var unit = 0;
        for (var i = at + 2; i < at + 6; i++)
        {
            var digit = body[i] switch
            {
                >= (byte)'0' and <= (byte)'9' => body[i] - '0',
                >= (byte)'a' and <= (byte)'f' => body[i] - 'a' + 10,
                >= (byte)'A' and <= (byte)'F' => body[i] - 'A' + 10,
                _ => -1,
            };
            if (digit < 0) return -1;
            unit = (unit << 4) | digit;
        }
        return unit;
    }

    private static bool IsEscaped(ReadOnlySpan<byte> body, int at)
    {
        var slashes = 0;
        while (at - slashes > 0 && body[at - slashes - 1] == '\\') slashes++;
        return slashes % 2 == 1;
    }
}
