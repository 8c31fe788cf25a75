using System.Text;
using CrossModel.EndToEnd.Rows;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd;

/// <summary>Calls with an Idempotency-Key: one charge, the same bytes, whatever the caller does.</summary>
public sealed class RepeatedCalls
{
    private const string Ask = """{"model":"test/model","messages":[{"role":"user","content":"hi"}]}""";
    private const string AskStream = """{"model":"test/model","stream":true,"messages":[{"role":"user","content":"hi"}]}""";
    private const string Reply = """{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"secret words"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":1000,"total_tokens":2000}}""";
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } """;
    private static readonly string[] Stream =
    [
        """{"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":"one "},"finish_reason":null}]}""",
        """{"id":"x","choices":[{"index":0,"delta":{"content":"two"},"finish_reason":null}]}""",
        """{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""",
        """{"id":"x","choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":1000,"total_tokens":2000}}""",
        "[DONE]",
    ];

    [Fact]
    [Row("header:idempotency-key")]
    [Row("reply.header:x-crossmodel-replayed")]
    public async Task Repeat_OfAPlainCall_GetsTheSameBytes_ForOneCharge()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var first = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        var again = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));

        Assert.Equal(first.Body, again.Body);
        Assert.Equal(first.Header("x-request-id"), again.Header("x-crossmodel-replayed"));
        Assert.NotEqual(first.Header("x-request-id"), again.Header("x-request-id"));
        Assert.Null(first.Header("x-crossmodel-replayed"));
        Assert.Single(upstream.Received);
        Assert.Equal(99.998m, await BalanceAsync(gateway));
    }

    [Fact]
    public async Task Repeat_OfAStream_GetsTheSameBytes_ForOneCharge()
    {
        await using var upstream = await ScriptedUpstream.EventsAsync(Stream);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var first = await gateway.PostAsync(AskStream, null, ("Idempotency-Key", "k1"));
        var again = await gateway.PostAsync(AskStream, null, ("Idempotency-Key", "k1"));

        Assert.EndsWith("data: [DONE]\n\n", first.Text, StringComparison.Ordinal);
        Assert.Equal(first.Text, again.Text);
        Assert.Equal(("text/event-stream; charset=utf-8", "no-cache", "no"), (again.Header("content-type"), again.Header("cache-control"), again.Header("x-accel-buffering")));
        Assert.Single(upstream.Received);
        Assert.Equal(99.998m, await BalanceAsync(gateway));
    }

    /// <summary>What a call is charged is known with its commit only: whoever repeats it is shown that too.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Repeat_OfACallThatTheBalanceDidNotCover_ShowsWhatWasCharged(bool stream)
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await go.Task;
            await (stream ? UsualReply.BeginAsync(http, string.Concat(Stream.Select(data => $"data: {data}\n\n"))) : UsualReply.JsonAsync(http, Reply));
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, balance: 0.001m);
        var body = (stream ? AskStream[..^1] + ",\"stream_options\":{\"include_usage\":true}" : Ask[..^1]) + ",\"max_tokens\":10}";
        Task<HttpReply> CallAsync() => gateway.PostAsync(body, null, ("Idempotency-Key", "k1"));

        var first = CallAsync();
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        var joined = CallAsync();
        await Until.TrueAsync(async () => (await gateway.Http.GetAsync("/metrics")).Text.Contains("crossmodel_calls_in_flight 2\n", StringComparison.Ordinal));
        go.SetResult();

        HttpReply[] replies = [await first, await joined, await CallAsync()];
        Assert.All(replies, reply => Assert.Equal(0.001m, (decimal)(stream ? reply.Chunks[^1] : reply.Json)["usage"]!["cost"]!));
        Assert.Single(replies.Select(reply => reply.Text).Distinct());
        Assert.Single(upstream.Received);
    }

    /// <summary>What is kept of a stream until its end is counted like all that is held, so that many long ones meet the ceiling and not the end of the memory.</summary>
    [Theory]
    [InlineData(2_000_000, true)]
    [InlineData(400_000, false)]
    public async Task Stream_ThatIsLong_IsKeptWithinTheCeiling(int bufferedBytes, bool isRoom)
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 200; i++) await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('a', 4000))));
            await go.Task;
            await UsualReply.SendAsync(http, UsualReply.Chunk("{}", "\"stop\"") + UsualReply.UsageChunk + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, more: $"\"limits\": {{ \"bufferedBytes\": {bufferedBytes} }},");

        var first = gateway.PostAsync(AskStream, null, ("Idempotency-Key", "k1"));
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        var joined = gateway.PostAsync(AskStream, null, ("Idempotency-Key", "k1"));
        async Task<long> MetricAsync(string name) => long.Parse((await gateway.Http.GetAsync("/metrics")).Text.Split('\n').Single(line => line.StartsWith(name + " ", StringComparison.Ordinal)).Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
        // Who comes after the first has ended calls anew.
        await Until.TrueAsync(async () => await MetricAsync("crossmodel_calls_in_flight") == 2);
        await Until.TrueAsync(async () => await MetricAsync("crossmodel_bytes_held") > (isRoom ? 700_000 : 200_000));
        go.SetResult();

        Assert.EndsWith("data: [DONE]\n\n", (await first).Text, StringComparison.Ordinal);
        if (isRoom) Assert.Equal((await first).Text, (await joined).Text);
        else Assert.Equal((503, "model_unavailable"), ((int)(await joined).Status, (await joined).ErrorCode));
        await Until.TrueAsync(async () => await MetricAsync("crossmodel_bytes_held") == 0);
        Assert.Single(upstream.Received);
    }

    /// <summary>There was no room for a piece of it, and there is again for what follows: what is kept is whole or it is not kept.</summary>
    [Fact]
    public async Task Stream_OfWhichAPieceFoundNoRoom_IsNotKept()
    {
        var (large, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if ((bool?)received.Json["stream"] is not true)
            {
                await large.Task;
                await UsualReply.AnswerAsync(http, received);
                return;
            }
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 280; i++)
            {
                await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('a', 4000))));
                if (i == 200) await go.Task;
            }
            await UsualReply.SendAsync(http, UsualReply.Chunk("{}", "\"stop\"") + UsualReply.UsageChunk + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"bufferedBytes\": 1000000 },");

        var other = gateway.PostAsync(Ask.PadRight(600_000));
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        using var first = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(AskStream), gateway.Key, [("Idempotency-Key", "k1")]);
        await using var body = await first.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[200 * 4000]);
        large.SetResult();
        Assert.Equal(200, (int)(await other).Status);
        go.SetResult();
        Assert.EndsWith("data: [DONE]\n\n", await new StreamReader(body).ReadToEndAsync(), StringComparison.Ordinal);

        var again = await gateway.PostAsync(AskStream, null, ("Idempotency-Key", "k1"));
        Assert.Null(again.Header("x-crossmodel-replayed"));
        Assert.Equal(3, upstream.Received.Count);
    }

    [Fact]
    [Row("error:idempotency_key_reused")]
    public async Task Key_WithAnotherBody_IsRefused()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        var other = await gateway.PostAsync(Ask.Replace("hi", "ho", StringComparison.Ordinal), null, ("Idempotency-Key", "k1"));

        Assert.Equal(400, (int)other.Status);
        Assert.Equal("idempotency_key_reused", other.ErrorCode);
    }

    /// <summary>A defect in the books of kept replies: the next one must not wait for a call that has ended.</summary>
    [Fact]
    public async Task Key_WhoseClaimBreaks_IsFreeForTheRepeat()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        await gateway.Gateway.Database.WriteAsync(session => session.ExecuteAsync("ALTER TABLE stored_reply RENAME TO elsewhere"));
        for (var i = 0; i < 2; i++) Assert.Equal(500, (int)(await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1")).WaitAsync(TimeSpan.FromSeconds(10))).Status);
        await gateway.Gateway.Database.WriteAsync(session => session.ExecuteAsync("ALTER TABLE elsewhere RENAME TO stored_reply"));

        Assert.Equal(200, (int)(await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"))).Status);
    }

    /// <summary>To run it again would be a second charge that its caller does not expect.</summary>
    [Fact]
    public async Task Repeat_WhoseKeptReplyCannotBeRead_IsToldSo_AndIsNotCharged()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var first = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await gateway.Gateway.Database.WriteAsync(session => session.ExecuteAsync("UPDATE stored_reply SET reply = 'AAAA'"));

        var repeat = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));

        Assert.Equal((500, "internal_error"), ((int)repeat.Status, repeat.ErrorCode));
        Assert.Contains($"GET /v1/requests/{first.Header("x-request-id")}", repeat.Text, StringComparison.Ordinal);
        Assert.Contains("Use a new key", repeat.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(gateway.Log.All, line => line.Contains("broke inside the gateway", StringComparison.Ordinal));
        Assert.Single(gateway.Log.All, line => line.Contains("cannot be read", StringComparison.Ordinal));
        Assert.Single(upstream.Received);
        Assert.Equal(99.998m, await BalanceAsync(gateway));
    }

    [Fact]
    public async Task Keys_OfTwoAccounts_NeverMeet()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var other = await gateway.NewKeyAsync("other", 1m);

        await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        var theirs = await gateway.PostAsync(Ask, other, ("Idempotency-Key", "k1"));

        Assert.Null(theirs.Header("x-crossmodel-replayed"));
        Assert.Equal(2, upstream.Received.Count);
    }

    [Fact]
    public async Task Repeat_WhileTheFirstRuns_JoinsIt()
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await go.Task;
            http.Response.ContentType = "application/json";
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(Reply));
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var first = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        var joined = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        Assert.False(joined.IsCompleted);
        go.SetResult();

        Assert.Equal((await first).Body, (await joined).Body);
        Assert.Single(upstream.Received);
        Assert.Equal(99.998m, await BalanceAsync(gateway));
    }

    [Fact]
    public async Task Repeat_WhoseCallerLeavesWhileItWaits_IsInFlightNoLonger()
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await go.Task;
            await UsualReply.JsonAsync(http, Reply);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        async Task<bool> InFlightAsync(int calls) => (await gateway.Http.GetAsync("/metrics")).Text.Contains($"crossmodel_calls_in_flight {calls}\n", StringComparison.Ordinal);

        var first = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        using var patience = new CancellationTokenSource();
        var joined = gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(Ask), gateway.Key, [("Idempotency-Key", "k1")], patience.Token);
        await Until.TrueAsync(() => InFlightAsync(2));
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => joined);

        await Until.TrueAsync(() => InFlightAsync(1));
        go.SetResult();
        Assert.Equal(200, (int)(await first).Status);
    }

    [Fact]
    public async Task Repeat_WhileTheFirstRuns_SharesItsFailure()
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await go.Task;
            http.Response.StatusCode = 400;
            await UsualReply.JsonAsync(http, """{"error":{"message":"no","type":"invalid_request_error"}}""");
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var first = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        var joined = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await Task.Delay(300);
        go.SetResult();

        Assert.Equal((400, (await first).Text), ((int)(await joined).Status, (await joined).Text));
        Assert.Single(upstream.Received);
    }

    [Theory]
    [InlineData("x", 255, 200)]
    [InlineData("x", 256, 400)]
    [InlineData("a b", 1, 400)]
    [InlineData("", 1, 400)]
    public async Task Key_OfAnotherForm_IsRefused(string key, int times, int status)
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        Assert.Equal(status, (int)(await gateway.PostAsync(Ask, null, ("Idempotency-Key", string.Concat(Enumerable.Repeat(key, times))))).Status);
    }

    [Fact]
    public async Task Key_WithAnotherBodyWhileTheFirstRuns_IsRefusedAtOnce()
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await go.Task;
            await UsualReply.JsonAsync(http, Reply);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var first = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        var other = gateway.PostAsync(Ask.Replace("hi", "ho", StringComparison.Ordinal), null, ("Idempotency-Key", "k1"));
        await Task.WhenAny(other, Task.Delay(TimeSpan.FromSeconds(20)));
        var wasAnswered = other.IsCompleted;
        go.SetResult();

        Assert.Equal((true, "idempotency_key_reused"), (wasAnswered, (await other).ErrorCode));
        Assert.Equal(200, (int)(await first).Status);
    }

    [Fact]
    public async Task Reply_OverAMebibyte_IsNotKept_AndTheRepeatRuns()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply.Replace("secret words", new string('x', 1024 * 1024), StringComparison.Ordinal));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var first = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        var again = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1")).WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal((200, 200), ((int)first.Status, (int)again.Status));
        Assert.Null(again.Header("x-crossmodel-replayed"));
        Assert.Equal(2, upstream.Received.Count);
        Assert.Equal(99.996m, await BalanceAsync(gateway));
    }

    [Fact]
    public async Task Replay_ToAKeyWithLimits_ShowsWhatIsLeftOfThem()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await gateway.NewKeyAsync("limited", 1m, keyTerms: new Accounts.Terms { RequestsPerMinute = 5 });

        await gateway.PostAsync(Ask, key, ("Idempotency-Key", "k1"));
        var again = await gateway.PostAsync(Ask, key, ("Idempotency-Key", "k1"));

        Assert.NotNull(again.Header("x-crossmodel-replayed"));
        Assert.Equal(("5", "4"), (again.Header("x-ratelimit-limit-requests"), again.Header("x-ratelimit-remaining-requests")));
    }

    [Fact]
    public async Task Repeats_ThatReachAnotherNodeTogether_AllWaitForTheOneThatRuns()
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await go.Task;
            http.Response.ContentType = "application/json";
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(Reply));
        });
        var database = await TestDatabase.NewAddressAsync(postgres: true);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, database: database);
        await using var other = await TestGateway.StartAsync(upstream.BaseUrl, Priced, database: database);

        var first = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        var repeats = Enumerable.Range(0, 4).Select(_ => other.PostAsync(Ask, gateway.Key, ("Idempotency-Key", "k1"))).ToArray();
        await Task.Delay(700);
        go.SetResult();

        Assert.All(await Task.WhenAll(repeats), repeat => Assert.Equal(200, (int)repeat.Status));
        Assert.Equal(Enumerable.Repeat((await first).Text, 4), repeats.Select(r => r.Result.Text));
        Assert.Single(upstream.Received);
        Assert.Equal(99.998m, await BalanceAsync(gateway));
    }

    /// <summary>Who has waited for another node's call and then runs himself is served by what holds by then.</summary>
    [Fact]
    public async Task Repeat_ThatRunsAfterAll_IsJudgedAnew()
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await go.Task;
            await UsualReply.JsonAsync(http, """{"error":{"message":"no","type":"invalid_request_error"}}""", 400);
        });
        var database = await TestDatabase.NewAddressAsync(postgres: true);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, database: database);
        await using var other = await TestGateway.StartAsync(upstream.BaseUrl, Priced, database: database);

        var first = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        var keys = new CrossModel.Accounts.KeyStore(gateway.Gateway.Database);
        var revoked = (await keys.FindAsync(gateway.Key)).Single().Entry;
        var second = (await keys.CreateAsync(new(revoked.AccountId, "second", null, null, CrossModel.Accounts.Terms.None))).Key;
        Task<HttpReply>? repeat = null, joined = null;
        // Whoever asks for the key waits in the database as long as somebody is about to free it.
        async Task FreeingAsync(bool frees, Func<Task> meanwhile) => await gateway.Gateway.Database.WriteAsync(async session =>
        {
            await session.ExecuteAsync("DELETE FROM stored_reply");
            await meanwhile();
            return frees ? true : throw new OperationCanceledException();
        });
        Task AsksAsync(bool asks = true) => Until.TrueAsync(() => gateway.Gateway.Database.ReadAsync(s => s.FirstAsync(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INTO stored_reply%'", row => row.GetInt64(0) > 0 == asks)));
        await Assert.ThrowsAsync<OperationCanceledException>(() => FreeingAsync(frees: false, async () =>
        {
            repeat = other.PostAsync(Ask, gateway.Key, ("Idempotency-Key", "k1"));
            await AsksAsync();
        }));
        await AsksAsync(false);
        await FreeingAsync(frees: true, async () =>
        {
            await AsksAsync();
            joined = other.PostAsync(Ask, second, ("Idempotency-Key", "k1"));
            await keys.ChangeAsync(revoked.Id, key => key with { Revoked = true });
            await Until.TrueAsync(async () => (int)(await other.Http.GetAsync("/v1/models", gateway.Key)).Status == 401);
            go.SetResult();
        });

        Assert.Equal(400, (int)(await first).Status);
        Assert.Equal(401, (int)(await repeat!).Status);
        // Another key of the account is as good as before: its call is the one that runs.
        Assert.Equal(400, (int)(await joined!).Status);
        Assert.Equal(2, upstream.Received.Count);
    }

    /// <summary>It waits for what another server does: this one need not wait with it.</summary>
    [Fact]
    public async Task Repeat_ThatWaitsForAnotherNode_EndsWhenItsOwnStops()
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await go.Task;
            await UsualReply.JsonAsync(http, Reply);
        });
        var database = await TestDatabase.NewAddressAsync(postgres: true);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, database: database);
        await using var other = await TestGateway.StartAsync(upstream.BaseUrl, Priced, more: "\"shutdownTimeout\": \"300ms\",", database: database);

        var first = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        var repeat = other.PostAsync(Ask, gateway.Key, ("Idempotency-Key", "k1"));
        await Task.Delay(700);
        var started = TimeProvider.System.GetTimestamp();
        await other.Gateway.StopAsync();

        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Equal(503, (int)(await repeat).Status);
        go.SetResult();
        Assert.Equal(200, (int)(await first).Status);
    }

    [Fact]
    public async Task Failure_FreesTheKey_AndTheRepeatRuns()
    {
        var fail = true;
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            http.Response.StatusCode = fail ? 400 : 200;
            http.Response.ContentType = "application/json";
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(fail ? """{"error":{"message":"no","type":"invalid_request_error"}}""" : Reply));
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var failed = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        fail = false;
        var again = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));

        Assert.Equal(400, (int)failed.Status);
        Assert.Equal(200, (int)again.Status);
        Assert.Null(again.Header("x-crossmodel-replayed"));
    }

    /// <summary>The database frees the key a moment after the answer: until then the repeat must wait, and not join the call that has failed.</summary>
    [Fact]
    public async Task Failure_ThatTheCallerHas_IsNotSharedByTheRepeat_WhileTheDatabaseIsBusy()
    {
        var busy = new TaskCompletionSource();
        TestGateway? running = null;
        Task? blocked = null;
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            var isFirst = blocked is null;
            blocked ??= running!.Gateway.Database.WriteAsync(async _ => { await busy.Task; return 0; });
            http.Response.StatusCode = isFirst ? 400 : 200;
            http.Response.ContentType = "application/json";
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(isFirst ? """{"error":{"message":"no","type":"invalid_request_error"}}""" : Reply));
        });
        await using var gateway = running = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        // On one connection the repeat would be read only once the first call is over.
        var failed = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"), ("Connection", "close"));
        var again = gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"));
        await Task.Delay(300);
        busy.SetResult();

        Assert.Equal(400, (int)failed.Status);
        Assert.Equal(200, (int)(await again).Status);
        await blocked!;
    }

    /// <summary>Whoever has mended his request sends it at once, under the same key: the database may still hold it for the call that has failed.</summary>
    [Fact]
    public async Task Failure_ThatTheCallerHas_FreesTheKeyForAnotherBody_WhileTheDatabaseIsYetToBeTold()
    {
        var (isHeld, letGo) = (new TaskCompletionSource(), new TaskCompletionSource());
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        await using var database = await TestDatabase.OpenAsync(address);
        Task? holding = null;
        // The row can be read, but not deleted.
        Task HoldAsync() => database.WriteAsync(async session =>
        {
            await session.FirstAsync("SELECT request_id FROM stored_reply FOR UPDATE", row => row.GetString(0));
            isHeld.SetResult();
            await letGo.Task;
            return 0;
        });
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            if (holding is not null)
            {
                await UsualReply.JsonAsync(http, Reply);
                return;
            }
            holding = HoldAsync();
            await isHeld.Task;
            await UsualReply.JsonAsync(http, """{"error":{"message":"no","type":"invalid_request_error"}}""", 400);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, database: address);

        var failed = await gateway.PostAsync(Ask, null, ("Idempotency-Key", "k1"), ("Connection", "close"));
        var mended = gateway.PostAsync(Ask.Replace("hi", "ho", StringComparison.Ordinal), null, ("Idempotency-Key", "k1"));
        await Task.WhenAny(mended, Task.Delay(300, TestContext.Current.CancellationToken));
        letGo.SetResult();

        Assert.Equal((400, 200), ((int)failed.Status, (int)(await mended).Status));
        await holding!;
    }

    [Fact]
    public async Task Caller_WhoDrops_FindsTheReplyWhenItComesBack()
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            http.Response.ContentType = "text/event-stream";
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes($"data: {Stream[0]}\n\n"));
            await http.Response.Body.FlushAsync();
            await go.Task;
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(string.Concat(Stream.Skip(1).Select(d => $"data: {d}\n\n"))));
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        using (var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(AskStream), gateway.Key, [("Idempotency-Key", "k1")]))
        {
            await using var body = await response.Content.ReadAsStreamAsync();
            Assert.True(await body.ReadAsync(new byte[16]) > 0);
        }
        // Time to notice it in: a call that ends with its caller has ended now.
        await Task.Delay(700);
        go.SetResult();
        var again = await gateway.PostAsync(AskStream, null, ("Idempotency-Key", "k1"));

        Assert.Contains("one ", again.Text, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", again.Text, StringComparison.Ordinal);
        Assert.NotNull(again.Header("x-crossmodel-replayed"));
        Assert.Single(upstream.Received);
        Assert.Equal(99.998m, await BalanceAsync(gateway));
    }

    [Fact]
    public async Task KeptReply_IsNotReadableInTheDatabase()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        await gateway.PostAsync(Ask, null, ("Idempotency-Key", "a-key-to-remember"));

        var rows = await gateway.Gateway.Database.ReadAsync(s => s.QueryAsync("SELECT key_hash, reply FROM stored_reply", r => r.GetString(0) + " " + r.GetString(1)));
        var row = Assert.Single(rows);
        Assert.DoesNotContain("a-key-to-remember", row, StringComparison.Ordinal);
        var kept = Convert.FromBase64String(row.Split(' ')[1]);
        Assert.DoesNotContain("secret words", Encoding.UTF8.GetString(kept), StringComparison.Ordinal);
    }

    private static async Task<decimal> BalanceAsync(TestGateway gateway)
    {
        var account = await gateway.Http.GetAsync("/v1/account", gateway.Key);
        return decimal.Parse((string)account.Json["balance"]!, System.Globalization.CultureInfo.InvariantCulture);
    }
}
