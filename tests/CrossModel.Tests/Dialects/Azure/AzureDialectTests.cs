using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Azure;
using CrossModel.Dialects.OpenAI;
using CrossModel.Protocol;
using CrossModel.Tests.Dialects.OpenAI;
using CrossModel.Tests.Protocol;

namespace CrossModel.Tests.Dialects.Azure;

public sealed class AzureDialectTests
{
    private const string Resource = "https://res.openai.azure.com";
    private static readonly RouteModel Model = new("openai/gpt-4o", "my gpt/4o", new ModelFacts()) { UnknownParameters = UnknownParameters.Forward };

    private static AzureDialect At(string baseUrl, string? version = null) => new(new UpstreamConfig { Dialect = "azure", BaseUrl = baseUrl, ApiVersion = version, ApiKeys = ["k1", "k2"] }, TimeProvider.System);

    private static (string Uri, JsonElement Body, string Ignored, ApiError? Refusal) Write(AzureDialect dialect, string members)
    {
        Assert.Null(Requests.Read(Encoding.UTF8.GetBytes(members[0] == '{' ? members : Requests.With(members)), out var request));
        using (request)
        using (var upstream = new UpstreamRequest())
        {
            var refusal = dialect.Write(request!, Model, new WriteOptions(null, "account"), upstream);
            return (upstream.Uri?.AbsoluteUri ?? "", refusal is null ? JsonDocument.Parse(upstream.Body.Memory.ToArray()).RootElement : default, string.Join(", ", upstream.Ignored), refusal);
        }
    }

    [Theory]
    [InlineData(Resource + "/openai/v1", null, Resource + "/openai/v1/chat/completions")]
    [InlineData(Resource + "/openai/v1/", null, Resource + "/openai/v1/chat/completions")]
    [InlineData(Resource + "/openai/v1", "preview", Resource + "/openai/v1/chat/completions?api-version=preview")]
    [InlineData(Resource, "2024-10-21", Resource + "/openai/deployments/my%20gpt%2F4o/chat/completions?api-version=2024-10-21")]
    [InlineData(Resource + "/openai/", "2024-10-21", Resource + "/openai/deployments/my%20gpt%2F4o/chat/completions?api-version=2024-10-21")]
    [InlineData("https://res.services.ai.azure.com/models", "2024-05-01-preview", "https://res.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview")]
    [InlineData("http://127.0.0.1:9100", "2024-10-21", "http://127.0.0.1:9100/openai/deployments/my%20gpt%2F4o/chat/completions?api-version=2024-10-21")]
    public void Address_EveryStyle_NamesTheDeploymentWhereItBelongs(string baseUrl, string? version, string address)
    {
        using var dialect = At(baseUrl, version);
        var (uri, body, _, _) = Write(dialect, "\"n\":1");
        Assert.Equal(address, uri);
        Assert.Equal("my gpt/4o", body.GetProperty("model").GetString());
    }

    [Theory]
    [InlineData(Resource + "/openai/v1", null, "max_completion_tokens", true)]
    [InlineData(Resource, "2024-12-01-preview", "max_completion_tokens", true)]
    [InlineData(Resource, "2024-09-01-preview", "max_completion_tokens", true)]
    [InlineData(Resource, "2024-02-01", "max_tokens", false)]
    [InlineData("https://res.services.ai.azure.com/models", "2024-05-01-preview", "max_tokens", true)]
    public void Request_ByStyleAndVersion_UsesWhatThatOneKnows(string baseUrl, string? version, string cap, bool asksForUsage)
    {
        using var dialect = At(baseUrl, version);
        var body = Write(dialect, "\"max_tokens\":5,\"stream\":true").Body;
        Assert.Equal(5, body.GetProperty(cap).GetInt32());
        Assert.Equal(asksForUsage, body.TryGetProperty("stream_options", out _));
    }

    [Fact]
    public void Request_WithParametersOfTheSpecification_KeepsThem()
    {
        using var dialect = At(Resource + "/openai/v1");
        const string Members = "\"logit_bias\":{\"1\":2},\"seed\":7,\"logprobs\":true,\"top_logprobs\":2,\"n\":2,\"store\":false,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"response_format\":{\"type\":\"json_object\"},\"safety_identifier\":\"s\",\"service_tier\":\"flex\",\"prediction\":{\"type\":\"content\",\"content\":\"x\"}";
        var (_, body, ignored, _) = Write(dialect, Members);
        foreach (var member in JsonDocument.Parse("{" + Members + "}").RootElement.EnumerateObject())
            Assert.Equal(member.Value.GetRawText(), body.GetProperty(member.Name).GetRawText());
        Assert.Equal("", ignored);
    }

    [Fact]
    public void Request_WithAFileId_IsRefused()
    {
        using var dialect = At(Resource + "/openai/v1");
        var refusal = Write(dialect, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}]}]}").Refusal;
        Assert.Equal(("unsupported_parameter", "messages"), (refusal!.Code, refusal.Param));
    }

    [Theory]
    [InlineData(Resource + "/openai/v1", null, "developer")]
    [InlineData("https://res.services.ai.azure.com/models", "2024-05-01-preview", "system")]
    public void Request_OfADeveloper_KeepsItsRoleWhereThatIsKnown(string baseUrl, string? version, string role)
    {
        using var dialect = At(baseUrl, version);
        Assert.Equal(role, Write(dialect, Requests.Messages("{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"user\",\"content\":\"u\"}")).Body.GetProperty("messages")[0].GetProperty("role").GetString());
    }

    [Fact]
    public async Task Keys_SeveralConfigured_AreSentInTurn()
    {
        using var dialect = At(Resource + "/openai/v1");
        using var upstream = new UpstreamRequest();
        var keys = new List<string>();
        for (var i = 0; i < 3; i++)
        {
            using var message = new HttpRequestMessage();
            await dialect.AuthorizeAsync(message, upstream, TestContext.Current.CancellationToken);
            Assert.Null(message.Headers.Authorization);
            keys.AddRange(message.Headers.GetValues("api-key"));
        }
        Assert.Equal(["k1", "k2", "k1"], keys);
    }

    [Fact]
    public void Key_AloneInItsList_IsOne_AndAnEmptyOneIsNone()
    {
        using var message = new HttpRequestMessage();
        Assert.Equal("k", KeyTurns.Of(new UpstreamConfig { ApiKeys = ["k"] }, TimeProvider.System).Next(message, "m"));
        Assert.True(KeyTurns.Of(new UpstreamConfig { ApiKey = "" }, TimeProvider.System).IsEmpty);
    }

    [Fact]
    public void Refusal_OfAnArgumentThatIsATaste_IsLearned()
    {
        using var dialect = At(Resource, "2024-10-21");
        using var response = new HttpResponseMessage();
        Assert.Null(Requests.Read(Encoding.UTF8.GetBytes(Requests.With("\"store\":true")), out var request));
        using var upstream = new UpstreamRequest();
        using var anew = new UpstreamRequest();
        using (request)
        {
            Assert.Null(dialect.Write(request!, Model, new WriteOptions(null, "account"), upstream));
            var body = "{\"error\":{\"message\":\"Unrecognized request argument supplied: store\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":null}}"u8;
            Assert.True(dialect.ReadFault(400, response.Headers, body, upstream).TryAgain);
            // Another call that was written before is refused after this one has learned.
            Assert.True(dialect.ReadFault(400, response.Headers, body, upstream).TryAgain);
            Assert.Null(dialect.Write(request!, Model, new WriteOptions(null, "account"), anew));
            Assert.False(dialect.ReadFault(400, response.Headers, body, anew).TryAgain);
        }
        var (_, sent, ignored, _) = Write(dialect, "\"store\":true");
        Assert.False(sent.TryGetProperty("store", out _));
        Assert.Equal("store", ignored);
    }

    [Fact]
    public void Refusal_NamingTheDeployment_ReachesTheCallerWithoutIt()
    {
        using var dialect = At(Resource + "/openai/v1");
        Assert.Null(Requests.Read(Encoding.UTF8.GetBytes(Requests.With("\"n\":1")), out var request));
        using (request)
        using (var upstream = new UpstreamRequest())
        using (var response = new HttpResponseMessage())
        {
            Assert.Null(dialect.Write(request!, Model, new WriteOptions(null, "account"), upstream));
            var fault = dialect.ReadFault(400, response.Headers, "{\"error\":{\"message\":\"The operation does not work with My GPT/4o.\",\"code\":\"OperationNotSupported\"}}"u8, upstream);
            Assert.Equal("The operation does not work with [deployment].", fault.Message);
        }
    }

    /// <summary>A name of a letter or two stands inside other words.</summary>
    [Fact]
    public void Refusal_WhereTheDeploymentsNameIsShort_StaysAsItIs()
    {
        using var response = new HttpResponseMessage();
        Assert.Equal("It is too long.", AzureErrors.Read(400, response.Headers, "{\"error\":{\"message\":\"It is too long.\"}}"u8, DateTimeOffset.UnixEpoch, "o").Message);
    }

    [Fact]
    public void Reply_WithFewerCandidatesThanAskedFor_IsLearned_SoThatMoneyIsHeldForEachCall()
    {
        using var dialect = At(Resource, "2024-10-21");
        Assert.Null(Requests.Read(Encoding.UTF8.GetBytes(Requests.With("\"n\":3")), out var request));
        using (request)
        {
            Assert.True(dialect.TakesCandidates(request!, Model));
            using var reader = dialect.OpenReply(new ReplyContext("chatcmpl_1", 1, "public", false, false, 0, "account") { Candidates = 3 }, Model);
            Assert.Null(reader.ReadPlain("{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"finish_reason\":\"stop\"}]}"u8.ToArray()));
            Assert.True(reader.Fault!.TryAgain);
            Assert.False(dialect.TakesCandidates(request!, Model));
            using var anew = new UpstreamRequest();
            Assert.Null(dialect.Write(request!, Model, new WriteOptions(null, "account"), anew));
            Assert.Equal((1, false), (anew.Candidates, TopLevel.Has(anew.Body.Span, "n"u8)));
        }
    }

    public static TheoryData<string> Recordings() => Names(_ => true);
    public static TheoryData<string> Streams() => Names(e => e.IsStream);
    public static TheoryData<string> Requested() => Names(e => e.Request is not null && e.Status == 200);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Recordings))]
    public void Recording_Read_SaysWhatIsExpectedAndNothingOfTheFilter(string name)
    {
        var exchange = Get(name);
        using var dialect = At(Resource + "/openai/v1");
        if (exchange.Status >= 400)
        {
            using var response = new HttpResponseMessage();
            using var request = new UpstreamRequest();
            var fault = dialect.ReadFault(exchange.Status, response.Headers, exchange.Body, request);
            Assert.Equal(exchange.Status == 404 ? UpstreamFailure.ModelMissing : UpstreamFailure.Operator, fault.Failure);
            return;
        }
        var reply = exchange.IsStream ? Replay.Stream(dialect.OpenReply(Replayed.Context(), Model), exchange.Body) : Replay.Plain(dialect.OpenReply(Replayed.Context(false, false), Model), exchange.Body);
        Assert.Null(reply.Fault);
        var reading = exchange.IsStream ? Reading.OfStream(reply) : Reading.OfPlain(reply);
        RecordedReplyTests.Compare(exchange.Expect, reading, isFailed: false);
        RecordedReplyTests.CompareUsage(exchange.Expect.GetProperty("usage"), reply.Usage);
        Assert.DoesNotContain("filter_results", reply.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("num_sources_used", reply.Output, StringComparison.Ordinal);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutAnywhere_ComesOutTheSame(string name)
    {
        var body = Get(name).Body;
        using var dialect = At(Resource + "/openai/v1");
        var whole = Replay.Stream(dialect.OpenReply(Replayed.Context(), Model), body).Output;
        var random = new Random(5);
        var cuts = body.Length <= 16 * 1024 ? Enumerable.Range(1, body.Length - 1)
            : Enumerable.Range(1, 2047).Concat(Enumerable.Range(body.Length - 2048, 2047)).Concat(Enumerable.Range(0, 1000).Select(_ => random.Next(1, body.Length)));
        foreach (var cut in cuts) Assert.Equal(whole, Replay.Stream(dialect.OpenReply(Replayed.Context(), Model), body, cuts: [cut]).Output);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Requested))]
    public void Recording_Asked_GoesOutAsItWasSent(string name)
    {
        var exchange = Get(name);
        using var dialect = At("https://res.services.ai.azure.com/models", "2024-05-01-preview");
        Assert.Null(Requests.Read(exchange.Request!, out var request));
        using (request)
        using (var upstream = new UpstreamRequest())
        {
            var theirs = JsonDocument.Parse(exchange.Request!).RootElement;
            Assert.Null(dialect.Write(request!, Model with { UpstreamModel = request!.Model }, new WriteOptions(null, "account"), upstream));
            var ours = JsonDocument.Parse(upstream.Body.Memory.ToArray()).RootElement;
            foreach (var member in theirs.EnumerateObject().Where(m => m.Name is not ("max_completion_tokens" or "tool_choice")))
                Assert.True(JsonElement.DeepEquals(member.Value, ours.GetProperty(member.Name)), member.Name);
        }
    }

    [Theory]
    [InlineData("{\"a\":1,\"prompt_filter_results\":[{}],\"content_filter_results\":{}}", "{\"a\":1}")]
    [InlineData("{\"prompt_filter_results\":[] , \"content_filter_results\":{} }", "{ }")]
    [InlineData("{\"content_filter_results\":{},\"a\":1,\"content_filter_offsets\":{}}", "{\"a\":1}")]
    [InlineData("{\"usage\":{\"latency_checkpoint\":{\"x\":[1,{}]},\"total_tokens\":3}}", "{\"usage\":{\"total_tokens\":3}}")]
    [InlineData("{\"choices\":[{\"delta\":{\"content_filter_results\":1}}]}", "{\"choices\":[{\"delta\":{\"content_filter_results\":1}}]}")]
    public void Additions_WhereverTheyStand_LeaveJsonBehind(string json, string left)
    {
        using var buffer = new PooledBuffer();
        ReadOnlySpan<byte> text = Encoding.UTF8.GetBytes(json);
        Assert.Equal(json != left, CrossModel.Dialects.OpenAI.FilterResults.Strip(ref text, buffer));
        Assert.Equal(left, Encoding.UTF8.GetString(text));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Recordings))]
    public void Reply_Mutated_IsReadOrRefusedInOrder(string name)
    {
        var exchange = Get(name);
        if (exchange.Status >= 400) return;
        using var dialect = At(Resource + "/openai/v1");
        var random = new Random(29);
        for (var i = 0; i < 300; i++)
        {
            var body = Replay.Mutate(exchange.Body, random);
            var reply = exchange.IsStream ? Replay.Stream(dialect.OpenReply(Replayed.Context(), Model), body) : Replay.Plain(dialect.OpenReply(Replayed.Context(false, false), Model), body);
            if (exchange.IsStream) MutatedReplyTests.CheckStream(reply);
            else MutatedReplyTests.CheckPlain(reply);
        }
    }

    [Fact]
    public void Plain_WithoutAMessage_IsAnEmptyBlockedReply()
    {
        using var dialect = At(Resource + "/openai/v1");
        var reply = Replay.Plain(dialect.OpenReply(Replayed.Context(false, false), Model), "{\"choices\":[{\"content_filter_results\":{\"hate\":{\"filtered\":true,\"severity\":\"high\"}},\"finish_reason\":\"content_filter\",\"index\":0}],\"usage\":{\"completion_tokens\":1,\"prompt_tokens\":2,\"total_tokens\":3,\"latency_checkpoint\":{\"a\":1}},\"prompt_filter_results\":[]}"u8.ToArray());
        var reading = Reading.OfPlain(reply);
        Assert.Equal(("", "content_filter"), (reading.AllContent, reading.Finish[0]));
        Assert.DoesNotContain("latency_checkpoint", reply.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Stream_WithLateFilterResults_ShowsOnlyTheEnd()
    {
        using var dialect = At(Resource + "/openai/v1");
        var reply = Replay.Stream(dialect.OpenReply(Replayed.Context(), Model), Encoding.UTF8.GetBytes(
            "data: {\"choices\":[],\"id\":\"\",\"prompt_filter_results\":[{}]}\n\n" +
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"filter \\\"content_filter_results\\\":1\"}}]}\n\n" +
            "data: {\"choices\":[{\"index\":0,\"content_filter_results\":{},\"content_filter_offsets\":{\"check_offset\":4}}]}\n\n" +
            "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"content_filter\",\"content_filter_results\":{\"hate\":{\"filtered\":true}},\"content_filter_offsets\":{}}]}\n\ndata: [DONE]\n\n"));
        Assert.Equal("filter \"content_filter_results\":1", Reading.OfStream(reply).AllContent);
        Assert.Equal("content_filter", Reading.OfStream(reply).Finish[0]);
        Assert.Equal(3, reply.Events().Count);
    }

    [Fact]
    public void Refusal_OfTheFilterInsideA200_IsOne()
    {
        using var dialect = At(Resource + "/openai/v1");
        var fault = Replay.Plain(dialect.OpenReply(Replayed.Context(false, false), Model), Encoding.UTF8.GetBytes(Filtered)).Fault;
        Assert.Equal((UpstreamFailure.Rejected, "content_filter"), (fault!.Failure, fault.Code));
    }

    private const string Filtered = "{\"error\":{\"message\":\"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.\",\"type\":null,\"param\":\"prompt\",\"code\":\"content_filter\",\"status\":400,\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{}}}}";

    [Theory]
    [InlineData(400, Filtered, "Rejected", "content_filter")]
    [InlineData(400, "{\"error\":{\"message\":\"The operation does not work with my gpt/4o.\",\"code\":\"OperationNotSupported\"}}", "Rejected", "upstream_rejected")]
    [InlineData(400, "{\"error\":{\"message\":\"The chatCompletion operation does not work with the specified model, my gpt/4o. Please choose different model and try again.\",\"code\":\"OperationNotSupported\"}}", "ModelMissing", null)]
    [InlineData(400, "{\"error\":{\"message\":\"Invalid value: 'operation does not work with the specified model'. Supported values are: 'low', 'high' and 'auto'.\"}}", "Rejected", "upstream_rejected")]
    [InlineData(400, "{\"error\":{\"message\":\"Model o1 is enabled only for api versions 2024-12-01-preview and later\",\"code\":\"BadRequest\"}}", "ModelMissing", null)]
    [InlineData(400, "{\"error\":{\"message\":\"API version not supported\",\"code\":\"BadRequest\"}}", "Operator", null)]
    [InlineData(401, "{\"statusCode\":401,\"message\":\"Access denied\"}", "Operator", null)]
    [InlineData(403, "{\"error\":{\"code\":\"403\",\"message\":\"Traffic is not from an approved private endpoint.\"}}", "Operator", null)]
    [InlineData(404, "{\"error\":{\"code\":\"404\",\"message\":\"Resource not found\"}}", "ModelMissing", null)]
    [InlineData(404, "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"x\"}}", "ModelMissing", null)]
    [InlineData(408, "{\"error\":{\"code\":\"Timeout\",\"message\":\"The operation was timeout.\"}}", "ServerError", null)]
    [InlineData(429, "{\"error\":{\"code\":\"NoCapacity\",\"message\":\"busy\"}}", "RateLimited", null)]
    [InlineData(500, "{\"error\":{\"code\":\"InternalServerError\",\"message\":\"x\"}}", "ServerError", null)]
    [InlineData(503, "", "ServerError", null)]
    [InlineData(504, "<html>", "ServerError", null)]
    public void Error_EveryRowOfTheTable_IsJudged(int status, string body, string failure, string? code)
    {
        using var response = new HttpResponseMessage();
        var fault = AzureErrors.Read(status, response.Headers, Encoding.UTF8.GetBytes(body), DateTimeOffset.UnixEpoch, "my gpt/4o");
        Assert.Equal((failure, code), (fault.Failure.ToString(), fault.Code));
        Assert.DoesNotContain("my gpt", fault.Message ?? "", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0", "7", "x", 7)]
    [InlineData("1500", "7", "Please retry after 12 seconds.", 1.5)]
    [InlineData(null, null, "Please retry after 12 seconds.", 12)]
    public void RateLimit_WithHints_IsAsLongAsTheySay(string? milliseconds, string? seconds, string message, double expected)
    {
        using var response = new HttpResponseMessage();
        if (milliseconds is not null) response.Headers.TryAddWithoutValidation("retry-after-ms", milliseconds);
        if (seconds is not null) response.Headers.TryAddWithoutValidation("retry-after", seconds);
        var fault = AzureErrors.Read(429, response.Headers, Encoding.UTF8.GetBytes($"{{\"error\":{{\"code\":\"RateLimitReached\",\"message\":\"{message}\"}}}}"), DateTimeOffset.UnixEpoch, null);
        Assert.Equal(TimeSpan.FromSeconds(expected), fault.RetryAfter);
    }

    private static readonly Lazy<Dictionary<string, Recorded>> Exchanges = new(() => Recorded.All("azure").ToDictionary(r => r.Name));

    private static Recorded Get(string name) => Exchanges.Value[name];

    private static TheoryData<string> Names(Func<Recorded, bool> which) => Support.Fixtures.Names(() => Exchanges.Value.Values.Where(which).Select(r => r.Name));
}
