using CrossModel.Chat;
using CrossModel.Cli;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Upstreams;

namespace CrossModel;

/// <summary><c>crossmodel explain</c>: the rooms that plan a request, put together without a database, a listener or a connection.</summary>
internal static class Explaining
{
    /// <summary>Writes the explanation into <paramref name="target"/>; a refusal when the gateway would refuse the request before sending it.</summary>
    public static ApiError? Run(ExplainOrder order, IReadOnlyDictionary<string, string> environment, TimeProvider time, PooledBuffer target)
    {
        var config = order.HasFile ? order.Config : KeyDiscovery.Find(environment).AddTo(order.Config);
        var upstreams = new Dictionary<string, Upstream>(StringComparer.Ordinal);
        var body = new PooledBuffer();
        ChatRequest? request = null;
        try
        {
            foreach (var (name, upstream) in config.Upstreams)
                upstreams[name] = new Upstream(name, upstream, DialectSet.Create(upstream, time), new UpstreamClient(upstream), time);
            var catalog = ModelCatalog.Build(config, upstreams, null);
            body.Write(order.Body.Span);
            if (body.Length > config.Limits.BodyBytes) return ApiErrors.RequestTooLarge(config.Limits.BodyBytes);
            var now = time.GetUtcNow();
            RoutePlan plan = default;
            var snapshot = new Snapshot(config, catalog, new ModelsEndpoint(catalog, time));
            Func<string, bool>? allows = order.Key is { Models: not null } key ? key.Allows : null;
            var refusal = ChatRequestReader.Read(body, out request)
                ?? Resolution.Plan(request!, snapshot, allows, now, out plan)
                ?? Explanation.Write(target, request!, snapshot, plan, allows, order.Key?.AccountId ?? "", now, showsUpstreams: true);
            if (refusal is not null) target.Clear();
            return refusal;
        }
        finally
        {
            if (request is null) body.Dispose();
            else request.Dispose();
            foreach (var upstream in upstreams.Values) upstream.Dispose();
        }
    }
}
