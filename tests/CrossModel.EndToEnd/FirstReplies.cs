using System.ClientModel;
using CrossModel.EndToEnd.Support;
using CrossModel.Simulator;
using OpenAI.Chat;

namespace CrossModel.EndToEnd;

/// <summary>The official SDK through the real program to a simulated provider.</summary>
public sealed class FirstReplies
{
    [Fact]
    public async Task Sdk_AsksPlainly_GetsAnAnswerUnderOurNames()
    {
        await using var simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        await using var gateway = await TestGateway.StartAsync(new Uri(simulator.Address, "/v1").ToString());

        ChatCompletion reply = await gateway.Sdk().CompleteChatAsync([new UserChatMessage("Hello!")]);

        Assert.StartsWith("chatcmpl_", reply.Id, StringComparison.Ordinal);
        Assert.Equal("test/model", reply.Model);
        Assert.Contains("Hello!", reply.Content[0].Text, StringComparison.Ordinal);
        Assert.Equal(ChatFinishReason.Stop, reply.FinishReason);
        Assert.True(reply.Usage.OutputTokenCount > 0);
    }

    [Fact]
    public async Task Sdk_Streams_GetsTheSameWords()
    {
        await using var simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        await using var gateway = await TestGateway.StartAsync(new Uri(simulator.Address, "/v1").ToString());
        ChatCompletion plain = await gateway.Sdk().CompleteChatAsync([new UserChatMessage("Hello!")]);

        var text = new System.Text.StringBuilder();
        ChatFinishReason? finish = null;
        await foreach (var update in gateway.Sdk().CompleteChatStreamingAsync([new UserChatMessage("Hello!")]))
        {
            foreach (var part in update.ContentUpdate) text.Append(part.Text);
            finish ??= update.FinishReason;
        }

        Assert.Equal(plain.Content[0].Text, text.ToString());
        Assert.Equal(ChatFinishReason.Stop, finish);
    }

    [Fact]
    public async Task Sdk_WithAWrongKey_IsToldSo()
    {
        await using var simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        await using var gateway = await TestGateway.StartAsync(new Uri(simulator.Address, "/v1").ToString());

        var refusal = await Assert.ThrowsAsync<ClientResultException>(() => gateway.Sdk(key: "cm-nope").CompleteChatAsync([new UserChatMessage("Hello!")]));

        Assert.Equal(401, refusal.Status);
        Assert.Contains("invalid_api_key", refusal.GetRawResponse()!.Content.ToString(), StringComparison.Ordinal);
    }
}
