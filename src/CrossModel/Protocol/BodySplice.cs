using System.Buffers;

namespace CrossModel.Protocol;

/// <summary>
/// Edits on a JSON body, written in one pass: what no edit names keeps its bytes. Spans are those of the unedited body, in any order.
/// An edit inside a removed member vanishes with it. May be used again after <see cref="Clear"/>.
/// </summary>
internal sealed class BodySplice
{
    private const int MostKept = 4096;
    private const int Handful = 64;

    [ThreadStatic] private static BodySplice? _ofThread;

    /// <summary>The running thread's, empty: for who does not wait before clearing it.</summary>
    public static BodySplice Borrow()
    {
        var splice = _ofThread ??= new BodySplice();
        splice.Clear();
        return splice;
    }

    private enum Kind { Insert, Replace, Remove }

    private readonly record struct Edit(Kind Kind, int Start, int End, int TextStart, int TextLength);

    private readonly List<Edit> _edits = [];
    private readonly List<JsonSpan> _cuts = [];
    private ArrayBufferWriter<byte> _text = new(64);

    public void Clear()
    {
        _edits.Clear();
        _cuts.Clear();
        if (_edits.Capacity > MostKept) _edits.Capacity = Handful;
        if (_cuts.Capacity > MostKept) _cuts.Capacity = Handful;
        if (_text.Capacity > MostKept) _text = new(64);
        else _text.ResetWrittenCount();
    }

    /// <summary>Puts other bytes in the place of a value (or of a whole member). The bytes are copied.</summary>
    public void Replace(JsonSpan span, ReadOnlySpan<byte> bytes) => Add(Kind.Replace, span.Start, span.End, bytes);

    /// <summary>Takes a member out, with the comma that parted it from its neighbour.</summary>
    /// <param name="member">From the opening quote of its name to the end of its value.</param>
    public void Remove(JsonSpan member) => Add(Kind.Remove, member.Start, member.End, []);

    /// <summary>Puts members at an object's beginning; the comma behind them is added where other members are left. Several go in call order.</summary>
    /// <param name="objectStart">Where the object's brace is.</param>
    /// <param name="members">One or more whole members without braces: <c>"a":1</c>.</param>
    public void InsertFirst(int objectStart, ReadOnlySpan<byte> members) => Add(Kind.Insert, objectStart + 1, objectStart + 1, members);

    public void Write(ReadOnlySpan<byte> body, IBufferWriter<byte> target)
    {
        Sort();
        FindCuts(body);
        var (done, cut) = (0, 0);
        for (var i = 0; i < _edits.Count; i++)
        {
            var edit = _edits[i];
            if (edit.Kind == Kind.Remove) continue;
            while (cut < _cuts.Count && _cuts[cut].Start < edit.Start) SkipCut(body, target, ref done, ref cut);
            if (edit.Start < done) continue;
            target.Write(body[done..edit.Start]);
            target.Write(_text.WrittenSpan.Slice(edit.TextStart, edit.TextLength));
            done = edit.End;
            if (edit.Kind == Kind.Insert && (NextInsertIsHere(i) || !IsObjectLeftEmpty(body, edit.Start, cut))) target.Write(","u8);
        }
        while (cut < _cuts.Count) SkipCut(body, target, ref done, ref cut);
        target.Write(body[done..]);
    }

    private void Add(Kind kind, int start, int end, ReadOnlySpan<byte> text)
    {
        _edits.Add(new Edit(kind, start, end, _text.WrittenCount, text.Length));
        _text.Write(text);
    }

    // Insertion sort: a handful of edits, mostly in order already, and inserts at one place must keep their order. Several rules may each change
    // something in every message, and a caller decides how many those are.
    private void Sort()
    {
        if (_edits.Count > Handful)
        {
            _edits.Sort(static (a, b) => Comes(a, b) ? -1 : Comes(b, a) ? 1 : a.TextStart.CompareTo(b.TextStart));
            return;
        }
        for (var i = 1; i < _edits.Count; i++)
        {
            var edit = _edits[i];
            var at = i;
            for (; at > 0 && Comes(edit, _edits[at - 1]); at--) _edits[at] = _edits[at - 1];
            _edits[at] = edit;
        }
        static bool Comes(in Edit a, in Edit b) => a.Start != b.Start ? a.Start < b.Start : a.Kind == Kind.Insert && b.Kind != Kind.Insert;
    }

    // A removed member takes the comma behind it. The last one has none behind, so it takes the one before; and when that comma went
    // with a removed neighbour, the two become one cut and the comma before both is taken.
    private void FindCuts(ReadOnlySpan<byte> body)
    {
        _cuts.Clear();
        foreach (var edit in _edits)
        {
            if (edit.Kind != Kind.Remove || (_cuts.Count > 0 && edit.Start < _cuts[^1].End)) continue;
            var start = edit.Start;
            var end = SkipSpace(body, edit.End);
            if (end < body.Length && body[end] == ',')
            {
                _cuts.Add(Span(start, end + 1));
                continue;
            }
            end = edit.End;
            var before = SkipSpaceBack(body, start);
            while (_cuts.Count > 0 && _cuts[^1].End >= before)
            {
                start = _cuts[^1].Start;
                _cuts.RemoveAt(_cuts.Count - 1);
                before = SkipSpaceBack(body, start);
            }
            if (before > 0 && body[before - 1] == ',') start = before - 1;
            _cuts.Add(Span(start, end));
        }
    }

    private void SkipCut(ReadOnlySpan<byte> body, IBufferWriter<byte> target, ref int done, ref int cut)
    {
        var span = _cuts[cut++];
        if (span.Start > done) target.Write(body[done..span.Start]);
        done = Math.Max(done, span.End);
    }

    private bool NextInsertIsHere(int i) => i + 1 < _edits.Count && _edits[i + 1].Kind == Kind.Insert && _edits[i + 1].Start == _edits[i].Start;

    /// <param name="cut">The first that is not before it.</param>
    private bool IsObjectLeftEmpty(ReadOnlySpan<byte> body, int at, int cut)
    {
        at = SkipSpace(body, at);
        for (; cut < _cuts.Count && _cuts[cut].Start == at; cut++) at = SkipSpace(body, _cuts[cut].End);
        return at < body.Length && body[at] == '}';
    }

    private static int SkipSpace(ReadOnlySpan<byte> body, int at)
    {
        while (at < body.Length && IsSpace(body[at])) at++;
        return at;
    }

    private static int SkipSpaceBack(ReadOnlySpan<byte> body, int end)
    {
        while (end > 0 && IsSpace(body[end - 1])) end--;
        return end;
    }

    private static bool IsSpace(byte b) => b is (byte)' ' or (byte)'\t' or (byte)'\n' or (byte)'\r';

    private static JsonSpan Span(int start, int end) => new(start, end - start);
}
