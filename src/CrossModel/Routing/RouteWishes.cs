using CrossModel.Protocol;

namespace CrossModel.Routing;

/// <summary>The caller's <c>provider</c> object, judged and applied: obeyed in full or refused with 400.</summary>
internal static class RouteWishes
{
    public static ApiError? Check(RoutePreferences wishes, ModelCatalog catalog)
    {
        if (!catalog.ExposesUpstreams && Named(wishes) is { } place)
            return ApiErrors.UnsupportedParameter(place,
                $"This gateway does not show its upstreams, so {place} cannot name them. Leave it out; sort, max_price, allow_fallbacks and require_parameters are obeyed.");
        if (!wishes.AllowFallbacks && wishes.Order.FirstOrDefault(name => !catalog.HasUpstream(name)) is { } unknown)
            return ApiErrors.UnsupportedParameter("provider.order",
                $"No upstream is named \"{ApiErrors.Echo(unknown)}\" here, and provider.allow_fallbacks is false. Correct the name or allow fallbacks.");
        return null;
    }

    public static bool Wants(RoutePreferences wishes, Route route)
    {
        var name = route.Upstream.Name;
        return (wishes.Only is null || wishes.Only.Contains(name)) && !wishes.Ignore.Contains(name)
            && (wishes.AllowFallbacks || wishes.Order.Count == 0 || wishes.Order.Contains(name));
    }

    /// <summary>Lower goes first: the place in <c>order</c>; with <c>sort</c> what the route costs, else what the model costs.</summary>
    public static decimal Rank(RoutePreferences wishes, Route route, DateTimeOffset now)
    {
        for (var i = 0; i < wishes.Order.Count; i++)
            if (wishes.Order[i] == route.Upstream.Name) return i - wishes.Order.Count;
        if (wishes.Sort is null) return 0;
        var version = Prices.InForce(route.Config.Cost ?? route.Owner.Config.Price!, now);
        return (version?.Input ?? 0) + (version?.Output ?? 0);
    }

    public static ApiError? TooDear(Model model, RoutePreferences wishes, DateTimeOffset now)
    {
        var version = Prices.InForce(model.Config.Price!, now);
        if (!(version?.Input > wishes.MaxInputPrice) && !(version?.Output > wishes.MaxOutputPrice)) return null;
        return ApiErrors.UnsupportedParameter("provider.max_price",
            $"The model \"{ApiErrors.Echo(model.Id)}\" costs more than provider.max_price. Raise it or ask for another model; GET /v1/models shows prices.");
    }

    public static ApiError NoneLeft(RoutePreferences wishes)
    {
        var place = Named(wishes) ?? "provider";
        return ApiErrors.UnsupportedParameter(place, $"No route of this model is left by {place}. Name an upstream that serves it, or leave it out.");
    }

    private static string? Named(RoutePreferences wishes) =>
        wishes.Only is not null ? "provider.only"
        : wishes.Order.Count > 0 ? "provider.order"
        : wishes.Ignore.Count > 0 ? "provider.ignore"
        : null;
}
