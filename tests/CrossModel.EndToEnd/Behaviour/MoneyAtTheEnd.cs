using System.Globalization;
using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Endings that cost nothing, and the one that money itself brings about.</summary>
public sealed class MoneyAtTheEnd
{
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } """;
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";

    [Theory]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}}""", "waived", "0.00")]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}""", "reported", "0.000014")]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}""", "reported", "0.00")]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":-9,"completion_tokens":1.5}}""", "counted", "0.000011")]
    public async Task Reply_EmptyOrNot_IsChargedByTheRule(string json, string basis, string cost)
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(json);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal(200, (int)reply.Status);
        Assert.Equal(cost, reply.Header("x-crossmodel-cost"));
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal((basis, cost), ((string?)receipt["basis"], (string?)receipt["cost"]));
    }

    /// <summary>What is not charged is not charged for its images either.</summary>
    [Theory]
    [InlineData("", "waived", "0.00")]
    [InlineData("Hello!", "reported", "0.01")]
    public async Task Reply_ToAnImageAtAPriceEach_CostsItsImageUnlessItIsEmpty(string content, string basis, string cost)
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(UsualReply.Plain(content: content, usage: """{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}"""));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 0, "image": 0.01 } } """);

        var reply = await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}""");

        Assert.Equal((200, cost), ((int)reply.Status, reply.Header("x-crossmodel-cost")));
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal((basis, cost), ((string?)receipt["basis"], (string?)receipt["cost"]));
    }

    // By estimate 9 tokens of text and a second of sound, 50 tokens, and 2 of the reply's six bytes: 9 + 50 × 40 + 2 = 2,011 USD per million.
    [Fact]
    public async Task Reply_ToSound_WithoutUsage_IsCountedAtThePriceOfSound()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync("""{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}]}""");
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "audioInput": 40, "output": 1 } } """);

        var reply = await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]}""");

        Assert.Equal((200, "0.002011"), ((int)reply.Status, reply.Header("x-crossmodel-cost")));
    }

    /// <summary>A WAV file of two seconds, 44,100 times two numbers of two bytes in each, whatever else its head says.</summary>
    [Fact]
    public async Task Sound_AtAPriceASecond_LastsAsLongAsItsFileSays()
    {
        var file = new byte[44 + 2 * 44_100 * 2 * 2];
        Convert.FromHexString("52494646FFFFFFFF57415645666D7420100000000100020044AC0000FFFFFFFF0400100064617461").CopyTo(file, 0);
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 0, "audioSecond": 0.01 } } """);

        var reply = await gateway.PostAsync($$$"""{"model":"test/model","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"{{{Convert.ToBase64String(file)}}}","format":"wav"}}]}]}""");

        Assert.Equal((200, "0.02"), ((int)reply.Status, reply.Header("x-crossmodel-cost")));
    }

    /// <summary>Where servers count beside what others count inside: nothing is lost, nothing is charged twice.</summary>
    [Theory]
    // Perplexity's research: 33 + 20,016 read, 7,163 + 73,997 written.
    [InlineData("""{"prompt_tokens":33,"completion_tokens":7163,"total_tokens":7196,"search_context_size":"low","citation_tokens":20016,"num_search_queries":18,"reasoning_tokens":73997}""",
        "input 20049, output 7163, reasoning 73997")]
    // Portkey's gateway before Claude: 3,000 fresh beside 1,000 cached and 500 written.
    [InlineData("""{"prompt_tokens":3000,"completion_tokens":50,"total_tokens":4550,"prompt_tokens_details":{"cached_tokens":1000},"cache_read_input_tokens":1000,"cache_creation_input_tokens":500}""",
        "input 3000, cached_input 1000, cache_write 500, output 50")]
    // New API before Claude: all inside.
    [InlineData("""{"prompt_tokens":4500,"completion_tokens":50,"total_tokens":4550,"input_tokens":4500,"output_tokens":0,"prompt_tokens_details":{"cached_tokens":1000,"cached_creation_tokens":500}}""",
        "input 3000, cached_input 1000, cache_write 500, output 50")]
    public async Task Usage_OfServersThatCountInTheirOwnWay_IsChargedForEveryToken(string usage, string lines)
    {
        await using var upstream = await ScriptedUpstream.JsonAsync($$$"""{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],"usage":{{{usage}}}}""");
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var reply = await gateway.PostAsync(Plain);

        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal(lines, string.Join(", ", receipt["lines"]!.AsArray().Select(line => $"{line!["class"]} {line["tokens"]}")));
    }

    [Fact]
    public async Task Stream_OutgrowsTheBalance_EndsThereWithLengthWhereTheModelSaysSo()
    {
        var gone = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            using var left = http.RequestAborted.Register(() => gone.TrySetResult());
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 1000 && !gone.Task.IsCompleted; i++) await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('x', 40))));
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(20));
        });
        // 0.001 USD a token: the balance pays some 500.
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1000 }, "stopAtBalance": true } """, balance: 0.5m);

        var reply = await gateway.PostAsync(Plain[..^1] + ",\"stream\":true,\"max_tokens\":100}");

        Assert.Equal("length", (string?)reply.Chunks[^1]["choices"]![0]!["finish_reason"]);
        Assert.Equal("[DONE]", reply.Events[^1]);
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(5));
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal("counted", (string?)receipt["basis"]);
        Assert.InRange(Amount(receipt["cost"]), 0.2m, 0.5m);
        var account = (await gateway.Http.GetAsync("/v1/account", gateway.Key)).Json;
        Assert.Equal(0.5m - Amount(receipt["cost"]), Amount(account["balance"]));
        Assert.Equal(0, Amount(account["held"]));
    }

    /// <summary>With the whole cap the first model is the dearest, with what the account can pay the second: the hold is for the dearer one.</summary>
    [Fact]
    public async Task Cap_LoweredToTheMoney_HoldsForEveryRoute()
    {
        await using var broken = await ScriptedUpstream.JsonAsync("{}", 500);
        await using var upstream = await ScriptedUpstream.JsonAsync(UsualReply.Plain(usage: """{"prompt_tokens":400,"completion_tokens":1000,"total_tokens":1400}"""));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "a/first": { "routes": [ { "upstream": "broken", "model": "m" } ], "price": { "input": 0, "output": 100 } }, "a/second": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 50, "output": 50 } } """,
            upstreams: $$""", "broken": { "baseUrl": "{{broken.BaseUrl}}" } """, balance: 0.1m);

        var reply = await gateway.PostAsync($$"""{"model":"a/first","models":["a/second"],"messages":[{"role":"user","content":"{{new string('x', 1200)}}"}]}""");

        Assert.Equal(200, (int)reply.Status);
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal("0.00", (string?)receipt["uncovered"]);
    }

    /// <summary>Both candidates outgrow the one hold at the same moment; there is money for both.</summary>
    [Fact]
    public async Task Candidates_SideBySide_OutgrowOneHold_AndNoneIsCut()
    {
        var both = 0;
        var together = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            if (Interlocked.Increment(ref both) % 2 == 0) Interlocked.Exchange(ref together, new TaskCompletionSource()).SetResult();
            else await together.Task;
            await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('x', 4000))));
            // What comes with the end asks for no money.
            await Task.Delay(20);
            await UsualReply.SendAsync(http, UsualReply.Chunk("{}", "\"stop\"") + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1000 }, "stopAtBalance": true } """, upstreamMore: """, "preset": "ollama" """);
        for (var i = 0; i < 12; i++)
        {
            var reply = await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"n":2,"stream":true,"max_tokens":1}""", await gateway.NewKeyAsync($"rich-{i}", 4));
            var finishes = reply.Chunks.SelectMany(c => c["choices"]!.AsArray()).Select(c => (string?)c!["finish_reason"]).Where(f => f is not null);
            Assert.Equal(["stop", "stop"], finishes);
        }
    }

    /// <summary>Each by itself is within the money, both together are not.</summary>
    [Fact]
    public async Task Candidates_ThatOutgrowTheBalanceTogether_EndThere()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 1000 && !http.RequestAborted.IsCancellationRequested; i++)
            {
                await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('x', 40))));
                await Task.Delay(5);
            }
        });
        // 0.001 USD a token: the balance pays 4,000, some 200 of these events of each.
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1000 }, "stopAtBalance": true } """, upstreamMore: """, "preset": "ollama" """, balance: 4);

        var reply = await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"n":2,"stream":true,"max_tokens":1}""");

        Assert.Equal("[DONE]", reply.Events[^1]);
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal("0.00", (string?)receipt["uncovered"]);
        Assert.InRange(Amount(receipt["cost"]), 1, 4);
    }

    /// <summary>A cap that no number holds once made the window's sum negative: the key's limit was none.</summary>
    [Fact]
    public async Task Tokens_OfAnEnormousCap_CountAgainstTheLimit()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(UsualReply.Plain(usage: """{"prompt_tokens":9,"completion_tokens":10000,"total_tokens":10009}"""));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var key = await gateway.NewKeyAsync("limited", 0, keyTerms: new Accounts.Terms { TokensPerMinute = 100 });
        var statuses = new List<int>();
        for (var i = 0; i < 3; i++) statuses.Add((int)(await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"max_tokens":9223372036854775807}""", key)).Status);
        Assert.Equal([200, 429, 429], statuses);
    }

    /// <summary>A database that is away says nothing of the money: a stream that may end for want of it goes on.</summary>
    [Fact]
    public async Task Stream_OutgrowsItsHoldWhileTheDatabaseIsAway_GoesOn()
    {
        PostgresServer.SkipIfMissing();
        await using var postgres = await PostgresServer.StartNewAsync();
        var away = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("x")));
            await away.Task;
            // Larger than what the account has idle here: only the database could give more.
            for (var i = 0; i < 10; i++) await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('x', 4000))));
            await UsualReply.SendAsync(http, UsualReply.Chunk("{}", "\"stop\"") + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1000 }, "stopAtBalance": true } """, database: await postgres.CreateDatabaseAsync());
        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain[..^1] + ",\"stream\":true,\"max_tokens\":1}"), gateway.Key);
        await using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[100]);
        await postgres.StopAsync();
        away.SetResult();
        var text = new System.Text.StringBuilder();
        var buffer = new byte[64 * 1024];
        while (!text.ToString().Contains("finish_reason\":\"", StringComparison.Ordinal) && text.Length < 40_000)
        {
            var count = await body.ReadAsync(buffer).AsTask().WaitAsync(TimeSpan.FromSeconds(30));
            Assert.NotEqual(0, count);
            text.Append(System.Text.Encoding.UTF8.GetString(buffer, 0, count));
        }
        Assert.DoesNotContain("length", text.ToString(), StringComparison.Ordinal);
        await postgres.StartAsync();
        Assert.EndsWith("[DONE]\n\n", await new StreamReader(body).ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Books_ThatCannotBeRead_AreNoFaultOfTheProgram()
    {
        PostgresServer.SkipIfMissing();
        await using var postgres = await PostgresServer.StartNewAsync();
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, database: await postgres.CreateDatabaseAsync());
        var call = await gateway.PostAsync(Plain);
        string[] paths = ["/v1/account", $"/v1/requests/{call.Header("x-request-id")}"];
        await postgres.StopAsync();
        foreach (var path in paths)
        {
            var reply = await gateway.Http.GetAsync(path, gateway.Key);
            Assert.Equal((503, "model_unavailable", "1"), ((int)reply.Status, reply.ErrorCode, reply.Header("retry-after")));
        }
        Assert.DoesNotContain(gateway.Log.All, line => line.Contains("broke inside", StringComparison.Ordinal));
        await postgres.StartAsync();
        foreach (var path in paths) await Until.TrueAsync(async () => (int)(await gateway.Http.GetAsync(path, gateway.Key)).Status == 200);
    }

    /// <summary>
    /// A database that is away may answer in many ways before it is back (starting, restoring, a role without rights): none ends the books, and none is
    /// taken for an empty balance. To stop meanwhile takes no longer than otherwise, since nothing waits.
    /// </summary>
    [Fact]
    public async Task Database_ThatTurnsEverybodyAway_IsWaitedFor_AndServiceComesBack()
    {
        PostgresServer.SkipIfMissing();
        await using var postgres = await PostgresServer.StartNewAsync();
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var database = await postgres.CreateDatabaseAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, database: database);
        Assert.Equal(200, (int)(await gateway.PostAsync(Plain)).Status);
        for (var round = 0; round < 2; round++)
        {
            // Until the account's idle money has gone back: the next call asks for some.
            await Task.Delay(2000);
            await postgres.SetOpenAsync(database, isOpen: false);
            for (var i = 0; i < 10; i++)
            {
                Assert.Contains((int)(await gateway.PostAsync(Plain)).Status, new[] { 200, 503 });
                await Task.Delay(200);
            }
            Assert.Equal("model_unavailable", (await gateway.PostAsync(Plain)).ErrorCode);
            if (round == 1) break;
            await postgres.SetOpenAsync(database, isOpen: true);
            await Until.TrueAsync(async () => (int)(await gateway.PostAsync(Plain)).Status == 200, seconds: 20);
            await Until.TrueAsync(async () => (int)(await gateway.Http.GetAsync("/readyz")).Status == 200, seconds: 20);
        }
        var started = TimeProvider.System.GetTimestamp();
        await gateway.Gateway.StopAsync();
        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(8));
    }

    [Fact]
    public async Task StreamOfGemini_CutAfterAUsageObjectOfThePromptAlone_IsCounted()
    {
        static string Event(string parts, string usage) => $$"""data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{{parts}}] } }]{{usage}} }""" + "\n\n";
        var read = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, Event("""{"text":"a"}""", ",\"usageMetadata\":{\"promptTokenCount\":50,\"totalTokenCount\":50}") + Event($$"""{"text":"{{new string('x', 3999)}}"}""", ""));
            await read.Task;
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "g", "model": "gemini-2.5-flash" } ], "price": { "input": 1, "output": 1 } } """,
            upstreams: $$""", "g": { "dialect": "gemini", "baseUrl": "{{upstream.BaseUrl.Replace("/v1", "", StringComparison.Ordinal)}}", "apiKey": "k" } """);

        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain[..^1] + ",\"stream\":true}"), gateway.Key);
        read.SetResult();
        var reply = await Http.ReadAsync(response);

        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal(("counted", 50, 1000), ((string?)receipt["basis"], (int)receipt["usage"]!["prompt_tokens"]!, (int)receipt["usage"]!["completion_tokens"]!));
    }

    /// <summary>Some servers in Anthropic's form say nothing of tokens as they begin.</summary>
    [Fact]
    public async Task StreamOfAMessage_WhoseStartHasNoUsage_IsServedAndChargedByItsEnd()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) => UsualReply.BeginAsync(http, string.Concat(new[]
        {
            """{"type":"message_start","message":{"id":"msg_1"}}""",
            """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hello!"}}""",
            """{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":11,"output_tokens":5}}""",
            """{"type":"message_stop"}""",
        }.Select(json => "data: " + json + "\n\n"))));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "a", "model": "m" } ], "price": { "input": 1, "output": 1 } } """,
            upstreams: $$""", "a": { "dialect": "anthropic", "baseUrl": "{{upstream.BaseUrl}}", "apiKey": "k" } """);

        var reply = await gateway.PostAsync(Plain[..^1] + ",\"stream\":true}");

        Assert.Equal(200, (int)reply.Status);
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal(("reported", "0.000016"), ((string?)receipt["basis"], (string?)receipt["cost"]));
    }

    /// <summary>Claude tells of the prompt before it writes: a reply that breaks off pays for what was read as the provider has counted it, most of it from the cache.</summary>
    [Fact]
    public async Task StreamOfClaude_CutInItsText_PaysForThePromptAsItWasTold()
    {
        var read = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, """data: {"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":20,"cache_read_input_tokens":5000,"cache_creation_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":60,"ephemeral_1h_input_tokens":40},"output_tokens":3}}}""" + "\n\n"
                + $$"""data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":"{{new string('x', 4000)}}"} }""" + "\n\n");
            await read.Task;
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "a", "model": "claude-sonnet-4-5" } ], "price": { "input": 3, "cachedInput": 0.3, "cacheWrite": 3.75, "cacheWriteHour": 6, "output": 15 } } """,
            upstreams: $$""", "a": { "dialect": "anthropic", "baseUrl": "{{upstream.BaseUrl}}", "apiKey": "k" } """);

        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain[..^1] + ",\"stream\":true}"), gateway.Key);
        read.SetResult();
        var reply = await Http.ReadAsync(response);

        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        var usage = receipt["usage"]!;
        Assert.Equal(("counted", 5120, 5000, 100, 40, 1000), ((string?)receipt["basis"], (int)usage["prompt_tokens"]!, (int)usage["cached_tokens"]!, (int)usage["cache_write_tokens"]!,
            (int)usage["cache_write_hour_tokens"]!, (int)usage["completion_tokens"]!));
        // 20 × 3.00 + 5,000 × 0.30 + 60 × 3.75 + 40 × 6.00 + 1,000 × 15.00, in millionths
        Assert.Equal("0.017025", (string?)receipt["cost"]);
    }

    [Theory]
    // Of the prompt alone, before the text: what was delivered is counted.
    [InlineData("""{"prompt_tokens":50,"completion_tokens":0,"total_tokens":50}""", null, "counted", 1000)]
    // Of other tokens than those of the text that followed: of them nothing is known but their text.
    [InlineData("""{"prompt_tokens":50,"completion_tokens":30,"total_tokens":80,"completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":5}}""", null, "counted", 1000)]
    // With each event: the last one told of all that was delivered.
    [InlineData("""{"prompt_tokens":50,"completion_tokens":0,"total_tokens":50}""", """{"prompt_tokens":50,"completion_tokens":777,"total_tokens":827}""", "reported", 777)]
    public async Task Stream_CutAfterAUsageObject_IsChargedByWhatThatCounts(string first, string? second, string basis, int tokens)
    {
        static string Chunk(string text, string? usage) =>
            $$"""data: {"choices":[{"index":0,"delta":{"content":"{{text}}"},"finish_reason":null}]{{(usage is null ? "" : ",\"usage\":" + usage)}}}""" + "\n\n";
        var read = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, Chunk("", first) + Chunk(new string('x', 4000), second));
            await read.Task;
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain[..^1] + ",\"stream\":true}"), gateway.Key);
        read.SetResult();
        var reply = await Http.ReadAsync(response);

        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal((basis, 50, tokens), ((string?)receipt["basis"], (int)receipt["usage"]!["prompt_tokens"]!, (int)receipt["usage"]!["completion_tokens"]!));
        Assert.Equal($"input 50, output {tokens}", string.Join(", ", receipt["lines"]!.AsArray().Select(line => $"{line!["class"]} {line["tokens"]}")));
    }

    [Fact]
    public async Task Caller_WithoutACapAndLittleMoney_GetsTheAffordableOne()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1000 } } """, balance: 0.5m);

        var reply = await gateway.PostAsync(Plain);
        var capped = await gateway.PostAsync(Plain[..^1] + ",\"max_tokens\":8000}");

        Assert.Equal("max_tokens=500", reply.Header("x-crossmodel-ignored"));
        Assert.Equal(500, (int)upstream.Received[0].Json["max_tokens"]!);
        Assert.Equal((402, "insufficient_balance"), ((int)capped.Status, capped.ErrorCode));
    }

    /// <summary>With the cap that it can pay the model cannot think, and the caller wants nothing left out: it is refused with its money in hand.</summary>
    [Fact]
    public async Task Call_RefusedForItsAffordableCap_HoldsNothing()
    {
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:9/v1",
            """ "test/model": { "routes": [ { "upstream": "a", "model": "claude-sonnet-4-5" } ], "price": { "input": 0, "output": 1000 } } """,
            upstreams: """, "a": { "dialect": "anthropic", "baseUrl": "http://127.0.0.1:9/v1", "apiKey": "k" } """, balance: 0.5m);

        for (var i = 0; i < 2; i++)
        {
            var reply = await gateway.PostAsync(Plain[..^1] + ",\"reasoning_effort\":\"low\",\"provider\":{\"require_parameters\":true}}");
            Assert.Equal((400, "provider.require_parameters"), ((int)reply.Status, (string?)reply.Json["error"]!["param"]));
        }
        Assert.Equal("0.00", (string?)(await gateway.Http.GetAsync("/v1/account", gateway.Key)).Json["held"]);
    }

    /// <summary>A reply of a few words helps nobody: below 256 tokens the call is refused.</summary>
    [Theory]
    [InlineData("0.256", 200)]
    [InlineData("0.255", 402)]
    public async Task Caller_WithoutACapAndHardlyAnyMoney_GetsNoReplyOfLessThan256Tokens(string balance, int status)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1000 } } """, balance: decimal.Parse(balance, CultureInfo.InvariantCulture));

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal(status, (int)reply.Status);
        Assert.Equal(status == 200 ? "max_tokens=256" : null, reply.Header("x-crossmodel-ignored"));
        Assert.Equal(status == 200 ? 1 : 0, upstream.Received.Count);
    }

    /// <summary>Where no deadline can be made an upstream cannot be asked: a defect between the hold and the reply.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Call_ThatBreaksInsideAfterItWasAdmitted_IsOnTheBooksWaived_AndHoldsNothing(bool streamed)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var clock = new BreakableClock();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, time: clock);
        clock.BreakOnce();
        var reply = await gateway.PostAsync(streamed ? Plain[..^1] + ",\"stream\":true}" : Plain);
        Assert.Equal((500, "internal_error"), ((int)reply.Status, reply.ErrorCode));
        Assert.Empty(upstream.Received);

        JsonNode? receipt = null;
        await Until.TrueAsync(async () => (receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json)["basis"] is not null);
        Assert.Equal(("waived", 500, "internal_error", "0.00"), ((string?)receipt!["basis"], (int)receipt["status"]!, (string?)receipt["error"], (string?)receipt["cost"]));
        var account = (await gateway.Http.GetAsync("/v1/account", gateway.Key)).Json;
        Assert.Equal(("100.00", "0.00"), ((string?)account["balance"], (string?)account["held"]));
    }

    private sealed class BreakableClock : TimeProvider
    {
        private int _breaks;

        public void BreakOnce() => _breaks = 1;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            dueTime == Timeout.InfiniteTimeSpan && Interlocked.Exchange(ref _breaks, 0) == 1 ? throw new InvalidOperationException("This clock is broken.") : base.CreateTimer(callback, state, dueTime, period);
    }

    private static decimal Amount(JsonNode? amount) => decimal.Parse((string)amount!, CultureInfo.InvariantCulture);
}
