using System.Net.Http.Headers;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Tests.Support;
using CrossModel.Upstreams;

namespace CrossModel.Tests.Routing;

/// <summary>A configuration made in a line or two, and the catalogue built from it on a clock of the test's own.</summary>
internal sealed class RoutingBench
{
    public FakeClock Clock { get; } = new();
    public UpstreamSet Upstreams { get; }
    public List<string> Created { get; } = [];

    /// <summary>Completes with the name of the first upstream that was closed.</summary>
    public TaskCompletionSource<string> Closed { get; } = new();

    public RoutingBench() => Upstreams = new UpstreamSet((name, config) =>
    {
        Created.Add(name);
        return new Upstream(name, config, new WordlessDialect(() => Closed.TrySetResult(name)), new UpstreamClient(config), Clock);
    }, Clock);

    public DateTimeOffset Now => Clock.GetUtcNow();

    public ModelCatalog Build(GatewayConfig config, ModelCatalog? previous = null) =>
        ModelCatalog.Build(config, Upstreams.Update(config.Upstreams), previous);

    public static GatewayConfig Config(Dictionary<string, ModelConfig> models, bool exposes = false) => new()
    {
        ExposeUpstream = exposes,
        Models = models,
        Upstreams = models.Values.SelectMany(m => m.Routes).Select(r => r.Upstream).Distinct().ToDictionary(n => n, n => new UpstreamConfig { BaseUrl = $"http://127.0.0.1:9/{n}" }),
    };

    public static GatewayConfig Config(string id, params RouteConfig[] routes) => Config(new() { [id] = Priced(routes) }, exposes: true);

    public static ModelConfig Priced(params RouteConfig[] routes) => new() { Routes = routes, Price = Price(1, 2) };

    public static PriceConfig Price(decimal input, decimal output, DateTimeOffset? from = null) =>
        new() { Versions = [new PriceVersionConfig { Input = input, Output = output, From = from }] };

    public static RouteConfig To(string upstream, int? priority = null, double weight = 1, int? maxParallel = null, decimal? cost = null) => new()
    {
        Upstream = upstream,
        Model = "m",
        Priority = priority,
        Weight = weight,
        MaxParallel = maxParallel,
        Cost = cost is { } usd ? Price(usd, usd) : null,
    };

    /// <summary>Upstream names in the planned order.</summary>
    public static List<string> Names(RoutePlan plan) => [.. Enumerable.Range(0, plan.Count).Select(i => plan[i].Upstream.Name)];

    /// <summary>Planning never asks a dialect; nothing here ever speaks.</summary>
    private sealed class WordlessDialect(Action closed) : IDialect
    {
        public bool TakesCandidates(ChatRequest request, RouteModel model) => throw new InvalidOperationException();
        public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream) => throw new InvalidOperationException();
        public ValueTask AuthorizeAsync(HttpRequestMessage message, UpstreamRequest upstream, CancellationToken cancellation) => throw new InvalidOperationException();
        public ReplyReader OpenReply(ReplyContext context, RouteModel model) => throw new InvalidOperationException();
        public UpstreamFault ReadFault(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, UpstreamRequest upstream) => throw new InvalidOperationException();
        public void Dispose() => closed();
    }
}
