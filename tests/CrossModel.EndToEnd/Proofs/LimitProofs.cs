using System.Globalization;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>Limits as callers meet them: bodies, headers, seats, and the account's own report.</summary>
public sealed class LimitProofs
{
    // The prompt is estimated at 18 tokens; the reply reports 12 and 5.
    private const string Usage = """{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}""";

    private static readonly string s_plain =
        $$"""{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi."},"finish_reason":"stop"}],"usage":{{Usage}}}""";

    private static string Body(bool stream, int maxTokens = 10) =>
        $$"""{"model":"test/model","max_tokens":{{maxTokens}},{{(stream ? "\"stream\":true,\"stream_options\":{\"include_usage\":true}," : "")}}"messages":[{"role":"user","content":"123456789 123456789 123456789 "}]}""";

    /// <summary>Streams wait in their middle for the gate; plain calls are answered at once.</summary>
    private static Task<EndingSite> StartAsync(Task? gate = null, decimal balance = 1m) => EndingSite.StartAsync(async (http, received) =>
    {
        if (!received.Text.Contains("\"stream\":true", StringComparison.Ordinal))
        {
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync(s_plain);
            return;
        }
        http.Response.ContentType = "text/event-stream";
        await http.Response.WriteAsync("data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi.\"},\"finish_reason\":null}]}\n\n");
        await http.Response.Body.FlushAsync();
        if (gate is not null) await gate;
        await http.Response.WriteAsync("data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
            + $"data: {{\"id\":\"x\",\"choices\":[],\"usage\":{Usage}}}\n\ndata: [DONE]\n\n");
    }, balance: balance);

    [Fact]
    public async Task Requests_BeyondTheLimit_Are429AndTheHeadersAreTrue()
    {
        await using var site = await StartAsync();
        var key = await site.Gateway.NewKeyAsync("limited", 1m, keyTerms: new Terms { RequestsPerMinute = 3 });
        for (var left = 2; left >= 0; left--)
        {
            var reply = await site.Gateway.PostAsync(Body(stream: left == 1), key);
            Assert.Equal(200, (int)reply.Status);
            Assert.Equal("3", reply.Header("x-ratelimit-limit-requests"));
            Assert.Equal(left.ToString(CultureInfo.InvariantCulture), reply.Header("x-ratelimit-remaining-requests"));
        }
        var refused = await site.Gateway.PostAsync(Body(stream: true), key);
        Assert.Equal(429, (int)refused.Status);
        Assert.Equal("rate_limit_exceeded", refused.ErrorCode);
        Assert.Contains("rpm", (string?)refused.Json["error"]!["message"], StringComparison.Ordinal);
        Assert.Equal("0", refused.Header("x-ratelimit-remaining-requests"));
        Assert.InRange(int.Parse(refused.Header("retry-after")!, CultureInfo.InvariantCulture), 1, 60);
        Assert.NotNull(refused.Header("x-request-id"));
    }

    [Fact]
    public async Task Balance_TooSmallForTheHold_Is402WithNumbersAndTheLimitHeaders()
    {
        await using var site = await StartAsync();
        var key = await site.Gateway.NewKeyAsync("poor", 0.00003m, accountTerms: new Terms { RequestsPerMinute = 100 });
        // 18 tokens at 1.00 and 10 at 2.00 USD per million: 38 millionths; 30 are there, and 6 tokens of output would fit.
        var refused = await site.Gateway.PostAsync(Body(stream: false), key);
        Assert.Equal(402, (int)refused.Status);
        Assert.Equal("insufficient_balance", refused.ErrorCode);
        Assert.Contains("needed 0.000038, held 0.00, available 0.00003 USD; 6 output tokens would be affordable", (string?)refused.Json["error"]!["message"], StringComparison.Ordinal);
        Assert.Equal("100", refused.Header("x-ratelimit-limit-requests"));
        Assert.Null(refused.Header("retry-after"));
        Assert.Equal(200, (int)(await site.Gateway.PostAsync(Body(stream: true, maxTokens: 6), key)).Status);
    }

    [Fact]
    public async Task SpendOfADay_Reached_Is402NamingTheLimit()
    {
        await using var site = await StartAsync();
        var key = await site.Gateway.NewKeyAsync("daily", 1m, keyTerms: new Terms { SpendDay = 60_000 });
        // Each holds 38,000 and costs 22,000 nano-dollars: the third would pass 60,000.
        Assert.Equal(200, (int)(await site.Gateway.PostAsync(Body(stream: true), key)).Status);
        Assert.Equal(200, (int)(await site.Gateway.PostAsync(Body(stream: false), key)).Status);
        var refused = await site.Gateway.PostAsync(Body(stream: false), key);
        Assert.Equal(402, (int)refused.Status);
        Assert.Equal("insufficient_balance", refused.ErrorCode);
        Assert.Contains("spend-day", (string?)refused.Json["error"]!["message"], StringComparison.Ordinal);
        Assert.Null(refused.Header("retry-after"));
    }

    [Fact]
    public async Task Spend_OfACallThatWasPartlyUncovered_CountsWhatLeftTheBalance()
    {
        const string dear = """{"prompt_tokens":18,"completion_tokens":30,"total_tokens":48}""";
        await using var site = await EndingSite.JsonAsync(s_plain.Replace(Usage, dear, StringComparison.Ordinal));
        var key = await site.Gateway.NewKeyAsync("short", 0.000038m, keyTerms: new Terms { SpendTotal = 100_000 });
        var reply = await site.Gateway.PostAsync(Body(stream: false), key);
        Assert.Equal("0.000038", reply.Header("x-crossmodel-cost"));
        await CreditAsync(site, "short", 1_000_000);
        // 38,000 were spent, not the price of 78,000: another hold of 38,000 fits.
        Assert.Equal(200, (int)(await site.Gateway.PostAsync(Body(stream: false), key)).Status);
    }

    [Fact]
    public async Task Seat_OfAStream_IsTakenToItsEnd()
    {
        var gate = new TaskCompletionSource();
        await using var site = await StartAsync(gate.Task);
        var key = await site.Gateway.NewKeyAsync("single", 1m, keyTerms: new Terms { Parallel = 1 });
        using var stream = await site.Gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Body(stream: true)), key);

        var refused = await site.Gateway.PostAsync(Body(stream: false), key);
        Assert.Equal(429, (int)refused.Status);
        Assert.Equal("1", refused.Header("retry-after"));
        Assert.Contains("parallel", (string?)refused.Json["error"]!["message"], StringComparison.Ordinal);

        gate.SetResult();
        Assert.EndsWith("[DONE]\n\n", (await Http.ReadAsync(stream)).Text, StringComparison.Ordinal);
        Assert.Equal(200, (int)(await site.Gateway.PostAsync(Body(stream: false), key)).Status);
    }

    /// <summary>Two connections in turn: the server does not know that the caller has read the last reply, so it must not matter what it still does after that.</summary>
    [Fact]
    public async Task Seat_OfOneCallAfterAnother_IsAlwaysFree()
    {
        await using var site = await StartAsync();
        var key = await site.Gateway.NewKeyAsync("single", 1m, accountTerms: new Terms { Parallel = 1 });
        using var second = new Http(site.Gateway.Address);
        for (var i = 0; i < 600; i++)
        {
            var reply = await (i % 2 == 0 ? site.Gateway.Http : second).SendAsync(HttpMethod.Post, "/v1/chat/completions", Body(stream: i % 3 == 0), key);
            Assert.True((int)reply.Status == 200, $"call {i}: {reply.Text}");
        }
    }

    [Fact]
    public async Task Seat_OfOneFailedCallAfterAnother_IsAlwaysFree()
    {
        await using var site = await EndingSite.JsonAsync("not json");
        var key = await site.Gateway.NewKeyAsync("single", 1m, accountTerms: new Terms { Parallel = 1 });
        using var second = new Http(site.Gateway.Address);
        for (var i = 0; i < 300; i++)
        {
            var reply = await (i % 2 == 0 ? site.Gateway.Http : second).SendAsync(HttpMethod.Post, "/v1/chat/completions", Body(stream: i % 3 == 0), key);
            Assert.True((int)reply.Status == 502, $"call {i}: {reply.Text}");
        }
    }

    [Fact]
    public async Task Tokens_HeldByAStream_AreCorrectedAtItsEnd()
    {
        var gate = new TaskCompletionSource();
        await using var site = await StartAsync(gate.Task);
        var key = await site.Gateway.NewKeyAsync("tokens", 1m, keyTerms: new Terms { TokensPerMinute = 200 });
        using var stream = await site.Gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Body(stream: true, maxTokens: 150)), key);
        Assert.Equal("200", stream.Headers.GetValues("x-ratelimit-limit-tokens").Single());
        Assert.Equal("32", stream.Headers.GetValues("x-ratelimit-remaining-tokens").Single());

        var refused = await site.Gateway.PostAsync(Body(stream: false, maxTokens: 100), key);
        Assert.Equal(429, (int)refused.Status);
        Assert.Contains("tpm", (string?)refused.Json["error"]!["message"], StringComparison.Ordinal);

        gate.SetResult();
        await Http.ReadAsync(stream);
        var reply = await site.Gateway.PostAsync(Body(stream: false, maxTokens: 100), key);
        Assert.Equal(200, (int)reply.Status);
        // 17 and 17 tokens were used by then.
        Assert.Equal("166", reply.Header("x-ratelimit-remaining-tokens"));
    }

    [Fact]
    public async Task Account_AsksItsOwnMoneyLimitsAndSpend()
    {
        await using var site = await StartAsync();
        var key = await site.Gateway.NewKeyAsync("mine", 2m, accountTerms: new Terms { TokensPerMinute = 5000 }, keyTerms: new Terms { RequestsPerMinute = 60, SpendMonth = 1_000_000_000 });
        var reply = await site.Gateway.PostAsync(Body(stream: false), key);
        Assert.Equal("0.000022", reply.Header("x-crossmodel-cost"));

        var account = (await site.Gateway.Http.GetAsync("/v1/account", key)).Json;

        Assert.Equal("mine", (string?)account["account"]);
        Assert.Equal("1.999978", (string?)account["balance"]);
        Assert.Equal("0.00", (string?)account["held"]);
        Assert.Equal("1.999978", (string?)account["available"]);
        Assert.Equal(5000, (int)account["limits"]!["tpm"]!);
        Assert.Equal("0.000022", (string?)account["spend"]!["day"]);
        Assert.Equal("0.000022", (string?)account["spend"]!["month"]);
        Assert.Equal("0.000022", (string?)account["spend"]!["total"]);
        Assert.Equal(60, (int)account["key"]!["limits"]!["rpm"]!);
        Assert.Equal("1.00", (string?)account["key"]!["limits"]!["spend_month"]);
        Assert.Equal("0.000022", (string?)account["key"]!["spend"]!["total"]);
        // The receipt is the account's own alone.
        var id = reply.Header("x-request-id");
        Assert.Equal(200, (int)(await site.Gateway.Http.GetAsync("/v1/requests/" + id, key)).Status);
        Assert.Equal(404, (int)(await site.Gateway.Http.GetAsync("/v1/requests/" + id, site.Gateway.Key)).Status);
    }

    /// <summary>Two models of one upstream, which refuses the model m-down.</summary>
    private static async Task<(ScriptedUpstream Upstream, TestGateway Gateway)> StartTwoAsync(string limits, string secondLimits = "{}", string first = "m")
    {
        var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            http.Response.StatusCode = received.Text.Contains("m-down", StringComparison.Ordinal) ? 500 : 200;
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync(s_plain);
        });
        return (upstream, await TestGateway.StartAsync(upstream.BaseUrl, $$"""
            "test/model": { "routes": [ { "upstream": "up", "model": "{{first}}" } ], "price": { "input": 1.00, "output": 2.00 }, "limits": {{limits}} },
            "test/second": { "routes": [ { "upstream": "up", "model": "m2" } ], "price": { "input": 1.00, "output": 2.00 }, "limits": {{secondLimits}} }
            """));
    }

    private static string WithSecond(int maxTokens = 10) => Body(stream: false, maxTokens).Replace("\"model\":\"test/model\"", "\"model\":\"test/model\",\"models\":[\"test/second\"]", StringComparison.Ordinal);

    [Fact]
    public async Task Model_AtItsLimit_Is429ForTheAccountThatUsedItAndForNoOther()
    {
        var (upstream, gateway) = await StartTwoAsync("""{ "rpm": 2 }""");
        var other = await gateway.NewKeyAsync("other", 1m);
        for (var left = 1; left >= 0; left--)
        {
            var reply = await gateway.PostAsync(Body(stream: false));
            Assert.Equal(200, (int)reply.Status);
            Assert.Equal("2", reply.Header("x-ratelimit-limit-requests"));
            Assert.Equal(left.ToString(CultureInfo.InvariantCulture), reply.Header("x-ratelimit-remaining-requests"));
        }
        var refused = await gateway.PostAsync(Body(stream: true));
        Assert.Equal(429, (int)refused.Status);
        Assert.Contains("The limit rpm of this account for model test/model is reached: 2 requests per minute.", (string?)refused.Json["error"]!["message"], StringComparison.Ordinal);
        Assert.Equal("0", refused.Header("x-ratelimit-remaining-requests"));
        Assert.InRange(int.Parse(refused.Header("retry-after")!, CultureInfo.InvariantCulture), 1, 60);
        Assert.Equal(200, (int)(await gateway.PostAsync(Body(stream: false), other)).Status);
        var unlimited = await gateway.PostAsync(Body(stream: false).Replace("test/model", "test/second", StringComparison.Ordinal));
        Assert.Equal(200, (int)unlimited.Status);
        Assert.Null(unlimited.Header("x-ratelimit-limit-requests"));
        await gateway.DisposeAsync();
        await upstream.DisposeAsync();
    }

    [Fact]
    public async Task Model_AtItsLimit_IsPassedOverForTheNextOfTheList()
    {
        var (upstream, gateway) = await StartTwoAsync("""{ "rpm": 1 }""", """{ "rpm": 5, "tpm": 1000 }""");
        Assert.Equal("test/model", (string?)(await gateway.PostAsync(WithSecond())).Json["model"]);
        var second = await gateway.PostAsync(WithSecond());
        Assert.Equal("test/second", (string?)second.Json["model"]);
        Assert.Equal("4", second.Header("x-ratelimit-remaining-requests"));
        for (var i = 0; i < 4; i++) Assert.Equal(200, (int)(await gateway.PostAsync(WithSecond())).Status);
        var refused = await gateway.PostAsync(WithSecond());
        Assert.Equal(429, (int)refused.Status);
        Assert.Equal(6, upstream.Received.Count);
        await gateway.DisposeAsync();
        await upstream.DisposeAsync();
    }

    [Fact]
    public async Task Models_AllAtTheirLimits_TellTheTimeOfTheOneThatOpensFirst()
    {
        var open = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if (received.Text.Contains("\"m2\"", StringComparison.Ordinal)) await open.Task.WaitAsync(TimeSpan.FromSeconds(20));
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync(s_plain);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, """
            "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free", "limits": { "rpm": 1 } },
            "test/second": { "routes": [ { "upstream": "up", "model": "m2" } ], "price": "free", "limits": { "parallel": 1 } }
            """);
        Assert.Equal("test/model", (string?)(await gateway.PostAsync(WithSecond())).Json["model"]);
        var running = gateway.PostAsync(WithSecond());
        await Until.TrueAsync(() => upstream.Received.Count == 2);

        var refused = await gateway.PostAsync(WithSecond());
        open.SetResult();

        // A seat may be free in a second, a request of the first model in a minute.
        Assert.Equal((429, "1"), ((int)refused.Status, refused.Header("retry-after")));
        Assert.Equal("test/second", (string?)(await running).Json["model"]);
    }

    [Fact]
    public async Task Model_TakenAfterAnotherFailed_CountsForItself()
    {
        var (upstream, gateway) = await StartTwoAsync("""{ "rpm": 100, "tpm": 1000, "parallel": 1 }""", """{ "rpm": 2, "tpm": 1000, "parallel": 1 }""", first: "m-down");
        for (var left = 1; left >= 0; left--)
        {
            var reply = await gateway.PostAsync(WithSecond());
            Assert.Equal("test/second", (string?)reply.Json["model"]);
            Assert.Equal(left.ToString(CultureInfo.InvariantCulture), reply.Header("x-ratelimit-remaining-requests"));
        }
        // The second is full: what is left is the first one's failure, and its model counts the calls as requests only.
        var failed = await gateway.PostAsync(WithSecond());
        Assert.Equal(502, (int)failed.Status);
        Assert.Equal("97", failed.Header("x-ratelimit-remaining-requests"));
        Assert.Equal("1000", failed.Header("x-ratelimit-remaining-tokens"));
        await gateway.DisposeAsync();
        await upstream.DisposeAsync();
    }

    /// <summary>Neither key, account nor first model has a limit: the seat at the second is the call's only one.</summary>
    [Fact]
    public async Task Model_TakenAfterOneWithoutLimits_GetsItsSeatBackAndTheTrueNumbers()
    {
        var (upstream, gateway) = await StartTwoAsync("{}", """{ "tpm": 1000, "parallel": 1 }""", first: "m-down");
        for (var used = 17; used <= 34; used += 17)
        {
            var reply = await gateway.PostAsync(WithSecond());
            Assert.Equal((200, (1000 - used).ToString(CultureInfo.InvariantCulture)), ((int)reply.Status, reply.Header("x-ratelimit-remaining-tokens")));
        }
        await gateway.DisposeAsync();
        await upstream.DisposeAsync();
    }

    [Fact]
    public async Task ModelSpendOfADay_Reached_Is402_AndARestartRemembersIt()
    {
        const string limited = ""","limits": { "spendDay": 0.00006 }""";
        await using var upstream = await ScriptedUpstream.JsonAsync(s_plain);
        await using var site = await ProofSite.MakeAsync(postgres: false, upstream.BaseUrl, model: limited);
        var (key, other) = (await site.NewKeyAsync("mine", 1m), await site.NewKeyAsync("other", 1m));
        await using (var server = await ServerProcess.StartAsync(site.ConfigFile))
        {
            // Each holds 38,000 and costs 22,000 nano-dollars: the third would pass 60,000.
            for (var i = 0; i < 2; i++) Assert.Equal(200, (int)(await server.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Body(stream: false), key)).Status);
            await server.TerminateAsync();
        }
        await using var again = await ServerProcess.StartAsync(site.ConfigFile);
        var refused = await again.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Body(stream: false), key);
        Assert.Equal(402, (int)refused.Status);
        Assert.Contains("The limit spend-day of this account for model test/model is reached: 0.00006 USD.", (string?)refused.Json["error"]!["message"], StringComparison.Ordinal);
        Assert.Equal(200, (int)(await again.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Body(stream: false), other)).Status);
        await site.AssertBooksAgreeAsync("mine");
    }

    [Fact]
    public async Task ModelLimits_ChangedInTheFile_HoldForTheCallsThatFollow()
    {
        var (upstream, gateway) = await StartTwoAsync("""{ "rpm": 1 }""");
        Assert.Equal(200, (int)(await gateway.PostAsync(Body(stream: false))).Status);
        Assert.Equal(429, (int)(await gateway.PostAsync(Body(stream: false))).Status);
        var config = await File.ReadAllTextAsync(gateway.ConfigFile);
        await File.WriteAllTextAsync(gateway.ConfigFile, config.Replace("\"rpm\": 1 ", "\"rpm\": 3 ", StringComparison.Ordinal));
        await Until.TrueAsync(async () => (await gateway.PostAsync(Body(stream: false))).Header("x-ratelimit-limit-requests") == "3");
        await File.WriteAllTextAsync(gateway.ConfigFile, config.Replace("\"rpm\": 1 ", "", StringComparison.Ordinal));
        await Until.TrueAsync(async () => (await gateway.PostAsync(Body(stream: false))).Header("x-ratelimit-limit-requests") is null);
        await gateway.DisposeAsync();
        await upstream.DisposeAsync();
    }

    private static async Task CreditAsync(EndingSite site, string account, long amount)
    {
        var database = site.Gateway.Gateway.Database;
        var id = await database.ReadAsync(s => s.FirstAsync("SELECT id FROM account WHERE name = @name", row => row.GetString(0), ("@name", account)));
        await new Ledger(database).CreditAsync(id!, amount, null, null);
    }
}
