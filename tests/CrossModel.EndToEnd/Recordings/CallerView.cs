using System.Text;
using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Recordings;

/// <summary>What a caller makes of a reply, plain or streamed: candidate 0's text, reasoning, refusal, calls, finish; the usage; the error.</summary>
internal sealed record CallerView(string Content, string Reasoning, string Refusal, IReadOnlyList<(string Id, string Name, string Arguments)> Calls, string? Finish, JsonNode? Usage, JsonNode? Error)
{
    public static CallerView Of(HttpReply reply) => reply.Header("content-type")!.StartsWith("text/event-stream", StringComparison.Ordinal) ? OfStream(reply) : OfPlain(reply.Json);

    private static CallerView OfPlain(JsonNode json)
    {
        if (json["error"] is { } error) return new("", "", "", [], null, null, error);
        var choice = json["choices"]![0]!;
        var message = choice["message"]!;
        var calls = message["tool_calls"]?.AsArray().Select(c => Call(c!)).ToList() ?? [];
        if (message["function_call"] is { } old) calls.Add(("", (string)old["name"]!, (string)old["arguments"]!));
        return new((string?)message["content"] ?? "", (string?)message["reasoning_content"] ?? "", (string?)message["refusal"] ?? "", calls, (string?)choice["finish_reason"], json["usage"], null);
    }

    private static CallerView OfStream(HttpReply reply)
    {
        var (content, reasoning, refusal) = (new StringBuilder(), new StringBuilder(), new StringBuilder());
        var calls = new List<(string Id, string Name, string Arguments)>();
        string? finish = null;
        JsonNode? usage = null, error = null;
        foreach (var chunk in reply.Chunks)
        {
            error ??= chunk["error"];
            usage ??= chunk["usage"];
            var choice = chunk["choices"]?.AsArray().FirstOrDefault(c => (int)c!["index"]! == 0);
            if (choice is null) continue;
            var delta = choice["delta"]!;
            content.Append((string?)delta["content"]);
            reasoning.Append((string?)delta["reasoning_content"]);
            refusal.Append((string?)delta["refusal"]);
            finish ??= (string?)choice["finish_reason"];
            foreach (var call in delta["tool_calls"]?.AsArray() ?? [])
            {
                var index = (int)call!["index"]!;
                if (index == calls.Count) calls.Add(Call(call));
                else calls[index] = calls[index] with { Arguments = calls[index].Arguments + (string?)call["function"]?["arguments"] };
            }
        }
        if (error is null) Assert.Equal("[DONE]", reply.Events[^1]);
        else Assert.DoesNotContain("[DONE]", reply.Events);
        return new(content.ToString(), reasoning.ToString(), refusal.ToString(), calls, finish, usage, error);
    }

    private static (string, string, string) Call(JsonNode call) => ((string)call["id"]!, (string)call["function"]!["name"]!, (string?)call["function"]!["arguments"] ?? "");
}
