using System.Collections.Concurrent;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Upstreams;

namespace CrossModel.Routing;

/// <summary>
/// One configured provider endpoint with all that is remembered of it: connections, credentials, what the dialect learned, health and
/// calls in flight. Lives on over a reload that did not change its configuration.
/// </summary>
internal sealed class Upstream(string name, UpstreamConfig config, IDialect dialect, UpstreamClient client, TimeProvider time) : IDisposable
{
    private readonly ConcurrentDictionary<string, UpstreamHealth> _models = new(StringComparer.Ordinal);

    public string Name => name;
    public UpstreamConfig Config => config;
    public IDialect Dialect => dialect;
    public UpstreamClient Client => client;

    /// <summary>Of the endpoint as a whole: not reachable, or the operator's account is refused.</summary>
    public UpstreamHealth Health { get; } = new(time);

    public Seats Seats { get; } = new(config.MaxParallel);

    /// <summary>Of one model there: its rate limit or outage says nothing about the others.</summary>
    public UpstreamHealth HealthOf(string upstreamModel) => _models.GetOrAdd(upstreamModel, static (_, t) => new UpstreamHealth(t), time);

    public void Dispose()
    {
        dialect.Dispose();
        client.Dispose();
    }
}
