using System.Text;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>What passes between caller and provider besides the bodies: nothing that either should not see.</summary>
public sealed class UpstreamHygiene
{
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"my-secret-prompt"}]}""";
    private const string Stream = """{"model":"test/model","messages":[{"role":"user","content":"my-secret-prompt"}],"stream":true}""";

    [Fact]
    public async Task Redirect_OfTheUpstream_IsNeverFollowed()
    {
        await using var elsewhere = await ScriptedUpstream.JsonAsync(UsualReply.Plain());
        await using var upstream = await ScriptedUpstream.AlwaysAsync(307, "text/html", [], ("Location", elsewhere.BaseUrl + "/chat/completions"));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((502, "provider_error"), ((int)reply.Status, reply.ErrorCode));
        Assert.Null(reply.Header("location"));
        Assert.Empty(elsewhere.Received);
    }

    [Fact]
    public async Task Cookies_AndHeadersOfTheUpstream_GoNowhere()
    {
        await using var upstream = await ScriptedUpstream.AlwaysAsync(200, "application/json", Encoding.UTF8.GetBytes(UsualReply.Plain()),
            ("Set-Cookie", "a=b"), ("x-request-id", "theirs"), ("Server", "gpu-box"), ("x-internal", "1"), ("openai-organization", "org-theirs"));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var first = await gateway.PostAsync(Plain);
        await gateway.PostAsync(Plain);

        Assert.All(upstream.Received, r => Assert.Null(r.Headers.GetValueOrDefault("cookie")));
        Assert.StartsWith("req_", first.Header("x-request-id"), StringComparison.Ordinal);
        Assert.All((string[])["set-cookie", "server", "x-internal", "openai-organization", "x-crossmodel-upstream"], h => Assert.Null(first.Header(h)));
    }

    [Fact]
    public async Task Headers_OfTheCaller_StayHere()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, upstreamMore: """, "headers": { "x-from-config": "yes" }""");

        await gateway.PostAsync(Plain, null, ("Cookie", "session=1"), ("x-forwarded-for", "10.0.0.1"), ("x-simulate", "status=500"), ("OpenAI-Organization", "org-x"),
            ("x-client-request-id", "c-1"), ("User-Agent", "Caller/1.0"), ("Accept-Encoding", "gzip"), ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), ("Proxy-Authorization", "Basic x"));

        Assert.Equal(["Accept", "Authorization", "Content-Length", "Content-Type", "Host", "User-Agent", "x-from-config"], upstream.Received.Single().Headers.Keys.Order(StringComparer.OrdinalIgnoreCase), StringComparer.OrdinalIgnoreCase);
        Assert.Equal("Bearer sk-upstream-secret", upstream.Received.Single().Headers["Authorization"]);
        Assert.Equal("crossmodel", upstream.Received.Single().Headers["User-Agent"]);
    }

    /// <summary>A server may speak of another behind the same gateway.</summary>
    [Fact]
    public async Task Secrets_OfAnotherUpstream_AreInNoReplyAndNoLog()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync("""{"error":{"message":"asked gpu.rack-9.example with Tr0ub4dor-and-3-horses"}}""", 400);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, upstreams: """, "other": { "baseUrl": "http://gpu.rack-9.example/v1", "apiKey": "Tr0ub4dor-and-3-horses" } """);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal("asked [address] with [key]", (string?)reply.Json["error"]!["message"]);
        Assert.DoesNotContain(gateway.Log.All, line => line.Contains("Tr0ub4dor", StringComparison.Ordinal) || line.Contains("rack-9", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(400)]
    [InlineData(401)]
    [InlineData(404)]
    [InlineData(422)]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(200)]
    public async Task Secrets_EchoedByAHostileUpstream_AreInNoReplyAndNoLog(int status)
    {
        const string key = "Tr0ub4dor-and-3-horses";
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) =>
        {
            var host = received.Headers["Host"];
            var said = $"key {key} of http://gpu-box-7:8000/v1 at {host} and gpu-box-7 was asked my-secret-prompt by {received.Headers["Authorization"]}";
            return UsualReply.JsonAsync(http, $$$"""{"error":{"message":"{{{said}}}","type":"{{{said}}}","code":"{{{said}}}","param":"{{{said}}}"}}""", status);
        });
        var port = upstream.Address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            upstreams: $$""", "keyed": { "dialect": "openai", "baseUrl": "{{upstream.BaseUrl}}", "apiKey": "{{key}}" }""",
            models: """ "test/model": { "routes": [ { "upstream": "keyed", "model": "m" } ], "price": "free" } """);
        foreach (var body in (string[])[Plain, Stream])
        {
            var reply = await gateway.PostAsync(body);
            var told = reply.Text + string.Join('\n', reply.Headers.Select(h => h.Key + ": " + h.Value));
            Assert.True((int)reply.Status >= 400, reply.Text);
            Assert.DoesNotContain(key, told, StringComparison.Ordinal);
            Assert.DoesNotContain(":" + port, told, StringComparison.Ordinal);
        }

        await Until.TrueAsync(() => gateway.Log.All.Count(l => l.Contains("status=", StringComparison.Ordinal)) >= 2);
        var log = string.Join('\n', gateway.Log.All);
        Assert.DoesNotContain(key, log, StringComparison.Ordinal);
        Assert.DoesNotContain(gateway.Key, log, StringComparison.Ordinal);
        Assert.DoesNotContain("my-secret-prompt", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secrets_EchoedInMidStream_AreInNoReplyAndNoLog()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) => UsualReply.BeginAsync(http,
            UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")) + "data: {\"error\":{\"message\":\"bad key sk-upstream-secret at " + received.Headers["Host"] + "\",\"code\":\"context_length_exceeded\"}}\n\n"));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync(Stream);

        Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("sk-upstream-secret", reply.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(":" + upstream.Address.Port, reply.Text, StringComparison.Ordinal);
        await Until.TrueAsync(() => gateway.Log.All.Any(l => l.Contains("attempt failed", StringComparison.Ordinal) && l.Contains("bad key", StringComparison.Ordinal)));
        var log = string.Join('\n', gateway.Log.All);
        Assert.DoesNotContain("sk-upstream-secret", log, StringComparison.Ordinal);
        Assert.DoesNotContain("my-secret-prompt", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Upstream_NotThere_IsA502ThatNamesNoHost()
    {
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:9/v1");

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((502, "provider_error"), ((int)reply.Status, reply.ErrorCode));
        Assert.DoesNotContain("127.0.0.1", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Logs_OfAGoodCall_HoldIdsAndNumbersOnly()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync(Plain);

        await Until.TrueAsync(() => gateway.Log.All.Any(l => l.Contains(reply.Header("x-request-id")!, StringComparison.Ordinal)));
        var log = string.Join('\n', gateway.Log.All);
        Assert.Contains("status=200", log, StringComparison.Ordinal);
        Assert.Contains("input_tokens=9 output_tokens=3", log, StringComparison.Ordinal);
        Assert.All((string[])["my-secret-prompt", "Hello!", "sk-upstream-secret", gateway.Key, "127.0.0.1:" + upstream.Address.Port], secret => Assert.DoesNotContain(secret, log, StringComparison.Ordinal));
    }
}
