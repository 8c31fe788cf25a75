using System.Net;
using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Anthropic;
using CrossModel.Dialects.Vertex;
using CrossModel.Tests.Dialects.Gemini;
using CrossModel.Tests.Dialects.OpenAI;
using CrossModel.Tests.Protocol;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Vertex;

/// <summary>In what Vertex AI differs from the Gemini API, and Claude on it.</summary>
public sealed class VertexDialectTests
{
    private static readonly UpstreamConfig InProject = new() { Project = "my-project", Location = "europe-west1", ApiKey = "k" };

    private static Sent Write(string body, string model = "gemini-2.5-flash", UpstreamConfig? config = null, UnknownParameters unknown = UnknownParameters.Reject)
    {
        using var dialect = new VertexDialect(config ?? InProject, TimeProvider.System);
        return Sent.Write(dialect, body, model, unknown: unknown);
    }

    [Theory]
    [InlineData("global", "gemini-2.5-pro", false, "https://aiplatform.googleapis.com/v1beta1/projects/my-project/locations/global/publishers/google/models/gemini-2.5-pro:generateContent")]
    [InlineData("eu", "gemini-2.5-pro", true, "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/my-project/locations/eu/publishers/google/models/gemini-2.5-pro:streamGenerateContent?alt=sse")]
    [InlineData("us-east5", "claude-sonnet-4@20250514", false, "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/publishers/anthropic/models/claude-sonnet-4%4020250514:rawPredict")]
    [InlineData("us-east5", "claude-sonnet-4@20250514", true, "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/publishers/anthropic/models/claude-sonnet-4%4020250514:streamRawPredict")]
    [InlineData("us", "gemini-2.5-pro", false, "https://aiplatform.us.rep.googleapis.com/v1beta1/projects/my-project/locations/us/publishers/google/models/gemini-2.5-pro:generateContent")]
    [InlineData("us-east5", "publishers/anthropic/models/claude-sonnet-4@20250514", false, "https://us-east5-aiplatform.googleapis.com/v1/projects/my-project/locations/us-east5/publishers/anthropic/models/claude-sonnet-4%4020250514:rawPredict")]
    [InlineData("us-east5", "projects/12/locations/us-east5/endpoints/7", false, "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/12/locations/us-east5/endpoints/7:generateContent")]
    [InlineData("us-east5", "endpoints/123", false, "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/my-project/locations/us-east5/endpoints/123:generateContent")]
    public void Address_ByLocation_IsTheHostsOwn(string location, string model, bool stream, string expected) =>
        Assert.Equal(expected, Write(Requests.With($"\"max_tokens\":5,\"stream\":{(stream ? "true" : "false")}"), model, InProject with { Location = location }).Address.Replace("@", "%40", StringComparison.Ordinal));

    [Fact]
    public void Address_InExpressMode_NamesNoProject() =>
        Assert.Equal("https://aiplatform.googleapis.com/v1beta1/publishers/google/models/gemini-2.5-flash:generateContent", Write(Requests.With("\"n\":1"), config: new UpstreamConfig { ApiKey = "k" }).Address);

    [Fact]
    public void Address_WithABaseUrl_IsThere() =>
        Assert.Equal("https://gate.example/vertex/v1beta1/projects/my-project/locations/europe-west1/publishers/google/models/gemini-2.5-flash:generateContent",
            Write(Requests.With("\"n\":1"), config: InProject with { BaseUrl = "https://gate.example/vertex/" }).Address);

    [Fact]
    public void Address_OfAPlainReplyThatIsTooLongToWaitFor_IsTheStreams() =>
        Assert.EndsWith(":streamRawPredict", Write(Requests.With("\"max_tokens\":30000"), "claude-sonnet-4-5@20250929").Address);

    [Fact]
    public async Task Key_OfTheConfiguration_IsAHeader_BesideTheConfigurationsOwn()
    {
        var config = InProject with { Headers = new Dictionary<string, string> { ["X-Goog-User-Project"] = "billed" } };
        using var dialect = new VertexDialect(config, TimeProvider.System);
        using var upstream = new UpstreamRequest();
        using var message = new HttpRequestMessage();
        await dialect.AuthorizeAsync(message, upstream, TestContext.Current.CancellationToken);
        Assert.Equal(("k", null), (message.Headers.GetValues("x-goog-api-key").Single(), message.Headers.Authorization));
        Assert.Contains(new("X-Goog-User-Project", "billed"), Write(Requests.With("\"n\":1"), config: config).Headers);
    }

    [Fact]
    public void Calls_AndResults_HaveNoIds()
    {
        var sent = Write(Requests.Messages("""
            {"role":"user","content":"u"},
            {"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"b","content":"second"},{"role":"tool","tool_call_id":"a","content":"first"}
            """));
        Assert.DoesNotContain("\"id\"", sent.Body);
        Assert.Equal(["first", "second"], sent.Contents[2].GetProperty("parts").EnumerateArray().Select(p => p.GetProperty("functionResponse").GetProperty("response").GetProperty("output").GetString()!));
    }

    [Theory]
    [InlineData("gs://bucket/a.png", true, null)]
    [InlineData("gs://bucket/a.png", false, "unsupported_parameter")]
    [InlineData("https://youtu.be/x", false, null)]
    [InlineData("https://example.org/a.png", true, "unsupported_parameter")]
    [InlineData("https://generativelanguage.googleapis.com/v1beta/files/a", true, "unsupported_parameter")]
    public void Address_OfAnImage_IsLeftToGoogleWhereItReadsIt(string url, bool allowed, string? code) =>
        Assert.Equal(code, Write(Requests.Messages("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"" + url + "\"}}]}"), config: InProject with { FetchRemote = allowed }).Refusal?.Code);

    [Theory]
    [InlineData("flex", "flex")]
    [InlineData("priority", "priority")]
    [InlineData("default", null)]
    public void ServiceTier_Known_IsAHeader(string tier, string? header)
    {
        var sent = Write(Requests.With($"\"service_tier\":\"{tier}\""));
        Assert.Equal(header, sent.Headers.FirstOrDefault(h => h.Key == "X-Vertex-AI-LLM-Shared-Request-Type").Value);
        Assert.False(sent.Json.TryGetProperty("serviceTier", out _));
    }

    [Fact]
    public void Claude_HasItsVersionInTheBodyAndNoModel()
    {
        var sent = Write(Requests.With("\"stream\":true"), "claude-sonnet-4-5@20250929");
        Assert.Equal("vertex-2023-10-16", sent.Json.GetProperty("anthropic_version").GetString());
        Assert.False(sent.Json.TryGetProperty("model", out _));
        Assert.DoesNotContain(sent.Headers, h => h.Key == "anthropic-version");
    }

    [Fact]
    public void Claude_WithASchema_IsMadeToCallATool()
    {
        var sent = Write(Requests.With("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\",\"properties\":{}}}}"), "claude-sonnet-4-5@20250929");
        Assert.False(sent.Json.TryGetProperty("output_config", out _));
        Assert.Equal(1, sent.Json.GetProperty("tools").GetArrayLength());
    }

    [Fact]
    public void Claude_ThatCannotBeMadeToCall_GetsTheSchemaItself()
    {
        var sent = Write(Requests.With("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\",\"properties\":{}}}}"), "claude-opus-5-5");
        Assert.Equal("json_schema", sent.Json.GetProperty("output_config").GetProperty("format").GetProperty("type").GetString());
        Assert.False(sent.Json.TryGetProperty("tools", out _));
    }

    [Theory]
    [InlineData("gemini-2.5-flash", 404, """[{"error":{"code":404,"message":"Publisher Model `projects/p/x` was not found or your project does not have access to it.","status":"NOT_FOUND"}}]""", nameof(UpstreamFailure.ModelMissing))]
    [InlineData("claude-sonnet-4", 404, """{"error":{"code":404,"message":"Publisher Model `projects/p/x` was not found.","status":"NOT_FOUND"}}""", nameof(UpstreamFailure.ModelMissing))]
    [InlineData("claude-sonnet-4", 429, """{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}""", nameof(UpstreamFailure.RateLimited))]
    [InlineData("claude-sonnet-4", 400, """{"error":{"code":400,"message":"Project `1` is not allowed to use Publisher Model","status":"FAILED_PRECONDITION"}}""", nameof(UpstreamFailure.Operator))]
    [InlineData("claude-sonnet-4", 529, """{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}""", nameof(UpstreamFailure.ServerError))]
    [InlineData("claude-sonnet-4", 400, """{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}""", nameof(UpstreamFailure.Rejected))]
    public void Error_OfEitherSpeaker_IsRead(string model, int status, string body, string failure)
    {
        using var dialect = new VertexDialect(InProject, TimeProvider.System);
        Assert.Equal(failure, Refuse(dialect, model, status, body).Failure.ToString());
    }

    [Fact]
    public void Token_RefusedWhenFresh_IsNotAskedForAgain()
    {
        using var dialect = new VertexDialect(InProject with { ApiKey = null }, TimeProvider.System, new GoogleToken("none", TimeProvider.System));
        Assert.False(Refuse(dialect, "gemini-2.5-flash", 401, "").TryAgain);
    }

    private static UpstreamFault Refuse(VertexDialect dialect, string model, int status, string body)
    {
        using var request = Requests.Accepted(Requests.With("\"n\":1"));
        using var upstream = new UpstreamRequest();
        Assert.Null(dialect.Write(request, new RouteModel("a/b", model, new ModelFacts()), new WriteOptions(null, "account"), upstream));
        using var response = new HttpResponseMessage((HttpStatusCode)status);
        return dialect.ReadFault(status, response.Headers, Encoding.UTF8.GetBytes(body), upstream);
    }

    public static TheoryData<string> GeminiRequests() => GoogleRecorded.Names(r => r.Name.StartsWith("vertex", StringComparison.Ordinal) && r.Request is not null && ClientRequest.CanAsk(r.Request));

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(GeminiRequests))]
    public void Request_Recorded_IsWhatTheSameWishBecomes(string name)
    {
        var exchange = GoogleRecorded.Get(name);
        var recorded = JsonDocument.Parse(exchange.Request!).RootElement;
        var sent = Write(ClientRequest.Of(recorded), exchange.Model ?? "gemini-2.5-flash", unknown: UnknownParameters.Forward);
        Assert.Null(sent.Refusal);
        Assert.Equal(ClientRequest.Normal(recorded), ClientRequest.Normal(sent.Json));
    }

    public static TheoryData<string> Claudes()
    {
        var names = new TheoryData<string>();
        if (Fixtures.Folder is null) return names;
        foreach (var exchange in Recorded.All("vertex").Where(r => r.Name.StartsWith("vertex-anthropic", StringComparison.Ordinal))) names.Add(exchange.Name);
        return names;
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Claudes))]
    public void Claude_Recorded_ReadsAsExpected(string name)
    {
        var exchange = Recorded.All("vertex").Single(r => r.Name == name);
        using var dialect = new VertexDialect(InProject, TimeProvider.System);
        ReplyReader Reader() => dialect.OpenReply(Replayed.Context(exchange.IsStream), new RouteModel("a/b", exchange.Model!, new ModelFacts()));
        Assert.IsType<AnthropicReply>(Reader());
        var reply = exchange.IsStream ? Replay.Stream(Reader(), exchange.Body) : Replay.Plain(Reader(), exchange.Body);
        Assert.Null(reply.Fault);
        Replay.Compare(exchange.Expect, exchange.IsStream ? Reading.OfStream(reply) : Reading.OfPlain(reply));
        Replay.CompareUsage(exchange.Expect.GetProperty("usage"), reply.Usage);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Claudes))]
    public void Claude_RecordedRequest_IsWhatTheSameWishBecomes(string name)
    {
        var exchange = Recorded.All("vertex").Single(r => r.Name == name);
        var recorded = JsonDocument.Parse(exchange.Request!).RootElement;
        var sent = Write(Anthropic.ClientRequest.Of(recorded), exchange.Model!);
        Assert.Null(sent.Refusal);
        Assert.Equal(Anthropic.ClientRequest.Normal(recorded), Anthropic.ClientRequest.Normal(sent.Json));
    }
}
