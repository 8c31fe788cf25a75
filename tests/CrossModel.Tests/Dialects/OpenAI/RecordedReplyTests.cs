using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.OpenAI;
using CrossModel.Protocol;

namespace CrossModel.Tests.Dialects.OpenAI;

/// <summary>Every recorded reply of a server that speaks OpenAI's format, against what the recording says of it.</summary>
public sealed partial class RecordedReplyTests
{
    public static TheoryData<string> Replies() => Names(r => r.Status == 200);
    public static TheoryData<string> Streams() => Names(r => r.Status == 200 && r.IsStream);
    public static TheoryData<string> Plains() => Names(r => r.Status == 200 && !r.IsStream);
    public static TheoryData<string> Errors() => Names(r => r.Status >= 400);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Replies))]
    public void Reply_Recorded_ReadsAsExpected(string name)
    {
        foreach (var preset in (Preset[])[Presets.Unknown, Of(Get(name))])
        {
            // Hidden thinking cannot be told by the shape of the numbers: only the preset knows.
            if (preset == Presets.Unknown && Of(Get(name)).SurplusIsReasoning) continue;
            // The expectations were written by a reader that passes details over; OpenAIStreamTests has the rule.
            if (preset.ReasoningInDetails && Encoding.UTF8.GetString(Get(name).Body).Contains("reasoning_details", StringComparison.Ordinal)) continue;
            var exchange = Get(name);
            var reply = exchange.IsStream ? Replayed.Stream(exchange.Body, preset, candidates: exchange.Candidates) : Replayed.Plain(exchange.Body, preset, candidates: exchange.Candidates);
            var expect = exchange.Expect;
            var isFailed = expect.TryGetProperty("stream_error", out _);
            Assert.Equal(isFailed, reply.Fault is not null);
            var reading = exchange.IsStream ? Reading.OfStream(reply) : Reading.OfPlain(reply);
            Compare(expect, reading, isFailed);
            CompareUsage(expect.GetProperty("usage"), reply.Usage);
            if (!isFailed && reply.Usage is { } usage) CompareUsage(reading.Usage!.Value, usage);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutAnywhere_ComesOutTheSame(string name)
    {
        var body = Get(name).Body;
        var first = Replayed.Stream(body).Output;
        void Same(string output)
        {
            if (output != first) Assert.Equal(Normal(first), Normal(output));
        }
        var lengths = body.Length <= 16 * 1024 ? Enumerable.Range(1, body.Length - 1) : [];
        foreach (var cut in lengths) Same(Replayed.Stream(body, cuts: [cut]).Output);

        // Many cuts in one run: byte by byte at both ends, and at seeded places in between.
        var random = new Random(17);
        var ends = Enumerable.Range(1, Math.Min(2048, body.Length - 1)).Concat(Enumerable.Range(Math.Max(1, body.Length - 2048), Math.Min(2047, body.Length - 1)));
        var cuts = ends.Concat(Enumerable.Range(0, 1000).Select(_ => random.Next(1, body.Length))).Distinct().Order().ToArray();
        Same(Replayed.Stream(body, cuts: cuts).Output);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutShort_IsNeverASuccess(string name)
    {
        var exchange = Get(name);
        var text = exchange.Body.AsSpan();
        var finish = text.LastIndexOf("\"finish_reason\":\""u8);
        if (finish < 0) finish = text.LastIndexOf("\"finish_reason\": \""u8);
        if (finish < 0) finish = text.LastIndexOf("[DONE]"u8);
        if (finish < 0 || exchange.Expect.TryGetProperty("stream_error", out _)) return;
        // Some say it twice: whole is what has said it once.
        var first = text.IndexOf("\"finish_reason\":\""u8) is >= 0 and var at ? at : text.IndexOf("\"finish_reason\": \""u8) is >= 0 and var spaced ? spaced : finish;
        foreach (var length in (int[])[0, 1, first / 3, first / 2, first - 1, first]) Assert.NotNull(Replayed.Stream(text[..length]).Fault);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_WithoutUsageAsked_ShowsNone(string name)
    {
        var reply = Replayed.Stream(Get(name).Body, usage: false);
        Assert.All(reply.Events().Where(e => e != "[DONE]"), e => Assert.False(JsonDocument.Parse(e).RootElement.TryGetProperty("usage", out _)));
        Reading.OfStream(reply);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_Spliced_KeepsWhatItDoesNotName(string name)
    {
        var exchange = Get(name);
        var sent = new Queue<JsonElement>(Chunks(exchange.Body));
        foreach (var text in Replayed.Stream(exchange.Body, candidates: exchange.Candidates).Events().Where(e => e != "[DONE]"))
        {
            var ours = JsonDocument.Parse(text).RootElement;
            if (ours.GetProperty("choices").GetArrayLength() == 0) continue;
            if (!ours.EnumerateObject().Any(m => m.Name is not ("id" or "object" or "created" or "model" or "choices" or "usage"))) continue;
            JsonElement theirs = default;
            while (sent.Count > 0 && !SameRoot(ours, theirs = sent.Dequeue())) { }
            Assert.True(SameRoot(ours, theirs), "not in the upstream's bytes: " + text);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Plains))]
    public void Plain_Spliced_KeepsWhatItDoesNotName(string name)
    {
        var exchange = Get(name);
        var ours = JsonDocument.Parse(Replayed.Plain(exchange.Body, candidates: exchange.Candidates).Output).RootElement;
        var theirs = JsonDocument.Parse(exchange.Body).RootElement;
        Assert.True(SameRoot(ours, theirs));
        var pairs = ours.GetProperty("choices").EnumerateArray().Zip(theirs.GetProperty("choices").EnumerateArray());
        foreach (var (our, their) in pairs)
        {
            Same(our, their, ["index", "finish_reason", "logprobs", "message"]);
            if (their.TryGetProperty("message", out var message)) Same(our.GetProperty("message"), message, ["role", "content", "refusal", "reasoning_content", "tool_calls"]);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Plains))]
    public void Plain_AskedAsStream_ComesAsChunks(string name)
    {
        var exchange = Get(name);
        var plain = Reading.OfPlain(Replayed.Plain(exchange.Body, candidates: exchange.Candidates));
        var stream = Reading.OfStream(Replayed.Stream(exchange.Body, candidates: exchange.Candidates));
        Assert.Equal(plain.AllContent, stream.AllContent);
        Assert.Equal(plain.Reasoning.ToString(), stream.Reasoning.ToString());
        Assert.Equal(plain.Refusal.ToString(), stream.Refusal.ToString());
        Assert.Equal(plain.Finish, stream.Finish);
        Assert.Equal(plain.Calls.Select(c => (c.Value.Name, c.Value.Arguments.ToString())), stream.Calls.Select(c => (c.Value.Name, c.Value.Arguments.ToString())));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_AskedAsPlain_IsCollected(string name)
    {
        var exchange = Get(name);
        var stream = Replayed.Stream(exchange.Body, candidates: exchange.Candidates);
        var plain = Replayed.Plain(exchange.Body, candidates: exchange.Candidates);
        Assert.Equal(stream.Fault is null, plain.Fault is null);
        if (stream.Fault is null) Replay.CompareCollected(stream, plain);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Errors))]
    public void Error_Recorded_IsJudgedAsExpected(string name)
    {
        var exchange = Get(name);
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = exchange.BaseUrl }, null, TimeProvider.System);
        using var response = new HttpResponseMessage();
        using var request = new UpstreamRequest();
        Replay.CompareFault(exchange.Expect.GetProperty("error"), dialect.ReadFault(exchange.Status, response.Headers, exchange.Body, request));
    }

    internal static void Compare(JsonElement expect, Reading reading, bool isFailed)
    {
        Assert.Equal(expect.GetProperty("content").GetString(), reading.Content.TryGetValue(0, out var content) ? content.ToString() : "");
        Assert.Equal(expect.GetProperty("reasoning").GetString(), reading.Reasoning.ToString());
        if (expect.TryGetProperty("refusal", out var refusal)) Assert.Equal(refusal.GetString(), reading.Refusal.ToString());
        if (!isFailed) Assert.Equal(expect.GetProperty("finish_reason").GetString(), reading.Finish[0]);
        var calls = expect.GetProperty("tool_calls").EnumerateArray().ToList();
        if (reading.FunctionCall is { } old)
        {
            Assert.Equal(calls[0].GetProperty("name").GetString(), old);
            return;
        }
        Replay.CompareCalls(calls, reading);
    }

    internal static void CompareUsage(JsonElement wanted, TokenUsage? usage)
    {
        if (wanted.ValueKind == JsonValueKind.Null)
        {
            Assert.Null(usage);
            return;
        }
        Assert.NotNull(usage);
        Assert.Equal(wanted.GetProperty("prompt_tokens").GetInt64(), usage.Value.InputTokens);
        Assert.Equal(wanted.GetProperty("completion_tokens").GetInt64(), usage.Value.OutputTokens);
        Assert.Equal(wanted.GetProperty("total_tokens").GetInt64(), usage.Value.TotalTokens);
        if (!wanted.TryGetProperty("cached_tokens", out var cached)) return;
        Assert.Equal(cached.GetInt64(), usage.Value.CachedInputTokens);
        Assert.Equal(wanted.GetProperty("reasoning_tokens").GetInt64(), usage.Value.ReasoningTokens);
    }

    private static bool SameRoot(JsonElement ours, JsonElement theirs) => theirs.ValueKind == JsonValueKind.Object
        && theirs.EnumerateObject().Where(m => m.Name is not ("id" or "object" or "created" or "model" or "choices" or "usage"))
            .All(m => ours.TryGetProperty(m.Name, out var kept) && kept.GetRawText() == m.Value.GetRawText());

    private static void Same(JsonElement ours, JsonElement theirs, string[] mayDiffer)
    {
        foreach (var member in theirs.EnumerateObject().Where(m => !mayDiffer.Contains(m.Name))) Assert.Equal(member.Value.GetRawText(), ours.GetProperty(member.Name).GetRawText());
    }

    private static IEnumerable<JsonElement> Chunks(byte[] body) =>
        from line in Encoding.UTF8.GetString(body).Split('\n')
        where line.StartsWith("data:", StringComparison.Ordinal) && line.Contains('{')
        select JsonDocument.Parse(line[5..].Trim()).RootElement;

    private static string Normal(string output) => MadeIds().Replace(output, "call_made");

    private static Preset Of(Recorded exchange) => Presets.Choose(null, new Uri(exchange.BaseUrl.Replace("<AWS_REGION>", "r", StringComparison.Ordinal)));

    private static readonly Lazy<Dictionary<string, Recorded>> Exchanges = new(() => Recorded.All("openai", "openai-compatible", "azure").ToDictionary(r => r.Name));

    private static Recorded Get(string name) => Exchanges.Value[name];

    private static TheoryData<string> Names(Func<Recorded, bool> which) => Support.Fixtures.Names(() => Exchanges.Value.Values.Where(which).Select(r => r.Name));

    [GeneratedRegex("call_[A-Za-z0-9]{24}(?=\")")]
    private static partial Regex MadeIds();
}
