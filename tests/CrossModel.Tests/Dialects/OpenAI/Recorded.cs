using System.Text;
using System.Text.Json;
using CrossModel.Dialects;
using CrossModel.Dialects.OpenAI;
using CrossModel.Protocol;

namespace CrossModel.Tests.Dialects.OpenAI;

/// <summary>One recorded exchange with a server that speaks OpenAI's format.</summary>
internal sealed class Recorded
{
    private readonly JsonElement _meta;

    private Recorded(string file, string folder)
    {
        Name = file[..^".meta.json".Length];
        _meta = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, file))).RootElement;
        var stem = Path.Combine(folder, Name);
        if (File.Exists(stem + ".response.sse")) Body = File.ReadAllBytes(stem + ".response.sse");
        else if (File.Exists(stem + ".response.chunks.txt")) Body = Encoding.UTF8.GetBytes(string.Concat(File.ReadAllLines(stem + ".response.chunks.txt").Where(l => l.Length > 0).Select(l => $"data: {l}\n\n")));
        else Body = File.ReadAllBytes(stem + ".response.json");
        IsStream = !File.Exists(stem + ".response.json");
        Request = File.Exists(stem + ".request.json") ? File.ReadAllBytes(stem + ".request.json") : null;
    }

    public string Name { get; }
    public byte[] Body { get; }
    public bool IsStream { get; }
    public byte[]? Request { get; }
    public int Candidates => Request is not null && JsonDocument.Parse(Request).RootElement.TryGetProperty("n", out var n) ? n.GetInt32() : 1;
    public int Status => _meta.GetProperty("status").GetInt32();
    public string? Model => _meta.GetProperty("model").GetString();
    public JsonElement Expect => _meta.GetProperty("expect");

    /// <summary>Where the recorded server was; a made-up host where the recording does not say.</summary>
    public string BaseUrl
    {
        get
        {
            var endpoint = _meta.TryGetProperty("endpoint", out var e) && e.ValueKind == JsonValueKind.String ? e.GetString()! : "";
            return endpoint.StartsWith("http", StringComparison.Ordinal) && !endpoint.Contains('<')
                ? endpoint[..endpoint.IndexOf("/chat/completions", StringComparison.Ordinal)]
                : "http://models.example/v1";
        }
    }

    public static IEnumerable<Recorded> All(params string[] folders) =>
        from folder in folders
        let path = Path.Combine(Support.Fixtures.Require(), folder)
        from file in Directory.GetFiles(path, "*.meta.json").Order(StringComparer.Ordinal)
        select new Recorded(Path.GetFileName(file), path);

    public override string ToString() => Name;
}

/// <summary>A reply read as the relay reads it, bytes in pieces.</summary>
internal sealed record Replayed(string Output, TokenUsage? Usage, UpstreamFault? Fault, bool HasContent, long TextBytes)
{
    private const long Cost = 1_500;

    public static ReplyContext Context(bool stream = true, bool usage = true, int offset = 0, int candidates = 1) =>
        new("chatcmpl_ours", 1234567890, "vendor/model", stream, usage, offset, "account") { Candidates = candidates };

    public static Replayed Stream(ReadOnlySpan<byte> body, Preset? preset = null, bool usage = true, int offset = 0, int candidates = 1, params ReadOnlySpan<int> cuts) =>
        Replay.Stream(new OpenAIReply(Context(true, usage, offset, candidates), preset ?? Presets.Unknown), body, usage, Cost, cuts);

    public static Replayed Stream(string body, Preset? preset = null, bool usage = true, int offset = 0, int candidates = 1) => Stream(Encoding.UTF8.GetBytes(body), preset, usage, offset, candidates);

    public static Replayed Plain(ReadOnlyMemory<byte> body, Preset? preset = null, int offset = 0, int candidates = 1) =>
        Replay.Plain(new OpenAIReply(Context(false, false, offset, candidates), preset ?? Presets.Unknown), body, Cost);

    public static Replayed Plain(string body, Preset? preset = null, int offset = 0, int candidates = 1) => Plain(Encoding.UTF8.GetBytes(body), preset, offset, candidates);

    /// <summary>The JSON of each event; asserts that each is framed as one data line and a blank one.</summary>
    public List<string> Events()
    {
        if (Output.Length == 0) return [];
        Assert.EndsWith("\n\n", Output);
        var events = Output[..^2].Split("\n\n");
        Assert.All(events, e => Assert.StartsWith("data: ", e));
        Assert.All(events, e => Assert.DoesNotContain("\n", e));
        return [.. events.Select(e => e["data: ".Length..])];
    }
}

/// <summary>What a caller makes of a reply: an independent reading, strict about the shape.</summary>
internal sealed class Reading
{
    public Dictionary<int, StringBuilder> Content { get; } = [];
    public StringBuilder Reasoning { get; } = new();
    public StringBuilder Refusal { get; } = new();
    public SortedDictionary<int, (string Id, string Name, StringBuilder Arguments)> Calls { get; } = [];
    public Dictionary<int, string> Finish { get; } = [];
    public string? FunctionCall { get; private set; }
    public JsonElement? Usage { get; private set; }

    public string AllContent => string.Concat(Content.OrderBy(c => c.Key).Select(c => c.Value));

    public static Reading OfStream(Replayed reply)
    {
        var reading = new Reading();
        var begun = new HashSet<int>();
        var events = reply.Events();
        if (reply.Fault is null) Assert.Equal("[DONE]", events[^1]);
        foreach (var text in events.Where(e => e != "[DONE]"))
        {
            var chunk = JsonDocument.Parse(text).RootElement;
            Assert.Equal("chatcmpl_ours", chunk.GetProperty("id").GetString());
            Assert.Equal("chat.completion.chunk", chunk.GetProperty("object").GetString());
            Assert.Equal(1234567890, chunk.GetProperty("created").GetInt64());
            Assert.Equal("vendor/model", chunk.GetProperty("model").GetString());
            Assert.Equal(chunk.EnumerateObject().Count(), chunk.EnumerateObject().DistinctBy(m => m.Name).Count());
            if (chunk.TryGetProperty("usage", out var usage) && usage.ValueKind == JsonValueKind.Object)
            {
                Assert.Equal(0, chunk.GetProperty("choices").GetArrayLength());
                Assert.Null(reading.Usage);
                reading.Usage = usage;
            }
            foreach (var choice in chunk.GetProperty("choices").EnumerateArray())
            {
                var index = choice.GetProperty("index").GetInt32();
                var delta = choice.GetProperty("delta");
                Assert.False(reading.Finish.ContainsKey(index), "a chunk after the finish of its choice: " + text);
                if (begun.Add(index)) Assert.Equal("assistant", delta.GetProperty("role").GetString());
                reading.Add(index, delta, isDelta: true);
                if (choice.GetProperty("finish_reason").GetString() is not { } reason) continue;
                Assert.Equal("{}", delta.GetRawText());
                reading.Finish[index] = reason;
            }
        }
        if (reply.Fault is null) Assert.Equal(begun.Order(), reading.Finish.Keys.Order());
        return reading;
    }

    public static Reading OfPlain(Replayed reply)
    {
        var reading = new Reading();
        var root = JsonDocument.Parse(reply.Output).RootElement;
        Assert.Equal("chatcmpl_ours", root.GetProperty("id").GetString());
        Assert.Equal("chat.completion", root.GetProperty("object").GetString());
        Assert.Equal(1234567890, root.GetProperty("created").GetInt64());
        Assert.Equal("vendor/model", root.GetProperty("model").GetString());
        reading.Usage = root.GetProperty("usage");
        foreach (var choice in root.GetProperty("choices").EnumerateArray())
        {
            var message = choice.GetProperty("message");
            Assert.Equal("assistant", message.GetProperty("role").GetString());
            Assert.True(message.TryGetProperty("refusal", out _) && choice.TryGetProperty("logprobs", out _));
            reading.Add(choice.GetProperty("index").GetInt32(), message, isDelta: false);
            if (message.GetProperty("content").ValueKind == JsonValueKind.Null) Assert.True(reading.Calls.Count > 0 || reading.Refusal.Length > 0 || reading.FunctionCall is not null);
            reading.Finish[choice.GetProperty("index").GetInt32()] = choice.GetProperty("finish_reason").GetString()!;
        }
        return reading;
    }

    private void Add(int choice, JsonElement message, bool isDelta)
    {
        if (!Content.TryGetValue(choice, out var content)) Content[choice] = content = new StringBuilder();
        content.Append(Text(message, "content"));
        Reasoning.Append(Text(message, "reasoning_content"));
        Refusal.Append(Text(message, "refusal"));
        if (message.TryGetProperty("function_call", out var old) && old.ValueKind == JsonValueKind.Object) FunctionCall ??= Text(old, "name");
        if (!message.TryGetProperty("tool_calls", out var calls) || calls.ValueKind != JsonValueKind.Array) return;
        var position = 0;
        foreach (var call in calls.EnumerateArray())
        {
            var index = isDelta ? call.GetProperty("index").GetInt32() : position++;
            var function = call.GetProperty("function");
            if (!Calls.TryGetValue(index, out var known))
            {
                Assert.Equal(Calls.Count, index);
                Assert.Equal("function", call.GetProperty("type").GetString());
                Calls[index] = known = (call.GetProperty("id").GetString()!, function.GetProperty("name").GetString()!, new StringBuilder());
                Assert.NotEqual("", known.Id);
            }
            else
            {
                Assert.False(call.TryGetProperty("id", out _) || function.TryGetProperty("name", out _), "id or name repeated");
            }
            known.Arguments.Append(function.GetProperty("arguments").GetString());
        }
    }

    private static string? Text(JsonElement message, string name) =>
        message.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
