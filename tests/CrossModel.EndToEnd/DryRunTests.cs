using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Rows;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd;

/// <summary>x-crossmodel-dry-run: the explanation instead of a call.</summary>
public sealed class DryRunTests
{
    private const string Ask = """{"model":"test/model","messages":[{"role":"user","content":"Hello \u00e9"}],"temperature":1.0,"max_tokens":100,"seed":7}""";
    private const string TwoRoutes = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" }, { "upstream": "up", "model": "spare" } ], "price": { "input": 1, "cachedInput": 0.1, "output": 2 } } """;

    private static Task<ScriptedUpstream> UpstreamAsync() => ScriptedUpstream.JsonAsync("""{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14}}""");

    [Fact]
    [Row("header:x-crossmodel-dry-run")]
    public async Task DryRun_SendsAndChargesNothing_AndShowsWhatWouldBeSent()
    {
        await using var upstream = await UpstreamAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);

        var reply = await gateway.PostAsync(Ask, null, ("x-crossmodel-dry-run", "1"));

        Assert.Equal(200, (int)reply.Status);
        Assert.Empty(upstream.Received);
        var routes = reply.Json["routes"]!.AsArray();
        Assert.Equal(["m", "spare"], routes.Select(r => (string?)r!["body"]!["model"]));
        Assert.NotEmpty(routes[0]!["reasons"]!.AsArray());
        // 27 characters of text and one message: 4 + 8 prompt tokens at the least assumptions; 100 of output at 2 USD a million.
        Assert.Equal("0.00", ((string)reply.Json["cost"]!["lowest"]!)[..4]);
        Assert.True(decimal.Parse((string)reply.Json["cost"]!["highest"]!, System.Globalization.CultureInfo.InvariantCulture) >= 0.0002m);
        var account = (await gateway.Http.GetAsync("/v1/account", gateway.Key)).Json;
        Assert.Equal(("100.00", "0.00"), ((string?)account["balance"], (string?)account["held"]));
        Assert.Equal("request_not_found", (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).ErrorCode);
    }

    [Fact]
    public async Task DryRun_Body_IsByteForByteWhatTheCallThenSends()
    {
        await using var upstream = await UpstreamAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);
        var dry = await gateway.PostAsync(Ask, null, ("x-crossmodel-dry-run", "1"));
        await gateway.PostAsync(Ask);
        Assert.Contains("\"body\":" + Assert.Single(upstream.Received).Text, dry.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DryRun_NamesNoUpstreamAndNoCredential_UnlessTheOperatorExposesUpstreams()
    {
        await using var upstream = await UpstreamAsync();
        await using (var hiding = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes))
        {
            var reply = await hiding.PostAsync(Ask, null, ("x-crossmodel-dry-run", "1"));
            foreach (var secret in new[] { "\"up\"", "upstream", "sk-", "127.0.0.1" }) Assert.DoesNotContain(secret, reply.Text, StringComparison.Ordinal);
        }
        await using var showing = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes, more: """ "exposeUpstream": true, """);
        var shown = await showing.PostAsync(Ask, null, ("x-crossmodel-dry-run", "1"));
        Assert.Equal(["up m", "up spare"], shown.Json["routes"]!.AsArray().Select(r => $"{r!["upstream"]} {r["upstream_model"]}"));
        Assert.DoesNotContain("sk-upstream", shown.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task DryRun_OfALargeRequestToManyRoutes_ShowsNoMoreThanABodyMayHold()
    {
        await using var upstream = await UpstreamAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes, more: """ "limits": { "bodyBytes": 100000 }, """);
        string Of(int letters) => Ask.Replace("Hello", new string('x', letters), StringComparison.Ordinal);

        Assert.Equal(200, (int)(await gateway.PostAsync(Of(40_000), null, ("x-crossmodel-dry-run", "1"))).Status);
        var large = await gateway.PostAsync(Of(60_000), null, ("x-crossmodel-dry-run", "1"));

        Assert.Equal((413, "request_too_large"), ((int)large.Status, large.ErrorCode));
        Assert.Equal(200, (int)(await gateway.PostAsync(Of(60_000))).Status);
    }

    [Theory]
    [InlineData("""{"model":"nobody/knows","messages":[{"role":"user","content":"Hello"}]}""", 404, "model_not_found")]
    [InlineData("""{"model":"test/model","messages":[]}""", 400, null)]
    [InlineData("""{"model":"test/model","messages":[{"role":"user","content":"Hello"}],"temprature":1}""", 400, "unsupported_parameter")]
    public async Task DryRun_OfWhatWouldBeRefused_IsTheSameRefusal(string body, int status, string? code)
    {
        await using var upstream = await UpstreamAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);
        var (dry, real) = (await gateway.PostAsync(body, null, ("x-crossmodel-dry-run", "1")), await gateway.PostAsync(body));
        Assert.Equal(status, (int)dry.Status);
        if (code is not null) Assert.Equal(code, dry.ErrorCode);
        Assert.True(JsonNode.DeepEquals(real.Json, dry.Json));
    }

    [Theory]
    [InlineData("x-crossmodel-cache", "1h")]
    [InlineData("x-crossmodel-cache", "")]
    [InlineData("Idempotency-Key", "two words")]
    [InlineData("Idempotency-Key", "")]
    public async Task DryRun_WithAHeaderThatTheCallIsRefusedFor_IsTheSameRefusal(string name, string value)
    {
        await using var upstream = await UpstreamAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);
        var (dry, real) = (await gateway.PostAsync(Ask, null, ("x-crossmodel-dry-run", "1"), (name, value)), await gateway.PostAsync(Ask, null, (name, value)));
        Assert.Equal((400, "invalid_value", name), ((int)dry.Status, dry.ErrorCode, (string?)dry.Json["error"]!["param"]));
        Assert.True(JsonNode.DeepEquals(real.Json, dry.Json));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("False")]
    [InlineData("")]
    public async Task DryRun_SwitchedOff_IsAnOrdinaryCall(string off)
    {
        await using var upstream = await UpstreamAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);
        Assert.Equal("chat.completion", (string?)(await gateway.PostAsync(Ask, null, ("x-crossmodel-dry-run", off))).Json["object"]);
        Assert.Single(upstream.Received);
    }

    [Theory]
    [InlineData("2")]
    [InlineData("no")]
    public async Task DryRun_OfAnotherWord_IsRefusedAndSendsNothing(string word)
    {
        await using var upstream = await UpstreamAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, TwoRoutes);
        var reply = await gateway.PostAsync(Ask, null, ("x-crossmodel-dry-run", word));
        Assert.Equal((400, "invalid_value", "x-crossmodel-dry-run"), ((int)reply.Status, reply.ErrorCode, (string?)reply.Json["error"]!["param"]));
        Assert.Contains("is 1", (string?)reply.Json["error"]!["message"], StringComparison.Ordinal);
        Assert.Equal("explanation", (string?)(await gateway.PostAsync(Ask, null, ("x-crossmodel-dry-run", "true"))).Json["object"]);
        Assert.Empty(upstream.Received);
    }

    [Fact]
    public async Task Model_LeftOutWhole_IsNamed()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "a/cheap": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 2 } }, "a/dear": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 100, "output": 200 } } """);
        var reply = await gateway.PostAsync("""{"model":"a/cheap","models":["a/dear"],"provider":{"max_price":{"prompt":5}},"messages":[{"role":"user","content":"Hi"}]}""", null, ("x-crossmodel-dry-run", "1"));
        var left = Assert.Single(reply.Json["left_out"]!.AsArray())!;
        Assert.Equal(("a/dear", null), ((string?)left["model"], left["upstream"]));
    }

    [Fact]
    public async Task Route_ThatRests_SaysSo()
    {
        await using var upstream = await ScriptedUpstream.AlwaysAsync(429, "application/json", "{}"u8.ToArray(), ("Retry-After", "60"));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        await gateway.PostAsync(Ask);
        Assert.Contains(await ReasonsAsync(gateway), r => r.StartsWith("rests for ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(""", "maxParallel": 1""", "")]
    [InlineData("", """, "maxParallel": 1""")]
    public async Task Route_AtItsLimit_SaysSo(string ofUpstream, string ofRoute)
    {
        var go = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            await go.Task;
            await UsualReply.AnswerAsync(http, received);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, $$""" "test/model": { "routes": [ { "upstream": "up", "model": "m"{{ofRoute}} } ], "price": "free" } """, upstreamMore: ofUpstream);
        Assert.Equal(["the only route of its model"], await ReasonsAsync(gateway));
        var running = gateway.PostAsync(Ask);
        await Until.TrueAsync(() => upstream.Received.Count == 1);
        Assert.Contains(await ReasonsAsync(gateway), r => r.StartsWith("at its limit ", StringComparison.Ordinal));
        go.SetResult();
        await running;
    }

    private static async Task<List<string>> ReasonsAsync(TestGateway gateway) =>
        [.. (await gateway.PostAsync(Ask, null, ("x-crossmodel-dry-run", "1"))).Json["routes"]![0]!["reasons"]!.AsArray().Select(r => (string)r!)];
}
