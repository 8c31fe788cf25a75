using System.Globalization;
using CrossModel.Configuration;

namespace CrossModel.Routing;

/// <summary>The first run's models: the simulation, and those of every provider whose key the environment holds. Computes only; nothing is sent.</summary>
internal static class KeyDiscovery
{
    public const string SimulatedModel = "crossmodel/simulated";

    public static DiscoveredModels Find(IReadOnlyDictionary<string, string> environment)
    {
        var found = Simulation();
        foreach (var vendor in Vendor.All)
        {
            if (vendor.Keys.FirstOrDefault(k => environment.TryGetValue(k, out var key) && !string.IsNullOrWhiteSpace(key)) is { } variable)
                found = found.With(Of(vendor, variable, environment[variable].Trim()));
        }
        return found;
    }

    private static DiscoveredModels Simulation() => new(
        new Dictionary<string, UpstreamConfig> { ["crossmodel"] = new() { Dialect = "simulated" } },
        new Dictionary<string, ModelConfig>
        {
            [SimulatedModel] = new()
            {
                Routes = [new RouteConfig { Upstream = "crossmodel", Model = "simulated" }],
                Price = new PriceConfig { IsFree = true },
                Name = "CrossModel simulation",
                Description = "A simulation built into the gateway, for trying things out: its answers are made up, no model is asked.",
            },
        },
        [new DiscoverySource("crossmodel", "this program, a simulation", 1, "free")]);

    private static DiscoveredModels Of(Vendor vendor, string variable, string key)
    {
        var models = BuiltInCatalogue.All(vendor.Name)
            .Where(m => m.Price is not null && !m.Retired)
            .ToDictionary(
                m => $"{vendor.Name}/{m.Id}",
                m => new ModelConfig { Routes = [new RouteConfig { Upstream = vendor.Name, Model = m.Id }], Price = m.Price },
                StringComparer.Ordinal);
        return new(
            new Dictionary<string, UpstreamConfig> { [vendor.Name] = new() { Dialect = vendor.Dialect, BaseUrl = vendor.BaseUrl, ApiKey = key } },
            models,
            [new DiscoverySource(vendor.Name, variable, models.Count, $"the provider's prices of {BuiltInCatalogue.Date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}")]);
    }
}
