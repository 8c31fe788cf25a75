using System.Buffers;
using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// The blocks of one reply and what the caller gets of them, whichever API says them: text, thinking (with its signature on the call that follows it, and
/// in the memory), calls, and the call of a tool that stands for the content. All text is escaped as it came.
/// </summary>
/// <param name="memory">Where signed thinking is kept for callers who drop it; null: the model signs none.</param>
internal sealed class ReplyBlocks(ReplyContext context, ReasoningMemory? memory) : IDisposable
{
    private readonly Dictionary<int, Block> _open = [];
    private readonly PooledBuffer _arguments = new();
    private readonly PooledBuffer _held = new();
    private readonly byte[]? _contentTool = context.ContentTool is { } tool ? Encoding.UTF8.GetBytes(tool) : null;
    private readonly int _choice = context.ChoiceOffset;
    /// <summary>The call that is remembered with its thinking once it has ended. Of a reply without any the first is: that there was none is known then.</summary>
    private Block? _noted;
    private bool _hasContentCall;

    internal enum Kind { Skipped, Text, Thinking, Call, Content }

    internal sealed class Block(Kind kind)
    {
        public Kind Kind { get; } = kind;
        /// <summary>Of a call: its place among the calls, not among the blocks.</summary>
        public int Index { get; init; }
        /// <summary>Escaped, as it went out.</summary>
        public byte[] Id { get; init; } = [];
        public byte[] Name { get; init; } = [];
        /// <summary>Of a call: what stands for the arguments when none follow; JSON.</summary>
        public byte[] Input { get; init; } = [];
        /// <summary>Of a call: the signed thinking before it, a JSON array or empty.</summary>
        public byte[] Thinking { get; init; } = [];
        public bool HasArguments { get; set; }
    }

    public ThinkingState Thinking { get; } = new();

    public int Calls { get; private set; }

    public void Dispose()
    {
        Thinking.Dispose();
        _arguments.Dispose();
        _held.Dispose();
    }

    /// <summary>Null: no such block has begun, or it has ended.</summary>
    public Block? Find(int index) => _open.GetValueOrDefault(index);

    /// <summary>Places of the blocks that have begun and not ended, in order.</summary>
    public List<int> Unended() => [.. _open.Keys.Order()];

    public void Open(int index, Kind kind)
    {
        if (kind == Kind.Thinking) Thinking.Begin();
        _open[index] = new Block(kind);
    }

    /// <summary>Answers what is wrong with it; null: all is well.</summary>
    /// <param name="id">Empty: one is made.</param>
    /// <param name="input">A JSON object, or empty.</param>
    public string? OpenCall(int index, ReadOnlySpan<byte> id, ReadOnlySpan<byte> name, ReadOnlySpan<byte> input, ChunkWriter client)
    {
        if (name.IsEmpty) return "a call without a name";
        if (_contentTool is not null && name.SequenceEqual(_contentTool))
        {
            // Two answers are none: the first one is it.
            _open[index] = _hasContentCall ? new Block(Kind.Skipped) : new Block(Kind.Content) { Input = Compact(input) };
            _hasContentCall = true;
            return null;
        }
        if (Calls == CallIds.Most) return CallIds.TooMany;
        if (context.ToolAliases?.GetValueOrDefault(Unescape(name)) is { } callers) name = JsonText.Escape(callers);
        var thinking = Thinking.Take();
        var call = new Block(Kind.Call) { Index = Calls, Thinking = thinking, Id = id.IsEmpty ? Encoding.ASCII.GetBytes(CallIds.New()) : id.ToArray(), Name = name.ToArray(), Input = Compact(input) };
        _open[index] = call;
        client.ToolCall(_choice, Calls, call.Id, call.Name, members: memory is not null ? ThinkingState.ExtraContent(thinking) : default);
        if (_noted is null && (Calls == 0 || thinking.Length > 0))
        {
            _noted = call;
            _arguments.Reset();
        }
        Calls++;
        return null;
    }

    /// <summary>Answers whether the caller has got it now.</summary>
    public bool Text(ReadOnlySpan<byte> escaped, ChunkWriter client)
    {
        if (escaped.IsEmpty) return false;
        // Beside a tool that stands for the content, text is chatter; it is the answer only if the tool was not called.
        if (_contentTool is not null) _held.Write(escaped);
        else client.Content(_choice, escaped);
        return _contentTool is null;
    }

    public void Think(ReadOnlySpan<byte> escaped, ChunkWriter client)
    {
        if (escaped.IsEmpty) return;
        Thinking.Add(escaped);
        client.Reasoning(_choice, escaped);
    }

    public void Argue(Block block, ReadOnlySpan<byte> escaped, ChunkWriter client)
    {
        if (escaped.IsEmpty) return;
        block.HasArguments = true;
        if (block.Kind == Kind.Content)
        {
            client.Content(_choice, escaped);
            return;
        }
        if (block == _noted && memory is not null) _arguments.Write(escaped);
        client.ToolArguments(_choice, block.Index, escaped);
    }

    /// <summary>Ends a block; null: there was none.</summary>
    public Block? End(int index, ChunkWriter client)
    {
        if (!_open.Remove(index, out var block)) return null;
        if (block.Kind == Kind.Thinking) Thinking.End();
        if (block.Kind is not (Kind.Call or Kind.Content)) return block;
        if (!block.HasArguments) Argue(block, JsonText.Escape(block.Input), client);
        if (block != _noted) return block;
        _noted = null;
        if (memory is not null && !Thinking.IsLost)
            memory.Remember(ThinkingHistory.Kind, context.Account, Unescape(block.Id), Unescape(block.Name), Encoding.UTF8.GetBytes(Unescape(_arguments.Span)), block.Thinking);
        return block;
    }

    public void Finish(FinishReason reason, ChunkWriter client)
    {
        if (_held.Length > 0 && !_hasContentCall) client.Content(_choice, _held.Span);
        client.Finish(_choice, reason);
    }

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
