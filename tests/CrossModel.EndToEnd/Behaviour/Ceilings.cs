using System.Net.Sockets;
using System.Text;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Bodies that are too large, too deep, too slow, compressed; too many calls; too many bytes.</summary>
public sealed class Ceilings
{
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";

    private static async Task<HttpReply> ChunkedAsync(TestGateway gateway, string body)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway.Address, "/v1/chat/completions")) { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
        message.Headers.TransferEncodingChunked = true;
        message.Headers.TryAddWithoutValidation("Authorization", "Bearer " + gateway.Key);
        using var response = await http.SendAsync(message, TestContext.Current.CancellationToken);
        return await Http.ReadAsync(response);
    }

    [Fact]
    public async Task Body_OverTheLimitInChunks_IsTooLarge()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"bodyBytes\": 100000 },");

        Assert.Equal(200, (int)(await ChunkedAsync(gateway, Plain.PadRight(100_000))).Status);
        var reply = await ChunkedAsync(gateway, Plain.PadRight(100_001));

        Assert.Equal((413, "request_too_large"), ((int)reply.Status, reply.ErrorCode));
        Assert.Single(upstream.Received);
    }

    [Fact]
    public async Task Body_AnnouncedTooLarge_IsRefusedBeforeItIsSent()
    {
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:9/v1");

        Assert.Equal("HTTP/1.1 413 Payload Too Large", await FirstLineAsync(gateway, $"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.Key}\r\nContent-Length: 999999999\r\n\r\n"));
    }

    [Fact]
    public async Task Key_Unknown_NothingOfTheBodyIsRead()
    {
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:9/v1");

        Assert.Equal("HTTP/1.1 401 Unauthorized", await FirstLineAsync(gateway, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer cm-nope\r\nContent-Length: 1000\r\n\r\n"));
    }

    [Fact]
    public async Task Body_ThatDribbles_IsGivenUp()
    {
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:9/v1");

        // A refusal, not an endless wait; what it says matters less.
        Assert.StartsWith("HTTP/1.1 4", await FirstLineAsync(gateway, $"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.Key}\r\nContent-Length: 1000\r\n\r\n{{", seconds: 20), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Body_WithAChunkSizeBeyondAllNumbers_IsTheCallersFault()
    {
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:9/v1");

        Assert.Equal("HTTP/1.1 400 Bad Request", await FirstLineAsync(gateway, $"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.Key}\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nabc"));
    }

    [Fact]
    public async Task Calls_InFlight_HaveACeiling()
    {
        var open = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            await open.Task.WaitAsync(TimeSpan.FromSeconds(20));
            await UsualReply.AnswerAsync(http, received);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"callsInFlight\": 2 },");

        // Again: neither those who ran nor those who were refused are counted any longer, nor less than once.
        for (var round = 1; round <= 2; round++)
        {
            open = new TaskCompletionSource();
            Task<HttpReply>[] running = [gateway.PostAsync(Plain), gateway.PostAsync(Plain)];
            await Until.TrueAsync(() => upstream.Received.Count == 2 * round);
            var third = await gateway.PostAsync(Plain);
            open.SetResult();

            Assert.Equal((503, "model_unavailable"), ((int)third.Status, third.ErrorCode));
            Assert.NotNull(third.Header("retry-after"));
            Assert.All(await Task.WhenAll(running), r => Assert.Equal(200, (int)r.Status));
            await Until.TrueAsync(async () => (await gateway.Http.GetAsync("/metrics")).Text.Contains("crossmodel_calls_in_flight 0\n", StringComparison.Ordinal));
        }
        Assert.Equal(200, (int)(await gateway.PostAsync(Plain)).Status);
    }

    [Fact]
    public async Task Bytes_Buffered_HaveACeilingThatIsGivenBack()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"bufferedBytes\": 50000 },");

        for (var i = 0; i < 3; i++)
        {
            var large = await gateway.PostAsync(Plain.PadRight(60_000));
            Assert.Equal((503, "model_unavailable"), ((int)large.Status, large.ErrorCode));
            Assert.NotNull(large.Header("retry-after"));
            Assert.Equal(503, (int)(await ChunkedAsync(gateway, Plain.PadRight(60_000))).Status);
            Assert.Equal(200, (int)(await gateway.PostAsync(Plain.PadRight(40_000))).Status);
        }
    }

    /// <summary>The provider has done nothing wrong, and its model is well for everybody else.</summary>
    [Fact]
    public async Task Reply_ThatFindsNoRoom_IsNoFailureOfTheUpstream()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) => UsualReply.JsonAsync(http, UsualReply.Plain(content: new string('a', 2_000_000))));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"bufferedBytes\": 1000000 },");

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((503, "model_unavailable"), ((int)reply.Status, reply.ErrorCode));
        Assert.NotNull(reply.Header("retry-after"));
        var metrics = (await gateway.Http.GetAsync("/metrics")).Text;
        Assert.Contains("crossmodel_upstream_cooling_seconds{crossmodel_upstream=\"up\"} 0\n", metrics, StringComparison.Ordinal);
        Assert.Contains("crossmodel_bytes_held 0\n", metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Body_OnlyAnnounced_TakesNoRoomFromOthers()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"bufferedBytes\": 40000000 },");
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", gateway.Address.Port, TestContext.Current.CancellationToken);
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.Key}\r\nContent-Length: 33000000\r\n\r\n{{"));
        await Until.TrueAsync(async () => (await gateway.Http.GetAsync("/metrics")).Text.Contains("crossmodel_calls_in_flight 1\n", StringComparison.Ordinal));

        Assert.Equal(200, (int)(await gateway.PostAsync(Plain.PadRight(10_000_000))).Status);
        Assert.Equal(200, (int)(await ChunkedAsync(gateway, Plain.PadRight(10_000_000))).Status);
    }

    [Fact]
    public async Task Route_AtItsLimitOfParallelCalls_IsPassedOverOr503()
    {
        var open = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if ((string?)received.Json["model"] == "narrow") await open.Task.WaitAsync(TimeSpan.FromSeconds(20));
            await UsualReply.AnswerAsync(http, received);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, """
            "test/model": { "routes": [ { "upstream": "up", "model": "narrow", "maxParallel": 1 } ], "price": "free" },
            "test/two": { "routes": [ { "upstream": "up", "model": "narrow", "maxParallel": 1 }, { "upstream": "up", "model": "wide" } ], "price": "free" }
            """);

        // Again: each seat was given back once.
        for (var round = 1; round <= 2; round++)
        {
            open = new TaskCompletionSource();
            var running = gateway.PostAsync(Plain);
            var second = gateway.PostAsync(Plain.Replace("test/model", "test/two", StringComparison.Ordinal));
            await Until.TrueAsync(() => upstream.Received.Count == 3 * round - 1);
            var full = await gateway.PostAsync(Plain);
            var wide = await gateway.PostAsync(Plain.Replace("test/model", "test/two", StringComparison.Ordinal));
            open.SetResult();

            Assert.Equal((503, "model_unavailable"), ((int)full.Status, full.ErrorCode));
            Assert.NotNull(full.Header("retry-after"));
            Assert.Equal(200, (int)wide.Status);
            Assert.Equal(200, (int)(await running).Status);
            Assert.Equal(200, (int)(await second).Status);
        }
    }

    /// <summary>Two connections in turn: the server does not know that the caller has read the last reply, so it must not matter what it still does after that.</summary>
    [Fact]
    public async Task Route_WithOneSeat_OneCallAfterAnother_IsNeverFull()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, """
            "test/model": { "routes": [ { "upstream": "up", "model": "m", "maxParallel": 1 } ], "price": "free" }
            """);
        using var second = new Http(gateway.Address);

        for (var i = 0; i < 600; i++)
        {
            var body = i % 3 == 0 ? Plain.Replace("\"messages\"", "\"stream\":true,\"messages\"", StringComparison.Ordinal) : Plain;
            var reply = await (i % 2 == 0 ? gateway.Http : second).SendAsync(HttpMethod.Post, "/v1/chat/completions", body, gateway.Key);
            Assert.True((int)reply.Status == 200, $"call {i}: {reply.Text}");
        }
    }

    [Fact]
    public async Task Route_WithOneSeat_OneFailedCallAfterAnother_IsNeverFull()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync("""{"error":{"message":"no","type":"invalid_request_error"}}""", 400);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, """
            "test/model": { "routes": [ { "upstream": "up", "model": "m", "maxParallel": 1 } ], "price": "free" }
            """);

        for (var i = 0; i < 20; i++) Assert.Equal(400, (int)(await gateway.PostAsync(Plain)).Status);
    }

    private static async Task<string?> FirstLineAsync(TestGateway gateway, string request, int seconds = 5)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync("127.0.0.1", gateway.Address.Port, TestContext.Current.CancellationToken);
        await socket.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(socket.GetStream());
        return await reader.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(seconds));
    }
}
