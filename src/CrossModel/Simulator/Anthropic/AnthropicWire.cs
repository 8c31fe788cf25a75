using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>Anthropic's Messages API, also as Vertex AI serves it (another path, other credentials, Google's errors at the edge); Bedrock's is derived from it.</summary>
/// <param name="host">Who hosts it; null: Anthropic itself.</param>
/// <param name="streams">What the host's path says of streaming.</param>
internal class AnthropicWire(ClaudeHost? host = null, bool streams = false) : SimulatedWire
{
    public override int StreamFault => 529;

    public override WireError? CheckHead(HttpRequest request, ReadOnlySpan<byte> body)
    {
        var bearer = request.Headers.Authorization.Count > 0;
        if (host is not null)
            return bearer ? null : new WireError(401, "Request is missing required authentication credential.");
        if (!bearer && request.Headers["x-api-key"].Count == 0)
            return new WireError(401, "x-api-key header is required");
        return request.Headers["anthropic-version"].ToString() is "2023-06-01" or "2023-01-01" ? null : new WireError(400, "anthropic-version: header is required");
    }

    public override WireError? Read(JsonElement body)
    {
        var reader = new AnthropicRequest(Prompt, host);
        reader.Read(body);
        Prompt.Stream |= streams;
        return reader.Fault;
    }

    public override byte[] Plain(IReadOnlyList<SimulatedReply> replies) => JsonParts.Write(json =>
    {
        var reply = replies[0];
        json.WriteStartObject();
        WriteHead(json);
        json.WriteStartArray("content");
        foreach (var block in Blocks(reply))
        {
            json.WriteStartObject();
            switch (block.Type)
            {
                case "thinking":
                    json.WriteString("type", "thinking");
                    json.WriteString("thinking", reply.Reasoning);
                    json.WriteString("signature", AnthropicRequest.Sign(reply.Reasoning));
                    break;
                case "text":
                    json.WriteString("type", "text");
                    json.WriteString("text", reply.Text);
                    break;
                default:
                    WriteCall(json, block.Call!, block.Call!.Arguments);
                    break;
            }
            json.WriteEndObject();
        }
        json.WriteEndArray();
        WriteStop(json, reply);
        WriteUsage(json, reply, reply.OutputTokens);
        json.WriteEndObject();
    });

    public override IEnumerable<WireEvent> Stream(IReadOnlyList<SimulatedReply> replies)
    {
        var reply = replies[0];
        yield return Named(EventKind.Open, "message_start", json =>
        {
            json.WriteStartObject("message");
            WriteHead(json);
            json.WriteStartArray("content");
            json.WriteEndArray();
            json.WriteNull("stop_reason");
            json.WriteNull("stop_sequence");
            WriteUsage(json, reply, 1);
            json.WriteEndObject();
        });
        var index = 0;
        foreach (var block in Blocks(reply))
        {
            yield return Block(EventKind.Open, "content_block_start", index, "content_block", json =>
            {
                if (block.Call is not null)
                    WriteCall(json, block.Call, "{}");
                else
                {
                    json.WriteString("type", block.Type);
                    json.WriteString(block.Type, "");
                    if (block.Type == "thinking")
                        json.WriteString("signature", "");
                }
            });
            if (index == 0)
                yield return Named(EventKind.Open, "ping", _ => { });
            var (type, member) = block.Type switch { "thinking" => ("thinking_delta", "thinking"), "text" => ("text_delta", "text"), _ => ("input_json_delta", "partial_json") };
            foreach (var piece in block.Pieces)
                yield return Delta(index, type, member, piece);
            if (block.Type == "thinking")
                yield return Delta(index, "signature_delta", "signature", AnthropicRequest.Sign(reply.Reasoning));
            yield return Block(EventKind.Open, "content_block_stop", index++, null, _ => { });
        }
        yield return Named(EventKind.Finish, "message_delta", json =>
        {
            json.WriteStartObject("delta");
            WriteStop(json, reply);
            json.WriteEndObject();
            WriteUsage(json, reply, reply.OutputTokens);
        });
        yield return Named(EventKind.End, "message_stop", json => WriteEnd(json, reply));
    }

    /// <summary>What the host adds to the last event.</summary>
    protected virtual void WriteEnd(Utf8JsonWriter json, SimulatedReply reply) { }

    /// <summary>One event as it goes over the wire.</summary>
    protected virtual WireEvent Frame(EventKind kind, string name, byte[] json, int tokens) => Event(kind, name, json, tokens);

    private sealed record ContentBlock(string Type, IEnumerable<string> Pieces, SimulatedCall? Call = null);

    private static IEnumerable<ContentBlock> Blocks(SimulatedReply reply)
    {
        if (reply.Reasoning.Length > 0)
            yield return new ContentBlock("thinking", Tokens.Split(reply.Reasoning));
        if (reply.Text.Length > 0)
            yield return new ContentBlock("text", reply.Pieces);
        foreach (var call in reply.Calls)
            yield return new ContentBlock("tool_use", call.Arguments is "{}" ? [""] : Tokens.Split(call.Arguments).Prepend(""), call);
    }

    private WireEvent Named(EventKind kind, string name, Action<Utf8JsonWriter> members) => Frame(kind, name, JsonParts.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("type", name);
        members(json);
        json.WriteEndObject();
    }), kind == EventKind.Content ? 1 : 0);

    private WireEvent Block(EventKind kind, string name, int index, string? member, Action<Utf8JsonWriter> members) => Named(kind, name, json =>
    {
        json.WriteNumber("index", index);
        if (member is null)
            return;
        json.WriteStartObject(member);
        members(json);
        json.WriteEndObject();
    });

    private WireEvent Delta(int index, string type, string member, string piece) => Block(EventKind.Content, "content_block_delta", index, "delta", json =>
    {
        json.WriteString("type", type);
        json.WriteString(member, piece);
    });

    private void WriteHead(Utf8JsonWriter json)
    {
        json.WriteString("id", $"msg_{host?.IdPart}01" + new Dice(~Prompt.Seed).Letters(22));
        json.WriteString("type", "message");
        json.WriteString("role", "assistant");
        json.WriteString("model", Prompt.Model);
    }

    /// <summary>A call that the cap cut has no whole object: the plain form then shows an empty one, as there is no other JSON to show.</summary>
    private void WriteCall(Utf8JsonWriter json, SimulatedCall call, string arguments)
    {
        json.WriteString("type", "tool_use");
        json.WriteString("id", $"toolu_{host?.IdPart}01" + call.Id[..22]);
        json.WriteString("name", call.Name);
        json.WritePropertyName("input");
        json.WriteRawValue(JsonParts.ObjectOf(arguments));
    }

    private void WriteStop(Utf8JsonWriter json, SimulatedReply reply)
    {
        var reason = reply.Refusal is not null ? "refusal" : reply.Finish switch
        {
            Finish.Length => "max_tokens",
            Finish.ToolCalls => "tool_use",
            Finish.StopSequence => "stop_sequence",
            Finish.Filtered => "refusal",
            _ => "end_turn",
        };
        if (Script.Finish == "none")
            reason = null;
        else if (Script.Finish is not (null or "twice"))
            reason = Script.Finish;
        json.WriteString("stop_reason", reason);
        json.WriteString("stop_sequence", reply.Finish == Finish.StopSequence ? reply.StopSequence : null);
        if (reason == "refusal")
        {
            json.WriteStartObject("stop_details");
            json.WriteString("category", "simulated");
            json.WriteString("explanation", reply.Refusal);
            json.WriteEndObject();
        }
    }

    private void WriteUsage(Utf8JsonWriter json, SimulatedReply reply, int output)
    {
        if (Script.Usage == "none")
            return;
        json.WritePropertyName("usage");
        if (Script.Usage is ['{', ..])
        {
            json.WriteRawValue(Script.Usage, skipInputValidation: true);
            return;
        }
        var zero = Script.Usage == "zero";
        var cached = zero ? 0 : Cached;
        var written = zero ? 0 : Math.Min(Script.Written, Prompt.Tokens - cached);
        var hour = Math.Min(Script.Hour, written);
        json.WriteStartObject();
        json.WriteNumber("input_tokens", zero ? 0 : Prompt.Tokens - cached - written);
        json.WriteNumber("cache_creation_input_tokens", written);
        json.WriteNumber("cache_read_input_tokens", cached);
        json.WriteStartObject("cache_creation");
        json.WriteNumber("ephemeral_5m_input_tokens", written - hour);
        json.WriteNumber("ephemeral_1h_input_tokens", hour);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", zero ? 0 : output);
        if (reply.ReasoningTokens > 0 && output == reply.OutputTokens && !zero)
        {
            json.WriteStartObject("output_tokens_details");
            json.WriteNumber("thinking_tokens", reply.ReasoningTokens);
            json.WriteEndObject();
        }
        json.WriteString("service_tier", "standard");
        json.WriteEndObject();
    }

    protected int Cached => Math.Min(Script.Cached ?? 0, Prompt.Tokens);

    public override WireError? PromptBlocked() => null;

    public override byte[] ErrorBody(WireError error) => host is not null && error.Status is 401 or 403 or 404 or 429
        ? GeminiWire.GoogleError(error, null)
        : JsonParts.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("type", "error");
            json.WriteStartObject("error");
            json.WriteString("type", error.Type ?? error.Status switch
            {
                401 => "authentication_error",
                402 => "billing_error",
                403 => "permission_error",
                404 => "not_found_error",
                413 => "request_too_large",
                429 => "rate_limit_error",
                504 => "timeout_error",
                529 => "overloaded_error",
                >= 500 => "api_error",
                _ => "invalid_request_error",
            });
            json.WriteString("message", error.Message);
            if (error.Code is not null)
            {
                json.WriteStartObject("details");
                json.WriteString("error_code", error.Code);
                json.WriteEndObject();
            }
            json.WriteEndObject();
            json.WriteString("request_id", RequestId);
            json.WriteEndObject();
        });

    private string RequestId => "req_011C" + new Dice(~Prompt.Seed + 1).Letters(20);

    public override WireEvent ErrorEvent(WireError error) => Event(EventKind.Content, "error", ErrorBody(error));

    public override void AddHeaders(IHeaderDictionary headers, WireError? error)
    {
        headers["request-id"] = RequestId;
        headers["anthropic-ratelimit-requests-limit"] = "50";
        headers["anthropic-ratelimit-requests-remaining"] = error?.Status == 429 ? "0" : "49";
        headers["anthropic-ratelimit-requests-reset"] = Time.GetUtcNow().AddSeconds(2).ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);
        if (error is not null)
            headers["x-should-retry"] = error.Status is 408 or 409 or 429 or >= 500 ? "true" : "false";
    }
}
