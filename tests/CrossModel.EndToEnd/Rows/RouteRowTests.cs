using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Rows;

/// <summary>The rows of the caller's own choice of route.</summary>
public sealed class RouteRowTests : IAsyncLifetime
{
    private ScriptedUpstream _one = null!;
    private ScriptedUpstream _two = null!;
    private TestGateway _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _one = await ScriptedUpstream.StartAsync((http, received) => Answer(http, received));
        _two = await ScriptedUpstream.StartAsync((http, received) => Answer(http, received));
        _gateway = await TestGateway.StartAsync(_one.BaseUrl, more: "\"exposeUpstream\": true,",
            upstreams: $$""", "two": { "dialect": "openai", "preset": "groq", "baseUrl": "{{_two.BaseUrl}}" }""",
            models: """
                "test/model": { "routes": [ { "upstream": "up", "model": "m", "cost": { "input": 3, "output": 3 } }, { "upstream": "two", "model": "m", "cost": { "input": 1, "output": 1 } } ], "price": { "input": 5, "output": 5 } },
                "test/other": { "routes": [ { "upstream": "two", "model": "m" } ], "price": "free" },
                "test/flaky": { "routes": [ { "upstream": "up", "model": "broken" }, { "upstream": "two", "model": "m" } ], "price": "free" },
                "test/broken": { "routes": [ { "upstream": "up", "model": "broken" } ], "price": "free" },
                "test/dear": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1000000, "output": 1000000 } }
                """);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _one.DisposeAsync();
        await _two.DisposeAsync();
    }

    private static Task Answer(HttpContext http, Received received) =>
        (string?)received.Json["model"] == "broken" ? UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", 500) : UsualReply.AnswerAsync(http, received);

    private Task<HttpReply> Ask(string members, string model = "test/model", string? key = null) =>
        _gateway.PostAsync($$"""{"model":"{{model}}","messages":[{"role":"user","content":"Hi"}],{{members}}}""", key);

    private static string? Upstream(HttpReply reply) => reply.Header("x-crossmodel-upstream");

    [Fact]
    [Row("param:models")]
    public async Task Models_FirstFails_NextOneAnswersUnderItsName()
    {
        var reply = await Ask("\"models\":[\"no/such\",\"test/other\"]", "test/broken");

        Assert.Equal(200, (int)reply.Status);
        Assert.Equal("test/other", (string?)reply.Json["model"]);
        Assert.Equal("two", Upstream(reply));
        var receipt = (await _gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), _gateway.Key)).Json;
        Assert.Equal("test/other", (string?)receipt["model"]);
        Assert.Equal("test/broken", (string?)receipt["model_asked"]);
    }

    [Fact]
    [Row("param:models")]
    public async Task Models_NotAllowedToTheKey_AreSkipped()
    {
        var key = await _gateway.NewKeyAsync("narrow", 0, models: ["test/other"]);

        Assert.Equal("test/other", (string?)(await Ask("\"models\":[\"test/other\"]", key: key)).Json["model"]);
        Assert.Equal("model_not_found", (await Ask("\"models\":[\"test/broken\"]", key: key)).ErrorCode);
    }

    [Fact]
    [Row("param:models")]
    public async Task Models_WithADearOne_NeedItsHold()
    {
        var reply = await Ask("\"max_tokens\":1000,\"models\":[\"test/dear\"]", "test/other");

        Assert.Equal(402, (int)reply.Status);
    }

    [Fact]
    [Row("param:provider")]
    public async Task Provider_NeverReachesTheUpstream()
    {
        await Ask("\"provider\":{\"order\":[\"two\"],\"allow_fallbacks\":true}");

        Assert.Null(_two.Received.Single().Json["provider"]);
    }

    [Theory]
    [Row("param:provider.order")]
    [InlineData("[\"two\"]", "two")]
    [InlineData("[\"up\",\"two\"]", "up")]
    [InlineData("[\"nobody\",\"two\"]", "two")]
    public async Task Order_Given_IsFollowed(string order, string upstream) =>
        Assert.Equal(upstream, Upstream(await Ask($"\"provider\":{{\"order\":{order}}}")));

    [Fact]
    [Row("param:provider.order")]
    public async Task Order_UnknownNameWithoutFallbacks_IsRefused() =>
        AssertRefused(await Ask("\"provider\":{\"order\":[\"nobody\"],\"allow_fallbacks\":false}"), "provider.order");

    [Fact]
    [Row("param:provider.only")]
    public async Task Only_NamesOne_TheOtherIsNotAsked()
    {
        Assert.Equal("two", Upstream(await Ask("\"provider\":{\"only\":[\"two\"]}")));
        AssertRefused(await Ask("\"provider\":{\"only\":[\"nobody\"]}"), "provider.only");
    }

    [Fact]
    [Row("param:provider.ignore")]
    public async Task Ignore_NamesOne_TheOtherIsAsked()
    {
        Assert.Equal("two", Upstream(await Ask("\"provider\":{\"ignore\":[\"up\"]}")));
        AssertRefused(await Ask("\"provider\":{\"ignore\":[\"up\",\"two\"]}"), "provider.ignore");
    }

    [Fact]
    [Row("param:provider.sort")]
    public async Task Sort_ByPrice_AsksTheCheaper()
    {
        Assert.Equal("up", Upstream(await Ask("\"provider\":{}")));
        Assert.Equal("two", Upstream(await Ask("\"provider\":{\"sort\":\"price\"}")));
        foreach (var word in (string[])["latency", "beauty"]) AssertRefused(await Ask($"\"provider\":{{\"sort\":\"{word}\"}}"), "provider.sort");
    }

    [Fact]
    [Row("param:provider.max_price")]
    public async Task MaxPrice_BelowThePrice_LeavesNoRoute()
    {
        Assert.Equal(200, (int)(await Ask("\"provider\":{\"max_price\":{\"prompt\":5,\"completion\":\"5.0\"}}")).Status);
        AssertRefused(await Ask("\"provider\":{\"max_price\":{\"prompt\":0.5}}"), "provider.max_price");
    }

    [Fact]
    [Row("param:provider.allow_fallbacks")]
    public async Task AllowFallbacks_False_OnlyTheBestRouteIsAsked()
    {
        Assert.Equal(502, (int)(await Ask("\"provider\":{\"allow_fallbacks\":false}", "test/flaky")).Status);
        Assert.Empty(_two.Received);

        Assert.Equal("two", Upstream(await Ask("\"provider\":{\"allow_fallbacks\":true}", "test/flaky")));
        Assert.Equal("two", Upstream(await Ask("\"provider\":{\"allow_fallbacks\":false,\"order\":[\"two\"]}", "test/flaky")));
    }

    [Fact]
    [Row("param:provider.require_parameters")]
    public async Task RequireParameters_OnlyRoutesThatTakeAllAreAsked()
    {
        Assert.Equal("two", Upstream(await Ask("\"logit_bias\":{\"1\":1},\"provider\":{\"only\":[\"two\"]}")));
        var reply = await Ask("\"logit_bias\":{\"1\":1},\"provider\":{\"order\":[\"two\",\"up\"],\"require_parameters\":true}");
        Assert.Equal("up", Upstream(reply));
    }

    [Fact]
    [Row("param:provider.require_parameters")]
    public async Task RequireParameters_NoRouteTakesAll_IsRefused() =>
        AssertRefused(await Ask("\"logit_bias\":{\"1\":1},\"provider\":{\"require_parameters\":true}", "test/other"), "provider.require_parameters");

    [Fact]
    [Row("param:provider")]
    public async Task Names_WhereUpstreamsAreHidden_AreRefused()
    {
        await using var hidden = await TestGateway.StartAsync(_one.BaseUrl);
        foreach (var name in (string[])["order", "only", "ignore"])
        {
            var reply = await hidden.PostAsync($$$"""{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"provider":{"{{{name}}}":["up"]}}""");
            AssertRefused(reply, "provider." + name);
        }
        var sorted = await hidden.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"provider":{"sort":"price"}}""");
        Assert.Equal(200, (int)sorted.Status);
        Assert.Null(Upstream(sorted));
    }

    private static void AssertRefused(HttpReply reply, string param)
    {
        Assert.Equal(400, (int)reply.Status);
        Assert.Equal("unsupported_parameter", reply.ErrorCode);
        Assert.Equal(param, (string?)reply.Json["error"]!["param"]);
    }
}
