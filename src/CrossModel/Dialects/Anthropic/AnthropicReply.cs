using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>Reads a Messages reply, streamed as events or plain as one object.</summary>
internal sealed class AnthropicReply(ReplyContext context, ReasoningMemory memory) : ReplyReader
{
    private readonly SseReader _events = new();
    private readonly AnthropicStream _stream = new(context, memory);

    public override TokenUsage? PromptUsage => _stream.PromptUsage;

    public override int Read(ReadOnlySpan<byte> unread, ChunkWriter client) => ReadEvents(unread, atEnd: false, client);

    public override void Complete(ReadOnlySpan<byte> unread, ChunkWriter client)
    {
        if (Fault is not null || Ended) return;
        ReadEvents(unread, atEnd: true, client);
        if (Fault is not null || Ended) return;
        _stream.Complete(client);
        Take();
    }

    public override PlainReply? ReadPlain(ReadOnlyMemory<byte> body) => CollectPlain(body, (text, client) =>
    {
        if (text.StartsWith("{"u8)) _stream.ReadMessage(text, client);
        else Complete(body.Span, client);
    }, Take, "the body is not a message in JSON");

    public override void Dispose()
    {
        _events.Dispose();
        _stream.Dispose();
        base.Dispose();
    }

    private int ReadEvents(ReadOnlySpan<byte> unread, bool atEnd, ChunkWriter client)
    {
        var used = 0;
        while (Fault is null && !Ended)
        {
            var found = _events.TryRead(unread[used..], atEnd, out var evt, out var length);
            used += length;
            if (!found) break;
            try
            {
                _stream.Read(evt.Data.Trim(" \n\r\t"u8), client);
            }
            catch (Exception fault) when (IsUnreadable(fault))
            {
                // Half an event before the end of the body was cut; a whole one that is no JSON is garbage.
                _stream.Fail(atEnd && used == unread.Length ? UpstreamFailure.CutShort : UpstreamFailure.BadReply, "an event is not JSON");
            }
            Take();
        }
        return used;
    }

    private void Take() => (Fault, Ended, Usage) = (Fault ?? _stream.Fault, _stream.Ended, _stream.Usage);
}
