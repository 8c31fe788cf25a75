using System.ClientModel;
using System.Text;
using CrossModel.EndToEnd.Support;
using CrossModel.Simulator;
using OpenAI.Chat;

namespace CrossModel.EndToEnd.Sdk;

/// <summary>The official OpenAI SDK, unmodified, through the real program to a simulated provider.</summary>
public sealed class SdkChat : IAsyncLifetime
{
    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool("get_weather", "The weather of a city.",
        BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}"""), functionSchemaIsStrict: true);
    private static readonly ChatTool Time = ChatTool.CreateFunctionTool("get_time", "The time of a city.",
        BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"""));

    private SimulatorHost _simulator = null!;
    private TestGateway _gateway = null!;

    public async ValueTask InitializeAsync()
    {
        _simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        _gateway = await TestGateway.StartAsync(new Uri(_simulator.Address, "/v1").ToString());
    }

    public async ValueTask DisposeAsync()
    {
        await _gateway.DisposeAsync();
        await _simulator.DisposeAsync();
    }

    [Fact]
    public async Task Options_OfEveryKind_AreTaken()
    {
        ChatCompletion reply = await _gateway.Sdk().CompleteChatAsync(
            [new SystemChatMessage("Be brief."), new UserChatMessage("Hello!"), new AssistantChatMessage("Yes?"), new UserChatMessage("Go on.")],
            new ChatCompletionOptions
            {
                Temperature = 0.5f,
                TopP = 0.9f,
                MaxOutputTokenCount = 5,
                FrequencyPenalty = 0.1f,
                PresencePenalty = 0.1f,
                StopSequences = { "END" },
                EndUserId = "u-1",
                IncludeLogProbabilities = true,
                TopLogProbabilityCount = 2,
            });

        Assert.Equal(ChatFinishReason.Length, reply.FinishReason);
        Assert.Equal(5, reply.Usage.OutputTokenCount);
        Assert.Equal(reply.Usage.InputTokenCount + 5, reply.Usage.TotalTokenCount);
        Assert.Equal(5, reply.ContentTokenLogProbabilities.Count);
        Assert.Equal(0, reply.Usage.InputTokenDetails.CachedTokenCount);
        Assert.Equal(0, reply.Usage.OutputTokenDetails.ReasoningTokenCount);
    }

    [Fact]
    public async Task Stream_GivesTextThenFinishThenUsage()
    {
        var text = new StringBuilder();
        ChatTokenUsage? usage = null;
        ChatFinishReason? finish = null;
        var ids = new HashSet<string>();
        await foreach (var update in _gateway.Sdk().CompleteChatStreamingAsync([new UserChatMessage("Hello!")]))
        {
            Assert.Null(usage);
            ids.Add(update.CompletionId);
            foreach (var part in update.ContentUpdate) text.Append(part.Text);
            finish ??= update.FinishReason;
            usage ??= update.Usage;
        }

        Assert.Contains("Hello!", text.ToString(), StringComparison.Ordinal);
        Assert.Equal(ChatFinishReason.Stop, finish);
        Assert.True(usage!.OutputTokenCount > 0);
        Assert.StartsWith("chatcmpl_", Assert.Single(ids), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tools_InTwoTurns_EndInText()
    {
        var options = new ChatCompletionOptions { Tools = { Weather } };
        List<ChatMessage> talk = [new UserChatMessage("What is the weather in Oslo?")];
        ChatCompletion first = await _gateway.Sdk().CompleteChatAsync(talk, options);

        Assert.Equal(ChatFinishReason.ToolCalls, first.FinishReason);
        var call = Assert.Single(first.ToolCalls);
        Assert.Equal("get_weather", call.FunctionName);
        Assert.True(call.FunctionArguments.ToObjectFromJson<Dictionary<string, string>>()!.ContainsKey("city"));

        talk.Add(new AssistantChatMessage(first));
        talk.Add(new ToolChatMessage(call.Id, """{"celsius":4}"""));
        ChatCompletion second = await _gateway.Sdk().CompleteChatAsync(talk, options);

        Assert.Equal(ChatFinishReason.Stop, second.FinishReason);
        Assert.Contains("celsius", second.Content[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tools_InParallelAndStreamed_AreTwoCallsWithWholeArguments()
    {
        var options = new ChatCompletionOptions { Tools = { Weather, Time }, AllowParallelToolCalls = true };
        var calls = new SortedDictionary<int, (string Id, string Name, StringBuilder Arguments)>();
        ChatFinishReason? finish = null;
        await foreach (var update in _gateway.Sdk().CompleteChatStreamingAsync([new UserChatMessage("The weather and the time in Oslo? [[simulate: calls=get_weather,get_time]]")], options))
        {
            finish ??= update.FinishReason;
            foreach (var part in update.ToolCallUpdates)
            {
                if (!calls.TryGetValue(part.Index, out var call)) calls[part.Index] = call = (part.ToolCallId, part.FunctionName, new StringBuilder());
                call.Arguments.Append(part.FunctionArgumentsUpdate);
            }
        }

        Assert.Equal(ChatFinishReason.ToolCalls, finish);
        Assert.Equal(["get_weather", "get_time"], calls.Values.Select(c => c.Name));
        Assert.Equal(2, calls.Values.Select(c => c.Id).Distinct().Count());
        Assert.All(calls.Values, c => Assert.NotNull(System.Text.Json.Nodes.JsonNode.Parse(c.Arguments.ToString())!["city"]));
    }

    [Fact]
    public async Task ToolChoice_Required_IsObeyed()
    {
        ChatCompletion reply = await _gateway.Sdk().CompleteChatAsync([new UserChatMessage("Hello!")],
            new ChatCompletionOptions { Tools = { Weather, Time }, ToolChoice = ChatToolChoice.CreateFunctionChoice("get_time"), AllowParallelToolCalls = false });

        Assert.Equal("get_time", Assert.Single(reply.ToolCalls).FunctionName);
    }

    [Fact]
    public async Task StructuredOutput_FitsItsSchema()
    {
        ChatCompletion reply = await _gateway.Sdk().CompleteChatAsync([new UserChatMessage("A person, please.")], new ChatCompletionOptions
        {
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("person",
                BinaryData.FromString("""{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}"""), jsonSchemaIsStrict: true),
        });

        var person = System.Text.Json.Nodes.JsonNode.Parse(reply.Content[0].Text)!;
        Assert.NotNull((string?)person["name"]);
        Assert.NotNull((int?)person["age"]);
    }

    [Fact]
    public async Task Images_ByAddressAndInline_AreSeen()
    {
        ChatCompletion reply = await _gateway.Sdk().CompleteChatAsync([new UserChatMessage(
            ChatMessageContentPart.CreateTextPart("What is this?"),
            ChatMessageContentPart.CreateImagePart(new Uri("https://example.org/cat.png"), ChatImageDetailLevel.Low),
            ChatMessageContentPart.CreateImagePart(BinaryData.FromBytes(new byte[] { 0x89, 0x50, 0x4e, 0x47 }), "image/png"))]);

        Assert.Contains("image", reply.Content[0].Text, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("[[simulate: status=400;message=Not like this]]", 400, "upstream_rejected")]
    [InlineData("[[simulate: status=429;retry-after=7]]", 429, "provider_rate_limited")]
    [InlineData("[[simulate: status=401]]", 502, "provider_error")]
    [InlineData("[[simulate: garbage]]", 502, "provider_error")]
    public async Task Error_OfTheProvider_SurfacesAsTheSdkKnowsIt(string question, int status, string code)
    {
        var refusal = await Assert.ThrowsAsync<ClientResultException>(() => _gateway.Sdk().CompleteChatAsync([new UserChatMessage(question)]));

        Assert.Equal(status, refusal.Status);
        Assert.Contains(code, refusal.GetRawResponse()!.Content.ToString(), StringComparison.Ordinal);
        Assert.Contains(code, refusal.Message, StringComparison.Ordinal);
        if (status == 429) Assert.True(refusal.GetRawResponse()!.Headers.TryGetValue("retry-after", out var wait) && wait == "7");
    }

    [Fact]
    public async Task Error_OfTheCaller_SurfacesAsTheSdkKnowsIt()
    {
        var model = await Assert.ThrowsAsync<ClientResultException>(() => _gateway.Sdk("no/such").CompleteChatAsync([new UserChatMessage("Hi")]));
        var key = await Assert.ThrowsAsync<ClientResultException>(() => _gateway.Sdk(key: "cm-wrong").CompleteChatAsync([new UserChatMessage("Hi")]));
        var value = await Assert.ThrowsAsync<ClientResultException>(() => _gateway.Sdk().CompleteChatAsync([new UserChatMessage("Hi")], new ChatCompletionOptions { Temperature = 3 }));
        var stream = await Assert.ThrowsAsync<ClientResultException>(async () =>
        {
            await foreach (var _ in _gateway.Sdk("no/such").CompleteChatStreamingAsync([new UserChatMessage("Hi")])) { }
        });

        Assert.Equal((404, 401, 400, 404), (model.Status, key.Status, value.Status, stream.Status));
        Assert.Contains("Parameter: temperature", value.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cancellation_InMidStream_ReachesTheUpstreamAtOnce()
    {
        var gone = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            using var left = http.RequestAborted.Register(() => gone.TrySetResult());
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(20));
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        using var patience = new CancellationTokenSource();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in gateway.Sdk().CompleteChatStreamingAsync([new UserChatMessage("Hi")], cancellationToken: patience.Token))
            {
                if (update.ContentUpdate.Count > 0 && update.ContentUpdate[0].Text.Length > 0) await patience.CancelAsync();
            }
        });

        // The SDK's own client lets up to 2 s pass before it closes the connection.
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(5));
    }
}
