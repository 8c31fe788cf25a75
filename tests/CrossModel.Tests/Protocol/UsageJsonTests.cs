using System.Text;
using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

public sealed class UsageJsonTests
{
    [Fact]
    public void Usage_WithNamesWrittenWithEscapes_HasEachCountOnce_AndNoCostOfTheUpstreams()
    {
        using var target = new PooledBuffer();
        UsageJson.Write(target, new TokenUsage { InputTokens = 3, OutputTokens = 2 }, cost: null,
            """{"prompt_t\u006fkens":3,"c\u006fst":7,"\u0063ost_details":{},"prompt_tokens_d\u0065tails":{"cach\u0065d_tokens":0,"text_tokens":3},"num\u0062er":1}"""u8);
        Assert.Equal("""{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0,"text_tokens":3},"completion_tokens_details":{"reasoning_tokens":0},"num\u0062er":1}""", Encoding.UTF8.GetString(target.Span));
    }

    [Theory]
    [InlineData(
        """{"id":"x","choices":[{"message":{"content":"\"usage\":{\"cost\":1}"}}],"usage":{"prompt_tokens":1,"details":{"cost":7},"cost":0.5},"cost":3}""",
        """{"id":"x","choices":[{"message":{"content":"\"usage\":{\"cost\":1}"}}],"usage":{"prompt_tokens":1,"details":{"cost":7},"cost":0.000012},"cost":3}""")]
    [InlineData(
        "data: {\"usage\":null,\"cost\":1}\n\ndata: {\"choices\":[],\"usage\":{\"cost\":2},\"service_tier\":\"x\"}\n\ndata: [DONE]\n\n",
        "data: {\"usage\":null,\"cost\":1}\n\ndata: {\"choices\":[],\"usage\":{\"cost\":0.000012},\"service_tier\":\"x\"}\n\ndata: [DONE]\n\n")]
    [InlineData("data: {\"choices\":[{\"delta\":{}}]}\n\ndata: [DONE]\n\n", "data: {\"choices\":[{\"delta\":{}}]}\n\ndata: [DONE]\n\n")]
    public void WithCost_OfAWholeReply_ChangesItsOwnCostAndNothingElse(string reply, string expected) =>
        Assert.Equal(expected, Encoding.UTF8.GetString(UsageJson.WithCost(Encoding.UTF8.GetBytes(reply), 12_000)));
}
