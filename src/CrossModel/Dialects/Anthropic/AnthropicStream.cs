using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// The state machine of a Messages stream, event by event, whatever framed them (see README.md beside this file). A plain message goes
/// through the same steps. Methods throw JsonException or InvalidOperationException for what is no JSON.
/// </summary>
internal sealed class AnthropicStream(ReplyContext context, ReasoningMemory memory) : IDisposable
{
    private readonly ReplyBlocks _blocks = new(context, memory);
    private readonly Citations _citations = new();
    private readonly int _choice = context.ChoiceOffset;
    private AnthropicUsage _numbers;
    private byte[]? _id;
    private byte[]? _stop;
    private bool _hasEvents;

    public UpstreamFault? Fault { get; private set; }
    public bool Ended { get; private set; }
    public TokenUsage? Usage { get; private set; }
    public TokenUsage? PromptUsage { get; private set; }

    /// <summary>The place that serves the model has put words of its own in the place of the reply's.</summary>
    public bool IsFiltered { get; set; }

    public void Fail(UpstreamFailure failure, string detail) => Fault ??= new UpstreamFault(failure, Detail: detail);

    public void Dispose() => _blocks.Dispose();

    /// <summary>Reads one event's JSON.</summary>
    public void Read(ReadOnlySpan<byte> json, ChunkWriter client)
    {
        if (json.IsEmpty) return;
        _hasEvents = true;
        if (json.SequenceEqual("[DONE]"u8))
        {
            // Only compatible servers say so; Anthropic's own streams end with message_stop.
            Finish(client);
            return;
        }
        var evt = AnthropicEvent.Read(json);
        if (evt.Type.SequenceEqual("content_block_delta"u8)) ReadDelta(evt.Index, evt.Delta, client);
        else if (evt.Type.SequenceEqual("content_block_start"u8)) Start(evt.Index, evt.Block, client);
        else if (evt.Type.SequenceEqual("content_block_stop"u8)) Stop(evt.Index, client);
        else if (evt.Type.SequenceEqual("message_start"u8)) Begin(evt.Message, client);
        else if (evt.Type.SequenceEqual("message_delta"u8)) ReadEnd(evt);
        else if (evt.Type.SequenceEqual("message_stop"u8)) Finish(client);
        else if (evt.Type.SequenceEqual("error"u8) || !evt.Error.IsEmpty) Fault = AnthropicErrors.ReadInReply(json);
    }

    /// <summary>The end of the body, without message_stop: whole if the upstream said why it stopped.</summary>
    public void Complete(ChunkWriter client)
    {
        if (_stop is not null) Finish(client);
        else Fail(_hasEvents ? UpstreamFailure.CutShort : UpstreamFailure.BadReply, _hasEvents ? "the stream ended without a stop reason" : "the body had no event in it");
    }

    /// <summary>Reads a plain reply.</summary>
    public void ReadMessage(ReadOnlySpan<byte> message, ChunkWriter client)
    {
        var evt = AnthropicEvent.Read(message);
        if (evt.Type.SequenceEqual("error"u8) || !evt.Error.IsEmpty)
        {
            Fault = AnthropicErrors.ReadInReply(message);
            return;
        }
        if (evt.Content.IsEmpty || evt.Content[0] != (byte)'[')
        {
            Fail(UpstreamFailure.BadReply, "the reply has no content");
            return;
        }
        client.Role(_choice);
        var json = new Utf8JsonReader(evt.Content);
        json.Read();
        for (var index = 0; json.Read() && json.TokenType != JsonTokenType.EndArray; index++)
        {
            var start = (int)json.TokenStartIndex;
            json.Skip();
            Start(index, evt.Content[start..(int)json.BytesConsumed], client);
            Stop(index, client);
        }
        _stop = evt.StopReason.ToArray();
        _numbers.Overlay(evt.Usage);
        Usage = _numbers.Normalise();
        Finish(client);
    }

    private void Begin(ReadOnlySpan<byte> message, ChunkWriter client)
    {
        var start = AnthropicEvent.Read(message);
        if (_id is not null)
        {
            if (!start.Id.SequenceEqual(_id)) Fail(UpstreamFailure.BadReply, "a second message began inside the stream");
            return;
        }
        _id = start.Id.ToArray();
        // Its output tokens are a placeholder: only message_delta's count.
        _numbers.Overlay(start.Usage);
        _numbers.ForgetOutput();
        PromptUsage = _numbers.NormalisePrompt();
        client.Role(_choice);
    }

    private void Start(int index, ReadOnlySpan<byte> json, ChunkWriter client)
    {
        var block = AnthropicEvent.Read(json);
        if (block.Type.SequenceEqual("text"u8))
        {
            _blocks.Open(index, ReplyBlocks.Kind.Text);
            _citations.Begin();
            Text(block.Text, client);
            _citations.ReadAll(block.Citations);
        }
        else if (block.Type.SequenceEqual("thinking"u8))
        {
            _blocks.Open(index, ReplyBlocks.Kind.Thinking);
            _blocks.Think(block.Thinking, client);
            _blocks.Thinking.Sign(block.Signature);
        }
        else if (block.Type.SequenceEqual("tool_use"u8))
        {
            if (_blocks.OpenCall(index, block.Id, block.Name, block.Input, client) is { } wrong) Fail(UpstreamFailure.BadReply, wrong);
        }
        else
        {
            _blocks.Open(index, ReplyBlocks.Kind.Skipped);
            if (block.Type.SequenceEqual("redacted_thinking"u8)) _blocks.Thinking.AddRedacted(block.Data);
        }
    }

    private void ReadDelta(int index, ReadOnlySpan<byte> json, ChunkWriter client)
    {
        var delta = AnthropicEvent.Read(json);
        if (_blocks.Find(index) is not { } block)
        {
            // Of a block that never began, or has ended: text is still text, arguments belong to no call.
            Text(delta.Text, client);
            _blocks.Think(delta.Thinking, client);
            if (!delta.PartialJson.IsEmpty) Fail(UpstreamFailure.BadReply, "arguments of no call");
            return;
        }
        switch (block.Kind)
        {
            case ReplyBlocks.Kind.Text:
                Text(delta.Text, client);
                if (!delta.Citation.IsEmpty) _citations.Read(delta.Citation);
                break;
            case ReplyBlocks.Kind.Thinking:
                _blocks.Think(delta.Thinking, client);
                _blocks.Thinking.Sign(delta.Signature);
                break;
            case ReplyBlocks.Kind.Call or ReplyBlocks.Kind.Content:
                _blocks.Argue(block, delta.PartialJson, client);
                break;
        }
    }

    private void Text(ReadOnlySpan<byte> escaped, ChunkWriter client)
    {
        if (_blocks.Text(escaped, client)) _citations.Count(escaped);
    }

    private void Stop(int index, ChunkWriter client)
    {
        if (_blocks.End(index, client) is { Kind: ReplyBlocks.Kind.Text }) _citations.End();
    }

    private void ReadEnd(in AnthropicEvent evt)
    {
        var delta = AnthropicEvent.Read(evt.Delta);
        if (!delta.StopReason.IsEmpty) _stop = delta.StopReason.ToArray();
        if (evt.Usage.IsEmpty) return;
        _numbers.Overlay(evt.Usage);
        (Usage, PromptUsage) = (_numbers.Normalise(), _numbers.NormalisePrompt());
    }

    private void Finish(ChunkWriter client)
    {
        if (!client.HasBegun(_choice) && _stop is null)
        {
            Fail(UpstreamFailure.BadReply, "the stream ended before a message began");
            return;
        }
        var reason = ReasonOf(_stop);
        // A call that the cap cut keeps the arguments it has; another that said none has none.
        if (reason is not FinishReason.Length)
        {
            foreach (var index in _blocks.Unended()) Stop(index, client);
        }
        if (_citations.Annotations() is { Length: > 0 } annotations) client.Delta(_choice, annotations);
        _blocks.Finish(reason, client);
        Ended = true;
    }

    private FinishReason ReasonOf(ReadOnlySpan<byte> said)
    {
        if (IsFiltered) return FinishReason.ContentFilter;
        if (said.SequenceEqual("max_tokens"u8) || said.SequenceEqual("model_context_window_exceeded"u8) || said.SequenceEqual("compaction"u8)) return FinishReason.Length;
        if (said.SequenceEqual("refusal"u8)) return FinishReason.ContentFilter;
        return _blocks.Calls > 0 ? FinishReason.ToolCalls : FinishReason.Stop;
    }
}
