using System.Buffers;

namespace CrossModel.Protocol;

/// <summary>
/// Replacements in a JSON text, written in one pass: all else keeps its bytes. Reused from event to event, so relaying one allocates nothing.
/// For replies, where <see cref="BodySplice"/> is for requests: it writes parts of a text too, and leaves commas to who inserts.
/// Edits may be added in any order but must not overlap; several insertions at one place keep their order.
/// </summary>
internal sealed class JsonEdits : IDisposable
{
    private readonly PooledBuffer _texts = new();
    private Edit[] _edits = [];
    private int _count;

    private record struct Edit(int Start, int End, int Text, int TextLength);

    public void Clear()
    {
        _count = 0;
        _texts.Reset();
    }

    /// <summary>Gives the memory for texts back until it is needed again.</summary>
    public void Dispose() => _texts.Clear();

    public void Insert(int at, ReadOnlySpan<byte> text) => Replace(at, at, text);

    public void Replace(JsonSpan span, ReadOnlySpan<byte> text) => Replace(span.Start, span.End, text);

    public void Replace(int start, int end, ReadOnlySpan<byte> text)
    {
        if (_count == _edits.Length) Array.Resize(ref _edits, Math.Max(8, _count * 2));
        _edits[_count++] = new Edit(start, end, _texts.Length, text.Length);
        _texts.Write(text);
    }

    /// <summary>Takes a member out of its object with one comma. At most one member of an object may be removed.</summary>
    public void Remove(ReadOnlySpan<byte> json, JsonSpan member)
    {
        var end = member.End;
        while (end < json.Length && IsSpace(json[end])) end++;
        if (end < json.Length && json[end] == (byte)',')
        {
            Replace(member.Start, end + 1, default);
            return;
        }
        var start = member.Start;
        while (start > 0 && IsSpace(json[start - 1])) start--;
        if (start > 0 && json[start - 1] == (byte)',') start--;
        Replace(start, member.End, default);
    }

    /// <summary>Writes the bytes from <paramref name="start"/> to <paramref name="end"/> with the edits that lie within.</summary>
    public void Write(ReadOnlySpan<byte> json, int start, int end, IBufferWriter<byte> target)
    {
        Sort();
        var at = start;
        for (var i = 0; i < _count; i++)
        {
            ref var edit = ref _edits[i];
            if (edit.Start < start || edit.End > end) continue;
            target.Write(json[at..edit.Start]);
            target.Write(_texts.Span.Slice(edit.Text, edit.TextLength));
            at = edit.End;
        }
        target.Write(json[at..end]);
    }

    private static bool IsSpace(byte b) => b is (byte)' ' or (byte)'\n' or (byte)'\r' or (byte)'\t';

    private void Sort()
    {
        // Insertion sort: there are a handful of edits, almost in order, and it is stable.
        for (var i = 1; i < _count; i++)
        {
            var edit = _edits[i];
            var j = i - 1;
            for (; j >= 0 && _edits[j].Start > edit.Start; j--) _edits[j + 1] = _edits[j];
            _edits[j + 1] = edit;
        }
    }
}
