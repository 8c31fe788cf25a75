using System.Buffers.Binary;
using System.Text;
using System.Text.Json.Nodes;

namespace CrossModel.Tests.Simulator;

/// <summary>The wires of Anthropic, Gemini, Vertex AI and Bedrock: replies, streams, tool loops, and what each refuses.</summary>
public sealed class ProviderWireTests : IAsyncLifetime
{
    private const string Schema = """{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}""";
    private const string Claude = "/v1/messages";
    private const string Gemini = "/v1beta/models/gemini-3-pro:generateContent";
    private const string Vertex = "/v1/projects/p/locations/l/publishers/google/models/gemini-3-pro:generateContent";
    private const string VertexClaude = "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x@1:rawPredict";
    private const string Bedrock = "/model/anthropic.claude-x%3A0/converse";
    private const string Invoke = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke";
    private SimulatorClient _simulator = null!;

    public async ValueTask InitializeAsync() => _simulator = await SimulatorClient.StartAsync();

    public ValueTask DisposeAsync() => _simulator.DisposeAsync();

    private Task<SimulatorClient.Answer> PostAsync(string path, string body) =>
        _simulator.SendAsync(HttpMethod.Post, path, body, ("Authorization", "Bearer k"), ("anthropic-version", "2023-06-01"));

    private static string Message(string members = "", string text = "What is the weather?") =>
        $$"""{"model":"claude-x","max_tokens":4000,{{members}}"messages":[{"role":"user","content":"{{text}}"}]}""";

    private static string Invoked(string members = "", string text = "What is the weather?") =>
        $$"""{"anthropic_version":"bedrock-2023-05-31","max_tokens":4000,{{members}}"messages":[{"role":"user","content":"{{text}}"}]}""";

    private static string Contents(string members = "", string text = "What is the weather?") =>
        $$"""{ {{members}}"contents":[{"role":"user","parts":[{"text":"{{text}}"}]}]}""";

    private static string Converse(string members = "", string text = "What is the weather?") =>
        $$"""{ {{members}}"messages":[{"role":"user","content":[{"text":"{{text}}"}]}]}""";

    [Fact]
    public async Task Anthropic_ToolLoopWithThinking_GoesRoundAndMustKeepItsSignature()
    {
        var tools = $$$""" "tools":[{"name":"get_weather","input_schema":{{{Schema}}}}],"thinking":{"type":"enabled","budget_tokens":2000}, """;
        var reply = (await PostAsync(Claude, Message(tools))).Json;
        Assert.Equal(["thinking", "tool_use"], reply["content"]!.AsArray().Select(block => (string?)block!["type"]));
        Assert.Equal("tool_use", (string?)reply["stop_reason"]);
        Assert.NotNull(reply["content"]![1]!["input"]!["city"]);
        Assert.True((int)reply["usage"]!["output_tokens_details"]!["thinking_tokens"]! > 0);
        var loop = JsonNode.Parse(Message(tools))!;
        loop["messages"]!.AsArray().Add(new JsonObject { ["role"] = "assistant", ["content"] = reply["content"]!.DeepClone() });
        loop["messages"]!.AsArray().Add(JsonNode.Parse($$"""{"role":"user","content":[{"type":"tool_result","tool_use_id":"{{reply["content"]![1]!["id"]}}","content":"21 degrees"}]}"""));
        Assert.Contains("get_weather answered", (await PostAsync(Claude, loop.ToJsonString())).Body, StringComparison.Ordinal);
        loop["messages"]![1]!["content"]![0]!["signature"] = "forged";
        Assert.Contains("Invalid `signature`", (await PostAsync(Claude, loop.ToJsonString())).Body, StringComparison.Ordinal);
        loop["messages"]![1]!["content"]!.AsArray().RemoveAt(0);
        Assert.Contains("Expected `thinking`", (await PostAsync(Claude, loop.ToJsonString())).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Anthropic_Stream_SaysWhatThePlainReplySays()
    {
        var members = $$$""" "tools":[{"name":"get_weather","input_schema":{{{Schema}}}},{"name":"get_time","input_schema":{"type":"object"}}],"thinking":{"type":"adaptive"}, """;
        var plain = (await PostAsync(Claude, Message(members, "weather and time"))).Json;
        var stream = await PostAsync(Claude, Message(members + "\"stream\":true,", "weather and time"));
        var events = stream.Chunks;
        Assert.Equal(("message_start", "message_delta", "message_stop"), ((string?)events[0]["type"], (string?)events[^2]["type"], (string?)events[^1]["type"]));
        Assert.Contains("event: content_block_delta\ndata: {\"type\":\"content_block_delta\"", stream.Body, StringComparison.Ordinal);
        Assert.Contains(events, chunk => (string?)chunk["type"] == "ping");
        string Deltas(int index, string member) => string.Concat(events.Where(chunk => (string?)chunk["type"] == "content_block_delta" && (int)chunk["index"]! == index).Select(chunk => (string?)chunk["delta"]![member]));
        Assert.Equal((string?)plain["content"]![0]!["thinking"], Deltas(0, "thinking"));
        Assert.Equal((string?)plain["content"]![0]!["signature"], Deltas(0, "signature"));
        Assert.Equal(plain["content"]![1]!["input"]!.ToJsonString(), Deltas(1, "partial_json"));
        Assert.Equal("", Deltas(2, "partial_json"));
        Assert.Equal((int)plain["usage"]!["output_tokens"]!, (int)events[^2]["usage"]!["output_tokens"]!);
    }

    [Theory]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}]}""", "max_tokens: Field required")]
    [InlineData("""{"model":"m","max_tokens":9,"n":2,"messages":[{"role":"user","content":"x"}]}""", "n: Extra inputs are not permitted")]
    [InlineData("""{"model":"m","max_tokens":9,"messages":[{"role":"user","name":"a","content":"x"}]}""", "messages.0.name: Extra inputs")]
    [InlineData("""{"model":"m","max_tokens":9,"temperature":1.5,"messages":[{"role":"user","content":"x"}]}""", "temperature")]
    [InlineData("""{"model":"m","max_tokens":9,"temperature":1,"top_p":1,"messages":[{"role":"user","content":"x"}]}""", "cannot both be specified")]
    [InlineData("""{"model":"claude-opus-4-7","max_tokens":9,"temperature":1,"messages":[{"role":"user","content":"x"}]}""", "`temperature` is not supported")]
    [InlineData("""{"model":"m","max_tokens":9,"messages":[{"role":"system","content":"x"}]}""", "Unexpected role")]
    [InlineData("""{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":" "}]}]}""", "non-whitespace")]
    [InlineData("""{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y "}]}""", "trailing whitespace")]
    [InlineData("""{"model":"m","max_tokens":9,"tools":[{"name":"f","input_schema":{}}],"messages":[{"role":"user","content":"x"}]}""", "input_schema.type")]
    [InlineData("""{"model":"m","max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":"x"}]}""", "must be greater than")]
    [InlineData("""{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":"y"}]}""", "without `tool_result` blocks")]
    [InlineData("""{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"x"}]}]}""", "unexpected `tool_use_id`")]
    [InlineData("""{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a.b","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a.b"}]}]}""", "should match pattern")]
    [InlineData("""{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"text","text":"y"},{"type":"tool_result","tool_use_id":"a"}]}]}""", "must come first")]
    [InlineData("""{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/bmp","data":"AAAA"}}]}]}""", "media type")]
    [InlineData("""{"model":"m","max_tokens":9,"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}},"messages":[{"role":"user","content":"x"}]}""", "additionalProperties")]
    public async Task Anthropic_BrokenRule_IsRefused(string body, string words)
    {
        var answer = await PostAsync(Claude, body);
        Assert.Equal((400, "invalid_request_error"), (answer.Status, (string?)answer.Json["error"]!["type"]));
        Assert.Contains(words, (string?)answer.Json["error"]!["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Anthropic_Faults_HaveItsShape()
    {
        var overloaded = (await PostAsync(Claude, Message("\"stream\":true,", "[[simulate: error=4]]"))).Body;
        Assert.Contains("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"", overloaded, StringComparison.Ordinal);
        Assert.Equal("rate_limit_error", (string?)(await PostAsync(Claude, Message(text: "[[simulate: status=429]]"))).Json["error"]!["type"]);
        Assert.Equal("refusal", (string?)(await PostAsync(Claude, Message(text: "[[simulate: refusal]]"))).Json["stop_reason"]);
        Assert.Equal(401, (await _simulator.SendAsync(HttpMethod.Post, Claude, Message())).Status);
        Assert.Equal(400, (await _simulator.SendAsync(HttpMethod.Post, Claude, Message(), ("x-api-key", "k"))).Status);
    }

    [Fact]
    public async Task VertexClaude_Body_NamesTheVersionAndNoModel()
    {
        var body = Message().Replace("\"model\":\"claude-x\"", "\"anthropic_version\":\"vertex-2023-10-16\"", StringComparison.Ordinal);
        var reply = await PostAsync(VertexClaude, body);
        Assert.StartsWith("msg_vrtx_", (string?)reply.Json["id"], StringComparison.Ordinal);
        Assert.Contains("model: Extra inputs", (await PostAsync(VertexClaude, Message("\"anthropic_version\":\"vertex-2023-10-16\","))).Body, StringComparison.Ordinal);
        Assert.Equal("UNAUTHENTICATED", (string?)(await _simulator.SendAsync(HttpMethod.Post, VertexClaude, body)).Json["error"]!["status"]);
        Assert.Contains("event: message_stop", (await PostAsync(VertexClaude.Replace(":raw", ":streamRaw", StringComparison.Ordinal), body)).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gemini_ToolLoop_NeedsTheSignatureOfThisHost()
    {
        var tools = $$$""" "tools":[{"functionDeclarations":[{"name":"get_weather","parametersJsonSchema":{{{Schema}}}},{"name":"get_time"}]}], """;
        var reply = (await PostAsync(Gemini, Contents(tools, "weather and time"))).Json;
        var parts = reply["candidates"]![0]!["content"]!["parts"]!.AsArray();
        Assert.Equal(["get_weather", "get_time"], parts.Select(part => (string?)part!["functionCall"]!["name"]));
        Assert.Equal("STOP", (string?)reply["candidates"]![0]!["finishReason"]);
        Assert.True(parts[0]!["thoughtSignature"] is not null && parts[1]!["thoughtSignature"] is null);
        var loop = JsonNode.Parse(Contents(tools, "weather and time"))!;
        loop["contents"]!.AsArray().Add(reply["candidates"]![0]!["content"]!.DeepClone());
        loop["contents"]!.AsArray().Add(JsonNode.Parse("""{"role":"user","parts":[{"functionResponse":{"name":"get_weather","response":{"output":"21"}}},{"functionResponse":{"name":"get_time","response":{"output":"noon"}}}]}"""));
        Assert.Contains("The tool get_time answered", (await PostAsync(Gemini, loop.ToJsonString())).Body, StringComparison.Ordinal);
        // The same conversation on the other host: ids are unknown there, and the signature is not its own.
        Assert.Contains("Unknown name \\\"id\\\" at 'contents[1].parts[0].function_call'", (await PostAsync(Vertex, loop.ToJsonString())).Body, StringComparison.Ordinal);
        foreach (var part in loop["contents"]![1]!["parts"]!.AsArray())
            part!["functionCall"]!.AsObject().Remove("id");
        Assert.Contains("Corrupted thought signature", (await PostAsync(Vertex, loop.ToJsonString())).Body, StringComparison.Ordinal);
        loop["contents"]![1]!["parts"]![0]!.AsObject().Remove("thoughtSignature");
        Assert.Contains("missing a thought_signature", (await PostAsync(Gemini, loop.ToJsonString())).Body, StringComparison.Ordinal);
        loop["contents"]![1]!["parts"]![0]!["thoughtSignature"] = "skip_thought_signature_validator";
        Assert.Equal(200, (await PostAsync(Vertex, loop.ToJsonString())).Status);
        loop["contents"]![2]!["parts"]!.AsArray().RemoveAt(0);
        Assert.Contains("number of function response parts", (await PostAsync(Gemini, loop.ToJsonString())).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gemini_Stream_IsCrlfWholePartsAndNoDone()
    {
        var members = $$$""" "generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"low"}}, """;
        var plain = (await PostAsync(Gemini, Contents(members))).Json;
        var stream = await PostAsync("/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse", Contents(members));
        Assert.Equal(200, stream.Status);
        Assert.DoesNotContain("\n", stream.Body.Replace("\r\n", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", stream.Body, StringComparison.Ordinal);
        var parts = stream.Chunks.SelectMany(chunk => chunk["candidates"]![0]!["content"]!["parts"]!.AsArray()).ToList();
        Assert.Equal((string?)plain["candidates"]![0]!["content"]!["parts"]![1]!["text"], string.Concat(parts.Where(part => part!["thought"] is null).Select(part => (string?)part!["text"])));
        Assert.Equal((string?)plain["candidates"]![0]!["content"]!["parts"]![0]!["text"], string.Concat(parts.Where(part => part!["thought"] is not null).Select(part => (string?)part!["text"])));
        Assert.Equal(plain["usageMetadata"]!.ToJsonString(), stream.Chunks[^1]["usageMetadata"]!.ToJsonString());
        Assert.Equal("STOP", (string?)stream.Chunks[^1]["candidates"]![0]!["finishReason"]);
        Assert.Equal(("", true), ((string?)parts[^1]!["text"], parts[^1]!["thoughtSignature"] is not null));
        var array = await PostAsync("/v1beta/models/gemini-3-pro:streamGenerateContent", Contents());
        Assert.True(array.Json.AsArray().Count > 3);
    }

    [Theory]
    [InlineData("""{"contents":[]}""", "contents is not specified")]
    [InlineData("""{"messages":[],"contents":[{"parts":[{"text":"x"}]}]}""", "Unknown name \"messages\"")]
    [InlineData("""{"contents":[{"role":"assistant","parts":[{"text":"x"}]}]}""", "valid role")]
    [InlineData("""{"contents":[{"role":"user","parts":[]}]}""", "must not be empty")]
    [InlineData("""{"contents":[{"role":"user","parts":[{"text":"x","name":"y"}]}]}""", "Unknown name \"name\" at 'contents[0].parts[0]'")]
    [InlineData("""{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"thinkingConfig":{"thinkingBudget":1,"thinkingLevel":"low"}}}""", "only one of thinking budget")]
    [InlineData("""{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generation_config":{"stop_sequences":["a","b","c","d","e","f"]}}""", "at most 5")]
    [InlineData("""{"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"object","additionalProperties":false}}}""", "Unknown name \"additionalProperties\"")]
    [InlineData("""{"contents":[{"role":"user","parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"1f"}]}]}""", "Invalid function name")]
    [InlineData("""{"contents":[{"role":"user","parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]}}}""", "without mode ANY")]
    [InlineData("""{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":"{}"}}]}]}""", "google.protobuf.Struct")]
    public async Task Gemini_BrokenRule_IsRefused(string body, string words)
    {
        var answer = await PostAsync(Gemini, body);
        Assert.Equal((400, "INVALID_ARGUMENT"), (answer.Status, (string?)answer.Json["error"]!["status"]));
        Assert.Contains(words, (string?)answer.Json["error"]!["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gemini_Faults_HaveItsShape()
    {
        var limited = (await PostAsync(Gemini, Contents(text: "[[simulate: status=429;retry-after=48]]"))).Json["error"]!;
        Assert.Equal(("RESOURCE_EXHAUSTED", "48s"), ((string?)limited["status"], (string?)limited["details"]![0]!["retryDelay"]));
        var badKey = (await PostAsync(Gemini, Contents(text: "[[simulate: status=400;code=API_KEY_INVALID]]"))).Json["error"]!;
        Assert.Equal("API_KEY_INVALID", (string?)badKey["details"]![0]!["reason"]);
        var blocked = (await PostAsync(Gemini, Contents(text: "[[simulate: blocked=prompt]]"))).Json;
        Assert.Equal(("PROHIBITED_CONTENT", true), ((string?)blocked["promptFeedback"]!["blockReason"], blocked["candidates"] is null));
        Assert.Equal("SAFETY", (string?)(await PostAsync(Gemini, Contents(text: "[[simulate: blocked]]"))).Json["candidates"]![0]!["finishReason"]);
        Assert.Equal(403, (await _simulator.SendAsync(HttpMethod.Post, Gemini, Contents())).Status);
        Assert.Equal(401, (await _simulator.SendAsync(HttpMethod.Post, Vertex, Contents())).Status);
        var stream = await PostAsync(Vertex.Replace(":generateContent", ":streamGenerateContent?alt=sse", StringComparison.Ordinal), Contents(text: "[[simulate: status=503]]"));
        Assert.Equal("UNAVAILABLE", (string?)stream.Json[0]!["error"]!["status"]);
    }

    [Fact]
    public async Task Bedrock_ToolLoopWithThinking_GoesRound()
    {
        var members = $$$""" "toolConfig":{"tools":[{"toolSpec":{"name":"get_weather","inputSchema":{"json":{{{Schema}}} } } }]},"inferenceConfig":{"maxTokens":4000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}, """;
        var reply = (await PostAsync(Bedrock, Converse(members))).Json;
        var content = reply["output"]!["message"]!["content"]!.AsArray();
        Assert.Equal("tool_use", (string?)reply["stopReason"]);
        Assert.NotNull(content[1]!["toolUse"]!["input"]!["city"]);
        var loop = JsonNode.Parse(Converse(members))!;
        loop["messages"]!.AsArray().Add(reply["output"]!["message"]!.DeepClone());
        loop["messages"]!.AsArray().Add(JsonNode.Parse($$$"""{"role":"user","content":[{"toolResult":{"toolUseId":"{{{content[1]!["toolUse"]!["toolUseId"]}}}","content":[{"text":"21 degrees"}]}}]}"""));
        Assert.Contains("get_weather answered", (await PostAsync(Bedrock, loop.ToJsonString())).Body, StringComparison.Ordinal);
        loop.AsObject().Remove("toolConfig");
        Assert.Contains("toolConfig field must be defined", (await PostAsync(Bedrock, loop.ToJsonString())).Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", 2)]
    [InlineData(""" "additionalModelRequestFields":{"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}, """, 1)]
    public async Task Bedrock_ParallelCalls_CanBeTurnedOffForClaude(string fields, int calls)
    {
        var tools = string.Join(",", ((string[])["get_weather", "get_time"]).Select(name => $$$"""{"toolSpec":{"name":"{{{name}}}","inputSchema":{"json":{{{Schema}}} } } }"""));
        var reply = (await PostAsync(Bedrock, Converse($$$""" "toolConfig":{"tools":[{{{tools}}}]},{{{fields}}} """, "The weather and the time?"))).Json;
        Assert.Equal(calls, reply["output"]!["message"]!["content"]!.AsArray().Count(block => block!["toolUse"] is not null));
    }

    [Fact]
    public async Task Bedrock_Stream_IsFramesWithRightChecksums()
    {
        var members = $$$""" "toolConfig":{"tools":[{"toolSpec":{"name":"get_weather","inputSchema":{"json":{{{Schema}}} } } }]},"inferenceConfig":{"maxTokens":4000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}, """;
        var plain = (await PostAsync(Bedrock, Converse(members))).Json;
        var frames = await FramesAsync(Converse(members));
        Assert.Equal(("messageStart", "messageStop", "metadata"), (frames[0].Name, frames[^2].Name, frames[^1].Name));
        Assert.All(frames, frame => Assert.True(frame.Valid && frame.Payload["p"] is not null));
        var content = plain["output"]!["message"]!["content"]!;
        Assert.Equal((string?)content[0]!["reasoningContent"]!["reasoningText"]!["text"], string.Concat(frames.Select(frame => (string?)frame.Payload["delta"]?["reasoningContent"]?["text"])));
        Assert.Equal(content[1]!["toolUse"]!["input"]!.ToJsonString(), string.Concat(frames.Select(frame => (string?)frame.Payload["delta"]?["toolUse"]?["input"])));
        Assert.Equal("tool_use", (string?)frames[^2].Payload["stopReason"]);
        Assert.Equal(plain["usage"]!.ToJsonString(), frames[^1].Payload["usage"]!.ToJsonString());
    }

    [Fact]
    public async Task Bedrock_Faults_AreFramesToo()
    {
        var frames = await FramesAsync(Converse(text: "[[simulate: error=3;code=ThrottlingException]]"));
        Assert.Equal(("throttlingException", "exception", 4), (frames[^1].Name, frames[^1].Type, frames.Count));
        Assert.Contains(await FramesAsync(Converse(text: "[[simulate: garbage=2]]")), frame => !frame.Valid);
        var limited = await PostAsync(Bedrock, Converse(text: "[[simulate: status=429]]"));
        Assert.StartsWith("ThrottlingException:", limited.Headers.GetValues("x-amzn-errortype").Single(), StringComparison.Ordinal);
        Assert.Equal(403, (await _simulator.SendAsync(HttpMethod.Post, Bedrock, Converse())).Status);
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":[{"text":" "}]}]}""", "is blank")]
    [InlineData("""{"messages":[{"role":"assistant","content":[{"text":"x"}]}]}""", "must start with a user message")]
    [InlineData("""{"messages":[{"role":"user","content":[{"text":"x"}]},{"role":"user","content":[{"text":"x"}]}]}""", "must alternate")]
    [InlineData("""{"stream":true,"messages":[{"role":"user","content":[{"text":"x"}]}]}""", "extraneous key [stream]")]
    [InlineData("""{"inferenceConfig":{"temperature":1.5},"messages":[{"role":"user","content":[{"text":"x"}]}]}""", "temperature")]
    [InlineData("""{"toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"","inputSchema":{"json":{"type":"object"}}}}]},"messages":[{"role":"user","content":[{"text":"x"}]}]}""", "description")]
    [InlineData("""{"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"a_b.pdf","source":{"bytes":"AAAA"}}},{"text":"x"}]}]}""", "document file name")]
    [InlineData("""{"messages":[{"role":"user","content":[{"document":{"format":"pdf","name":"a","source":{"bytes":"AAAA"}}}]}]}""", "must include a text block")]
    [InlineData("""{"messages":[{"role":"user","content":[{"text":"x"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{}}}]},{"role":"user","content":[{"text":"y"}]}]}""", "Expected toolResult blocks")]
    [InlineData("""{"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":{"type":"object"}}}}},"messages":[{"role":"user","content":[{"text":"x"}]}]}""", "must be a JSON string")]
    public async Task Bedrock_BrokenRule_IsRefused(string body, string words)
    {
        var answer = await PostAsync(Bedrock, body);
        Assert.Equal(400, answer.Status);
        Assert.StartsWith("ValidationException:", answer.Headers.GetValues("x-amzn-errortype").Single(), StringComparison.Ordinal);
        Assert.Contains(words, (string?)answer.Json["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task BedrockInvoke_Stream_IsAnthropicsEventsInFrames()
    {
        var members = $$$""" "tools":[{"name":"get_weather","input_schema":{{{Schema}}}}],"thinking":{"type":"enabled","budget_tokens":2000}, """;
        var plain = (await PostAsync(Invoke, Invoked(members))).Json;
        Assert.Equal(["thinking", "tool_use"], plain["content"]!.AsArray().Select(block => (string?)block!["type"]));
        Assert.StartsWith("toolu_bdrk_", (string?)plain["content"]![1]!["id"], StringComparison.Ordinal);
        var frames = await FramesAsync(Invoked(members), Invoke + "-with-response-stream");
        Assert.All(frames, frame => Assert.True(frame is { Valid: true, Name: "chunk", Type: "event" } && frame.Payload["p"] is not null));
        var events = frames.ConvertAll(frame => JsonNode.Parse(Convert.FromBase64String((string)frame.Payload["bytes"]!))!);
        Assert.Equal(("message_start", "message_delta", "message_stop"), ((string?)events[0]["type"], (string?)events[^2]["type"], (string?)events[^1]["type"]));
        Assert.Equal(plain["content"]![1]!["input"]!.ToJsonString(), string.Concat(events.Select(e => (string?)e["delta"]?["partial_json"])));
        Assert.Equal((int)plain["usage"]!["output_tokens"]!, (int)events[^1]["amazon-bedrock-invocationMetrics"]!["outputTokenCount"]!);
        var loop = JsonNode.Parse(Invoked(members))!;
        loop["messages"]!.AsArray().Add(new JsonObject { ["role"] = "assistant", ["content"] = plain["content"]!.DeepClone() });
        loop["messages"]!.AsArray().Add(JsonNode.Parse($$"""{"role":"user","content":[{"type":"tool_result","tool_use_id":"{{plain["content"]![1]!["id"]}}","content":"21 degrees"}]}"""));
        Assert.Contains("get_weather answered", (await PostAsync(Invoke, loop.ToJsonString())).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task BedrockInvoke_Faults_AreBedrocks()
    {
        var frames = await FramesAsync(Invoked(text: "[[simulate: error=3;code=ThrottlingException]]"), Invoke + "-with-response-stream");
        Assert.Equal(("throttlingException", "exception", 4), (frames[^1].Name, frames[^1].Type, frames.Count));
        Assert.Contains(await FramesAsync(Invoked(text: "[[simulate: garbage=2]]"), Invoke + "-with-response-stream"), frame => !frame.Valid);
        var limited = await PostAsync(Invoke, Invoked(text: "[[simulate: status=429]]"));
        Assert.StartsWith("ThrottlingException:", limited.Headers.GetValues("x-amzn-errortype").Single(), StringComparison.Ordinal);
        Assert.Equal(403, (await _simulator.SendAsync(HttpMethod.Post, Invoke, Invoked())).Status);
    }

    [Theory]
    [InlineData(Invoke, """{"max_tokens":9,"messages":[{"role":"user","content":"x"}]}""", "anthropic_version: Field required")]
    [InlineData(Invoke, """{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}""", "stream: Extra inputs")]
    [InlineData(Invoke, """{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"model":"m","messages":[{"role":"user","content":"x"}]}""", "model: Extra inputs")]
    [InlineData(Invoke, """{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x.example/a.png"}}]}]}""", "not on this platform")]
    [InlineData(Invoke, """{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"temperature":1,"top_p":1,"messages":[{"role":"user","content":"x"}]}""", "cannot both be specified")]
    [InlineData("/model/us.anthropic.claude-opus-4-8-v1/invoke", """{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"output_config":{"format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}},"messages":[{"role":"user","content":"x"}]}""", "output_config.format: Extra inputs")]
    [InlineData("/model/us.anthropic.claude-opus-4-8-v1/invoke", """{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"tools":[{"name":"f","strict":true,"input_schema":{"type":"object","additionalProperties":false}}],"messages":[{"role":"user","content":"x"}]}""", "custom.strict: Extra inputs")]
    public async Task BedrockInvoke_BrokenRule_IsRefused(string path, string body, string words)
    {
        var answer = await PostAsync(path, body);
        Assert.Equal(400, answer.Status);
        Assert.StartsWith("ValidationException:", answer.Headers.GetValues("x-amzn-errortype").Single(), StringComparison.Ordinal);
        Assert.Contains(words, (string?)answer.Json["message"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("usage=none;finish=none;done=none", 200)]
    [InlineData("usage=zero;finish=twice;comments;unknown;crlf", 200)]
    [InlineData("usage={};finish=odd;cached=3", 200)]
    [InlineData("written=3;hour=2;audio=2;spoken=1", 200)]
    [InlineData("empty", 200)]
    [InlineData("refusal;reasoning", 200)]
    [InlineData("blocked;tokens=5", 200)]
    [InlineData("line=100000", 200)]
    [InlineData("garbage", 200)]
    [InlineData("error", 200)]
    [InlineData("status=503;body=html", 503)]
    [InlineData("lenient;text=x", 200)]
    public async Task EveryWire_EveryScript_PlainAndStreamed_IsAnswered(string script, int status)
    {
        var text = $"[[simulate: {script.Replace("\"", "\\\"", StringComparison.Ordinal)}]]";
        var claude = Message(text: text);
        foreach (var (path, body) in new[]
        {
            (Claude, claude), (Claude, claude.Replace("{\"model\"", "{\"stream\":true,\"model\"", StringComparison.Ordinal)), (Gemini, Contents(text: text)),
            ("/v1beta/models/m:streamGenerateContent?alt=sse", Contents(text: text)), ("/v1beta/models/m:streamGenerateContent", Contents(text: text)),
            (Vertex, Contents(text: text)), (Bedrock, Converse(text: text)), (Bedrock + "-stream", Converse(text: text)), (Invoke, Invoked(text: text)), (Invoke + "-with-response-stream", Invoked(text: text)),
            ("/openai/v1/chat/completions", SimulatorClient.Ask("m", text: text)), ("/openai/v1/chat/completions", SimulatorClient.Ask("m", true, text: text)),
        })
            Assert.Equal((status, path), ((await PostAsync(path, body)).Status, path));
    }

    /// <summary>CRC-32 bit by bit, straight from its polynomial.</summary>
    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = uint.MaxValue;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 1) == 1 ? (crc >> 1) ^ 0xEDB88320 : crc >> 1;
        }
        return ~crc;
    }

    private sealed record Frame(string Name, string Type, JsonNode Payload, bool Valid);

    /// <summary>A reader of frames that shares nothing with their writer.</summary>
    private async Task<List<Frame>> FramesAsync(string body, string path = Bedrock + "-stream")
    {
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_simulator.Host.Address, path)) { Content = new StringContent(body) };
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer k");
        using var response = await invoker.SendAsync(request, TestContext.Current.CancellationToken);
        var bytes = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        List<Frame> frames = [];
        while (bytes.Length > 0)
        {
            var (total, head) = (BinaryPrimitives.ReadInt32BigEndian(bytes), BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(4)));
            var valid = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(8)) == Crc(bytes.AsSpan(0, 8))
                && BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(total - 4)) == Crc(bytes.AsSpan(0, total - 4));
            var headers = new Dictionary<string, string>();
            for (var at = 12; at < 12 + head;)
            {
                var name = Encoding.UTF8.GetString(bytes, at + 1, bytes[at]);
                at += 1 + bytes[at] + 1;
                var length = BinaryPrimitives.ReadInt16BigEndian(bytes.AsSpan(at));
                headers[name] = Encoding.UTF8.GetString(bytes, at + 2, length);
                at += 2 + length;
            }
            frames.Add(new Frame(headers.GetValueOrDefault(":event-type") ?? headers[":exception-type"], headers[":message-type"], JsonNode.Parse(bytes.AsSpan(12 + head, total - head - 16))!, valid));
            bytes = bytes[total..];
        }
        return frames;
    }
}
