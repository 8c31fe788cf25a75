using System.Globalization;
using System.Text;
using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>OpenAI's chat completions: plain, and streamed in the order in which OpenAI sends its chunks.</summary>
internal class OpenAIWire : SimulatedWire
{
    private bool _includeUsage;
    private bool _obfuscates;
    private bool _logprobs;
    private int _topLogprobs;
    private string _serviceTier = "default";

    public override WireError? Read(JsonElement body)
    {
        var error = new OpenAIRequest(Prompt).Read(body) ?? OpenAIRequest.CheckUnknown(body);
        _includeUsage = body.Get("stream_options").Get("include_usage").IsTrue();
        _obfuscates = body.Get("stream_options").Get("include_obfuscation").IsTrue();
        _logprobs = body.Get("logprobs").IsTrue();
        _topLogprobs = body.Get("top_logprobs").Int() ?? 0;
        _serviceTier = body.Get("service_tier").Text() is { } tier and not "auto" ? tier : "default";
        return error;
    }

    public override byte[] Plain(IReadOnlyList<SimulatedReply> replies) => JsonParts.Write(json =>
    {
        WriteHead(json, "chat.completion");
        json.WriteStartArray("choices");
        for (var i = 0; i < replies.Count; i++)
        {
            json.WriteStartObject();
            json.WriteNumber("index", i);
            WriteMessage(json, replies[i]);
            WriteLogprobs(json, replies[i].Pieces);
            if (Script.Finish != "none")
                json.WriteString("finish_reason", FinishOf(replies[i]));
            WriteChoiceExtras(json);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        if (Script.Usage != "none")
            WriteUsage(json, replies);
        WriteTail(json, whole: true);
        json.WriteEndObject();
    });

    public override IEnumerable<WireEvent> Stream(IReadOnlyList<SimulatedReply> replies)
    {
        for (var i = 0; i < replies.Count; i++)
            yield return Chunk(EventKind.Open, i, delta =>
            {
                delta.WriteString("role", "assistant");
                delta.WriteString("content", "");
                delta.WriteNull("refusal");
            });
        var queues = replies.Select(reply => new Queue<Delta>(Deltas(reply))).ToList();
        // With several candidates chunks take turns by index, as OpenAI's do.
        while (queues.Any(queue => queue.Count > 0))
            for (var i = 0; i < queues.Count; i++)
                if (queues[i].TryDequeue(out var delta) && !(Script.ContentOnFinish && queues[i].Count == 0))
                    yield return Chunk(EventKind.Content, i, delta.Write, null, delta.Token);
                else if (delta.Write is not null)
                    yield return Chunk(EventKind.Finish, i, delta.Write, FinishOf(replies[i]), delta.Token);
        if (!Script.ContentOnFinish || Script.Empty)
            for (var i = 0; i < replies.Count; i++)
                yield return Chunk(EventKind.Finish, i, _ => { }, FinishOf(replies[i]));
        if ((_includeUsage || Script.Usage is not (null or "none")) && Script.Usage != "none")
            yield return Event(EventKind.Usage, null, JsonParts.Write(json =>
            {
                WriteHead(json, "chat.completion.chunk");
                json.WriteStartArray("choices");
                json.WriteEndArray();
                WriteUsage(json, replies);
                WriteTail(json, whole: false);
                json.WriteEndObject();
            }));
        yield return Event(EventKind.End, null, "[DONE]"u8);
    }

    /// <summary>A step of one candidate's stream; the token is null where no text comes.</summary>
    private readonly record struct Delta(Action<Utf8JsonWriter> Write, string? Token);

    private static IEnumerable<Delta> Deltas(SimulatedReply reply)
    {
        foreach (var piece in Tokens.Split(reply.Reasoning))
            yield return new Delta(delta => delta.WriteString("reasoning_content", piece), null);
        foreach (var piece in reply.Pieces)
            yield return new Delta(delta => delta.WriteString("content", piece), piece);
        foreach (var piece in Tokens.Split(reply.Refusal ?? ""))
            yield return new Delta(delta => delta.WriteString("refusal", piece), null);
        for (var i = 0; i < reply.Calls.Count; i++)
        {
            var (index, call) = (i, reply.Calls[i]);
            yield return new Delta(delta => WriteCalls(delta, index, call, ""), null);
            foreach (var piece in Tokens.Split(call.Arguments))
                yield return new Delta(delta => WriteCalls(delta, index, null, piece), null);
        }
    }

    private WireEvent Chunk(EventKind kind, int choice, Action<Utf8JsonWriter> delta, string? finish = null, string? token = null) =>
        Event(kind, null, JsonParts.Write(json =>
        {
            WriteHead(json, "chat.completion.chunk");
            json.WriteStartArray("choices");
            json.WriteStartObject();
            json.WriteNumber("index", choice);
            json.WriteStartObject("delta");
            delta(json);
            json.WriteEndObject();
            WriteLogprobs(json, token is null ? [] : [token]);
            json.WriteString("finish_reason", finish);
            WriteChoiceExtras(json);
            json.WriteEndObject();
            json.WriteEndArray();
            if (_includeUsage)
                json.WriteNull("usage");
            if (_obfuscates)
                json.WriteString("obfuscation", "Xk2");
            WriteTail(json, whole: false);
            json.WriteEndObject();
        }), kind == EventKind.Content ? 1 : 0);

    private void WriteHead(Utf8JsonWriter json, string type)
    {
        json.WriteStartObject();
        json.WriteString("id", "chatcmpl-" + new Dice(~Prompt.Seed).Letters(29));
        json.WriteString("object", type);
        json.WriteNumber("created", Time.GetUtcNow().ToUnixTimeSeconds());
        json.WriteString("model", Prompt.Model);
    }

    /// <param name="whole">A plain reply, not a chunk.</param>
    protected virtual void WriteTail(Utf8JsonWriter json, bool whole)
    {
        json.WriteString("service_tier", _serviceTier);
        json.WriteString("system_fingerprint", "fp_simulated");
    }

    /// <summary>What Azure adds to each choice.</summary>
    protected virtual void WriteChoiceExtras(Utf8JsonWriter json) { }

    protected virtual void WriteMessage(Utf8JsonWriter json, SimulatedReply reply)
    {
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", reply.Calls.Count > 0 || reply.Refusal is not null ? null : reply.Text);
        json.WriteString("refusal", reply.Refusal);
        if (reply.Reasoning.Length > 0)
            json.WriteString("reasoning_content", reply.Reasoning);
        json.WriteStartArray("annotations");
        json.WriteEndArray();
        if (reply.Calls.Count > 0)
        {
            json.WriteStartArray("tool_calls");
            foreach (var call in reply.Calls)
                WriteCall(json, null, call, call.Arguments);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    private static void WriteCalls(Utf8JsonWriter json, int index, SimulatedCall? head, string arguments)
    {
        json.WriteStartArray("tool_calls");
        WriteCall(json, index, head, arguments);
        json.WriteEndArray();
    }

    private static void WriteCall(Utf8JsonWriter json, int? index, SimulatedCall? head, string arguments)
    {
        json.WriteStartObject();
        if (index is { } number)
            json.WriteNumber("index", number);
        if (head is not null)
        {
            json.WriteString("id", "call_" + head.Id);
            json.WriteString("type", "function");
        }
        json.WriteStartObject("function");
        if (head is not null)
            json.WriteString("name", head.Name);
        json.WriteString("arguments", arguments);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private void WriteLogprobs(Utf8JsonWriter json, List<string> tokens)
    {
        if (!_logprobs || tokens.Count == 0)
        {
            json.WriteNull("logprobs");
            return;
        }
        json.WriteStartObject("logprobs");
        json.WriteStartArray("content");
        foreach (var token in tokens)
        {
            var first = -0.001 * (1 + Dice.Hash(0, token) % 700);
            json.WriteStartObject();
            WriteProbability(json, token, first);
            json.WriteStartArray("top_logprobs");
            for (var rank = 0; rank < _topLogprobs; rank++)
            {
                json.WriteStartObject();
                WriteProbability(json, rank == 0 ? token : token + rank.ToString(CultureInfo.InvariantCulture), first - rank);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNull("refusal");
        json.WriteEndObject();
    }

    private static void WriteProbability(Utf8JsonWriter json, string token, double logprob)
    {
        json.WriteString("token", token);
        json.WriteNumber("logprob", Math.Round(logprob, 3));
        json.WriteStartArray("bytes");
        foreach (var value in Encoding.UTF8.GetBytes(token))
            json.WriteNumberValue(value);
        json.WriteEndArray();
    }

    private void WriteUsage(Utf8JsonWriter json, IReadOnlyList<SimulatedReply> replies)
    {
        json.WritePropertyName("usage");
        if (Script.Usage is ['{', ..])
        {
            json.WriteRawValue(Script.Usage, skipInputValidation: true);
            return;
        }
        var none = Script.Usage == "zero";
        var (prompt, output) = none ? (0, 0) : (Prompt.Tokens, replies.Sum(reply => reply.OutputTokens));
        json.WriteStartObject();
        json.WriteNumber("prompt_tokens", prompt);
        json.WriteNumber("completion_tokens", output);
        json.WriteNumber("total_tokens", prompt + output);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", none ? 0 : Math.Min(Script.Cached ?? 0, prompt));
        json.WriteNumber("audio_tokens", Math.Min(Script.Audio, prompt));
        if (Script.Written > 0) json.WriteNumber("cache_write_tokens", Math.Min(Script.Written, prompt));
        json.WriteEndObject();
        json.WriteStartObject("completion_tokens_details");
        json.WriteNumber("reasoning_tokens", none ? 0 : replies.Sum(reply => reply.ReasoningTokens));
        json.WriteNumber("audio_tokens", Math.Min(Script.Spoken, output));
        json.WriteNumber("accepted_prediction_tokens", 0);
        json.WriteNumber("rejected_prediction_tokens", 0);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private string FinishOf(SimulatedReply reply) => Script.Finish is { } literal and not ("none" or "twice")
        ? literal
        : reply.Finish switch
        {
            Finish.Length => "length",
            Finish.ToolCalls => "tool_calls",
            Finish.Filtered => "content_filter",
            _ => "stop",
        };

    public override byte[] ErrorBody(WireError error)
    {
        var (type, code) = error.Status switch
        {
            401 => ("invalid_request_error", "invalid_api_key"),
            404 => ("invalid_request_error", "model_not_found"),
            429 => ("requests", "rate_limit_exceeded"),
            >= 500 => ("server_error", null),
            _ => ("invalid_request_error", null),
        };
        return JsonParts.Write(json =>
        {
            json.WriteStartObject();
            json.WriteStartObject("error");
            json.WriteString("message", error.Message);
            json.WriteString("type", error.Type ?? type);
            json.WriteString("param", error.Param);
            json.WriteString("code", error.Code ?? code);
            json.WriteEndObject();
            json.WriteEndObject();
        });
    }

    public override void AddHeaders(IHeaderDictionary headers, WireError? error)
    {
        headers["x-request-id"] = "req_" + new Dice(~Prompt.Seed + 1).Letters(32);
        headers["openai-version"] = "2020-10-01";
        headers["openai-processing-ms"] = "7";
        headers["x-ratelimit-limit-requests"] = "10000";
        headers["x-ratelimit-remaining-requests"] = error?.Status == 429 ? "0" : "9999";
        headers["x-ratelimit-reset-requests"] = "6ms";
    }

    public static byte[] ModelList(TimeProvider time, string? only) => JsonParts.Write(json =>
    {
        string[] names = only is null ? ["simulated", "simulated-reasoning", "sim-429-then-200", "sim-503", "sim-cut", "sim-hang"] : [only];
        if (only is null)
        {
            json.WriteStartObject();
            json.WriteString("object", "list");
            json.WriteStartArray("data");
        }
        foreach (var name in names)
        {
            json.WriteStartObject();
            json.WriteString("id", name);
            json.WriteString("object", "model");
            json.WriteNumber("created", time.GetUtcNow().ToUnixTimeSeconds());
            json.WriteString("owned_by", "simulator");
            json.WriteEndObject();
        }
        if (only is null)
        {
            json.WriteEndArray();
            json.WriteEndObject();
        }
    });
}
