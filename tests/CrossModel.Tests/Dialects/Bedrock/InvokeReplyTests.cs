using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Anthropic;
using CrossModel.Protocol;
using CrossModel.Tests.Dialects.OpenAI;
using CrossModel.Tests.Protocol;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Bedrock;

/// <summary>Claude's replies to InvokeModel: the recorded ones, and Anthropic's recorded streams put into frames.</summary>
public sealed class InvokeReplyTests
{
    private static readonly Lazy<Dictionary<string, Recorded>> Anthropic = new(() => Recorded.All("anthropic").Where(r => r.Status == 200 && r.IsStream).ToDictionary(r => r.Name));
    private static readonly RouteModel Claude = new("vendor/model", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", new ModelFacts());

    private static readonly string[] Hello =
    [
        """{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"usage":{"input_tokens":9,"cache_read_input_tokens":5,"output_tokens":1}}}""",
        """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}""",
        """{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}""",
        """{"type":"content_block_stop","index":0}""",
        """{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}""",
        """{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":7,"invocationLatency":20,"firstByteLatency":10}}""",
    ];

    public static TheoryData<string> Replies() => BedrockRecorded.Invoked(e => e.Status == 200);

    public static TheoryData<string> Streams() => Fixtures.Folder is null ? [] : [.. Anthropic.Value.Keys];

    private static ReplyReader Reader(bool stream = true)
    {
        using var dialect = BedrockRecorded.Invoking(new FakeClock());
        return dialect.OpenReply(Replayed.Context(stream), Claude);
    }

    private static Replayed Stream(ReadOnlySpan<byte> body, params ReadOnlySpan<int> cuts) => Replay.Stream(Reader(), body, cuts: cuts);

    private static Replayed Plain(byte[] body) => Replay.Plain(Reader(stream: false), body);

    private static byte[] Framed(Recorded exchange)
    {
        using var events = new SseReader();
        var (body, frames, used) = (exchange.Body, new List<byte>(), 0);
        while (events.TryRead(body.AsSpan(used), true, out var evt, out var length))
        {
            used += length;
            frames.AddRange(Frames.Chunk(evt.Data));
        }
        return [.. frames];
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Replies))]
    public void Reply_Recorded_ReadsAsExpected(string name)
    {
        var exchange = BedrockRecorded.Get(name);
        using var dialect = BedrockRecorded.Invoking();
        var reply = Replay.Plain(dialect.OpenReply(Replayed.Context(false), exchange.Model), exchange.Body);
        Assert.Null(reply.Fault);
        Replay.Compare(exchange.Expect, Reading.OfPlain(reply));
        Replay.CompareUsage(exchange.Expect.GetProperty("usage"), reply.Usage);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_OfAnthropicsEventsInFrames_ReadsAsAnthropicsOwn(string name)
    {
        var exchange = Anthropic.Value[name];
        var own = Replay.Stream(new AnthropicReply(Replayed.Context(), new ReasoningMemory(TimeProvider.System)), exchange.Body);
        var framed = Stream(Framed(exchange));
        Assert.Null(framed.Fault);
        Assert.Equal((own.Output, own.Usage), (framed.Output, framed.Usage));
        var collected = Plain(Framed(exchange));
        Assert.Equal((Reading.OfStream(own).AllContent, own.Usage), (Reading.OfPlain(collected).AllContent, collected.Usage));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutAnywhere_ComesOutTheSame(string name)
    {
        var body = Framed(Anthropic.Value[name]);
        var whole = Stream(body).Output;
        foreach (var cuts in Replay.Cuts(body.Length)) Assert.Equal(whole, Stream(body, cuts).Output);
    }

    [Fact]
    public void Stream_CutShort_IsWholeOnlyOnceItsStopReasonIsThere()
    {
        var (body, stopped) = (Frames.Chunks(Hello), Frames.Chunks(Hello[..^1]).Length);
        for (var length = 0; length < body.Length; length++)
        {
            if (length == stopped) continue;
            Assert.NotNull(Stream(body.AsSpan(0, length)).Fault);
        }
        Assert.Equal("stop", Reading.OfStream(Stream(body.AsSpan(0, stopped))).Finish[0]);
    }

    [Fact]
    public void Stream_WithAFlippedBit_AlwaysFails()
    {
        var body = Frames.Chunks(Hello);
        for (var bit = 0; bit < body.Length * 8; bit++)
        {
            var flipped = body.ToArray();
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.NotNull(Stream(flipped).Fault);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_Mutated_IsReadOrFails(string name)
    {
        var random = new Random(31);
        var frames = Frames.Split(Framed(Anthropic.Value[name]));
        for (var i = 0; i < 300; i++)
        {
            // The checksums made anew, so that what is inside is looked at: the event, or the wrapping.
            var changed = random.Next(frames.Count);
            var inner = JsonDocument.Parse(frames[changed].Payload).RootElement.GetProperty("bytes").GetBytesFromBase64();
            var frame = i % 2 == 0 ? Frames.Chunk(Replay.Mutate(inner, random)) : CrossModel.Simulator.EventFrame.Write(Replay.Mutate(frames[changed].Payload, random), (":event-type", "chunk"), (":message-type", "event"));
            byte[] body = [.. frames.SelectMany((f, n) => n == changed ? frame : Frames.Event("chunk", Encoding.UTF8.GetString(f.Payload)))];
            var (reply, plain) = (Stream(body), Plain(body));
            if (reply.Fault is null) Reading.OfStream(reply);
            else Assert.All(reply.Events(), e => JsonDocument.Parse(e));
            if (plain.Fault is null) Reading.OfPlain(plain);
            else Assert.Equal("", plain.Output);
        }
    }

    [Fact]
    public void Reply_RecordedAndMutated_IsReadOrFails()
    {
        Fixtures.Require();
        var random = new Random(37);
        foreach (var row in Replies())
        {
            var body = BedrockRecorded.Get(row.Data).Body;
            for (var i = 0; i < 400; i++)
            {
                var plain = Plain(Replay.Mutate(body, random));
                if (plain.Fault is null) Reading.OfPlain(plain);
                else Assert.Equal("", plain.Output);
            }
        }
    }

    [Theory]
    [InlineData("internalServerException", "ServerError")]
    [InlineData("modelStreamErrorException", "ServerError")]
    [InlineData("throttlingException", "RateLimited")]
    [InlineData("modelTimeoutException", "ServerError")]
    [InlineData("validationException", "Rejected")]
    [InlineData("neverHeardOfException", "BadReply")]
    public void Exception_InsideAStream_IsAFailure(string type, string failure) =>
        Assert.Equal(failure, Stream([.. Frames.Chunks(Hello[..3]), .. Frames.Exception(type, "m")]).Fault!.Failure.ToString());

    [Theory]
    [InlineData("""{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}""", "ServerError")]
    [InlineData("""{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}""", "RateLimited")]
    [InlineData("not JSON", "BadReply")]
    public void Event_ThatIsAnErrorOrGarbage_IsAFailure(string json, string failure) =>
        Assert.Equal(failure, Stream([.. Frames.Chunks(Hello[..3]), .. Frames.Chunks(json)]).Fault!.Failure.ToString());

    [Theory]
    [InlineData("""{"bytes":"%%%"}""")]
    [InlineData("""{"bytes":"eyJ0"}""")]
    [InlineData("""{"bytes":""")]
    public void Chunk_ThatIsNoBase64OfJson_IsAFailure(string payload) =>
        Assert.Equal(UpstreamFailure.BadReply, Stream([.. Frames.Chunks(Hello[..3]), .. Frames.Event("chunk", payload)]).Fault!.Failure);

    [Fact]
    public void Stream_WithUnknownEvents_PassesThemOver()
    {
        var reply = Stream([.. Frames.Chunks(Hello[..2]), .. Frames.Event("novelty", "{\"x\":1}"), .. Frames.Chunks("""{"type":"ping"}"""), .. Frames.Chunks(Hello[2..])]);
        Assert.Equal(("Hello", "stop"), (Reading.OfStream(reply).AllContent, Reading.OfStream(reply).Finish[0]));
        Assert.Equal(new TokenUsage { InputTokens = 14, CachedInputTokens = 5, OutputTokens = 7 }, reply.Usage);
    }

    [Fact]
    public void Reply_OfAGuardrail_IsAContentFilters()
    {
        var events = Hello.ToArray();
        events[^1] = """{"type":"message_stop","amazon-bedrock-guardrailAction":"INTERVENED"}""";
        Assert.Equal(("Hello", "content_filter"), (Reading.OfStream(Stream(Frames.Chunks(events))).AllContent, Reading.OfStream(Stream(Frames.Chunks(events))).Finish[0]));
        const string plain = """{"type":"message","role":"assistant","content":[{"type":"text","text":"No."}],"stop_reason":"end_turn","amazon-bedrock-guardrailAction":"ACTION","usage":{"input_tokens":1,"output_tokens":1}}""";
        string Finish(string action) => Reading.OfPlain(Plain(Encoding.UTF8.GetBytes(plain.Replace("ACTION", action, StringComparison.Ordinal)))).Finish[0];
        Assert.Equal(("content_filter", "stop"), (Finish("INTERVENED"), Finish("NONE")));
    }

    [Theory]
    [InlineData("", "BadReply")]
    [InlineData("{}", "BadReply")]
    [InlineData("<html>", "BadReply")]
    [InlineData("{\"Output\":{\"__type\":\"com.amazon.coral.service#ThrottlingException\"},\"Version\":\"1.0\"}", "RateLimited")]
    [InlineData("{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}", "ServerError")]
    public void Plain_ThatIsNoReply_Fails(string body, string failure) => Assert.Equal(failure, Plain(Encoding.UTF8.GetBytes(body)).Fault!.Failure.ToString());

    [Fact]
    public void Thinking_SignedBeforeACall_IsRememberedForConverseToo()
    {
        var clock = new FakeClock();
        using var invoke = BedrockRecorded.Invoking(clock);
        using var converse = BedrockRecorded.Dialect(time: clock);
        var reply = Replay.Stream(invoke.OpenReply(Replayed.Context(), Claude), Frames.Chunks(
            """{"type":"message_start","message":{"id":"m","usage":{"input_tokens":1,"output_tokens":1}}}""",
            """{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}""",
            """{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me think"}}""",
            """{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"c2ln"}}""",
            """{"type":"content_block_stop","index":0}""",
            """{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}}""",
            """{"type":"content_block_stop","index":1}""",
            """{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}""",
            """{"type":"message_stop"}"""));
        Assert.Contains("\"extra_content\":{\"anthropic\":{\"thinking\":[{\"type\":\"thinking\",\"thinking\":\"Let me think\",\"signature\":\"c2ln\"}]}}", reply.Output, StringComparison.Ordinal);
        const string dropped = """
            {"model":"a/b","reasoning_effort":"high","tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"user","content":"q"},
            {"role":"assistant","tool_calls":[{"id":"t1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"t1","content":"r"}]}
            """;
        foreach (var (dialect, signed) in new[] { (invoke, "{\"type\":\"thinking\",\"thinking\":\"Let me think\",\"signature\":\"c2ln\"}"), (converse, "{\"reasoningText\":{\"text\":\"Let me think\",\"signature\":\"c2ln\"}}") })
        {
            using var request = Requests.Accepted(dropped);
            using var upstream = new UpstreamRequest();
            Assert.Null(dialect.Write(request, Claude, new WriteOptions(null, "account"), upstream));
            Assert.Contains(signed, Encoding.UTF8.GetString(upstream.Body.Span), StringComparison.Ordinal);
            Assert.Empty(upstream.Ignored);
        }
    }
}
