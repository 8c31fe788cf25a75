using CrossModel.Protocol;

namespace CrossModel.Routing;

/// <summary>
/// The routes to try for one call, best first. Within a model: what the caller's <c>provider</c> object says, then the well before the
/// resting (least resting first), then priority, then chance by weight. A model with a single route costs no allocation.
/// Whether a route has a free seat is asked when its turn comes: <see cref="Route.TryEnter"/>.
/// </summary>
internal readonly struct RoutePlan
{
    private readonly Route? _single;
    private readonly Route[]? _several;

    private RoutePlan(Route single) => (_single, Count) = (single, 1);
    private RoutePlan(Route[] several, bool requiresAll) => (_several, Count, RequiresAllParameters) = (several, several.Length, requiresAll);

    public int Count { get; }

    public Route this[int index] => _several is null ? _single! : _several[index];

    /// <summary>The caller's <c>require_parameters</c>: a route whose dialect would ignore something (<c>UpstreamRequest.Ignored</c>) is skipped;
    /// none left: <see cref="NoneTakesAll"/>.</summary>
    public bool RequiresAllParameters { get; }

    /// <summary>Every route was at its limit of parallel calls.</summary>
    public static ApiError AllFull() =>
        ApiErrors.ModelUnavailable("Every route of this model is at its limit of parallel calls. Try again in a moment.", TimeSpan.FromSeconds(1));

    public static ApiError NoneTakesAll() =>
        ApiErrors.UnsupportedParameter("provider.require_parameters",
            "No route of this model takes every parameter of the request. Drop provider.require_parameters, or the parameter that the model ignores.");

    /// <summary>Plans the chosen models one after the other. Refuses (400) what the caller's preferences ask and cannot be obeyed.</summary>
    /// <param name="random">Null: chance; tests give a seeded one.</param>
    public static ApiError? Make(in ModelChoice models, RoutePreferences? wishes, DateTimeOffset now, out RoutePlan plan, Random? random = null)
    {
        if (wishes is null && models.Further.Count == 0 && models.First.Routes is [var lone])
        {
            plan = new RoutePlan(lone);
            return null;
        }
        plan = default;
        var routes = new List<Route>(models.First.Routes.Length);
        ApiError? first = null;
        for (var i = 0; i <= models.Further.Count; i++)
        {
            var none = Append(i == 0 ? models.First : models.Further[i - 1], wishes, now, random ?? Random.Shared, routes);
            first ??= none;
        }
        if (routes.Count == 0) return first;
        plan = new RoutePlan([.. routes], wishes?.RequireParameters ?? false);
        return null;
    }

    /// <summary>Adds the model's routes in order; answers why there is none.</summary>
    private static ApiError? Append(Model model, RoutePreferences? wishes, DateTimeOffset now, Random random, List<Route> routes)
    {
        if (wishes is not null && RouteWishes.TooDear(model, wishes, now) is { } dear) return dear;
        Span<Entry> entries = model.Routes.Length <= 16 ? stackalloc Entry[16] : new Entry[model.Routes.Length];
        var count = 0;
        for (var i = 0; i < model.Routes.Length; i++)
        {
            var route = model.Routes[i];
            if (wishes is not null && !RouteWishes.Wants(wishes, route)) continue;
            entries[count++] = new Entry
            {
                Index = i,
                Wish = wishes is null ? 0 : RouteWishes.Rank(wishes, route, now),
                RestsUntil = route.RestsUntil,
                Priority = route.Priority,
                // Sorting by an exponential of rate weight draws without replacement in proportion to the weights.
                Draw = -Math.Log(1 - random.NextDouble()) / route.Weight,
            };
        }
        if (count == 0) return RouteWishes.NoneLeft(wishes!);
        entries = entries[..count];
        entries.Sort();
        // Without an order of the caller's, "no fallbacks" leaves the best route alone; with one, all that it names.
        if (wishes is { AllowFallbacks: false, Order.Count: 0 }) entries = entries[..1];
        foreach (var entry in entries) routes.Add(model.Routes[entry.Index]);
        return null;
    }

    private struct Entry : IComparable<Entry>
    {
        public int Index;
        public decimal Wish;
        public long RestsUntil;
        public int Priority;
        public double Draw;

        public readonly int CompareTo(Entry other) =>
            Wish != other.Wish ? Wish.CompareTo(other.Wish)
            : RestsUntil != other.RestsUntil ? RestsUntil.CompareTo(other.RestsUntil)
            : Priority != other.Priority ? Priority.CompareTo(other.Priority)
            : Draw.CompareTo(other.Draw);
    }
}
