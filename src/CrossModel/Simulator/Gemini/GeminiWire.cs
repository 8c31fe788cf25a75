using System.Globalization;
using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>Google's generateContent, at the Gemini API and on Vertex AI: CRLF streams of whole replies, calls in one piece, no [DONE].</summary>
internal sealed class GeminiWire(string model, bool vertex, bool streams) : SimulatedWire
{
    private GeminiRequest _request = null!;
    private bool _sse;

    public override string StreamType => _sse ? "text/event-stream" : "application/json; charset=UTF-8";
    public override int StreamFault => 503;
    protected override bool Crlf => true;

    public override WireError? CheckHead(HttpRequest request, ReadOnlySpan<byte> body)
    {
        _sse = request.Query["alt"] == "sse";
        if (request.Headers["x-goog-api-key"].Count > 0 || request.Headers.Authorization.Count > 0 || request.Query.ContainsKey("key"))
            return null;
        return vertex
            ? new WireError(401, "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential.")
            : new WireError(403, "Method doesn't allow unregistered callers (callers without established identity).");
    }

    public override WireError? Read(JsonElement body)
    {
        Prompt.Model = model;
        _request = new GeminiRequest(Prompt, vertex);
        _request.Read(body, streams);
        return _request.Fault;
    }

    /// <summary>One candidate's step: its parts and, at its end, why it ended.</summary>
    private readonly record struct Step(int Candidate, Action<Utf8JsonWriter> Parts, string? Finish);

    public override byte[] Plain(IReadOnlyList<SimulatedReply> replies) => Chunk(
        [.. replies.Select((reply, index) => new Step(index, json =>
        {
            foreach (var part in Parts(reply, whole: true))
                part(json);
        }, FinishOf(reply)))], replies, last: true);

    public override IEnumerable<WireEvent> Stream(IReadOnlyList<SimulatedReply> replies)
    {
        var reply = replies[0];
        var parts = Parts(reply, whole: false).ToList();
        if (parts.Count == 0)
            parts.Add(json => WriteText(json, "", false));
        for (var i = 0; i < parts.Count; i++)
        {
            var last = i == parts.Count - 1;
            // The reason rides on the last parts; there is no chunk of its own to leave out.
            yield return Framed(Chunk([new Step(0, parts[i], last ? FinishOf(reply) : null)], replies, last), i == 0, last && Script.Finish != "twice");
        }
        if (Script.Finish == "twice")
            yield return Framed(Chunk([new Step(0, json => WriteText(json, "", false), FinishOf(reply))], replies, true), false, true);
    }

    /// <summary>Without alt=sse a stream is one JSON array that grows.</summary>
    private WireEvent Framed(byte[] json, bool first, bool last) => _sse
        ? Event(EventKind.Content, null, json, 1)
        : new WireEvent(EventKind.Content, [.. first ? "["u8 : ",\r\n"u8, .. json, .. last ? "\n]\n"u8 : ""u8], 1);

    private byte[] Chunk(Step[] steps, IReadOnlyList<SimulatedReply> replies, bool last) => JsonParts.Write(json =>
    {
        json.WriteStartObject();
        if (Script.Blocked == "prompt")
        {
            json.WriteStartObject("promptFeedback");
            json.WriteString("blockReason", "PROHIBITED_CONTENT");
            json.WriteEndObject();
        }
        else
        {
            json.WriteStartArray("candidates");
            foreach (var step in steps)
                WriteCandidate(json, step);
            json.WriteEndArray();
        }
        WriteUsage(json, replies, last);
        json.WriteString("modelVersion", model);
        if (vertex)
            json.WriteString("createTime", Time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture));
        json.WriteString("responseId", new Dice(~Prompt.Seed).Letters(22));
        json.WriteEndObject();
    });

    private void WriteCandidate(Utf8JsonWriter json, Step step)
    {
        json.WriteStartObject();
        json.WriteStartObject("content");
        if (Script.Blocked is null)
        {
            json.WriteStartArray("parts");
            step.Parts(json);
            json.WriteEndArray();
            json.WriteString("role", "model");
        }
        json.WriteEndObject();
        if (step.Finish is not null)
            json.WriteString("finishReason", step.Finish);
        json.WriteNumber("index", step.Candidate);
        json.WriteEndObject();
    }

    private IEnumerable<Action<Utf8JsonWriter>> Parts(SimulatedReply reply, bool whole)
    {
        if (_request.IncludesThoughts)
            foreach (var piece in whole ? [reply.Reasoning] : Tokens.Split(reply.Reasoning))
                if (piece.Length > 0)
                    yield return json => WriteText(json, piece, true);
        foreach (var piece in whole ? [reply.Text + reply.Refusal] : reply.Pieces.Concat(Tokens.Split(reply.Refusal ?? "")))
            if (piece.Length > 0)
                yield return json => WriteText(json, piece, false);
        for (var i = 0; i < reply.Calls.Count; i++)
        {
            var (call, first) = (reply.Calls[i], i == 0);
            yield return json => WriteCall(json, call, first);
        }
        // What a text was thought from comes on an empty part of its own, after it.
        if (_request.Signs && reply.Calls.Count == 0 && reply.Reasoning.Length > 0 && !whole)
            yield return json => WriteText(json, "", false, GeminiRequest.Sign(vertex, "text"));
    }

    private static void WriteText(Utf8JsonWriter json, string text, bool thought, string? signature = null)
    {
        json.WriteStartObject();
        json.WriteString("text", text);
        if (thought)
            json.WriteBoolean("thought", true);
        if (signature is not null)
            json.WriteString("thoughtSignature", signature);
        json.WriteEndObject();
    }

    private void WriteCall(Utf8JsonWriter json, SimulatedCall call, bool first)
    {
        json.WriteStartObject();
        json.WriteStartObject("functionCall");
        json.WriteString("name", call.Name);
        json.WritePropertyName("args");
        json.WriteRawValue(JsonParts.ObjectOf(call.Arguments));
        if (_request.Signs && !vertex)
            json.WriteString("id", call.Id[..8]);
        json.WriteEndObject();
        // Of parallel calls only the first is signed.
        if (first && (_request.Signs || Prompt.Reasons))
            json.WriteString("thoughtSignature", GeminiRequest.Sign(vertex, call.Name));
        json.WriteEndObject();
    }

    private string? FinishOf(SimulatedReply reply) => Script.Finish switch
    {
        "none" => null,
        { } literal and not "twice" => literal,
        _ => reply.Finish switch { Finish.Length => "MAX_TOKENS", Finish.Filtered => "SAFETY", _ => "STOP" },
    };

    private void WriteUsage(Utf8JsonWriter json, IReadOnlyList<SimulatedReply> replies, bool last)
    {
        if (Script.Usage == "none")
            return;
        json.WritePropertyName("usageMetadata");
        if (Script.Usage is ['{', ..])
        {
            json.WriteRawValue(Script.Usage, skipInputValidation: true);
            return;
        }
        json.WriteStartObject();
        if (last || !vertex)
        {
            var zero = Script.Usage == "zero";
            var thoughts = last && !zero ? replies.Sum(reply => reply.ReasoningTokens) : 0;
            var visible = last && !zero ? replies.Sum(reply => reply.OutputTokens) - thoughts : 0;
            var read = zero ? 0 : Prompt.Tokens;
            json.WriteNumber("promptTokenCount", read);
            // Where nothing visible came the count is missing, not zero.
            if (visible > 0)
                json.WriteNumber("candidatesTokenCount", visible);
            json.WriteNumber("totalTokenCount", read + visible + thoughts);
            if (Script.Cached is { } cached)
                json.WriteNumber("cachedContentTokenCount", Math.Min(cached, read));
            if (thoughts > 0)
                json.WriteNumber("thoughtsTokenCount", thoughts);
            WriteAudio(json, "promptTokensDetails", Math.Min(Script.Audio, read), read);
            WriteAudio(json, "candidatesTokensDetails", Math.Min(Script.Spoken, visible), visible);
        }
        if (vertex)
            json.WriteString("trafficType", "ON_DEMAND");
        json.WriteEndObject();
    }

    private static void WriteAudio(Utf8JsonWriter json, string name, int audio, int all)
    {
        if (audio == 0)
            return;
        json.WriteStartArray(name);
        foreach (var (modality, tokens) in new[] { ("TEXT", all - audio), ("AUDIO", audio) })
        {
            json.WriteStartObject();
            json.WriteString("modality", modality);
            json.WriteNumber("tokenCount", tokens);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>A stopped question is a 200 without candidates.</summary>
    public override WireError? PromptBlocked() => null;

    public override byte[] ErrorBody(WireError error) => streams && vertex
        ? [.. "["u8, .. GoogleError(error, Script.RetryAfter), .. "]"u8]
        : GoogleError(error, Script.RetryAfter);

    public override WireEvent ErrorEvent(WireError error) => Event(EventKind.Content, null, GoogleError(error, Script.RetryAfter));

    /// <summary>Google's error shape, also that of Claude on Vertex AI at the edge.</summary>
    public static byte[] GoogleError(WireError error, string? retryAfter) => JsonParts.Write(json =>
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteNumber("code", error.Status);
        json.WriteString("message", error.Message);
        json.WriteString("status", error.Type ?? error.Status switch
        {
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            499 => "CANCELLED",
            503 => "UNAVAILABLE",
            504 => "DEADLINE_EXCEEDED",
            >= 500 => "INTERNAL",
            _ => "INVALID_ARGUMENT",
        });
        if (error.Code is not null || retryAfter is not null)
        {
            json.WriteStartArray("details");
            json.WriteStartObject();
            json.WriteString("@type", "type.googleapis.com/google.rpc." + (error.Code is null ? "RetryInfo" : "ErrorInfo"));
            json.WriteString(error.Code is null ? "retryDelay" : "reason", error.Code ?? retryAfter + "s");
            json.WriteEndObject();
            json.WriteEndArray();
        }
        json.WriteEndObject();
        json.WriteEndObject();
    });
}
