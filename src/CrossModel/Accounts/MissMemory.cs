namespace CrossModel.Accounts;

/// <summary>Hashes that nobody owns, the latest few thousand: two generations, of which the older is dropped when the younger is full.</summary>
internal sealed class MissMemory
{
    private const int Generation = 4096;
    private readonly Lock _lock = new();
    private HashSet<KeyHash> _young = [];
    private HashSet<KeyHash> _old = [];

    public int Count
    {
        get
        {
            lock (_lock) return _young.Count + _old.Count;
        }
    }

    public bool Contains(KeyHash hash)
    {
        lock (_lock) return _young.Contains(hash) || _old.Contains(hash);
    }

    public void Add(KeyHash hash)
    {
        lock (_lock)
        {
            if (_young.Count >= Generation) (_old, _young) = (_young, []);
            _young.Add(hash);
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _young = [];
            _old = [];
        }
    }
}
