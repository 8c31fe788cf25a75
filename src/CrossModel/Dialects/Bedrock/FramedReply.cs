using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Takes Amazon's event stream apart and tells failures; what an event says, and when the reply is whole, is for each API's own reader.</summary>
internal abstract class FramedReply : ReplyReader
{
    public sealed override int Read(ReadOnlySpan<byte> unread, ChunkWriter client)
    {
        var used = 0;
        while (Fault is null && !Ended)
        {
            var outcome = EventFrame.Read(unread[used..], out var frame, out var length);
            if (outcome == EventFrame.Outcome.Partial) break;
            if (outcome == EventFrame.Outcome.Broken) Fail(UpstreamFailure.BadReply, "a frame's checksum or length is wrong");
            else ReadFrame(frame, client);
            used += length;
        }
        return used;
    }

    public sealed override void Complete(ReadOnlySpan<byte> unread, ChunkWriter client)
    {
        if (Fault is not null || Ended) return;
        var used = Read(unread, client);
        if (Fault is not null || Ended) return;
        if (used < unread.Length) Fail(UpstreamFailure.CutShort, "the stream ended inside a frame");
        else Close(client);
    }

    /// <summary>Reads one event. May throw JsonException or InvalidOperationException for what is no JSON.</summary>
    protected abstract void ReadEvent(ReadOnlySpan<byte> type, ReadOnlySpan<byte> payload, ChunkWriter client);

    /// <summary>The body has ended between two frames, and nothing has said yet that the reply is whole.</summary>
    protected abstract void Close(ChunkWriter client);

    private void ReadFrame(in EventFrame frame, ChunkWriter client)
    {
        if (frame.MessageType.SequenceEqual("exception"u8)) Fault = BedrockErrors.ReadException(EventFrame.Text(frame.ExceptionType), frame.Payload);
        else if (frame.MessageType.SequenceEqual("error"u8)) Fault = BedrockErrors.Judge(EventFrame.Text(frame.ErrorCode), null, EventFrame.Text(frame.ErrorMessage));
        else if (frame.MessageType.SequenceEqual("event"u8))
        {
            try
            {
                ReadEvent(frame.EventType, frame.Payload, client);
            }
            catch (Exception fault) when (IsUnreadable(fault))
            {
                Fail(UpstreamFailure.BadReply, "an event is not JSON");
            }
        }
    }
}
