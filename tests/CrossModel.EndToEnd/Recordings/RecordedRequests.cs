using System.Text.Json;

namespace CrossModel.EndToEnd.Recordings;

/// <summary>Every recorded request, sent through the gateway: the upstream receives it member by member and byte for byte, but for what its server must have otherwise.</summary>
public sealed class RecordedRequests(RecordingBench bench) : IClassFixture<RecordingBench>
{
    /// <summary>Renamed, added or taken out by rule, for every server.</summary>
    private static readonly HashSet<string> MayDiffer = ["model", "stream_options", "max_tokens", "max_completion_tokens", "user", "safety_identifier", "n"];

    /// <summary>What else changes in one of them, and why.</summary>
    private static readonly Dictionary<string, string[]> ChangesIn = new()
    {
        ["huggingface-03-stream"] = ["tools"], // an empty list, which OpenAI refuses
        ["ollama-03-stream-reasoning-tool-result-in"] = ["messages"], // reasoning_content is spelled reasoning there
        ["zai-01-json-reasoning-cached-tool-result-in"] = ["reasoning_effort", "thinking"], // one becomes the other
    };

    public static TheoryData<string> Sent() => Recording.Names(r => r.Request is not null);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Sent))]
    public async Task Request_Recorded_ArrivesAsItWasSent(string name)
    {
        var recording = Recording.Get(name);
        var reply = await bench.AskAsync(recording);

        var received = bench.Upstream.Received.Last(r => r.Path.StartsWith($"/{name}/", StringComparison.Ordinal));
        var ignored = (reply.Header("x-crossmodel-ignored") ?? "").Split(", ").Select(i => i.Split('=')[0]).ToHashSet();
        bool May(string member) => MayDiffer.Contains(member) || ignored.Contains(member) || ChangesIn.GetValueOrDefault(name, []).Contains(member);

        var sent = Members(recording.Asked());
        var arrived = Members(received.Body);
        Assert.Equal(recording.UpstreamModel, JsonSerializer.Deserialize<string>(arrived["model"]));
        Assert.True((int)reply.Status == recording.Status || recording.Status != 200, reply.Text);
        Assert.Equal([], sent.Where(m => !May(m.Key) && arrived.GetValueOrDefault(m.Key) != m.Value).Select(m => $"{m.Key}: {m.Value} -> {arrived.GetValueOrDefault(m.Key)} (ignored: {reply.Header("x-crossmodel-ignored")})"));
        Assert.Equal([], arrived.Keys.Where(k => !sent.ContainsKey(k) && !May(k)));
        Assert.Equal(sent.Keys.Where(arrived.ContainsKey).Where(k => !May(k)), arrived.Keys.Where(sent.ContainsKey).Where(k => !May(k)));
    }

    /// <summary>Top-level members in their order, values as they are spelled.</summary>
    private static Dictionary<string, string> Members(byte[] body)
    {
        using var json = JsonDocument.Parse(body);
        return json.RootElement.EnumerateObject().ToDictionary(m => m.Name, m => m.Value.GetRawText());
    }
}
