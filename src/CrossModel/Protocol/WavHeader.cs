using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;

namespace CrossModel.Protocol;

/// <summary>What the head of a WAV file says of how long it lasts.</summary>
internal static class WavHeader
{
    // With a format of the longer kind and a list of what made it, as ffmpeg writes it.
    private const int Length = 120;
    private const int Least = 44;
    private const int Numbers = 1;
    private const int Fractions = 3;
    private const int SaidFurtherOn = 0xFFFE;

    /// <summary>How long a file of so many bytes lasts, by the fields that decoders go by; null: it is no WAV file, or a compressed one.</summary>
    /// <param name="base64">The file, or its beginning, as it stands in JSON.</param>
    public static long? Milliseconds(ReadOnlySpan<byte> base64, long bytes)
    {
        Span<byte> letters = stackalloc byte[Length / 3 * 4];
        Span<byte> head = stackalloc byte[Length];
        if (!Unescape(base64, letters) || Base64.DecodeFromUtf8(letters, head, out _, out _) != OperationStatus.Done) return null;
        if (!head.StartsWith("RIFF"u8) || !head[8..].StartsWith("WAVEfmt "u8)) return null;
        var coding = BinaryPrimitives.ReadUInt16LittleEndian(head[20..]);
        if (coding == SaidFurtherOn) coding = BinaryPrimitives.ReadUInt16LittleEndian(head[44..]);
        if (coding is not (Numbers or Fractions)) return null;
        long channels = BinaryPrimitives.ReadUInt16LittleEndian(head[22..]),
            rate = BinaryPrimitives.ReadUInt32LittleEndian(head[24..]),
            bits = BinaryPrimitives.ReadUInt16LittleEndian(head[34..]);
        // No sound that anybody hears is outside of this.
        var isHeard = channels is >= 1 and <= 32 && rate is >= 1_000 and <= 768_000 && bits is (8 or 16 or 24 or 32 or 64);
        return isHeard ? Math.Max(0, bytes - SoundBegins(head)) * 1000 / (channels * rate * bits / 8) : null;
    }

    /// <summary>Behind the name and length of the chunk "data". Where that is further on than was read, it is the least.</summary>
    private static int SoundBegins(ReadOnlySpan<byte> head)
    {
        // Lengths are what a stranger wrote: in 32 bits 8 and 0xFFFFFFF8 are 0, and it would stay here for ever.
        for (long at = 12; at <= head.Length - 8; at += 8L + BinaryPrimitives.ReadUInt32LittleEndian(head[((int)at + 4)..]))
            if (head[(int)at..].StartsWith("data"u8)) return (int)at + 8;
        return Least;
    }

    /// <summary>PHP writes every / as \/, and .NET every + as \u002B; any other escape is no letter of base64. False: there is too little.</summary>
    private static bool Unescape(ReadOnlySpan<byte> json, Span<byte> letters)
    {
        foreach (ref var letter in letters)
        {
            if (json.IsEmpty) return false;
            letter = json[0];
            var length = letter != '\\' ? 1 : json[1] == 'u' ? 6 : 2;
            if (length == 2 && json[1] == '/') letter = (byte)'/';
            if (length == 6 && ushort.TryParse(json[2..6], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) && code < 128) letter = (byte)code;
            json = json[length..];
        }
        return true;
    }
}
