using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>What becomes of a call when its first route fails: before a byte, after a keep-alive comment, after content.</summary>
public sealed class Fallback
{
    private const string TwoRoutes = """ "test/model": { "routes": [ { "upstream": "up", "model": "first" }, { "upstream": "up", "model": "second" } ], "price": { "input": 1, "output": 1 } } """;
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";
    private const string Stream = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"stream":true}""";

    private static Task<ScriptedUpstream> FirstAsync(Func<HttpContext, Task> first) => ScriptedUpstream.StartAsync((http, received) =>
        (string?)received.Json["model"] == "first" ? first(http) : UsualReply.AnswerAsync(http, received));

    private static async Task<JsonNode> ReceiptAsync(TestGateway gateway, HttpReply reply) =>
        (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;

    [Theory]
    [InlineData(Plain, 500)]
    [InlineData(Stream, 500)]
    [InlineData(Plain, 401)]
    [InlineData(Stream, 429)]
    [InlineData(Plain, 404)]
    [InlineData(Plain, 302)]
    public async Task Failure_BeforeTheFirstByte_IsNotSeenByTheCaller(string body, int status)
    {
        await using var upstream = await FirstAsync(http => UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", status));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var reply = await gateway.PostAsync(body);

        Assert.Equal(200, (int)reply.Status);
        Assert.Equal("2", reply.Header("x-crossmodel-attempts"));
        Assert.Contains("lo!", reply.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("error", reply.Text, StringComparison.Ordinal);
        Assert.Equal(2, (await ReceiptAsync(gateway, reply))["attempts"]!.AsArray().Count);
    }

    [Theory]
    [InlineData(Plain)]
    [InlineData(Stream)]
    public async Task Model_ThatServesAfterAnotherFailed_IsPaidAtItsOwnPrice(string body)
    {
        await using var upstream = await FirstAsync(http => UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", 500));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "first" } ], "price": { "input": 5, "output": 5 } }, "test/second": { "routes": [ { "upstream": "up", "model": "second" } ], "price": { "input": 1, "output": 2 } } """);

        var reply = await gateway.PostAsync(body[..^1] + ",\"models\":[\"test/second\"]}");

        var receipt = await ReceiptAsync(gateway, reply);
        Assert.Equal(("test/second", "0.000015"), ((string?)receipt["model"], (string?)receipt["cost"]));
        await Until.TrueAsync(() => gateway.Log.All.Any(line => line.Contains("model=test/second upstream=up", StringComparison.Ordinal)));
    }

    /// <summary>Records are kept: a name that is as long as a body may be must not become one.</summary>
    [Fact]
    public async Task Model_ThatNobodyKnows_StandsCutInTheRecord()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync($$"""{"model":"{{new string('x', 100_000)}}","models":["test/model"],"messages":[{"role":"user","content":"Hi"}]}""");

        var receipt = await ReceiptAsync(gateway, reply);
        Assert.Equal(("test/model", new string('x', 63) + "…"), ((string?)receipt["model"], (string?)receipt["model_asked"]));
    }

    /// <summary>A model that is gone and an account that is empty have many names; the next route knows neither.</summary>
    [Theory]
    [InlineData(400, """{"error":{"message":"The model `m` has been decommissioned and is no longer supported.","code":"model_decommissioned"}}""")]
    [InlineData(400, """{"error":{"message":"first is not a valid model ID","code":400},"user_id":"user_x"}""")]
    [InlineData(400, """{"error":{"code":"Arrearage","message":"Access denied, please make sure your account is in good standing.","type":"Arrearage"}}""")]
    public async Task Refusal_ThatIsTheOperators_IsNotSeenByTheCaller(int status, string body)
    {
        await using var upstream = await FirstAsync(http => UsualReply.JsonAsync(http, body, status));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((200, "2"), ((int)reply.Status, reply.Header("x-crossmodel-attempts")));
    }

    /// <summary>What one caller says must not make the operator's access look bad: no other route is tried, and this one does not rest.</summary>
    [Fact]
    public async Task Content_RefusedWithAStatusOfAccess_IsTheCallers()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) => received.Text.Contains("harm", StringComparison.Ordinal)
            ? UsualReply.JsonAsync(http, """{"code":"permission-denied","error":"Content violates usage guidelines."}""", 403)
            : UsualReply.AnswerAsync(http, received));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var refused = await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":"harm"}]}""");
        var next = await gateway.PostAsync(Plain);

        Assert.Equal((400, "content_filter", "1"), ((int)refused.Status, refused.ErrorCode, refused.Header("x-crossmodel-attempts")));
        Assert.Equal(200, (int)next.Status);
        Assert.Equal(["first", "first"], upstream.Received.Select(r => (string?)r.Json["model"]));
    }

    [Fact]
    public async Task Credential_ThatCannotBeHad_IsTheOperatorsFault_AndTheNextRouteServes()
    {
        var keyFile = Path.Combine(Directory.CreateTempSubdirectory("crossmodel-e2e-").FullName, "key.json");
        await File.WriteAllTextAsync(keyFile, "{}");
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "google", "model": "gemini-2.5-flash" }, { "upstream": "up", "model": "m" } ], "price": "free" } """,
            upstreams: $$""", "google": { "dialect": "vertex", "project": "p", "location": "global", "serviceAccount": "{{keyFile}}" } """);
        var reply = await gateway.PostAsync(Plain);
        Assert.Equal(200, (int)reply.Status);
        Assert.Equal(["operator", "ok"], (await ReceiptAsync(gateway, reply))["attempts"]!.AsArray().Select(a => (string?)a!["outcome"]));
    }

    /// <summary>Once is an accident of one reply, and the same route is asked again; twice is none.</summary>
    [Fact]
    public async Task Reply_ThatFailsTwiceOfItself_LetsItsRouteRest()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) => received.Path.Contains("gemini", StringComparison.Ordinal)
            ? UsualReply.JsonAsync(http, """{"candidates":[{"content":{"role":"model","parts":[]},"finishReason":"MALFORMED_FUNCTION_CALL","index":0}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}""")
            : UsualReply.AnswerAsync(http, received));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "google", "model": "gemini-2.5-flash" }, { "upstream": "up", "model": "m" } ], "price": "free" } """,
            upstreams: $$""", "google": { "dialect": "gemini", "baseUrl": "{{upstream.Address.ToString().TrimEnd('/')}}", "apiKey": "AIza" } """);

        var first = await gateway.PostAsync(Plain);
        var second = await gateway.PostAsync(Plain);

        Assert.Equal((200, "3"), ((int)first.Status, first.Header("x-crossmodel-attempts")));
        Assert.Equal((200, "1"), ((int)second.Status, second.Header("x-crossmodel-attempts")));
        Assert.Equal(2, upstream.Received.Count(r => r.Path.Contains("gemini", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("0", "1")]
    [InlineData("1", "1")]
    [InlineData("1.2", "2")]
    [InlineData("2", "2")]
    public async Task RateLimit_OfTheProvider_TellsToWaitAtLeastASecond(string said, string told)
    {
        await using var upstream = await ScriptedUpstream.AlwaysAsync(429, "application/json", """{"error":{"message":"slow down"}}"""u8.ToArray(), ("Retry-After", said));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((429, told), ((int)reply.Status, reply.Header("retry-after")));
    }

    /// <summary>What OpenAI and Anthropic tell their own SDKs: a 500 that says so would only be met again.</summary>
    [Theory]
    [InlineData("false", "1")]
    [InlineData("true", "2")]
    public async Task Failure_ThatSaysWhetherToAskAgain_IsBelieved(string said, string attempts)
    {
        await using var upstream = await ScriptedUpstream.AlwaysAsync(500, "application/json", """{"error":{"message":"no"}}"""u8.ToArray(), ("x-should-retry", said));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((502, attempts), ((int)reply.Status, reply.Header("x-crossmodel-attempts")));
    }

    /// <summary>What thinks says nothing meanwhile: the first byte of a reasoning model's stream may take as long as a plain reply.</summary>
    [Theory]
    [InlineData("true", 200)]
    [InlineData("false", 502)]
    public async Task Stream_OfAModelThatReasons_MayBeginAsLateAsAPlainReply(string reasoning, int status)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            await Task.Delay(TimeSpan.FromSeconds(1));
            await UsualReply.AnswerAsync(http, received);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            $$""" "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free", "reasoning": {{reasoning}} } """,
            upstreamMore: """, "timeouts": { "firstByte": "300ms", "plain": "30s" } """);

        Assert.Equal(status, (int)(await gateway.PostAsync(Stream)).Status);
        Assert.Equal(200, (int)(await gateway.PostAsync(Plain)).Status);
    }

    /// <summary>Some begin at once and only then think: after the start of the message nothing comes for minutes.</summary>
    [Theory]
    [InlineData("true", "[DONE]")]
    [InlineData("false", "fell silent")]
    public async Task Stream_OfAModelThatReasons_MayFallSilentAsLongAsAPlainReplyTakes(string reasoning, string end)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            await Task.Delay(TimeSpan.FromSeconds(1));
            await UsualReply.SendAsync(http, UsualReply.Stream());
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            $$""" "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free", "reasoning": {{reasoning}} } """,
            upstreamMore: """, "timeouts": { "idle": "300ms", "plain": "30s" } """);

        Assert.Contains(end, (await gateway.PostAsync(Stream)).Events[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failure_AfterFiveSeconds_IsNotTriedOnTheSameRouteAgain()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await Task.Delay(TimeSpan.FromSeconds(5.1));
            await UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", 500);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((502, "1"), ((int)reply.Status, reply.Header("x-crossmodel-attempts")));
        Assert.Single(upstream.Received);
    }

    [Fact]
    public async Task Failure_WhoseUpstreamReportedTokens_StandsInTheOperatorsCost()
    {
        const string routes = """ "test/model": { "routes": [ { "upstream": "up", "model": "first", "cost": { "input": 3, "output": 5 } }, { "upstream": "up", "model": "second", "cost": { "input": 7, "output": 11 } } ], "price": { "input": 1, "output": 1 } } """;
        await using var upstream = await FirstAsync(async http =>
        {
            http.Response.ContentType = "text/event-stream";
            await http.Response.WriteAsync("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":2,\"total_tokens\":102}}\n\ndata: {\"error\":{\"message\":\"overloaded\"}}\n\n");
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, routes);

        var reply = await gateway.PostAsync(Stream);

        var stored = await new CrossModel.Usage.UsageQueries(gateway.Gateway.Database).FindAsync(reply.Header("x-request-id")!, TestContext.Current.CancellationToken);
        var usage = stored!.Record.Usage;
        Assert.Equal(1000 * (100 * 3 + 2 * 5 + usage.InputTokens * 7 + usage.OutputTokens * 11), stored.Record.OperatorCost);
        Assert.Equal(1000 * (usage.InputTokens + usage.OutputTokens), stored.Cost);
    }

    [Fact]
    public async Task Failure_InsideAPlainBody_IsNotSeenByTheCaller()
    {
        await using var upstream = await FirstAsync(async http =>
        {
            http.Response.ContentLength = 1000;
            await UsualReply.JsonAsync(http, """{"choices":[{"index":0,"message":{"role":"assistant","content":"half of""");
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal("Hello!", (string?)reply.Json["choices"]![0]!["message"]!["content"]);
    }

    [Theory]
    [InlineData(Plain)]
    [InlineData(Stream)]
    public async Task Overhead_AfterASlowFailure_IsOursAlone(string body)
    {
        await using var upstream = await FirstAsync(async http =>
        {
            await Task.Delay(1500);
            await UsualReply.JsonAsync(http, "{}", 500);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var reply = await gateway.PostAsync(body);

        Assert.InRange(double.Parse(reply.Header("x-crossmodel-overhead-ms")!, System.Globalization.CultureInfo.InvariantCulture), 0, 1400);
    }

    [Fact]
    public async Task Rejection_OfTheRequest_IsNotTriedElsewhere()
    {
        await using var upstream = await FirstAsync(http => UsualReply.JsonAsync(http, """{"error":{"message":"too hot"}}""", 400));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((400, "upstream_rejected"), ((int)reply.Status, reply.ErrorCode));
        Assert.Single(upstream.Received);
    }

    [Fact]
    public async Task Failures_OfDifferentKinds_AreA502()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) =>
            UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", (string?)received.Json["model"] == "first" ? 429 : 404));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        Assert.Equal((502, "provider_error"), ((int)(await gateway.PostAsync(Plain)).Status, (await gateway.PostAsync(Plain)).ErrorCode));
    }

    [Fact]
    public async Task Failure_AfterAKeepAliveComment_IsAnotherRoute()
    {
        await using var upstream = await FirstAsync(async http =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            await Task.Delay(300);
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes, more: "\"limits\": { \"keepAlive\": \"50ms\" },");

        var reply = await gateway.PostAsync(Stream);

        Assert.StartsWith(": keep-alive\n\n", reply.Text, StringComparison.Ordinal);
        Assert.Equal("Hello!", string.Concat(reply.Chunks.Select(c => (string?)c["choices"]![0]!["delta"]!["content"])));
        Assert.Single(reply.Chunks, c => c["choices"]![0]!["delta"]!["role"] is not null);
        Assert.Equal("[DONE]", reply.Events[^1]);
    }

    /// <summary>A stream that broke off before its first word served nobody: neither the headers nor the metrics of the call name it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Upstream_WhoseStreamWasEmpty_IsNotNamedAsTheOneThatServed(bool isServed)
    {
        await using var empty = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            // The reset must not overtake what was sent.
            await Task.Delay(100);
            http.Abort();
        });
        // A keep-alive comment, and with it the headers, goes out before it answers.
        await using var slow = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            await Task.Delay(isServed ? 800 : 0);
            if (isServed) await UsualReply.AnswerAsync(http, received);
            else await UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", 404);
        });
        await using var gateway = await TestGateway.StartAsync(empty.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up" }, { "upstream": "slow" } ], "price": "free" } """,
            upstreams: $", \"slow\": {{ \"dialect\": \"openai\", \"baseUrl\": \"{slow.BaseUrl}\", \"apiKey\": \"k\" }}",
            more: "\"exposeUpstream\": true, \"limits\": { \"keepAlive\": \"300ms\" },");

        var reply = await gateway.PostAsync(Stream);

        Assert.Equal(isServed ? 200 : 502, (int)reply.Status);
        Assert.NotEqual("up", reply.Header("x-crossmodel-upstream"));
        await Until.TrueAsync(async () => (await gateway.Http.GetAsync("/metrics")).Text.Contains($"crossmodel_calls_total{{gen_ai_request_model=\"test/model\",crossmodel_upstream=\"{(isServed ? "slow" : "")}\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Refusal_OfAnUpstreamThatTookItsTime_IsAnErrorEventAfterTheComments()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await Task.Delay(300);
            await UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", 429);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes, more: "\"limits\": { \"keepAlive\": \"50ms\" },");

        var reply = await gateway.PostAsync(Stream);

        Assert.Equal(200, (int)reply.Status);
        Assert.StartsWith(": keep-alive\n\n", reply.Text, StringComparison.Ordinal);
        Assert.Equal("provider_rate_limited", (string?)JsonNode.Parse(Assert.Single(reply.Events))!["error"]!["code"]);
    }

    [Fact]
    public async Task Failure_OfAllAfterAKeepAliveComment_IsAnErrorEvent()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            await Task.Delay(300);
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes, more: "\"limits\": { \"keepAlive\": \"50ms\" },");

        var reply = await gateway.PostAsync(Stream);

        Assert.Equal(200, (int)reply.Status);
        Assert.Equal("provider_error", (string?)JsonNode.Parse(Assert.Single(reply.Events))!["error"]!["code"]);
        // Nobody waits for the note of a call that cost nothing.
        await Until.TrueAsync(async () => (await ReceiptAsync(gateway, reply))["basis"] is not null);
        var receipt = await ReceiptAsync(gateway, reply);
        Assert.Equal(("waived", "0.00"), ((string?)receipt["basis"], (string?)receipt["cost"]));
    }

    [Fact]
    public async Task Cut_AfterContent_EndsInOrderAndChargesWhatWasDelivered()
    {
        var read = new TaskCompletionSource();
        await using var upstream = await FirstAsync(async http =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Half of it")));
            await read.Task;
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Stream), gateway.Key);
        read.SetResult();
        var reply = await Http.ReadAsync(response);

        Assert.Equal("provider_error", (string?)JsonNode.Parse(reply.Events[^1])!["error"]!["code"]);
        Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("finish_reason\":\"", reply.Text, StringComparison.Ordinal);
        Assert.Single(upstream.Received);
        var receipt = await ReceiptAsync(gateway, reply);
        Assert.Equal("counted", (string?)receipt["basis"]);
        Assert.Equal(3, (int)receipt["usage"]!["completion_tokens"]!); // 10 bytes, four a token
        Assert.NotEqual("0.00", (string?)receipt["cost"]);
    }

    [Fact]
    public async Task Cut_AfterTheFinish_TakesNothingFromTheReply()
    {
        await using var upstream = await FirstAsync(async http =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hello!")) + UsualReply.Chunk("{}", "\"stop\""));
            await Task.Delay(100);
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var reply = await gateway.PostAsync(Stream);

        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.Equal("counted", (string?)(await ReceiptAsync(gateway, reply))["basis"]);
    }

    /// <summary>Some servers send no end mark and do not close: what their caller has is whole all the same, and he need not wait.</summary>
    [Theory]
    [InlineData(false, "300ms", "counted")]
    [InlineData(true, "100s", "reported")]
    public async Task Silence_AfterTheFinish_TakesNothingFromTheReply(bool comments, string idle, string basis)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, comments ? UsualReply.Stream().Replace(UsualReply.Done, "", StringComparison.Ordinal)
                : UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hello!")) + UsualReply.Chunk("{}", "\"stop\""));
            while (!http.RequestAborted.IsCancellationRequested)
            {
                await Task.Delay(100);
                if (comments) await UsualReply.SendAsync(http, ": working\n\n");
            }
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes, upstreamMore: $$""", "timeouts": { "idle": "{{idle}}", "total": "20s" }""");
        var clock = System.Diagnostics.Stopwatch.StartNew();

        var reply = await gateway.PostAsync(Stream);

        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 15);
        Assert.Equal(basis, (string?)(await ReceiptAsync(gateway, reply))["basis"]);
        Assert.Single(upstream.Received);
    }

    /// <summary>Usage of the prompt alone, with the first event, is no sign that the last has come, and is not what a reply is charged by that its server never ends.</summary>
    [Theory]
    [InlineData("100s", "reported", 3)]
    [InlineData("300ms", "counted", 2)] // 6 bytes, four a token
    public async Task Usage_OfThePromptAlone_IsNotThatOfTheReply(string idle, string basis, int tokens)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.UsageChunk.Replace("\"completion_tokens\":3,\"total_tokens\":12", "\"completion_tokens\":0,\"total_tokens\":9", StringComparison.Ordinal)
                .Replace(",\"completion_tokens_details\":{\"reasoning_tokens\":1}", "", StringComparison.Ordinal)
                + UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hello!")) + UsualReply.Chunk("{}", "\"stop\""));
            await Task.Delay(4000, http.RequestAborted);
            await UsualReply.SendAsync(http, UsualReply.UsageChunk + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes, upstreamMore: $$""", "timeouts": { "idle": "{{idle}}" }""");

        var receipt = await ReceiptAsync(gateway, await gateway.PostAsync(Stream));

        Assert.Equal((basis, tokens), ((string?)receipt["basis"], (int)receipt["usage"]!["completion_tokens"]!));
    }

    /// <summary>Gateways before Gemini give each of its pieces a finish reason: none of them is the end, however long the next one takes.</summary>
    [Fact]
    public async Task Finish_WithEachPiece_IsNoEnd()
    {
        static string Piece(string text) =>
            UsualReply.Chunk(UsualReply.Text(text), "\"stop\"").Replace("}]}", $"}}],\"usage\":{UsualReply.Usage}}}", StringComparison.Ordinal);
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, Piece("Hel"));
            await Task.Delay(4000);
            await UsualReply.SendAsync(http, Piece("lo!") + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var reply = await gateway.PostAsync(Stream);

        Assert.Contains("lo!", reply.Text, StringComparison.Ordinal);
        Assert.Equal("[DONE]", reply.Events[^1]);
    }

    /// <summary>A reply that was cut is a failure of its route whether or not its caller had some of it: the next call goes elsewhere, and the log says why.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cut_InAStream_RestsTheRoute_AndIsLogged(bool afterContent)
    {
        const string models = """ "test/model": { "routes": [ { "upstream": "up", "model": "first", "priority": 0 }, { "upstream": "up", "model": "second", "priority": 1 } ], "price": { "input": 1, "output": 1 } } """;
        await using var upstream = await FirstAsync(async http =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + (afterContent ? UsualReply.Chunk(UsualReply.Text("Hel")) : ""));
            await Task.Delay(50);
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, models);

        await gateway.PostAsync(Stream);
        var second = await gateway.PostAsync(Stream);

        Assert.Equal("[DONE]", second.Events[^1]);
        Assert.Single(upstream.Received, r => (string?)r.Json["model"] == "first");
        Assert.Contains(gateway.Log.All, line => line.Contains("attempt failed: upstream=up failure=cut_short", StringComparison.Ordinal));
    }

    /// <summary>A connection that breaks before a reply is a failure like others: another route is tried first.</summary>
    [Fact]
    public async Task Connection_ThatEndsBeforeAReply_GoesToTheNextRoute()
    {
        const string models = """ "test/model": { "routes": [ { "upstream": "up", "model": "first", "priority": 0 }, { "upstream": "up", "model": "second", "priority": 1 } ], "price": { "input": 1, "output": 1 } } """;
        await using var upstream = await FirstAsync(http =>
        {
            http.Abort();
            return Task.CompletedTask;
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, models);

        var reply = await gateway.PostAsync(Stream);

        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.Equal("first,second", string.Join(',', upstream.Received.Select(r => (string?)r.Json["model"])));
        Assert.Contains(gateway.Log.All, line => line.Contains("failure=server_error", StringComparison.Ordinal));
    }

    /// <summary>Bytes that say nothing, such as comments, are no token yet.</summary>
    [Fact]
    public async Task FirstToken_OfAnAttempt_IsTheFirstContent()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, ": thinking\n\n");
            await Task.Delay(600);
            await UsualReply.SendAsync(http, UsualReply.Stream());
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var receipt = await ReceiptAsync(gateway, await gateway.PostAsync(Stream));

        Assert.InRange((long)receipt["attempts"]![0]!["first_token_ms"]!, 500, 10_000);
    }

    /// <summary>llama.cpp promises to keep the connection of a stream, and closes it: the next call must not be sent into its end.</summary>
    [Fact]
    public async Task Stream_OfAServerThatClosesThem_LeavesNoConnectionToTheNext()
    {
        var connections = new System.Collections.Concurrent.ConcurrentBag<string>();
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) =>
        {
            connections.Add(http.Connection.Id);
            return UsualReply.AnswerAsync(http, received);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, upstreamMore: """, "preset": "llama.cpp" """);
        foreach (var body in (string[])[Stream, Stream, Plain, Plain, Stream]) Assert.Equal(200, (int)(await gateway.PostAsync(body)).Status);
        // Two plain calls share one, which the last stream takes and closes.
        Assert.Equal(3, connections.Distinct().Count());
    }
}
