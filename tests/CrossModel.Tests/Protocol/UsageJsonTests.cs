using System.Text;
using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

public sealed class UsageJsonTests
{
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
