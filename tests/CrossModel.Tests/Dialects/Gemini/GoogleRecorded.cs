using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Gemini;
using CrossModel.Protocol;
using CrossModel.Tests.Dialects.OpenAI;

namespace CrossModel.Tests.Dialects.Gemini;

/// <summary>The recorded exchanges with Google's own models, at both hosts.</summary>
internal static class GoogleRecorded
{
    private static readonly Lazy<Dictionary<string, Recorded>> Exchanges = new(() =>
        Recorded.All("gemini", "vertex").Where(r => !r.Name.StartsWith("vertex-anthropic", StringComparison.Ordinal)).ToDictionary(r => r.Name));

    public static Recorded Get(string name) => Exchanges.Value[name];

    public static IEnumerable<Recorded> All => Exchanges.Value.Values;

    public static TheoryData<string> Names(Func<Recorded, bool> which) => Support.Fixtures.Names(() => All.Where(which).Select(r => r.Name));

    public static GeminiReply Reader(bool stream = true, GeminiHost? host = null, ReasoningMemory? memory = null, string[]? tools = null, int candidates = 1, Action<bool>? gave = null) =>
        new(Replayed.Context(stream) with { ToolNames = tools?.ToHashSet(), Candidates = candidates }, host ?? GeminiHost.GeminiApi, memory ?? new ReasoningMemory(TimeProvider.System), gave ?? (_ => { }));
}

/// <summary>What a dialect made of a caller's body.</summary>
internal sealed record Sent(string Body, string Address, string Ignored, IReadOnlyList<KeyValuePair<string, string>> Headers, ApiError? Refusal)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    public JsonElement Config => Json.GetProperty("generationConfig");

    public JsonElement Contents => Json.GetProperty("contents");

    /// <summary>Writes with a dialect and asserts that the caller's body is as it was.</summary>
    public static Sent Write(IDialect dialect, string body, string model, ModelFacts? facts = null, UnknownParameters unknown = UnknownParameters.Reject, long? cap = null, string account = "account", int candidate = 0)
    {
        Assert.Null(Protocol.Requests.Read(Encoding.UTF8.GetBytes(body), out var request));
        using var owned = request;
        using var upstream = new UpstreamRequest();
        var route = new RouteModel("vendor/model", model, facts ?? new ModelFacts()) { UnknownParameters = unknown };
        var refusal = dialect.Write(request!, route, new WriteOptions(cap, account, candidate), upstream);
        Assert.Equal(body, Encoding.UTF8.GetString(request!.Body.Span));
        if (refusal is null) JsonDocument.Parse(upstream.Body.Memory).Dispose();
        return new Sent(Encoding.UTF8.GetString(upstream.Body.Span), upstream.Uri?.ToString() ?? "", string.Join(", ", upstream.Ignored), [.. upstream.Headers], refusal);
    }
}
