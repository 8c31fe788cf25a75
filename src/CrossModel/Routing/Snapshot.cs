using CrossModel.Configuration;

namespace CrossModel.Routing;

/// <summary>The configuration in force and what was made of it. A call reads one snapshot from start to end.</summary>
internal sealed record Snapshot(GatewayConfig Config, ModelCatalog Catalog, ModelsEndpoint Models);

/// <summary>Holds the one snapshot in force; swapped as a whole.</summary>
internal sealed class Snapshots(Snapshot first)
{
    private volatile Snapshot _current = first;

    public Snapshot Current => _current;

    public void Swap(Snapshot next) => _current = next;
}
