using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Anthropic;
using CrossModel.Tests.Dialects.OpenAI;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Anthropic;

/// <summary>Every recorded exchange with Anthropic, in both directions.</summary>
public sealed class AnthropicRecordedTests
{
    private static readonly Lazy<Dictionary<string, Recorded>> Exchanges = new(() => Recorded.All("anthropic").ToDictionary(r => r.Name));

    public static TheoryData<string> Replies() => Names(r => r.Status == 200);
    public static TheoryData<string> Streams() => Names(r => r.Status == 200 && r.IsStream);
    public static TheoryData<string> Errors() => Names(r => r.Status >= 400);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Replies))]
    public void Reply_Recorded_ReadsAsExpected(string name)
    {
        var exchange = Get(name);
        var reply = exchange.IsStream ? Replay.Stream(Reader(), exchange.Body) : Replay.Plain(Reader(stream: false), exchange.Body);
        Assert.Null(reply.Fault);
        var reading = exchange.IsStream ? Reading.OfStream(reply) : Reading.OfPlain(reply);
        if (exchange.Expect.ValueKind != JsonValueKind.Null)
        {
            Replay.Compare(exchange.Expect, reading);
            Replay.CompareUsage(exchange.Expect.GetProperty("usage"), reply.Usage);
        }
        Replay.CompareUsage(Shown(reading.Usage!.Value), reply.Usage);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutAnywhere_ComesOutTheSame(string name)
    {
        var body = Get(name).Body;
        var first = Replay.Stream(Reader(), body).Output;
        foreach (var cuts in Replay.Cuts(body.Length))
        {
            if (Replay.Stream(Reader(), body, cuts: cuts).Output is var output && output != first) Assert.Equal(first, output);
        }
        Assert.Equal(first, Replay.Stream(Reader(), body, cuts: [.. Enumerable.Range(1, Math.Min(body.Length, 30_000) - 1)]).Output);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_WithCrLf_ComesOutTheSame(string name)
    {
        var text = Encoding.UTF8.GetString(Get(name).Body).ReplaceLineEndings("\n");
        Assert.Equal(Replay.Stream(Reader(), Encoding.UTF8.GetBytes(text)).Output, Replay.Stream(Reader(), Encoding.UTF8.GetBytes(text.ReplaceLineEndings("\r\n"))).Output);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutShort_IsNeverASuccess(string name)
    {
        var body = Get(name).Body.AsSpan();
        var stop = body.LastIndexOf("\"stop_reason\":\""u8);
        foreach (var length in (int[])[0, 1, stop / 3, stop / 2, stop - 1, stop]) Assert.NotNull(Replay.Stream(Reader(), body[..length]).Fault);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_AskedAsPlain_IsCollected(string name)
    {
        var body = Get(name).Body;
        Replay.CompareCollected(Replay.Stream(Reader(), body), Replay.Plain(Reader(stream: false), body));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Errors))]
    public void Error_Recorded_IsJudgedAsExpected(string name)
    {
        var exchange = Get(name);
        using var response = new HttpResponseMessage();
        Replay.CompareFault(exchange.Expect.GetProperty("error"), AnthropicErrors.Read(exchange.Status, response.Headers, exchange.Body, default));
    }

    [Fact]
    public void Reply_Mutated_IsReadOrRefusedInOrder()
    {
        Fixtures.Require();
        var random = new Random(4711);
        foreach (var exchange in Exchanges.Value.Values.Where(r => r.Status == 200 && r.Body.Length < 12_000))
        {
            for (var i = 0; i < 60; i++)
            {
                var body = Replay.Mutate(exchange.Body, random);
                Replay.CheckOrder(Replay.Stream(Reader(), body), Replay.Plain(Reader(stream: false), body));
            }
        }
    }

    public static TheoryData<string> Requests() => Names(r => r.Request is not null && ClientRequest.CanAsk(r.Request));

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Requests))]
    public void Request_Recorded_IsWhatTheSameWishBecomes(string name)
    {
        var recorded = JsonDocument.Parse(Get(name).Request!).RootElement;
        var client = ClientRequest.Of(recorded);
        Assert.Null(Protocol.Requests.Read(Encoding.UTF8.GetBytes(client), out var request));
        using var owned = request;
        using var dialect = new AnthropicDialect(new UpstreamConfig { BaseUrl = "https://api.anthropic.com" }, TimeProvider.System);
        using var upstream = new UpstreamRequest();
        Assert.Null(dialect.Write(request!, new RouteModel("a/b", recorded.GetProperty("model").GetString()!, new ModelFacts()), new WriteOptions(null, "account"), upstream));
        if (recorded.TryGetProperty("stream", out var streams) && streams.GetBoolean()) Assert.True(upstream.Stream);
        var sent = JsonDocument.Parse(upstream.Body.Memory).RootElement;
        Assert.Equal(ClientRequest.Normal(recorded), ClientRequest.Normal(sent));
    }

    private static AnthropicReply Reader(bool stream = true) => new(Replayed.Context(stream), new ReasoningMemory(TimeProvider.System));

    private static JsonElement Shown(JsonElement usage) => JsonSerializer.SerializeToElement(new
    {
        prompt_tokens = usage.GetProperty("prompt_tokens").GetInt64(),
        completion_tokens = usage.GetProperty("completion_tokens").GetInt64(),
        total_tokens = usage.GetProperty("total_tokens").GetInt64(),
        cached_tokens = usage.GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt64(),
        reasoning_tokens = usage.GetProperty("completion_tokens_details").GetProperty("reasoning_tokens").GetInt64(),
    });

    private static Recorded Get(string name) => Exchanges.Value[name];

    private static TheoryData<string> Names(Func<Recorded, bool> which) => Fixtures.Names(() => Exchanges.Value.Values.Where(which).Select(r => r.Name));
}
