using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>
/// Judges a body against the specification in one forward pass and remembers where the few members are that we act on.
/// The first fault in the order of the body is told, except that an unreadable body is always <c>invalid_json</c>, wherever it breaks:
/// so after a fault the rest is still read, only no longer judged. What needs several members (a tool_choice and the tools) is judged last.
/// </summary>
internal static partial class ChatRequestReader
{
    /// <summary>Objects and arrays within each other, the outermost counted.</summary>
    public const int MaxDepth = 64;

    /// <summary>Everything of the specification's rules but the unknown-parameter policy, which depends on the model.</summary>
    /// <param name="body">Owned by the request from here on if there is one (Dispose gives it back), else still the caller's.</param>
    /// <returns>Null, and a request; or a refusal, and none.</returns>
    public static ApiError? Read(PooledBuffer body, out ChatRequest? request)
    {
        request = null;
        if (JsonFaults.BeforeParsing(body.Span) is { } unreadable) return unreadable;
        var candidate = new ChatRequest(body);
        var scratch = ScratchOfThread ?? new Scratch();
        // Taken, not shared: nothing that this pass calls may find it half full.
        ScratchOfThread = null;
        var refusal = new Pass(body.Span, candidate, scratch).Run();
        scratch.Clear();
        ScratchOfThread = scratch;
        if (refusal is null) request = candidate;
        return refusal;
    }

    [ThreadStatic]
    private static Scratch? ScratchOfThread;

    /// <summary>What a pass needs besides the body, used again for the next one.</summary>
    private sealed class Scratch
    {
        public SeenTexts Seen { get; } = new();
        public EscapeMask Mask { get; } = new();

        public void Clear()
        {
            Seen.Clear();
            Mask.Clear();
        }
    }

    /// <summary>
    /// One pass. Every Read… method finds the reader on the first token of its value and leaves it on the last one, unless it refuses:
    /// then all loops end, since <see cref="NextMember"/> and <see cref="NextElement"/> answer false from there on.
    /// </summary>
    private ref partial struct Pass
    {
        private readonly ReadOnlySpan<byte> _body;
        private readonly ChatRequest _request;
        private readonly SeenTexts _seen;
        private readonly EscapeMask _mask;
        private Utf8JsonReader _json;
        private ApiError? _refusal;
        private int _nameStart;
        private int _scopes = FirstFreeScope;

        // The calls of the nearest assistant message that has some: each is answered once, and all before a user or assistant message follows.
        private int _openScope;
        private int _openCalls;
        private int _openMessage;

        // Judged together at the end, since members come in any order. Tools may be declared behind the choice that names them.
        private List<ToolReference>? _named;
        private bool _mustCall;
        private bool _logprobs;
        private long? _maxTokens;
        private long? _maxCompletionTokens;

        public Pass(ReadOnlySpan<byte> body, ChatRequest request, Scratch scratch)
        {
            _body = body;
            _request = request;
            (_seen, _mask) = (scratch.Seen, scratch.Mask);
            _json = new Utf8JsonReader(_mask.Copy(body), new JsonReaderOptions { MaxDepth = MaxDepth });
        }

        public ApiError? Run()
        {
            try
            {
                _json.Read();
                if (_json.TokenType == JsonTokenType.StartObject) ReadTop();
                else RefuseJson((int)_json.TokenStartIndex, "the body must be a JSON object");
                while (_json.Read()) { }
            }
            catch (JsonException fault)
            {
                return JsonFaults.Broken(_body, fault, OpenLevels());
            }
            if (_refusal is null) JudgeTogether();
            return _refusal;
        }

        // CurrentDepth does not count the object or array that a token has just opened.
        private readonly int OpenLevels() => _json.CurrentDepth + (_json.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray ? 1 : 0);

        private void ReadTop()
        {
            var members = Members();
            while (NextMember(ChatParameters.Table, ref members, out var index))
            {
                var (name, value) = (_nameStart, (int)_json.TokenStartIndex);
                var unknown = index < 0 ? NameAt(name) : null;
                var isNull = _json.TokenType == JsonTokenType.Null;
                if (unknown is not null) _json.Skip();
                else if (!isNull) ReadParameter((ChatParameter)index);
                if (_refusal is not null) return;
                var end = (int)_json.BytesConsumed;
                var (memberSpan, valueSpan) = (new JsonSpan(name, end - name), new JsonSpan(value, end - value));
                if (unknown is not null) _request.AddUnknown(new UnknownParameter(unknown, memberSpan, valueSpan));
                else _request.Set((ChatParameter)index, memberSpan, isNull ? default : valueSpan);
            }
        }
    }
}
