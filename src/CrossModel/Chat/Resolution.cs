using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;

namespace CrossModel.Chat;

/// <summary>Which models may serve a request, and their routes in order: for a call that is made and for one that is only explained.</summary>
internal static class Resolution
{
    private static readonly IReadOnlySet<string> NoNames = new HashSet<string>();

    /// <param name="allows">May the caller's key call this model? Null: it may call all.</param>
    public static ApiError? Plan(ChatRequest request, Snapshot snapshot, Func<string, bool>? allows, DateTimeOffset now, out RoutePlan plan)
    {
        plan = default;
        var catalog = snapshot.Catalog;
        var missing = catalog.Resolve(request.Model, request.FallbackModels, allows, now, out var models);
        // A fault of the body is named before a fault of the model's name.
        var known = missing is null ? models.First.RouteArray[0].Model : null;
        var policy = known?.UnknownParameters ?? snapshot.Config.UnknownParameters;
        return UnknownParameterRule.Check(request, policy == UnknownParameters.Reject, known?.Passthrough ?? NoNames)
            // A parameter can be left out; a tool would be missed.
            ?? (policy == UnknownParameters.Ignore ? request.UnlistedTool : null)
            ?? (request.Preferences is { } wishes ? RouteWishes.Check(wishes, catalog) : null)
            ?? missing
            ?? RoutePlan.Make(catalog, models, request.Preferences, now, out plan);
    }

    /// <summary>Prepares what a route of the call is sent, with what was fetched for the call where the route needs it.</summary>
    public static ApiError? Prepare(ChatCall call, Route route)
    {
        var refusal = Prepare(call, route, call.Request);
        return refusal is null && call.Inlined is { } inlined && call.Prepared!.WantsFiles ? Prepare(call, route, inlined) : refusal;
    }

    private static ApiError? Prepare(ChatCall call, Route route, ChatRequest request)
    {
        call.Unprepare();
        var upstream = new UpstreamRequest();
        var refusal = Prepare(request, call.Snapshot, call.Plan, route, new WriteOptions(call.Estimate.Cap, call.Caller.Account.Id), upstream);
        if (refusal is null) call.Prepared = upstream;
        else upstream.Dispose();
        return refusal;
    }

    /// <summary>Writes what one route would be sent; a refusal when it cannot take the request.</summary>
    public static ApiError? Prepare(ChatRequest request, Snapshot snapshot, in RoutePlan plan, Route route, WriteOptions options, UpstreamRequest upstream)
    {
        var model = route.Model;
        if (UnknownParameterRule.CheckForwarded(request, model.UnknownParameters == UnknownParameters.Forward, model.Passthrough) is { } spelling) return spelling;
        if (route.Upstream.Config.FetchRemote) upstream.Remote.MayFetch = true;
        if (route.Upstream.Dialect.Write(request, model, options, upstream) is { } refusal) return refusal;
        var most = snapshot.Config.Limits.FanOut;
        if (Relay.CallsFor(request, upstream) > most)
            return ApiErrors.UnsupportedParameter("n", $"The server behind this model gives one reply at a time; it is asked side by side up to n = {most}. Ask for fewer, or choose another model.");
        return plan.RequiresAllParameters && upstream.Ignored.Count > 0 ? RoutePlan.NoneTakesAll() : null;
    }
}
