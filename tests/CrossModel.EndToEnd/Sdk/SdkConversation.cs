#pragma warning disable OPENAI001 // Reasoning effort is marked experimental in the SDK.
using System.Text;
using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;
using CrossModel.Simulator;
using OpenAI.Chat;

namespace CrossModel.EndToEnd.Sdk;

/// <summary>One program, the official OpenAI SDK, every dialect: a tool conversation with an image, reasoning and structured output, where only the model's name differs.</summary>
public sealed class SdkConversation : IAsyncLifetime
{
    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool("get_weather", "The weather of a city.",
        BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"""), functionSchemaIsStrict: true);
    private static readonly ChatTool Time = ChatTool.CreateFunctionTool("get_time", "The time of a city.",
        BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"""));
    private static readonly byte[] Png = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==");

    private SimulatorHost _simulator = null!;
    private TestGateway _gateway = null!;

    /// <summary>Upstream and its model.</summary>
    public static TheoryData<string, bool> Models()
    {
        var models = new TheoryData<string, bool>();
        foreach (var model in (string[])["test/openai", "test/azure", "test/claude", "test/older-claude", "test/gemini"])
        {
            models.Add(model, false);
            models.Add(model, true);
        }
        return models;
    }

    public async ValueTask InitializeAsync()
    {
        _simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        var root = _simulator.Address.ToString().TrimEnd('/');
        static string Model(string name, string upstream, string model) => $$"""
            "test/{{name}}": { "routes": [ { "upstream": "{{upstream}}", "model": "{{model}}" } ], "price": "free" }
            """;
        _gateway = await TestGateway.StartAsync(root + "/v1",
            models: string.Join(",", Model("openai", "up", "m"), Model("azure", "azure", "m"), Model("claude", "anthropic", "claude-opus-4-6"), Model("older-claude", "anthropic", "claude-sonnet-4-20250514"), Model("gemini", "gemini", "gemini-3-pro")),
            upstreams: $$"""
            , "azure": { "dialect": "azure", "baseUrl": "{{root}}/openai/v1", "apiKey": "key" }
            , "anthropic": { "dialect": "anthropic", "baseUrl": "{{root}}", "apiKey": "key" }
            , "gemini": { "dialect": "gemini", "baseUrl": "{{root}}", "apiKey": "key" }
            """);
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _simulator.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Models))]
    public async Task Conversation_WithToolsImageReasoningAndSchema_GoesThrough(string model, bool streamed)
    {
        var client = _gateway.Sdk(model);
        List<ChatMessage> talk =
        [
            new SystemChatMessage("Be brief."),
            new UserChatMessage(ChatMessageContentPart.CreateTextPart("What is the weather here?"), ChatMessageContentPart.CreateImagePart(BinaryData.FromBytes(Png), "image/png")),
        ];

        var first = await AskAsync(client, talk, Tools(), streamed);
        Assert.Equal("get_weather", Assert.Single(first.Calls).FunctionName);
        Answer(talk, first, """{"celsius":4}""");
        var second = await AskAsync(client, talk, Tools(), streamed);
        Assert.Contains("celsius", second.Text, StringComparison.Ordinal);
        Assert.Equal(ChatFinishReason.Stop, second.Finish);

        talk.Add(new AssistantChatMessage(second.Text));
        talk.Add(new UserChatMessage("And the time?"));
        var third = await AskAsync(client, talk, Tools(), streamed);
        Assert.Equal("get_time", Assert.Single(third.Calls).FunctionName);
        Answer(talk, third, """{"time":"12:00"}""");
        talk.Add(new AssistantChatMessage((await AskAsync(client, talk, Tools(), streamed)).Text));

        talk.Add(new UserChatMessage("Now a person, please."));
        var options = new ChatCompletionOptions
        {
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("person",
                BinaryData.FromString("""{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}"""), jsonSchemaIsStrict: true),
        };
        var last = await AskAsync(client, talk, options, streamed);
        Assert.NotNull((int?)JsonNode.Parse(last.Text)!["age"]);
        Assert.Equal(ChatFinishReason.Stop, last.Finish);
    }

    /// <summary>The SDK drops the opaque reasoning state; the gateway's memory has it, so nothing is given up.</summary>
    [Theory]
    [InlineData("test/claude")]
    [InlineData("test/older-claude")]
    [InlineData("test/gemini")]
    public async Task ToolLoop_WithReasoning_KeepsReasoning(string model)
    {
        const string tools = """[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}}]""";
        const string user = """{"role":"user","content":"What is the weather in Oslo?"}""";
        string Body(string messages) => $$"""{"model":"{{model}}","reasoning_effort":"high","messages":[{{messages}}],"tools":{{tools}}}""";

        var first = await _gateway.PostAsync(Body(user));
        var message = first.Json["choices"]![0]!["message"]!;
        Assert.False(string.IsNullOrEmpty((string?)message["reasoning_content"]), first.Text);
        var call = message["tool_calls"]![0]!.DeepClone().AsObject();
        Assert.True(call.ContainsKey("extra_content"), first.Text);
        foreach (var drops in (bool[])[false, true])
        {
            if (drops) call.Remove("extra_content");
            var again = await _gateway.PostAsync(Body($$"""
                {{user}},{"role":"assistant","content":null,"tool_calls":[{{call.ToJsonString()}}]},{"role":"tool","tool_call_id":"{{call["id"]}}","content":"{\"celsius\":4}"}
                """));
            Assert.Equal(200, (int)again.Status);
            Assert.Null(again.Header("x-crossmodel-ignored"));
            Assert.Contains("celsius", (string?)again.Json["choices"]![0]!["message"]!["content"], StringComparison.Ordinal);
        }
    }

    private static ChatCompletionOptions Tools() => new() { Tools = { Weather, Time }, ReasoningEffortLevel = ChatReasoningEffortLevel.High };

    private sealed record Reply(string Text, IReadOnlyList<ChatToolCall> Calls, ChatFinishReason? Finish);

    private static void Answer(List<ChatMessage> talk, Reply reply, string result)
    {
        talk.Add(new AssistantChatMessage(reply.Calls));
        foreach (var call in reply.Calls) talk.Add(new ToolChatMessage(call.Id, result));
    }

    private static async Task<Reply> AskAsync(ChatClient client, List<ChatMessage> talk, ChatCompletionOptions options, bool streamed)
    {
        if (!streamed)
        {
            ChatCompletion whole = await client.CompleteChatAsync(talk, options);
            Assert.True(whole.Usage.OutputTokenCount > 0);
            return new Reply(string.Concat(whole.Content.Select(c => c.Text)), whole.ToolCalls, whole.FinishReason);
        }
        var text = new StringBuilder();
        var calls = new SortedDictionary<int, (string Id, string Name, StringBuilder Arguments)>();
        ChatFinishReason? finish = null;
        ChatTokenUsage? usage = null;
        await foreach (var update in client.CompleteChatStreamingAsync(talk, options))
        {
            foreach (var part in update.ContentUpdate) text.Append(part.Text);
            finish ??= update.FinishReason;
            usage ??= update.Usage;
            foreach (var part in update.ToolCallUpdates)
            {
                if (!calls.TryGetValue(part.Index, out var call)) calls[part.Index] = call = (part.ToolCallId, part.FunctionName, new StringBuilder());
                call.Arguments.Append(part.FunctionArgumentsUpdate);
            }
        }
        Assert.True(usage!.OutputTokenCount > 0);
        return new Reply(text.ToString(), [.. calls.Values.Select(c => ChatToolCall.CreateFunctionToolCall(c.Id, c.Name, BinaryData.FromString(c.Arguments.ToString())))], finish);
    }
}
