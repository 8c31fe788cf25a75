using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Dialects;

/// <summary>Two first calls meet a server's refusal at once. One of them teaches the dialect; the other was written before and must not pay for it.</summary>
public sealed class LessonsSideBySide
{
    [Theory]
    [InlineData("openai", "\"logit_bias\":{\"1\":2}", "logit_bias", "Unsupported parameter: 'logit_bias' is not supported with this model.")]
    [InlineData("openai", "\"max_tokens\":5", "max_completion_tokens", "Unsupported parameter: 'max_completion_tokens' is not supported with this model.")]
    [InlineData("openai", "\"stream\":true", "stream_options", "Unknown parameter: stream_options")]
    [InlineData("google", "\"presence_penalty\":1", "presencePenalty", "Penalty is not enabled for this model")]
    [InlineData("google", "\"reasoning_effort\":\"low\"", "thinkingConfig", "Thinking level is not supported for this model.")]
    [InlineData("google", "\"messages\":[{\"role\":\"system\",\"content\":\"Be short.\"},{\"role\":\"user\",\"content\":\"Hi\"}]", "systemInstruction", "Developer instruction is not enabled for models/gemma")]
    public async Task Calls_RefusedAtOnceForTheSameThing_AreBothServed(string server, string members, string unwelcome, string refusal)
    {
        var (unwelcomes, bothAreThere, oneHasLearned) = (0, new TaskCompletionSource(), new TaskCompletionSource());
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if (received.Text.Contains(unwelcome, StringComparison.Ordinal))
            {
                var second = Interlocked.Increment(ref unwelcomes) == 2;
                if (second) bothAreThere.SetResult();
                await (second ? oneHasLearned : bothAreThere).Task.WaitAsync(TimeSpan.FromSeconds(20));
                await UsualReply.JsonAsync(http, $$$"""{"error":{"code":400,"message":"{{{refusal}}}","status":"INVALID_ARGUMENT"}}""", 400);
                return;
            }
            oneHasLearned.TrySetResult();
            if (received.Text.Contains("\"contents\"", StringComparison.Ordinal))
                await UsualReply.JsonAsync(http, """{"candidates":[{"content":{"parts":[{"text":"Hello!"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12}}""");
            else
                await UsualReply.AnswerAsync(http, received);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/openai": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free" }, "test/google": { "routes": [ { "upstream": "google", "model": "m" } ], "price": "free" } """,
            upstreamMore: ", \"preset\": \"openai\"",
            upstreams: $$""", "google": { "dialect": "gemini", "baseUrl": "{{upstream.Address.ToString().TrimEnd('/')}}", "apiKey": "AIza" } """);
        var messages = members.Contains("messages", StringComparison.Ordinal) ? "" : "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],";
        var body = $$"""{"model":"test/{{server}}",{{messages}}{{members}}}""";

        var replies = await Task.WhenAll(gateway.PostAsync(body), gateway.PostAsync(body));

        Assert.All(replies, reply => Assert.Equal(200, (int)reply.Status));
        Assert.Equal(4, upstream.Received.Count);
    }
}
