using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Anthropic;
using CrossModel.Protocol;
using CrossModel.Tests.Protocol;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Anthropic;

/// <summary>Writes requests to Claude. What one request remembers the next one of the same test finds.</summary>
public abstract class AnthropicWriting
{
    private protected sealed record Sent(JsonElement Json, string Ignored, ApiError? Refusal, bool Stream, string? ContentTool);

    private protected FakeClock Clock { get; } = new();

    private protected Sent Write(string body, string model = "claude-sonnet-4-5", ModelFacts? facts = null, long? cap = null, UnknownParameters unknown = UnknownParameters.Ignore, string account = "account", UpstreamConfig? config = null)
    {
        using var dialect = new AnthropicDialect(config ?? new UpstreamConfig { ApiKey = "key" }, Clock);
        using var request = Requests.Accepted(body);
        using var upstream = new UpstreamRequest();
        var refusal = dialect.Write(request, new RouteModel("a/b", model, facts ?? new ModelFacts()) { UnknownParameters = unknown }, new WriteOptions(cap, account), upstream);
        Assert.Equal(body, Encoding.UTF8.GetString(request.Body.Span));
        if (refusal is not null) return new Sent(default, "", refusal, false, null);
        var json = JsonDocument.Parse(upstream.Body.Memory.ToArray()).RootElement;
        var names = json.EnumerateObject().Select(m => m.Name).ToList();
        Assert.Equal(names.Distinct(), names);
        return new Sent(json, string.Join(", ", upstream.Ignored), null, upstream.Stream, upstream.ContentTool);
    }

    private protected static string With(string members) => Requests.With(members);
}
