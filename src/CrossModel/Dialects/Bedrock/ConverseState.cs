using System.Buffers;
using System.Text;
using System.Text.Json;
using CrossModel.Dialects.Anthropic;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>
/// The state machine of a Converse reply, event by event (see README.md beside this file). A plain reply goes through the same steps.
/// Methods throw JsonException or InvalidOperationException for what is no JSON.
/// </summary>
/// <param name="memory">Where signed thinking is kept for callers who drop it; null: the model signs none.</param>
internal sealed class ConverseState(ReplyContext context, ReasoningMemory? memory) : IDisposable
{
    /// <summary>An endless list of calls must not cost endless memory.</summary>
    private const int MostCalls = 1024;

    private readonly Dictionary<int, Block> _open = [];
    private readonly ThinkingState _thinking = new();
    private readonly PooledBuffer _arguments = new();
    private readonly PooledBuffer _held = new();
    private readonly byte[]? _contentTool = context.ContentTool is { } tool ? Encoding.UTF8.GetBytes(tool) : null;
    private readonly int _choice = context.ChoiceOffset;
    private Block? _firstCall;
    private int _calls;
    private bool _hasContentCall;
    private bool _hasFinished;

    private enum Kind { Skipped, Text, Thinking, Call, Content }

    private sealed class Block(Kind kind)
    {
        public Kind Kind { get; } = kind;
        /// <summary>Of a call: its place among the calls, not among the blocks.</summary>
        public int Index { get; init; }
        public byte[] Id { get; init; } = [];
        public byte[] Name { get; init; } = [];
        public bool HasArguments { get; set; }
    }

    public UpstreamFault? Fault { get; private set; }
    public TokenUsage? Usage { get; private set; }

    /// <summary>The model has said why it stopped; only usage may follow.</summary>
    public bool HasFinished => _hasFinished;

    /// <summary>Finish and usage are there.</summary>
    public bool Ended { get; private set; }

    /// <summary>Something of a reply has been read.</summary>
    public bool HasBegun { get; private set; }

    public void Fail(UpstreamFailure failure, string detail) => Fault ??= new UpstreamFault(failure, Detail: detail);

    public void Dispose()
    {
        _thinking.Dispose();
        _arguments.Dispose();
        _held.Dispose();
    }

    /// <summary>Reads one event of a stream.</summary>
    public void Read(ReadOnlySpan<byte> type, ReadOnlySpan<byte> json, ChunkWriter client)
    {
        HasBegun = true;
        if (type.SequenceEqual("metadata"u8)) ReadEnd(json);
        else if (_hasFinished)
        {
            if (type.SequenceEqual("contentBlockDelta"u8) || type.SequenceEqual("contentBlockStart"u8)) Fail(UpstreamFailure.BadReply, "content came after the end of the message");
        }
        else if (type.SequenceEqual("contentBlockDelta"u8)) ReadDelta(IndexOf(json), JsonMember.Of(json, "delta"u8), client);
        else if (type.SequenceEqual("contentBlockStart"u8)) Start(IndexOf(json), JsonMember.Of(json, "start"u8), client);
        else if (type.SequenceEqual("contentBlockStop"u8)) Stop(IndexOf(json), client);
        else if (type.SequenceEqual("messageStart"u8)) client.Role(_choice);
        else if (type.SequenceEqual("messageStop"u8)) Finish(JsonMember.Text(json, "stopReason"u8), client);
    }

    /// <summary>Reads a plain reply.</summary>
    public void ReadMessage(ReadOnlySpan<byte> body, ChunkWriter client)
    {
        HasBegun = true;
        var content = JsonMember.Of(JsonMember.Of(JsonMember.Of(body, "output"u8), "message"u8), "content"u8);
        var stop = JsonMember.Text(body, "stopReason"u8);
        if (content.IsEmpty || content[0] != (byte)'[' || stop.IsEmpty)
        {
            if (BedrockErrors.ReadInReply(body) is { } fault) Fault = fault;
            else Fail(UpstreamFailure.BadReply, "the reply has no content or no reason why it stopped");
            return;
        }
        client.Role(_choice);
        var json = new Utf8JsonReader(content);
        json.Read();
        for (var index = 0; json.Read() && json.TokenType != JsonTokenType.EndArray && Fault is null; index++)
        {
            var start = (int)json.TokenStartIndex;
            json.Skip();
            ReadBlock(index, content[start..(int)json.BytesConsumed], client);
        }
        if (Fault is not null) return;
        Finish(stop, client);
        ReadEnd(body);
    }

    private static int IndexOf(ReadOnlySpan<byte> json) => JsonMember.Number(json, "contentBlockIndex"u8);

    private void ReadBlock(int index, ReadOnlySpan<byte> block, ChunkWriter client)
    {
        if (JsonMember.Of(block, "toolUse"u8) is { IsEmpty: false } use)
        {
            Start(index, block, client);
            if (_open.TryGetValue(index, out var call) && call.Kind is Kind.Call or Kind.Content) Argue(call, JsonText.Escape(Compact(JsonMember.Of(use, "input"u8))), client);
        }
        else if (JsonMember.Of(block, "reasoningContent"u8) is { IsEmpty: false } reasoning)
        {
            if (JsonMember.Of(reasoning, "reasoningText"u8) is { IsEmpty: false } text) reasoning = text;
            Think(index, reasoning, client);
        }
        else if (JsonMember.Of(block, "citationsContent"u8) is { IsEmpty: false } cited) ReadCited(JsonMember.Of(cited, "content"u8), client);
        else Text(JsonMember.Text(block, "text"u8), client);
        Stop(index, client);
    }

    /// <summary>Nova's grounding puts pieces of the answer here, and nowhere else.</summary>
    private void ReadCited(ReadOnlySpan<byte> parts, ChunkWriter client)
    {
        if (parts.IsEmpty || parts[0] != (byte)'[') return;
        var json = new Utf8JsonReader(parts);
        json.Read();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            var start = (int)json.TokenStartIndex;
            json.Skip();
            Text(JsonMember.Text(parts[start..(int)json.BytesConsumed], "text"u8), client);
        }
    }

    private void Start(int index, ReadOnlySpan<byte> start, ChunkWriter client)
    {
        var use = JsonMember.Of(start, "toolUse"u8);
        var type = JsonMember.Text(use, "type"u8);
        // The provider's own tools, and their results, are its business.
        if (use.IsEmpty || !(type.IsEmpty || type.SequenceEqual("tool_use"u8)))
        {
            _open[index] = new Block(Kind.Skipped);
            return;
        }
        var name = JsonMember.Text(use, "name"u8);
        if (name.IsEmpty)
        {
            Fail(UpstreamFailure.BadReply, "a call without a name");
            return;
        }
        if (_contentTool is not null && name.SequenceEqual(_contentTool))
        {
            _open[index] = new Block(Kind.Content);
            _hasContentCall = true;
            return;
        }
        if (_calls == MostCalls)
        {
            Fail(UpstreamFailure.BadReply, "more calls than any reply has");
            return;
        }
        var id = JsonMember.Text(use, "toolUseId"u8);
        var call = new Block(Kind.Call) { Index = _calls, Id = id.IsEmpty ? NewId() : id.ToArray(), Name = name.ToArray() };
        _open[index] = call;
        client.ToolCall(_choice, _calls, call.Id, call.Name, members: _calls == 0 ? _thinking.ExtraContent() : default);
        _firstCall ??= call;
        _calls++;
    }

    private void ReadDelta(int index, ReadOnlySpan<byte> delta, ChunkWriter client)
    {
        if (_open.TryGetValue(index, out var block) && block.Kind == Kind.Skipped) return;
        if (JsonMember.Of(delta, "text"u8) is { IsEmpty: false })
        {
            Text(JsonMember.Text(delta, "text"u8), client);
        }
        else if (JsonMember.Of(delta, "reasoningContent"u8) is { IsEmpty: false } reasoning)
        {
            Think(index, reasoning, client);
        }
        else if (JsonMember.Of(delta, "toolUse"u8) is { IsEmpty: false } use)
        {
            if (block is { Kind: Kind.Call or Kind.Content }) Argue(block, JsonMember.Text(use, "input"u8), client);
            else Fail(UpstreamFailure.BadReply, "arguments of a call that never began");
        }
    }

    private void Text(ReadOnlySpan<byte> escaped, ChunkWriter client)
    {
        if (escaped.IsEmpty) return;
        // Beside a tool that stands for the content, text is chatter; it is the answer only if the tool was not called.
        if (_contentTool is not null) _held.Write(escaped);
        else client.Content(_choice, escaped);
    }

    private void Think(int index, ReadOnlySpan<byte> reasoning, ChunkWriter client)
    {
        if (!_open.TryGetValue(index, out var block) || block.Kind != Kind.Thinking)
        {
            _open[index] = new Block(Kind.Thinking);
            _thinking.Begin();
        }
        var text = JsonMember.Text(reasoning, "text"u8);
        if (!text.IsEmpty)
        {
            _thinking.Add(text);
            client.Reasoning(_choice, text);
        }
        _thinking.Sign(JsonMember.Text(reasoning, "signature"u8));
        _thinking.AddRedacted(JsonMember.Text(reasoning, "redactedContent"u8));
    }

    private void Argue(Block block, ReadOnlySpan<byte> escaped, ChunkWriter client)
    {
        if (escaped.IsEmpty) return;
        block.HasArguments = true;
        if (block.Kind == Kind.Content)
        {
            client.Content(_choice, escaped);
            return;
        }
        if (block == _firstCall && memory is not null) _arguments.Write(escaped);
        client.ToolArguments(_choice, block.Index, escaped);
    }

    private void Stop(int index, ChunkWriter client)
    {
        if (!_open.Remove(index, out var block)) return;
        if (block.Kind == Kind.Thinking) _thinking.End();
        if (block.Kind is not (Kind.Call or Kind.Content)) return;
        if (!block.HasArguments) Argue(block, "{}"u8, client);
        if (block == _firstCall && memory is not null && !_thinking.IsLost)
            memory.Remember(ThinkingHistory.Kind, context.Account, Unescape(block.Id), Unescape(block.Name), Encoding.UTF8.GetBytes(Unescape(_arguments.Span)), _thinking.Blocks());
    }

    private void Finish(ReadOnlySpan<byte> said, ChunkWriter client)
    {
        if (said.IsEmpty || said.StartsWith("malformed_"u8))
        {
            Fail(UpstreamFailure.ServerError, "the upstream ended the reply with " + Encoding.UTF8.GetString(said));
            return;
        }
        var reason = said.SequenceEqual("max_tokens"u8) || said.SequenceEqual("model_context_window_exceeded"u8) ? FinishReason.Length
            : said.SequenceEqual("guardrail_intervened"u8) || said.SequenceEqual("content_filtered"u8) ? FinishReason.ContentFilter
            : _calls > 0 ? FinishReason.ToolCalls : FinishReason.Stop;
        // A call that the cap cut keeps the arguments it has; another that said none has none.
        if (reason is FinishReason.Stop or FinishReason.ToolCalls)
        {
            foreach (var index in _open.Keys.Order().ToList()) Stop(index, client);
        }
        if (_held.Length > 0 && !_hasContentCall) client.Content(_choice, _held.Span);
        client.Finish(_choice, reason);
        _hasFinished = true;
    }

    private void ReadEnd(ReadOnlySpan<byte> json)
    {
        var usage = JsonMember.Of(json, "usage"u8);
        if (!usage.IsEmpty) Usage = BedrockUsage.Read(usage);
        Ended = _hasFinished;
    }

    private static byte[] NewId() => Encoding.ASCII.GetBytes("call_" + Guid.NewGuid().ToString("N")[..24]);

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
