using System.Globalization;

namespace CrossModel.Load;

/// <summary>The little of HTTP that stand-in and callers share.</summary>
internal static class Wire
{
    /// <summary>A mark no text of ours holds otherwise, then the monotonic clock, which all processes of a machine share.</summary>
    public static string Stamp() => string.Create(CultureInfo.InvariantCulture, $"@{TimeProvider.System.GetTimestamp():d19}");

    /// <summary>Milliseconds since a <see cref="Stamp"/>; <paramref name="stamp"/> begins behind its mark.</summary>
    public static double Since(ReadOnlySpan<byte> stamp, long now)
    {
        long then = 0;
        foreach (var digit in stamp[..19]) then = then * 10 + (digit - '0');
        return TimeProvider.System.GetElapsedTime(then, now).TotalMilliseconds;
    }

    /// <summary>Where a header's value begins; -1: it is not there. <paramref name="name"/> in lower case with colon and blank.</summary>
    public static int IndexOfHeader(ReadOnlySpan<byte> head, ReadOnlySpan<byte> name)
    {
        for (var line = 0; line + name.Length <= head.Length;)
        {
            var same = true;
            for (var i = 0; same && i < name.Length; i++) same = (head[line + i] | (char.IsAsciiLetter((char)name[i]) ? 0x20 : 0)) == name[i];
            if (same) return line + name.Length;
            var next = head[line..].IndexOf((byte)'\n');
            if (next < 0) return -1;
            line += next + 1;
        }
        return -1;
    }

    public static int Number(ReadOnlySpan<byte> text)
    {
        var number = 0;
        foreach (var digit in text)
        {
            if (digit is < (byte)'0' or > (byte)'9') break;
            number = number * 10 + (digit - '0');
        }
        return number;
    }
}
