using System.Buffers;

namespace CrossModel.Protocol;

/// <summary>Bytes that grow, in a borrowed array. Holds no array while empty, so a silent stream costs nothing.</summary>
internal sealed class PooledBuffer : IBufferWriter<byte>, IDisposable
{
    // Most of what passes is under a kilobyte, and a call has several of these: larger ones would not fit the processor's cache.
    private const long SmallestArray = 512;

    private byte[] _array = [];
    private int _start;
    private int _end;

    public int Length => _end - _start;
    public ReadOnlyMemory<byte> Memory => _array.AsMemory(_start, Length);
    public ReadOnlySpan<byte> Span => _array.AsSpan(_start, Length);

    public void Advance(int count) => _end += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _array.AsMemory(_end);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _array.AsSpan(_end);
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        Reserve(bytes.Length);
        bytes.CopyTo(_array.AsSpan(_end));
        _end += bytes.Length;
    }

    /// <summary>Forgets the first <paramref name="count"/> bytes. When nothing is left the array goes back to the pool.</summary>
    public void Consume(int count)
    {
        _start += count;
        if (_start == _end) Clear();
    }

    /// <summary>Forgets everything and gives the array back.</summary>
    public void Clear()
    {
        if (_array.Length > 0) ByteArrays.Return(_array);
        _array = [];
        _start = _end = 0;
    }

    /// <summary>Forgets everything and leaves the array to whoever still reads it.</summary>
    public void Abandon()
    {
        _array = [];
        _start = _end = 0;
    }

    /// <summary>Forgets everything but keeps the array for the next use.</summary>
    public void Reset() => _start = _end = 0;

    public void Dispose() => Clear();

    private void Reserve(int count)
    {
        if (_array.Length - _end >= count) return;
        if (_start > 0 && _array.Length - Length >= count && Length <= _array.Length / 2)
        {
            _array.AsSpan(_start, Length).CopyTo(_array);
        }
        else
        {
            var larger = ByteArrays.Rent((int)Math.Min(Array.MaxLength, Math.Max(SmallestArray, Math.Max(_array.Length * 2L, (long)Length + count))));
            _array.AsSpan(_start, Length).CopyTo(larger);
            if (_array.Length > 0) ByteArrays.Return(_array);
            _array = larger;
        }
        (_start, _end) = (0, Length);
    }
}
