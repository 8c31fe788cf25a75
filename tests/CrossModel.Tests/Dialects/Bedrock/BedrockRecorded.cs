using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Bedrock;

namespace CrossModel.Tests.Dialects.Bedrock;

/// <summary>One recorded exchange with Bedrock's Converse, ConverseStream or InvokeModel.</summary>
internal sealed class BedrockRecorded
{
    private readonly JsonElement _meta;

    private BedrockRecorded(string file, string folder)
    {
        Name = file[..^".meta.json".Length];
        _meta = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, file))).RootElement;
        var stem = Path.Combine(folder, Name);
        IsStream = File.Exists(stem + ".response.eventstream");
        Body = File.ReadAllBytes(stem + (IsStream ? ".response.eventstream" : ".response.json"));
        Request = File.Exists(stem + ".request.json") ? File.ReadAllBytes(stem + ".request.json") : null;
    }

    public string Name { get; }
    public byte[] Body { get; }
    public bool IsStream { get; }
    public byte[]? Request { get; }
    public int Status => _meta.GetProperty("status").GetInt32();
    public JsonElement Expect => _meta.GetProperty("expect");
    public string? ErrorType => _meta.GetProperty("headers").TryGetProperty("x-amzn-errortype", out var type) ? type.GetString() : null;
    public RouteModel Model => new("vendor/model", Uri.UnescapeDataString(_meta.GetProperty("model").GetString()!), new ModelFacts());

    private static readonly Lazy<Dictionary<string, BedrockRecorded>> Exchanges = new(() =>
    {
        var folder = Path.Combine(Support.Fixtures.Require(), "bedrock");
        return Directory.GetFiles(folder, "*.meta.json").Order(StringComparer.Ordinal).Select(f => new BedrockRecorded(Path.GetFileName(f), folder)).ToDictionary(e => e.Name);
    });

    public static BedrockRecorded Get(string name) => Exchanges.Value[name];

    /// <summary>Of Converse.</summary>
    public static TheoryData<string> Names(Func<BedrockRecorded, bool> which) => Names("converse-", which);

    /// <summary>Of InvokeModel with Claude.</summary>
    public static TheoryData<string> Invoked(Func<BedrockRecorded, bool> which) => Names("invoke-", which);

    private static TheoryData<string> Names(string prefix, Func<BedrockRecorded, bool> which) =>
        Support.Fixtures.Names(() => Exchanges.Value.Values.Where(e => e.Name.StartsWith(prefix, StringComparison.Ordinal) && which(e)).Select(e => e.Name));

    public static BedrockDialect Dialect(UpstreamConfig? config = null, TimeProvider? time = null) =>
        new(config ?? new UpstreamConfig { Dialect = "bedrock", Region = "us-east-1", ApiKey = "k" }, time ?? TimeProvider.System);

    /// <summary>As an upstream whose api is invoke.</summary>
    public static BedrockDialect Invoking(TimeProvider? time = null, string? betas = null) =>
        Dialect(new UpstreamConfig { Dialect = "bedrock", Api = "invoke", Region = "us-east-1", ApiKey = "k", Headers = betas is null ? new Dictionary<string, string>() : new Dictionary<string, string> { ["Anthropic-Beta"] = betas, ["x-team"] = "search" } }, time);
}

/// <summary>Frames of a stream, taken apart and put together.</summary>
internal static class Frames
{
    public static byte[] Event(string type, string json) =>
        CrossModel.Simulator.EventFrame.Write(Encoding.UTF8.GetBytes(json), (":event-type", type), (":content-type", "application/json"), (":message-type", "event"));

    /// <summary>The same with one more header at the end of its headers, given as hex.</summary>
    public static byte[] Event(string type, string json, string header)
    {
        var (plain, more) = (Event(type, json), Convert.FromHexString(header));
        var end = 12 + BinaryPrimitives.ReadInt32BigEndian(plain.AsSpan(4));
        byte[] frame = [.. plain[..end], .. more, .. plain[end..]];
        BinaryPrimitives.WriteInt32BigEndian(frame, frame.Length);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(4), end - 12 + more.Length);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(8), Crc32.Of(frame.AsSpan(0, 8)));
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(frame.Length - 4), Crc32.Of(frame.AsSpan(0, frame.Length - 4)));
        return frame;
    }

    public static byte[] Exception(string type, string message) =>
        CrossModel.Simulator.EventFrame.Write(Encoding.UTF8.GetBytes($"{{\"message\":\"{message}\"}}"), (":exception-type", type), (":message-type", "exception"));

    /// <summary>One of Anthropic's events, as InvokeModel's stream carries it.</summary>
    public static byte[] Chunk(ReadOnlySpan<byte> anthropicEvent) => Event("chunk", $"{{\"bytes\":\"{Convert.ToBase64String(anthropicEvent)}\",\"p\":\"abcdef\"}}");

    public static byte[] Chunks(params IEnumerable<string> anthropicEvents) => [.. anthropicEvents.SelectMany(e => Chunk(Encoding.UTF8.GetBytes(e)))];

    /// <summary>A reply that is well, its events between start and end given as <c>type json</c>.</summary>
    public static byte[] Stream(params ReadOnlySpan<string> events)
    {
        var all = new List<byte>();
        foreach (var line in events)
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            all.AddRange(Event(line[..space], line[(space + 1)..]));
        }
        return [.. all];
    }

    public static List<(string Type, byte[] Payload)> Split(ReadOnlySpan<byte> body)
    {
        var frames = new List<(string, byte[])>();
        while (EventFrame.Read(body, out var frame, out var length) == EventFrame.Outcome.Whole)
        {
            frames.Add((Encoding.UTF8.GetString(frame.EventType), frame.Payload.ToArray()));
            body = body[length..];
        }
        return frames;
    }
}
