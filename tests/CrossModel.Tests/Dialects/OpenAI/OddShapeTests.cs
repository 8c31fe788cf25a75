using System.Text;
using System.Text.Json;
using CrossModel.Dialects;
using CrossModel.Protocol;

namespace CrossModel.Tests.Dialects.OpenAI;

/// <summary>JSON of a form that no chat completion has: it is refused, not handed on and not counted as nothing.</summary>
public sealed class OddShapeTests
{
    private const string Call = """{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}""";
    private const string End = """data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}""" + "\n\ndata: [DONE]\n\n";

    private static Replayed Stream(params IEnumerable<string> deltas) =>
        Replayed.Stream(string.Concat(deltas.Select(d => $$"""data: {"choices":[{"index":0,"delta":{{d}}}]}""" + "\n\n")) + End);

    [Theory]
    [InlineData("""{"content":{"a":1}}""")]
    [InlineData("""{"content":"a","refusal":{"a":1}}""")]
    [InlineData("""{"content":"a","refusal":["no"]}""")]
    [InlineData("""{"content":"a","tool_calls":{"a":1}}""")]
    [InlineData("""{"content":"a","tool_calls":"abc"}""")]
    [InlineData("""{"content":"a","tool_calls":12345}""")]
    [InlineData("""{"content":"a","tool_calls":[5]}""")]
    [InlineData("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":"f"}]}""")]
    [InlineData("""{"tool_calls":[{"index":0,"id":"a","id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]}""")]
    [InlineData("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","name":"g","arguments":"{}"}}]}""")]
    [InlineData("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}","arguments":"[]"}}]}""")]
    [InlineData("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"function":{"name":"g"}}]}""")]
    [InlineData("""{"content":"a","c\u006fntent":"b"}""")]
    [InlineData("""{"tool_calls":[{"index":0,"\u0069ndex":1.5,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}""")]
    [InlineData("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}","\u0061rguments":5}}]}""")]
    public void Message_OfAnotherForm_IsNoReply(string message)
    {
        Assert.Equal(UpstreamFailure.BadReply, Stream(message).Fault?.Failure);
        Assert.Equal(UpstreamFailure.BadReply, Replayed.Plain($$"""{"choices":[{"index":0,"message":{{message}},"finish_reason":"stop"}]}""").Fault?.Failure);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("false")]
    [InlineData("\"\"")]
    [InlineData("{}")]
    [InlineData("{ }")]
    [InlineData("[null]")]
    public void Calls_ThatSayNothing_GoOutAsNull(string calls)
    {
        foreach (var reply in (Replayed[])[Stream($$"""{"content":"a","tool_calls":{{calls}}}"""), Replayed.Plain($$"""{"choices":[{"index":0,"message":{"content":"a","tool_calls":{{calls}}},"finish_reason":"stop"}]}""")])
        {
            Assert.Null(reply.Fault);
            Assert.Contains("\"content\":\"a\",\"tool_calls\":null", reply.Output, StringComparison.Ordinal);
        }
    }

    /// <summary>Seen behind compatible servers: the rest of a call's arguments under another index than its beginning.</summary>
    [Theory]
    [InlineData("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}""",
        """{"tool_calls":[{"index":0,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}""",
        """{"tool_calls":[{"index":1,"function":{"arguments":"{\"x\":"}}]}""", """{"tool_calls":[{"index":1,"function":{"arguments":"1}"}}]}""", "f:{} g:{\"x\":1}")]
    [InlineData("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x"}}]}""",
        """{"tool_calls":[{"index":1,"function":{"arguments":"\":"}}]}""", """{"tool_calls":[{"index":2,"function":{"arguments":"1"}}]}""",
        """{"tool_calls":[{"index":3,"function":{"arguments":"}"}}]}""", "f:{\"x\":1}")]
    [InlineData("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]}""",
        """{"tool_calls":[{"index":1,"function":{"arguments":"{\"y\":2}"}}]}""", "{}", "{}", "f:{\"x\":1}")]
    public void Arguments_NumberedOtherwiseThanTheirCall_AreItsOwn(string first, string second, string third, string fourth, string calls)
    {
        var reply = Stream(first, second, third, fourth);
        Assert.Null(reply.Fault);
        Assert.Equal(calls, string.Join(" ", Reading.OfStream(reply).Calls.Values.Select(call => $"{call.Name}:{call.Arguments}")));
    }

    [Fact]
    public void Calls_WithANullAmongThem_AreTheOthers()
    {
        Assert.DoesNotContain("[null", Stream($$"""{"tool_calls":[null,{{Call}}]}""").Output, StringComparison.Ordinal);
        Assert.Equal("{}", Reading.OfStream(Stream($$"""{"tool_calls":[null,{{Call}},null]}""")).Calls.Values.Single().Arguments.ToString());
    }

    /// <summary>A server reads each token as JSON before it sends it (https://github.com/cloudflare/ai/issues/651).</summary>
    [Theory]
    [InlineData("6", "6")]
    [InlineData("-1.50", "-1.50")]
    [InlineData("true", "true")]
    [InlineData("false", "false")]
    public void Content_WithoutQuotes_IsText(string sent, string text)
    {
        var stream = Stream("""{"content":"a"}""", """{"content":"b"}""", $$"""{"content":{{sent}}}""", $$"""{"content":{{sent}}}""", """{"content":"c"}""");
        Assert.Null(stream.Fault);
        Assert.Equal("ab" + text + text + "c", Reading.OfStream(stream).AllContent);
        Assert.Equal(3 + 2 * text.Length, stream.TextBytes);
        var plain = Replayed.Plain($$"""{"choices":[{"index":0,"message":{"content":{{sent}}},"finish_reason":"stop"}]}""");
        Assert.Contains($"\"content\":\"{text}\"", plain.Output, StringComparison.Ordinal);
        Assert.Equal(text.Length, plain.TextBytes);
    }

    [Theory]
    [InlineData("false")]
    [InlineData("{}")]
    [InlineData("[]")]
    public void Refusal_ThatSaysNothing_IsNone(string refusal) => Assert.Null(Stream($$"""{"content":"a","refusal":{{refusal}}}""").Fault);

    [Fact]
    public void Reasoning_SentTwice_IsTheLast()
    {
        var reply = Stream("""{"reasoning_content":"x","content":null,"reasoning_content":"yz"}""");
        Assert.Null(reply.Fault);
        Assert.Equal(2, reply.TextBytes);
    }

    [Theory]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"x"}}],"ch\u006fices":5}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"x"},"d\u0065lta":5}]}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"x"},"f\u0069nish_reason":5}]}""")]
    [InlineData("""{"choices":[{"index":0,"delta":{"content":"x"},"\u00e9\u0069ndex":5}]}""")]
    public void Name_WithALetterEscaped_IsNoReply(string chunk) => Assert.Equal(UpstreamFailure.BadReply, Replayed.Stream("data: " + chunk + "\n\n" + End).Fault?.Failure);

    [Fact]
    public void Name_WithAnotherEscape_IsKept() =>
        Assert.Contains("\\u4e2d\\/\\u00e9", Stream("""{"content":"a","\u4e2d\/\u00e9":1,"x\\u00":1,"\\u0041":1}""").Output, StringComparison.Ordinal);

    [Fact]
    public void Function_Null_DoesNotGoOut()
    {
        var custom = Stream("""{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"x","input":"y"},"function":null}]}""");
        Assert.Null(custom.Fault);
        Assert.DoesNotContain("\"function\":null", custom.Output, StringComparison.Ordinal);

        var reply = Stream($$"""{"tool_calls":[{{Call}}]}""", """{"tool_calls":[{"index":0,"function":null}]}""");
        Assert.Null(reply.Fault);
        Assert.DoesNotContain("\"function\":null", reply.Output, StringComparison.Ordinal);
        Assert.Equal("{}", Reading.OfStream(reply).Calls.Values.Single().Arguments.ToString());
    }

    [Fact]
    public void Arguments_OfAnotherKind_BecomeText() => Assert.Equal("5",
        Reading.OfStream(Stream("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}""", """{"tool_calls":[{"index":0,"function":{"arguments":5}}]}""")).Calls.Values.Single().Arguments.ToString());

    [Fact]
    public void Choices_WithoutEnd_AreNoReply()
    {
        var many = "{\"choices\":[{}" + string.Concat(Enumerable.Repeat(",{}", ChunkWriter.MaxChoices)) + "]}";
        Assert.Equal(UpstreamFailure.BadReply, Replayed.Plain(many, candidates: ChunkWriter.MaxChoices).Fault?.Failure);
        Assert.Equal(UpstreamFailure.BadReply, Replayed.Stream("data: " + many + "\n\n" + End, candidates: ChunkWriter.MaxChoices).Fault?.Failure);
    }

    [Fact]
    public void Arguments_OfACallWithoutAName_AreHeldUpToALimit()
    {
        static string Part(string arguments) => $$$"""{"tool_calls":[{"index":0,"function":{"arguments":"{{{arguments}}}"}}]}""";
        static string Named(int parts) => Reading.OfStream(Stream([.. Enumerable.Repeat(Part(new string('a', 100_000)), parts), """{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"z"}}]}"""])).Calls.Values.Single().Arguments.ToString();

        Assert.Equal(new string('a', 1_000_000) + "z", Named(10));
        Assert.Equal(UpstreamFailure.BadReply, Stream(Enumerable.Repeat(Part(new string('a', 100_000)), 11)).Fault?.Failure);
    }

    [Fact]
    public void Arguments_OfCallsThatGotTheirNames_AreHeldNoLonger()
    {
        static string Part(int index, string name) => $$$"""{"tool_calls":[{"index":{{{index}}},"id":"{{{index}}}","function":{{{{name}}}"arguments":"{{{new string('a', 600_000)}}}"}}]}""";
        Assert.Null(Stream(Part(0, ""), """{"tool_calls":[{"index":0,"function":{"name":"f"}}]}""", Part(1, ""), """{"tool_calls":[{"index":1,"function":{"name":"f"}}]}""").Fault);
    }

    /// <summary>What a plain caller gets of a stream is gathered without copying it anew for each delta.</summary>
    [Fact]
    public void Arrays_OfManyDeltas_AreGatheredInOnePass()
    {
        using var collector = new ChunkCollector();
        collector.Writer.Delta(0, "\"annotations\":[ ]"u8);
        for (var i = 0; i < 4000; i++) collector.Writer.Delta(0, Encoding.ASCII.GetBytes($$"""
            "annotations":[{"n":{{i}},"text":"{{new string('a', 80)}}"}],"other":{{(i % 2 == 0 ? "null" : i)}}
            """));
        collector.Writer.Delta(0, "\"annotations\":[ ]"u8);
        collector.Writer.Finish(0, FinishReason.Stop);
        var before = GC.GetAllocatedBytesForCurrentThread();
        using var reply = collector.Collect(null);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000_000);
        var message = JsonDocument.Parse(Encoding.UTF8.GetString(reply.Choices.Span)).RootElement.GetProperty("message");
        Assert.Equal(Enumerable.Range(0, 4000), message.GetProperty("annotations").EnumerateArray().Select(a => a.GetProperty("n").GetInt32()));
        Assert.Equal(3999, message.GetProperty("other").GetInt32());
    }
}
