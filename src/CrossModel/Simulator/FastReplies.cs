using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>
/// The upstream of load tests: <c>simulated:fast;events=200;size=8;interval=10ms</c> as the model's name. Replies are encoded once
/// per script and sent as they are; the request is not judged.
/// </summary>
internal sealed class FastReplies(TimeProvider time)
{
    private const int MostScripts = 1_000;
    private readonly ConcurrentDictionary<(string Model, bool Stream, bool Usage), FastReply?> _replies = new();

    private sealed record FastReply(byte[] Whole, byte[][] Events, TimeSpan Interval);

    /// <returns>False when the request does not ask for it.</returns>
    public async ValueTask<bool> TrySendAsync(HttpContext http, ReadOnlyMemory<byte> body, CancellationToken gone)
    {
        if (Find(body.Span) is not { } reply)
            return false;
        http.Response.ContentType = reply.Events.Length > 0 ? "text/event-stream; charset=utf-8" : "application/json";
        if (reply.Events.Length == 0)
            http.Response.ContentLength = reply.Whole.Length;
        if (reply.Interval == TimeSpan.Zero)
        {
            await http.Response.Body.WriteAsync(reply.Whole, gone);
            return true;
        }
        var started = time.GetTimestamp();
        for (var i = 0; i < reply.Events.Length; i++)
        {
            // Due times count from the start, so that late timers do not add up.
            var wait = reply.Interval * i - time.GetElapsedTime(started);
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, time, gone);
            await http.Response.Body.WriteAsync(reply.Events[i], gone);
            await http.Response.Body.FlushAsync(gone);
        }
        return true;
    }

    private FastReply? Find(ReadOnlySpan<byte> body)
    {
        if (body.IndexOf("\"simulated:fast"u8) < 0)
            return null;
        var (model, stream, usage) = Scan(body);
        if (!model.StartsWith("simulated:fast", StringComparison.Ordinal) || _replies.Count >= MostScripts)
            return null;
        return _replies.GetOrAdd((model, stream, usage), key => Encode(key.Model, key.Stream, key.Usage));
    }

    private static (string Model, bool Stream, bool Usage) Scan(ReadOnlySpan<byte> body)
    {
        var (model, stream, usage) = ("", false, false);
        var json = new Utf8JsonReader(body);
        try
        {
            for (json.Read(); json.Read() && json.TokenType == JsonTokenType.PropertyName;)
            {
                var (isModel, isStream, isOptions) = (json.ValueTextEquals("model"), json.ValueTextEquals("stream"), json.ValueTextEquals("stream_options"));
                json.Read();
                if (isModel && json.TokenType == JsonTokenType.String)
                    model = json.GetString()!;
                else if (isStream)
                    stream = json.TokenType == JsonTokenType.True;
                else if (isOptions && json.TokenType == JsonTokenType.StartObject)
                    while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
                    {
                        var isUsage = json.ValueTextEquals("include_usage");
                        json.Read();
                        usage |= isUsage && json.TokenType == JsonTokenType.True;
                        json.Skip();
                    }
                else
                    json.Skip();
            }
        }
        catch (JsonException)
        {
            return ("", false, false);
        }
        return (model, stream, usage);
    }

    private FastReply? Encode(string model, bool stream, bool includeUsage)
    {
        if (ScriptSource.OfModel(model, out var script) is not null)
            return null;
        var tokens = script.Events;
        var usage = $$"""{"prompt_tokens":10,"completion_tokens":{{tokens}},"total_tokens":{{tokens + 10}},"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}""" + "}";
        var head = $$"""{"id":"chatcmpl-simulatedfast","object":"chat.completion{{(stream ? ".chunk" : "")}}","created":{{time.GetUtcNow().ToUnixTimeSeconds()}},"model":{{JsonSerializer.Serialize(model)}},"system_fingerprint":"fp_simulated",""";
        var piece = new string('x', script.Size);
        if (!stream)
        {
            var content = string.Concat(Enumerable.Repeat(piece, tokens));
            var message = $$"""{"role":"assistant","content":"{{content}}","refusal":null}""";
            return new FastReply(Encoding.UTF8.GetBytes(
                $$"""{{head}}"choices":[{"index":0,"message":{{message}},"logprobs":null,"finish_reason":"stop"}],"usage":{{usage}}""" + "}"), [], TimeSpan.Zero);
        }
        var events = new List<string> { Choice("""{"role":"assistant","content":"","refusal":null}""", "null") };
        events.AddRange(Enumerable.Repeat(Choice($$"""{"content":"{{piece}}"}""", "null"), tokens));
        events.Add(Choice("{}", "\"stop\""));
        if (includeUsage)
            events.Add($"data: {head}\"choices\":[],\"usage\":{usage}}}\n\n");
        events.Add("data: [DONE]\n\n");
        return new FastReply(Encoding.UTF8.GetBytes(string.Concat(events)), [.. events.Select(Encoding.UTF8.GetBytes)], script.Interval);

        string Choice(string delta, string finish) =>
            $"data: {head}\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}]{(includeUsage ? ",\"usage\":null" : "")}}}\n\n";
    }
}
