using CrossModel.Protocol;
using Xunit;

namespace CrossModel.Tests.Protocol;

public sealed class UnknownParameterRuleTests
{
    [Theory]
    [InlineData("max_token", "did you mean max_tokens?")]
    [InlineData("temprature", "did you mean temperature?")]
    [InlineData("Temperature", "did you mean temperature?")]
    [InlineData("temperatuer", "did you mean temperature?")]
    [InlineData("streem", "did you mean stream?")]
    [InlineData("max_completions_tokens", "did you mean max_completion_tokens?")]
    [InlineData("top_k", "did you mean top_p?")]
    [InlineData("zzzzzzzz", "Leave it out.")]
    public void Unknown_Rejected_NamesTheNearest(string name, string says)
    {
        using var request = Requests.Accepted(Requests.With($"\"{name}\":1"));
        var refusal = UnknownParameterRule.Check(request, reject: true, new HashSet<string>());
        Assert.Equal((400, "unsupported_parameter", name), (refusal!.Status, refusal.Code, refusal.Param));
        Assert.EndsWith(says, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_LetThroughByNameOrBySetting_IsNoFault()
    {
        using var request = Requests.Accepted(Requests.With("\"top_k\":1,\"min_p\":0.1"));
        Assert.Null(UnknownParameterRule.Check(request, reject: true, new HashSet<string> { "top_k", "min_p" }));
        Assert.Null(UnknownParameterRule.Check(request, reject: false, new HashSet<string>()));
        Assert.Equal("min_p", UnknownParameterRule.Check(request, reject: true, new HashSet<string> { "top_k" })!.Param);
    }

    [Fact]
    public void UnlistedToolType_FollowsTheSameSetting()
    {
        using var request = Requests.Accepted(Requests.With("\"tools\":[{\"type\":\"maker:search\",\"parameters\":{}}]"));
        Assert.True(request.Features.HasFlag(ChatFeatures.UnlistedTool));
        var refusal = UnknownParameterRule.Check(request, reject: true, new HashSet<string>());
        Assert.Equal(("invalid_value", "tools[0].type"), (refusal!.Code, refusal.Param));
        Assert.Null(UnknownParameterRule.Check(request, reject: false, new HashSet<string>()));
    }

    [Fact]
    public void Unknown_WithALongName_IsCutInMessageAndParam()
    {
        using var request = Requests.Accepted(Requests.With($"\"{new string('q', 5000)}\":1"));
        var refusal = UnknownParameterRule.Check(request, reject: true, new HashSet<string>())!;
        Assert.Equal(64, refusal.Param!.Length);
        Assert.InRange(refusal.Message.Length, 64, 200);
    }
}
