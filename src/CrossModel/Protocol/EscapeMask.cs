namespace CrossModel.Protocol;

/// <summary>
/// The JSON reader goes through a string byte by byte once it has met an escape in it, which makes a long prompt three times as dear. So it is given
/// a copy in which the escapes of long strings are masked: same length, same places, same faults. What a long string says is then read from the original,
/// and how long it is without its escapes is noted on the way.
/// </summary>
internal sealed class EscapeMask : IDisposable
{
    private const int SmallestBody = 2048;
    private const int LongString = 256;
    private const byte Mask = (byte)'x';

    private readonly PooledBuffer _copy = new();
    private readonly List<(int Start, int Length)> _lengths = [];
    private int _next;

    /// <summary>The masked copy of the body; the body itself where a copy is not worth its cost.</summary>
    public ReadOnlySpan<byte> Copy(ReadOnlySpan<byte> body)
    {
        if (body.Length < SmallestBody || !body.Contains((byte)'\\')) return body;
        var masked = _copy.GetSpan(body.Length)[..body.Length];
        body.CopyTo(masked);
        _copy.Advance(body.Length);
        for (var at = 0; at < body.Length;)
        {
            var quote = body[at..].IndexOf((byte)'"');
            if (quote < 0) break;
            var start = at + quote + 1;
            var end = MaskString(body, start, masked, out var unescaped);
            // Short strings are words that mean something to the reader; unsound ones are its to refuse.
            if (end - start < LongString || unescaped < 0) body[start..end].CopyTo(masked[start..]);
            else _lengths.Add((start, unescaped));
            at = end + 1;
        }
        return masked;
    }

    /// <summary>UTF-8 bytes that the string whose inside begins there stands for; -1: not noted, count them. Asked in the order of the body.</summary>
    public int LengthAt(int start)
    {
        while (_next < _lengths.Count && _lengths[_next].Start < start) _next++;
        return _next < _lengths.Count && _lengths[_next].Start == start ? _lengths[_next].Length : -1;
    }

    /// <summary>Forgets the body, to be used for another.</summary>
    public void Clear()
    {
        _copy.Clear();
        _lengths.Clear();
        _next = 0;
    }

    public void Dispose() => Clear();

    /// <summary>Masks the escapes from here to the string's end. Answers where its closing quote is, or the body's length.</summary>
    /// <param name="unescaped">Bytes that the string stands for; -1: an escape in it, or its end, is not sound.</param>
    private static int MaskString(ReadOnlySpan<byte> body, int start, Span<byte> masked, out int unescaped)
    {
        var (saved, isSound) = (0, true);
        for (var at = start; ;)
        {
            var hit = body[at..].IndexOfAny((byte)'"', (byte)'\\');
            if (hit < 0)
            {
                unescaped = -1;
                return body.Length;
            }
            at += hit;
            if (body[at] == (byte)'"')
            {
                unescaped = isSound ? at - start - saved : -1;
                return at;
            }
            var length = EscapeLength(body[at..]);
            if (length == 0)
            {
                isSound = false;
                // At least the character behind it belongs to it: it may be a quote.
                length = 2;
            }
            if (at + length > body.Length)
            {
                unescaped = -1;
                return body.Length;
            }
            saved += length == 2 ? 1 : length - JsonText.UnescapedLength(body.Slice(at, length));
            masked.Slice(at, length).Fill(Mask);
            at += length;
        }
    }

    /// <summary>0: no escape that JSON knows.</summary>
    private static int EscapeLength(ReadOnlySpan<byte> at)
    {
        if (at.Length < 2) return 0;
        switch (at[1])
        {
            case (byte)'"' or (byte)'\\' or (byte)'/' or (byte)'b' or (byte)'f' or (byte)'n' or (byte)'r' or (byte)'t':
                return 2;
            case (byte)'u' when at.Length >= 6:
                foreach (var digit in at[2..6])
                    if (!char.IsAsciiHexDigit((char)digit)) return 0;
                return 6;
            default:
                return 0;
        }
    }
}
