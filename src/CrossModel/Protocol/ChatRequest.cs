namespace CrossModel.Protocol;

/// <summary>The top-level parameters that the specification, OpenAI's current reference or this gateway's own routing know.</summary>
internal enum ChatParameter
{
    Model, Messages, Stream, StreamOptions, MaxCompletionTokens, MaxTokens, Temperature, TopP, Stop, Tools, ToolChoice,
    ReasoningEffort, SafetyIdentifier, User,
    PresencePenalty, FrequencyPenalty, ResponseFormat, ParallelToolCalls, N, Logprobs, TopLogprobs, Modalities, Audio, Prediction,
    Seed, Metadata, Store, ServiceTier, Verbosity, WebSearchOptions,
    LogitBias, Functions, FunctionCall, PromptCacheKey, PromptCacheRetention, PromptCacheOptions, Moderation,
    Models, Provider,
}

/// <summary>What a request contains that not every model or server can take. Known after the one pass over the body.</summary>
[Flags]
internal enum ChatFeatures
{
    None = 0,
    /// <summary>tools has elements. An empty array has no effect: dialects leave it out, and a tool_choice of none or auto with it.</summary>
    Tools = 1 << 0,
    /// <summary>tool_choice is "required" or names a tool.</summary>
    ForcedTool = 1 << 1,
    /// <summary>A tool carries <c>strict</c>.</summary>
    StrictTool = 1 << 2,
    /// <summary>A tool of type <c>custom</c>, or a tool_choice naming one.</summary>
    CustomTool = 1 << 3,
    JsonObject = 1 << 4,
    JsonSchema = 1 << 5,
    Images = 1 << 6,
    AudioInput = 1 << 7,
    Video = 1 << 8,
    Files = 1 << 9,
    /// <summary>logprobs is true.</summary>
    Logprobs = 1 << 10,
    /// <summary>modalities names something besides text.</summary>
    OtherModalities = 1 << 11,
    DeveloperRole = 1 << 12,
    /// <summary>Some assistant message carries tool_calls.</summary>
    ToolHistory = 1 << 13,
    /// <summary>Some assistant message carries reasoning_content, reasoning or reasoning_details, be it null.</summary>
    ReasoningHistory = 1 << 14,
    /// <summary>Some block, message or tool carries cache_control.</summary>
    CacheMarks = 1 << 15,
    /// <summary>Some tool call carries extra_content (opaque reasoning state that a provider wants back).</summary>
    ExtraContent = 1 << 16,
    /// <summary>A file block that names a file_id.</summary>
    FileIds = 1 << 17,
    /// <summary>tool_choice is of type allowed_tools. Its mode required sets <see cref="ForcedTool"/> too.</summary>
    AllowedTools = 1 << 18,
    /// <summary>A tool of a type that nobody lists (a server's own); see <see cref="ChatRequest.UnlistedTool"/>.</summary>
    UnlistedTool = 1 << 19,
    /// <summary>modalities names audio.</summary>
    AudioOutput = 1 << 20,
    /// <summary>Some block or message carries prompt_cache_breakpoint.</summary>
    CacheBreakpoints = 1 << 21,
}

/// <summary>What the prompt is made of, for the hold. Base64 is never counted as text.</summary>
internal struct PromptSize
{
    public int Messages;
    /// <summary>
    /// UTF-8 bytes of text as the model reads it, escapes undone: contents, names, calls and their arguments, reasoning sent back;
    /// tools, functions and response_format as they stand in the body, schemas included.
    /// </summary>
    public long TextBytes;
    public int Images;
    /// <summary>Decoded bytes of inline files (base64 length × 3/4).</summary>
    public long FileBytes;
    public int Files;
    /// <summary>Decoded bytes of inline audio that does not tell how long it lasts.</summary>
    public long AudioBytes;
    /// <summary>How long the rest of the inline audio lasts.</summary>
    public long WavMilliseconds;
    public int Audios;
    public int Videos;
}

/// <summary>A top-level member that nobody lists. What happens to it is the model's setting.</summary>
/// <param name="Name">Unescaped.</param>
/// <param name="Member">From the opening quote of the name to the end of the value.</param>
internal sealed record UnknownParameter(string Name, JsonSpan Member, JsonSpan Value);

/// <summary>What comes back with an earlier reply and says nothing to the model.</summary>
internal enum LeftoverKind
{
    /// <summary><c>refusal</c>, <c>audio</c>, <c>function_call</c>, <c>tool_calls</c> or <c>annotations</c> that is null.</summary>
    Null,
    /// <summary><c>tool_calls</c> without an element.</summary>
    NoCalls,
    /// <summary><c>annotations</c>, which are for whoever reads the reply.</summary>
    Annotations,
    /// <summary><c>parsed</c>, and <c>parsed_arguments</c> of a call: what OpenAI's SDKs have made of the text beside it. A call's <c>index</c>, which they leave from a stream.</summary>
    FromSdk,
}

/// <param name="Member">From the opening quote of the name to the end of the value.</param>
internal readonly record struct Leftover(LeftoverKind Kind, JsonSpan Member);

/// <summary>
/// The caller's body as it came, already judged against the specification, and where in it the few members are that we act on.
/// Owns the pooled bytes: everything it hands out lives until Dispose.
/// </summary>
internal sealed class ChatRequest : IDisposable
{
    // Where in _places a parameter stands; 0, where nothing is: nowhere. A request has a few of the many.
    [System.Runtime.CompilerServices.InlineArray((int)ChatParameter.Provider + 1)]
    private struct Numbers
    {
        private byte _first;
    }

    private readonly PooledBuffer _buffer;
    private Numbers _numbers;
    private (JsonSpan Member, JsonSpan Value)[] _places = new (JsonSpan, JsonSpan)[6];
    private byte _count;
    private List<UnknownParameter>? _unknown;
    private List<Leftover>? _leftovers;

    public ChatRequest(PooledBuffer buffer) => _buffer = buffer;

    /// <summary>One JSON object in valid UTF-8, no byte order mark.</summary>
    public ReadOnlyMemory<byte> Body => _buffer.Memory;

    public string Model { get; set; } = "";

    /// <summary>The further models of <c>models</c>, in the caller's order, tried after <see cref="Model"/>.</summary>
    public IReadOnlyList<string> FallbackModels { get; set; } = [];

    /// <summary>The caller's own choice of route (<c>provider</c>); null when absent.</summary>
    public RoutePreferences? Preferences { get; set; }

    public bool Stream { get; set; }

    /// <summary>The caller asked for the usage chunk.</summary>
    public bool IncludeUsage { get; set; }

    /// <summary>n: 1 when absent.</summary>
    public int Candidates { get; set; } = 1;

    /// <summary>max_completion_tokens, else max_tokens; null when neither is there.</summary>
    public long? MaxOutputTokens { get; set; }

    public ChatFeatures Features { get; set; }

    /// <summary>reasoning_effort as sent: none, minimal, low, medium, high, xhigh; null when absent.</summary>
    public string? ReasoningEffort { get; set; }

    public PromptSize Prompt;

    /// <summary>stream_options.include_usage: its value as it stands in the body, null included; absent when it is not there.</summary>
    public JsonSpan IncludeUsageValue { get; set; }

    public IReadOnlyList<UnknownParameter> Unknown => _unknown ?? (IReadOnlyList<UnknownParameter>)[];

    /// <summary>In the order of the body. Some servers refuse them in messages.</summary>
    public IReadOnlyList<Leftover> Leftovers => _leftovers ?? (IReadOnlyList<Leftover>)[];

    /// <summary>The refusal that a tool of an unlisted type earns unless unknown parameters are let through for the model; see <see cref="UnknownParameterRule"/>.</summary>
    public ApiError? UnlistedTool { get; set; }

    /// <summary>From the opening quote of the name to the end of the value. Present also when the value is null, which means absent: <see cref="Has"/> tells.</summary>
    public JsonSpan Member(ChatParameter parameter) => _places[_numbers[(int)parameter]].Member;

    public JsonSpan Value(ChatParameter parameter) => _places[_numbers[(int)parameter]].Value;

    public bool Has(ChatParameter parameter) => Value(parameter).IsPresent;

    public void Set(ChatParameter parameter, JsonSpan member, JsonSpan value)
    {
        ref var number = ref _numbers[(int)parameter];
        if (number == 0) number = ++_count;
        if (number == _places.Length) Array.Resize(ref _places, _places.Length * 2);
        _places[number] = (member, value);
    }

    public void AddUnknown(UnknownParameter parameter) => (_unknown ??= []).Add(parameter);

    public void AddLeftover(Leftover leftover) => (_leftovers ??= []).Add(leftover);

    public void Dispose() => _buffer.Dispose();
}

/// <summary>The caller's <c>provider</c> object (OpenRouter's meanings); names are this gateway's upstreams.</summary>
internal sealed record RoutePreferences
{
    public IReadOnlyList<string> Order { get; init; } = [];
    public IReadOnlyList<string>? Only { get; init; }
    public IReadOnlyList<string> Ignore { get; init; } = [];
    /// <summary>"price"; null: the gateway's own order.</summary>
    public string? Sort { get; init; }
    /// <summary>USD per million tokens; null: any.</summary>
    public decimal? MaxInputPrice { get; init; }
    public decimal? MaxOutputPrice { get; init; }
    public bool AllowFallbacks { get; init; } = true;
    public bool RequireParameters { get; init; }
}
