using CrossModel.Configuration;
using CrossModel.Dialects.Anthropic;
using CrossModel.Dialects.Azure;
using CrossModel.Dialects.Bedrock;
using CrossModel.Dialects.Gemini;
using CrossModel.Dialects.OpenAI;
using CrossModel.Dialects.Vertex;

namespace CrossModel.Dialects;

/// <summary>Every dialect by its name in the configuration: one line each.</summary>
internal static class DialectSet
{
    public static IReadOnlySet<string> Known { get; } = new HashSet<string> { "openai", "azure", "anthropic", "gemini", "vertex", "bedrock", "simulated" };

    public static IReadOnlySet<string> Built { get; } = new HashSet<string> { "openai", "azure", "anthropic", "gemini", "vertex", "bedrock", "simulated" };

    public static IReadOnlySet<string> Presets => OpenAI.Presets.Names;

    public static bool IsKnown(string dialect) => Known.Contains(dialect);

    public static bool IsBuilt(string dialect) => Built.Contains(dialect);

    /// <summary>What the configuration is judged by.</summary>
    public static ConfigRules Rules(TimeProvider time) => new(Known, Built, Presets) { Time = time, CheckUpstream = UpstreamForms.Check, CheckRoute = UpstreamForms.CheckRoute };

    /// <summary>Null: the dialect is not built yet; its models answer 503.</summary>
    public static IDialect? Create(UpstreamConfig config, TimeProvider time) => config.Dialect switch
    {
        "openai" => new OpenAIDialect(config, preset: null, time),
        "anthropic" => new AnthropicDialect(config, time),
        "azure" => new AzureDialect(config, time),
        "gemini" => new GeminiDialect(config, time),
        "vertex" => new VertexDialect(config, time),
        "bedrock" => new BedrockDialect(config, time),
        "simulated" => new OpenAIDialect(config, OpenAI.Presets.Unknown, time),
        _ => null,
    };
}
