using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using CrossModel.Dialects;
using CrossModel.Dialects.Bedrock;
using CrossModel.Tests.Dialects.OpenAI;

namespace CrossModel.Tests.Dialects.Bedrock;

public sealed class BedrockReplyTests
{
    public static TheoryData<string> Replies() => BedrockRecorded.Names(e => e.Status == 200);
    public static TheoryData<string> Streams() => BedrockRecorded.Names(e => e.IsStream);
    public static TheoryData<string> Errors() => BedrockRecorded.Names(e => e.Status >= 400);

    private static readonly RouteModel Claude = new("vendor/model", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", new CrossModel.Configuration.ModelFacts());

    private static Replayed Stream(byte[] body, RouteModel? model = null, int[]? cuts = null)
    {
        using var dialect = BedrockRecorded.Dialect();
        return Replay.Stream(dialect.OpenReply(Replayed.Context(), model ?? Claude), body, cuts: cuts ?? []);
    }

    private static Replayed Plain(byte[] body, string? contentTool = null)
    {
        using var dialect = BedrockRecorded.Dialect();
        return Replay.Plain(dialect.OpenReply(Replayed.Context(false, false) with { ContentTool = contentTool }, Claude), body);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Replies))]
    public void Reply_Recorded_ReadsAsExpected(string name)
    {
        var exchange = BedrockRecorded.Get(name);
        var reply = exchange.IsStream ? Stream(exchange.Body, exchange.Model) : Plain(exchange.Body);
        Assert.Null(reply.Fault);
        Replay.Compare(exchange.Expect, exchange.IsStream ? Reading.OfStream(reply) : Reading.OfPlain(reply));
        Replay.CompareUsage(exchange.Expect.GetProperty("usage"), reply.Usage);
    }

    /// <summary>Claude alone wants it back, and would take another's for a forgery.</summary>
    [Theory]
    [InlineData("us.anthropic.claude-sonnet-4-5-20250929-v1:0", true)]
    [InlineData("us.openai.gpt-5.6-sol", false)]
    public void ReasoningState_IsGivenOut_OfClaudeAlone(string model, bool isGiven)
    {
        using var dialect = BedrockRecorded.Dialect();
        var reply = Replay.Plain(dialect.OpenReply(Replayed.Context(false, false), Claude with { UpstreamModel = model }),
            """{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"redactedContent":"ZA=="}},{"toolUse":{"toolUseId":"t1","name":"f","input":{}}}]}},"stopReason":"tool_use","usage":{"inputTokens":3,"outputTokens":2}}"""u8.ToArray());
        Assert.Equal(isGiven, reply.Output.Contains("\"extra_content\"", StringComparison.Ordinal));
    }

    [Fact]
    public void Usage_WithNamesWrittenWithEscapes_IsRead()
    {
        var reply = Plain("""{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn","us\u0061ge":{"inputT\u006fkens":3,"outputTokens":2,"c\u0061cheReadInputTokens":4,"cacheWriteInputTokens":5,"cacheDetails":[{"\u0074tl":"1h","inputT\u006fkens":5}]}}"""u8.ToArray());
        Assert.Equal(new CrossModel.Protocol.TokenUsage { InputTokens = 12, CachedInputTokens = 4, CacheWriteTokens = 5, CacheWriteHourTokens = 5, OutputTokens = 2 }, reply.Usage);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutAnywhere_ComesOutTheSame(string name)
    {
        var body = BedrockRecorded.Get(name).Body;
        var whole = Stream(body).Output;
        foreach (var cuts in Replay.Cuts(body.Length)) Assert.Equal(whole, Stream(body, cuts: cuts).Output);
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_CutShort_IsWholeOnlyBetweenFinishAndUsage(string name)
    {
        var body = BedrockRecorded.Get(name).Body;
        var usage = Frames.Split(body)[^1];
        Assert.Equal("metadata", usage.Type);
        for (var length = 0; length < body.Length; length++)
        {
            var reply = Stream(body[..length]);
            if (reply.Fault is null) Assert.Equal(FinishEnd(body), length);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Streams))]
    public void Stream_WithAFlippedBit_AlwaysFails(string name)
    {
        var body = BedrockRecorded.Get(name).Body;
        for (var at = 0; at < body.Length; at++)
        {
            var flipped = body.ToArray();
            flipped[at] ^= (byte)(1 << (at % 8));
            Assert.NotNull(Stream(flipped).Fault);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Replies))]
    public void Reply_Mutated_IsReadOrFails(string name)
    {
        var exchange = BedrockRecorded.Get(name);
        var random = new Random(23);
        for (var i = 0; i < 400; i++)
        {
            if (!exchange.IsStream)
            {
                var plain = Plain(Replay.Mutate(exchange.Body, random));
                if (plain.Fault is null) JsonDocument.Parse(plain.Output);
                continue;
            }
            // The checksums made anew, so that what is inside is looked at.
            var frames = Frames.Split(exchange.Body);
            var changed = random.Next(frames.Count);
            var body = frames.SelectMany((f, n) => CrossModel.Simulator.EventFrame.Write(n == changed ? Replay.Mutate(f.Payload, random) : f.Payload, (":event-type", f.Type), (":message-type", "event"))).ToArray();
            var reply = Stream(body);
            if (reply.Fault is null) Reading.OfStream(reply);
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Errors))]
    public void Error_Recorded_IsJudgedAsExpected(string name)
    {
        var exchange = BedrockRecorded.Get(name);
        using var response = new HttpResponseMessage();
        if (exchange.ErrorType is { } type) response.Headers.TryAddWithoutValidation("x-amzn-errortype", type);
        var fault = BedrockErrors.Read(exchange.Status, response.Headers, exchange.Body, DateTimeOffset.UnixEpoch);
        Assert.Equal(UpstreamFailure.Rejected, fault.Failure);
        var expect = exchange.Expect.GetProperty("error");
        Assert.Equal(expect.GetProperty("provider_message").GetString(), fault.Message);
        if (expect.GetProperty("code").GetString() is { } code) Assert.Equal(code, fault.Code);
    }

    [Fact]
    public void Stream_WithSignedThinkingBeforeACall_CarriesItOnTheCall()
    {
        var reply = Stream(Frames.Stream(
            "messageStart {\"role\":\"assistant\",\"p\":\"ab\"}",
            "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"text\":\"Let me\"}}}",
            "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"text\":\" think\"}}}",
            "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"reasoningContent\":{\"signature\":\"c2ln\"}}}",
            "contentBlockStop {\"contentBlockIndex\":0}",
            "novelEvent {\"x\":1}",
            "contentBlockStart {\"contentBlockIndex\":1,\"start\":{\"toolUse\":{\"toolUseId\":\"t1\",\"name\":\"f\"}}}",
            "contentBlockStop {\"contentBlockIndex\":1}",
            "messageStop {\"stopReason\":\"tool_use\"}",
            "metadata {\"usage\":{\"inputTokens\":3,\"outputTokens\":4,\"cacheReadInputTokens\":5,\"cacheReadInputTokenCount\":5,\"cacheWriteInputTokens\":6}}"));
        var reading = Reading.OfStream(reply);
        Assert.Equal("Let me think", reading.Reasoning.ToString());
        Assert.Equal(("t1", "f", "{}"), (reading.Calls[0].Id, reading.Calls[0].Name, reading.Calls[0].Arguments.ToString()));
        Assert.Equal("tool_calls", reading.Finish[0]);
        Assert.Contains("\"extra_content\":{\"anthropic\":{\"thinking\":[{\"type\":\"thinking\",\"thinking\":\"Let me think\",\"signature\":\"c2ln\"}]}}", reply.Output, StringComparison.Ordinal);
        Assert.Equal(new CrossModel.Protocol.TokenUsage { InputTokens = 14, CachedInputTokens = 5, CacheWriteTokens = 6, OutputTokens = 4 }, reply.Usage);
    }

    [Theory]
    [InlineData("[{\"inputTokens\":4,\"ttl\":\"1h\"},{\"ttl\":\"5m\",\"inputTokens\":2}]", 6, 4)]
    [InlineData("[{\"ttl\":\"1h\",\"inputTokens\":1},{\"ttl\":\"5m\",\"inputTokens\":2},{\"ttl\":\"1h\",\"inputTokens\":3}]", 6, 4)]
    [InlineData("[{\"ttl\":\"5m\",\"inputTokens\":6}]", 6, 0)]
    [InlineData("[{\"ttl\":\"1h\",\"inputTokens\":2147483648},{\"ttl\":\"1h\",\"inputTokens\":2147483648}]", 6, 6)]
    [InlineData("[7,{\"ttl\":{\"a\":[1]},\"inputTokens\":6},{\"ttl\":\"1h\"},[]]", 6, 0)]
    [InlineData("null", 6, 0)]
    [InlineData("{\"ttl\":\"1h\",\"inputTokens\":6}", 6, 0)]
    [InlineData("[{\"ttl\":\"1h\",\"inputTokens\":-1}]", null, null)]
    [InlineData("[{\"ttl\":\"1h\",\"inputTokens\":\"4\"}]", null, null)]
    public void Usage_OfCacheWrites_TellsTheHourApart(string details, int? written, int? hour)
    {
        var usage = BedrockUsage.Read(Encoding.UTF8.GetBytes($$$"""{"cacheDetails":{{{details}}},"inputTokens":3,"outputTokens":4,"cacheWriteInputTokens":6,"more":{"inputTokens":9}}"""));
        Assert.Equal(((long?)written, (long?)hour, 3 + (long?)written), (usage?.CacheWriteTokens, usage?.CacheWriteHourTokens, usage?.InputTokens));
    }

    [Theory]
    [InlineData("end_turn", "stop")]
    [InlineData("stop_sequence", "stop")]
    [InlineData("max_tokens", "length")]
    [InlineData("model_context_window_exceeded", "length")]
    [InlineData("guardrail_intervened", "content_filter")]
    [InlineData("content_filtered", "content_filter")]
    [InlineData("something_new", "stop")]
    [InlineData("tool_use", "stop")]
    public void Finish_OfEveryStopReason_IsOneOfTheFour(string said, string finish)
    {
        var reply = Stream(Frames.Stream("messageStart {\"role\":\"assistant\"}", "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"x\"}}", "messageStop {\"stopReason\":\"" + said + "\"}"));
        Assert.Null(reply.Fault);
        Assert.Null(reply.Usage);
        Assert.Equal(finish, Reading.OfStream(reply).Finish[0]);
    }

    /// <summary>{} would be a call that the model has not made.</summary>
    [Theory]
    [InlineData("max_tokens", "")]
    [InlineData("content_filtered", "")]
    [InlineData("tool_use", "{}")]
    public void Call_WithoutArgumentsAndEnd_IsLeftSoWhereTheReplyWasCut(string said, string arguments)
    {
        var reply = Stream(Frames.Stream("messageStart {\"role\":\"assistant\"}", "contentBlockStart {\"contentBlockIndex\":0,\"start\":{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"f\"}}}", "messageStop {\"stopReason\":\"" + said + "\"}"));
        Assert.Equal(arguments, Reading.OfStream(reply).Calls[0].Arguments.ToString());
    }

    [Theory]
    [InlineData("contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"y\"}}")]
    [InlineData("contentBlockStart {\"contentBlockIndex\":1,\"start\":{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"f\"}}}")]
    public void Content_BehindTheEndOfTheMessage_IsNoReply(string late) => Assert.Equal(UpstreamFailure.BadReply,
        Stream(Frames.Stream("contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"x\"}}", "messageStop {\"stopReason\":\"end_turn\"}", late)).Fault?.Failure);

    [Theory]
    [InlineData("malformed_model_output")]
    [InlineData("malformed_tool_use")]
    public void Finish_Malformed_IsAFailure(string said) =>
        Assert.Equal(UpstreamFailure.ServerError, Stream(Frames.Stream("messageStart {\"role\":\"assistant\"}", "messageStop {\"stopReason\":\"" + said + "\"}")).Fault!.Failure);

    [Theory]
    [InlineData("internalServerException", "ServerError")]
    [InlineData("modelStreamErrorException", "ServerError")]
    [InlineData("serviceUnavailableException", "ServerError")]
    [InlineData("throttlingException", "RateLimited")]
    [InlineData("modelTimeoutException", "ServerError")]
    [InlineData("validationException", "Rejected")]
    [InlineData("neverHeardOfException", "BadReply")]
    public void Exception_InsideAStream_IsAFailure(string type, string failure) =>
        Assert.Equal(failure, Stream([.. Frames.Stream("messageStart {\"role\":\"assistant\"}", "contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"x\"}}"), .. Frames.Exception(type, "m")]).Fault!.Failure.ToString());

    [Theory]
    [InlineData("{\"inputTokens\":-1,\"outputTokens\":4}")]
    [InlineData("{\"inputTokens\":1.5,\"outputTokens\":4}")]
    [InlineData("{\"inputTokens\":1,\"outputTokens\":\"4\"}")]
    [InlineData("{\"inputTokens\":1,\"outputTokens\":99999999999}")]
    [InlineData("{\"inputTokens\":1}")]
    [InlineData("[]")]
    public void Usage_ThatCannotBe_IsNone(string usage) => Assert.Null(BedrockUsage.Read(Encoding.UTF8.GetBytes(usage)));

    [Fact]
    public void Reply_OfAToolThatStandsForTheContent_IsContent()
    {
        var reply = Plain(Encoding.UTF8.GetBytes("""{"output":{"message":{"content":[{"text":"Sure."},{"toolUse":{"toolUseId":"t","name":"json","input":{ "a" : 1 }}}]}},"stopReason":"tool_use","usage":{"inputTokens":1,"outputTokens":1}}"""), contentTool: "json");
        var reading = Reading.OfPlain(reply);
        Assert.Equal(("{\"a\":1}", "stop"), (reading.AllContent, reading.Finish[0]));
        Assert.Empty(reading.Calls);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("<html>")]
    [InlineData("{\"Output\":{\"__type\":\"com.amazon.coral.service#UnknownOperationException\"},\"Version\":\"1.0\"}")]
    [InlineData("{\"output\":{\"message\":{\"content\":[]}}}")]
    public void Plain_ThatIsNoReply_Fails(string body) => Assert.Equal(UpstreamFailure.BadReply, Plain(Encoding.UTF8.GetBytes(body)).Fault!.Failure);

    [Theory]
    [InlineData(25u * 1024 * 1024, 0u, true)]
    [InlineData(15u, 0u, true)]
    [InlineData(16u, 1u, true)]
    [InlineData(100u, 0u, false)]
    public void Stream_OfAFrameThatCannotBe_IsGarbageBeforeItIsRead(uint total, uint headers, bool isChecked)
    {
        var prelude = new byte[12];
        BinaryPrimitives.WriteUInt32BigEndian(prelude, total);
        BinaryPrimitives.WriteUInt32BigEndian(prelude.AsSpan(4), headers);
        if (isChecked) BinaryPrimitives.WriteUInt32BigEndian(prelude.AsSpan(8), Crc32.Of(prelude.AsSpan(0, 8)));
        Assert.Equal(UpstreamFailure.BadReply, Stream(prelude).Fault!.Failure);
    }

    /// <summary>A header named "a" of each kind that there is, and some that are cut or of no kind.</summary>
    [Theory]
    [InlineData("016100", true)]
    [InlineData("016101", true)]
    [InlineData("016102ff", true)]
    [InlineData("01610300ff", true)]
    [InlineData("016104000000ff", true)]
    [InlineData("01610500000000000000ff", true)]
    [InlineData("0161060002abcd", true)]
    [InlineData("01610700023132", true)]
    [InlineData("01610800000000000000ff", true)]
    [InlineData("016109000102030405060708090a0b0c0d0e0f", true)]
    [InlineData("01610a", false)]
    [InlineData("ff6100", false)]
    [InlineData("016104ff", false)]
    [InlineData("01610600", false)]
    [InlineData("0161070003ab", false)]
    public void Header_OfAnyKind_IsPassedOver_AndABrokenOneIsGarbage(string header, bool isRead)
    {
        var reply = Stream([.. Frames.Event("messageStart", "{\"role\":\"assistant\"}", header),
            .. Frames.Stream("contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"x\"}}", "messageStop {\"stopReason\":\"end_turn\"}")]);
        Assert.Equal(isRead ? null : UpstreamFailure.BadReply, reply.Fault?.Failure);
        if (isRead) Assert.Equal("x", Reading.OfStream(reply).AllContent);
    }

    [Fact]
    public void Error_InsideAStream_IsAFailure() =>
        Assert.Equal(UpstreamFailure.RateLimited, Stream(CrossModel.Simulator.EventFrame.Write([], (":message-type", "error"), (":error-code", "throttlingException"), (":error-message", "m"))).Fault!.Failure);

    /// <summary>Where the frame of messageStop ends.</summary>
    private static long FinishEnd(byte[] body)
    {
        var at = 0;
        while (EventFrame.Read(body.AsSpan(at), out var frame, out var length) == EventFrame.Outcome.Whole)
        {
            at += length;
            if (frame.EventType.SequenceEqual("messageStop"u8)) break;
        }
        return at;
    }
}
