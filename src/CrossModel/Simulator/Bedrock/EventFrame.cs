using System.Buffers.Binary;
using System.Text;

namespace CrossModel.Simulator;

/// <summary>
/// A frame of Amazon's event stream: total length, headers' length, CRC of these eight bytes, headers, payload, CRC of all before;
/// numbers big-endian.
/// </summary>
internal static class EventFrame
{
    private static readonly uint[] Table = MakeTable();

    public static byte[] Write(ReadOnlySpan<byte> payload, params ReadOnlySpan<(string Name, string Value)> headers)
    {
        var head = new List<byte>();
        foreach (var (name, value) in headers)
        {
            head.Add((byte)name.Length);
            head.AddRange(Encoding.UTF8.GetBytes(name));
            head.Add(7);
            head.Add((byte)(value.Length >> 8));
            head.Add((byte)value.Length);
            head.AddRange(Encoding.UTF8.GetBytes(value));
        }
        var frame = new byte[16 + head.Count + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, frame.Length);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), head.Count);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(8), Crc32(frame.AsSpan(0, 8)));
        head.CopyTo(frame, 12);
        payload.CopyTo(frame.AsSpan(12 + head.Count));
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(frame.Length - 4), Crc32(frame.AsSpan(0, frame.Length - 4)));
        return frame;
    }

    /// <summary>CRC-32 of IEEE 802.3, as in zlib.</summary>
    private static uint Crc32(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
            crc = Table[(byte)(crc ^ value)] ^ (crc >> 8);
        return ~crc;
    }

    private static uint[] MakeTable()
    {
        var table = new uint[256];
        for (var i = 0u; i < 256; i++)
        {
            var crc = i;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) == 1 ? 0xEDB88320 ^ (crc >> 1) : crc >> 1;
            table[i] = crc;
        }
        return table;
    }
}
