using System.Text;

namespace CrossModel.Protocol;

/// <summary>A closed list of names, found by their UTF-8 bytes without making a string. The index is the place in the list as given.</summary>
internal sealed class NameTable
{
    private readonly (byte[] Name, int Index)[][] _byLength;

    public NameTable(params string[] names)
    {
        Names = names;
        _byLength = new (byte[], int)[names.Max(n => n.Length) + 1][];
        for (var length = 0; length < _byLength.Length; length++)
            _byLength[length] = [.. names.Select((name, index) => (Encoding.UTF8.GetBytes(name), index)).Where(n => n.Item1.Length == length)];
    }

    public IReadOnlyList<string> Names { get; }

    /// <summary>Where the name stands in the list; -1: nowhere.</summary>
    public int Find(ReadOnlySpan<byte> name)
    {
        if (name.Length >= _byLength.Length) return -1;
        foreach (var (candidate, index) in _byLength[name.Length])
            if (name.SequenceEqual(candidate)) return index;
        return -1;
    }

    /// <summary>The names for a message: <c>a, b, c</c>.</summary>
    public override string ToString() => string.Join(", ", Names);
}
