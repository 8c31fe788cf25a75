using System.Net.Sockets;
using System.Text;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd;

/// <summary>GET /metrics of the real program.</summary>
public sealed class MetricsTests
{
    private const string Reply = """{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":3}}}""";
    private const string Ask = """{"model":"test/model","messages":[{"role":"user","content":"Hello"}]}""";
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 2 } } """;

    /// <summary>The value of the one sample whose line begins like this.</summary>
    private static double Value(string metrics, string beginning) =>
        double.Parse(Assert.Single(metrics.Split('\n'), line => line.StartsWith(beginning, StringComparison.Ordinal)).Split(' ')[^1], System.Globalization.CultureInfo.InvariantCulture);

    [Fact]
    public async Task Metrics_AfterCalls_CountThemByModelUpstreamAndStatus()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        for (var i = 0; i < 3; i++) Assert.Equal(200, (int)(await gateway.PostAsync(Ask)).Status);
        Assert.Equal(404, (int)(await gateway.PostAsync(Ask.Replace("test/model", "made/up-by-a-caller", StringComparison.Ordinal))).Status);

        // A dry run is no call.
        Assert.Equal(200, (int)(await gateway.PostAsync(Ask, null, ("x-crossmodel-dry-run", "1"))).Status);

        var reply = await gateway.Http.GetAsync("/metrics");

        Assert.DoesNotContain("""gen_ai_request_model="test/model",crossmodel_upstream="" """.TrimEnd(), reply.Text, StringComparison.Ordinal);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", reply.Header("content-type"));
        const string Series = """gen_ai_request_model="test/model",crossmodel_upstream="up" """;
        var labels = Series.TrimEnd();
        Assert.Equal(3, Value(reply.Text, $$"""crossmodel_calls_total{{{labels}},http_response_status_code="200"}"""));
        Assert.Equal(1, Value(reply.Text, """crossmodel_calls_total{gen_ai_request_model="",crossmodel_upstream="",http_response_status_code="404"}"""));
        Assert.Equal(30, Value(reply.Text, $$"""gen_ai_client_token_usage_sum{{{labels}},gen_ai_token_type="input"}"""));
        Assert.Equal([21, 9, 12], new[] { "input", "cached_input", "output" }.Select(c => Value(reply.Text, $$"""crossmodel_tokens_total{{{labels}},class="{{c}}"}""")));
        Assert.Equal(3, Value(reply.Text, """crossmodel_attempts_total{crossmodel_upstream="up",outcome="ok"}"""));
        Assert.Equal(3, Value(reply.Text, $$"""gen_ai_server_request_duration_seconds_count{{{labels}}}"""));
        Assert.Equal(3, Value(reply.Text, $$"""gen_ai_server_request_duration_seconds_bucket{{{labels}},le="+Inf"}"""));
        Assert.Equal(3 * (10_000 + 8_000), Value(reply.Text, "crossmodel_charged_nanodollars_total"));
        Assert.Equal((0, 0, 0), (Value(reply.Text, "crossmodel_calls_in_flight "), Value(reply.Text, "crossmodel_bytes_held "), Value(reply.Text, "crossmodel_settlements_queued ")));
        Assert.Equal(1, Value(reply.Text, "crossmodel_build_info{version="));
    }

    [Fact]
    public async Task Metrics_OfACallThatWentOn_NameTheModelThatServedIt()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "a/gone": { "routes": [ { "upstream": "away", "model": "m" } ], "price": "free" }, "a/here": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free" } """,
            upstreams: """, "away": { "baseUrl": "http://127.0.0.1:1/v1", "apiKey": "k" } """);
        Assert.Equal(200, (int)(await gateway.PostAsync("""{"model":"a/gone","models":["a/here"],"messages":[{"role":"user","content":"Hello"}]}""")).Status);
        Assert.Equal(1, Value((await gateway.Http.GetAsync("/metrics")).Text, """crossmodel_calls_total{gen_ai_request_model="a/here",crossmodel_upstream="up",http_response_status_code="200"}"""));
    }

    [Fact]
    public async Task Metrics_NameNoAccountKeyRequestOrCallersModel()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var answer = await gateway.PostAsync(Ask);
        await gateway.PostAsync(Ask.Replace("test/model", "made/up-by-a-caller", StringComparison.Ordinal));
        var metrics = (await gateway.Http.GetAsync("/metrics")).Text;
        Assert.Contains("""gen_ai_request_model="test/model",crossmodel_upstream="up" """.TrimEnd(), metrics, StringComparison.Ordinal);
        Assert.Equal(1, Value(metrics, """crossmodel_calls_total{gen_ai_request_model="",crossmodel_upstream="",http_response_status_code="404"}"""));
        foreach (var secret in new[] { "made/up", "default-", gateway.Key, gateway.Key[..7], answer.Header("x-request-id")!, "sk-upstream", "127.0.0.1" })
            Assert.DoesNotContain(secret, metrics, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_OfAFailingUpstream_ShowTheAttemptsAndThatItRests()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync("""{"error":{"message":"no","type":"x","code":"y"}}""", 401);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        Assert.Equal(502, (int)(await gateway.PostAsync(Ask)).Status);
        var metrics = (await gateway.Http.GetAsync("/metrics")).Text;
        Assert.Equal(1, Value(metrics, """crossmodel_attempts_total{crossmodel_upstream="up",outcome="operator"}"""));
        Assert.InRange(Value(metrics, """crossmodel_upstream_cooling_seconds{crossmodel_upstream="up"}"""), 1, 30);
    }

    [Theory]
    [InlineData("X-Forwarded-For", "203.0.113.9")]
    [InlineData("X-Forwarded-For", "127.0.0.1")]
    [InlineData("Forwarded", "for=127.0.0.1")]
    [InlineData("X-Real-IP", "127.0.0.1")]
    [InlineData("Host", "api.example.com")]
    public async Task Metrics_PassedOnByAProxyOnTheSameMachine_AreRefused(string name, string value)
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var reply = await gateway.Http.GetAsync("/metrics", null, (name, value));
        Assert.Equal((404, "not_found"), ((int)reply.Status, reply.ErrorCode));
    }

    [Fact]
    public async Task Metrics_WithAToken_WantItFromEverybody()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: """ "metrics": { "token": "scrape-me" }, """);
        Assert.Equal(401, (int)(await gateway.Http.GetAsync("/metrics")).Status);
        Assert.Equal(401, (int)(await gateway.Http.GetAsync("/metrics", "scrape-you")).Status);
        Assert.Equal(200, (int)(await gateway.Http.GetAsync("/metrics", "scrape-me", ("X-Forwarded-For", "203.0.113.9"))).Status);
        // As with a caller's key, the scheme's case does not matter.
        Assert.Equal(200, (int)(await gateway.Http.GetAsync("/metrics", null, ("Authorization", "bearer scrape-me"))).Status);
    }

    [Fact]
    public async Task Metrics_WithATokenBeyondAscii_TakeItAsItIsSent()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: """ "metrics": { "token": "schlüssel" }, """);
        using var socket = new TcpClient();
        await socket.ConnectAsync(gateway.Address.Host, gateway.Address.Port);
        var wire = socket.GetStream();
        await wire.WriteAsync(Encoding.UTF8.GetBytes("GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer schlüssel\r\nConnection: close\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 200 ", await new StreamReader(wire).ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_WithAnAddressOfTheirOwn_AreThereAndNowhereElse()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: """ "metrics": { "urls": "http://127.0.0.1:0" }, """);
        using var there = new Http(new Uri(Assert.Single(gateway.Gateway.MetricsAddresses)));
        Assert.Equal(404, (int)(await gateway.Http.GetAsync("/metrics")).Status);
        var reply = await there.GetAsync("/metrics", null, ("X-Forwarded-For", "203.0.113.9"));
        Assert.Equal(200, (int)reply.Status);
        Assert.StartsWith("req_", reply.Header("x-request-id"), StringComparison.Ordinal);
        var nothing = await there.GetAsync("/v1/models", gateway.Key);
        Assert.Equal(("not_found", "There is nothing at /v1/models. The endpoint is GET /metrics."), (nothing.ErrorCode, (string?)nothing.Json["error"]!["message"]));
        Assert.Equal("method_not_allowed", (await there.SendAsync(HttpMethod.Post, "/metrics", "{}", null)).ErrorCode);
    }

    [Fact]
    public async Task Metrics_AskedByTooManyAtOnce_TellWhatIsFull()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: """ "metrics": { "urls": "http://127.0.0.1:0" }, """);
        var there = new Uri(Assert.Single(gateway.Gateway.MetricsAddresses));
        TcpClient[] readers = [.. Enumerable.Range(0, 17).Select(_ => new TcpClient())];
        // The one too many may be ended before it knows that it is connected.
        await Task.WhenAll(readers.Select(reader => reader.ConnectAsync(there.Host, there.Port))).ContinueWith(_ => { }, TaskScheduler.Default);
        await Until.TrueAsync(() => Task.FromResult(gateway.Log.All.Any(line => line.StartsWith("Warning 16 connections are open", StringComparison.Ordinal))));
        Array.ForEach(readers, reader => reader.Dispose());
        Assert.Contains("metrics.urls", Assert.Single(gateway.Log.All, line => line.Contains("connections are open", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Metrics_EachFamily_StandsInTheOperationsPage()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var families = (await gateway.Http.GetAsync("/metrics")).Text.Split('\n').Where(l => l.StartsWith("# TYPE ", StringComparison.Ordinal)).Select(l => l.Split(' ')[2]).ToList();
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "CrossModel.slnx"))) folder = folder.Parent;
        var page = await File.ReadAllTextAsync(Path.Combine(folder.FullName, "docs", "operations.md"), TestContext.Current.CancellationToken);
        Assert.True(families.Count > 15);
        Assert.All(families, name => Assert.Contains($"`{name}`", page, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Metrics_PostedTo_Is405()
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(Reply);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        Assert.Equal("method_not_allowed", (await gateway.Http.SendAsync(HttpMethod.Post, "/metrics", "{}", null)).ErrorCode);
    }
}
