using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Dialects;

/// <summary>What a server demands of those who ask it, and that a caller of OpenAI's format knows nothing of: its refusal is met, not handed on.</summary>
public sealed class ServersDemands
{
    private const string Loop = """{"role":"user","content":"1"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}""";

    private static string Ask(string messages, string members = "") => $$"""{"model":"test/model","messages":[{{messages}}]{{members}}}""";

    /// <summary>Refuses what is not as the server wants it, and answers the rest.</summary>
    private static Task<ScriptedUpstream> ServerAsync(string refusal, Func<JsonNode, bool> isWelcome) => ScriptedUpstream.StartAsync((http, received) =>
        isWelcome(received.Json) ? UsualReply.AnswerAsync(http, received) : UsualReply.JsonAsync(http, $$$"""{"error":{"message":"{{{refusal}}}","type":"invalid_request_error"}}""", 400));

    [Fact]
    public async Task PlainCall_OfAModelThatOnlyStreams_IsAnsweredPlainlyAndCharged()
    {
        await using var upstream = await ServerAsync("parameter.enable_thinking must be set to false for non-streaming calls", body => (bool?)body["stream"] is true);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, """ "test/model": { "routes": [ { "upstream": "up", "model": "qwen3-32b" } ], "price": { "input": 1000, "output": 2000 } } """);

        var first = await gateway.PostAsync(Ask("""{"role":"user","content":"Hi"}"""));
        var second = await gateway.PostAsync(Ask("""{"role":"user","content":"Hi"}"""));

        foreach (var reply in new[] { first, second })
        {
            Assert.Equal((200, "Hello!", 12), ((int)reply.Status, (string?)reply.Json["choices"]![0]!["message"]!["content"], (int)reply.Json["usage"]!["total_tokens"]!));
            Assert.Null(reply.Header("x-crossmodel-ignored"));
        }
        Assert.Equal(3, upstream.Received.Count);
    }

    [Fact]
    public async Task ToolLoop_OfAModelThatWantsItsThinkingBack_GoesOn()
    {
        await using var upstream = await ServerAsync("thinking is enabled but reasoning_content is missing in assistant tool call message at index 1", body => (string?)body["messages"]![1]!["reasoning_content"] is { Length: > 0 });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        foreach (var stream in (string[])["", ",\"stream\":true"])
        {
            var reply = await gateway.PostAsync(Ask(Loop, stream));
            Assert.Equal(200, (int)reply.Status);
        }
        Assert.Equal(3, upstream.Received.Count);
    }

    /// <summary>Several demands of one call are met one after another.</summary>
    [Fact]
    public async Task Demands_OfOneModel_AreMetTogether()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) =>
        {
            var refusal = received.Json["temperature"] is not null ? "invalid temperature: only 1 is allowed for this model"
                : (string?)received.Json["messages"]![0]!["role"] == "developer" ? "messages[0].role: unknown variant `developer`, expected one of `system`, `user`"
                : received.Json["tools"]![0]!["function"]!["parameters"] is null ? "invalid params, function parameters is empty (2013)" : null;
            return refusal is null ? UsualReply.AnswerAsync(http, received) : UsualReply.JsonAsync(http, $$$"""{"error":{"message":"{{{refusal}}}"}}""", 400);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var body = Ask("""{"role":"developer","content":"Be short."},{"role":"user","content":"Hi"}""", """,  "temperature":0.7,"tools":[{"type":"function","function":{"name":"f"}}]""");

        var replies = new[] { await gateway.PostAsync(body), await gateway.PostAsync(body) };

        Assert.All(replies, reply => Assert.Equal((200, "temperature"), ((int)reply.Status, reply.Header("x-crossmodel-ignored"))));
        Assert.Equal(5, upstream.Received.Count);
    }

    [Fact]
    public async Task Candidates_OfAModelThatGivesOne_AreAllThere()
    {
        await using var upstream = await ServerAsync("invalid n: only 1 is allowed for this model", body => ((int?)body["n"] ?? 1) == 1);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1000, "output": 2000 } } """);

        var plain = await gateway.PostAsync(Ask("""{"role":"user","content":"Hi"}""", ",\"n\":2"));

        Assert.Equal((200, 2, 24), ((int)plain.Status, plain.Json["choices"]!.AsArray().Count, (int)plain.Json["usage"]!["total_tokens"]!));
        Assert.Equal(3, upstream.Received.Count);
    }

    /// <summary>The minute's tokens are used up: the caller waits a moment, and no model of the upstream rests for it.</summary>
    [Fact]
    public async Task Quota_OfAMinute_IsARateAndNoAlarm()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) => (string?)received.Json["model"] == "busy"
            ? UsualReply.JsonAsync(http, """{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}""", 429)
            : UsualReply.AnswerAsync(http, received));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/busy": { "routes": [ { "upstream": "up", "model": "busy" } ], "price": "free" }, "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free" } """, upstreamMore: ", \"preset\": \"dashscope\"");

        var busy = await gateway.PostAsync(Ask("""{"role":"user","content":"Hi"}""").Replace("test/model", "test/busy", StringComparison.Ordinal));

        Assert.Equal((429, "provider_rate_limited"), ((int)busy.Status, busy.ErrorCode));
        Assert.Equal(200, (int)(await gateway.PostAsync(Ask("""{"role":"user","content":"Hi"}"""))).Status);
    }
}
