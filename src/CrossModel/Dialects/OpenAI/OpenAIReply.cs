using System.Buffers;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// Reads a reply in OpenAI's own format and splices it: identity, finish reasons, usage and what a server left out are mended, all else keeps its
/// bytes. One an answer. What a stream must remember is per choice; see the state machine in README.md beside this file.
/// </summary>
/// <param name="gaveFewer">Told when the server gave fewer candidates than it was asked for.</param>
internal sealed class OpenAIReply(ReplyContext context, Preset preset, Action? gaveFewer = null) : ReplyReader
{
    private readonly ContentPattern _pattern = new();
    private readonly List<ChoiceState> _choices = [];
    private SseReader? _events;
    // The running thread's, borrowed anew by every call from outside: they carry nothing from one to the next, so thousands of replies share a few.
    private ReplyView _view = null!;
    private JsonEdits _edits = null!;
    private ToolCallEdits _tools = null!;
    private PooledBuffer _text = null!;
    private PooledBuffer _line = null!;
    private PooledBuffer _stripped = null!;
    private UsageNumbers _numbers;
    private int _usagesSeen;
    private int _whole;
    private bool? _isStream;
    private bool _isAsSent;

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

    private ReplyTools Borrow()
    {
        var tools = ReplyTools.Borrow();
        (_view, _edits, _tools, _text, _line, _stripped) = (tools.View, tools.Edits, tools.Calls, tools.Text, tools.Line, tools.Stripped);
        return tools;
    }

    private bool IsStream(ReadOnlySpan<byte> unread) => (_isStream ??= LooksLikeEvents(unread)) ?? true;

    private int ReadEvents(ReadOnlySpan<byte> unread, bool atEnd, ChunkWriter client)
    {
        var used = 0;
        using var tools = Borrow();
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
            Fault = OpenAIErrors.ReadInReply(text);
            return;
        }
        // The reader looks into no string that is passed on as it stands.
        if (!System.Text.Unicode.Utf8.IsValid(text)) throw new JsonException("not UTF-8");
        if (_pattern.TryWrite(text, client)) return;
        _isAsSent = !text.Contains((byte)'\n');
        if (!_isAsSent) text = OneLine(text);
        var isStripped = preset.FilterResults && FilterResults.Strip(ref text, _stripped);
        if (!_view.Read(text, "delta"u8)) return;
        if (_whole > 0 && _view.ChoiceCount > 0) return;
        if (IsWhole(text))
        {
            using var reply = ReadObject(text.ToArray());
            // Usage may come in an event of its own.
            (_whole, Ended) = (reply is null ? 0 : _view.ChoiceCount, false);
            reply?.WriteAsChunks(client);
            return;
        }
        // Before the error: what a failed reply has used is billed where something was delivered.
        ReadUsage(text, client);
        if (IsError(text))
        {
            Fault = OpenAIErrors.ReadInReply(text);
            return;
        }
        if (_view.ChoiceCount == 0) RelayAside(text, client);
        for (var i = 0; i < _view.ChoiceCount && Fault is null; i++) ReadChoice(text, i, client, isStripped);
    }

    /// <summary>
    /// The first event of the reply is all of it, in a plain one's form: named so, or finished. Chunks of some servers are named so too: those have
    /// deltas, or nothing.
    /// </summary>
    private bool IsWhole(ReadOnlySpan<byte> text)
    {
        if (_choices.Count > 0 || _view.ChoiceCount == 0 || !_view.Choice(0).IsElsewhere) return false;
        if (!_view.Object.In(text).SequenceEqual("\"chat.completion\""u8) && FinishMap.Read(_view.Choice(0).Finish.In(text), hasCall: false, out _) == FinishMap.Said.Nothing) return false;
        _view.Read(text, "message"u8);
        if (_view.Choice(0).Message.IsPresent) return true;
        _view.Read(text, "delta"u8);
        return false;
    }

    /// <summary>Line ends inside an event's JSON can only stand between tokens; a chunk goes out as one line.</summary>
    private ReadOnlySpan<byte> OneLine(ReadOnlySpan<byte> text)
    {
        _line.Reset();
        text.Replace(_line.GetSpan(text.Length), (byte)'\n', (byte)' ');
        _line.Advance(text.Length);
        return _line.Span;
    }

    private bool IsError(ReadOnlySpan<byte> text)
    {
        if (_view.Error.IsPresent && _view.Error.In(text) is var error && !error.SequenceEqual("null"u8) && !error.SequenceEqual("{}"u8) && !error.SequenceEqual("\"\""u8)) return true;
        return (_view.IsBareError && !_view.Usage.IsPresent) || (_view.BaseResp.IsPresent && !OpenAIErrors.IsSuccess(_view.BaseResp.In(text)));
    }

    private void ReadUsage(ReadOnlySpan<byte> text, ChunkWriter client)
    {
        var usage = _view.Usage;
        for (var i = 0; i < _view.ChoiceCount && !IsObject(text, usage); i++) usage = _view.Choice(i).Usage;
        if (!IsObject(text, usage) && _usagesSeen == 0) usage = _view.GroqUsage;
        if (!IsObject(text, usage)) return;
        _usagesSeen++;
        _numbers.Overlay(usage.In(text));
        Usage = _numbers.Normalise(preset.SurplusIsReasoning);
        if (!client.IncludeUsage) return;
        _text.Reset();
        if (_view.ChoiceCount == 0)
        {
            foreach (var member in _view.Others)
            {
                if (_text.Length > 0) _text.Write(","u8);
                _text.Write(member.In(text));
            }
        }
        client.RememberUsage(context.ChoiceOffset, Usage is null ? default : usage.In(text), _text.Span);
    }

    private static bool IsObject(ReadOnlySpan<byte> text, JsonSpan span) => span.IsPresent && span.In(text)[0] == (byte)'{';

    /// <summary>A chunk about no choice. With usage it waits for the end; before the first role nothing else may go out; what is left is relayed.</summary>
    private void RelayAside(ReadOnlySpan<byte> text, ChunkWriter client)
    {
        if (!_view.Choices.IsPresent || IsObject(text, _view.Usage) || _choices.Count == 0 || !_view.HasNews) return;
        EditRoot(text, client);
        WriteEvent(text, client.OpenTail());
    }

    private void ReadChoice(ReadOnlySpan<byte> text, int position, ChunkWriter client, bool isStripped)
    {
        ref var view = ref _view.Choice(position);
        if (view.IndexNumber >= ChunkWriter.MaxChoices - context.ChoiceOffset) throw new JsonException("a choice index out of range");
        var index = Math.Max(view.IndexNumber, 0) + context.ChoiceOffset;
        // What it says would be lost. Beside deltas some servers repeat the whole message at the end.
        if (view.IsElsewhere && !client.HasBegun(index)) throw new JsonException("a choice without a delta");
        if (ChoiceState.Of(_choices, index, context.Candidates) is not { } choice)
        {
            FailSurplus();
            return;
        }
        var goesOn = client.HasBegun(index);
        EditRoot(text, client);
        if (_view.ChoiceCount > 1)
        {
            // Each choice goes out in a chunk of its own, so that one's finish can wait.
            _edits.Replace(_view.Choices.Start, view.Span.Start, "["u8);
            _edits.Replace(view.Span.End, _view.Choices.End, "]"u8);
        }
        if (view.IndexNumber != index) EditIndex(view, index);
        var says = EditDelta(text, view, choice, client);
        switch (FinishMap.Read(view.Finish.In(text), choice.HasCall, out var reason))
        {
            case FinishMap.Said.Failed:
                Fail(UpstreamFailure.ServerError, "the upstream ended the reply with " + System.Text.Encoding.UTF8.GetString(view.Finish.In(text)));
                return;
            case FinishMap.Said.Nothing:
                // Results that an asynchronous filter sends on their own leave nothing behind.
                if ((choice.Finish is not null || (isStripped && client.HasBegun(index))) && !says) return;
                EditFinish(view, "null"u8);
                WriteEvent(text, client.Open(index));
                if (choice.Finish == FinishReason.Stop && choice.HasCall) Finish(choice, FinishReason.ToolCalls, client);
                else if (goesOn && !isStripped && _pattern.WantsLesson && IsTextAlone(text, view, choice)) _pattern.Learn(text, view.ContentText, _edits, _text, client, choice, index);
                return;
            default:
                if (choice.Finish is not null && !says) return;
                if (says)
                {
                    EditFinish(view, "null"u8);
                    WriteEvent(text, client.Open(index));
                    Finish(choice, choice.Finish ?? reason, client);
                    return;
                }
                FinishSpliced(text, view, choice, reason, client);
                return;
        }
    }

    /// <summary>Nothing in the event but its content has been counted, remembered or changed: another one like it would fare the same.</summary>
    private bool IsTextAlone(ReadOnlySpan<byte> text, in ChoiceView view, ChoiceState choice) =>
        _isAsSent && _view.ChoiceCount == 1 && choice.Finish is null && view.ContentText.IsPresent && !view.HasOthers
        && !view.ReasoningText.IsPresent && !view.RefusalText.IsPresent && !view.ReasoningDetails.IsPresent && !_view.GroqUsage.IsPresent
        && IsNull(text, view.Reasoning) && IsNull(text, view.ToolCalls) && IsNull(text, view.FunctionCall) && IsNull(text, view.Usage)
        && IsNull(text, _view.Usage) && IsNull(text, _view.Error) && IsNull(text, _view.BaseResp);

    private static bool IsNull(ReadOnlySpan<byte> text, JsonSpan span) => !span.IsPresent || span.In(text).SequenceEqual("null"u8);

    private void EditRoot(ReadOnlySpan<byte> text, ChunkWriter client)
    {
        _edits.Clear();
        var first = _view.ObjectStart + 1;
        if (_view.Id.IsPresent) _edits.Replace(_view.Id, client.IdJson);
        else Insert(first, "\"id\":"u8, client.IdJson);
        if (!_view.Object.IsPresent) _edits.Insert(first, "\"object\":\"chat.completion.chunk\","u8);
        else if (!_view.Object.In(text).SequenceEqual("\"chat.completion.chunk\""u8)) _edits.Replace(_view.Object, "\"chat.completion.chunk\""u8);
        if (_view.Created.IsPresent) _edits.Replace(_view.Created, client.CreatedJson);
        else Insert(first, "\"created\":"u8, client.CreatedJson);
        if (_view.Model.IsPresent) _edits.Replace(_view.Model, client.ModelJson);
        else Insert(first, "\"model\":"u8, client.ModelJson);
        if (!_view.Usage.IsPresent)
        {
            if (client.IncludeUsage) _edits.Insert(first, "\"usage\":null,"u8);
        }
        else if (client.IncludeUsage) _edits.Replace(_view.Usage, "null"u8);
        else _edits.Remove(text, _view.UsageMember);
    }

    private void Insert(int at, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        _edits.Insert(at, name);
        _edits.Insert(at, value);
        _edits.Insert(at, ","u8);
    }

    private void EditIndex(in ChoiceView view, int index)
    {
        Span<byte> number = stackalloc byte[4];
        System.Buffers.Text.Utf8Formatter.TryFormat(index, number, out var length);
        if (view.Index.IsPresent) _edits.Replace(view.Index, number[..length]);
        else
        {
            _edits.Insert(view.Span.Start + 1, "\"index\":"u8);
            _edits.Insert(view.Span.Start + 1, number[..length]);
            if (!view.IsEmpty) _edits.Insert(view.Span.Start + 1, ","u8);
        }
    }

    private void EditFinish(in ChoiceView view, ReadOnlySpan<byte> reason)
    {
        if (view.Finish.IsPresent) _edits.Replace(view.Finish, reason);
        else
        {
            _edits.Insert(view.Span.End - 1, ",\"finish_reason\":"u8);
            _edits.Insert(view.Span.End - 1, reason);
        }
        if (!view.Logprobs.IsPresent) _edits.Insert(view.Span.End - 1, ",\"logprobs\":null"u8);
    }

    /// <summary>Brings a delta into form. Answers whether it says anything: text, a call, or another member that is not empty.</summary>
    private bool EditDelta(ReadOnlySpan<byte> text, in ChoiceView view, ChoiceState choice, ChunkWriter client)
    {
        var says = view.HasOthers;
        if (!view.Message.IsPresent || view.IsMessageEmpty)
        {
            var delta = client.HasBegun(choice.Index) ? "{}"u8 : "{\"role\":\"assistant\"}"u8;
            if (view.Message.IsPresent) _edits.Replace(view.Message, delta);
            else
            {
                _edits.Insert(view.Span.End - 1, ",\"delta\":"u8);
                _edits.Insert(view.Span.End - 1, delta);
            }
            return false;
        }
        var first = view.Message.Start + 1;
        if (!client.HasBegun(choice.Index))
        {
            if (!view.Role.IsPresent) _edits.Insert(first, "\"role\":\"assistant\","u8);
            else if (!view.Role.In(text).SequenceEqual("\"assistant\""u8)) _edits.Replace(view.Role, "\"assistant\""u8);
        }
        var counted = ReplyText.Edit(text, view, _edits, _text, preset.ReasoningInDetails);
        if (view.IsFunctionCallReal)
        {
            choice.HasFunctionCall = true;
            counted += JsonText.StringBytes(view.FunctionCall.In(text));
        }
        if (view.ToolCalls.IsPresent && view.ToolCalls.Length > 2)
        {
            var outcome = _tools.ReadDelta(view.ToolCalls.In(text), choice);
            counted += _tools.TextBytes;
            says |= outcome != ToolCallEdits.Outcome.None;
            if (outcome == ToolCallEdits.Outcome.Changed) _edits.Replace(view.ToolCalls, _tools.Text);
            else if (outcome == ToolCallEdits.Outcome.None && view.ToolCalls.In(text)[0] == (byte)'[') _edits.Replace(view.ToolCalls, "null"u8);
        }
        says |= counted > 0;
        client.TextBytes += counted;
        client.HasContent |= says;
        return says;
    }

    private void FinishSpliced(ReadOnlySpan<byte> text, in ChoiceView view, ChoiceState choice, FinishReason reason, ChunkWriter client)
    {
        client.Role(choice.Index);
        CloseCalls(choice, reason, client);
        choice.Finish = reason;
        client.IsBlocked |= reason == FinishReason.ContentFilter;
        if (client.OpenFinish(choice.Index) is not { } target) return;
        EditRoot(text, client);
        if (_view.ChoiceCount > 1)
        {
            _edits.Replace(_view.Choices.Start, view.Span.Start, "["u8);
            _edits.Replace(view.Span.End, _view.Choices.End, "]"u8);
        }
        if (view.IndexNumber != choice.Index) EditIndex(view, choice.Index);
        if (view.Message.IsPresent) _edits.Replace(view.Message, "{}"u8);
        else _edits.Insert(view.Span.End - 1, ",\"delta\":{}"u8);
        EditFinish(view, reason.Json());
        WriteEvent(text, target);
    }

    private static void Finish(ChoiceState choice, FinishReason reason, ChunkWriter client)
    {
        CloseCalls(choice, reason, client);
        choice.Finish = reason;
        client.Finish(choice.Index, reason);
    }

    /// <summary>A call without arguments has the arguments {}: a caller parses what it got.</summary>
    private static void CloseCalls(ChoiceState choice, FinishReason reason, ChunkWriter client)
    {
        if (reason is FinishReason.Length or FinishReason.ContentFilter) return;
        if (reason == FinishReason.ToolCalls && !choice.HasCall && choice.Calls.Count > 0) throw new JsonException("a call without a name");
        foreach (var call in choice.Calls)
        {
            if (call.Index < 0 || call.HasArguments) continue;
            call.HasArguments = true;
            client.ToolArguments(choice.Index, call.Index, "{}"u8);
        }
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
            if (choice.Finish is null) Finish(choice, choice.HasCall ? FinishReason.ToolCalls : FinishReason.Stop, client);
        }
        End(_choices.Count);
    }

    /// <summary>Many a server takes n and gives one reply all the same. That is not what the caller asked for: each by itself is sure to come.</summary>
    private void End(int candidates)
    {
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

    private void WriteEvent(ReadOnlySpan<byte> text, IBufferWriter<byte> target)
    {
        target.Write("data: "u8);
        _edits.Write(text, 0, text.Length, target);
        target.Write("\n\n"u8);
    }

    private PlainReply? ReadObject(ReadOnlyMemory<byte> body)
    {
        using var tools = Borrow();
        var text = body.Span;
        if (!System.Text.Unicode.Utf8.IsValid(text)) throw new JsonException("not UTF-8");
        if (preset.FilterResults) FilterResults.Strip(ref text, _stripped);
        if (!_view.Read(text, "message"u8))
        {
            Fail(UpstreamFailure.BadReply, "the body is JSON but no object");
            return null;
        }
        if (IsError(text))
        {
            Fault = OpenAIErrors.ReadInReply(text);
            return null;
        }
        if (_view.ChoiceCount == 0)
        {
            Fail(UpstreamFailure.BadReply, "the reply has no choices");
            return null;
        }
        var usage = IsObject(text, _view.Usage) ? _view.Usage : _view.GroqUsage;
        if (IsObject(text, usage))
        {
            _numbers.Overlay(usage.In(text));
            Usage = _numbers.Normalise(preset.SurplusIsReasoning);
        }
        for (var i = 0; i < _view.ChoiceCount; i++)
        {
            if (_view.Choice(i).IsElsewhere) throw new JsonException("a choice without a message");
        }
        End(_view.ChoiceCount);
        if (Fault is not null) return null;
        var reply = new OpenAIPlain(tools, preset).Build(text, context.ChoiceOffset, out var failed);
        if (reply is null)
        {
            Fail(UpstreamFailure.ServerError, "the upstream ended the reply with " + failed);
            return null;
        }
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
