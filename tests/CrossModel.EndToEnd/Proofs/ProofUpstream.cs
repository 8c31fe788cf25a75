using System.Globalization;
using System.Text;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>A provider with exact usage: the prompt counts 100 tokens, the completion what the model's name ends in, after as many milliseconds as the user says.</summary>
internal static class ProofUpstream
{
    public const int PromptTokens = 100;

    /// <summary>300 bytes of text: the hold's estimate is 8 tokens (one message) above what is reported.</summary>
    public static string Prompt { get; } = new('x', 300);

    /// <param name="completionTokens">Of every reply.</param>
    /// <param name="patience">How long a reply takes; drawn anew for each.</param>
    public static Task<ScriptedUpstream> StartAsync(int completionTokens, Func<TimeSpan> patience) => ScriptedUpstream.StartAsync(async (http, received) =>
    {
        var wait = patience();
        var streams = received.Text.Contains("\"stream\":true", StringComparison.Ordinal);
        var usage = string.Create(CultureInfo.InvariantCulture,
            $$"""{"prompt_tokens":{{PromptTokens}},"completion_tokens":{{completionTokens}},"total_tokens":{{PromptTokens + completionTokens}}}""");
        if (!streams)
        {
            await Task.Delay(wait, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync(
                $$"""{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Paid for."},"finish_reason":"stop"}],"usage":{{usage}}}""");
            return;
        }
        http.Response.ContentType = "text/event-stream";
        for (var i = 0; i < 4; i++)
        {
            await SendAsync(http, """{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"word "},"finish_reason":null}]}""");
            await Task.Delay(wait / 4, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await SendAsync(http, """{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""");
        await SendAsync(http, $$"""{"id":"x","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{{usage}}}""");
        await SendAsync(http, "[DONE]");
    });

    private static async Task SendAsync(HttpContext http, string data)
    {
        await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes($"data: {data}\n\n"));
        await http.Response.Body.FlushAsync();
    }
}
