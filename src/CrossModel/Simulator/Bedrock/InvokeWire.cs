using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>Bedrock's InvokeModel for Claude: Anthropic's bodies at Bedrock's edge, each event of a stream in base64 inside a frame, the last with Amazon's own counts.</summary>
internal sealed class InvokeWire(string model, bool streams) : AnthropicWire(ClaudeHost.Bedrock(model), streams)
{
    public override string StreamType => BedrockEdge.StreamType;
    public override int StreamFault => BedrockEdge.StreamFault;

    public override WireError? CheckHead(HttpRequest request, ReadOnlySpan<byte> body) => BedrockEdge.CheckHead(request, body, Time.GetUtcNow());

    /// <summary>Frames have no comments; an empty run of bytes is nothing.</summary>
    public override WireEvent Comment() => new(EventKind.Open, []);

    public override WireEvent Unknown() => Frame(EventKind.Open, "novelty", """{"type":"simulated.novelty","note":"an event that no reader knows"}"""u8.ToArray(), 0);

    public override WireEvent Garbage() => new(EventKind.Content, BedrockEdge.Broken(Frame(EventKind.Content, "ping", """{"type":"ping"}"""u8.ToArray(), 0).Bytes));

    public override WireEvent ErrorEvent(WireError error) => new(EventKind.Content, BedrockEdge.Exception(error));

    public override byte[] ErrorBody(WireError error) => BedrockEdge.ErrorBody(error);

    public override void AddHeaders(IHeaderDictionary headers, WireError? error) => BedrockEdge.AddHeaders(headers, Prompt.Seed, error);

    protected override WireEvent Frame(EventKind kind, string name, byte[] json, int tokens) =>
        new(kind, BedrockEdge.Frame("chunk", Dice.Hash(Prompt.Seed, name), writer => writer.WriteBase64String("bytes", json)), tokens);

    protected override void WriteEnd(Utf8JsonWriter json, SimulatedReply reply)
    {
        if (Script.Usage == "none")
            return;
        json.WriteStartObject("amazon-bedrock-invocationMetrics");
        json.WriteNumber("inputTokenCount", Prompt.Tokens - Cached);
        json.WriteNumber("outputTokenCount", reply.OutputTokens);
        json.WriteNumber("invocationLatency", 7);
        json.WriteNumber("firstByteLatency", 3);
        json.WriteNumber("cacheReadInputTokenCount", Cached);
        json.WriteNumber("cacheWriteInputTokenCount", 0);
        json.WriteEndObject();
    }
}
