using CrossModel.Configuration;

namespace CrossModel.Routing;

/// <summary>What was found without a configuration file: a fragment of configuration, and where each part came from.</summary>
/// <param name="Sources">In the order of the start-up list.</param>
internal sealed record DiscoveredModels(
    IReadOnlyDictionary<string, UpstreamConfig> Upstreams,
    IReadOnlyDictionary<string, ModelConfig> Models,
    IReadOnlyList<DiscoverySource> Sources)
{
    public static DiscoveredModels None { get; } = new(new Dictionary<string, UpstreamConfig>(), new Dictionary<string, ModelConfig>(), []);

    /// <summary>The configuration with what was found added; what it names itself wins.</summary>
    public GatewayConfig AddTo(GatewayConfig config) => config with
    {
        Upstreams = Union(Upstreams, config.Upstreams.ToDictionary(u => u.Key, u => Upstreams.TryGetValue(u.Key, out var found) ? Completed(u.Value, found) : u.Value)),
        Models = Union(Models, config.Models),
    };

    /// <summary>A variable of the environment may set one value of an upstream that was found: it stays where it is.</summary>
    private static UpstreamConfig Completed(UpstreamConfig set, UpstreamConfig found) => set with
    {
        Dialect = set.BaseUrl is null ? found.Dialect : set.Dialect,
        BaseUrl = set.BaseUrl ?? found.BaseUrl,
        Preset = set.Preset ?? found.Preset,
        ApiKey = set.ApiKey ?? found.ApiKey,
    };

    public DiscoveredModels With(DiscoveredModels more) =>
        new(Union(Upstreams, more.Upstreams), Union(Models, more.Models), [.. Sources, .. more.Sources]);

    private static Dictionary<string, T> Union<T>(IReadOnlyDictionary<string, T> first, IReadOnlyDictionary<string, T> second)
    {
        var all = new Dictionary<string, T>(first, StringComparer.Ordinal);
        foreach (var (name, value) in second) all[name] = value;
        return all;
    }
}

/// <summary>One line of the start-up list.</summary>
/// <param name="Upstream">Its name, the first part of its models' ids.</param>
/// <param name="Origin">For people: <c>OPENAI_API_KEY</c>, <c>Ollama at 127.0.0.1:11434</c>, <c>this program</c>.</param>
/// <param name="Price">For people: <c>free</c>, or <c>the provider's prices of 2026-07-02</c>.</param>
internal sealed record DiscoverySource(string Upstream, string Origin, int Models, string Price);
