using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>What a server calls otherwise than the list does, where the server's extras are let through: it would win over what is held and charged.</summary>
public sealed class ServersOwnNames
{
    private const string Models = """
        "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } },
        "passing/model": { "routes": [ { "upstream": "plain", "model": "m" } ], "price": { "input": 1, "output": 1 }, "passthrough": [ "n_predict", "best_of" ] },
        "ignoring/model": { "routes": [ { "upstream": "plain", "model": "m" } ], "price": { "input": 1, "output": 1 }, "unknownParameters": "ignore" }
        """;

    private static Task<TestGateway> GatewayAsync(ScriptedUpstream upstream) => TestGateway.StartAsync(upstream.BaseUrl, Models,
        upstreamMore: """, "preset": "llama.cpp" """, upstreams: $$""", "plain": { "dialect": "openai", "baseUrl": "{{upstream.BaseUrl}}" }""");

    private static string Body(string model, string members) => $$"""{"model":"{{model}}","messages":[{"role":"user","content":"Hi"}],{{members}}}""";

    [Theory]
    [InlineData("test/model", "\"n_predict\":3000", "n_predict", "max_tokens")]
    [InlineData("test/model", "\"n\":2,\"n_cmpl\":2", "n_cmpl", "n")]
    [InlineData("test/model", "\"max_tokens\":5,\"Max_Tokens\":3000", "Max_Tokens", "max_tokens")]
    [InlineData("passing/model", "\"best_of\":2", "best_of", "n")]
    [InlineData("passing/model", "\"n_predict\":2", "n_predict", "max_tokens")]
    public async Task Name_OfWhatTheGatewayDecides_IsRefusedAndNothingIsSent(string model, string members, string name, string listed)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Body(model, members));

        Assert.Equal((400, "unsupported_parameter", name), ((int)reply.Status, reply.ErrorCode, (string?)reply.Json["error"]!["param"]));
        Assert.Contains($"Send {listed} instead.", (string?)reply.Json["error"]!["message"], StringComparison.Ordinal);
        Assert.Empty(upstream.Received);
    }

    [Fact]
    public async Task Name_ThatIsLeftOutAnyway_IsNamedAsBefore()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await GatewayAsync(upstream);

        var reply = await gateway.PostAsync(Body("ignoring/model", "\"n_predict\":3000"));

        Assert.Equal((200, "n_predict"), ((int)reply.Status, reply.Header("x-crossmodel-ignored")));
        Assert.Null(Assert.Single(upstream.Received).Json["n_predict"]);
    }

    [Fact]
    public async Task Parameter_OfAnotherKind_StillGoesThrough()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await GatewayAsync(upstream);

        Assert.Equal(200, (int)(await gateway.PostAsync(Body("test/model", "\"min_p\":0.1,\"n_keep\":4"))).Status);
        Assert.Equal(4, (int)Assert.Single(upstream.Received).Json["n_keep"]!);
    }

    /// <summary>What the first route lets through is not let through by the next: the operator of that one has not allowed it, and left out it would be missed.</summary>
    [Fact]
    public async Task Tool_OfAnUnlistedType_IsNotSentToARouteThatForwardsNone()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if ((string?)received.Json["model"] == "down") http.Response.StatusCode = 503;
            else await UsualReply.AnswerAsync(http, received);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, """
            "test/model": { "routes": [ { "upstream": "up", "model": "down" }, { "upstream": "plain", "model": "well" } ], "price": "free" }
            """, upstreamMore: """, "preset": "llama.cpp" """, upstreams: $$""", "plain": { "dialect": "openai", "baseUrl": "{{upstream.BaseUrl}}" }""");

        var owned = await gateway.PostAsync(Body("test/model", """ "tools":[{"type":"code_interpreter"}] """));
        var usual = await gateway.PostAsync(Body("test/model", """ "tools":[{"type":"function","function":{"name":"f"}}] """));

        Assert.Equal((502, "provider_error"), ((int)owned.Status, owned.ErrorCode));
        Assert.Equal(200, (int)usual.Status);
        Assert.DoesNotContain(upstream.Received, received => received.Text.Contains("code_interpreter", StringComparison.Ordinal) && (string?)received.Json["model"] == "well");
        Assert.Contains(upstream.Received, received => received.Text.Contains("code_interpreter", StringComparison.Ordinal));
    }
}
