using CrossModel.Configuration;
using CrossModel.Simulator;

namespace CrossModel;

/// <summary>Gives the dialect <c>simulated</c> somewhere to go: a simulated provider in this process, started when the first such upstream is configured.</summary>
internal sealed class SimulatedUpstream(TimeProvider time) : IAsyncDisposable
{
    // The pace of a brisk model: a stream is seen to be one.
    private const double TokensPerSecond = 60;

    private SimulatorHost? _host;

    /// <summary>The configuration with an address for each simulated upstream that has none.</summary>
    public async Task<GatewayConfig> PlaceAsync(GatewayConfig config)
    {
        if (!config.Upstreams.Values.Any(NeedsPlace)) return config;
        _host ??= await SimulatorHost.StartAsync(new SimulatorOptions { TokensPerSecond = TokensPerSecond, KeepRequests = 0, Time = time });
        var address = new Uri(_host.Address, "/v1").ToString();
        return config with { Upstreams = config.Upstreams.ToDictionary(u => u.Key, u => NeedsPlace(u.Value) ? u.Value with { BaseUrl = address } : u.Value) };
    }

    private static bool NeedsPlace(UpstreamConfig upstream) => upstream is { Dialect: "simulated", BaseUrl: null };

    public async ValueTask DisposeAsync()
    {
        if (_host is not null) await _host.DisposeAsync();
    }
}
