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
    public void Chunks_BehindAReplyThatWasWhole_SayNothingNew()
    {
        var whole = """data: {"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}""" + "\n\n";
        var reply = Replayed.Stream(whole + Chunk("""{"content":"hi"}""") + Chunk("{}", "\"stop\"") + Done);
        Assert.Null(reply.Fault);
        Assert.Equal("hi", Reading.OfStream(reply).AllContent);
    }
}
