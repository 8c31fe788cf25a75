using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Upstreams;

namespace CrossModel;

/// <summary>Builds the snapshot in force: at the start, and at each change of the configuration and of the model servers that run on this machine.</summary>
/// <param name="found">What the environment's keys are for; nothing where there is a configuration file.</param>
internal sealed class SnapshotBuilder(DiscoveredModels found, TimeProvider time) : IAsyncDisposable
{
    private readonly SimulatedUpstream _simulator = new(time);
    private readonly UpstreamSet _upstreams = new((name, upstream) =>
        new Upstream(name, upstream, DialectSet.Create(upstream, time), new UpstreamClient(upstream), time), time);
    private readonly SemaphoreSlim _applying = new(1);
    private Snapshots _snapshots = null!;
    private DiscoveredModels _running = DiscoveredModels.None;

    /// <summary>Where the models come from that no file names.</summary>
    public IReadOnlyList<DiscoverySource> Sources => found.With(_running).Sources;

    public async Task<Snapshots> StartAsync(GatewayConfig config) => _snapshots = new Snapshots(await BuildAsync(config, null));

    /// <summary>One change at a time: what is in force then was built from it.</summary>
    public async Task ApplyAsync(GatewayConfig config)
    {
        await _applying.WaitAsync(CancellationToken.None);
        await SocketTurn.End(); // who heard of the change may be a socket's thread
        try { _snapshots.Swap(await BuildAsync(config, _snapshots.Current.Catalog)); }
        finally { _applying.Release(); }
    }

    /// <param name="running">What model servers on this machine offer by now.</param>
    public Task ApplyAsync(GatewayConfig config, DiscoveredModels running)
    {
        _running = running;
        return ApplyAsync(config);
    }

    private async Task<Snapshot> BuildAsync(GatewayConfig config, ModelCatalog? before)
    {
        var whole = await _simulator.PlaceAsync(found.With(_running).AddTo(config));
        var catalog = ModelCatalog.Build(whole, _upstreams.Update(whole.Upstreams), before);
        return new Snapshot(whole, catalog, new ModelsEndpoint(catalog, time));
    }

    public async ValueTask DisposeAsync()
    {
        await _upstreams.DisposeAsync();
        await _simulator.DisposeAsync();
    }
}
