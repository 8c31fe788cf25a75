using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// Reads a reply in OpenAI's own format and splices it: identity, finish reasons, usage and what a server left out are mended, all else keeps its
/// bytes. One an answer. What a stream must remember is per choice; see the state machine in README.md beside this file.
/// </summary>
/// <param name="gaveFewer">Told when the server gave fewer candidates than it was asked for.</param>
/// <param name="signatures">Takes the state of its calls; null: the server signs none.</param>
internal sealed class OpenAIReply(ReplyContext context, Preset preset, Action? gaveFewer = null, CallSignatures? signatures = null) : ReplyReader
{
    private readonly ContentPattern _pattern = new();
    private readonly List<ChoiceState> _choices = [];
    private SseReader? _events;
    // The running thread's, borrowed anew by every call from outside: they carry nothing from one to the next, so thousands of replies share a few.
    private ReplyTools _tools = null!;
    private UsageNumbers _numbers;
    private int _usagesSeen;
    private int _whole;
    private bool? _isStream;

    private ReplyView View => _tools.View;

    public override bool HasFinished => _choices.Count == context.Candidates && _choices.TrueForAll(choice => choice.IsAtEnd);

    public override int Read(ReadOnlySpan<byte> unread, ChunkWriter client) => IsStream(unread) ? ReadEvents(unread, atEnd: false, client) : 0;

    public override void Complete(ReadOnlySpan<byte> unread, ChunkWriter client)
    {
        if (Fault is not null || Ended) return;
        if (unread.IsEmpty && _isStream is null)
        {
            Fail(UpstreamFailure.BadReply, "the body was empty");
            return;
        }
        if (!IsStream(unread))
        {
            // stream: true was ignored: the whole reply came as one JSON object.
            using var reply = ReadPlain(unread.ToArray());
            try
            {
                reply?.WriteAsChunks(client);
            }
            catch (Exception fault) when (IsUnreadable(fault))
            {
                Fail(UpstreamFailure.BadReply, "the body is not a chat completion in JSON");
            }
            return;
        }
        ReadEvents(unread, atEnd: true, client);
        if (Fault is not null || Ended) return;
        if (_whole > 0) End(_whole);
        else if (_choices.Count == 0 || _choices.Any(choice => choice.Finish is null)) Fail(UpstreamFailure.CutShort, "the stream ended without a finish reason");
        else End(_choices.Count);
    }

    public override PlainReply? ReadPlain(ReadOnlyMemory<byte> body)
    {
        if (body.Span.StartsWith("\uFEFF"u8)) body = body[3..];
        if (body.Span.IndexOfAnyExcept(" \r\n\t"u8) is var start && start < 0)
        {
            Fail(UpstreamFailure.BadReply, "the body was empty");
            return null;
        }
        try
        {
            if (body.Span[start] != (byte)'{' && IsStream(body.Span)) return Collect(body.Span);
            _isStream = false;
            return ReadObject(body[start..]);
        }
        catch (Exception fault) when (IsUnreadable(fault))
        {
            Fail(UpstreamFailure.BadReply, "the body is not a chat completion in JSON");
            return null;
        }
    }

    public override void Dispose()
    {
        _events?.Dispose();
        base.Dispose();
    }

    private bool IsStream(ReadOnlySpan<byte> unread) => (_isStream ??= LooksLikeEvents(unread)) ?? true;

    private int ReadEvents(ReadOnlySpan<byte> unread, bool atEnd, ChunkWriter client)
    {
        var used = 0;
        using var tools = _tools = ReplyTools.Borrow();
        _events ??= new SseReader();
        while (Fault is null && !Ended)
        {
            var found = _events.TryRead(unread[used..], atEnd, out var evt, out var length);
            used += length;
            if (!found) break;
            try
            {
                var before = _usagesSeen;
                ReadEvent(evt, client);
                // It comes with the end, with each event, or, of the prompt alone, with the first.
                if (_usagesSeen > before) CountedTextBytes = client.TextBytes;
            }
            catch (Exception fault) when (IsUnreadable(fault))
            {
                // Half an event before the end of the body was cut, and may have been one too many; a whole one that is no JSON is garbage.
                if (atEnd && used == unread.Length) break;
                Fail(UpstreamFailure.BadReply, "an event is not JSON of a chunk");
            }
        }
        return used;
    }

    private void ReadEvent(in SseEvent evt, ChunkWriter client)
    {
        var text = evt.Data.Trim(" \n\r\t"u8);
        if (text.IsEmpty) return;
        if (text.SequenceEqual("[DONE]"u8))
        {
            EndStream(client);
            return;
        }
        if (evt.IsErrorField || evt.Name.SequenceEqual("error"u8))
        {
            Fault = OpenAIErrors.ReadInReply(text, preset);
            return;
        }
        // The reader looks into no string that is passed on as it stands.
        if (!Utf8.IsValid(text)) throw new JsonException("not UTF-8");
        if (_pattern.TryWrite(text, client)) return;
        var isOneLine = !text.Contains((byte)'\n');
        if (!isOneLine && IsWholeJson(text[..text.IndexOf((byte)'\n')]))
        {
            ReadEach(text, evt, client);
            return;
        }
        if (!isOneLine) text = OneLine(text);
        var isStripped = preset.FilterResults && FilterResults.Strip(ref text, _tools.Stripped);
        if (!View.Read(text, "delta"u8)) return;
        if (_whole > 0 && View.ChoiceCount > 0) return;
        if (IsWhole(text))
        {
            using var reply = ReadObject(text.ToArray());
            // Usage may come in an event of its own.
            (_whole, Ended) = (reply is null ? 0 : View.ChoiceCount, false);
            reply?.WriteAsChunks(client);
            return;
        }
        // Before the error: what a failed reply has used is billed where something was delivered.
        ReadUsage(text, client);
        if (View.IsError(text))
        {
            Fault = OpenAIErrors.ReadInReply(View.ErrorIn(text), preset);
            return;
        }
        var chunk = new OpenAIChunk(_tools, preset, isOneLine && !isStripped ? _pattern : null);
        if (IsAside(text)) chunk.RelayAside(text, client);
        for (var i = 0; i < View.ChoiceCount && Fault is null; i++) ReadChoice(chunk, text, i, client, isStripped);
    }

    /// <summary>Some servers leave out the blank lines between events: then each line is one by itself, which no line of one JSON text is.</summary>
    private void ReadEach(ReadOnlySpan<byte> lines, in SseEvent evt, ChunkWriter client)
    {
        foreach (var line in lines.Split((byte)'\n'))
        {
            if (Fault is not null || Ended) return;
            ReadEvent(new SseEvent(evt.Name, lines[line], isErrorField: false), client);
        }
    }

    private static bool IsWholeJson(ReadOnlySpan<byte> line)
    {
        var json = new Utf8JsonReader(line, isFinalBlock: false, default);
        return json.Read() && json.TokenType == JsonTokenType.StartObject && json.TrySkip();
    }

    /// <summary>
    /// The first event of the reply is all of it, in a plain one's form: named so, or finished. Chunks of some servers are named so too: those have
    /// deltas, or nothing.
    /// </summary>
    private bool IsWhole(ReadOnlySpan<byte> text)
    {
        if (_choices.Count > 0 || View.ChoiceCount == 0 || !View.Choice(0).IsElsewhere) return false;
        if (!View.Object.In(text).SequenceEqual("\"chat.completion\""u8)
            && FinishMap.Read(View.Choice(0).Finish.In(text), hasCall: false, out _) == FinishMap.Said.Nothing) return false;
        View.Read(text, "message"u8);
        if (View.Choice(0).Message.IsPresent) return true;
        View.Read(text, "delta"u8);
        return false;
    }

    /// <summary>Line ends inside an event's JSON can only stand between tokens; a chunk goes out as one line.</summary>
    private ReadOnlySpan<byte> OneLine(ReadOnlySpan<byte> text)
    {
        _tools.Line.Reset();
        text.Replace(_tools.Line.GetSpan(text.Length), (byte)'\n', (byte)' ');
        _tools.Line.Advance(text.Length);
        return _tools.Line.Span;
    }

    private void ReadUsage(ReadOnlySpan<byte> text, ChunkWriter client)
    {
        var usage = FindUsage(text);
        if (!IsObject(text, usage)) return;
        _usagesSeen++;
        _numbers.Overlay(usage.In(text));
        Usage = _numbers.Normalise(preset.SurplusIsReasoning);
        if (!client.IncludeUsage) return;
        _tools.Text.Reset();
        if (View.ChoiceCount == 0)
        {
            foreach (var member in View.Others)
            {
                if (_tools.Text.Length > 0) _tools.Text.Write(","u8);
                _tools.Text.Write(member.In(text));
            }
        }
        client.RememberUsage(Usage is null ? default : usage.In(text), _tools.Text.Span);
    }

    /// <summary>Some servers have it inside a choice, or in a member of their own.</summary>
    private JsonSpan FindUsage(ReadOnlySpan<byte> text)
    {
        var usage = View.Usage;
        for (var i = 0; i < View.ChoiceCount && !IsObject(text, usage); i++) usage = View.Choice(i).Usage;
        return IsObject(text, usage) || _usagesSeen > 0 ? usage : View.GroqUsage;
    }

    private static bool IsObject(ReadOnlySpan<byte> text, JsonSpan span) => span.IsPresent && span.In(text)[0] == (byte)'{';

    /// <summary>A chunk about no choice. With usage it waits for the end; before the first role nothing else may go out; what is left is relayed.</summary>
    private bool IsAside(ReadOnlySpan<byte> text) => View.ChoiceCount == 0 && View.Choices.IsPresent && !IsObject(text, View.Usage) && _choices.Count > 0 && View.HasNews;

    private void ReadChoice(in OpenAIChunk chunk, ReadOnlySpan<byte> text, int position, ChunkWriter client, bool isStripped)
    {
        ref var view = ref View.Choice(position);
        if (view.IndexNumber >= ChunkWriter.MaxChoices - context.ChoiceOffset) throw new JsonException("a choice index out of range");
        var index = Math.Max(view.IndexNumber, 0) + context.ChoiceOffset;
        // What it says would be lost. Beside deltas some servers repeat the whole message at the end.
        if (view.IsElsewhere && !client.HasBegun(index)) throw new JsonException("a choice without a delta");
        if (ChoiceState.Of(_choices, index, context.Candidates, notesCalls: signatures is not null) is not { } choice)
        {
            FailSurplus();
            return;
        }
        if (!chunk.Relay(text, view, choice, client, isStripped))
            Fail(UpstreamFailure.ServerError, "the upstream ended the reply with " + Encoding.UTF8.GetString(view.Finish.In(text)));
    }

    private void EndStream(ChunkWriter client)
    {
        if (_whole > 0)
        {
            End(_whole);
            return;
        }
        if (_choices.Count == 0)
        {
            Fail(UpstreamFailure.BadReply, "the stream had no choice in it");
            return;
        }
        foreach (var choice in _choices)
        {
            if (choice.Finish is null) OpenAIChunk.Finish(choice, choice.HasCall ? FinishReason.ToolCalls : FinishReason.Stop, client);
        }
        End(_choices.Count);
    }

    /// <summary>Many a server takes n and gives one reply all the same. That is not what the caller asked for: each by itself is sure to come.</summary>
    private void End(int candidates)
    {
        foreach (var choice in _choices) signatures?.Keep(choice);
        if (candidates > context.Candidates) FailSurplus();
        Ended = candidates == context.Candidates;
        if (Ended || Fault is not null) return;
        gaveFewer?.Invoke();
        Fault = new UpstreamFault(UpstreamFailure.BadReply, Detail: "the reply has fewer candidates than were asked for", TryAgain: true);
    }

    /// <summary>
    /// Nobody knows what a surplus costs: some servers count one candidate in their usage, some all. So it is neither handed out, since that would be
    /// for nothing, nor left out, since what was left out would be charged.
    /// </summary>
    private void FailSurplus() => Fail(UpstreamFailure.BadReply, "the reply has more candidates than were asked for");

    private PlainReply? ReadObject(ReadOnlyMemory<byte> body)
    {
        using var tools = _tools = ReplyTools.Borrow();
        var text = body.Span;
        if (!Utf8.IsValid(text)) throw new JsonException("not UTF-8");
        if (preset.FilterResults) FilterResults.Strip(ref text, tools.Stripped);
        if (!View.Read(text, "message"u8))
        {
            Fail(UpstreamFailure.BadReply, "the body is JSON but no object");
            return null;
        }
        if (View.IsError(text))
        {
            Fault = OpenAIErrors.ReadInReply(View.ErrorIn(text), preset);
            return null;
        }
        if (View.ChoiceCount == 0)
        {
            Fail(UpstreamFailure.BadReply, "the reply has no choices");
            return null;
        }
        var usage = FindUsage(text);
        if (IsObject(text, usage))
        {
            _numbers.Overlay(usage.In(text));
            Usage = _numbers.Normalise(preset.SurplusIsReasoning);
        }
        for (var i = 0; i < View.ChoiceCount; i++)
        {
            if (View.Choice(i).IsElsewhere) throw new JsonException("a choice without a message");
        }
        End(View.ChoiceCount);
        if (Fault is not null) return null;
        var reply = new OpenAIPlain(tools, preset).Build(text, context.ChoiceOffset, out var failed);
        if (reply is null)
        {
            Fail(UpstreamFailure.ServerError, "the upstream ended the reply with " + failed);
            return null;
        }
        signatures?.Keep(reply.Choices.Span);
        reply.Usage = Usage;
        if (Usage is not null) reply.UpstreamUsage.Write(usage.In(text));
        return reply;
    }

    private PlainReply? Collect(ReadOnlySpan<byte> body)
    {
        using var collector = new ChunkCollector();
        Complete(body, collector.Writer);
        return Fault is null ? collector.Collect(Usage) : null;
    }
}
