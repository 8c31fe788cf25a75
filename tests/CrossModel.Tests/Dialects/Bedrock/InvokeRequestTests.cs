using System.Text.Json;
using System.Text.Json.Nodes;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Tests.Dialects.Anthropic;
using CrossModel.Tests.Protocol;

namespace CrossModel.Tests.Dialects.Bedrock;

/// <summary>What an upstream whose api is invoke is sent.</summary>
public sealed class InvokeRequestTests
{
    private const string Sonnet45 = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    private const string Sonnet4 = "us.anthropic.claude-sonnet-4-20250514-v1:0";
    private const string Opus48 = "global.anthropic.claude-opus-4-8-v1";
    private const string Profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc";
    private const string Schema = "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\",\"properties\":{}}}}";
    private const string Strict = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":true}}]";

    private sealed record Sent(JsonNode? Body, string Address, string? Accept, bool Stream, string Ignored, IReadOnlyList<KeyValuePair<string, string>> Headers, string? ContentTool, ApiError? Refusal);

    private static Sent Write(string body, string model = Sonnet45, string id = "vendor/model", string? betas = null, UnknownParameters unknown = UnknownParameters.Ignore)
    {
        using var dialect = BedrockRecorded.Invoking(betas: betas);
        using var request = Requests.Accepted(body);
        using var upstream = new UpstreamRequest();
        var refusal = dialect.Write(request, new RouteModel(id, model, new ModelFacts()) { UnknownParameters = unknown }, new WriteOptions(null, "account"), upstream);
        var json = refusal is null ? JsonNode.Parse(upstream.Body.Span) : null;
        return new(json, upstream.Uri.OriginalString, upstream.Accept, upstream.Stream, string.Join(", ", upstream.Ignored), [.. upstream.Headers], upstream.ContentTool, refusal);
    }

    private static Sent With(string members, string model = Sonnet45) => Write(Requests.With(members), model);

    public static TheoryData<string> Recorded() => BedrockRecorded.Invoked(e => e.Request is not null);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Recorded))]
    public void Request_Recorded_IsWhatTheSameWishBecomes(string name)
    {
        var exchange = BedrockRecorded.Get(name);
        var recorded = JsonDocument.Parse(exchange.Request!).RootElement;
        var client = JsonNode.Parse(ClientRequest.Of(recorded))!;
        // Of one recording only; which models take both of them, and that the last is an extra of the caller's, is for the dialect to know.
        foreach (var member in (string[])["top_p", "top_k"])
            if (recorded.TryGetProperty(member, out var value)) client[member] = JsonNode.Parse(value.GetRawText());
        var sent = Write(client.ToJsonString(), exchange.Model.UpstreamModel, unknown: UnknownParameters.Forward);
        Assert.Null(sent.Refusal);
        Assert.Equal("", sent.Ignored);
        var wanted = JsonNode.Parse(exchange.Request!)!;
        if (wanted["system"] is JsonValue text) wanted["system"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = text.DeepClone() });
        Assert.True(JsonNode.DeepEquals(wanted, sent.Body), sent.Body!.ToJsonString());
    }

    [Theory]
    [InlineData("\"max_tokens\":9", Sonnet45, "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke")]
    [InlineData("\"max_tokens\":9,\"stream\":true", Sonnet45, "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream")]
    [InlineData("\"max_tokens\":50000", Sonnet45, "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream")]
    [InlineData("\"max_tokens\":9", "us.amazon.nova-2-lite-v1:0", "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-2-lite-v1%3A0/converse")]
    [InlineData("\"max_tokens\":9,\"stream\":true", "us.amazon.nova-2-lite-v1:0", "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-2-lite-v1%3A0/converse-stream")]
    [InlineData("\"max_tokens\":9", Profile, "https://bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc/converse")]
    public void Address_IsTheOperationThatTheModelIsAskedBy(string members, string model, string address)
    {
        var sent = With(members, model);
        Assert.Equal((address, address.EndsWith("stream", StringComparison.Ordinal)), (sent.Address, sent.Stream));
        Assert.Equal(sent.Stream ? "application/vnd.amazon.eventstream" : null, sent.Accept);
    }

    [Fact]
    public void Profile_WhoseArnSaysNothing_IsTheClaudeOfThePublicId()
    {
        var sent = Write(Requests.With("\"reasoning_effort\":\"high\""), Profile, id: "anthropic/claude-opus-4.6");
        Assert.EndsWith("/invoke-with-response-stream", sent.Address, StringComparison.Ordinal);
        Assert.Equal("adaptive", (string?)sent.Body!["thinking"]!["type"]);
    }

    [Fact]
    public void Body_SaysItsVersion_ButNeitherModelNorStreamNorCaller()
    {
        var sent = With("\"stream\":true,\"user\":\"u\",\"safety_identifier\":\"s\",\"service_tier\":\"flex\",\"max_tokens\":9");
        Assert.Equal("""{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}""", sent.Body!.ToJsonString());
        Assert.Equal("safety_identifier, user", sent.Ignored);
    }

    [Theory]
    [InlineData("flex", "flex", "")]
    [InlineData("default", "default", "")]
    [InlineData("auto", null, "")]
    [InlineData("scale", null, "service_tier")]
    public void ServiceTier_IsAHeader(string tier, string? header, string ignored)
    {
        var sent = With($"\"service_tier\":\"{tier}\"");
        Assert.Equal((header, ignored), (sent.Headers.SingleOrDefault(h => h.Key == "x-amzn-bedrock-service-tier").Value, sent.Ignored));
    }

    [Fact]
    public void Betas_OfTheOperator_StandInTheBody()
    {
        var sent = Write(Requests.With("\"anthropic_beta\":[\"mine\"]"), betas: "one-2025-01-01, two-2025-01-01", unknown: UnknownParameters.Forward);
        Assert.Equal("""["one-2025-01-01","two-2025-01-01"]""", sent.Body!["anthropic_beta"]!.ToJsonString());
        Assert.Equal(["x-team"], sent.Headers.Select(h => h.Key));
        Assert.Equal("anthropic_beta", sent.Ignored);
    }

    [Fact]
    public void Betas_OfTheCaller_GoOutWhereTheyAreLetThrough() =>
        Assert.Equal("""["mine"]""", Write(Requests.With("\"anthropic_beta\":[\"mine\"]"), unknown: UnknownParameters.Forward).Body!["anthropic_beta"]!.ToJsonString());

    [Theory]
    [InlineData(Sonnet45, true)]
    [InlineData("us.anthropic.claude-opus-4-6-v1", true)]
    [InlineData(Sonnet4, false)]
    [InlineData(Opus48, false)]
    [InlineData("global.anthropic.claude-sonnet-5-v1:0", false)]
    public void Schema_WhereAmazonTakesIt_IsAFormat_ElseATool(string model, bool isFormat)
    {
        var sent = With(Schema, model);
        Assert.Equal((isFormat, isFormat ? null : "json"), (sent.Body!["output_config"] is not null, sent.ContentTool));
        if (!isFormat) Assert.Equal("json", (string?)sent.Body["tool_choice"]!["name"]);
        var strict = With(Strict, model);
        Assert.Equal((isFormat, isFormat ? "" : "tools.strict"), ((bool?)strict.Body!["tools"]![0]!["strict"] is true, strict.Ignored));
    }

    /// <summary>Neither a format nor a tool that must be called: Amazon has neither for them.</summary>
    [Theory]
    [InlineData("us.anthropic.claude-opus-5-5", "response_format")]
    [InlineData("us.anthropic.claude-haiku-5-5", null)]
    public void Schema_OfAModelThatTakesNeitherHere_IsRefused(string model, string? param)
    {
        foreach (var api in (string[])["converse", "invoke"])
        {
            using var dialect = new CrossModel.Dialects.Bedrock.BedrockDialect(new UpstreamConfig { Api = api, Region = "us-east-1", ApiKey = "k" }, TimeProvider.System);
            using var request = Requests.Accepted(Requests.With(Schema));
            using var upstream = new UpstreamRequest();
            Assert.Equal(param, dialect.Write(request, new RouteModel("a/b", model, new ModelFacts()), new WriteOptions(null, "account"), upstream)?.Param);
        }
    }

    [Theory]
    [InlineData(Sonnet45, true)]
    [InlineData(Opus48, false)]
    public void Schema_ThroughConverse_FollowsTheSameRule(string model, bool isFormat)
    {
        using var upstream = BedrockRequestTests.Upstream(Schema + "," + Strict, model);
        var body = JsonNode.Parse(upstream.Body.Span)!;
        var tool = body["toolConfig"]!["tools"]![0]!["toolSpec"]!;
        Assert.Equal((isFormat, isFormat, isFormat), (body["outputConfig"] is not null, tool["strict"] is not null, tool["inputSchema"]!["json"]!["additionalProperties"] is not null));
    }

    [Theory]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x.example/a.png\"}}", "messages[0].content[0].image_url.url")]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"s3://b/a.png\"}}", "messages[0].content[0].image_url.url")]
    [InlineData("{\"type\":\"file\",\"file\":{\"file_data\":\"https://x.example/a.pdf\"}}", "messages[0].content[0].file.file_data")]
    [InlineData("{\"type\":\"video_url\",\"video_url\":{\"url\":\"data:video/mp4;base64,AAAA\"}}", "messages[0].content[0]")]
    public void Block_ThatCannotBeSent_IsRefused(string block, string param)
    {
        var refusal = Write(Requests.Messages("{\"role\":\"user\",\"content\":[" + block + "]}")).Refusal;
        Assert.Equal(("unsupported_parameter", param), (refusal!.Code, refusal.Param));
    }

    [Fact]
    public void Candidates_AreAskedForOneByOne()
    {
        using var dialect = BedrockRecorded.Invoking();
        using var request = Requests.Accepted(Requests.With("\"n\":2"));
        Assert.False(dialect.TakesCandidates(request, new RouteModel("a/b", Sonnet45, new ModelFacts())));
        Assert.DoesNotContain("\"n\"", With("\"n\":2").Body!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Signature_IsOverTheBytesThatAreSent()
    {
        var clock = new Support.FakeClock();
        var key = new CrossModel.Dialects.Bedrock.AwsKey("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", null);
        using var dialect = BedrockRecorded.Dialect(new UpstreamConfig { Dialect = "bedrock", Api = "invoke", Region = "us-east-1", AccessKeyId = key.Id, SecretAccessKey = key.Secret }, clock);
        using var request = Requests.Accepted(Requests.With("\"stream\":true,\"service_tier\":\"flex\""));
        using var upstream = new UpstreamRequest();
        Assert.Null(dialect.Write(request, new RouteModel("a/b", Sonnet45, new ModelFacts()), new WriteOptions(null, "account"), upstream));
        using var message = new HttpRequestMessage(HttpMethod.Post, upstream.Uri);
        await dialect.AuthorizeAsync(message, upstream, TestContext.Current.CancellationToken);
        var expected = CrossModel.Dialects.Bedrock.AwsSigner.Sign(new Uri($"https://bedrock-runtime.us-east-1.amazonaws.com/model/{Uri.EscapeDataString(Sonnet45)}/invoke-with-response-stream"), upstream.Body.Span, "us-east-1", key, clock.GetUtcNow());
        Assert.Equal(expected.Single(h => h.Key == "authorization").Value, message.Headers.GetValues("authorization").Single());
    }
}
