using System.Buffers.Binary;
using System.Text;

namespace CrossModel.Dialects.Bedrock;

/// <summary>
/// One message of Amazon's binary event stream: <c>total u32, headers u32, CRC of these, headers, payload, CRC of all before</c>, big endian.
/// The headers that matter are strings; the others are passed over.
/// </summary>
internal ref struct EventFrame
{
    /// <summary>Of a whole frame; a longer one is garbage.</summary>
    private const int LongestFrame = 24 * 1024 * 1024;
    private const int PreludeLength = 12;
    private const int ShortestFrame = PreludeLength + 4;
    private const byte StringType = 7;

    public ReadOnlySpan<byte> MessageType, EventType, ExceptionType, ErrorCode, ErrorMessage, Payload;

    internal enum Outcome
    {
        /// <summary>More bytes are needed.</summary>
        Partial,
        Whole,
        /// <summary>A wrong checksum, an impossible length, headers that cannot be read.</summary>
        Broken,
    }

    /// <summary>Reads the frame that <paramref name="unread"/> begins with.</summary>
    public static Outcome Read(ReadOnlySpan<byte> unread, out EventFrame frame, out int length)
    {
        frame = default;
        length = 0;
        if (unread.Length < PreludeLength) return Outcome.Partial;
        var total = BinaryPrimitives.ReadUInt32BigEndian(unread);
        var headers = BinaryPrimitives.ReadUInt32BigEndian(unread[4..]);
        // The lengths are believed only once their own checksum is right.
        if (Crc32.Of(unread[..8]) != BinaryPrimitives.ReadUInt32BigEndian(unread[8..])) return Outcome.Broken;
        if (total is < ShortestFrame or > LongestFrame || headers > total - ShortestFrame) return Outcome.Broken;
        if (unread.Length < total) return Outcome.Partial;
        var end = (int)total - 4;
        if (Crc32.Of(unread[..end]) != BinaryPrimitives.ReadUInt32BigEndian(unread[end..])) return Outcome.Broken;
        if (!frame.ReadHeaders(unread.Slice(PreludeLength, (int)headers))) return Outcome.Broken;
        frame.Payload = unread[(PreludeLength + (int)headers)..end];
        length = (int)total;
        return Outcome.Whole;
    }

    private bool ReadHeaders(ReadOnlySpan<byte> headers)
    {
        while (headers.Length > 0)
        {
            int nameLength = headers[0];
            if (headers.Length < nameLength + 2) return false;
            var name = headers.Slice(1, nameLength);
            var type = headers[nameLength + 1];
            headers = headers[(nameLength + 2)..];
            var length = type switch { 0 or 1 => 0, 2 => 1, 3 => 2, 4 => 4, 5 or 8 => 8, 6 or StringType => -1, 9 => 16, _ => -2 };
            if (length == -2) return false;
            if (length == -1)
            {
                if (headers.Length < 2) return false;
                length = BinaryPrimitives.ReadUInt16BigEndian(headers);
                headers = headers[2..];
            }
            if (headers.Length < length) return false;
            if (type == StringType) Take(name, headers[..length]);
            headers = headers[length..];
        }
        return true;
    }

    private void Take(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (name.SequenceEqual(":message-type"u8)) MessageType = value;
        else if (name.SequenceEqual(":event-type"u8)) EventType = value;
        else if (name.SequenceEqual(":exception-type"u8)) ExceptionType = value;
        else if (name.SequenceEqual(":error-code"u8)) ErrorCode = value;
        else if (name.SequenceEqual(":error-message"u8)) ErrorMessage = value;
    }

    public static string Text(ReadOnlySpan<byte> value) => Encoding.UTF8.GetString(value);
}

/// <summary>CRC-32 of IEEE 802.3, as zlib computes it.</summary>
internal static class Crc32
{
    private static readonly uint[] Table = MakeTable();

    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes) crc = Table[(byte)(crc ^ value)] ^ (crc >> 8);
        return ~crc;
    }

    private static uint[] MakeTable()
    {
        var table = new uint[256];
        for (var i = 0u; i < table.Length; i++)
        {
            var crc = i;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 1) == 0 ? crc >> 1 : 0xEDB88320 ^ (crc >> 1);
            table[i] = crc;
        }
        return table;
    }
}
