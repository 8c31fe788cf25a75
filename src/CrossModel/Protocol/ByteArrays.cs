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

    private static readonly Shelf[] Shelves = [.. Enumerable.Range(0, BitOperations.Log2(Largest / Smallest) + 1).Select(i => new Shelf(Smallest << i))];

    /// <summary>At least so long.</summary>
    public static byte[] Rent(int length) =>
        length > Largest ? ArrayPool<byte>.Shared.Rent(length) : Shelves[IndexOf(length)].Take();

    public static void Return(byte[] array)
    {
        if (array.Length > Largest) ArrayPool<byte>.Shared.Return(array);
        else Shelves[IndexOf(array.Length)].Put(array);
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
