using System.Text;
using CrossModel.Dialects;
using CrossModel.Dialects.Anthropic;
using CrossModel.Tests.Dialects.OpenAI;

namespace CrossModel.Tests.Dialects.Anthropic;

/// <summary>What a Messages stream may do besides what was ever recorded.</summary>
public sealed class AnthropicStreamTests
{
    private const string Start = """{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":10,"output_tokens":3}}}""";
    private const string Stop = """{"type":"message_stop"}""";

    private static string End(string reason, string usage = "\"output_tokens\":7") => $$$"""{"type":"message_delta","delta":{"stop_reason":"{{{reason}}}"},"usage":{{{{usage}}}}}""";

    private static string Text(string text) => $$$"""{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"{{{text}}}"}}""";

    private static Replayed ReadAs(string? contentTool, params string[] events)
    {
        var body = string.Concat(events.Select(e => $"data: {e}\n\n"));
        return Replay.Stream(new AnthropicReply(Replayed.Context() with { ContentTool = contentTool }, new ReasoningMemory(TimeProvider.System)), Encoding.UTF8.GetBytes(body));
    }

    private static Replayed Read(params string[] events) => ReadAs(null, events);

    [Fact]
    public void ContentTool_CalledTwice_IsAnsweredOnce()
    {
        static string Call(int index) => $$$"""{"type":"content_block_start","index":{{{index}}},"content_block":{"type":"tool_use","id":"t{{{index}}}","name":"json","input":{} } }""";
        static string Piece(int index, string json) => $$$"""{"type":"content_block_delta","index":{{{index}}},"delta":{"type":"input_json_delta","partial_json":"{{{json}}}"}}""";
        var reply = ReadAs("json", Start, Call(0), Piece(0, """{\"a\":1}"""), """{"type":"content_block_stop","index":0}""", Call(1), Piece(1, """{\"a\":2}"""), """{"type":"content_block_stop","index":1}""", End("tool_use"), Stop);
        Assert.Equal("""{"a":1}""", Reading.OfStream(reply).AllContent);
    }

    /// <summary>What was thought between two calls goes out with the second, and is remembered by it.</summary>
    [Fact]
    public void Thinking_BetweenCalls_IsOnTheCallThatFollows()
    {
        static string Think(int index) => $$$"""{"type":"content_block_start","index":{{{index}}},"content_block":{"type":"thinking","thinking":"t{{{index}}}","signature":"s{{{index}}}"}}""";
        static string Call(int index) => $$$"""{"type":"content_block_start","index":{{{index}}},"content_block":{"type":"tool_use","id":"c{{{index}}}","name":"f","input":{} } }""";
        static string Piece(int index) => $$$"""{"type":"content_block_delta","index":{{{index}}},"delta":{"type":"input_json_delta","partial_json":"{\"n\":{{{index}}}}"}}""";
        static string Close(int index) => $$$"""{"type":"content_block_stop","index":{{{index}}}}""";
        static string Blocks(int index) => $$$"""[{"type":"thinking","thinking":"t{{{index}}}","signature":"s{{{index}}}"}]""";
        string[] events = [Start, Think(0), Close(0), Call(1), Piece(1), Close(1), Call(2), Piece(2), Close(2), Think(3), Close(3), Call(4), Piece(4), Close(4), End("tool_use"), Stop];
        var memory = new ReasoningMemory(TimeProvider.System);
        var reply = Replay.Stream(new AnthropicReply(Replayed.Context(), memory), Encoding.UTF8.GetBytes(string.Concat(events.Select(e => $"data: {e}\n\n"))));
        Assert.Null(reply.Fault);
        Assert.Equal(2, reply.Output.Split("\"extra_content\"").Length - 1);
        foreach (var (call, thought) in (ReadOnlySpan<(int, int)>)[(1, 0), (4, 3)])
        {
            Assert.Matches($"\"id\":\"c{call}\"[^\n]*\"extra_content\":\\{{\"anthropic\":\\{{\"thinking\":\\[\\{{\"type\":\"thinking\",\"thinking\":\"t{thought}\"", reply.Output);
            Assert.Equal(Blocks(thought), Encoding.UTF8.GetString(memory.Find("anthropic", Replayed.Context().Account, $"c{call}", "f", Encoding.UTF8.GetBytes($"{{\"n\":{call}}}"))!));
        }
        Assert.Null(memory.Find("anthropic", Replayed.Context().Account, "c2", "f", """{"n":2}"""u8));
    }

    /// <summary>OpenAI says all of them in one delta: its SDK for Python fails at a second one, the one for Node keeps only the last.</summary>
    [Fact]
    public void Citations_OfSeveralBlocks_AreOneDelta()
    {
        static string Open(int index, string text) => $$$"""{"type":"content_block_start","index":{{{index}}},"content_block":{"type":"text","text":"{{{text}}}"}}""";
        static string Cite(int index, string page) => $$$"""{"type":"content_block_delta","index":{{{index}}},"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://{{{page}}}","title":"{{{page}}}"} } }""";
        static string Close(int index) => $$$"""{"type":"content_block_stop","index":{{{index}}}}""";
        static string Page(string page, int start, int end) => $$$"""{"type":"url_citation","url_citation":{"start_index":{{{start}}},"end_index":{{{end}}},"url":"https://{{{page}}}","title":"{{{page}}}"}}""";
        var reply = Read(Start, Open(0, "One"), Cite(0, "a"), Close(0), Open(1, " and "), Close(1), Open(2, "two"), Cite(2, "b"), Cite(2, "c"), Close(2), End("end_turn"), Stop);
        Assert.Contains($"\"delta\":{{\"annotations\":[{Page("a", 0, 3)},{Page("b", 8, 11)},{Page("c", 8, 11)}]}}", reply.Output, StringComparison.Ordinal);
        Assert.Single(reply.Output.Split('\n'), line => line.Contains("annotations", StringComparison.Ordinal));

        // What a page is cited for may follow it.
        static string More(string text) => $$$"""{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"{{{text}}}"}}""";
        Assert.Contains(Page("a", 0, 3), Read(Start, Open(0, ""), Cite(0, "a"), More("On"), More("e"), Close(0), Open(1, " more"), Close(1), End("end_turn"), Stop).Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Names_WrittenWithEscapes_AreReadForWhatTheyStandFor()
    {
        var reply = Read(Start.Replace("message\":", "mess\\u0061ge\":", StringComparison.Ordinal), Text("Hi").Replace("\"text\":", "\"te\\u0078t\":", StringComparison.Ordinal),
            End("end_turn", "\"output_t\\u006fkens\":7").Replace("usage", "us\\u0061ge", StringComparison.Ordinal), Stop);
        Assert.Equal(("Hi", 10L, 7L), (Reading.OfStream(reply).AllContent, reply.Usage!.Value.InputTokens, reply.Usage.Value.OutputTokens));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"input_tokens\":3")]
    public void Usage_WhoseOutputCountNeverComes_IsAbsent(string usage)
    {
        // That of message_start is a placeholder.
        Assert.Null(Read(Start, Text("eight words of text that came to somebody"), End("end_turn", usage), Stop).Usage);
    }

    /// <summary>Some compatible servers tell of the prompt at the end only, or give no usage at all.</summary>
    [Theory]
    [InlineData("", null, null)]
    [InlineData("\"input_tokens\":11,\"output_tokens\":7", 11, 7)]
    public void Start_WithoutUsage_BeginsAReplyAllTheSame(string usage, int? input, int? output)
    {
        var reply = Read("""{"type":"message_start","message":{"id":"msg_1"}}""", Text("Hi"), End("end_turn", usage), Stop);
        Assert.Equal("Hi", Reading.OfStream(reply).AllContent);
        Assert.Equal(((long?)input, (long?)output), (reply.Usage?.InputTokens, reply.Usage?.OutputTokens));
    }

    [Fact]
    public void Message_WithoutUsage_IsAReply()
    {
        var reply = Replay.Plain(new AnthropicReply(Replayed.Context(), new ReasoningMemory(TimeProvider.System)),
            """{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}"""u8.ToArray());
        Assert.Equal("Hi", Reading.OfPlain(reply).AllContent);
        Assert.Null(reply.Usage);
    }

    [Theory]
    [InlineData("end_turn", "stop")]
    [InlineData("stop_sequence", "stop")]
    [InlineData("pause_turn", "stop")]
    [InlineData("tool_use", "stop")]
    [InlineData("max_tokens", "length")]
    [InlineData("model_context_window_exceeded", "length")]
    [InlineData("compaction", "length")]
    [InlineData("refusal", "content_filter")]
    [InlineData("a_word_of_tomorrow", "stop")]
    public void StopReason_Every_IsOneOfTheFour(string said, string expected) =>
        Assert.Equal(expected, Reading.OfStream(Read(Start, Text("Hi"), End(said), Stop)).Finish[0]);

    [Fact]
    public void Call_WithAnyStop_EndsAsToolCalls()
    {
        const string call = """{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"a": 1}}}""";
        var reading = Reading.OfStream(Read(Start, call, """{"type":"content_block_stop","index":0}""", End("end_turn"), Stop));
        Assert.Equal("tool_calls", reading.Finish[0]);
        Assert.Equal("{\"a\":1}", reading.Calls[0].Arguments.ToString());
    }

    /// <summary>{} would be a call that the model has not made.</summary>
    [Theory]
    [InlineData("{\\\"a\\\":", "{\"a\":")]
    [InlineData("", "")]
    public void Call_CutByTheCap_KeepsWhatItHas(string half, string arguments)
    {
        const string call = """{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}""";
        var delta = $$$"""{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{{{half}}}"}}""";
        var reading = Reading.OfStream(Read(Start, call, delta, End("max_tokens"), Stop));
        Assert.Equal(("length", arguments), (reading.Finish[0], reading.Calls[0].Arguments.ToString()));
    }

    [Fact]
    public void Call_WithoutId_GetsOne()
    {
        const string call = """{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"f","input":{}}}""";
        Assert.Matches("^call_[A-Za-z0-9]{24}$", Reading.OfStream(Read(Start, call, End("tool_use"), Stop)).Calls[0].Id);
    }

    [Fact]
    public void Stream_WithoutMessageStop_IsWholeOnceTheReasonIsSaid()
    {
        var reply = Read(Start, Text("Hi"), End("end_turn"));
        Assert.Null(reply.Fault);
        Assert.Equal("Hi", Reading.OfStream(reply).AllContent);
    }

    [Fact]
    public void Stream_CutBeforeTheReason_IsCutShort()
    {
        var reply = Read(Start, Text("Hi"));
        Assert.Equal(UpstreamFailure.CutShort, reply.Fault?.Failure);
        // The placeholder of message_start is no usage: what was delivered is counted.
        Assert.Null(reply.Usage);
        Assert.True(reply.HasContent);
    }

    [Theory]
    [InlineData("overloaded_error", nameof(UpstreamFailure.ServerError))]
    [InlineData("rate_limit_error", nameof(UpstreamFailure.RateLimited))]
    [InlineData("authentication_error", nameof(UpstreamFailure.Operator))]
    [InlineData("invalid_request_error", nameof(UpstreamFailure.Rejected))]
    [InlineData("unheard_of", nameof(UpstreamFailure.BadReply))]
    public void Error_InsideAStream_IsReadByItsType(string type, string expected)
    {
        var error = $$$"""{"type":"error","error":{"type":"{{{type}}}","message":"No."}}""";
        Assert.Equal(expected, Read(Start, Text("Hi"), error).Fault?.Failure.ToString());
        Assert.Equal(expected, Replay.Plain(new AnthropicReply(Replayed.Context(), new ReasoningMemory(TimeProvider.System)), Encoding.UTF8.GetBytes(error)).Fault?.Failure.ToString());
    }

    [Theory]
    [InlineData("msg_1", null)]
    [InlineData("msg_2", nameof(UpstreamFailure.BadReply))]
    public void SecondStart_OfTheSameMessage_IsPassedOver(string id, string? expected) =>
        Assert.Equal(expected, Read(Start, $$$"""{"type":"message_start","message":{"id":"{{{id}}}"}}""", Text("Hi"), End("end_turn"), Stop).Fault?.Failure.ToString());

    [Theory]
    [InlineData("\"output_tokens\":7", 10, 7)]
    [InlineData("\"output_tokens\":7,\"input_tokens\":17,\"cache_read_input_tokens\":null", 17, 7)]
    [InlineData("\"output_tokens\":7,\"input_tokens\":0,\"cache_read_input_tokens\":0,\"cache_creation_input_tokens\":0", 10, 7)]
    [InlineData("\"output_tokens\":7,\"input_tokens\":0,\"cache_read_input_tokens\":12", 12, 7)]
    [InlineData("\"output_tokens\":0", 10, 0)]
    [InlineData("\"output_tokens\":-1", null, null)]
    [InlineData("\"output_tokens\":1.5", null, null)]
    [InlineData("\"output_tokens\":\"7\"", null, null)]
    [InlineData("\"output_tokens\":4294967296", null, null)]
    public void Usage_LastSaidWins_AndHostileCountsAreNone(string usage, int? input, int? output)
    {
        var reply = Read(Start, Text("Hi"), End("end_turn", usage), Stop);
        Assert.Equal(((long?)input, (long?)output), (reply.Usage?.InputTokens, reply.Usage?.OutputTokens));
    }

    /// <summary>What was thought is a part of what was written, and priced as such: never more.</summary>
    [Theory]
    [InlineData(3, 3)]
    [InlineData(2000, 7)]
    public void Usage_OfThinking_IsAPartOfTheOutput(int said, int thought)
    {
        var reply = Read(Start, Text("Hi"), End("end_turn", $$""" "output_tokens":7,"output_tokens_details":{"thinking_tokens":{{said}}}"""), Stop);
        Assert.Equal((7L, (long)thought), (reply.Usage!.Value.OutputTokens, reply.Usage.Value.ReasoningTokens));
    }

    // What is written for an hour is a part of what is written; where only message_start says how long, it holds.
    [Theory]
    [InlineData("\"cache_creation_input_tokens\":300,\"cache_creation\":{\"ephemeral_5m_input_tokens\":100,\"ephemeral_1h_input_tokens\":200}", 300, 200)]
    [InlineData("\"cache_creation_input_tokens\":300,\"cache_creation\":{\"ephemeral_5m_input_tokens\":300,\"ephemeral_1h_input_tokens\":0}", 300, 0)]
    [InlineData("\"cache_creation_input_tokens\":300,\"cache_creation\":{\"ephemeral_1h_input_tokens\":2147483648}", 300, 300)]
    [InlineData("\"cache_creation_input_tokens\":300,\"cache_creation\":null", 300, 0)]
    [InlineData("\"cache_creation\":{\"ephemeral_1h_input_tokens\":200}", 0, 0)]
    [InlineData("\"cache_creation_input_tokens\":300,\"cache_creation\":{\"ephemeral_1h_input_tokens\":-1}", null, null)]
    [InlineData("\"cache_creation_input_tokens\":300,\"cache_creation\":{\"ephemeral_1h_input_tokens\":0.5}", null, null)]
    public void Usage_OfCacheWrites_TellsTheHourApart(string writes, int? written, int? hour)
    {
        var usage = $"\"usage\":{{\"input_tokens\":10,\"output_tokens\":7,{writes}}}";
        var plain = "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"end_turn\"," + usage + "}";
        var start = "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\"," + usage + "}}";
        var whole = Replay.Plain(new AnthropicReply(Replayed.Context(stream: false), new ReasoningMemory(TimeProvider.System)), Encoding.UTF8.GetBytes(plain));
        foreach (var reply in new[] { Read(start, Text("Hi"), End("end_turn"), Stop), whole })
        {
            Assert.Null(reply.Fault);
            Assert.Equal(((long?)written, (long?)hour, 10 + (long?)written), (reply.Usage?.CacheWriteTokens, reply.Usage?.CacheWriteHourTokens, reply.Usage?.InputTokens));
        }
    }

    [Fact]
    public void Text_BesideTheContentTool_IsTheAnswerOnlyWithoutIt()
    {
        const string call = """{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"json","input":{"a":1}}}""";
        Assert.Equal("{\"a\":1}", Reading.OfStream(ReadAs("json", Start, Text("Here:"), call, End("tool_use"), Stop)).AllContent);
        var refused = Reading.OfStream(ReadAs("json", Start, Text("I will not."), End("end_turn"), Stop));
        Assert.Equal(("I will not.", "stop"), (refused.AllContent, refused.Finish[0]));
    }

    [Theory]
    [InlineData("""{"type":"message_stop"}""")]
    [InlineData("[DONE]")]
    [InlineData("""{"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"{"}}""")]
    [InlineData("""{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","input":{}}}""")]
    [InlineData("""{"type":"content_block_start",""")]
    public void Event_OutOfPlace_IsNoSuccess(string evt) => Assert.Equal(UpstreamFailure.BadReply, Read(evt, Text("Hi"), End("end_turn"), Stop).Fault?.Failure);

    [Fact]
    public void Text_OfABlockThatNeverBegan_IsNotLost() =>
        Assert.Equal("Hi", Reading.OfStream(Read(Start, """{"type":"content_block_delta","index":4,"delta":{"type":"text_delta","text":"Hi"}}""", End("end_turn"), Stop)).AllContent);

    [Theory]
    [InlineData("")]
    [InlineData("<html><body>Bad gateway</body></html>")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{\"type\":\"message\",\"content\":\"text\"}")]
    [InlineData("{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"\\ud800\"}]}")]
    public void Body_ThatIsNoReply_IsABadReply(string body)
    {
        var reply = Replay.Plain(new AnthropicReply(Replayed.Context(), new ReasoningMemory(TimeProvider.System)), Encoding.UTF8.GetBytes(body));
        Assert.Equal(UpstreamFailure.BadReply, reply.Fault?.Failure);
    }
}
