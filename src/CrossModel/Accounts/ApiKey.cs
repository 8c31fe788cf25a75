using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using CrossModel.Storage;

namespace CrossModel.Accounts;

/// <summary>
/// A key as its holder has it: <c>cm-</c>, 37 random base62 characters and 6 of checksum (CRC-32 of the 40 before it). The checksum tells a leaked key
/// from noise, and refuses a mistyped one without a look-up; it is no secret.
/// </summary>
internal static class ApiKey
{
    public const int Length = 46;
    private const int CheckedLength = 40;
    private const string Start = "cm-";

    public static string New() => string.Create(Length, 0, static (text, _) =>
    {
        Start.CopyTo(text);
        RandomText.Fill(text[Start.Length..CheckedLength], RandomText.Base62);
        WriteChecksum(text[..CheckedLength], text[CheckedLength..]);
    });

    public static bool HasValidChecksum(ReadOnlySpan<char> key)
    {
        if (key.Length != Length || !key.StartsWith(Start, StringComparison.Ordinal)) return false;
        foreach (var character in key[Start.Length..])
            if (!char.IsAsciiLetterOrDigit(character)) return false;
        Span<char> checksum = stackalloc char[Length - CheckedLength];
        WriteChecksum(key[..CheckedLength], checksum);
        return key[CheckedLength..].SequenceEqual(checksum);
    }

    /// <summary>What is stored: SHA-256 in lower-case hex. The key has 220 random bits, so a slow hash would protect nothing more.</summary>
    public static string Hash(string key) => KeyHash.Of(key).ToString();

    /// <summary>To recognise a key by: <c>cm-a1b2…wxyz</c>.</summary>
    public static string Prefix(string key) => $"{key[..7]}…{key[^4..]}";

    private static void WriteChecksum(ReadOnlySpan<char> text, Span<char> target)
    {
        var crc = Crc32(text);
        for (var i = target.Length - 1; i >= 0; i--, crc /= 62) target[i] = RandomText.Base62[(int)(crc % 62)];
    }

    // The common CRC-32 (IEEE 802.3, reflected 0xEDB88320), a nibble at a time: 64 bytes of table, and a key is short.
    private static uint Crc32(ReadOnlySpan<char> ascii)
    {
        var crc = uint.MaxValue;
        foreach (var character in ascii)
        {
            crc ^= (byte)character;
            crc = CrcTable[(int)(crc & 15)] ^ (crc >> 4);
            crc = CrcTable[(int)(crc & 15)] ^ (crc >> 4);
        }
        return ~crc;
    }

    private static readonly uint[] CrcTable =
    [
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
        0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    ];
}

/// <summary>A key's SHA-256 as a value that a dictionary finds without allocating.</summary>
internal readonly record struct KeyHash(UInt128 High, UInt128 Low)
{
    /// <param name="key">ASCII, <see cref="ApiKey.Length"/> characters at most.</param>
    public static KeyHash Of(ReadOnlySpan<char> key)
    {
        Span<byte> ascii = stackalloc byte[ApiKey.Length];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(ascii[..Encoding.ASCII.GetBytes(key, ascii)], hash);
        return Of(hash);
    }

    public static KeyHash FromHex(string hex) => Of(Convert.FromHexString(hex));

    private static KeyHash Of(ReadOnlySpan<byte> hash) =>
        new(BinaryPrimitives.ReadUInt128BigEndian(hash), BinaryPrimitives.ReadUInt128BigEndian(hash[16..]));

    /// <summary>Lower-case hex.</summary>
    public override string ToString() => $"{High:x32}{Low:x32}";

    // Any part of a SHA-256 is as good a hash as one could compute.
    public override int GetHashCode() => (int)(uint)Low;
}
