using System.Buffers;
using System.Numerics;

namespace CrossModel.Protocol;

/// <summary>
/// Byte arrays to borrow. The runtime's shared pool keeps 32 of a size and processor: with a hundred calls in flight, each with several small buffers,
/// most of them would be allocated anew. Here up to 2 MiB of each small size are kept; larger arrays are the shared pool's.
/// </summary>
internal static class ByteArrays
{
    private const int Smallest = 512;
    private const int Largest = 16 * 1024;
    private const int KeptBytes = 2 * 1024 * 1024;

    // One of each size at hand: most arrays are given back on the thread that takes the next.
    [ThreadStatic] private static byte[]?[]? _atHand;

    private static readonly Shelf[] Shelves = [.. Enumerable.Range(0, BitOperations.Log2(Largest / Smallest) + 1).Select(i => new Shelf(Smallest << i))];

    /// <summary>An array of at least this length.</summary>
    public static byte[] Rent(int length)
    {
        if (length > Largest) return ArrayPool<byte>.Shared.Rent(length);
        var index = IndexOf(length);
        if (_atHand is not { } atHand || atHand[index] is not { } array) return Shelves[index].Take();
        atHand[index] = null;
        return array;
    }

    public static void Return(byte[] array)
    {
        if (array.Length > Largest)
        {
            ArrayPool<byte>.Shared.Return(array);
            return;
        }
        var index = IndexOf(array.Length);
        var atHand = _atHand ??= new byte[Shelves.Length][];
        if (atHand[index] is { } other) Shelves[index].Put(other);
        atHand[index] = array;
    }

    private static int IndexOf(int length) => length <= Smallest ? 0 : BitOperations.Log2((uint)(length - 1)) + 1 - BitOperations.Log2(Smallest);

    private sealed class Shelf(int length)
    {
        private readonly byte[]?[] _arrays = new byte[KeptBytes / length][];
        private readonly Lock _lock = new();
        private int _count;

        public byte[] Take()
        {
            lock (_lock)
            {
                if (_count > 0)
                {
                    var array = _arrays[--_count]!;
                    _arrays[_count] = null;
                    return array;
                }
            }
            return GC.AllocateUninitializedArray<byte>(length);
        }

        public void Put(byte[] array)
        {
            lock (_lock)
            {
                if (_count < _arrays.Length) _arrays[_count++] = array;
            }
        }
    }
}
