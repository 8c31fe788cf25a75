using CrossModel.Configuration;

namespace CrossModel.Dialects.OpenAI;

/// <summary>How a server spells the token cap.</summary>
internal enum CapSpelling { MaxTokens, MaxCompletionTokens }

/// <summary>How a server is told how much to think.</summary>
internal enum ReasoningStyle
{
    /// <summary><c>reasoning_effort</c> with OpenAI's words.</summary>
    Effort,
    /// <summary><c>reasoning_effort</c> of which only some words are known: the nearest lower is sent.</summary>
    NearestEffort,
    /// <summary><c>reasoning: {"effort": …}</c>.</summary>
    ReasoningObject,
    /// <summary><c>thinking: {"type": "enabled" | "disabled"}</c>.</summary>
    ThinkingType,
    /// <summary>The same, and <c>reasoning_effort</c> beside it.</summary>
    ThinkingTypeAndEffort,
    /// <summary><c>enable_thinking: true | false</c> and <c>thinking_budget</c>.</summary>
    EnableThinking,
    /// <summary><c>reasoning_effort</c>: none or high.</summary>
    NoneOrHigh,
    /// <summary><c>chat_template_kwargs: {"reasoning_effort": …}</c>.</summary>
    TemplateArguments,
    /// <summary>Not at all: the parameter is dropped and named.</summary>
    Dropped,
}

/// <summary>What a server does with <c>safety_identifier</c> and <c>user</c>.</summary>
internal enum UserSpelling { AsSent, SafetyIdentifier, User, Dropped }

/// <summary>What the history must say of earlier reasoning.</summary>
internal enum ReasoningHistory
{
    /// <summary>As the caller sent it.</summary>
    Kept,
    /// <summary><c>reasoning_content</c> on every assistant message, "" where there is none.</summary>
    Required,
    /// <summary><c>reasoning_content</c> not before the last user message.</summary>
    NotBeforeLastUser,
    /// <summary>As <c>reasoning</c>.</summary>
    AsReasoning,
    /// <summary>The server refuses members that it does not know.</summary>
    Dropped,
}

/// <summary>
/// The quirks of one server, as traits: readers and writers ask for these and never for a server's name.
/// Each default is what most servers that speak this dialect do; the rows are in Presets.cs.
/// </summary>
internal sealed record Preset
{
    public required string Name { get; init; }

    /// <summary>Ends of host names, or <c>:port</c> of a server that usually runs on this machine.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    public CapSpelling Cap { get; init; } = CapSpelling.MaxTokens;
    public UserSpelling User { get; init; } = UserSpelling.Dropped;
    public ReasoningStyle Reasoning { get; init; } = ReasoningStyle.Effort;

    /// <summary>For NearestEffort and ThinkingTypeAndEffort: the words the server knows, in rising order.</summary>
    public IReadOnlyList<string> Efforts { get; init; } = [];

    public ReasoningHistory History { get; init; } = ReasoningHistory.Kept;

    /// <summary>Upstream models, by the beginning of their name, that want <see cref="ReasoningHistory.Required"/> instead.</summary>
    public string? ReasoningRequiredBy { get; init; }

    public bool RequiresReasoning(string upstreamModel) => ReasoningRequiredBy is { } beginning && upstreamModel.StartsWith(beginning, StringComparison.Ordinal);

    /// <summary>Takes <c>tool_calls[].extra_content</c> back; else it is left out, for a server that refuses members it does not know.</summary>
    public bool ExtraContent { get; init; }

    /// <summary>Takes null for what an earlier reply did not have, such as <c>refusal</c>;
    /// else that is left out, for a server that refuses members it does not know, or null in them.</summary>
    public bool Nulls { get; init; }

    /// <summary>Takes <c>annotations</c> of an earlier reply back.</summary>
    public bool Annotations { get; init; } = true;

    /// <summary>
    /// It signs calls with the state that they were thought from, and refuses them without (see <see cref="CallSignatures"/>), but for upstream models
    /// whose names begin so. Null: it signs none.
    /// </summary>
    public IReadOnlyList<string>? Unsigned { get; init; }

    public bool WantsSignatures(string upstreamModel) =>
        Unsigned?.Any(beginning => upstreamModel[(upstreamModel.LastIndexOf('/') + 1)..].StartsWith(beginning, StringComparison.Ordinal)) is false;

    /// <summary>Knows the role developer; else it is sent as system.</summary>
    public bool DeveloperRole { get; init; }

    /// <summary>Takes n itself; else it is asked n times.</summary>
    public bool Candidates { get; init; }

    /// <summary>Takes <c>stream_options</c>; one that does not sends usage anyway, or none.</summary>
    public bool StreamOptions { get; init; } = true;

    /// <summary>Takes <c>tools[].function.strict</c>.</summary>
    public bool Strict { get; init; } = true;

    /// <summary>The name of <c>seed</c>; null: dropped.</summary>
    public string? Seed { get; init; } = "seed";

    /// <summary>What <c>tool_choice</c> "required" is called; null: the server knows neither it nor "none".</summary>
    public string? RequiredTool { get; init; } = "required";

    /// <summary>Takes a <c>tool_choice</c> that names tools; else those tools alone are sent, with the word for whether one must be called.</summary>
    public bool NamedTools { get; init; } = true;

    /// <summary>Refuses calls of the history that have no type, or arguments that are empty: both are filled in.</summary>
    public bool FillsCalls { get; init; }

    /// <summary>Holds to <c>response_format</c> json_object only with a schema in it: one of any object is put there.</summary>
    public bool ObjectSchema { get; init; }

    /// <summary>Upstream models, by the beginning of their name, that pass over <c>response_format</c> without a word: 400; null: none.</summary>
    public string? FormatIgnoredBy { get; init; }

    /// <summary>Lowest <c>top_logprobs</c> with which it gives log probabilities: a lower one is raised and named, and it is sent where the caller leaves it out. 0: any.</summary>
    public int MinTopLogprobs { get; init; }

    /// <summary>Closes the connection after each stream, though it promises to keep it: who reuses it meets its end.</summary>
    public bool ClosesStreams { get; init; }

    /// <summary>Roles whose messages may have a name: elsewhere it is left out, and named to the caller. Null: all.</summary>
    public IReadOnlyList<string>? NamedRoles { get; init; }

    /// <summary>Tool call ids must be exactly nine letters or digits.</summary>
    public bool NineCharacterIds { get; init; }

    /// <summary>Parameters that are dropped, by their name on the wire, and named to the caller: they change taste only.</summary>
    public HashSet<string> Drops { get; init; } = [];

    /// <summary>Parameters without which the caller would get something else than asked: 400.</summary>
    public HashSet<string> Refuses { get; init; } = [];

    /// <summary>A parameter of the server's own that is added to every request that does not carry it; null: none.</summary>
    public (string Name, string Json)? Adds { get; init; }

    /// <summary>Highest temperature it takes; a higher one is lowered and named.</summary>
    public double MaxTemperature { get; init; } = 2;

    /// <summary>Lowest temperature it takes; a lower one is raised and named.</summary>
    public double MinTemperature { get; init; }

    /// <summary>Most stop sequences it takes; more is 400.</summary>
    public int MaxStops { get; init; } = 4;

    /// <summary>Upstream models, by the beginning of their name, that answer in streams only: a plain reply is collected from one; null: none.</summary>
    public string? StreamsOnly { get; init; }

    /// <summary>Words of a 500 that is about the request all the same: it is the caller's, and asking again is of no use.</summary>
    public IReadOnlyList<string> RequestFaults { get; init; } = [];

    /// <summary>429 <c>insufficient_quota</c> is the tokens of a minute; elsewhere it is a spent balance.</summary>
    public bool QuotaIsRate { get; init; }

    /// <summary>An error's code stands at the end of its message, in brackets.</summary>
    public bool CodeInMessage { get; init; }

    /// <summary>What happens to unknown parameters; null: as the gateway says.</summary>
    public UnknownParameters? Unknown { get; init; }

    /// <summary>In usage, what total has beyond prompt and completion is hidden thinking.</summary>
    public bool SurplusIsReasoning { get; init; }

    /// <summary>Adds content filter results and counts of its own to everything: callers do not get them (see <see cref="FilterResults"/>).</summary>
    public bool FilterResults { get; init; }

    /// <summary>Reasoning text comes in <c>reasoning_details</c> only.</summary>
    public bool ReasoningInDetails { get; init; }
}
