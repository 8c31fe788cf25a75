using System.Text;
using CrossModel.Billing;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>Every way in which a call can end, by name: what the record says of it (basis, status, tokens) and what it costs. The rules are docs/billing.md, section 2.</summary>
public sealed class EndingProofs
{
    // A prompt of 30 bytes in one message: estimated as 10 + 8 tokens. Prices 1.00 and 2.00 USD per million: a token is 1,000 or 2,000 nano-dollars.
    private const long EstimatedPrompt = 18;
    private const string Reported = """{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17}""";
    private const long ReportedCost = 12 * 1000 + 5 * 2000;

    private static string Plain(string message, string? usage, string finish = "stop") =>
        $$"""{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{{message}},"finish_reason":"{{finish}}"}]{{(usage is null ? "" : ",\"usage\":" + usage)}}}""";

    private static string Chunk(string delta, string? finish = null) =>
        $$"""{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{{delta}},"finish_reason":{{(finish is null ? "null" : $"\"{finish}\"")}}}]}""";

    private static string UsageChunk(string usage) => $$"""{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{{usage}}}""";

    private const string TwelveBytes = """{"role":"assistant","content":"twelve bytes"}""";

    // ------------------------------------------------------------------ complete

    [Fact]
    public async Task Complete_Plain_IsChargedAsReported()
    {
        await using var site = await EndingSite.JsonAsync(Plain(TwelveBytes, Reported));
        var reply = await site.PlainAsync();
        Assert.Equal(200, (int)reply.Status);
        await site.AssertRecordAsync(reply, "reported", 200, (12, 5), ReportedCost);
    }

    [Fact]
    public async Task Complete_Stream_IsChargedAsReported()
    {
        await using var site = await EndingSite.EventsAsync(Chunk(TwelveBytes), Chunk("{}", "stop"), UsageChunk(Reported), "[DONE]");
        var reply = await site.StreamAsync();
        Assert.Equal("[DONE]", reply.Events[^1]);
        await site.AssertRecordAsync(reply, "reported", 200, (12, 5), ReportedCost);
    }

    [Fact]
    public async Task CompleteWithoutUsage_Plain_IsCounted()
    {
        await using var site = await EndingSite.JsonAsync(Plain(TwelveBytes, null));
        var reply = await site.PlainAsync();
        await site.AssertRecordAsync(reply, "counted", 200, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000);
    }

    [Fact]
    public async Task CompleteWithoutUsage_Stream_IsCounted()
    {
        await using var site = await EndingSite.EventsAsync(Chunk(TwelveBytes), Chunk("""{"content":"!"}"""), Chunk("{}", "stop"), "[DONE]");
        var reply = await site.StreamAsync();
        // 13 bytes are 4 tokens: a quarter each, rounded up once.
        await site.AssertRecordAsync(reply, "counted", 200, (EstimatedPrompt, 4), EstimatedPrompt * 1000 + 4 * 2000);
    }

    [Fact]
    public async Task CompleteWithReportedZeros_IsBelieved()
    {
        await using var site = await EndingSite.JsonAsync(Plain(TwelveBytes, """{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"""));
        var reply = await site.PlainAsync();
        await site.AssertRecordAsync(reply, "reported", 200, (0, 0), 0);
    }

    // ------------------------------------------------------------------ caller gone

    [Fact]
    public async Task CallerGone_BeforeTheReplyBegins_IsWaived()
    {
        await using var site = await EndingSite.StartAsync((http, _) => HangAsync(http));
        var id = await site.LeaveAsync(stream: true, onceUpstreamWasAsked: true);
        await site.AssertRecordAsync(id, "waived", 499, (0, 0), 0);
    }

    [Fact]
    public async Task CallerGone_BeforeAPlainReplyIsWhole_IsWaived()
    {
        await using var site = await EndingSite.StartAsync((http, _) => HangAsync(http));
        var id = await site.LeaveAsync(stream: false, onceUpstreamWasAsked: true);
        await site.AssertRecordAsync(id, "waived", 499, (0, 0), 0);
    }

    [Fact]
    public async Task CallerGone_DuringAStream_IsCountedAndTheUpstreamIsCancelled()
    {
        var cancelled = new TaskCompletionSource();
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            await SendAsync(http, Chunk(TwelveBytes));
            await HangAsync(http);
            cancelled.SetResult();
        });
        var id = await site.LeaveAsync(stream: true, onceUpstreamWasAsked: false);
        await cancelled.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await site.AssertRecordAsync(id, "counted", 499, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000);
    }

    [Fact]
    public async Task CallerGone_DuringAStreamWhoseUsageHasCome_IsChargedAsReported()
    {
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            await SendAsync(http, $$"""{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{{TwelveBytes}},"finish_reason":null}],"usage":{{Reported}}}""");
            await HangAsync(http);
        });
        var id = await site.LeaveAsync(stream: true, onceUpstreamWasAsked: false);
        await site.AssertRecordAsync(id, "reported", 499, (12, 5), ReportedCost);
    }

    [Fact]
    public async Task CallerGone_AtTheEnd_IsChargedAsReported()
    {
        // The upstream has said everything; the caller leaves while the last bytes wait for the books.
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            await SendAsync(http, Chunk(TwelveBytes), Chunk("{}", "stop"), UsageChunk(Reported), "[DONE]");
        });
        var id = await site.LeaveAsync(stream: true, onceUpstreamWasAsked: false);
        await site.AssertChargedAsync(id, "reported", ReportedCost);
    }

    // ------------------------------------------------------------------ upstream cut

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task UpstreamCut_BeforeContent_IsWaived(bool stream)
    {
        await using var site = await EndingSite.StartAsync((http, _) =>
        {
            http.Abort();
            return Task.CompletedTask;
        });
        var reply = await site.AskAsync(stream);
        Assert.Equal(502, (int)reply.Status);
        await site.AssertRecordAsync(reply, "waived", 502, (0, 0), 0);
    }

    [Fact]
    public async Task UpstreamCut_AfterContent_IsCounted()
    {
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            await SendAsync(http, Chunk(TwelveBytes));
            await CutAsync(http);
        });
        var reply = await site.StreamAsync();
        Assert.Equal("provider_error", (string?)reply.Chunks[^1]["error"]?["code"]);
        Assert.DoesNotContain("[DONE]", reply.Events);
        await site.AssertRecordAsync(reply, "counted", 200, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000);
    }

    [Fact]
    public async Task UpstreamCut_InsideAPlainReply_IsWaived()
    {
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            http.Response.ContentLength = 10_000;
            await http.Response.WriteAsync(Plain(TwelveBytes, Reported)[..40]);
            await http.Response.Body.FlushAsync();
            http.Abort();
        });
        var reply = await site.PlainAsync();
        Assert.Equal(502, (int)reply.Status);
        await site.AssertRecordAsync(reply, "waived", 502, (0, 0), 0);
    }

    [Fact]
    public async Task UpstreamCut_AfterTheFinish_IsAWholeReply()
    {
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            await SendAsync(http, Chunk(TwelveBytes), Chunk("{}", "stop"));
            await CutAsync(http);
        });
        var reply = await site.StreamAsync();
        Assert.Equal("[DONE]", reply.Events[^1]);
        await site.AssertRecordAsync(reply, "counted", 200, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000);
    }

    [Fact]
    public async Task UpstreamCut_InsideTheOnlyEvent_IsPaidAsDelivered()
    {
        // Whole but for the blank line behind it.
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            http.Response.ContentType = "text/event-stream";
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes($"data: {Chunk(TwelveBytes, "stop")}\n"));
            await http.Response.Body.FlushAsync();
            await CutAsync(http);
        });
        var reply = await site.StreamAsync();
        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.Contains("twelve bytes", reply.Text, StringComparison.Ordinal);
        await site.AssertRecordAsync(reply, "counted", 200, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000);
    }

    [Fact]
    public async Task UpstreamError_InsideAStream_IsCounted()
    {
        await using var site = await EndingSite.EventsAsync(Chunk(TwelveBytes), """{"error":{"message":"overloaded","type":"server_error"}}""");
        var reply = await site.StreamAsync();
        Assert.NotNull(reply.Chunks[^1]["error"]);
        await site.AssertRecordAsync(reply, "counted", 200, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000);
    }

    // ------------------------------------------------------------------ blocked, empty

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Blocked_WithReportedPrompt_CostsWhatTheProviderReports(bool stream)
    {
        const string usage = """{"prompt_tokens":12,"completion_tokens":0,"total_tokens":12}""";
        await using var site = stream
            ? await EndingSite.EventsAsync(Chunk("""{"role":"assistant"}""", "content_filter"), UsageChunk(usage), "[DONE]")
            : await EndingSite.JsonAsync(Plain("""{"role":"assistant","content":null}""", usage, "content_filter"));
        var reply = await site.AskAsync(stream);
        Assert.Contains("\"content_filter\"", reply.Text, StringComparison.Ordinal);
        await site.AssertRecordAsync(reply, "reported", 200, (12, 0), 12_000);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Empty_WithoutOutputTokens_IsWaived(bool stream)
    {
        const string usage = """{"prompt_tokens":12,"completion_tokens":0,"total_tokens":12}""";
        await using var site = stream
            ? await EndingSite.EventsAsync(Chunk("""{"role":"assistant"}"""), Chunk("{}", "stop"), UsageChunk(usage), "[DONE]")
            : await EndingSite.JsonAsync(Plain("""{"role":"assistant","content":""}""", usage));
        var reply = await site.AskAsync(stream);
        await site.AssertRecordAsync(reply, "waived", 200, (0, 0), 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Empty_ButItsWholeCapWentIntoReasoning_IsCharged(bool stream)
    {
        const string usage = """{"prompt_tokens":12,"completion_tokens":50,"total_tokens":62,"completion_tokens_details":{"reasoning_tokens":50}}""";
        await using var site = stream
            ? await EndingSite.EventsAsync(Chunk("""{"role":"assistant"}"""), Chunk("{}", "length"), UsageChunk(usage), "[DONE]")
            : await EndingSite.JsonAsync(Plain("""{"role":"assistant","content":""}""", usage, "length"));
        var reply = await site.AskAsync(stream);
        await site.AssertRecordAsync(reply, "reported", 200, (12, 50), 12_000 + 100_000);
    }

    // ------------------------------------------------------------------ time limit, server stopping

    [Fact]
    public async Task TimeLimit_BeforeContent_IsWaived()
    {
        await using var site = await EndingSite.StartAsync((http, _) => HangAsync(http), upstreamMore: ", \"timeouts\": { \"firstByte\": \"200ms\", \"total\": \"400ms\" }");
        var reply = await site.StreamAsync();
        Assert.Equal(502, (int)reply.Status);
        await site.AssertRecordAsync(reply, "waived", 502, (0, 0), 0);
    }

    [Fact]
    public async Task TimeLimit_AfterContent_IsCounted()
    {
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            await SendAsync(http, Chunk(TwelveBytes));
            await HangAsync(http);
        }, upstreamMore: ", \"timeouts\": { \"idle\": \"200ms\" }");
        var reply = await site.StreamAsync();
        Assert.Equal("provider_error", (string?)reply.Chunks[^1]["error"]?["code"]);
        await site.AssertRecordAsync(reply, "counted", 200, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000);
    }

    [Fact]
    public async Task ServerStopping_InAStream_EndsItWithTheErrorEventAndCounts()
    {
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            await SendAsync(http, Chunk(TwelveBytes));
            await HangAsync(http);
        }, more: "\"shutdownTimeout\": \"300ms\",");
        using var response = await site.OpenAsync(stream: true);
        await using var body = await response.Content.ReadAsStreamAsync();
        Assert.True(await body.ReadAsync(new byte[1024]) > 0);
        await site.Gateway.Gateway.StopAsync();
        var rest = await new StreamReader(body).ReadToEndAsync();
        Assert.Contains("\"model_unavailable\"", rest, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", rest, StringComparison.Ordinal);
        await site.AssertRecordAsync(response.Headers.GetValues("x-request-id").Single(), "counted", 200, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000, overHttp: false);
    }

    // ------------------------------------------------------------------ balance exhausted in a stream

    [Fact]
    public async Task BalanceExhausted_InAStreamThatStopsThen_EndsWithLength()
    {
        // Money for 18 + 10 tokens of hold; the upstream ignores the cap and sends 12 bytes (3 tokens) again and again, each once the caller has read the
        // one before: what comes while the gateway is kept from reading would be read at once, and be delivered before it is asked whether there is money.
        using var next = new SemaphoreSlim(1);
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            for (var i = 0; i < 2000; i++)
            {
                await next.WaitAsync(http.RequestAborted);
                await SendAsync(http, Chunk(TwelveBytes));
            }
        }, model: ", \"stopAtBalance\": true", balance: (EstimatedPrompt * 1000 + 10 * 2000) / 1_000_000_000m);
        using var response = await site.OpenAsync(stream: true, maxTokens: 10);
        using var lines = new StreamReader(await response.Content.ReadAsStreamAsync());
        var read = new List<string>();
        while (await lines.ReadLineAsync() is { } line)
        {
            read.Add(line);
            if (line.Contains("twelve bytes", StringComparison.Ordinal)) next.Release();
        }
        Assert.Equal("data: [DONE]", read.Last(line => line.Length > 0));
        Assert.Contains(read, line => line.Contains("\"finish_reason\":\"length\"", StringComparison.Ordinal));
        var receipt = await site.ReceiptAsync(response.Headers.GetValues("x-request-id").Single());
        Assert.Equal("counted", (string?)receipt["basis"]);
        Assert.Equal(200, (int)receipt["status"]!);
        // It ended within the money: all of it was charged, and little of what was delivered is the operator's loss.
        Assert.InRange(Usd.Parse((string)receipt["cost"]!)!.Value, 30_000, 38_000);
        Assert.InRange(Usd.Parse((string)receipt["uncovered"]!)!.Value, 0, 6_000);
        Assert.Equal("0.00", (string?)(await site.AccountAsync())["held"]);
    }

    [Fact]
    public async Task BalanceExhausted_InAStreamThatGoesOn_LeavesTheRestUncovered()
    {
        await using var site = await EndingSite.StartAsync(async (http, _) =>
        {
            // One by one: each asks for money.
            for (var i = 0; i < 10; i++)
            {
                await SendAsync(http, Chunk(TwelveBytes));
                await Task.Delay(20);
            }
            await SendAsync(http, Chunk("{}", "stop"), UsageChunk("""{"prompt_tokens":18,"completion_tokens":30,"total_tokens":48}"""), "[DONE]");
        }, balance: (EstimatedPrompt * 1000 + 10 * 2000) / 1_000_000_000m);
        var reply = await site.StreamAsync(maxTokens: 10);
        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.Contains(reply.Chunks, c => (string?)c["choices"]?.AsArray().FirstOrDefault()?["finish_reason"] == "stop");
        var receipt = await site.ReceiptAsync(reply.Header("x-request-id")!);
        Assert.Equal("reported", (string?)receipt["basis"]);
        Assert.Equal("0.000038", (string?)receipt["cost"]);
        Assert.Equal("0.00004", (string?)receipt["uncovered"]);
        Assert.Equal("0.00", (string?)(await site.AccountAsync())["balance"]);
        Assert.Equal(0.000038m, (decimal)reply.Chunks[^1]["usage"]!["cost"]!);
    }

    // ------------------------------------------------------------------ database away at the settlement

    [Fact]
    public async Task DatabaseAway_AtTheSettlement_PlainIsNeverCharged_StreamIsChargedOnceItIsBack()
    {
        PostgresServer.SkipIfMissing();
        await using var postgres = await PostgresServer.StartNewAsync();
        var gate = new TaskCompletionSource();
        await using var site = await EndingSite.StartAsync(async (http, received) =>
        {
            if (!received.Text.Contains("\"stream\":true", StringComparison.Ordinal))
            {
                await gate.Task;
                http.Response.ContentType = "application/json";
                await http.Response.WriteAsync(Plain(TwelveBytes, Reported));
                return;
            }
            await SendAsync(http, Chunk(TwelveBytes));
            await gate.Task;
            await SendAsync(http, Chunk("{}", "stop"), UsageChunk(Reported), "[DONE]");
        }, database: await postgres.CreateDatabaseAsync());
        var limited = await site.NewKeyAsync(new Accounts.Terms { TokensPerMinute = 1000 });
        var (plain, stream) = (site.PlainAsync(), site.Gateway.PostAsync(EndingSite.Body(stream: true, 50), limited));
        await site.WaitForUpstreamAsync(calls: 2);
        await postgres.StopAsync();
        gate.SetResult();

        var refused = await plain;
        Assert.Equal(503, (int)refused.Status);
        Assert.Equal("model_unavailable", refused.ErrorCode);
        Assert.NotNull(refused.Header("retry-after"));
        var cut = await stream;
        Assert.Equal("model_unavailable", (string?)cut.Chunks[^1]["error"]?["code"]);
        Assert.DoesNotContain("[DONE]", cut.Events);
        Assert.DoesNotContain("\"stop\"", cut.Text, StringComparison.Ordinal);

        await postgres.StartAsync();
        await site.WaitForServiceAsync();
        await site.AssertRecordAsync(cut.Header("x-request-id")!, "reported", 200, (12, 5), ReportedCost);
        Assert.Equal(404, (int)(await site.Gateway.Http.GetAsync("/v1/requests/" + refused.Header("x-request-id"), site.Gateway.Key)).Status);
        var account = await site.AccountAsync();
        Assert.Equal("0.000022", (string?)account["spend"]!["total"]);
        Assert.Equal("0.00", (string?)account["held"]);
        // Of the key's tokens too: 17 that were still to be charged, and 17 of this call.
        HttpReply? next = null;
        await Until.TrueAsync(async () => (int)(next = await site.Gateway.PostAsync(EndingSite.Body(stream: false, 50), limited)).Status == 200);
        Assert.Equal("966", next!.Header("x-ratelimit-remaining-tokens"));
    }

    [Fact]
    public async Task DatabaseAway_AtTheSettlement_FreesTheIdempotencyKeysOnceItIsBack()
    {
        PostgresServer.SkipIfMissing();
        await using var postgres = await PostgresServer.StartNewAsync();
        var gate = new TaskCompletionSource();
        await using var site = await EndingSite.StartAsync(async (http, received) =>
        {
            await gate.Task;
            if (!received.Text.Contains("\"stream\":true", StringComparison.Ordinal))
            {
                http.Response.ContentType = "application/json";
                await http.Response.WriteAsync(Plain(TwelveBytes, Reported));
                return;
            }
            await SendAsync(http, Chunk(TwelveBytes), Chunk("{}", "stop"), UsageChunk(Reported), "[DONE]");
        }, database: await postgres.CreateDatabaseAsync());
        Task<HttpReply> AskAsync(bool stream) => site.Gateway.PostAsync(EndingSite.Body(stream, null), null, ("Idempotency-Key", stream ? "s" : "p"));
        var (plain, stream) = (AskAsync(stream: false), AskAsync(stream: true));
        await site.WaitForUpstreamAsync(calls: 2);
        await postgres.StopAsync();
        gate.SetResult();
        Assert.Equal(503, (int)(await plain).Status);
        Assert.Equal("model_unavailable", (string?)(await stream).Chunks[^1]["error"]?["code"]);
        Assert.Equal(503, (int)(await AskAsync(stream: false)).Status);

        await postgres.StartAsync();
        await site.WaitForServiceAsync();
        foreach (var streamed in (bool[])[false, true])
        {
            // Connections that broke meanwhile may cost a try or two more; each is told so.
            HttpReply? repeat = null;
            await Until.TrueAsync(async () => (int)(repeat = await AskAsync(streamed)).Status != 503, seconds: 20);
            Assert.True((int)repeat!.Status == 200, repeat.Text);
            Assert.Null(repeat.Header("x-crossmodel-replayed"));
            Assert.Equal(repeat.Text, (await AskAsync(streamed)).Text);
        }
        // The stream that was delivered, and the two repeats.
        Assert.Equal(3 * ReportedCost, (long)(1_000_000_000 * decimal.Parse((string)(await site.AccountAsync())["spend"]!["total"]!, System.Globalization.CultureInfo.InvariantCulture)));
    }

    // ------------------------------------------------------------------ hostile usage

    [Theory]
    [InlineData("""{"prompt_tokens":-1,"completion_tokens":5,"total_tokens":4}""")]
    [InlineData("""{"prompt_tokens":12,"completion_tokens":-5,"total_tokens":7}""")]
    [InlineData("""{"prompt_tokens":12.5,"completion_tokens":5,"total_tokens":17.5}""")]
    [InlineData("""{"prompt_tokens":12,"completion_tokens":4611686018427387904,"total_tokens":4611686018427387916}""")]
    [InlineData("""{"prompt_tokens":12,"completion_tokens":2147483649,"total_tokens":17}""")]
    [InlineData("""{"prompt_tokens":1e400,"completion_tokens":5,"total_tokens":17}""")]
    [InlineData("""{"prompt_tokens":99999999999999999999999999,"completion_tokens":5,"total_tokens":17}""")]
    [InlineData("""{"prompt_tokens":"NaN","completion_tokens":5,"total_tokens":17}""")]
    [InlineData("""{"prompt_tokens":"12","completion_tokens":"5","total_tokens":"17"}""")]
    [InlineData("""{"prompt_tokens":{"n":12},"completion_tokens":[5],"total_tokens":true}""")]
    [InlineData("""{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":-3}}""")]
    [InlineData("""{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17,"completion_tokens_details":{"reasoning_tokens":4611686018427387904}}""")]
    [InlineData("""{"prompt_tokens":null,"completion_tokens":null,"total_tokens":null}""")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("\"many\"")]
    [InlineData("7")]
    public async Task HostileUsage_IsNoUsage_TextIsCounted(string usage)
    {
        await using var plain = await EndingSite.JsonAsync(Plain(TwelveBytes, usage));
        var reply = await plain.PlainAsync();
        await plain.AssertRecordAsync(reply, "counted", 200, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000);

        await using var stream = await EndingSite.EventsAsync(Chunk(TwelveBytes), Chunk("{}", "stop"), UsageChunk(usage), "[DONE]");
        reply = await stream.StreamAsync();
        await stream.AssertRecordAsync(reply, "counted", 200, (EstimatedPrompt, 3), EstimatedPrompt * 1000 + 3 * 2000);
    }

    [Theory]
    // More cached than read: this server's prompt leaves out what was cached (docs/dialects/openai.md), so it is added.
    [InlineData("""{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":40}}""", 52, 5)]
    // More reasoning than completion: the completion leaves it out.
    [InlineData("""{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17,"completion_tokens_details":{"reasoning_tokens":40}}""", 12, 45)]
    // A total that contradicts its parts is not believed over them.
    [InlineData("""{"prompt_tokens":12,"completion_tokens":5,"total_tokens":3}""", 12, 5)]
    [InlineData("""{"prompt_tokens":12,"completion_tokens":5,"total_tokens":900000}""", 12, 5)]
    public async Task ContradictoryUsage_IsReadByItsParts(string usage, long prompt, long completion)
    {
        await using var site = await EndingSite.JsonAsync(Plain(TwelveBytes, usage));
        var reply = await site.PlainAsync();
        await site.AssertRecordAsync(reply, "reported", 200, (prompt, completion), prompt * 1000 + completion * 2000);
    }

    [Fact]
    public async Task HostileUsage_OfTheLargestCountsThatAreBelieved_NeverTakesMoreThanTheBalance()
    {
        await using var site = await EndingSite.JsonAsync(Plain(TwelveBytes, """{"prompt_tokens":147483648,"completion_tokens":2000000000,"total_tokens":2147483648}"""));
        var reply = await site.PlainAsync();
        Assert.Equal(200, (int)reply.Status);
        var receipt = await site.ReceiptAsync(reply.Header("x-request-id")!);
        Assert.Equal("1.00", (string?)receipt["cost"]);
        // 147,483,648 × 1.00 + 2,000,000,000 × 2.00 USD per million, of which 1 USD was there.
        Assert.Equal("4146.483648", (string?)receipt["uncovered"]);
        Assert.Equal("0.00", (string?)(await site.AccountAsync())["balance"]);
    }

    private static async Task SendAsync(HttpContext http, params string[] events)
    {
        if (!http.Response.HasStarted) http.Response.ContentType = "text/event-stream";
        foreach (var data in events) await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes($"data: {data}\n\n"));
        await http.Response.Body.FlushAsync();
    }

    /// <summary>A reset may overtake what was sent before it: the gateway gets a moment to read that.</summary>
    private static async Task CutAsync(HttpContext http)
    {
        await Task.Delay(300);
        http.Abort();
    }

    private static Task HangAsync(HttpContext http)
    {
        var gone = new TaskCompletionSource();
        http.RequestAborted.Register(gone.SetResult);
        return gone.Task;
    }
}
