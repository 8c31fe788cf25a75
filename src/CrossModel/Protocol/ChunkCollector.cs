using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>
/// A plain reply gathered from chunks: give <see cref="Writer"/> to whatever writes a stream, then <see cref="Collect"/>. For upstreams that stream
/// though a plain reply was asked, and for dialects, which so need one way of writing only.
/// </summary>
internal sealed class ChunkCollector : IDisposable
{
    private readonly PooledBuffer _events = new();
    private readonly SortedDictionary<int, Choice> _choices = [];

    public ChunkCollector() => Writer = new ChunkWriter(_events, "", 0, "", includeUsage: true);

    public ChunkWriter Writer { get; }

    /// <summary>The reply that the chunks amount to. Every choice must have been finished.</summary>
    /// <param name="usage">As the upstream reported; null: it did not.</param>
    public PlainReply Collect(TokenUsage? usage)
    {
        Writer.ReleaseFinish();
        using var reader = new SseReader();
        var unread = _events.Span;
        while (reader.TryRead(unread, atEnd: true, out var evt, out var used))
        {
            using var chunk = JsonDocument.Parse(evt.Data.ToArray());
            foreach (var choice in chunk.RootElement.GetProperty("choices"u8).EnumerateArray()) Add(choice);
            unread = unread[used..];
        }
        var reply = PlainReply.Empty();
        foreach (var (index, choice) in _choices)
        {
            if (reply.Choices.Length > 0) reply.Choices.Write(","u8);
            choice.Write(reply.Choices, index);
        }
        reply.Usage = usage;
        reply.HasContent = Writer.HasContent;
        reply.IsBlocked = Writer.IsBlocked;
        reply.TextBytes = Writer.TextBytes;
        reply.UpstreamUsage.Write(Writer.UpstreamUsage);
        return reply;
    }

    public void Dispose()
    {
        Writer.Dispose();
        _events.Dispose();
        foreach (var choice in _choices.Values) choice.Dispose();
    }

    private void Add(JsonElement chunk)
    {
        var index = chunk.GetProperty("index"u8).GetInt32();
        if (!_choices.TryGetValue(index, out var choice)) _choices[index] = choice = new Choice();
        foreach (var member in chunk.GetProperty("delta"u8).EnumerateObject()) choice.Add(member);
        if (chunk.TryGetProperty("logprobs"u8, out var logprobs) && logprobs.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in logprobs.EnumerateObject()) Choice.Append(choice.Logprobs, member);
        }
        if (chunk.GetProperty("finish_reason"u8) is { ValueKind: JsonValueKind.String } reason) choice.Finish = JsonMarshal.GetRawUtf8Value(reason).ToArray();
    }

    private sealed class Choice : IDisposable
    {
        private readonly PooledBuffer _content = new();
        private readonly PooledBuffer _reasoning = new();
        /// <summary>As some servers name it.</summary>
        private readonly PooledBuffer _plainReasoning = new();
        private readonly PooledBuffer _refusal = new();
        private readonly List<Call> _calls = [];
        private readonly Dictionary<string, Grown> _others = [];
        private bool _hasRefusal;

        public Dictionary<string, Grown> Logprobs { get; } = [];
        public byte[] Finish { get; set; } = FinishReason.Stop.Json().ToArray();

        public void Add(JsonProperty member)
        {
            var raw = JsonMarshal.GetRawUtf8Value(member.Value);
            if (member.Value.ValueKind == JsonValueKind.Null || member.NameEquals("role"u8)) return;
            if (member.NameEquals("tool_calls"u8))
            {
                foreach (var call in member.Value.EnumerateArray()) AddCall(call);
            }
            else if (member.Value.ValueKind != JsonValueKind.String) Append(_others, member);
            else if (member.NameEquals("content"u8)) _content.Write(raw[1..^1]);
            else if (member.NameEquals("reasoning_content"u8)) _reasoning.Write(raw[1..^1]);
            else if (member.NameEquals("reasoning"u8)) _plainReasoning.Write(raw[1..^1]);
            else if (member.NameEquals("refusal"u8))
            {
                _hasRefusal |= raw.Length > 2;
                _refusal.Write(raw[1..^1]);
            }
            else Append(_others, member);
        }

        /// <summary>Arrays grow (annotations, log probabilities), of anything else the last value stays.</summary>
        public static void Append(Dictionary<string, Grown> members, JsonProperty member)
        {
            var isArray = member.Value.ValueKind == JsonValueKind.Array;
            if (isArray && members.TryGetValue(member.Name, out var before) && before.IsArray) before.Add(member.Value);
            else if (member.Value.ValueKind != JsonValueKind.Null || !members.ContainsKey(member.Name)) members[member.Name] = new Grown(member.Value);
        }

        public void Write(PooledBuffer target, int index)
        {
            target.Write("{\"index\":"u8);
            JsonText.WriteNumber(target, index);
            target.Write(",\"message\":{\"role\":\"assistant\",\"content\":"u8);
            if (_content.Length == 0 && (_calls.Count > 0 || _hasRefusal)) target.Write("null"u8);
            else String(target, _content);
            if (_reasoning.Length > 0)
            {
                target.Write(",\"reasoning_content\":"u8);
                String(target, _reasoning);
            }
            if (_plainReasoning.Length > 0)
            {
                target.Write(",\"reasoning\":"u8);
                String(target, _plainReasoning);
            }
            target.Write(",\"refusal\":"u8);
            if (_hasRefusal) String(target, _refusal);
            else target.Write("null"u8);
            foreach (var (name, value) in _others)
            {
                Name(target, name, isFirst: false);
                value.Write(target);
            }
            WriteCalls(target);
            target.Write("},\"logprobs\":"u8);
            if (Logprobs.Count == 0) target.Write("null"u8);
            else
            {
                target.Write("{"u8);
                var isFirst = true;
                foreach (var (name, value) in Logprobs)
                {
                    Name(target, name, isFirst);
                    value.Write(target);
                    isFirst = false;
                }
                target.Write("}"u8);
            }
            target.Write(",\"finish_reason\":"u8);
            target.Write(Finish);
            target.Write("}"u8);
        }

        public void Dispose()
        {
            _content.Dispose();
            _reasoning.Dispose();
            _plainReasoning.Dispose();
            _refusal.Dispose();
            foreach (var call in _calls) call.Arguments.Dispose();
        }

        private void AddCall(JsonElement delta)
        {
            var index = delta.GetProperty("index"u8).GetInt32();
            while (_calls.Count <= index) _calls.Add(new Call());
            var call = _calls[index];
            foreach (var member in delta.EnumerateObject())
            {
                if (member.NameEquals("index"u8)) continue;
                if (!member.NameEquals("function"u8))
                {
                    call.Members[member.Name] = JsonMarshal.GetRawUtf8Value(member.Value).ToArray();
                    continue;
                }
                foreach (var part in member.Value.EnumerateObject())
                {
                    var raw = JsonMarshal.GetRawUtf8Value(part.Value);
                    if (!part.NameEquals("arguments"u8)) call.Function[part.Name] = raw.ToArray();
                    // Null says that there is no more of it.
                    else if (part.Value.ValueKind == JsonValueKind.String) call.Arguments.Write(raw[1..^1]);
                }
            }
        }

        private void WriteCalls(PooledBuffer target)
        {
            if (_calls.Count == 0) return;
            target.Write(",\"tool_calls\":["u8);
            for (var i = 0; i < _calls.Count; i++)
            {
                // The index that streams have is none of a plain reply's.
                target.Write(i == 0 ? "{"u8 : ",{"u8);
                var isFirst = true;
                foreach (var (name, value) in _calls[i].Members) Member(target, name, value, ref isFirst);
                if (_calls[i].Function.Count > 0)
                {
                    target.Write(isFirst ? "\"function\":{"u8 : ",\"function\":{"u8);
                    isFirst = true;
                    foreach (var (name, value) in _calls[i].Function) Member(target, name, value, ref isFirst);
                    target.Write(",\"arguments\":"u8);
                    String(target, _calls[i].Arguments);
                    target.Write("}"u8);
                }
                target.Write("}"u8);
            }
            target.Write("]"u8);
        }

        private static void String(PooledBuffer target, PooledBuffer escaped)
        {
            target.Write("\""u8);
            target.Write(escaped.Span);
            target.Write("\""u8);
        }

        private static void Member(PooledBuffer target, string name, byte[] value, ref bool isFirst)
        {
            Name(target, name, isFirst);
            isFirst = false;
            target.Write(value);
        }

        private static void Name(PooledBuffer target, string name, bool isFirst)
        {
            target.Write(isFirst ? "\""u8 : ",\""u8);
            target.Write(JsonText.Escape(name));
            target.Write("\":"u8);
        }
    }

    /// <summary>A value as it came, or an array with the elements of all that came: each is copied once, however many deltas there are.</summary>
    private sealed class Grown
    {
        private readonly ArrayBufferWriter<byte> _json = new();
        private bool _isEmpty;

        public Grown(JsonElement value)
        {
            IsArray = value.ValueKind == JsonValueKind.Array;
            _isEmpty = IsArray && value.GetArrayLength() == 0;
            var raw = JsonMarshal.GetRawUtf8Value(value);
            _json.Write(IsArray ? raw[..^1] : raw);
        }

        public bool IsArray { get; }

        public void Add(JsonElement array)
        {
            if (array.GetArrayLength() == 0) return;
            if (!_isEmpty) _json.Write(","u8);
            _isEmpty = false;
            _json.Write(JsonMarshal.GetRawUtf8Value(array)[1..^1]);
        }

        public void Write(PooledBuffer target)
        {
            target.Write(_json.WrittenSpan);
            if (IsArray) target.Write("]"u8);
        }
    }

    private sealed class Call
    {
        public Dictionary<string, byte[]> Members { get; } = [];
        public Dictionary<string, byte[]> Function { get; } = [];
        public PooledBuffer Arguments { get; } = new();
    }
}
