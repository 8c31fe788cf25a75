using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Dialects;

/// <summary>What a provider refuses, or its model cannot do, though the caller's request is well: the gateway asks again, or otherwise.</summary>
public sealed class ModelsThatStumble
{
    private const string Tools = """ "tools":[{"type":"function","function":{"name":"get-weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}}] """;

    private static string Call(string extra = "") => $$"""{"id":"c1","type":"function","function":{"name":"get-weather","arguments":"{\"city\":\"Oslo\"}"}{{extra}}}""";

    private static string Loop(string call) => $$"""[{"role":"user","content":"Weather?"},{"role":"assistant","content":null,"tool_calls":[{{call}}]},{"role":"tool","tool_call_id":"c1","content":"snow"}]""";

    private static string Upstream(ScriptedUpstream server, string name, string dialect, string more = "") =>
        $$""", "{{name}}": { "dialect": "{{dialect}}", "baseUrl": "{{server.Address.ToString().TrimEnd('/')}}", "apiKey": "secret-key-1"{{more}} } """;

    private static string Model(string name, string upstream, string model, string fallback = "") =>
        $$""" "test/{{name}}": { "routes": [ { "upstream": "{{upstream}}", "model": "{{model}}" }{{fallback}} ], "price": "free" } """;

    /// <summary>Another provider's or account's, or bound to a conversation that its caller has shortened: the next try goes without, and so do all later ones.</summary>
    [Theory]
    [InlineData("anthropic", "", "claude-sonnet-4-5", "reasoning_effort")]
    [InlineData("anthropic", "", "claude-opus-5-5", null)]
    [InlineData("bedrock", ", \"region\": \"us-east-1\"", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "reasoning_effort")]
    [InlineData("bedrock", ", \"region\": \"us-east-1\", \"api\": \"invoke\"", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "reasoning_effort")]
    [InlineData("vertex", ", \"project\": \"p\", \"location\": \"us-east5\"", "claude-sonnet-4-5@20250929", "reasoning_effort")]
    public async Task Claude_ThatRefusesSignedThinking_IsAskedWithoutIt(string dialect, string more, string model, string? ignored)
    {
        await using var server = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if (received.Text.Contains("c2lnbmVk", StringComparison.Ordinal))
                await UsualReply.JsonAsync(http, dialect == "bedrock"
                    ? """{"message":"The model returned the following errors: messages.1.content.0: Invalid `signature` in `thinking` block"}"""
                    : """{"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation."}}""", 400);
            else if (received.Path.EndsWith("/converse", StringComparison.Ordinal))
                await UsualReply.JsonAsync(http, """{"output":{"message":{"role":"assistant","content":[{"text":"Snow."}]}},"stopReason":"end_turn","usage":{"inputTokens":9,"outputTokens":3,"totalTokens":12}}""");
            else
                await UsualReply.JsonAsync(http, """{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"Snow."}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":3}}""");
        });
        await using var gateway = await TestGateway.StartAsync(server.BaseUrl, Model("claude", "claude", model), upstreams: Upstream(server, "claude", dialect, more));
        var call = Call(""","extra_content":{"anthropic":{"thinking":[{"type":"thinking","thinking":"t","signature":"c2lnbmVk"}]}}""");
        var body = $$"""{"model":"test/claude","max_tokens":9000,"reasoning_effort":"high","messages":{{Loop(call)}},{{Tools}}}""";

        foreach (var asked in (int[])[2, 3])
        {
            var reply = await gateway.PostAsync(body);
            Assert.Equal((200, "Snow.", ignored), ((int)reply.Status, (string?)reply.Json["choices"]![0]!["message"]!["content"], reply.Header("x-crossmodel-ignored")));
            Assert.Equal(asked, server.Received.Count);
        }
    }

    /// <summary>Llama calls tools in plain replies only, and agents stream.</summary>
    [Fact]
    public async Task Bedrock_ThatCallsNoToolsInAStream_IsAskedPlainly_AndTheCallerGetsAStream()
    {
        await using var server = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if (received.Path.EndsWith("/converse-stream", StringComparison.Ordinal))
            {
                await UsualReply.JsonAsync(http, """{"message":"This model doesn't support tool use in streaming mode."}""", 400);
                return;
            }
            // A plain reply takes its time to the first byte.
            await Task.Delay(1500);
            await UsualReply.JsonAsync(http, """{"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"t1","name":"get-weather","input":{"city":"Oslo"}}}]}},"stopReason":"tool_use","usage":{"inputTokens":9,"outputTokens":3,"totalTokens":12}}""");
        });
        await using var gateway = await TestGateway.StartAsync(server.BaseUrl, Model("llama", "aws", "us.meta.llama4-maverick-17b-instruct-v1:0"), upstreams: Upstream(server, "aws", "bedrock", ", \"region\": \"us-east-1\", \"timeouts\": { \"firstByte\": \"1s\", \"plain\": \"30s\" }"));
        var body = $$$"""{"model":"test/llama","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Weather?"}],{{{Tools}}}}""";

        foreach (var asked in (int[])[2, 3])
        {
            var reply = await gateway.PostAsync(body);
            Assert.Equal("[DONE]", reply.Events[^1]);
            Assert.Contains(reply.Chunks, c => (string?)c["choices"]![0]?["delta"]?["tool_calls"]?[0]?["function"]?["name"] == "get-weather");
            Assert.Contains(reply.Chunks, c => c["choices"]!.AsArray().Any(choice => (string?)choice!["finish_reason"] == "tool_calls"));
            Assert.Equal(12, (int)reply.Chunks[^1]["usage"]!["total_tokens"]!);
            Assert.Equal(asked, server.Received.Count);
        }
    }

    /// <summary>Taste: what a model does not take is left out from then on, and named.</summary>
    [Fact]
    public async Task Bedrock_ThatTakesNoTemperature_IsAskedWithoutIt()
    {
        await using var server = await ScriptedUpstream.StartAsync((http, received) => received.Text.Contains("temperature", StringComparison.Ordinal)
            ? UsualReply.JsonAsync(http, """{"message":"This model doesn't support the temperature field. Remove temperature and try again."}""", 400)
            : UsualReply.JsonAsync(http, """{"output":{"message":{"role":"assistant","content":[{"text":"Hi."}]}},"stopReason":"end_turn","usage":{"inputTokens":9,"outputTokens":3,"totalTokens":12}}"""));
        await using var gateway = await TestGateway.StartAsync(server.BaseUrl, Model("new", "aws", "vendor.newest-v1:0"), upstreams: Upstream(server, "aws", "bedrock", ", \"region\": \"us-east-1\""));

        foreach (var asked in (int[])[2, 3])
        {
            var reply = await gateway.PostAsync("""{"model":"test/new","temperature":0.2,"messages":[{"role":"user","content":"Hi"}]}""");
            Assert.Equal((200, "temperature", asked), ((int)reply.Status, reply.Header("x-crossmodel-ignored"), server.Received.Count));
        }
    }

    /// <summary>Nova cannot say a hyphen.</summary>
    [Fact]
    public async Task Nova_IsGivenNamesWithoutHyphens_AndTheCallerHisOwn()
    {
        await using var server = await ScriptedUpstream.JsonAsync("""{"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"t1","name":"get_weather_","input":{}}},{"toolUse":{"toolUseId":"t2","name":"get_weather","input":{}}}]}},"stopReason":"tool_use","usage":{"inputTokens":9,"outputTokens":3,"totalTokens":12}}""");
        await using var gateway = await TestGateway.StartAsync(server.BaseUrl, Model("nova", "aws", "us.amazon.nova-pro-v1:0"), upstreams: Upstream(server, "aws", "bedrock", ", \"region\": \"us-east-1\""));

        var reply = await gateway.PostAsync($$$"""
            {"model":"test/nova","messages":{{{Loop(Call())}}},"tool_choice":{"type":"function","function":{"name":"get-weather"}},
             "tools":[{"type":"function","function":{"name":"get-weather"}},{"type":"function","function":{"name":"get_weather"}}]}
            """);

        Assert.Equal(["get-weather", "get_weather"], reply.Json["choices"]![0]!["message"]!["tool_calls"]!.AsArray().Select(c => (string?)c!["function"]!["name"]));
        var sent = Assert.Single(server.Received).Json;
        Assert.Equal(["get_weather_", "get_weather"], sent["toolConfig"]!["tools"]!.AsArray().Select(t => (string?)t!["toolSpec"]!["name"]));
        Assert.Equal("get_weather_", (string?)sent["toolConfig"]!["toolChoice"]!["tool"]!["name"]);
        Assert.Equal("get_weather_", (string?)sent["messages"]![1]!["content"]![0]!["toolUse"]!["name"]);
    }

    private const string Failed = """{"error":{"message":"Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"<function=get-weather{city: Oslo}>"}}""";

    /// <summary>A call that Groq's model has written wrongly: it is asked once more, and if it fails again the caller reads what it wrote.</summary>
    [Theory]
    [InlineData(1, 200)]
    [InlineData(9, 400)]
    public async Task Groq_WhoseModelCallsWrongly_IsAskedOnceMore(int failures, int status)
    {
        var asked = 0;
        await using var server = await ScriptedUpstream.StartAsync((http, received) =>
            Interlocked.Increment(ref asked) <= failures ? UsualReply.JsonAsync(http, Failed, 400) : UsualReply.AnswerAsync(http, received));
        await using var gateway = await TestGateway.StartAsync(server.BaseUrl, upstreamMore: ", \"preset\": \"groq\"");

        var reply = await gateway.PostAsync($$$"""{"model":"test/model","messages":[{"role":"user","content":"Weather?"}],{{{Tools}}}}""");

        Assert.Equal((status, 2), ((int)reply.Status, server.Received.Count));
        if (status == 200) return;
        Assert.Equal("upstream_rejected", reply.ErrorCode);
        Assert.Contains("failed_generation: <function=get-weather{city: Oslo}>", (string?)reply.Json["error"]!["message"], StringComparison.Ordinal);
        Assert.DoesNotContain(gateway.Log.All, line => line.Contains("city: Oslo", StringComparison.Ordinal));
    }

    /// <summary>Gemini 3 refuses a call of its own without the state it was thought from, and most callers know nothing of that state.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task GeminisOwnCompatibleEndpoint_GetsItsSignaturesBack(bool streams)
    {
        const string whole = """{"id":"c1","type":"function","function":{"name":"get-weather","arguments":"{\"city\": \"Oslo\"}"},"extra_content":{"google":{"thought_signature":"c2lnbmVk"}}}""";
        await using var server = await ScriptedUpstream.StartAsync((http, received) =>
        {
            if (received.Text.Contains("\"role\":\"tool\"", StringComparison.Ordinal)) return UsualReply.AnswerAsync(http, received);
            if (!streams) return UsualReply.JsonAsync(http, $$"""{"id":"up-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{{whole}}]},"finish_reason":"tool_calls"}],"usage":{{UsualReply.Usage}}}""");
            // No index, arguments in pieces, and the state by itself.
            return UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role)
                + UsualReply.Chunk("""{"tool_calls":[{"id":"c1","type":"function","function":{"name":"get-weather","arguments":"{\"city\":"}}]}""")
                + UsualReply.Chunk("""{"tool_calls":[{"function":{"arguments":" \"Oslo\"}"}}]}""")
                + UsualReply.Chunk("""{"tool_calls":[{"extra_content":{"google":{"thought_signature":"c2lnbmVk"}}}]}""")
                + UsualReply.Chunk("{}", "\"stop\"") + UsualReply.UsageChunk + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(server.BaseUrl, Model("gemini", "up", "gemini-3.5-flash") + "," + Model("older", "up", "gemini-2.5-flash"), upstreamMore: ", \"preset\": \"gemini-compat\"");
        JsonNode? Sent() => server.Received[^1].Json["messages"]![1]!["tool_calls"]![0]!["extra_content"]?["google"]?["thought_signature"];
        Task<HttpReply> Ask(string messages, string model = "gemini") => gateway.PostAsync($$$"""{"model":"test/{{{model}}}","stream":{{{(streams ? "true" : "false")}}},"messages":{{{messages}}},{{{Tools}}}}""");

        Assert.Contains("c2lnbmVk", (await Ask("""[{"role":"user","content":"Weather?"}]""")).Text, StringComparison.Ordinal);
        // Dropped, null, and the caller's own; then of a call that nobody here has seen.
        foreach (var extra in (string[])["", ",\"extra_content\":null", ",\"extra_content\":{\"google\":{\"thought_signature\":\"c2lnbmVk\"}}"])
        {
            Assert.Equal(200, (int)(await Ask(Loop(Call(extra)))).Status);
            Assert.Equal("c2lnbmVk", (string?)Sent());
        }
        await Ask(Loop(Call().Replace("Oslo", "Rome", StringComparison.Ordinal)));
        Assert.Equal("skip_thought_signature_validator", (string?)Sent());
        await Ask(Loop(Call().Replace("Oslo", "Rome", StringComparison.Ordinal)), "older");
        Assert.Null(Sent());
    }

    /// <summary>One model that the operator's account may not ask is no reason to rest the others of that upstream; a spent limit is, and moves the call.</summary>
    [Fact]
    public async Task Refusal_OfTheOperatorsAccount_RestsWhatItIsAbout()
    {
        await using var server = await ScriptedUpstream.StartAsync((http, received) =>
            received.Path.Contains("opus", StringComparison.Ordinal) ? UsualReply.JsonAsync(http, """{"message":"You don't have access to the model with the specified model ID.","__type":"AccessDeniedException"}""", 403)
            : received.Path.Contains("/messages", StringComparison.Ordinal) ? UsualReply.JsonAsync(http, """{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."}}""", 400)
            : received.Path.Contains("converse", StringComparison.Ordinal) ? UsualReply.JsonAsync(http, """{"output":{"message":{"role":"assistant","content":[{"text":"Amazon's."}]}},"stopReason":"end_turn","usage":{"inputTokens":9,"outputTokens":3,"totalTokens":12}}""")
            : UsualReply.AnswerAsync(http, received));
        const string other = ", { \"upstream\": \"up\", \"model\": \"m\" }";
        await using var gateway = await TestGateway.StartAsync(server.BaseUrl,
            string.Join(',', Model("opus", "aws", "us.anthropic.claude-opus-4-6-v1", other), Model("haiku", "aws", "us.anthropic.claude-haiku-4-5-20251001-v1:0", other), Model("spent", "anthropic", "claude-haiku-4-5", other), Model("alone", "anthropic", "claude-haiku-4-5")),
            upstreams: Upstream(server, "aws", "bedrock", ", \"region\": \"us-east-1\"") + Upstream(server, "anthropic", "anthropic"));
        async Task<string?> Say(string model) => (string?)(await gateway.PostAsync($$"""{"model":"test/{{model}}","messages":[{"role":"user","content":"Hi"}]}""")).Json["choices"]?[0]?["message"]?["content"];

        Assert.Equal("Hello!", await Say("opus"));
        Assert.Equal("Amazon's.", await Say("haiku"));
        Assert.Equal("Hello!", await Say("spent"));
        var alone = await gateway.PostAsync("""{"model":"test/alone","messages":[{"role":"user","content":"Hi"}]}""");
        Assert.Equal((502, "provider_error"), ((int)alone.Status, alone.ErrorCode));
    }
}
