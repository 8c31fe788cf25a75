using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>The caller goes away, or the upstream falls silent.</summary>
public sealed class Leaving
{
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } """;
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";
    private const string Stream = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"stream":true}""";

    [Fact]
    public async Task Caller_LeavesInMidStream_UpstreamIsCancelledAndTheWrittenIsCharged()
    {
        var gone = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Half of it")));
            using var left = http.RequestAborted.Register(() => gone.TrySetResult());
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(20));
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        string id;
        using (var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(Stream), gateway.Key))
        {
            id = response.Headers.GetValues("x-request-id").Single();
            var body = await response.Content.ReadAsStreamAsync();
            await body.ReadExactlyAsync(new byte[100]);
        }
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(2));

        var receipt = await ReceiptAsync(gateway, id);
        Assert.Equal((499, "counted"), ((int)receipt["status"]!, (string?)receipt["basis"]));
        Assert.Equal(3, (int)receipt["usage"]!["completion_tokens"]!); // 10 bytes, four a token
    }

    /// <summary>Its body is read from a connection that breaks: that is no fault of the gateway's, whichever of both is told first.</summary>
    [Fact]
    public async Task Caller_ResetsInsideItsBody_IsGoneAndNothingBroke()
    {
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:9/v1");
        for (var i = 0; i < 60; i++)
        {
            using var socket = new TcpClient { LingerState = new LingerOption(true, 0) };
            await socket.ConnectAsync("127.0.0.1", gateway.Address.Port, TestContext.Current.CancellationToken);
            await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.Key}\r\nContent-Length: 1000\r\n\r\n{{"));
            await Task.Delay(i % 4, TestContext.Current.CancellationToken);
        }
        await Until.TrueAsync(() => gateway.Log.All.Any(line => line.Contains("status=499", StringComparison.Ordinal)));

        Assert.DoesNotContain(gateway.Log.All, line => line.Contains("broke inside", StringComparison.Ordinal));
        Assert.DoesNotContain("status_code=\"500\"", (await gateway.Http.GetAsync("/metrics")).Text, StringComparison.Ordinal);
    }

    /// <summary>Between two tries nobody is asked, and who was admitted has a record all the same.</summary>
    [Fact]
    public async Task Caller_LeavesBetweenTwoTries_HasARecordAndNoSeat()
    {
        var asked = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.JsonAsync(http, "{}", 500);
            asked.TrySetResult();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await gateway.NewKeyAsync("single", 1m, keyTerms: new Accounts.Terms { Parallel = 1 });
        using var patience = new CancellationTokenSource();
        var call = gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(Plain), key, cancellation: patience.Token);
        await asked.Task;
        await Task.Delay(50);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await Until.TrueAsync(async () => await gateway.Gateway.Database.ReadAsync(s => s.FirstAsync("SELECT COUNT(*) FROM request_record WHERE detail LIKE '%waived%'", row => row.GetInt64(0))) == 1);
        // And its seat is free.
        await Until.TrueAsync(async () => (int)(await gateway.PostAsync(Plain, key)).Status == 502);
    }

    [Theory]
    [InlineData(Plain)]
    [InlineData(Stream)]
    public async Task Caller_LeavesBeforeTheFirstByte_NothingIsCharged(string body)
    {
        var asked = new TaskCompletionSource();
        var gone = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            asked.TrySetResult();
            using var left = http.RequestAborted.Register(() => gone.TrySetResult());
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(20));
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        using var patience = new CancellationTokenSource();

        var call = gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(body), gateway.Key, cancellation: patience.Token);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(2));

        await Until.TrueAsync(() => gateway.Log.All.Any(l => l.Contains("status=499", StringComparison.Ordinal)));
        Assert.DoesNotContain(gateway.Log.All, l => l.Contains("attempt failed", StringComparison.Ordinal));
        Assert.Equal("100.00", (string?)(await gateway.Http.GetAsync("/v1/account", gateway.Key)).Json["balance"]);
        await Until.TrueAsync(async () => (string?)(await gateway.Http.GetAsync("/v1/account", gateway.Key)).Json["held"] == "0.00");
    }

    [Theory]
    [InlineData("\"firstByte\": \"200ms\", \"plain\": \"200ms\"", Plain, "first byte")]
    [InlineData("\"firstByte\": \"200ms\"", Stream, "first byte")]
    [InlineData("\"total\": \"200ms\"", Plain, "total")]
    public async Task Upstream_Silent_IsA502ThatNamesTheLimit(string timeouts, string body, string named)
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) => Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, upstreamMore: $$""", "timeouts": { {{timeouts}} }""");

        var reply = await gateway.PostAsync(body);

        Assert.Equal((502, "provider_error"), ((int)reply.Status, reply.ErrorCode));
        Assert.Contains(named, (string?)reply.Json["error"]!["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Upstream_FallsSilentInMidStream_IsAnErrorEventThatNamesTheLimit()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, upstreamMore: """, "timeouts": { "idle": "200ms" }""");

        var reply = await gateway.PostAsync(Stream);

        Assert.Contains("idle", (string?)JsonNode.Parse(reply.Events[^1])!["error"]!["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Comments_OfTheUpstream_KeepItAlive()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, ": working\n\n");
            for (var i = 0; i < 8; i++)
            {
                await Task.Delay(100);
                await UsualReply.SendAsync(http, ": working\n\n");
            }
            await UsualReply.SendAsync(http, UsualReply.Stream());
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced, upstreamMore: """, "timeouts": { "idle": "400ms", "firstByte": "400ms" }""");

        var reply = await gateway.PostAsync(Stream);

        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.DoesNotContain("working", reply.Text, StringComparison.Ordinal);
    }

    /// <summary>The receipt is written after the caller has left: a little patience.</summary>
    private static async Task<JsonNode> ReceiptAsync(TestGateway gateway, string id)
    {
        HttpReply reply;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        while ((int)(reply = await gateway.Http.GetAsync("/v1/requests/" + id, gateway.Key)).Status == 404) await Task.Delay(10, limit.Token);
        return reply.Json;
    }
}
