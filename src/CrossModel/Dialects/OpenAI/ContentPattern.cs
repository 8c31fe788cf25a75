using System.Buffers;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// The events of a stream mostly differ in their content alone. What stands around the content of one event, and what was made of it, is remembered:
/// the next event with the same bytes around plain text is written without being parsed. Anything else takes the long way.
/// </summary>
internal sealed class ContentPattern
{
    /// <summary>Servers that put something new into every event (random padding) are not learned again and again.</summary>
    private const int MostLessons = 4;

    // Escapes need counting and checking, control characters are no JSON, a quote ends the text.
    private static readonly SearchValues<byte> NotPlain = SearchValues.Create([.. Enumerable.Range(0, 32).Select(i => (byte)i), (byte)'"', (byte)'\\']);

    private byte[] _bytes = [];
    private int _before, _after, _ownBefore;
    private int _lessons;
    private ChunkWriter? _client;
    private ChoiceState? _choice;
    private int _index;

    public bool WantsLesson => _lessons < MostLessons;

    /// <param name="text">An event that was parsed and is about text alone, of a choice that goes on.</param>
    /// <param name="content">The inside of its content string, which no edit touches.</param>
    /// <param name="index">The choice's, as the caller sees it.</param>
    public void Learn(ReadOnlySpan<byte> text, JsonSpan content, JsonEdits edits, PooledBuffer scratch, ChunkWriter client, ChoiceState choice, int index)
    {
        _lessons++;
        (_client, _choice, _index, _before, _after) = (client, choice, index, content.Start, text.Length - content.End);
        scratch.Reset();
        scratch.Write(text[..content.Start]);
        scratch.Write(text[content.End..]);
        scratch.Write("data: "u8);
        edits.Write(text, 0, content.Start, scratch);
        _ownBefore = scratch.Length - _before - _after;
        edits.Write(text, content.End, text.Length, scratch);
        scratch.Write("\n\n"u8);
        _bytes = scratch.Span.ToArray();
        scratch.Reset();
    }

    /// <summary>Writes the event if it is like the one learned.</summary>
    public bool TryWrite(ReadOnlySpan<byte> text, ChunkWriter client)
    {
        if (_client != client || _choice is not { Finish: null } || text.Length <= _before + _after) return false;
        var known = _bytes.AsSpan();
        if (!text.StartsWith(known[.._before]) || !text.EndsWith(known.Slice(_before, _after))) return false;
        var content = text[_before..^_after];
        if (content.ContainsAny(NotPlain)) return false;
        var own = known[(_before + _after)..];
        var target = client.Open(_index);
        var span = target.GetSpan(own.Length + content.Length);
        own[.._ownBefore].CopyTo(span);
        content.CopyTo(span[_ownBefore..]);
        own[_ownBefore..].CopyTo(span[(_ownBefore + content.Length)..]);
        target.Advance(own.Length + content.Length);
        client.TextBytes += content.Length;
        client.HasContent = true;
        return true;
    }
}
