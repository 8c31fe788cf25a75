using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Reads a Converse reply: binary frames of a stream, or one JSON object.</summary>
internal sealed class BedrockReply(ReplyContext context, ReasoningMemory? memory) : ReplyReader
{
    private readonly ConverseState _state = new(context, memory);

    public override int Read(ReadOnlySpan<byte> unread, ChunkWriter client)
    {
        var used = 0;
        while (Fault is null && !Ended)
        {
            var outcome = EventFrame.Read(unread[used..], out var frame, out var length);
            if (outcome == EventFrame.Outcome.Partial) break;
            if (outcome == EventFrame.Outcome.Broken) _state.Fail(UpstreamFailure.BadReply, "a frame's checksum or length is wrong");
            else ReadFrame(frame, client);
            used += length;
            Take();
        }
        return used;
    }

    public override void Complete(ReadOnlySpan<byte> unread, ChunkWriter client)
    {
        if (Fault is not null || Ended) return;
        var used = Read(unread, client);
        if (Fault is not null || Ended) return;
        if (!_state.HasBegun && unread.IsEmpty) _state.Fail(UpstreamFailure.BadReply, "the body was empty");
        else if (used < unread.Length) _state.Fail(UpstreamFailure.CutShort, "the stream ended inside a frame");
        else if (!_state.HasFinished) _state.Fail(UpstreamFailure.CutShort, "the stream ended without a stop reason");
        Take();
        Ended = Fault is null;
    }

    public override PlainReply? ReadPlain(ReadOnlyMemory<byte> body)
    {
        using var collector = new ChunkCollector();
        var text = body.Span.TrimStart("\uFEFF"u8).Trim(" \r\n\t"u8);
        try
        {
            if (text.StartsWith("{"u8)) _state.ReadMessage(text, collector.Writer);
            else _state.Fail(UpstreamFailure.BadReply, text.IsEmpty ? "the body was empty" : "the body is not JSON");
            Take();
            return Fault is null ? collector.Collect(Usage) : null;
        }
        catch (Exception fault) when (IsUnreadable(fault))
        {
            _state.Fail(UpstreamFailure.BadReply, "the body is not a Converse reply in JSON");
            Take();
            return null;
        }
    }

    public override void Dispose()
    {
        _state.Dispose();
        base.Dispose();
    }

    /// <summary>Not JSON, or JSON with half a surrogate pair in it.</summary>
    private static bool IsUnreadable(Exception fault) => fault is JsonException or InvalidOperationException;

    private void ReadFrame(in EventFrame frame, ChunkWriter client)
    {
        if (frame.MessageType.SequenceEqual("exception"u8)) Fault = BedrockErrors.ReadException(EventFrame.Text(frame.ExceptionType), frame.Payload);
        else if (frame.MessageType.SequenceEqual("error"u8)) Fault = BedrockErrors.Judge(EventFrame.Text(frame.ErrorCode), null, EventFrame.Text(frame.ErrorMessage));
        else if (frame.MessageType.SequenceEqual("event"u8))
        {
            try
            {
                _state.Read(frame.EventType, frame.Payload, client);
            }
            catch (Exception fault) when (IsUnreadable(fault))
            {
                _state.Fail(UpstreamFailure.BadReply, "an event is not JSON");
            }
        }
    }

    private void Take() => (Fault, Ended, Usage) = (Fault ?? _state.Fault, _state.Ended, _state.Usage);
}
