using System.Net.Sockets;
using System.Text;
using CrossModel.Accounts;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Requests that few send, and that must not break what all rely on.</summary>
public sealed class OddRequests
{
    private const string Hi = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";

    private const string Ignoring = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 }, "unknownParameters": "ignore" } """;

    /// <summary>A name that no header can carry once made every such reply a 500 after its charge.</summary>
    [Theory]
    [InlineData("\\u00e9", "?")]
    [InlineData("a\\r\\nx-evil: 1", "a??x-evil: 1")]
    [InlineData("a\\u0000\\u007f", "a??")]
    public async Task Ignored_NamesThatNoHeaderCarries_AreShown(string name, string shown)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Ignoring);
        foreach (var stream in (string[])["", ",\"stream\":true"])
        {
            var reply = await gateway.PostAsync($$"""{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"{{name}}":1{{stream}}}""");
            Assert.Equal((200, shown), ((int)reply.Status, reply.Header("x-crossmodel-ignored")));
            var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
            Assert.Equal([shown], receipt["ignored"]!.AsArray().Select(n => (string?)n));
        }
    }

    [Fact]
    public async Task Ignored_ThousandsOfLongNames_StayAHeader()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Ignoring);
        var names = string.Concat(Enumerable.Range(0, 2000).Select(i => $",\"{new string('q', 500)}{i}\":1"));
        var reply = await gateway.PostAsync($$"""{"model":"test/model","messages":[{"role":"user","content":"Hi"}]{{names}}}""");
        Assert.Equal(200, (int)reply.Status);
        Assert.InRange(reply.Header("x-crossmodel-ignored")!.Length, 1000, 3000);
        Assert.Equal(32 + 1, reply.Header("x-crossmodel-ignored")!.Split(", ").Length);
        Assert.EndsWith(", and 1968 more", reply.Header("x-crossmodel-ignored"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tool_OfATypeThatNobodyLists_IsNotDroppedWithTheParameters()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Ignoring);
        var reply = await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"foo":1,"tools":[{"type":"web_search"}]}""");
        Assert.Equal((400, "invalid_value", "tools[0].type"), ((int)reply.Status, reply.ErrorCode, (string?)reply.Json["error"]!["param"]));
        Assert.Empty(upstream.Received);
    }

    [Fact]
    public async Task NamesOfUpstreams_WhereTheyAreHidden_AreAFaultOfTheBody_BeforeTheModels()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var reply = await gateway.PostAsync("""{"model":"no/such","messages":[{"role":"user","content":"Hi"}],"provider":{"only":["up"]}}""");
        Assert.Equal((400, "unsupported_parameter", "provider.only"), ((int)reply.Status, reply.ErrorCode, (string?)reply.Json["error"]!["param"]));
    }

    [Fact]
    public async Task Model_WhoseIdHoldsAnEscape_IsFoundByIt()
    {
        const string id = "odd/a/c?d#e%2f";
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, $$""" "{{id}}": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free" }, "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free" } """);
        foreach (var path in (string[])["/v1/models/" + Uri.EscapeDataString(id), "/v1/models/odd/a/c%3Fd%23e%252f?x=1"])
            Assert.Equal(id, (string?)(await gateway.Http.GetAsync(path, gateway.Key)).Json["id"]);
        Assert.Equal(404, (int)(await gateway.Http.GetAsync("/v1/models/test%252Fmodel", gateway.Key)).Status);
    }

    /// <summary>A person's name in x-title or in a cookie: fetch writes é as one byte, curl as two. What looks at a header answers in the usual shape.</summary>
    [Theory]
    [InlineData("X-Title: Caf\u00e9", 200)]
    [InlineData("X-Title: Caf\u00c3\u00a9", 200)]
    [InlineData("Cookie: name=J\u00f8rgen", 200)]
    [InlineData("x-client-request-id: \u00e9", 200)]
    [InlineData("Idempotency-Key: \u00e9", 400)]
    [InlineData("Authorization: Bearer cm-\u00e9", 401)]
    public async Task Header_WithBytesBeyondAscii_IsNoBrokenRequest(string header, int status)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var key = header.StartsWith("Authorization", StringComparison.Ordinal) ? "" : $"Authorization: Bearer {gateway.Key}\r\n";
        var reply = await SendAsync(gateway, $"{key}{header}\r\nContent-Length: {Hi.Length}\r\n\r\n{Hi}");
        Assert.StartsWith($"HTTP/1.1 {status} ", reply, StringComparison.Ordinal);
        Assert.Contains("x-request-id: req_", reply, StringComparison.Ordinal);
    }

    /// <summary>The web server throws another exception for it than for all else that is broken in a body.</summary>
    [Fact]
    public async Task Trailer_WithANull_IsABrokenBody()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var reply = await SendAsync(gateway, $"Authorization: Bearer {gateway.Key}\r\nTransfer-Encoding: chunked\r\n\r\n{Hi.Length:x}\r\n{Hi}\r\n0\r\nx-sum: 1\02\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 400 ", reply, StringComparison.Ordinal);
        Assert.Contains("invalid_json", reply, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Overhead_LeavesOutTheTimeInWhichTheCallerSends()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var reply = await SendSlowlyAsync(gateway, () => Task.Delay(1500));
        var overhead = reply.Split("x-crossmodel-overhead-ms: ")[1].Split('\r')[0];
        Assert.StartsWith("HTTP/1.1 200", reply, StringComparison.Ordinal);
        Assert.InRange(double.Parse(overhead, System.Globalization.CultureInfo.InvariantCulture), 0, 1000);
    }

    /// <summary>A body may take a day to arrive: what its key may do is asked when it is there.</summary>
    [Fact]
    public async Task Key_RevokedWhileTheBodyArrives_IsRefused()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var reply = await SendSlowlyAsync(gateway, async () =>
        {
            var keys = new KeyStore(gateway.Gateway.Database);
            await keys.ChangeAsync(Assert.Single(await keys.FindAsync(gateway.Key)).Entry.Id, k => k with { Revoked = true });
            await Task.Delay(1500);
        });
        Assert.StartsWith("HTTP/1.1 401", reply, StringComparison.Ordinal);
        Assert.Empty(upstream.Received);
    }

    [Fact]
    public async Task Price_ChangedWhileTheBodyArrives_IsTheNewOne()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1 } } """);
        var reply = await SendSlowlyAsync(gateway, async () =>
        {
            await File.WriteAllTextAsync(gateway.ConfigFile, (await File.ReadAllTextAsync(gateway.ConfigFile)).Replace("\"output\": 1 ", "\"output\": 100 ", StringComparison.Ordinal));
            await Until.TrueAsync(() => gateway.Log.All.Any(line => line.Contains("is in force", StringComparison.Ordinal)));
        });
        Assert.Contains("x-crossmodel-cost: 0.0003\r\n", reply, StringComparison.Ordinal);
    }

    /// <summary>Sends the head and a part of the body, then, after <paramref name="meanwhile"/>, the rest. Answers all that came back.</summary>
    private static Task<string> SendSlowlyAsync(TestGateway gateway, Func<Task> meanwhile) =>
        SendAsync(gateway, $"Authorization: Bearer {gateway.Key}\r\nContent-Length: {Hi.Length}\r\n\r\n{Hi[..10]}", meanwhile, Hi[10..]);

    /// <summary>Sends a call, a byte for each character, and its rest after <paramref name="meanwhile"/>. Answers all that came back.</summary>
    /// <param name="call">Its own headers and what follows them.</param>
    private static async Task<string> SendAsync(TestGateway gateway, string call, Func<Task>? meanwhile = null, string rest = "")
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(gateway.Address.Host, gateway.Address.Port);
        var wire = socket.GetStream();
        await wire.WriteAsync(Encoding.Latin1.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{call}"));
        if (meanwhile is not null)
        {
            // So that the call has begun by then.
            await Task.Delay(200);
            await meanwhile();
            await wire.WriteAsync(Encoding.Latin1.GetBytes(rest));
        }
        return await new StreamReader(wire).ReadToEndAsync();
    }

    /// <summary>A call that breaks inside is in the log as what its caller saw.</summary>
    [Fact]
    public async Task Call_ThatBreaksInside_IsLoggedAs500()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        await gateway.Gateway.Database.DisposeAsync();
        var reply = await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""", ApiKey.New());
        Assert.Equal((500, "internal_error"), ((int)reply.Status, reply.ErrorCode));
        await Until.TrueAsync(() => gateway.Log.All.Any(line => line.Contains("status=500 error=internal_error", StringComparison.Ordinal)));
        await Record.ExceptionAsync(async () => await gateway.DisposeAsync());
    }

    /// <summary>The caller's pause is not the upstream's: it used to be blamed for it, and the reply cut.</summary>
    [Fact]
    public async Task Caller_WhoReadsSlowly_GetsAllOfAReply_ThoughHePausesLongerThanTheUpstreamMay()
    {
        var text = new string('x', 60_000);
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 300; i++) await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(text)));
            await UsualReply.SendAsync(http, UsualReply.Chunk("{}", "\"stop\"") + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, upstreamMore: """, "timeouts": { "idle": "500ms" }""");
        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes("""{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"stream":true}"""), gateway.Key);
        await using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[1000]);
        await Task.Delay(2000);
        var rest = await new StreamReader(body).ReadToEndAsync();
        Assert.DoesNotContain("\"error\"", rest, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", rest, StringComparison.Ordinal);
        Assert.True(rest.Length > 300 * text.Length);
    }

    /// <summary>The whole call's time goes on while he pauses. It ends like any other call whose time is over.</summary>
    [Fact]
    public async Task Caller_WhoReadsSlowly_LongerThanTheWholeCallMayTake_IsToldSo_AndPaysForWhatCame()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 300; i++) await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('x', 60_000))));
            await UsualReply.SendAsync(http, UsualReply.Chunk("{}", "\"stop\"") + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } """, upstreamMore: """, "timeouts": { "total": "500ms" }""");
        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes("""{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"stream":true}"""), gateway.Key);
        await using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[1000]);
        await Task.Delay(1500);
        var rest = await new StreamReader(body).ReadToEndAsync();

        Assert.Contains("\"provider_error\"", rest[^1000..], StringComparison.Ordinal);
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + response.Headers.GetValues("x-request-id").Single(), gateway.Key)).Json;
        Assert.Equal((200, "counted"), ((int)receipt["status"]!, (string?)receipt["basis"]));
    }
}
