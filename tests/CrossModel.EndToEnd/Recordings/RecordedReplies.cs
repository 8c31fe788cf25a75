using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Recordings;

/// <summary>Every recorded reply of a server that speaks OpenAI's format, played to the gateway and read as its caller does.</summary>
public sealed class RecordedReplies(RecordingBench bench) : IClassFixture<RecordingBench>
{
    // The check passes the details over in which this server puts its reasoning.
    private static readonly Dictionary<string, string> ReasoningReadOtherwise = new() { ["snowflake-02-stream"] = "15 * 27 = 405" };

    public static TheoryData<string> Good() => Recording.Names(r => r.Status == 200);
    public static TheoryData<string> Streams() => Recording.Names(r => r.Status == 200 && r.IsStream);
    public static TheoryData<string> Errors() => Recording.Names(r => r.Status >= 400);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Good))]
    public Task Reply_Recorded_ReachesTheCallerAsExpected(string name) => CheckAsync(Recording.Get(name));

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public async Task Stream_OneByteAtATime_ReachesTheCallerAllTheSame(string name)
    {
        bench.Drips = true;
        try { await CheckAsync(Recording.Get(name)); }
        finally { bench.Drips = false; }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Errors))]
    public async Task Error_Recorded_IsToldByTheTable(string name)
    {
        var recording = Recording.Get(name);
        var reply = await bench.AskAsync(recording);
        var expect = recording.Expect["error"]!;

        Assert.Equal((int)expect["status"]!, (int)reply.Status);
        var error = reply.Json["error"]!;
        Assert.Equal((string?)expect["type"], (string?)error["type"]);
        if ((string?)expect["code"] is { } code) Assert.Equal(code, (string?)error["code"]);
        if ((int)reply.Status != 400) return;
        var words = ((string)expect["provider_message"]!).Split(' ');
        Assert.StartsWith(string.Join(' ', words.Take(3)), (string?)error["message"], StringComparison.Ordinal);
    }

    private async Task CheckAsync(Recording recording)
    {
        var reply = await bench.AskAsync(recording);
        var view = CallerView.Of(reply);
        var expect = recording.Expect;
        if (recording.IsCutByItsServer)
        {
            Assert.NotNull(view.Error);
            if ((string?)expect["content"] != "") Assert.Equal((string?)expect["content"], view.Content);
            return;
        }
        Assert.True((int)reply.Status == 200, reply.Text);
        Assert.Null(view.Error);
        Assert.Equal((string?)expect["content"], view.Content);
        Assert.Equal(ReasoningReadOtherwise.GetValueOrDefault(recording.Name, (string?)expect["reasoning"] ?? ""), view.Reasoning);
        if (expect["refusal"] is { } refusal) Assert.Equal((string?)refusal, view.Refusal);
        Assert.Equal((string?)expect["finish_reason"], view.Finish);
        Compare(expect["tool_calls"]!.AsArray(), view.Calls);
        await CompareBooksAsync(recording, reply, view);
    }

    private static void Compare(JsonArray wanted, IReadOnlyList<(string Id, string Name, string Arguments)> calls)
    {
        Assert.Equal(wanted.Count, calls.Count);
        foreach (var (want, got) in wanted.Zip(calls))
        {
            Assert.Equal((string?)want!["name"], got.Name);
            if (got.Id != "" && (bool)want["id_present"]!) Assert.Equal((string?)want["id"], got.Id);
            if (want["arguments"] is JsonObject arguments) Assert.True(JsonNode.DeepEquals(arguments, JsonNode.Parse(got.Arguments)), got.Arguments);
            else Assert.Equal((string?)want["arguments"], got.Arguments);
        }
    }

    /// <summary>The receipt's numbers are the provider's, and so are those the caller sees where he asked.</summary>
    private async Task CompareBooksAsync(Recording recording, HttpReply reply, CallerView view)
    {
        var receipt = (await bench.Gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), bench.Gateway.Key)).Json;
        var expect = recording.Expect["usage"];
        Assert.Equal(expect is null ? "counted" : "reported", (string?)receipt["basis"]);
        if (expect is null) return;
        var booked = receipt["usage"]!;
        Assert.Equal(((long)expect["prompt_tokens"]!, (long)expect["completion_tokens"]!), ((long)booked["prompt_tokens"]!, (long)booked["completion_tokens"]!));
        if (expect["cached_tokens"] is not null)
            Assert.Equal(((long)expect["cached_tokens"]!, (long)expect["reasoning_tokens"]!), ((long)booked["cached_tokens"]!, (long)booked["reasoning_tokens"]!));
        if (view.Usage is null) return;
        Assert.Equal((long)expect["total_tokens"]!, (long)view.Usage["total_tokens"]!);
        Assert.NotNull(view.Usage["prompt_tokens_details"]!["cached_tokens"]);
        Assert.NotNull(view.Usage["completion_tokens_details"]!["reasoning_tokens"]);
    }
}
