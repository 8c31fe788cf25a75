namespace CrossModel.Protocol;

/// <summary>
/// The JSON reader goes through a string byte by byte once it has met an escape in it, which makes a long prompt three times as dear. So it is given
/// a copy in which the escapes of long strings are masked: same length, same places, same faults. What a long string says is then read from the original.
/// </summary>
internal static class EscapeMask
{
    private const int SmallestBody = 2048;
    private const int LongString = 256;
    private const byte Mask = (byte)'x';

    /// <summary>False: not worth it, nothing was written.</summary>
    public static bool TryCopy(ReadOnlySpan<byte> body, PooledBuffer copy)
    {
        if (body.Length < SmallestBody || !body.Contains((byte)'\\')) return false;
        var masked = copy.GetSpan(body.Length)[..body.Length];
        body.CopyTo(masked);
        copy.Advance(body.Length);
        for (var at = 0; ;)
        {
            var quote = body[at..].IndexOf((byte)'"');
            if (quote < 0) return true;
            var start = at + quote + 1;
            var end = MaskString(body, start, masked, out var isSound);
            // Short strings are words that mean something to the reader; unsound ones are its to refuse.
            if (end - start < LongString || !isSound) body[start..end].CopyTo(masked[start..]);
            at = end + 1;
            if (at >= body.Length) return true;
        }
    }

    /// <summary>Masks the escapes from here to the string's end. Answers where its closing quote is, or the body's length.</summary>
    private static int MaskString(ReadOnlySpan<byte> body, int start, Span<byte> masked, out bool isSound)
    {
        isSound = true;
        for (var at = start; ;)
        {
            var hit = body[at..].IndexOfAny((byte)'"', (byte)'\\');
            if (hit < 0)
            {
                isSound = false;
                return body.Length;
            }
            at += hit;
            if (body[at] == (byte)'"') return at;
            var length = EscapeLength(body[at..]);
            if (length == 0)
            {
                isSound = false;
                // At least the character behind it belongs to it: it may be a quote.
                length = 2;
            }
            if (at + length > body.Length) return body.Length;
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
