using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>Bedrock's Converse and ConverseStream: binary frames with checksums, a padding member on every event, faults as exception frames.</summary>
internal sealed class BedrockWire(string model, bool streams) : SimulatedWire
{
    public override string StreamType => BedrockEdge.StreamType;
    public override int StreamFault => BedrockEdge.StreamFault;

    public override WireError? CheckHead(HttpRequest request, ReadOnlySpan<byte> body) => BedrockEdge.CheckHead(request, body, Time.GetUtcNow());

    public override WireError? Read(JsonElement body)
    {
        Prompt.Model = model;
        var reader = new BedrockRequest(Prompt);
        reader.Read(body);
        Prompt.Stream = streams;
        return reader.Fault;
    }

    public override byte[] Plain(IReadOnlyList<SimulatedReply> replies) => JsonParts.Write(json =>
    {
        var reply = replies[0];
        json.WriteStartObject();
        WriteMetrics(json);
        json.WriteStartObject("output");
        json.WriteStartObject("message");
        json.WriteStartArray("content");
        if (reply.Reasoning.Length > 0)
        {
            json.WriteStartObject();
            json.WriteStartObject("reasoningContent");
            json.WriteStartObject("reasoningText");
            json.WriteString("signature", AnthropicRequest.Sign(reply.Reasoning));
            json.WriteString("text", reply.Reasoning);
            json.WriteEndObject();
            json.WriteEndObject();
            json.WriteEndObject();
        }
        if (reply.Text.Length + (reply.Refusal?.Length ?? 0) > 0)
        {
            json.WriteStartObject();
            json.WriteString("text", reply.Text + reply.Refusal);
            json.WriteEndObject();
        }
        foreach (var call in reply.Calls)
        {
            json.WriteStartObject();
            json.WriteStartObject("toolUse");
            json.WritePropertyName("input");
            json.WriteRawValue(JsonParts.ObjectOf(call.Arguments));
            json.WriteString("name", call.Name);
            json.WriteString("toolUseId", "tooluse_" + call.Id[..22]);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteString("role", "assistant");
        json.WriteEndObject();
        json.WriteEndObject();
        if (Script.Finish != "none")
            json.WriteString("stopReason", FinishOf(reply));
        WriteUsage(json, reply);
        json.WriteEndObject();
    });

    public override IEnumerable<WireEvent> Stream(IReadOnlyList<SimulatedReply> replies)
    {
        var (reply, index) = (replies[0], 0);
        yield return Frame(EventKind.Open, "messageStart", json => json.WriteString("role", "assistant"));
        if (reply.Reasoning.Length > 0)
        {
            foreach (var piece in Tokens.Split(reply.Reasoning))
                yield return Delta(0, "reasoningContent", "text", piece);
            yield return Delta(0, "reasoningContent", "signature", AnthropicRequest.Sign(reply.Reasoning));
            yield return Stop(index++);
        }
        // Text has no start event: its first delta opens the block.
        foreach (var piece in reply.Pieces.Concat(Tokens.Split(reply.Refusal ?? "")))
            yield return Delta(index, null, "text", piece);
        if (reply.Text.Length + (reply.Refusal?.Length ?? 0) > 0)
            yield return Stop(index++);
        foreach (var call in reply.Calls)
        {
            var at = index++;
            yield return Frame(EventKind.Open, "contentBlockStart", json =>
            {
                json.WriteNumber("contentBlockIndex", at);
                json.WriteStartObject("start");
                json.WriteStartObject("toolUse");
                json.WriteString("name", call.Name);
                json.WriteString("toolUseId", "tooluse_" + call.Id[..22]);
                json.WriteEndObject();
                json.WriteEndObject();
            });
            foreach (var piece in call.Arguments is "{}" ? [] : Tokens.Split(call.Arguments))
                yield return Delta(at, "toolUse", "input", piece);
            yield return Stop(at);
        }
        yield return Frame(EventKind.Finish, "messageStop", json => json.WriteString("stopReason", FinishOf(reply)));
        if (Script.Usage != "none")
            yield return Frame(EventKind.Usage, "metadata", json =>
            {
                WriteMetrics(json);
                WriteUsage(json, reply);
            });
    }

    private WireEvent Stop(int index) => Frame(EventKind.Open, "contentBlockStop", json => json.WriteNumber("contentBlockIndex", index));

    private WireEvent Delta(int index, string? inside, string member, string piece) => Frame(EventKind.Content, "contentBlockDelta", json =>
    {
        json.WriteNumber("contentBlockIndex", index);
        json.WriteStartObject("delta");
        if (inside is not null)
            json.WriteStartObject(inside);
        json.WriteString(member, piece);
        if (inside is not null)
            json.WriteEndObject();
        json.WriteEndObject();
    });

    private WireEvent Frame(EventKind kind, string name, Action<Utf8JsonWriter> members) =>
        new(kind, BedrockEdge.Frame(name, Dice.Hash(Prompt.Seed, name), members), kind == EventKind.Content ? 1 : 0);

    /// <summary>Frames have no comments; an empty run of bytes is nothing.</summary>
    public override WireEvent Comment() => new(EventKind.Open, []);

    public override WireEvent Unknown() => Frame(EventKind.Open, "simulatedNovelty", json => json.WriteString("note", "an event that no reader knows"));

    /// <summary>A frame whose checksum is wrong.</summary>
    public override WireEvent Garbage() => new(EventKind.Content, BedrockEdge.Broken(Frame(EventKind.Content, "contentBlockDelta", json => json.WriteNumber("contentBlockIndex", 0)).Bytes));

    public override WireEvent ErrorEvent(WireError error) => new(EventKind.Content, BedrockEdge.Exception(error));

    private static void WriteMetrics(Utf8JsonWriter json)
    {
        json.WriteStartObject("metrics");
        json.WriteNumber("latencyMs", 7);
        json.WriteEndObject();
    }

    private string FinishOf(SimulatedReply reply) => Script.Finish is { } literal and not ("none" or "twice") ? literal : reply.Finish switch
    {
        Finish.Length => "max_tokens",
        Finish.ToolCalls => "tool_use",
        Finish.StopSequence => "stop_sequence",
        Finish.Filtered => "content_filtered",
        _ => "end_turn",
    };

    private void WriteUsage(Utf8JsonWriter json, SimulatedReply reply)
    {
        if (Script.Usage == "none")
            return;
        json.WritePropertyName("usage");
        if (Script.Usage is ['{', ..])
        {
            json.WriteRawValue(Script.Usage, skipInputValidation: true);
            return;
        }
        var (read, output) = Script.Usage == "zero" ? (0, 0) : (Prompt.Tokens, reply.OutputTokens);
        var cached = Math.Min(Script.Cached ?? 0, read);
        var written = Math.Min(Script.Written, read - cached);
        var hour = Math.Min(Script.Hour, written);
        json.WriteStartObject();
        json.WriteNumber("inputTokens", read - cached - written);
        json.WriteNumber("outputTokens", output);
        json.WriteNumber("totalTokens", read + output);
        if (Script.Cached is not null)
        {
            json.WriteNumber("cacheReadInputTokenCount", cached);
            json.WriteNumber("cacheReadInputTokens", cached);
        }
        if (written > 0)
        {
            json.WriteNumber("cacheWriteInputTokenCount", written);
            json.WriteNumber("cacheWriteInputTokens", written);
            json.WriteStartArray("cacheDetails");
            foreach (var (life, tokens) in new[] { ("5m", written - hour), ("1h", hour) })
            {
                json.WriteStartObject();
                json.WriteString("ttl", life);
                json.WriteNumber("inputTokens", tokens);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    public override WireError? PromptBlocked() => null;

    public override byte[] ErrorBody(WireError error) => BedrockEdge.ErrorBody(error);

    public override void AddHeaders(IHeaderDictionary headers, WireError? error) => BedrockEdge.AddHeaders(headers, Prompt.Seed, error);
}
