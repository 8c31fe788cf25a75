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
}
