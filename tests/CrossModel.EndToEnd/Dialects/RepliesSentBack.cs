using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Dialects;

/// <summary>The usual loop of a conversation: the message of a reply is put behind the others as it came. Some servers refuse members that they do not know, null or not.</summary>
public sealed class RepliesSentBack
{
    private static readonly HashSet<string> Known = ["role", "content", "tool_calls"];

    [Theory]
    [InlineData("mistral", "Extra inputs are not permitted")]
    [InlineData("groq", "property 'refusal' is unsupported")]
    [InlineData("cerebras", "property 'messages.1.assistant.refusal' is unsupported")]
    [InlineData("gemini-compat", "Value is not a string: null")]
    public async Task Reply_OfAServerThatTakesWhatItKnows_IsTakenBack(string preset, string said)
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) =>
            received.Json["messages"]!.AsArray().SelectMany(m => m!.AsObject()).All(m => Known.Contains(m.Key))
                ? UsualReply.AnswerAsync(http, received)
                : UsualReply.JsonAsync(http, $$$"""{"error":{"message":"{{{said}}}","type":"invalid_request_error"}}""", 400));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, upstreamMore: $", \"preset\": \"{preset}\"");
        var talk = new JsonArray(JsonNode.Parse("""{"role":"user","content":"Hi"}"""));
        for (var turn = 0; turn < 3; turn++)
        {
            var reply = await gateway.PostAsync(new JsonObject { ["model"] = "test/model", ["messages"] = talk.DeepClone() }.ToJsonString());
            Assert.Equal(200, (int)reply.Status);
            var message = reply.Json["choices"]![0]!["message"]!.DeepClone();
            Assert.True(message.AsObject().ContainsKey("refusal"));
            // What replies of other models have besides.
            message["annotations"] = new JsonArray();
            message["tool_calls"] = new JsonArray();
            talk.Add(message);
            talk.Add(JsonNode.Parse("""{"role":"user","content":"Go on."}"""));
        }
    }

    /// <summary>Vercel's AI SDK, LangChain and others parse the arguments of a call, bring them to the order of their schema, and send them back as they write JSON. What goes with the call is not theirs to know.</summary>
    [Theory]
    [InlineData("""{"city":"Zürich","days":5,"lat":37.5,"unit":"c"}""")]
    [InlineData("""{"unit":"c","lat":37.5,"days":5,"city":"Zürich"}""")]
    public async Task ClaudesThinking_WithACallWhoseArgumentsTheCallerWroteAnew_GoesBack(string arguments)
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) => UsualReply.JsonAsync(http, """
            {"id":"msg_1","type":"message","role":"assistant","model":"claude","stop_reason":"tool_use","usage":{"input_tokens":5,"output_tokens":9},
             "content":[{"type":"thinking","thinking":"Hm.","signature":"c2ln"},
                        {"type":"tool_use","id":"toolu_1","name":"get_weather","input":{"unit": "c", "lat": 37.50, "days": 5.0, "city": "Z\u00fcrich"}}]}
            """));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "claude", "model": "claude-sonnet-4-5" } ], "price": "free" } """,
            upstreams: $", \"claude\": {{ \"dialect\": \"anthropic\", \"baseUrl\": \"{upstream.Address}\", \"apiKey\": \"k\" }}");
        var body = JsonNode.Parse("""
            {"model":"test/model","max_tokens":4000,"reasoning_effort":"low","messages":[{"role":"user","content":"Weather?"}],
             "tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object"}}}]}
            """)!;
        Assert.Equal(200, (int)(await gateway.PostAsync(body.ToJsonString())).Status);
        var talk = body["messages"]!.AsArray();
        talk.Add(new JsonObject { ["role"] = "assistant", ["content"] = "", ["tool_calls"] = new JsonArray(new JsonObject { ["id"] = "toolu_1", ["type"] = "function", ["function"] = new JsonObject { ["name"] = "get_weather", ["arguments"] = arguments } }) });
        talk.Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = "toolu_1", ["content"] = "4" });
        var second = await gateway.PostAsync(body.ToJsonString());
        Assert.Equal(200, (int)second.Status);
        Assert.Equal("thinking", (string?)upstream.Received[^1].Json["messages"]![1]!["content"]![0]!["type"]);
        Assert.False(second.Headers.ContainsKey("x-crossmodel-ignored"));
    }
}
