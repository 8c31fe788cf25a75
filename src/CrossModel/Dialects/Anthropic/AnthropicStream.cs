using System.Buffers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// The state machine of a Messages stream, event by event, whatever framed them (see README.md beside this file). A plain message goes
/// through the same steps. Methods throw JsonException or InvalidOperationException for what is no JSON.
/// </summary>
internal sealed class AnthropicStream(ReplyContext context, ReasoningMemory memory) : IDisposable
{
    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    private readonly Dictionary<int, Block> _open = [];
    private readonly ThinkingState _thinking = new();
    private readonly Citations _citations = new();
    private readonly PooledBuffer _arguments = new();
    private readonly PooledBuffer _held = new();
    private readonly int _choice = context.ChoiceOffset;
    private AnthropicUsage _numbers;
    private byte[]? _id;
    private byte[]? _stop;
    private Block? _firstCall;
    private int _calls;
    private bool _hasContentCall;
    private bool _hasEvents;

    private enum Kind { Skipped, Text, Thinking, Call, Content }

    private sealed class Block(Kind kind)
    {
        public Kind Kind { get; } = kind;
        /// <summary>Of a call: its place among the calls, not among the blocks.</summary>
        public int Index { get; init; }
        /// <summary>Escaped, as it went out.</summary>
        public byte[] Id { get; init; } = [];
        public byte[] Name { get; init; } = [];
        /// <summary>Of a call: what stands for the arguments when none follow; JSON.</summary>
        public byte[] Input { get; init; } = [];
        public bool HasArguments { get; set; }
    }

    public UpstreamFault? Fault { get; private set; }
    public bool Ended { get; private set; }
    public TokenUsage? Usage { get; private set; }

    /// <summary>The place that serves the model has put words of its own in the place of the reply's.</summary>
    public bool IsFiltered { get; set; }

    public void Fail(UpstreamFailure failure, string detail) => Fault ??= new UpstreamFault(failure, Detail: detail);

    public void Dispose()
    {
        _thinking.Dispose();
        _arguments.Dispose();
        _held.Dispose();
    }

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
        else if (evt.Type.SequenceEqual("message_delta"u8)) ReadEnd(evt, client);
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
        client.Role(_choice);
    }

    private void Start(int index, ReadOnlySpan<byte> json, ChunkWriter client)
    {
        var block = AnthropicEvent.Read(json);
        var kind = KindOf(block);
        if (kind == Kind.Call && block.Name.IsEmpty) throw new JsonException("a call without a name");
        if (kind == Kind.Thinking) _thinking.Begin();
        if (block.Type.SequenceEqual("redacted_thinking"u8)) _thinking.AddRedacted(block.Data);
        var opened = new Block(kind)
        {
            Index = _calls,
            Id = kind != Kind.Call ? [] : block.Id.IsEmpty ? NewId() : block.Id.ToArray(),
            Name = block.Name.ToArray(),
            Input = kind is Kind.Call or Kind.Content ? Compact(block.Input) : [],
        };
        _open[index] = opened;
        switch (kind)
        {
            case Kind.Text:
                _citations.Begin();
                Text(block.Text, client);
                _citations.ReadAll(block.Citations);
                break;
            case Kind.Thinking:
                Think(block.Thinking, client);
                _thinking.Sign(block.Signature);
                break;
            case Kind.Call:
                client.ToolCall(_choice, _calls, opened.Id, opened.Name, members: _calls == 0 ? _thinking.ExtraContent() : default);
                _firstCall ??= opened;
                _calls++;
                break;
            case Kind.Content:
                _hasContentCall = true;
                break;
        }
    }

    private Kind KindOf(in AnthropicEvent block)
    {
        if (block.Type.SequenceEqual("text"u8)) return Kind.Text;
        if (block.Type.SequenceEqual("thinking"u8)) return Kind.Thinking;
        if (!block.Type.SequenceEqual("tool_use"u8)) return Kind.Skipped;
        return context.ContentTool is { } tool && block.Name.SequenceEqual(Encoding.UTF8.GetBytes(tool)) ? Kind.Content : Kind.Call;
    }

    private void ReadDelta(int index, ReadOnlySpan<byte> json, ChunkWriter client)
    {
        var delta = AnthropicEvent.Read(json);
        if (!_open.TryGetValue(index, out var block))
        {
            // Of a block that never began, or has ended: text is still text, arguments belong to no call.
            Text(delta.Text, client);
            Think(delta.Thinking, client);
            if (!delta.PartialJson.IsEmpty) Fail(UpstreamFailure.BadReply, "arguments of no call");
            return;
        }
        switch (block.Kind)
        {
            case Kind.Text:
                Text(delta.Text, client);
                if (!delta.Citation.IsEmpty) _citations.Read(delta.Citation);
                break;
            case Kind.Thinking:
                Think(delta.Thinking, client);
                _thinking.Sign(delta.Signature);
                break;
            case Kind.Call or Kind.Content when !delta.PartialJson.IsEmpty:
                block.HasArguments = true;
                Argue(block, delta.PartialJson, client);
                break;
        }
    }

    private void Text(ReadOnlySpan<byte> escaped, ChunkWriter client)
    {
        if (escaped.IsEmpty) return;
        // Beside a tool that stands for the content, text is chatter; it is the answer only if the tool was not called.
        if (context.ContentTool is not null)
        {
            _held.Write(escaped);
            return;
        }
        _citations.Count(escaped);
        client.Content(_choice, escaped);
    }

    private void Think(ReadOnlySpan<byte> escaped, ChunkWriter client)
    {
        if (escaped.IsEmpty) return;
        _thinking.Add(escaped);
        client.Reasoning(_choice, escaped);
    }

    private void Argue(Block block, ReadOnlySpan<byte> escaped, ChunkWriter client)
    {
        if (block.Kind == Kind.Content)
        {
            client.Content(_choice, escaped);
            return;
        }
        if (block == _firstCall) _arguments.Write(escaped);
        client.ToolArguments(_choice, block.Index, escaped);
    }

    private void Stop(int index, ChunkWriter client)
    {
        if (!_open.Remove(index, out var block)) return;
        switch (block.Kind)
        {
            case Kind.Text when _citations.Annotations() is { Length: > 0 } annotations:
                client.Delta(_choice, annotations);
                break;
            case Kind.Thinking:
                _thinking.End();
                break;
            case Kind.Call or Kind.Content:
                if (!block.HasArguments) Argue(block, JsonText.Escape(block.Input), client);
                if (block == _firstCall) Remember(block);
                break;
        }
    }

    private void Remember(Block call)
    {
        if (_thinking.IsLost) return;
        memory.Remember(ThinkingHistory.Kind, context.Account, Unescape(call.Id), Unescape(call.Name), Encoding.UTF8.GetBytes(Unescape(_arguments.Span)), _thinking.Blocks());
    }

    private void ReadEnd(in AnthropicEvent evt, ChunkWriter client)
    {
        var delta = AnthropicEvent.Read(evt.Delta);
        if (!delta.StopReason.IsEmpty) _stop = delta.StopReason.ToArray();
        if (evt.Usage.IsEmpty) return;
        _numbers.Overlay(evt.Usage);
        Usage = _numbers.Normalise();
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
            foreach (var index in _open.Keys.Order().ToList()) Stop(index, client);
        }
        if (_held.Length > 0 && !_hasContentCall) client.Content(_choice, _held.Span);
        client.Finish(_choice, reason);
        Ended = true;
    }

    private FinishReason ReasonOf(ReadOnlySpan<byte> said)
    {
        if (IsFiltered) return FinishReason.ContentFilter;
        if (said.SequenceEqual("max_tokens"u8) || said.SequenceEqual("model_context_window_exceeded"u8) || said.SequenceEqual("compaction"u8)) return FinishReason.Length;
        if (said.SequenceEqual("refusal"u8)) return FinishReason.ContentFilter;
        return _calls > 0 ? FinishReason.ToolCalls : FinishReason.Stop;
    }

    private static byte[] NewId() => Encoding.ASCII.GetBytes("call_" + RandomNumberGenerator.GetString(Letters, 24));

    /// <summary>An input on one line: an event holds no line end.</summary>
    private static byte[] Compact(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty || input[0] != (byte)'{') return "{}"u8.ToArray();
        using var json = JsonDocument.Parse(input.ToArray());
        var text = new ArrayBufferWriter<byte>(input.Length);
        using (var writer = new Utf8JsonWriter(text, new JsonWriterOptions { Encoder = JsonText.Encoder })) json.RootElement.WriteTo(writer);
        return text.WrittenSpan.ToArray();
    }

    private static string Unescape(ReadOnlySpan<byte> escaped)
    {
        if (!escaped.Contains((byte)'\\')) return Encoding.UTF8.GetString(escaped);
        var json = new Utf8JsonReader([.. "\""u8, .. escaped, .. "\""u8]);
        json.Read();
        return json.GetString()!;
    }
}
