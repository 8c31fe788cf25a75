using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>n = 3 of a server that gives one candidate at a time: asked three times side by side and merged.</summary>
public sealed class FanOut
{
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"n":3}""";
    private const string Stream = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"n":3,"stream":true,"stream_options":{"include_usage":true}}""";
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } """;

    /// <param name="fails">Told the number of the request, from 1: does it fail?</param>
    private static Task<ScriptedUpstream> UpstreamAsync(Func<int, bool> fails)
    {
        var count = 0;
        return ScriptedUpstream.StartAsync((http, received) => fails(Interlocked.Increment(ref count))
            ? UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", 500)
            : UsualReply.AnswerAsync(http, received));
    }

    private const string Costed = """ "test/model": { "routes": [ { "upstream": "up", "model": "m", "cost": { "input": 1, "output": 1 } } ], "price": { "input": 1, "output": 1 } } """;

    private static async Task<long?> OperatorCostAsync(TestGateway gateway, HttpReply reply) =>
        (await new CrossModel.Usage.UsageQueries(gateway.Gateway.Database).FindAsync(reply.Header("x-request-id")!, TestContext.Current.CancellationToken))?.Record.OperatorCost;

    private static Task<TestGateway> GatewayAsync(ScriptedUpstream upstream) => TestGateway.StartAsync(upstream.BaseUrl, Priced, upstreamMore: """, "preset": "groq" """);

    private static async Task<JsonNode> ReceiptAsync(TestGateway gateway, HttpReply reply) =>
        (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;

    /// <summary>Who was cancelled because another failed, at its first try or its second, was not left by his caller: that one is there, and is told.</summary>
    [Fact]
    public async Task Candidate_CancelledForAnothersFailure_IsNamedSo()
    {
        var asked = 0;
        var again = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            var candidate = (int)received.Json["seed"]! - 41;
            if (candidate == 0 && Interlocked.Increment(ref asked) == 1)
            {
                await UsualReply.JsonAsync(http, "{}", 500);
                return;
            }
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            if (candidate == 0) again.SetResult();
            if (candidate == 1)
            {
                await again.Task;
                // Often enough that its turn has come at one of them: what is cut before that is asked again.
                for (var i = 0; i < 20; i++)
                {
                    await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text("lo")));
                    await Task.Delay(50, http.RequestAborted);
                }
            }
            else
            {
                await Task.Delay(20_000, http.RequestAborted);
            }
            http.Abort();
        });
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Stream.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal));

        Assert.Equal("provider_error", (string?)JsonNode.Parse(reply.Events[^1])!["error"]?["code"]);
        var receipt = await ReceiptAsync(gateway, reply);
        Assert.Equal((200, "counted"), ((int)receipt["status"]!, (string?)receipt["basis"]));
        Assert.Equal(["cancelled", "cancelled", "cut_short", "server_error"], receipt["attempts"]!.AsArray().Select(a => (string?)a!["outcome"]).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(Plain)]
    [InlineData(Stream)]
    public async Task Caller_Leaves_EveryCandidateIsCancelled(string body)
    {
        var gone = 0;
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            await Task.Delay(20_000, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (http.RequestAborted.IsCancellationRequested) Interlocked.Increment(ref gone);
        });
        await using var gateway = await GatewayAsync(upstream);
        using var patience = new CancellationTokenSource();

        var call = ReadAsync();
        await Until.TrueAsync(() => upstream.Received.Count == 3);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);

        await Until.TrueAsync(() => gone == 3, seconds: 5);

        async Task ReadAsync()
        {
            using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(body), gateway.Key, cancellation: patience.Token);
            await response.Content.ReadAsByteArrayAsync(patience.Token);
        }
    }

    [Fact]
    public async Task Plain_ThreeCandidates_AreMergedAndSummed()
    {
        await using var upstream = await UpstreamAsync(_ => false);
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal([0, 1, 2], reply.Json["choices"]!.AsArray().Select(c => (int)c!["index"]!));
        Assert.All(reply.Json["choices"]!.AsArray(), c => Assert.Equal("Hello!", (string?)c!["message"]!["content"]));
        Assert.Equal((27, 9, 36), ((int)reply.Json["usage"]!["prompt_tokens"]!, (int)reply.Json["usage"]!["completion_tokens"]!, (int)reply.Json["usage"]!["total_tokens"]!));
        Assert.Equal("3", reply.Header("x-crossmodel-attempts"));
        Assert.All(upstream.Received, r => Assert.Null(r.Json["n"]));
        Assert.Equal("0.000036", (string?)(await ReceiptAsync(gateway, reply))["cost"]);
    }

    [Fact]
    public async Task Stream_ThreeCandidates_AreInterleavedUnderOneId()
    {
        await using var upstream = await UpstreamAsync(_ => false);
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Stream);

        AssertWhole(reply);
        Assert.Equal(27, (int)reply.Chunks[^1]["usage"]!["prompt_tokens"]!);
        Assert.Equal("0.000036", (string?)(await ReceiptAsync(gateway, reply))["cost"]);
    }

    /// <summary>What one of several calls said besides numbers is not true of all; of a single one it is kept.</summary>
    [Theory]
    [InlineData(1, true, true)]
    [InlineData(3, true, false)]
    [InlineData(1, false, true)]
    [InlineData(3, false, false)]
    public async Task Usage_WhatTheServerAddsToIt_IsKeptOfASingleCallOnly(int candidates, bool streams, bool isKept)
    {
        static string Longer(string reply) => reply.Replace("\"total_tokens\":12", "\"total_tokens\":12,\"queue_time\":0.5", StringComparison.Ordinal);
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) => streams
            ? UsualReply.BeginAsync(http, Longer(UsualReply.Stream()))
            : UsualReply.JsonAsync(http, Longer(UsualReply.Plain())));
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync((streams ? Stream : Plain).Replace("\"n\":3", $"\"n\":{candidates}", StringComparison.Ordinal));

        var usage = (streams ? reply.Chunks[^1] : reply.Json)["usage"]!.AsObject();
        Assert.Equal(9 * candidates, (int)usage["prompt_tokens"]!);
        Assert.Equal(isKept, usage.ContainsKey("queue_time"));
    }

    private static void AssertWhole(HttpReply reply)
    {
        Assert.Equal(200, (int)reply.Status);
        Assert.Single(reply.Chunks.Select(c => (string?)c["id"]).Distinct());
        Assert.Equal("[DONE]", reply.Events[^1]);
        var choices = reply.Chunks.SelectMany(c => c["choices"]!.AsArray()).Select(c => c!).ToLookup(c => (int)c["index"]!);
        Assert.Equal([0, 1, 2], choices.Select(c => c.Key).Order());
        Assert.All(choices, c =>
        {
            Assert.Equal("assistant", (string?)c.First()["delta"]!["role"]);
            Assert.Equal("Hello!", string.Concat(c.Select(d => (string?)d["delta"]!["content"])));
            Assert.Equal("stop", (string?)c.Last()["finish_reason"]);
            Assert.Equal("{}", c.Last()["delta"]!.ToJsonString());
        });
    }

    [Theory]
    [InlineData(Plain)]
    [InlineData(Stream)]
    public async Task Candidate_FailsOnce_IsAskedAgain(string body)
    {
        await using var upstream = await UpstreamAsync(i => i == 2);
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(body);

        if (body == Stream) AssertWhole(reply);
        else Assert.Equal([0, 1, 2], reply.Json["choices"]!.AsArray().Select(c => (int)c!["index"]!));
        Assert.Equal(4, upstream.Received.Count);
        // Only what was delivered is paid.
        var receipt = await ReceiptAsync(gateway, reply);
        Assert.Equal("0.000036", (string?)receipt["cost"]);
        Assert.Equal(4, receipt["attempts"]!.AsArray().Count);
    }

    /// <summary>Its provider says that it would fail again, or that the request is at fault.</summary>
    [Theory]
    [InlineData(500, "false", 502)]
    [InlineData(400, null, 400)]
    public async Task Candidate_ThatWouldFailAgain_IsNotAskedAgain(int said, string? again, int status)
    {
        var count = 0;
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) =>
        {
            if (Interlocked.Increment(ref count) != 2) return UsualReply.AnswerAsync(http, received);
            http.Response.Headers["x-should-retry"] = again;
            return UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", said);
        });
        await using var gateway = await GatewayAsync(upstream);

        Assert.Equal(status, (int)(await gateway.PostAsync(Plain)).Status);
        Assert.InRange(upstream.Received.Count, 2, 3);
    }

    [Fact]
    public async Task Candidate_ThatReportedTokensAndIsAskedAgain_CostsTheOperatorTwice()
    {
        var count = 0;
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) => Interlocked.Increment(ref count) == 2
            ? UsualReply.BeginAsync(http, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":100}}\n\ndata: {\"error\":{\"message\":\"overloaded\"}}\n\n")
            : UsualReply.AnswerAsync(http, received));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Costed, upstreamMore: """, "preset": "groq" """);

        var reply = await gateway.PostAsync(Stream);

        AssertWhole(reply);
        Assert.Equal((3 * 12 + 1100) * 1000, await OperatorCostAsync(gateway, reply));
    }

    [Fact]
    public async Task Candidate_FailsForEver_WhatTheOthersCostTheOperatorIsKnown()
    {
        var (count, answered) = (0, 0);
        var whole = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if (Interlocked.Increment(ref count) <= 2)
            {
                await UsualReply.AnswerAsync(http, received);
                // The third may have come by then.
                if (Interlocked.Increment(ref answered) == 2) whole.SetResult();
                return;
            }
            await whole.Task;
            await Task.Delay(300);
            await UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", 500);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Costed, upstreamMore: """, "preset": "groq" """);

        var reply = await gateway.PostAsync(Stream);

        await Until.TrueAsync(async () => await OperatorCostAsync(gateway, reply) is not null);
        Assert.Equal(2 * 12 * 1000, await OperatorCostAsync(gateway, reply));
    }

    [Fact]
    public async Task Candidate_FailsForEver_ThePlainCallFailsAndIsWaived()
    {
        await using var upstream = await UpstreamAsync(i => i >= 3);
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((502, "provider_error"), ((int)reply.Status, reply.ErrorCode));
        await AssertWaivedAsync(gateway, reply);
    }

    /// <summary>The caller has something of another candidate already: another route's reply must not follow it.</summary>
    [Fact]
    public async Task Candidate_FailsForEver_TheStreamEndsWithTheErrorEventAndIsWaived()
    {
        var begun = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            var candidate = (int)received.Json["seed"]! - 41;
            if (candidate > 0) await begun.Task;
            await (candidate == 1 ? UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", 500) : UsualReply.AnswerAsync(http, received));
        });
        await using var other = await UpstreamAsync(_ => false);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced.Replace(" } ],", " }, { \"upstream\": \"other\", \"model\": \"m\" } ],", StringComparison.Ordinal),
            upstreamMore: """, "preset": "groq" """, upstreams: $$""", "other": { "baseUrl": "{{other.BaseUrl}}" } """);

        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions",
            System.Text.Encoding.UTF8.GetBytes(Stream.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal)), gateway.Key);
        begun.SetResult();
        var reply = await Http.ReadAsync(response);

        Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
        Assert.Contains("provider_error", reply.Text, StringComparison.Ordinal);
        Assert.Empty(other.Received);
        await AssertWaivedAsync(gateway, reply);
    }

    [Fact]
    public async Task Candidate_FailsAfterContent_EndsTheStreamAndWhatWasDeliveredIsPaid()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if ((int)received.Json["seed"]! != 41)
            {
                await UsualReply.AnswerAsync(http, received);
                return;
            }
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            await UsualReply.SendAsync(http, "data: not json\n\n");
        });
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Stream.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal));

        Assert.Equal("provider_error", (string?)JsonNode.Parse(reply.Events[^1])!["error"]!["code"]);
        Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
        var receipt = await ReceiptAsync(gateway, reply);
        Assert.NotEqual("waived", (string?)receipt["basis"]);
        Assert.NotEqual("0.00", (string?)receipt["cost"]);
    }

    /// <summary>OpenAI's SDK for Python keeps what it reads in a list, and fails at a candidate that begins before a lower one.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Candidates_BeginInOrder(bool isFirstEmpty)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            var candidate = (int)received.Json["seed"]! - 41;
            await Task.Delay(150 * (2 - candidate));
            await (isFirstEmpty && candidate == 0
                ? UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk("{}", "\"stop\"") + UsualReply.UsageChunk + UsualReply.Done)
                : UsualReply.AnswerAsync(http, received));
        });
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Stream.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal));

        if (!isFirstEmpty) AssertWhole(reply);
        Assert.Equal("[DONE]", reply.Events[^1]);
        var indices = reply.Chunks.SelectMany(chunk => chunk["choices"]!.AsArray()).Select(choice => (int)choice!["index"]!).ToList();
        Assert.Equal([0, 1, 2], indices.Distinct());
        Assert.Equal(36, (int)reply.Chunks[^1]["usage"]!["total_tokens"]!);
    }

    /// <summary>A server that serves one after the other, a later one first, must be able to end it: more than any buffer on the way holds.</summary>
    [Fact]
    public async Task Candidates_ServedOneAfterTheOther_LastFirst_AllCome()
    {
        using var one = new SemaphoreSlim(0);
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if ((int)received.Json["seed"]! < 43) await one.WaitAsync(http.RequestAborted);
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 100; i++) await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('x', 100_000))));
            await UsualReply.SendAsync(http, UsualReply.Chunk("{}", "\"stop\"") + UsualReply.UsageChunk + UsualReply.Done);
            one.Release();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, upstreamMore: """, "preset": "groq", "timeouts": { "firstByte": "20s" } """);

        var reply = await gateway.PostAsync(Stream.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal));

        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.Equal(300, reply.Text.Split(new string('x', 100_000)).Length - 1);
        Assert.Equal("3", reply.Header("x-crossmodel-attempts"));
    }

    /// <summary>What waited for its turn was never delivered: another route may still give all of them.</summary>
    [Fact]
    public async Task Candidate_FailsForEverBeforeTheOthersBegin_TheNextRouteServes()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if ((int)received.Json["seed"]! > 41)
            {
                await UsualReply.AnswerAsync(http, received);
                return;
            }
            await Task.Delay(200);
            await UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", 500);
        });
        await using var other = await UpstreamAsync(_ => false);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced.Replace(" } ],", " }, { \"upstream\": \"other\", \"model\": \"m\" } ],", StringComparison.Ordinal),
            upstreamMore: """, "preset": "groq" """, upstreams: $$""", "other": { "baseUrl": "{{other.BaseUrl}}", "preset": "groq" } """);

        var reply = await gateway.PostAsync(Stream.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal));

        AssertWhole(reply);
        Assert.Equal(3, other.Received.Count);
        Assert.Equal("0.000036", (string?)(await ReceiptAsync(gateway, reply))["cost"]);
    }

    /// <summary>Nor is it paid when the stream ends before its turn came.</summary>
    [Fact]
    public async Task Candidate_ThatWaitedWhenTheStreamBroke_CostsItsPromptAlone()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            var candidate = (int)received.Json["seed"]! - 41;
            if (candidate == 1)
            {
                await Task.Delay(20_000, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return;
            }
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text(candidate == 0 ? "four" : new string('x', 4000))));
            await Task.Delay(candidate == 0 ? 400 : 20_000, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            http.Abort();
        });
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Stream.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal));

        Assert.Equal("provider_error", (string?)JsonNode.Parse(reply.Events[^1])!["error"]?["code"]);
        Assert.DoesNotContain("xxxx", reply.Text, StringComparison.Ordinal);
        var receipt = await ReceiptAsync(gateway, reply);
        Assert.Equal(("counted", 1), ((string?)receipt["basis"], (int)receipt["usage"]!["completion_tokens"]!));
    }

    /// <summary>A server that takes one call at a time has not so much as begun with the others when the stream ends.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Candidate_ThatNeverBegan_CostsNothing(bool callerLeaves)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if ((int)received.Json["seed"]! == 41)
            {
                await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("four")));
                await Task.Delay(callerLeaves ? 20_000 : 400, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                http.Abort();
            }
            else
            {
                await Task.Delay(20_000, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced.Replace("\"output\": 1", "\"output\": 1, \"request\": 0.5", StringComparison.Ordinal),
            upstreamMore: """, "preset": "groq" """);

        string id;
        using (var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions",
            System.Text.Encoding.UTF8.GetBytes(Stream.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal)), gateway.Key))
        {
            id = response.Headers.GetValues("x-request-id").Single();
            if (callerLeaves) await Until.TrueAsync(() => upstream.Received.Count == 3);
            else await Http.ReadAsync(response);
        }

        await Until.TrueAsync(async () => (int)(await gateway.Http.GetAsync("/v1/requests/" + id, gateway.Key)).Status == 200);
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + id, gateway.Key)).Json;
        Assert.Equal(("counted", "0.50001"), ((string?)receipt["basis"], (string?)receipt["cost"]));
        Assert.Equal((9, 1), ((int)receipt["usage"]!["prompt_tokens"]!, (int)receipt["usage"]!["completion_tokens"]!));
    }

    /// <summary>Tokens that its server has reported and the caller has seen nothing of.</summary>
    [Fact]
    public async Task Candidate_ThatThoughtWhileItWaited_CostsItsPromptAloneWhenTheStreamBreaks()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            var candidate = (int)received.Json["seed"]! - 41;
            if (candidate == 0) await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("four")));
            if (candidate == 2) await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role)
                + UsualReply.UsageChunk.Replace("\"completion_tokens\":3,\"total_tokens\":12", "\"completion_tokens\":500,\"total_tokens\":509", StringComparison.Ordinal));
            await Task.Delay(candidate == 0 ? 600 : 20_000, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            http.Abort();
        });
        await using var gateway = await GatewayAsync(upstream);

        var receipt = await ReceiptAsync(gateway, await gateway.PostAsync(Stream.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal)));

        Assert.Equal(("counted", 1), ((string?)receipt["basis"], (int)receipt["usage"]!["completion_tokens"]!));
    }

    private static async Task AssertWaivedAsync(TestGateway gateway, HttpReply reply)
    {
        Assert.Equal("100.00", (string?)(await gateway.Http.GetAsync("/v1/account", gateway.Key)).Json["balance"]);
        await Until.TrueAsync(async () => (int)(await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Status == 200);
        Assert.Equal("waived", (string?)(await ReceiptAsync(gateway, reply))["basis"]);
    }

    [Theory]
    [InlineData(Plain)]
    [InlineData(Stream)]
    public async Task Seed_OfSeveralCalls_IsAnotherInEach(string body)
    {
        await using var upstream = await UpstreamAsync(i => i == 2);
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(body.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal));

        Assert.Equal(200, (int)reply.Status);
        // Asked again a candidate is the same one.
        Assert.Equal(4, upstream.Received.Count);
        Assert.Equal([41, 42, 43], upstream.Received.Select(r => (int)r.Json["seed"]!).Distinct().Order());
    }

    /// <summary>A server that is short of memory says so: the provider has done nothing wrong, and its model is well for everybody else.</summary>
    [Theory]
    [InlineData(Plain)]
    [InlineData(Stream)]
    public async Task Requests_ThatFindNoRoom_AreNoFailureOfTheUpstream(string body)
    {
        await using var upstream = await UpstreamAsync(_ => false);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, more: "\"limits\": { \"bufferedBytes\": 150000 },", upstreamMore: """, "preset": "groq" """);

        var reply = await gateway.PostAsync(body.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal).Replace("Hi", new string('a', 80_000), StringComparison.Ordinal));

        Assert.Equal((503, "model_unavailable"), ((int)reply.Status, reply.ErrorCode));
        Assert.NotNull(reply.Header("retry-after"));
        Assert.Contains("crossmodel_upstream_cooling_seconds{crossmodel_upstream=\"up\"} 0\n", (await gateway.Http.GetAsync("/metrics")).Text, StringComparison.Ordinal);
        Assert.Equal(200, (int)(await gateway.PostAsync(body)).Status);
    }

    /// <summary>The first one alone has said something: the call is not empty.</summary>
    [Fact]
    public async Task Candidates_EmptyButOne_ArePaidTogether()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) => UsualReply.JsonAsync(http, (int)received.Json["seed"]! == 41
            ? UsualReply.Plain()
            : UsualReply.Plain(content: "", usage: """{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}""")));
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Plain.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal));

        var receipt = await ReceiptAsync(gateway, reply);
        Assert.Equal(("reported", "0.00003"), ((string?)receipt["basis"], (string?)receipt["cost"]));
    }

    /// <summary>The last one reported, the first one was counted: together they are no reported call.</summary>
    [Fact]
    public async Task Candidate_WithoutUsage_MakesTheCallACountedOne()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) =>
            UsualReply.JsonAsync(http, (int)received.Json["seed"]! == 41 ? UsualReply.Plain(usage: "null") : UsualReply.Plain()));
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Plain.Replace("\"n\":3", "\"n\":3,\"seed\":41", StringComparison.Ordinal));

        // Estimated 9 + 2 tokens, and twice the 9 + 3 that were reported.
        var receipt = await ReceiptAsync(gateway, reply);
        Assert.Equal(("counted", "0.000035"), ((string?)receipt["basis"], (string?)receipt["cost"]));
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 1)]
    [InlineData(false, 3)]
    [InlineData(true, 3)]
    public async Task Candidates_MoreThanAskedFor_AreABadReply(bool stream, int asked)
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) => stream ? UsualReply.StreamAsync(http, asked + 1) : UsualReply.JsonAsync(http, UsualReply.Plain(asked + 1)));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var reply = await gateway.PostAsync((stream ? Stream : Plain).Replace("\"n\":3", $"\"n\":{asked}", StringComparison.Ordinal));

        if (!stream)
        {
            Assert.Equal((502, "provider_error"), ((int)reply.Status, reply.ErrorCode));
            await AssertWaivedAsync(gateway, reply);
            return;
        }
        Assert.Equal("provider_error", (string?)JsonNode.Parse(reply.Events[^1])!["error"]!["code"]);
        Assert.DoesNotContain(reply.Chunks, c => c["choices"] is JsonArray { Count: > 0 } choices && (int)choices[0]!["index"]! == asked);
        // The candidates that were delivered, and the prompt.
        Assert.NotEqual("0.00", (string?)(await ReceiptAsync(gateway, reply))["cost"]);
    }

    /// <summary>A server of which nothing is known, so that it is asked for three at once; it gives one whatever n says.</summary>
    private static Task<ScriptedUpstream> IgnoringAsync() => ScriptedUpstream.StartAsync((http, received) =>
        received.Text.Contains("\"stream\":true", StringComparison.Ordinal) ? UsualReply.StreamAsync(http) : UsualReply.JsonAsync(http, UsualReply.Plain()));

    [Fact]
    public async Task Plain_OfAServerThatIgnoresN_IsAskedOneByOneThenAndFromThenOn()
    {
        await using var upstream = await IgnoringAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var (first, second) = (await gateway.PostAsync(Plain), await gateway.PostAsync(Plain));

        foreach (var reply in (HttpReply[])[first, second])
        {
            Assert.Equal([0, 1, 2], reply.Json["choices"]!.AsArray().Select(c => (int)c!["index"]!));
            Assert.Equal(27, (int)reply.Json["usage"]!["prompt_tokens"]!);
            Assert.Equal("0.000036", (string?)(await ReceiptAsync(gateway, reply))["cost"]);
        }
        Assert.Equal(("4", "3"), (first.Header("x-crossmodel-attempts"), second.Header("x-crossmodel-attempts")));
        Assert.Equal([3, null, null, null, null, null, null], upstream.Received.Select(r => (int?)r.Json["n"]));
    }

    [Fact]
    public async Task Stream_OfAServerThatIgnoresN_EndsWithAnErrorAndTheNextOneIsWhole()
    {
        await using var upstream = await IgnoringAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var (first, second) = (await gateway.PostAsync(Stream), await gateway.PostAsync(Stream));

        Assert.Equal("provider_error", (string?)JsonNode.Parse(first.Events[^1])!["error"]!["code"]);
        Assert.DoesNotContain(first.Chunks, c => c["choices"] is JsonArray { Count: > 0 } choices && choices[0]!["finish_reason"] is not null);
        Assert.Equal("0.000012", (string?)(await ReceiptAsync(gateway, first))["cost"]);
        AssertWhole(second);
        Assert.Equal("0.000036", (string?)(await ReceiptAsync(gateway, second))["cost"]);
    }
}
