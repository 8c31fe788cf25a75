using System.Text;

namespace CrossModel.EndToEnd.Support;

/// <summary>What a well-behaved server of OpenAI's format answers: "Hello!" in two pieces, as many candidates as asked, 9 + 3 tokens.</summary>
internal static class UsualReply
{
    public const string Usage = """{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":1}}""";

    public static Task AnswerAsync(HttpContext http, Received received)
    {
        var request = received.Json;
        var candidates = (int?)request["n"] ?? 1;
        return (bool?)request["stream"] == true ? StreamAsync(http, candidates) : JsonAsync(http, Plain(candidates));
    }

    public static string Plain(int candidates = 1, string content = "Hello!", string usage = Usage) =>
        $$"""{"id":"up-1","object":"chat.completion","created":1,"model":"m","choices":[{{string.Join(',', Enumerable.Range(0, candidates).Select(i =>
            $$"""{"index":{{i}},"message":{"role":"assistant","content":"{{content}}"},"finish_reason":"stop"}"""))}}],"usage":{{usage}}}""";

    public static string Chunk(string delta, string finish = "null", int index = 0) =>
        $$"""data: {"id":"up-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":{{index}},"delta":{{delta}},"finish_reason":{{finish}}}]}""" + "\n\n";

    public const string Role = """{"role":"assistant","content":""}""";
    public const string UsageChunk = """data: {"id":"up-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":""" + Usage + "}\n\n";
    public const string Done = "data: [DONE]\n\n";

    public static string Text(string content) => $$"""{"content":"{{content}}"}""";

    /// <summary>A whole stream.</summary>
    public static string Stream(int candidates = 1) =>
        string.Concat(Enumerable.Range(0, candidates).Select(i => Chunk(Role, index: i) + Chunk(Text("Hel"), index: i) + Chunk(Text("lo!"), index: i) + Chunk("{}", "\"stop\"", i))) + UsageChunk + Done;

    public static async Task JsonAsync(HttpContext http, string json, int status = 200)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json";
        await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(json));
    }

    /// <summary>Starts an event stream and sends its first bytes.</summary>
    public static async Task BeginAsync(HttpContext http, string events)
    {
        http.Response.ContentType = "text/event-stream";
        await SendAsync(http, events);
    }

    public static async Task SendAsync(HttpContext http, string events)
    {
        await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(events));
        await http.Response.Body.FlushAsync();
    }

    public static Task StreamAsync(HttpContext http, int candidates = 1) => BeginAsync(http, Stream(candidates));
}
