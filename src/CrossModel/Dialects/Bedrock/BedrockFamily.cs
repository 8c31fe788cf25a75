using CrossModel.Dialects.Anthropic;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Which tool choices a family can be made to follow.</summary>
[Flags]
internal enum ToolForce { None = 0, Any = 1, Named = 2 }

/// <summary>How a family is told how much to think.</summary>
internal enum BedrockThinking { Dropped, Claude, Effort, NestedEffort, NovaConfig }

/// <summary>What the families of models behind Converse do differently: asked for by trait, never by name.</summary>
internal sealed record BedrockFamily
{
    public ToolForce Force { get; init; } = ToolForce.Any | ToolForce.Named;
    public BedrockThinking Thinking { get; init; }

    /// <summary>Follows a JSON Schema through <c>outputConfig</c>; Claude's own table decides for Claude.</summary>
    public bool StructuredOutput { get; init; }

    /// <summary>Takes <c>cachePoint</c> blocks.</summary>
    public bool CachePoints { get; init; }

    /// <summary>Ids of calls must be exactly nine letters or digits.</summary>
    public bool NineCharacterIds { get; init; }

    /// <summary>Takes temperature and top_p; Claude's own table decides for Claude.</summary>
    public bool Samples { get; init; } = true;

    /// <summary>Cannot say a function's name with a hyphen in it.</summary>
    public bool NoHyphens { get; init; }

    public bool IsClaude => Thinking == BedrockThinking.Claude;

    /// <summary>A family nobody has named: everything is tried.</summary>
    private static readonly BedrockFamily Unknown = new() { StructuredOutput = true };

    /// <summary>By a part of the model's id; the first match wins.</summary>
    private static readonly (string Part, BedrockFamily Family)[] Table =
    [
        ("claude", new() { Thinking = BedrockThinking.Claude, CachePoints = true }),
        ("nova-2", new() { Thinking = BedrockThinking.NovaConfig, CachePoints = true }),
        ("nova", new() { CachePoints = true, NoHyphens = true }),
        ("gpt-oss", new() { Thinking = BedrockThinking.Effort, StructuredOutput = true }),
        ("openai.gpt", new() { Thinking = BedrockThinking.NestedEffort, StructuredOutput = true, Samples = false }),
        ("mistral", new() { Force = ToolForce.Any, NineCharacterIds = true, StructuredOutput = true }),
        ("mixtral", new() { Force = ToolForce.Any, NineCharacterIds = true }),
        ("llama", new() { Force = ToolForce.None }),
        ("titan", new() { Force = ToolForce.None }),
    ];

    /// <param name="upstreamModel">The model's id, profile or ARN. An application profile's ARN says nothing: then the public id is asked.</param>
    public static BedrockFamily Of(string upstreamModel, string publicId) => Find(upstreamModel) ?? Find(publicId) ?? Unknown;

    /// <summary>By the same rule, which Claude it is: the upstream model's name, or the public id where that says nothing.</summary>
    public static string ClaudeName(RouteModel route) => route.UpstreamModel.Contains("claude", StringComparison.OrdinalIgnoreCase) ? route.UpstreamModel : route.Id;

    /// <summary>What Claude takes here.</summary>
    public static ClaudeModel ClaudeOf(RouteModel route)
    {
        var model = ClaudeModel.Of(ClaudeName(route), route.Facts);
        return model with { StructuredOutput = model.StructuredOutputAtAmazon };
    }

    private static BedrockFamily? Find(string name) =>
        Array.Find(Table, row => name.Contains(row.Part, StringComparison.OrdinalIgnoreCase)).Family;
}
