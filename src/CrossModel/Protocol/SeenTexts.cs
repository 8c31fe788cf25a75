namespace CrossModel.Protocol;

/// <summary>
/// Which texts were met in one body, each within a scope (one object's members, one message's call ids): names that no table lists, ids, tool
/// names. A hash table with a seed of the process, so that no body can make it slow. Used again for the next body.
/// </summary>
internal sealed class SeenTexts
{
    // What one large body made is not kept for the next.
    private const int KeptEntries = 4096;
    private const int KeptText = 64 * 1024;

    private struct Entry
    {
        public int Hash;
        public int Scope;
        public int Start;
        public int Length;
        public int Next;
        public int Tag;
        public bool Marked;
    }

    private int[] _buckets = new int[64];
    private Entry[] _entries = new Entry[64];
    private byte[] _text = new byte[1024];
    private int _textLength;

    public int Count { get; private set; }

    /// <summary>The entry of a text; -1: not met in this scope.</summary>
    public int Find(int scope, ReadOnlySpan<byte> text) => Find(scope, text, Hash(scope, text));

    /// <summary>False if it was met in this scope already.</summary>
    /// <param name="tag">A number to remember with it.</param>
    public bool Add(int scope, ReadOnlySpan<byte> text, int tag = 0)
    {
        var hash = Hash(scope, text);
        if (Find(scope, text, hash) >= 0) return false;
        if (Count == _entries.Length) Grow();
        if (_text.Length - _textLength < text.Length) Array.Resize(ref _text, (int)Math.Min(Array.MaxLength, Math.Max(_text.Length * 2L, (long)_textLength + text.Length)));
        text.CopyTo(_text.AsSpan(_textLength));
        ref var bucket = ref _buckets[hash & (_buckets.Length - 1)];
        _entries[Count] = new Entry { Hash = hash, Scope = scope, Start = _textLength, Length = text.Length, Next = bucket - 1, Tag = tag };
        bucket = ++Count;
        _textLength += text.Length;
        return true;
    }

    public ReadOnlySpan<byte> Text(int entry) => _text.AsSpan(_entries[entry].Start, _entries[entry].Length);

    public int Tag(int entry) => _entries[entry].Tag;

    public int Scope(int entry) => _entries[entry].Scope;

    public bool IsMarked(int entry) => _entries[entry].Marked;

    public void Mark(int entry) => _entries[entry].Marked = true;

    public void Clear()
    {
        if (_entries.Length > KeptEntries)
        {
            _buckets = new int[64];
            _entries = new Entry[64];
        }
        else if (Count > 0)
        {
            Array.Clear(_buckets);
        }
        if (_text.Length > KeptText) _text = new byte[1024];
        Count = _textLength = 0;
    }

    private int Find(int scope, ReadOnlySpan<byte> text, int hash)
    {
        for (var i = _buckets[hash & (_buckets.Length - 1)] - 1; i >= 0; i = _entries[i].Next)
            if (_entries[i].Hash == hash && _entries[i].Scope == scope && Text(i).SequenceEqual(text)) return i;
        return -1;
    }

    private void Grow()
    {
        Array.Resize(ref _entries, Count * 2);
        _buckets = new int[_entries.Length];
        for (var i = 0; i < Count; i++)
        {
            ref var bucket = ref _buckets[_entries[i].Hash & (_buckets.Length - 1)];
            _entries[i].Next = bucket - 1;
            bucket = i + 1;
        }
    }

    private static int Hash(int scope, ReadOnlySpan<byte> text)
    {
        var hash = default(HashCode);
        hash.Add(scope);
        hash.AddBytes(text);
        return hash.ToHashCode();
    }
}
