using System.Text;
using System.Text.Json;
using CrossModel.EndToEnd.Support;
using CrossModel.Simulator;
using OpenAI.Chat;

namespace CrossModel.EndToEnd.Dialects;

/// <summary>The same program, whatever model it names: a tool conversation with an image, reasoning and structured output, through the gateway to simulated Azure and Bedrock.</summary>
public sealed class AzureAndBedrockTests
{
    // What the simulator's Bedrock checks the signature with: the example credential of Amazon's documentation.
    private const string AwsKeyId = "AKIDEXAMPLE";
    private const string AwsSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    private const string Png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";

    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool("get_weather", "Tells the weather.",
        BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"""));

    private static readonly string[] Models = ["azure/v1", "azure/deployment", "azure/models", "bedrock/claude", "bedrock/nova", "bedrock/key", "bedrock/invoke", "bedrock/invoke-older", "bedrock/invoke-newest", "bedrock/invoke-nova"];

    public static TheoryData<string, bool> EveryWay()
    {
        var ways = new TheoryData<string, bool>();
        foreach (var model in Models)
        {
            ways.Add(model, false);
            ways.Add(model, true);
        }
        return ways;
    }

    private static async Task<TestGateway> StartAsync(SimulatorHost simulator)
    {
        var folder = Directory.CreateTempSubdirectory("crossmodel-e2e-").FullName;
        var config = Path.Combine(folder, "crossmodel.json");
        var at = simulator.Address.ToString().TrimEnd('/');
        await File.WriteAllTextAsync(config, $$"""
            {
              "urls": "http://127.0.0.1:0", "database": "sqlite:test.db",
              "upstreams": {
                "azure-v1": { "dialect": "azure", "baseUrl": "{{at}}/openai/v1", "apiKey": "azure-secret" },
                "azure-deployment": { "dialect": "azure", "baseUrl": "{{at}}", "apiVersion": "2024-10-21", "apiKey": "azure-secret" },
                "azure-models": { "dialect": "azure", "baseUrl": "{{at}}/models", "apiVersion": "2024-05-01-preview", "apiKey": "azure-secret" },
                "aws": { "dialect": "bedrock", "baseUrl": "{{at}}", "region": "eu-central-1", "accessKeyId": "{{AwsKeyId}}", "secretAccessKey": "{{AwsSecret}}" },
                "aws-invoke": { "dialect": "bedrock", "api": "invoke", "baseUrl": "{{at}}", "region": "eu-central-1", "accessKeyId": "{{AwsKeyId}}", "secretAccessKey": "{{AwsSecret}}" },
                "aws-key": { "dialect": "bedrock", "baseUrl": "{{at}}", "region": "eu-central-1", "apiKey": "bedrock-secret" }
              },
              "models": {
                "azure/v1": { "routes": [ { "upstream": "azure-v1", "model": "my deployment" } ], "price": "free" },
                "azure/deployment": { "routes": [ { "upstream": "azure-deployment", "model": "my deployment/2" } ], "price": "free" },
                "azure/models": { "routes": [ { "upstream": "azure-models", "model": "grok-4" } ], "price": "free" },
                "bedrock/claude": { "routes": [ { "upstream": "aws", "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0" } ], "price": "free" },
                "bedrock/nova": { "routes": [ { "upstream": "aws", "model": "us.amazon.nova-2-lite-v1:0" } ], "price": "free" },
                "bedrock/invoke": { "routes": [ { "upstream": "aws-invoke", "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0" } ], "price": "free" },
                "bedrock/invoke-older": { "routes": [ { "upstream": "aws-invoke", "model": "us.anthropic.claude-sonnet-4-20250514-v1:0" } ], "price": "free" },
                "bedrock/invoke-newest": { "routes": [ { "upstream": "aws-invoke", "model": "global.anthropic.claude-opus-4-8-v1" } ], "price": "free" },
                "bedrock/invoke-nova": { "routes": [ { "upstream": "aws-invoke", "model": "us.amazon.nova-2-lite-v1:0" } ], "price": "free" },
                "bedrock/key": { "routes": [ { "upstream": "aws-key", "model": "us.anthropic.claude-opus-4-6-v1" } ], "price": "free" }
              }
            }
            """);
        return await TestGateway.StartFromAsync(folder, config);
    }

    [Theory]
    [MemberData(nameof(EveryWay))]
    public async Task Conversation_WithToolsImageReasoningAndSchema_GoesTheSameWay(string model, bool streamed)
    {
        await using var simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        await using var gateway = await StartAsync(simulator);
        var chat = gateway.Sdk(model);
        var messages = new List<ChatMessage>
        {
            new SystemChatMessage("Be brief."),
            new UserChatMessage(ChatMessageContentPart.CreateTextPart("What is the weather here?"), ChatMessageContentPart.CreateImagePart(BinaryData.FromBytes(Convert.FromBase64String(Png)), "image/png")),
        };
        var options = new ChatCompletionOptions { Tools = { Weather } };
#pragma warning disable OPENAI001 // The SDK calls the parameter an evaluation type.
        options.ReasoningEffortLevel = ChatReasoningEffortLevel.High;
#pragma warning restore OPENAI001

        var first = await AskAsync(chat, messages, options, streamed);
        Assert.Equal(ChatFinishReason.ToolCalls, first.Finish);
        var call = Assert.Single(first.Calls);
        Assert.Equal("get_weather", call.FunctionName);
        Assert.Equal(JsonValueKind.String, JsonDocument.Parse(call.FunctionArguments).RootElement.GetProperty("city").ValueKind);

        messages.Add(new AssistantChatMessage([call]));
        messages.Add(new ToolChatMessage(call.Id, "sunny, 21 degrees"));
        var second = await AskAsync(chat, messages, options, streamed);
        Assert.Equal(ChatFinishReason.Stop, second.Finish);
        Assert.Contains("sunny, 21 degrees", second.Text, StringComparison.Ordinal);

        messages.Add(new AssistantChatMessage(second.Text));
        messages.Add(new UserChatMessage("Now as JSON."));
        var last = await AskAsync(chat, messages, new ChatCompletionOptions
        {
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("answer", BinaryData.FromString("""{"type":"object","properties":{"degrees":{"type":"integer"}},"required":["degrees"],"additionalProperties":false}"""), jsonSchemaIsStrict: true),
        }, streamed);
        Assert.Equal(ChatFinishReason.Stop, last.Finish);
        Assert.Equal(JsonValueKind.Number, JsonDocument.Parse(last.Text).RootElement.GetProperty("degrees").ValueKind);
        Assert.True(last.InputTokens > 0 && last.OutputTokens > 0);
    }

    [Theory]
    [InlineData("azure/v1", "status=429;retry-after=2", 429, "provider_rate_limited")]
    [InlineData("azure/deployment", "status=404", 503, "model_unavailable")]
    [InlineData("azure/v1", "status=401", 502, "provider_error")]
    [InlineData("bedrock/claude", "status=429", 429, "provider_rate_limited")]
    [InlineData("bedrock/claude", "status=403", 502, "provider_error")]
    [InlineData("bedrock/claude", "status=503", 502, "provider_error")]
    [InlineData("bedrock/claude", "status=404", 503, "model_unavailable")]
    [InlineData("bedrock/claude", "garbage", 502, "provider_error")]
    [InlineData("bedrock/invoke", "status=429", 429, "provider_rate_limited")]
    [InlineData("bedrock/invoke", "status=403", 502, "provider_error")]
    [InlineData("bedrock/invoke", "status=503", 502, "provider_error")]
    [InlineData("bedrock/invoke", "status=404", 503, "model_unavailable")]
    [InlineData("bedrock/invoke", "garbage", 502, "provider_error")]
    public async Task Fault_OfAProvider_IsTheTablesError(string model, string script, int status, string code)
    {
        await using var simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        await using var gateway = await StartAsync(simulator);
        foreach (var stream in (bool[])[false, true])
        {
            var reply = await gateway.PostAsync($$"""{"model":"{{model}}","stream":{{(stream ? "true" : "false")}},"messages":[{"role":"user","content":"[[simulate: {{script}}]]"}]}""");
            Assert.Equal((status, code), ((int)reply.Status, reply.ErrorCode));
            Assert.DoesNotContain("secret", reply.Text, StringComparison.OrdinalIgnoreCase);
        }
    }

    [Theory]
    [InlineData("bedrock/claude", "cut=6")]
    [InlineData("bedrock/claude", "garbage=6")]
    [InlineData("bedrock/claude", "error=6")]
    [InlineData("bedrock/invoke", "cut=6")]
    [InlineData("bedrock/invoke", "garbage=6")]
    [InlineData("bedrock/invoke", "error=6")]
    public async Task Stream_ThatBreaksAfterContent_EndsWithTheErrorEvent(string model, string script)
    {
        await using var simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        await using var gateway = await StartAsync(simulator);
        var reply = await gateway.PostAsync($$"""{"model":"{{model}}","stream":true,"messages":[{"role":"user","content":"[[simulate: {{script}}]]"}]}""");
        Assert.Contains("\"content\":\"", reply.Text, StringComparison.Ordinal);
        Assert.Contains("data: {\"error\":", reply.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Candidates_OfClaudeThroughInvokeModel_AreMerged()
    {
        await using var simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        await using var gateway = await StartAsync(simulator);
        var plain = await gateway.PostAsync("""{"model":"bedrock/invoke","n":2,"messages":[{"role":"user","content":"Hi"}]}""");
        Assert.Equal([0, 1], plain.Json["choices"]!.AsArray().Select(c => (int)c!["index"]!));
        var stream = await gateway.PostAsync("""{"model":"bedrock/invoke","n":2,"stream":true,"messages":[{"role":"user","content":"Hi"}]}""");
        Assert.Equal([0, 1], stream.Chunks.SelectMany(c => c["choices"]!.AsArray()).Where(c => (string?)c!["finish_reason"] == "stop").Select(c => (int)c!["index"]!).Order());
        Assert.Equal("[DONE]", stream.Events[^1]);
    }

    private sealed record Answer(string Text, IReadOnlyList<ChatToolCall> Calls, ChatFinishReason? Finish, int InputTokens, int OutputTokens);

    private static async Task<Answer> AskAsync(ChatClient chat, List<ChatMessage> messages, ChatCompletionOptions options, bool streamed)
    {
        if (!streamed)
        {
            ChatCompletion reply = await chat.CompleteChatAsync(messages, options);
            return new Answer(string.Concat(reply.Content.Select(c => c.Text)), reply.ToolCalls, reply.FinishReason, reply.Usage.InputTokenCount, reply.Usage.OutputTokenCount);
        }
        var text = new StringBuilder();
        var calls = new SortedDictionary<int, (string Id, string Name, StringBuilder Arguments)>();
        ChatFinishReason? finish = null;
        ChatTokenUsage? usage = null;
        await foreach (var update in chat.CompleteChatStreamingAsync(messages, options))
        {
            foreach (var part in update.ContentUpdate) text.Append(part.Text);
            foreach (var call in update.ToolCallUpdates)
            {
                if (!calls.ContainsKey(call.Index)) calls[call.Index] = (call.ToolCallId, call.FunctionName, new StringBuilder());
                calls[call.Index].Arguments.Append(call.FunctionArgumentsUpdate);
            }
            finish ??= update.FinishReason;
            usage ??= update.Usage;
        }
        return new Answer(text.ToString(), [.. calls.Values.Select(c => ChatToolCall.CreateFunctionToolCall(c.Id, c.Name, BinaryData.FromString(c.Arguments.ToString())))], finish, usage!.InputTokenCount, usage.OutputTokenCount);
    }
}
