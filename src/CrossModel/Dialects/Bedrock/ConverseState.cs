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
    private readonly ReplyBlocks _blocks = new(context, memory);
    private readonly int _choice = context.ChoiceOffset;

    public UpstreamFault? Fault { get; private set; }
    public TokenUsage? Usage { get; private set; }

    /// <summary>The model has said why it stopped; only usage may follow.</summary>
    public bool HasFinished { get; private set; }

    /// <summary>Finish and usage are there.</summary>
    public bool Ended { get; private set; }

    /// <summary>Something of a reply has been read.</summary>
    public bool HasBegun { get; private set; }

    public void Fail(UpstreamFailure failure, string detail) => Fault ??= new UpstreamFault(failure, Detail: detail);

    public void Dispose() => _blocks.Dispose();

    /// <summary>Reads one event of a stream.</summary>
    public void Read(ReadOnlySpan<byte> type, ReadOnlySpan<byte> json, ChunkWriter client)
    {
        HasBegun = true;
        if (type.SequenceEqual("metadata"u8)) ReadEnd(json);
        else if (HasFinished)
        {
            if (type.SequenceEqual("contentBlockDelta"u8) || type.SequenceEqual("contentBlockStart"u8)) Fail(UpstreamFailure.BadReply, "content came after the end of the message");
        }
        else if (type.SequenceEqual("contentBlockDelta"u8)) ReadDelta(IndexOf(json), JsonMember.Of(json, "delta"u8), client);
        else if (type.SequenceEqual("contentBlockStart"u8)) Start(IndexOf(json), JsonMember.Of(JsonMember.Of(json, "start"u8), "toolUse"u8), client);
        else if (type.SequenceEqual("contentBlockStop"u8)) _blocks.End(IndexOf(json), client);
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

    private static int IndexOf(ReadOnlySpan<byte> json) =>
        System.Buffers.Text.Utf8Parser.TryParse(JsonMember.Of(json, "contentBlockIndex"u8), out int index, out _) ? index : 0;

    private void ReadBlock(int index, ReadOnlySpan<byte> block, ChunkWriter client)
    {
        if (JsonMember.Of(block, "toolUse"u8) is { IsEmpty: false } use)
        {
            Start(index, use, client);
        }
        else if (JsonMember.Of(block, "reasoningContent"u8) is { IsEmpty: false } reasoning)
        {
            if (JsonMember.Of(reasoning, "reasoningText"u8) is { IsEmpty: false } text) reasoning = text;
            Think(index, reasoning, client);
        }
        else if (JsonMember.Of(block, "citationsContent"u8) is { IsEmpty: false } cited) ReadCited(JsonMember.Of(cited, "content"u8), client);
        else _blocks.Text(JsonMember.Text(block, "text"u8), client);
        _blocks.End(index, client);
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
            _blocks.Text(JsonMember.Text(parts[start..(int)json.BytesConsumed], "text"u8), client);
        }
    }

    /// <param name="use">Empty: no call begins here.</param>
    private void Start(int index, ReadOnlySpan<byte> use, ChunkWriter client)
    {
        var type = JsonMember.Text(use, "type"u8);
        // The provider's own tools, and their results, are its business.
        if (use.IsEmpty || !(type.IsEmpty || type.SequenceEqual("tool_use"u8))) _blocks.Open(index, ReplyBlocks.Kind.Skipped);
        else if (_blocks.OpenCall(index, JsonMember.Text(use, "toolUseId"u8), JsonMember.Text(use, "name"u8), JsonMember.Of(use, "input"u8), client) is { } wrong)
            Fail(UpstreamFailure.BadReply, wrong);
    }

    private void ReadDelta(int index, ReadOnlySpan<byte> delta, ChunkWriter client)
    {
        var block = _blocks.Find(index);
        if (block is { Kind: ReplyBlocks.Kind.Skipped }) return;
        if (JsonMember.Of(delta, "text"u8) is { IsEmpty: false })
        {
            _blocks.Text(JsonMember.Text(delta, "text"u8), client);
        }
        else if (JsonMember.Of(delta, "reasoningContent"u8) is { IsEmpty: false } reasoning)
        {
            Think(index, reasoning, client);
        }
        else if (JsonMember.Of(delta, "toolUse"u8) is { IsEmpty: false } use)
        {
            if (block is { Kind: ReplyBlocks.Kind.Call or ReplyBlocks.Kind.Content }) _blocks.Argue(block, JsonMember.Text(use, "input"u8), client);
            else Fail(UpstreamFailure.BadReply, "arguments of a call that never began");
        }
    }

    private void Think(int index, ReadOnlySpan<byte> reasoning, ChunkWriter client)
    {
        if (_blocks.Find(index) is not { Kind: ReplyBlocks.Kind.Thinking }) _blocks.Open(index, ReplyBlocks.Kind.Thinking);
        _blocks.Think(JsonMember.Text(reasoning, "text"u8), client);
        _blocks.Thinking.Sign(JsonMember.Text(reasoning, "signature"u8));
        _blocks.Thinking.AddRedacted(JsonMember.Text(reasoning, "redactedContent"u8));
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
            : _blocks.Calls > 0 ? FinishReason.ToolCalls : FinishReason.Stop;
        // A call that the cap cut keeps the arguments it has; another that said none has none.
        if (reason is FinishReason.Stop or FinishReason.ToolCalls)
        {
            foreach (var index in _blocks.Unended()) _blocks.End(index, client);
        }
        _blocks.Finish(reason, client);
        HasFinished = true;
    }

    private void ReadEnd(ReadOnlySpan<byte> json)
    {
        var usage = JsonMember.Of(json, "usage"u8);
        if (!usage.IsEmpty) Usage = BedrockUsage.Read(usage);
        Ended = HasFinished;
    }
}
