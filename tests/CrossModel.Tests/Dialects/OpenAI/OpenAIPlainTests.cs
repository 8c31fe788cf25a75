using System.Text;
using System.Text.Json;
using CrossModel.Dialects.OpenAI;
using CrossModel.Protocol;

namespace CrossModel.Tests.Dialects.OpenAI;

public sealed class OpenAIPlainTests
{
    private static string Choice(string message, string rest = "\"logprobs\":null,\"finish_reason\":\"stop\"") =>
        $$$"""{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{{{message}}},{{{rest}}} }],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}""";

    private static JsonElement Message(string message, string rest = "\"finish_reason\":\"stop\"") =>
        JsonDocument.Parse(Replayed.Plain(Choice(message, rest)).Output).RootElement.GetProperty("choices")[0].GetProperty("message");

    [Fact]
    public void Reply_Ordinary_DiffersInIdentityAndUsageOnly()
    {
        const string sent = """ {"system_fingerprint":"f", "id":"up","object":"chat.completion","created":1,"usage":{"prompt_tokens":2,"completion_tokens":3},"model":"m","choices":[ {"index":0,"message":{"role":"assistant","content":"h\u00e9\/","refusal":null,"annotations":[ ]},"logprobs":null,"finish_reason":"stop","q":1.0} ],"timings":{"a":1e2}} """;
        Assert.Equal(
            """{"system_fingerprint":"f", "id":"chatcmpl_ours","object":"chat.completion","created":1234567890,"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0},"cost":0.0000015},"model":"vendor/model","choices":[{"index":0,"message":{"role":"assistant","content":"h\u00e9\/","refusal":null,"annotations":[ ]},"logprobs":null,"finish_reason":"stop","q":1.0}],"timings":{"a":1e2}} """,
            Replayed.Plain(sent).Output);
    }

    /// <summary>Older servers of Moonshot's have it there, and nowhere else.</summary>
    [Fact]
    public void Usage_InsideAChoice_IsTheReplys()
    {
        var read = Replayed.Plain("""{"choices":[{"index":0,"message":{"role":"assistant","content":"h"},"finish_reason":"stop","usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}],"usage":null}""");
        var usage = JsonDocument.Parse(read.Output).RootElement.GetProperty("usage");
        Assert.Equal((2, 3), (usage.GetProperty("prompt_tokens").GetInt32(), usage.GetProperty("completion_tokens").GetInt32()));
    }

    [Theory]
    [InlineData("\"\"")]
    [InlineData("null")]
    [InlineData("false")]
    public void Call_WithEmptyArguments_HasNone(string arguments) =>
        Assert.Equal("""[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]""",
            Message($$$"""{"content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":{{{arguments}}} }}]}""").GetProperty("tool_calls").GetRawText());

    /// <summary>A server may answer a plain call with a stream, and say under a name of its own what was thought.</summary>
    [Fact]
    public void Reasoning_UnderAnotherName_OfAStreamThatIsGathered_IsWhole()
    {
        static string Event(string delta, string finish = "null") => $$$"""data: {"choices":[{"index":0,"delta":{{{delta}}},"finish_reason":{{{finish}}}}]}""" + "\n\n";
        var reply = Replayed.Plain(Event("""{"reasoning":"First "}""") + Event("""{"reasoning":"second."}""") + Event("""{"content":"Hi"}""") + Event("{}", "\"stop\"") + "data: [DONE]\n\n");
        var message = JsonDocument.Parse(reply.Output).RootElement.GetProperty("choices")[0].GetProperty("message");
        Assert.Equal(("First second.", "First second."), (message.GetProperty("reasoning").GetString(), message.GetProperty("reasoning_content").GetString()));
    }

    /// <summary>Sound is an answer, though nothing of it is text: such a reply is paid.</summary>
    [Fact]
    public void Audio_WithoutText_IsContent() =>
        Assert.True(Replayed.Plain(Choice("""{"content":null,"audio":{"id":"a","data":"UklGRg=="}}""")).HasContent);

    [Theory]
    [InlineData("\"delta\":{\"content\":\"Hello\"}")]
    [InlineData("\"text\":\"Hello\"")]
    public void Choice_WithoutAMessage_IsNoReply(string member) =>
        Assert.Equal(CrossModel.Dialects.UpstreamFailure.BadReply, Replayed.Plain($$"""{"choices":[{"index":0,{{member}},"finish_reason":"stop"}]}""").Fault?.Failure);

    [Theory]
    [InlineData("""{"role":"assistant","content":null}""", "\"\"")]
    [InlineData("""{"role":"assistant"}""", "\"\"")]
    [InlineData("{}", "\"\"")]
    [InlineData("null", "\"\"")]
    [InlineData("""{"content":null,"refusal":"no"}""", "null")]
    [InlineData("""{"content":"","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}""", "null")]
    [InlineData("""{"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}""", "null")]
    [InlineData("""{"content":"text","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}""", "\"text\"")]
    [InlineData("""{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"a"}]}""", "\"a\"")]
    [InlineData("""{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"t"}]},{"type":"text","text":"a"}]}""", "\"a\"")]
    public void Content_IsNullOnlyBesideACallOrARefusal(string message, string content)
    {
        var read = Message(message);
        Assert.Equal(content, read.GetProperty("content").GetRawText());
        Assert.Equal("assistant", read.GetProperty("role").GetString());
        Assert.True(read.TryGetProperty("refusal", out _));
    }

    [Theory]
    [InlineData("""[{"id":"","function":{"name":"f","arguments":{"a":1}}}]""", """{"a":1}""")]
    [InlineData("""[{"function":{"name":"f"}}]""", "{}")]
    [InlineData("""[{"id":null,"type":"function","function":{"name":"f","arguments":""}}]""", "{}")]
    public void Calls_OutOfForm_AreMended(string calls, string arguments)
    {
        var reply = JsonDocument.Parse(Replayed.Plain(Choice($$$"""{"content":null,"tool_calls":{{{calls}}} }""")).Output).RootElement.GetProperty("choices")[0];
        var call = reply.GetProperty("message").GetProperty("tool_calls")[0];
        Assert.StartsWith("call_", call.GetProperty("id").GetString());
        Assert.Equal("function", call.GetProperty("type").GetString());
        Assert.Equal(arguments, call.GetProperty("function").GetProperty("arguments").GetString());
        Assert.Equal("tool_calls", reply.GetProperty("finish_reason").GetString());
    }

    /// <summary>Results are matched by id: a caller could not answer both.</summary>
    [Fact]
    public void Calls_WithOneId_GetTwo()
    {
        var calls = Message("""{"content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c1","type":"function","function":{"name":"g","arguments":"{}"}}]}""").GetProperty("tool_calls");
        Assert.Equal("c1", calls[0].GetProperty("id").GetString());
        Assert.StartsWith("call_", calls[1].GetProperty("id").GetString());
    }

    [Theory]
    [InlineData("\"reasoning\":\"t\"")]
    [InlineData("\"reasoning_content\":\"t\"")]
    [InlineData("\"reasoning_content\":null,\"reasoning\":\"t\"")]
    public void Reasoning_EveryName_IsReasoningContent(string member) =>
        Assert.Equal("t", Message($$$"""{"content":"a",{{{member}}} }""").GetProperty("reasoning_content").GetString());

    [Fact]
    public void Reply_WithLeadingBlankLinesOrAByteOrderMark_IsRead()
    {
        Assert.Null(Replayed.Plain("\n\n  \r\n" + Choice("""{"content":"a"}""")).Fault);
        Assert.Null(Replayed.Plain("\uFEFF" + Choice("""{"content":"a"}""")).Fault);
        Assert.Null(Replayed.Stream("\uFEFF" + Choice("""{"content":"a"}""")).Fault);
        Assert.Null(Replayed.Stream("\n\n" + Choice("""{"content":"a"}""")).Fault);
    }

    [Fact]
    public void Finish_ByTheContentFilter_IsNoEmptyReply()
    {
        using var reader = new OpenAIReply(Replayed.Context(false, false), Presets.Unknown);
        using var reply = reader.ReadPlain(Encoding.UTF8.GetBytes(Choice("null", "\"finish_reason\":\"content_filter\"")));
        Assert.True(reply is { IsBlocked: true, HasContent: false });
    }

    [Fact]
    public void Finish_ThatIsAFailure_FailsTheReply() => Assert.NotNull(Replayed.Plain(Choice("""{"content":"a"}""", "\"finish_reason\":\"error\"")).Fault);

    [Fact]
    public void Index_OutOfRange_IsABadReply() => Assert.NotNull(Replayed.Plain("""{"choices":[{"index":2147483647,"message":{"content":"a"}}]}""", offset: 1).Fault);

    [Fact]
    public void Merge_OfSideCalls_JoinsChoices()
    {
        var replies = new List<PlainReply>();
        for (var i = 0; i < 3; i++)
        {
            using var reader = new OpenAIReply(Replayed.Context(false, false, offset: i), Presets.Unknown);
            replies.Add(reader.ReadPlain(Encoding.UTF8.GetBytes(Choice($$"""{"content":"a{{i}}"}""")))!);
        }
        using var merged = PlainReply.Merge(replies);
        using var output = new PooledBuffer();
        merged.Write(output, new ReplyIdentity("i", 1, "m"), default, null);
        var root = JsonDocument.Parse(output.Memory).RootElement;
        Assert.Equal(["0a0", "1a1", "2a2"], root.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("index").GetInt32() + c.GetProperty("message").GetProperty("content").GetString()));
    }
}
