using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Reads a Converse reply: binary frames of a stream, or one JSON object.</summary>
internal sealed class ConverseReply(ReplyContext context, ReasoningMemory? memory) : FramedReply
{
    private readonly ConverseState _state = new(context, memory);

    public override PlainReply? ReadPlain(ReadOnlyMemory<byte> body) => CollectPlain(body, (text, client) =>
    {
        if (text.StartsWith("{"u8)) _state.ReadMessage(text, client);
        else Fail(UpstreamFailure.BadReply, text.IsEmpty ? "the body was empty" : "the body is not JSON");
    }, Take, "the body is not a Converse reply in JSON");

    public override void Dispose()
    {
        _state.Dispose();
        base.Dispose();
    }

    protected override void ReadEvent(ReadOnlySpan<byte> type, ReadOnlySpan<byte> payload, ChunkWriter client)
    {
        _state.Read(type, payload, client);
        Take();
    }

    protected override void Close(ChunkWriter client)
    {
        if (!_state.HasBegun) Fail(UpstreamFailure.BadReply, "the body was empty");
        else if (!_state.HasFinished) Fail(UpstreamFailure.CutShort, "the stream ended without a stop reason");
        else Ended = true;
    }

    private void Take() => (Fault, Ended, Usage) = (Fault ?? _state.Fault, _state.Ended, _state.Usage);
}
