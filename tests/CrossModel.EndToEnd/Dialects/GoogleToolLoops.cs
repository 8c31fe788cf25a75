#pragma warning disable OPENAI001 // Reasoning effort is in the SDK under evaluation.
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;
using CrossModel.Simulator;
using OpenAI.Chat;

namespace CrossModel.EndToEnd.Dialects;

/// <summary>The same program against Gemini, Gemini on Vertex AI and Claude on Vertex AI, three turns with tools; the simulated providers are as strict as the real ones.</summary>
public sealed class GoogleToolLoops
{
    private const string Models = """
        "test/gemini": { "routes": [ { "upstream": "gemini", "model": "gemini-3-pro-preview" } ], "price": "free" },
        "test/gemini-2.5": { "routes": [ { "upstream": "gemini", "model": "gemini-2.5-pro" } ], "price": "free" },
        "test/vertex": { "routes": [ { "upstream": "vertex", "model": "gemini-3-flash-preview" } ], "price": "free" },
        "test/claude": { "routes": [ { "upstream": "vertex", "model": "claude-sonnet-4-5@20250929" } ], "price": "free" }
        """;

    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool("get_weather", "The weather of a city.",
        BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"""));

    private static readonly byte[] Pixel = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==");

    /// <summary>The whole program, both upstreams at one simulator, a token endpoint for Google's credentials.</summary>
    private sealed class Stage : IAsyncDisposable
    {
        private SimulatorHost _simulator = null!;
        private ScriptedUpstream _tokens = null!;

        public TestGateway Gateway { get; private set; } = null!;
        public int TokensFetched => _tokens.Received.Count;

        public static async Task<Stage> StartAsync()
        {
            var stage = new Stage { _simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken), _tokens = await ScriptedUpstream.JsonAsync("""{"access_token":"ya29.simulated","expires_in":3599}""") };
            var folder = Directory.CreateTempSubdirectory("crossmodel-e2e-").FullName;
            using var key = RSA.Create(2048);
            await File.WriteAllTextAsync(Path.Combine(folder, "robot.json"), JsonSerializer.Serialize(new { type = "service_account", client_email = "robot@p.example", private_key = key.ExportPkcs8PrivateKeyPem(), token_uri = new Uri(stage._tokens.Address, "/token").ToString() }));
            var config = Path.Combine(folder, "crossmodel.json");
            await File.WriteAllTextAsync(config, $$"""
                {
                  "urls": "http://127.0.0.1:0",
                  "database": "sqlite:test.db",
                  "upstreams": {
                    "gemini": { "dialect": "gemini", "baseUrl": "{{stage._simulator.Address.ToString().TrimEnd('/')}}", "apiKey": "AIza-simulated" },
                    "vertex": { "dialect": "vertex", "baseUrl": "{{stage._simulator.Address.ToString().TrimEnd('/')}}", "project": "p", "location": "us-east5", "serviceAccount": "robot.json" }
                  },
                  "models": { {{Models}} }
                }
                """);
            stage.Gateway = await TestGateway.StartFromAsync(folder, config);
            return stage;
        }

        public async ValueTask DisposeAsync()
        {
            await Gateway.DisposeAsync();
            await _tokens.DisposeAsync();
            await _simulator.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("test/gemini", false)]
    [InlineData("test/gemini", true)]
    [InlineData("test/gemini-2.5", false)]
    [InlineData("test/gemini-2.5", true)]
    [InlineData("test/vertex", false)]
    [InlineData("test/vertex", true)]
    [InlineData("test/claude", false)]
    [InlineData("test/claude", true)]
    public async Task Sdk_ThroughThreeTurns_CallsToolsAndGetsItsSchema(string model, bool streams)
    {
        await using var stage = await Stage.StartAsync();
        var sdk = stage.Gateway.Sdk(model);
        List<ChatMessage> messages = [new SystemChatMessage("Be brief."), new UserChatMessage(
            ChatMessageContentPart.CreateTextPart("What is the weather where this was taken?"), ChatMessageContentPart.CreateImagePart(BinaryData.FromBytes(Pixel), "image/png"))];

        for (var turn = 0; turn < 2; turn++)
        {
            // The SDK knows nothing of opaque state: it comes back without.
            var calls = await AskAsync(sdk, messages, new ChatCompletionOptions { Tools = { Weather }, ReasoningEffortLevel = ChatReasoningEffortLevel.Low }, streams);
            Assert.Equal(ChatFinishReason.ToolCalls, calls.Finish);
            Assert.NotEmpty(calls.Calls);
            messages.Add(new AssistantChatMessage(calls.Calls));
            foreach (var call in calls.Calls)
            {
                Assert.Equal("get_weather", call.FunctionName);
                Assert.True(JsonDocument.Parse(call.FunctionArguments).RootElement.TryGetProperty("city", out _));
                messages.Add(new ToolChatMessage(call.Id, "snow, minus four"));
            }
            var said = await AskAsync(sdk, messages, new ChatCompletionOptions { Tools = { Weather }, ReasoningEffortLevel = ChatReasoningEffortLevel.Low }, streams);
            Assert.Equal(ChatFinishReason.Stop, said.Finish);
            Assert.Contains("snow", said.Text, StringComparison.Ordinal);
            Assert.True(said.Tokens > 0);
            messages.Add(new AssistantChatMessage(said.Text));
            messages.Add(new UserChatMessage("And the weather tomorrow?"));
        }

        messages[^1] = new UserChatMessage("Sum it up.");
        var schema = BinaryData.FromString("""{"type":"object","properties":{"celsius":{"type":"integer"}},"required":["celsius"],"additionalProperties":false}""");
        var summary = await AskAsync(sdk, messages, new ChatCompletionOptions { ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("summary", schema) }, streams);
        Assert.Equal(JsonValueKind.Number, JsonDocument.Parse(summary.Text).RootElement.GetProperty("celsius").ValueKind);
        Assert.True(stage.TokensFetched <= 1);
    }

    private sealed record Answer(string Text, IReadOnlyList<ChatToolCall> Calls, ChatFinishReason? Finish, int Tokens);

    private static async Task<Answer> AskAsync(ChatClient sdk, List<ChatMessage> messages, ChatCompletionOptions options, bool streams)
    {
        if (!streams)
        {
            ChatCompletion reply = await sdk.CompleteChatAsync(messages, options);
            return new Answer(string.Concat(reply.Content.Select(c => c.Text)), reply.ToolCalls, reply.FinishReason, reply.Usage.OutputTokenCount);
        }
        var text = new StringBuilder();
        var calls = new SortedDictionary<int, (string Id, string Name, StringBuilder Arguments)>();
        ChatFinishReason? finish = null;
        var tokens = 0;
        await foreach (var update in sdk.CompleteChatStreamingAsync(messages, options))
        {
            foreach (var part in update.ContentUpdate) text.Append(part.Text);
            foreach (var call in update.ToolCallUpdates)
            {
                if (!calls.TryGetValue(call.Index, out var known)) calls[call.Index] = known = (call.ToolCallId, call.FunctionName, new StringBuilder());
                known.Arguments.Append(call.FunctionArgumentsUpdate);
            }
            finish ??= update.FinishReason;
            tokens = update.Usage?.OutputTokenCount ?? tokens;
        }
        return new Answer(text.ToString(), [.. calls.Values.Select(c => ChatToolCall.CreateFunctionToolCall(c.Id, c.Name, BinaryData.FromString(c.Arguments.ToString())))], finish, tokens);
    }

    [Theory]
    [InlineData("test/gemini", false)]
    [InlineData("test/vertex", false)]
    [InlineData("test/gemini", true)]
    [InlineData("test/vertex", true)]
    public async Task State_SentBackOrUnknown_KeepsTheLoopGoing(string model, bool isKept)
    {
        await using var stage = await Stage.StartAsync();
        const string Tools = """[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]""";
        JsonObject Body(params JsonNode[] messages) => new() { ["model"] = model, ["reasoning_effort"] = "low", ["tools"] = JsonNode.Parse(Tools), ["messages"] = new JsonArray([.. messages.Select(m => m.DeepClone())]) };
        var user = JsonNode.Parse("""{"role":"user","content":"What is the weather?"}""")!;
        var first = await stage.Gateway.PostAsync(Body(user).ToJsonString());
        var said = first.Json["choices"]![0]!["message"]!;
        var call = said["tool_calls"]![0]!.AsObject();
        Assert.NotNull((string?)call["extra_content"]!["google"]!["thought_signature"]);
        // Another id is another call: neither the caller nor the gateway's memory knows its state any more.
        if (!isKept) call.Remove("extra_content");
        call["id"] = "call_of_another_time";
        var result = new JsonObject { ["role"] = "tool", ["tool_call_id"] = "call_of_another_time", ["content"] = "snow" };
        var second = await stage.Gateway.PostAsync(Body(user, said, result).ToJsonString());
        Assert.Equal(200, (int)second.Status);
        Assert.Contains("snow", (string)second.Json["choices"]![0]!["message"]!["content"]!, StringComparison.Ordinal);
        // Words right behind the result stand in one content with it and do not close the turn.
        var third = await stage.Gateway.PostAsync(Body(user, said, result, JsonNode.Parse("""{"role":"user","content":"And now?"}""")!).ToJsonString());
        Assert.Equal(200, (int)third.Status);
    }

    [Fact]
    public async Task State_OfTheOtherHost_IsReplacedAfterOneRefusal()
    {
        await using var stage = await Stage.StartAsync();
        const string Tools = """[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]""";
        string Body(string model, string messages) => $$"""{"model":"{{model}}","reasoning_effort":"low","tools":{{Tools}},"messages":[{{messages}}]}""";
        const string User = """{"role":"user","content":"What is the weather?"}""";
        var said = (await stage.Gateway.PostAsync(Body("test/gemini", User))).Json["choices"]![0]!["message"]!;
        var result = new JsonObject { ["role"] = "tool", ["tool_call_id"] = (string)said["tool_calls"]![0]!["id"]!, ["content"] = "snow" };
        var reply = await stage.Gateway.PostAsync(Body("test/vertex", $"{User},{said.ToJsonString()},{result.ToJsonString()}"));
        Assert.Equal(200, (int)reply.Status);
        Assert.Equal("2", reply.Header("x-crossmodel-attempts"));
    }
}
