using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;
using CrossModel.Dialects.Anthropic;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Reads Claude's reply to InvokeModel: Anthropic's events in base64 inside binary frames, or Anthropic's message as one JSON object.</summary>
internal sealed class InvokeReply(ReplyContext context, ReasoningMemory memory) : FramedReply
{
    private readonly AnthropicStream _stream = new(context, memory);

    public override TokenUsage? PromptUsage => _stream.PromptUsage;

    /// <summary>A plain reply too long to wait for was streamed: then these are frames, which begin with a length below 2^25.</summary>
    public override PlainReply? ReadPlain(ReadOnlyMemory<byte> body) => CollectPlain(body, (text, client) =>
    {
        if (text.StartsWith("{"u8)) ReadMessage(text, client);
        else if (body.Length > 0 && body.Span[0] <= 1) Complete(body.Span, client);
        else Fail(UpstreamFailure.BadReply, text.IsEmpty ? "the body was empty" : "the body is neither JSON nor frames");
    }, Take, "the body is not a message in JSON");

    public override void Dispose()
    {
        _stream.Dispose();
        base.Dispose();
    }

    protected override void ReadEvent(ReadOnlySpan<byte> type, ReadOnlySpan<byte> payload, ChunkWriter client)
    {
        if (!type.SequenceEqual("chunk"u8)) return;
        var text = JsonMember.Text(payload, "bytes"u8);
        var bytes = ArrayPool<byte>.Shared.Rent(Base64.GetMaxDecodedFromUtf8Length(text.Length));
        try
        {
            if (Base64.DecodeFromUtf8(text, bytes, out _, out var length) != OperationStatus.Done) throw new JsonException("an event is not base64");
            var json = bytes.AsSpan(0, length);
            NoteGuardrail(json);
            _stream.Read(json, client);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(bytes);
        }
        Take();
    }

    protected override void Close(ChunkWriter client)
    {
        _stream.Complete(client);
        Take();
    }

    private void ReadMessage(ReadOnlySpan<byte> body, ChunkWriter client)
    {
        NoteGuardrail(body);
        _stream.ReadMessage(body, client);
        if (_stream.Fault is not null) Fault = BedrockErrors.ReadInReply(body);
    }

    /// <summary>A guardrail that steps in answers in Claude's place, under a stop reason that does not tell.</summary>
    private void NoteGuardrail(ReadOnlySpan<byte> json)
    {
        if (json.IndexOf("guardrailAction"u8) >= 0 && JsonMember.Text(json, "amazon-bedrock-guardrailAction"u8).SequenceEqual("INTERVENED"u8)) _stream.IsFiltered = true;
    }

    private void Take() => (Fault, Ended, Usage) = (Fault ?? _stream.Fault, _stream.Ended, _stream.Usage);
}
