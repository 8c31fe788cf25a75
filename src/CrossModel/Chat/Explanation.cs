using System.Buffers;
using System.Globalization;
using System.Text.Json;
using CrossModel.Billing;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;

namespace CrossModel.Chat;

/// <summary>
/// What would become of a request, computed by the very code that serves one, with nothing sent: for <c>crossmodel explain</c> and the
/// header x-crossmodel-dry-run. Bodies only: addresses, headers and credentials of upstreams are never shown.
/// </summary>
internal static class Explanation
{
    /// <summary>Writes one JSON object; its shape is in docs/api.md. Answers the caller's refusal, and what was written is to be thrown away,
    /// when no route can take the request.</summary>
    /// <param name="allows">May the caller's key call this model? Null: it may call all.</param>
    /// <param name="showsUpstreams">Upstreams by name: for operators, and for callers where exposeUpstream says so.</param>
    public static ApiError? Write(
        IBufferWriter<byte> target, ChatRequest request, Snapshot snapshot, in RoutePlan plan, Func<string, bool>? allows, string account, DateTimeOffset now, bool showsUpstreams)
    {
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Encoder = JsonText.Encoder });
        var estimate = Estimate.Of(request, plan, now);
        json.WriteStartObject();
        json.WriteString("object", "explanation");
        json.WriteString("model", request.Model);
        json.WriteBoolean("stream", request.Stream);
        json.WriteStartArray("routes");
        ApiError? first = null;
        var refusals = 0;
        var shown = 0L;
        var lowest = long.MaxValue;
        for (var i = 0; i < plan.Count; i++)
        {
            var (refusal, calls, bytes) = WriteRoute(json, request, snapshot, plan, i, account, now, showsUpstreams);
            lowest = Math.Min(lowest, Lowest(request, plan[i], calls, now));
            // Costs nothing and asks no limit: a large request to all models would be as much as all of them together.
            shown += bytes;
            if (i > 0 && shown > snapshot.Config.Limits.BodyBytes) return ApiErrors.ExplanationTooLarge(plan.Count, snapshot.Config.Limits.BodyBytes);
            if (refusal is null) continue;
            refusals++;
            first ??= refusal;
        }
        json.WriteEndArray();
        snapshot.Catalog.Resolve(request.Model, request.FallbackModels, allows, now, out var models);
        WriteLeftOut(json, models, plan, showsUpstreams);
        json.WriteStartObject("estimate");
        json.WriteNumber("prompt_tokens", estimate.Size.PromptTokens);
        json.WriteNumber("output_tokens", estimate.Size.OutputTokens);
        json.WriteNumber("calls", estimate.Size.Calls);
        json.WriteNumber("candidates", estimate.Size.Candidates);
        json.WriteEndObject();
        json.WriteStartObject("cost");
        json.WriteString("lowest", Usd.Format(lowest));
        json.WriteString("highest", Usd.Format(estimate.Amount));
        json.WriteEndObject();
        json.WriteEndObject();
        return refusals == plan.Count ? first : null;
    }

    private static (ApiError? Refusal, int Calls, int Bytes) WriteRoute(
        Utf8JsonWriter json, ChatRequest request, Snapshot snapshot, in RoutePlan plan, int index, string account, DateTimeOffset now, bool showsUpstreams)
    {
        var route = plan[index];
        using var upstream = new UpstreamRequest();
        var refusal = Resolution.Prepare(request, snapshot, plan, route, new WriteOptions(null, account), upstream);
        var calls = Relay.CallsFor(request, upstream);

        json.WriteStartObject();
        json.WriteString("model", route.Owner.Id);
        if (showsUpstreams)
        {
            json.WriteString("upstream", route.Upstream.Name);
            json.WriteString("upstream_model", route.Model.UpstreamModel);
            json.WriteString("dialect", route.Upstream.Config.Dialect);
        }
        json.WriteStartArray("reasons");
        foreach (var reason in Reasons(request, plan, index)) json.WriteStringValue(reason);
        json.WriteEndArray();
        json.WriteNumber("calls", calls);
        json.WriteString("price_version", route.Owner.Price.At(now)!.Name);
        json.WriteStartArray("ignored");
        foreach (var name in upstream.Ignored) json.WriteStringValue(name);
        json.WriteEndArray();
        json.WriteStartArray("fetches");
        foreach (var link in upstream.Remote.Wanted) json.WriteStringValue(link.Place);
        json.WriteEndArray();
        json.WriteString("refusal", refusal?.Message);
        json.WritePropertyName("body");
        // Byte for byte what would be sent, but for files that would be fetched: parsing and writing it anew would change the spelling of numbers and strings.
        if (refusal is null) json.WriteRawValue(upstream.Body.Span, skipInputValidation: true);
        else json.WriteNullValue();
        json.WriteEndObject();
        return (refusal, calls, upstream.Body.Length);
    }

    /// <summary>Why the route stands where it stands, in the order in which the plan weighs it.</summary>
    private static IEnumerable<string> Reasons(ChatRequest request, RoutePlan plan, int index)
    {
        var route = plan[index];
        if (route.Owner.Id != request.Model) yield return $"serves {route.Owner.Id}, which the request names in models";
        if (request.Preferences is not null) yield return "ordered by the request's provider object first";
        var routes = route.Owner.Routes;
        if (routes.Length == 1)
        {
            yield return "the only route of its model";
        }
        else
        {
            var equals = routes.Where(r => r.Priority == route.Priority).ToList();
            yield return string.Create(CultureInfo.InvariantCulture, $"priority {route.Priority}: lower ones are tried first");
            if (equals.Count > 1)
                yield return string.Create(CultureInfo.InvariantCulture,
                    $"weight {route.Weight} of {equals.Sum(r => r.Weight)} among {equals.Count} of this priority: chance decides anew for each call");
        }
        if (route.Cooling > TimeSpan.Zero)
            yield return string.Create(CultureInfo.InvariantCulture, $"rests for {Math.Ceiling(route.Cooling.TotalSeconds)} s after failures: routes that are well go first");
        if (route.Seats is { IsFull: true } || route.Upstream.Seats.IsFull) yield return "at its limit of parallel calls: skipped until one ends";
    }

    private static void WriteLeftOut(Utf8JsonWriter json, in ModelChoice models, in RoutePlan plan, bool showsUpstreams)
    {
        var planned = new HashSet<Route>();
        for (var i = 0; i < plan.Count; i++) planned.Add(plan[i]);
        json.WriteStartArray("left_out");
        foreach (var route in models.Further.Prepend(models.First).SelectMany(m => m.Routes).Where(r => !planned.Contains(r)))
        {
            json.WriteStartObject();
            json.WriteString("model", route.Owner.Id);
            if (showsUpstreams) json.WriteString("upstream", route.Upstream.Name);
            json.WriteString("reason", "the request's provider object leaves it out");
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>Nano-dollars of a very short reply on one route: the prompt's text read from a cache, and one token for each candidate.</summary>
    private static long Lowest(ChatRequest request, Route route, int count, DateTimeOffset now)
    {
        var calls = new CallUsage[count];
        var prompt = HoldEstimate.CountTokens(request.Prompt.TextBytes);
        var usage = new TokenUsage { InputTokens = prompt, CachedInputTokens = prompt, OutputTokens = request.Candidates / count };
        Array.Fill(calls, new CallUsage(usage, request.Prompt.Images, HoldEstimate.AudioSeconds(request.Prompt)));
        return route.Owner.Price.At(now)!.Compute(calls).Total;
    }
}
