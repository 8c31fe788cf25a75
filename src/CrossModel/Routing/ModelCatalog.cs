using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;

namespace CrossModel.Routing;

/// <summary>The models in force: an immutable snapshot of one configuration. A model without a price or without an enabled route is not in it.</summary>
internal sealed class ModelCatalog
{
    private readonly Dictionary<string, Model> _byId;
    private readonly IReadOnlyDictionary<string, Upstream> _upstreams;

    private ModelCatalog(List<Model> models, IReadOnlyDictionary<string, Upstream> upstreams, bool exposesUpstreams)
    {
        All = models;
        _upstreams = upstreams;
        ExposesUpstreams = exposesUpstreams;
        _byId = models.ToDictionary(m => m.Id, StringComparer.Ordinal);
    }

    /// <summary>In the configuration's order.</summary>
    public IReadOnlyList<Model> All { get; }

    /// <summary>Callers may see and name upstreams.</summary>
    public bool ExposesUpstreams { get; }

    public bool HasUpstream(string name) => _upstreams.ContainsKey(name);

    /// <summary>
    /// The models of a call: <paramref name="id"/>, then <paramref name="further"/> in order. Ids that are unknown, not allowed or not
    /// priced yet are skipped; 404 naming <paramref name="id"/> when none is left.
    /// </summary>
    /// <param name="allows">May the key call this id? Null: it may call all.</param>
    public ApiError? Resolve(string id, IReadOnlyList<string> further, Func<string, bool>? allows, DateTimeOffset now, out ModelChoice choice)
    {
        var first = FindFor(id, allows, now);
        List<Model>? rest = null;
        for (var i = 0; i < further.Count; i++)
        {
            if (FindFor(further[i], allows, now) is not { } model || model == first || (rest?.Contains(model) ?? false)) continue;
            if (first is null) first = model;
            else (rest ??= []).Add(model);
        }
        choice = first is null ? default : rest is null ? new ModelChoice(first) : new ModelChoice(first, rest);
        return first is null ? ApiErrors.ModelNotFound(id) : null;
    }

    /// <summary>The model if it exists, is priced now and the key may call it.</summary>
    public Model? FindFor(string id, Func<string, bool>? allows, DateTimeOffset now) =>
        Find(id) is { } model && (allows is null || allows(id)) && model.Price.At(now) is not null ? model : null;

    public Model? Find(string id) => _byId.GetValueOrDefault(id);

    /// <param name="upstreams">By name: <see cref="UpstreamSet.Update"/>'s answer. A route to a name that is not there is left out (the loader has said so).</param>
    /// <param name="previous">The snapshot before: what it knows of calls in flight goes on.</param>
    public static ModelCatalog Build(GatewayConfig config, IReadOnlyDictionary<string, Upstream> upstreams, ModelCatalog? previous)
    {
        var models = new List<Model>(config.Models.Count);
        foreach (var (id, model) in config.Models)
        {
            if (model.Price is { } price && Make(id, model, price) is { } made) models.Add(made);
        }
        return new ModelCatalog(models, upstreams, config.ExposeUpstream);

        Model? Make(string id, ModelConfig model, PriceConfig price)
        {
            var routes = new List<(RouteConfig Config, Upstream Upstream, int Position)>(model.Routes.Count);
            for (var i = 0; i < model.Routes.Count; i++)
            {
                if (model.Routes[i].Weight > 0 && upstreams.TryGetValue(model.Routes[i].Upstream, out var upstream)) routes.Add((model.Routes[i], upstream, i));
            }
            if (routes.Count == 0) return null;
            var before = previous?.Find(id);
            var facts = routes.Select(r => FactsOf(id, r.Config, r.Upstream)).FirstOrDefault(f => f is not null);
            var shown = Overlay(model, facts);
            var array = new Route[routes.Count];
            var made = new Model(id, model, shown, Prices.From(price), facts?.Released) { Routes = array };
            for (var i = 0; i < array.Length; i++)
            {
                var (route, upstream, position) = routes[i];
                var name = UpstreamModel(id, route);
                array[i] = new Route(made, upstream, route,
                    new RouteModel(id, name, Overlay(model, FactsOf(id, route, upstream)))
                    {
                        UnknownParameters = model.UnknownParameters ?? upstream.Config.UnknownParameters ?? upstream.Dialect.UnknownParameters ?? config.UnknownParameters,
                        Passthrough = model.Passthrough.Concat(config.Passthrough).ToHashSet(StringComparer.Ordinal),
                    },
                    route.Priority ?? position, SeatsOf(route, before, upstream, name), route.Cost is { } cost ? Prices.From(cost) : null);
            }
            return made;
        }
    }

    /// <summary>The model's name at the upstream: as configured, else the public id after its first slash.</summary>
    public static string UpstreamModel(string id, RouteConfig route) => route.Model ?? id[(id.IndexOf('/') + 1)..];

    private static ModelFacts? FactsOf(string id, RouteConfig route, Upstream upstream) =>
        Vendor.Of(upstream.Config) is { } vendor ? BuiltInCatalogue.Find(vendor.Name, UpstreamModel(id, route))?.Facts : null;

    private static ModelFacts Overlay(ModelConfig model, ModelFacts? facts)
    {
        facts ??= new ModelFacts();
        return facts with
        {
            Name = model.Name ?? facts.Name,
            Description = model.Description ?? facts.Description,
            ContextWindow = model.ContextWindow ?? facts.ContextWindow,
            MaxOutputTokens = model.MaxOutputTokens ?? facts.MaxOutputTokens,
            InputModalities = model.InputModalities ?? facts.InputModalities,
            OutputModalities = model.OutputModalities ?? facts.OutputModalities,
            Tools = model.Tools ?? facts.Tools,
            StructuredOutput = model.StructuredOutput ?? facts.StructuredOutput,
            Reasoning = model.Reasoning ?? facts.Reasoning,
            Temperature = model.Temperature ?? facts.Temperature,
            ReasoningEfforts = model.ReasoningEfforts ?? facts.ReasoningEfforts,
        };
    }

    /// <summary>Calls in flight outlive a reload: the same route keeps its seats, with the new limit.</summary>
    private static Seats? SeatsOf(RouteConfig route, Model? before, Upstream upstream, string name)
    {
        if (route.MaxParallel is null) return null;
        var seats = before?.Routes.FirstOrDefault(r => r.Upstream == upstream && r.Model.UpstreamModel == name)?.Seats ?? new Seats(null);
        seats.SetLimit(route.MaxParallel);
        return seats;
    }
}
