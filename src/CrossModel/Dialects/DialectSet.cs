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
    private static readonly Dictionary<string, Func<UpstreamConfig, TimeProvider, IDialect>> Makers = new()
    {
        ["openai"] = static (config, time) => new OpenAIDialect(config, preset: null, time),
        ["azure"] = static (config, time) => new AzureDialect(config, time),
        ["anthropic"] = static (config, time) => new AnthropicDialect(config, time),
        ["gemini"] = static (config, time) => new GeminiDialect(config, time),
        ["vertex"] = static (config, time) => new VertexDialect(config, time),
        ["bedrock"] = static (config, time) => new BedrockDialect(config, time),
        ["simulated"] = static (config, time) => new OpenAIDialect(config, OpenAI.Presets.Unknown, time),
    };

    public static IReadOnlySet<string> Known { get; } = Makers.Keys.ToHashSet();

    /// <summary>Neither its configuration nor its address tells which server this is.</summary>
    public static bool MayMissPreset(UpstreamConfig config) =>
        config is { Dialect: "openai", Preset: null, BaseUrl: { } address } && OpenAI.Presets.Choose(null, new Uri(address)) == OpenAI.Presets.Unknown;

    /// <inheritdoc cref="OpenAI.Presets.Of"/>
    public static string? PresetOf(ReadOnlyMemory<byte> models) => OpenAI.Presets.Of(models);

    /// <summary>What the configuration is judged by.</summary>
    public static ConfigRules Rules(TimeProvider time) =>
        new(Known, OpenAI.Presets.Names) { Time = time, CheckUpstream = UpstreamForms.Check, CheckRoute = UpstreamForms.CheckRoute };

    /// <param name="config">Of a configuration without faults: its dialect is one of <see cref="Known"/>.</param>
    public static IDialect Create(UpstreamConfig config, TimeProvider time) => Makers[config.Dialect](config, time);
}
