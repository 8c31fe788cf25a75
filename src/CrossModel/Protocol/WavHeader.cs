using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;

namespace CrossModel.Protocol;

/// <summary>What the head of a WAV file says of how long it lasts.</summary>
internal static class WavHeader
{
    private const int Length = 36;
    private const int Numbers = 1;
    private const int Fractions = 3;
    private const int SaidFurtherOn = 0xFFFE;

    /// <summary>Bytes that a second of it takes, by the fields that decoders go by; 0: it is no WAV file, or a compressed one.</summary>
    /// <param name="base64">The file, or its beginning.</param>
    public static long BytesPerSecond(ReadOnlySpan<byte> base64)
    {
        const int Letters = Length / 3 * 4;
        Span<byte> head = stackalloc byte[Length];
        if (base64.Length < Letters || Base64.DecodeFromUtf8(base64[..Letters], head, out _, out _) != OperationStatus.Done) return 0;
        if (!head.StartsWith("RIFF"u8) || !head[8..].StartsWith("WAVEfmt "u8)) return 0;
        if (BinaryPrimitives.ReadUInt16LittleEndian(head[20..]) is not (Numbers or Fractions or SaidFurtherOn)) return 0;
        long channels = BinaryPrimitives.ReadUInt16LittleEndian(head[22..]), rate = BinaryPrimitives.ReadUInt32LittleEndian(head[24..]), bits = BinaryPrimitives.ReadUInt16LittleEndian(head[34..]);
        // No sound that anybody hears is outside of this.
        return channels is >= 1 and <= 32 && rate is >= 1_000 and <= 768_000 && bits is (8 or 16 or 24 or 32 or 64) ? channels * rate * bits / 8 : 0;
    }
}
