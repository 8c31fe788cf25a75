using CrossModel.Protocol;

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
    [InlineData("reasoning", "did you mean reasoning_effort?")]
    [InlineData("include_reasoning", "did you mean reasoning_effort?")]
    [InlineData("thinking", "did you mean reasoning_effort?")]
    [InlineData("enable_thinking", "did you mean reasoning_effort?")]
    [InlineData("thinking_budget", "did you mean reasoning_effort?")]
    [InlineData("prompt", "did you mean messages?")]
    [InlineData("input", "did you mean messages?")]
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

    [Theory]
    [InlineData("n_predict", "max_tokens")]
    [InlineData("num_predict", "max_tokens")]
    [InlineData("max_new_tokens", "max_tokens")]
    [InlineData("maxOutputTokens", "max_tokens")]
    [InlineData("max_output_tokens", "max_tokens")]
    [InlineData("max_length", "max_tokens")]
    [InlineData("max_gen_len", "max_tokens")]
    [InlineData("max_tokens_to_sample", "max_tokens")]
    [InlineData("n_cmpl", "n")]
    [InlineData("best_of", "n")]
    [InlineData("candidate_count", "n")]
    [InlineData("num_return_sequences", "n")]
    [InlineData("n_probs", "top_logprobs")]
    [InlineData("MAX_TOKENS", "max_tokens")]
    [InlineData("maxTokens", "max_tokens")]
    [InlineData("max_to\u212aens", "max_tokens")]
    [InlineData("max_token\u017f", "max_tokens")]
    [InlineData("N", "n")]
    [InlineData("Model", "model")]
    [InlineData("Stream", "stream")]
    public void OtherSpelling_OfAListedParameter_IsNeverForwarded(string name, string listed)
    {
        using var request = Requests.Accepted(Requests.With($"\"top_k\":1,\"{name}\":1"));
        foreach (var refusal in (ApiError?[])[UnknownParameterRule.CheckForwarded(request, forward: true, new HashSet<string>()), UnknownParameterRule.CheckForwarded(request, forward: false, new HashSet<string> { name })])
        {
            Assert.Equal((400, "unsupported_parameter", name), (refusal!.Status, refusal.Code, refusal.Param));
            Assert.EndsWith($"Send {listed} instead.", refusal.Message, StringComparison.Ordinal);
        }
        Assert.Null(UnknownParameterRule.CheckForwarded(request, forward: false, new HashSet<string> { "top_k" }));
        Assert.EndsWith($"did you mean {listed}?", UnknownParameterRule.Check(request, reject: true, new HashSet<string> { "top_k" })!.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("min_tokens")]
    [InlineData("top_k")]
    [InlineData("n_keep")]
    [InlineData("ignore_eos")]
    public void Parameter_OfAServersOwn_IsForwarded(string name)
    {
        using var request = Requests.Accepted(Requests.With($"\"{name}\":1"));
        Assert.Null(UnknownParameterRule.CheckForwarded(request, forward: true, new HashSet<string>()));
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
