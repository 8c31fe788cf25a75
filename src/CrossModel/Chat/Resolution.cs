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
        var known = missing is null ? models.First.Routes[0].Model : null;
        var policy = known?.UnknownParameters ?? snapshot.Config.UnknownParameters;
        return UnknownParameterRule.Check(request, policy == UnknownParameters.Reject, known?.Passthrough ?? NoNames)
            // A parameter can be left out; a tool would be missed.
            ?? (policy == UnknownParameters.Ignore ? request.UnlistedTool : null)
            ?? (request.Preferences is { } wishes ? RouteWishes.Check(wishes, catalog) : null)
            ?? missing
            ?? RoutePlan.Make(models, request.Preferences, now, out plan);
    }

    /// <summary>Prepares what a route of the call is sent, with what was fetched for the call where the route needs it.</summary>
    public static ApiError? Prepare(ChatCall call, Route route)
    {
        call.Unprepare();
        var refusal = Prepare(call, route, candidate: 0, out var upstream);
        call.Prepared = upstream;
        return refusal;
    }

    /// <summary>What is sent for another candidate than the first of several side by side: the same but for the seed. Null: it has none, the prepared request goes out as it is.</summary>
    public static UpstreamRequest? PrepareSeeded(ChatCall call, Route route, int candidate)
    {
        if (candidate == 0 || !call.Prepared!.HasSeed) return null;
        Prepare(call, route, candidate, out var upstream);
        return upstream;
    }

    private static ApiError? Prepare(ChatCall call, Route route, int candidate, out UpstreamRequest? upstream)
    {
        var refusal = Prepare(call, route, call.Request, candidate, out upstream);
        if (call.Inlined is not { } inlined || upstream is not { WantsFiles: true }) return refusal;
        upstream.Dispose();
        return Prepare(call, route, inlined, candidate, out upstream);
    }

    private static ApiError? Prepare(ChatCall call, Route route, ChatRequest request, int candidate, out UpstreamRequest? upstream)
    {
        upstream = new UpstreamRequest();
        var refusal = Prepare(request, call.Snapshot, call.Plan, route, new WriteOptions(call.Estimate.Cap, call.Caller.Account.Id, candidate), upstream);
        if (refusal is null) return null;
        upstream.Dispose();
        upstream = null;
        return refusal;
    }

    /// <summary>Writes what one route would be sent; a refusal when it cannot take the request.</summary>
    public static ApiError? Prepare(ChatRequest request, Snapshot snapshot, in RoutePlan plan, Route route, WriteOptions options, UpstreamRequest upstream)
    {
        var model = route.Model;
        if (UnknownParameterRule.CheckForwarded(request, model.UnknownParameters == UnknownParameters.Forward, model.Passthrough) is { } spelling) return spelling;
        upstream.Model = model.UpstreamModel;
        if (route.Upstream.Config.FetchRemote) upstream.Remote.MayFetch = true;
        if (route.Upstream.Dialect.Write(request, model, options, upstream) is { } refusal) return refusal;
        var most = snapshot.Config.Limits.FanOut;
        if (Relay.CallsFor(request, upstream) > most)
            return ApiErrors.UnsupportedParameter("n", $"The server behind this model gives one reply at a time; it is asked side by side up to n = {most}. Ask for fewer, or choose another model.");
        return plan.RequiresAllParameters && upstream.Ignored.Count > 0 ? RoutePlan.NoneTakesAll() : null;
    }
}
