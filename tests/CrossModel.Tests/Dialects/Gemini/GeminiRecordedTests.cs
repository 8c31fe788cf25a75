using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Gemini;
using CrossModel.Tests.Dialects.OpenAI;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Gemini;

/// <summary>Every recorded exchange with Google's own models, in both directions.</summary>
public sealed class GeminiRecordedTests
{
    public static TheoryData<string> Replies() => GoogleRecorded.Names(r => r.Status == 200 && r.Expect.ValueKind != JsonValueKind.Null);
    public static TheoryData<string> Streams() => GoogleRecorded.Names(r => r.Status == 200 && r.IsStream);
    public static TheoryData<string> Errors() => GoogleRecorded.Names(r => r.Status >= 400);
    public static TheoryData<string> Requests() => GoogleRecorded.Names(r => r.Name.StartsWith("gemini", StringComparison.Ordinal) && r.Request is not null && ClientRequest.CanAsk(r.Request));

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Replies))]
    public void Reply_Recorded_ReadsAsExpected(string name)
    {
        var exchange = GoogleRecorded.Get(name);
        var reply = exchange.IsStream ? Replay.Stream(GoogleRecorded.Reader(), exchange.Body) : Replay.Plain(GoogleRecorded.Reader(stream: false), exchange.Body);
        Assert.Null(reply.Fault);
        Replay.Compare(exchange.Expect, exchange.IsStream ? Reading.OfStream(reply) : Reading.OfPlain(reply));
        if (exchange.Expect.GetProperty("usage") is { ValueKind: JsonValueKind.Object } usage) Replay.CompareUsage(usage, reply.Usage);
        else Assert.Null(reply.Usage);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutAnywhere_ComesOutTheSame(string name)
    {
        var body = GoogleRecorded.Get(name).Body;
        var first = Normal(Replay.Stream(GoogleRecorded.Reader(), body).Output);
        foreach (var cuts in Replay.Cuts(body.Length))
        {
            if (Normal(Replay.Stream(GoogleRecorded.Reader(), body, cuts: cuts).Output) is var output && output != first) Assert.Equal(first, output);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutShort_IsNeverASuccess(string name)
    {
        var body = GoogleRecorded.Get(name).Body.AsSpan();
        var finish = body.IndexOf("\"finishReason\""u8);
        foreach (var length in (int[])[0, 1, finish / 3, finish / 2, finish - 1, finish]) Assert.NotNull(Replay.Stream(GoogleRecorded.Reader(), body[..length]).Fault);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_AskedAsPlain_IsCollected(string name)
    {
        var body = GoogleRecorded.Get(name).Body;
        Replay.CompareCollected(Replay.Stream(GoogleRecorded.Reader(), body), Replay.Plain(GoogleRecorded.Reader(stream: false), body));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Errors))]
    public void Error_Recorded_IsJudgedAsExpected(string name)
    {
        var exchange = GoogleRecorded.Get(name);
        using var response = new HttpResponseMessage();
        Replay.CompareFault(exchange.Expect.GetProperty("error"), GeminiErrors.Read(exchange.Status, response.Headers, exchange.Body, default));
    }

    [Fact]
    public void Arguments_InPieces_ComeOutWhole()
    {
        Fixtures.Require();
        var reply = Replay.Stream(GoogleRecorded.Reader(), GoogleRecorded.Get("vertex-gemini-vercel-google-stream-tool-call-arguments").Body);
        Assert.Null(reply.Fault);
        var calls = Reading.OfStream(reply).Calls.Values.ToList();
        Assert.Equal(["{\"location\":\"Boston\"}", "{\"location\":\"San Francisco\"}"], calls.Select(c => c.Arguments.ToString()));
        Assert.All(calls, c => Assert.Equal("getWeather", c.Name));
    }

    [Fact]
    public void Reply_Mutated_IsReadOrRefusedInOrder()
    {
        Fixtures.Require();
        var random = new Random(4711);
        foreach (var exchange in GoogleRecorded.All.Where(r => r.Status == 200 && r.Body.Length < 20_000))
        {
            for (var i = 0; i < 80; i++)
            {
                var body = Replay.Mutate(exchange.Body, random);
                Replay.CheckOrder(Replay.Stream(GoogleRecorded.Reader(), body), Replay.Plain(GoogleRecorded.Reader(stream: false), body));
            }
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Requests))]
    public void Request_Recorded_IsWhatTheSameWishBecomes(string name)
    {
        var exchange = GoogleRecorded.Get(name);
        var recorded = JsonDocument.Parse(exchange.Request!).RootElement;
        using var dialect = new GeminiDialect(new UpstreamConfig(), TimeProvider.System);
        var sent = Sent.Write(dialect, ClientRequest.Of(recorded), exchange.Model ?? "gemini-2.5-flash", unknown: UnknownParameters.Forward);
        Assert.Null(sent.Refusal);
        Assert.Equal(ClientRequest.Normal(recorded), ClientRequest.Normal(sent.Json));
    }

    /// <summary>Ids that we make differ from run to run.</summary>
    private static string Normal(string output) => System.Text.RegularExpressions.Regex.Replace(output, "call_[A-Za-z0-9]{24}(?=\")", "call_made");
}
