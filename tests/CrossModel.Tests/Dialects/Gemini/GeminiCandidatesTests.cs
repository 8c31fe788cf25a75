using System.Text;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Gemini;
using CrossModel.Dialects.Vertex;
using CrossModel.Tests.Dialects.OpenAI;
using CrossModel.Tests.Protocol;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Gemini;

/// <summary>Several candidates in one call: when they are asked for, how they are read, and what refusals teach.</summary>
public sealed class GeminiCandidatesTests
{
    private static readonly RouteModel Flash = new("vendor/model", "gemini-2.5-flash", new ModelFacts());

    private static GeminiDialect Gemini() => new(new UpstreamConfig(), TimeProvider.System);

    /// <param name="refusal">What the provider says to the request; null: it is not sent.</param>
    /// <returns>The candidates asked for in one call, whether they are sure to come, and whether the refusal is worth another try.</returns>
    private static (int Candidates, bool IsSure, bool Again) Ask(IDialect dialect, string members, RouteModel model, string? refusal = null)
    {
        using var request = Requests.Accepted(Requests.With(members));
        using var upstream = new UpstreamRequest();
        Assert.Null(dialect.Write(request, model, new WriteOptions(null, "account"), upstream));
        using var body = System.Text.Json.JsonDocument.Parse(upstream.Body.Memory);
        var written = body.RootElement.TryGetProperty("generationConfig", out var config) && config.TryGetProperty("candidateCount", out var count) ? count.GetInt32() : 1;
        Assert.Equal(upstream.Candidates, written);
        var isSure = dialect.TakesCandidates(request, model);
        using var response = new HttpResponseMessage();
        var again = refusal is not null && dialect.ReadFault(400, response.Headers, Error(refusal), upstream).TryAgain;
        return (written, isSure, again);
    }

    private static byte[] Error(string message) => Encoding.UTF8.GetBytes($$$"""{"error":{"code":400,"message":"{{{message}}}","status":"INVALID_ARGUMENT"}}""");

    private static void Answer(IDialect dialect, RouteModel model, int asked, string body)
    {
        using var reader = dialect.OpenReply(Replayed.Context(stream: false) with { Candidates = asked }, model);
        reader.ReadPlain(Encoding.UTF8.GetBytes(body))?.Dispose();
    }

    private static string Reply(params string[] candidates) =>
        $$$"""{"candidates":[{{{string.Join(',', candidates)}}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":6,"thoughtsTokenCount":2,"totalTokenCount":17}}""";

    private static string Candidate(int? index, string part, string finish = "STOP") =>
        $$$"""{"content":{"role":"model","parts":[{{{part}}}]},"finishReason":"{{{finish}}}"{{{(index is null ? "" : $",\"index\":{index}")}}}}""";

    private const string A = """{"text":"a"}""";
    private const string B = """{"text":"b"}""";

    [Theory]
    [InlineData("\"n\":1", 1)]
    [InlineData("\"n\":2", 2)]
    [InlineData("\"n\":8", 8)]
    [InlineData("\"n\":9", 1)]
    [InlineData("\"n\":2,\"stream\":true", 1)]
    public void Candidates_OfAPlainCallUpToEight_AreAskedForTogether(string members, int candidates)
    {
        using var gemini = Gemini();
        Assert.Equal((candidates, false, false), Ask(gemini, members, Flash));
        using var vertex = new VertexDialect(new UpstreamConfig { Project = "p", Location = "global", ApiKey = "k" }, TimeProvider.System);
        Assert.Equal((candidates, false, false), Ask(vertex, members, Flash));
    }

    [Fact]
    public void Candidates_OfClaudeOnVertex_AreAskedForOneByOne()
    {
        using var vertex = new VertexDialect(new UpstreamConfig { Project = "p", Location = "global", ApiKey = "k" }, TimeProvider.System);
        Assert.Equal((1, false, false), Ask(vertex, "\"n\":2", Flash with { UpstreamModel = "claude-sonnet-4-5@20250929" }));
    }

    [Theory]
    [InlineData("Multiple candidates is not enabled for this model")]
    [InlineData("Multiple candidates is not enabled for models/gemini-2.5-flash-image-preview")]
    [InlineData("Only one candidate can be specified")]
    [InlineData("Unable to submit request because candidateCount must be 1 but the entered value was 2. Update the candidateCount value and try again.")]
    [InlineData("Unable to submit request because it has a candidateCount value of 2 but the supported range is from 1 (inclusive) to 2 (exclusive). Update the value and try again.")]
    public void Candidates_OnceRefused_AreAskedForOneByOneOfThatModel(string refusal)
    {
        using var gemini = Gemini();
        Assert.Equal((2, false, true), Ask(gemini, "\"n\":2", Flash, refusal));
        Assert.Equal((1, false, false), Ask(gemini, "\"n\":2", Flash, refusal));
        Assert.Equal((2, false, false), Ask(gemini, "\"n\":2", Flash with { UpstreamModel = "gemini-2.5-pro" }));
    }

    [Fact]
    public void Candidates_RefusedToTwoCallsAtOnce_AreWorthAnotherTryToBoth()
    {
        const string Refusal = "Multiple candidates is not enabled for this model";
        using var gemini = Gemini();
        using var request = Requests.Accepted(Requests.With("\"n\":2"));
        using UpstreamRequest one = new(), other = new();
        using var response = new HttpResponseMessage();
        foreach (var upstream in (UpstreamRequest[])[one, other]) Assert.Null(gemini.Write(request, Flash, new WriteOptions(null, "account"), upstream));
        foreach (var upstream in (UpstreamRequest[])[one, other]) Assert.True(gemini.ReadFault(400, response.Headers, Error(Refusal), upstream).TryAgain);
    }

    [Fact]
    public void Refusal_OfAnotherThing_TeachesNothingOfCandidates()
    {
        using var gemini = Gemini();
        Assert.Equal((2, false, false), Ask(gemini, "\"n\":2", Flash, "Base64 decoding failed"));
        Assert.Equal((1, false, false), Ask(gemini, "\"n\":1", Flash, "Only one candidate can be specified"));
        Assert.Equal((2, false, false), Ask(gemini, "\"n\":2", Flash));
    }

    [Fact]
    public void Candidates_OnceGivenTogether_AreSureToCome()
    {
        using var gemini = Gemini();
        Answer(gemini, Flash, 2, Reply(Candidate(0, A), Candidate(1, B)));
        Assert.Equal((2, true, false), Ask(gemini, "\"n\":2", Flash));
        Assert.Equal((1, false, false), Ask(gemini, "\"n\":2,\"stream\":true", Flash));
        Assert.Equal((1, false, false), Ask(gemini, "\"n\":9", Flash));
        Assert.Equal((2, false, false), Ask(gemini, "\"n\":2", Flash with { UpstreamModel = "gemini-2.5-pro" }));
    }

    [Fact]
    public void Candidates_FewerThanAskedFor_AreAFailureAndAskedForOneByOneFromThenOn()
    {
        using var vertex = new VertexDialect(new UpstreamConfig { Project = "p", Location = "global", ApiKey = "k" }, TimeProvider.System);
        Answer(vertex, Flash, 2, Reply(Candidate(0, A), Candidate(1, B)));
        using var reader = vertex.OpenReply(Replayed.Context(stream: false) with { Candidates = 3 }, Flash);
        Assert.Null(reader.ReadPlain(Encoding.UTF8.GetBytes(Reply(Candidate(0, A), Candidate(1, B)))));
        Assert.Equal((UpstreamFailure.BadReply, true), (reader.Fault!.Failure, reader.Fault.TryAgain));
        Assert.Equal((1, false, false), Ask(vertex, "\"n\":2", Flash));
        // What another call gave meanwhile does not make it sure again.
        Answer(vertex, Flash, 2, Reply(Candidate(0, A), Candidate(1, B)));
        Assert.Equal((1, false, false), Ask(vertex, "\"n\":2", Flash));
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0, 1)]
    [InlineData(null, null)]
    public void Reply_OfSeveralCandidates_IsReadByTheirIndex(int? first, int? second)
    {
        var memory = new ReasoningMemory(new FakeClock());
        const string Call = """{"functionCall":{"name":"f","args":{"a":1},"id":"x"},"thoughtSignature":"QUJD"},{"functionCall":{"name":"g"}}""";
        var body = Encoding.UTF8.GetBytes(Reply(Candidate(first, Call), Candidate(second, """{"text":"t","thought":true},{"text":"b"}""", "MAX_TOKENS")));
        var reply = Replay.Plain(GoogleRecorded.Reader(stream: false, memory: memory, tools: ["f", "g"], candidates: 2), body);
        Assert.Null(reply.Fault);
        using var json = System.Text.Json.JsonDocument.Parse(reply.Output);
        var choices = json.RootElement.GetProperty("choices").EnumerateArray().ToList();
        Assert.Equal([0, 1], choices.Select(c => c.GetProperty("index").GetInt32()));
        var (calls, text) = first == 1 ? (choices[1], choices[0]) : (choices[0], choices[1]);
        Assert.Equal(("tool_calls", "length"), (calls.GetProperty("finish_reason").GetString(), text.GetProperty("finish_reason").GetString()));
        Assert.Equal(("b", "t"), (text.GetProperty("message").GetProperty("content").GetString(), text.GetProperty("message").GetProperty("reasoning_content").GetString()));
        var made = calls.GetProperty("message").GetProperty("tool_calls").EnumerateArray().ToList();
        Assert.Equal(["f", "g"], made.Select(c => c.GetProperty("function").GetProperty("name").GetString()));
        Assert.Equal("QUJD", made[0].GetProperty("extra_content").GetProperty("google").GetProperty("thought_signature").GetString());
        Assert.False(made[1].TryGetProperty("extra_content", out _));
        Assert.Equal("QUJD"u8.ToArray(), memory.Find("gemini", "account", "x", "f", "{\"a\":1}"u8));
        // The prompt once, what was generated in sum.
        Assert.Equal((9, 8, 2), (reply.Usage!.Value.InputTokens, reply.Usage.Value.OutputTokens, reply.Usage.Value.ReasoningTokens));
    }

    [Theory]
    [InlineData("""{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP","index":0},{"content":{"parts":[{"text":"b"}]},"finishReason":"STOP","index":2}]}""", nameof(UpstreamFailure.BadReply))]
    [InlineData("""{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP","index":0},{"content":{"parts":[]},"finishReason":"MALFORMED_FUNCTION_CALL","index":1}]}""", nameof(UpstreamFailure.ServerError))]
    public void Reply_WithACandidateThatIsNone_Fails(string body, string failure) =>
        Assert.Equal(failure, Replay.Plain(GoogleRecorded.Reader(stream: false, candidates: 2), Encoding.UTF8.GetBytes(body)).Fault!.Failure.ToString());

    [Fact]
    public void Prompt_Blocked_IsAsManyFilteredChoicesAsWereAskedFor()
    {
        var reply = Replay.Plain(GoogleRecorded.Reader(stream: false, candidates: 3), """{"promptFeedback":{"blockReason":"SAFETY"}}"""u8.ToArray());
        using var json = System.Text.Json.JsonDocument.Parse(reply.Output);
        Assert.Equal(["0 content_filter", "1 content_filter", "2 content_filter"], json.RootElement.GetProperty("choices").EnumerateArray().Select(c => $"{c.GetProperty("index")} {c.GetProperty("finish_reason")}"));
    }
}
