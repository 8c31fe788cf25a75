using System.Text;
using CrossModel.Dialects.OpenAI;
using CrossModel.Protocol;

namespace CrossModel.Tests.Dialects.OpenAI;

/// <summary>What comes at a stream's end or behind it.</summary>
public sealed class OpenAIEndingTests
{
    private static string Chunk(string delta, string finish = "null") =>
        $$"""data: {"id":"up","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{{delta}},"finish_reason":{{finish}}}]}""" + "\n\n";

    private const string Done = "data: [DONE]\n\n";

    /// <summary>{} would be a call that the model has not made.</summary>
    [Theory]
    [InlineData("length", "")]
    [InlineData("content_filter", "")]
    [InlineData("tool_calls", "{}")]
    public void Call_WithoutArguments_IsLeftSoWhereTheReplyWasCut(string finish, string arguments)
    {
        var reading = Reading.OfStream(Replayed.Stream(Chunk("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}""") + Chunk("{}", $"\"{finish}\"") + Done));
        Assert.Equal((finish, arguments), (reading.Finish[0], reading.Calls[0].Arguments.ToString()));
    }

    [Fact]
    public void Call_BehindAStop_MakesItToolCalls()
    {
        var call = Chunk("""{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}""");
        var reading = Reading.OfStream(Replayed.Stream(Chunk("""{"content":"a"}""") + Chunk("{}", "\"stop\"") + call + Done));
        Assert.Equal(("a", "tool_calls"), (reading.AllContent, reading.Finish[0]));
    }

    [Fact]
    public void Finish_SaidAgainWithMoreText_IsTheFirst()
    {
        var reading = Reading.OfStream(Replayed.Stream(Chunk("""{"content":"a"}""", "\"length\"") + Chunk("""{"content":"b"}""", "\"stop\"") + Done));
        Assert.Equal(("ab", "length"), (reading.AllContent, reading.Finish[0]));
    }

    /// <summary>A reply that is at its end is awaited for two seconds only: it is not at its end while its text goes on, however like the events are.</summary>
    [Fact]
    public void Text_BehindAFinish_IsNoEnd()
    {
        using var output = new PooledBuffer();
        using var client = new ChunkWriter(output, "chatcmpl_ours", 1, "vendor/model", includeUsage: false);
        using var reader = new OpenAIReply(Replayed.Context(), Presets.Unknown);
        reader.Read(Encoding.UTF8.GetBytes(string.Concat("abc".Select(letter => Chunk($$"""{"content":"{{letter}}"}"""))) + Chunk("{}", "\"stop\"")), client);
        Assert.True(reader.HasFinished);
        reader.Read(Encoding.UTF8.GetBytes(Chunk("""{"content":"d"}""")), client);
        Assert.False(reader.HasFinished);
    }

    [Fact]
    public void Chunks_BehindAReplyThatWasWhole_SayNothingNew()
    {
        var whole = """data: {"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}""" + "\n\n";
        var reply = Replayed.Stream(whole + Chunk("""{"content":"hi"}""") + Chunk("{}", "\"stop\"") + Done);
        Assert.Null(reply.Fault);
        Assert.Equal("hi", Reading.OfStream(reply).AllContent);
    }

    /// <summary>A server may answer a stream with a plain reply.</summary>
    [Theory]
    [InlineData("stop")]
    [InlineData("length")]
    [InlineData("content_filter")]
    [InlineData("tool_calls")]
    public void Finish_OfAPlainReplyToAStream_IsItsOwn(string finish)
    {
        var reply = Replayed.Stream($$"""{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"{{finish}}"}]}""");
        Assert.Equal(finish, Reading.OfStream(reply).Finish[0]);
    }

    /// <summary>Written over several lines, as some servers do, and with the index that Mistral gives calls in plain replies, too.</summary>
    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    [InlineData("\r")]
    public void Calls_OfAPlainReplyToAStream_AreOneLineAndNumberedOnce(string lineEnd)
    {
        var reply = Replayed.Stream("""
            {"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"index":3,
              "id":"a","type":"function","function":{"name":"f",
              "arguments":"{}"}}]},"finish_reason":"tool_calls"}]}
            """.ReplaceLineEndings(lineEnd));
        Assert.DoesNotContain('\r', reply.Output);
        Assert.Contains("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",", reply.Output, StringComparison.Ordinal);
        Assert.Equal("{}", Reading.OfStream(reply).Calls[0].Arguments.ToString());
    }

    [Fact]
    public void Audio_OfAPlainReplyToAStream_IsContent()
    {
        var reply = Replayed.Stream("""{"choices":[{"index":0,"message":{"role":"assistant","content":null,"audio":{"id":"a","data":"UklGRg=="}},"finish_reason":"stop"}]}""");
        Assert.True(reply.HasContent);
        Assert.Contains("\"audio\":{\"id\":\"a\",\"data\":\"UklGRg==\"}", reply.Output, StringComparison.Ordinal);
    }

    /// <summary>Where a reply breaks off, the text that came after its usage is counted.</summary>
    [Fact]
    public void Usage_AmidAStream_TellsOfTheTextBeforeIt()
    {
        using var output = new PooledBuffer();
        using var client = new ChunkWriter(output, "chatcmpl_ours", 1, "vendor/model", includeUsage: false);
        using var reader = new OpenAIReply(Replayed.Context(), Presets.Unknown);
        reader.Read(Encoding.UTF8.GetBytes(Chunk("""{"content":"a"}""").Replace("\"choices\"", "\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1},\"choices\"", StringComparison.Ordinal) + Chunk("""{"content":"bc"}""")), client);
        Assert.Equal((1L, 3L), (reader.CountedTextBytes, client.TextBytes));
    }
}
