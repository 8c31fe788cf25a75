namespace CrossModel.Protocol;

/// <summary>One event of a stream. The spans live until the next call of the reader that gave it.</summary>
internal readonly ref struct SseEvent(ReadOnlySpan<byte> name, ReadOnlySpan<byte> data, bool isErrorField)
{
    /// <summary>The <c>event:</c> field; empty when there is none.</summary>
    public ReadOnlySpan<byte> Name { get; } = name;

    /// <summary>The <c>data:</c> lines, joined by LF.</summary>
    public ReadOnlySpan<byte> Data { get; } = data;

    /// <summary>The data came in the non-standard field <c>error:</c> (older llama.cpp).</summary>
    public bool IsErrorField { get; } = isErrorField;
}

/// <summary>
/// Finds the events in the bytes of a text/event-stream, however they were cut. Line ends LF, CRLF and CR; comments, <c>id:</c> and
/// <c>retry:</c> are passed over; a line of bare JSON is data. It remembers how far it looked, so a line of megabytes that arrives in small pieces is scanned once.
/// </summary>
internal sealed class SseReader : IDisposable
{
    private static ReadOnlySpan<byte> Bom => [0xEF, 0xBB, 0xBF];

    private readonly PooledBuffer _joined = new();
    private JsonSpan _data;
    private JsonSpan _name;
    private int _dataLines;
    private int _line;
    private int _scanned;
    private bool _isErrorField;
    private bool _skipLf;
    private bool _begun;

    /// <summary>
    /// Reads the next event. <paramref name="unread"/> begins where the last call's <paramref name="used"/> ended and holds at least what it held then.
    /// With <paramref name="atEnd"/> a last line without its line end, and a last event without its blank line, count.
    /// False: there is none yet; used then covers what need not be kept.
    /// </summary>
    public bool TryRead(ReadOnlySpan<byte> unread, bool atEnd, out SseEvent evt, out int used)
    {
        evt = default;
        used = 0;
        if (!_begun)
        {
            if (!atEnd && unread.Length < Bom.Length && Bom.StartsWith(unread)) return false;
            if (unread.StartsWith(Bom)) _line = _scanned = Bom.Length;
            _begun = true;
        }
        while (TryLine(unread, atEnd, out var line, out var start))
        {
            if (!line.IsEmpty)
            {
                Field(unread, line, start);
                continue;
            }
            if (_dataLines == 0)
            {
                _name = default;
                continue;
            }
            return Dispatch(unread, out evt, out used);
        }
        if (atEnd && _dataLines > 0) return Dispatch(unread, out evt, out used);
        if (_dataLines == 0 && !_name.IsPresent) used = Forget();
        return false;
    }

    public void Dispose() => _joined.Dispose();

    private bool TryLine(ReadOnlySpan<byte> unread, bool atEnd, out ReadOnlySpan<byte> line, out int start)
    {
        line = default;
        if (_skipLf && _line < unread.Length)
        {
            // The CR before it already ended the line: a CRLF may be cut in the middle.
            if (unread[_line] == (byte)'\n') _line++;
            _skipLf = false;
            _scanned = _line;
        }
        start = _line;
        var found = unread[_scanned..].IndexOfAny((byte)'\n', (byte)'\r');
        if (found < 0)
        {
            _scanned = unread.Length;
            if (!atEnd || _line == unread.Length) return false;
            line = unread[_line..];
            _line = unread.Length;
            return true;
        }
        var end = _scanned + found;
        line = unread[_line..end];
        _skipLf = unread[end] == (byte)'\r';
        _line = _scanned = end + 1;
        return true;
    }

    private void Field(ReadOnlySpan<byte> unread, ReadOnlySpan<byte> line, int start)
    {
        // No field's name begins so: it is data whose name a proxy has lost (GPUStack's before version 2.1).
        if (line[0] == (byte)'{' || line.SequenceEqual("[DONE]"u8))
        {
            Data(unread, new JsonSpan(start, line.Length));
            return;
        }
        var colon = line.IndexOf((byte)':');
        var field = colon < 0 ? line : line[..colon];
        var offset = colon < 0 ? line.Length : colon + 1;
        if (offset < line.Length && line[offset] == (byte)' ') offset++;
        var value = new JsonSpan(start + offset, line.Length - offset);
        if (field.SequenceEqual("data"u8)) Data(unread, value);
        else if (field.SequenceEqual("event"u8)) _name = value;
        else if (field.SequenceEqual("error"u8))
        {
            _isErrorField = true;
            Data(unread, value);
        }
    }

    private void Data(ReadOnlySpan<byte> unread, JsonSpan value)
    {
        if (++_dataLines == 1)
        {
            _data = value;
            return;
        }
        if (_dataLines == 2) _joined.Write(unread.Slice(_data.Start, _data.Length));
        _joined.Write("\n"u8);
        _joined.Write(unread.Slice(value.Start, value.Length));
    }

    private bool Dispatch(ReadOnlySpan<byte> unread, out SseEvent evt, out int used)
    {
        // Joined lines are copied out before the buffer is reset for the next event, which happens on the next call at the earliest.
        var data = _dataLines == 1 ? unread.Slice(_data.Start, _data.Length) : _joined.Span;
        evt = new SseEvent(unread.Slice(_name.Start, _name.Length), data, _isErrorField);
        _joined.Reset();
        (_data, _name, _dataLines, _isErrorField) = (default, default, 0, false);
        used = Forget();
        return true;
    }

    private int Forget()
    {
        var used = _line;
        _line = 0;
        _scanned -= used;
        return used;
    }
}
