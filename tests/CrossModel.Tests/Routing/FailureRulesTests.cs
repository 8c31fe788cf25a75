using CrossModel.Dialects;
using CrossModel.Routing;

namespace CrossModel.Tests.Routing;

/// <summary>The failure table, row by row: upstream → caller's status, type, code; whether other routes are tried; what rests, and for how long; who is told.</summary>
public sealed class FailureRulesTests
{
    public static TheoryData<string, int, string, string, bool, string, int, bool> Rows() => new()
    {
        { "Rejected", 400, "invalid_request_error", "upstream_rejected", false, "Nothing", 0, false },
        { "Operator", 502, "provider_error", "provider_error", true, "Upstream", 30, true },
        { "ModelMissing", 503, "api_error", "model_unavailable", true, "Model", 30, true },
        { "RateLimited", 429, "rate_limit_error", "provider_rate_limited", true, "Model", 5, false },
        { "ServerError", 502, "provider_error", "provider_error", true, "Model", 2, false },
        { "Connect", 502, "provider_error", "provider_error", true, "Upstream", 2, false },
        { "BadReply", 502, "provider_error", "provider_error", true, "Model", 2, false },
        { "CutShort", 502, "provider_error", "provider_error", true, "Model", 2, false },
        { "FirstByteTimeout", 502, "provider_error", "provider_error", true, "Model", 10, false },
        { "IdleTimeout", 502, "provider_error", "provider_error", true, "Model", 10, false },
        { "TotalTimeout", 502, "provider_error", "provider_error", true, "Nothing", 0, false },
        { "NoRoom", 503, "api_error", "model_unavailable", true, "Nothing", 0, false },
        { "Stopping", 503, "api_error", "model_unavailable", false, "Nothing", 0, false },
        { "ClientGone", 502, "provider_error", "provider_error", false, "Nothing", 0, false },
    };

    [Theory]
    [MemberData(nameof(Rows))]
    public void Rule_OfEachFailure_IsTheTables(string failure, int status, string type, string code, bool next, string cools, int seconds, bool alarm)
    {
        var fault = new UpstreamFault(Enum.Parse<UpstreamFailure>(failure));
        var rule = FailureRules.Of(fault);
        var error = FailureRules.ToCaller(fault);
        Assert.Equal((status, type, code), (error.Status, error.Type, error.Code));
        Assert.Equal((next, cools, TimeSpan.FromSeconds(seconds), alarm), (rule.TryNext, rule.Cools.ToString(), rule.Rest, rule.Alarm));
    }

    [Fact]
    public void Table_OfAllFailures_LeavesNoneOut() =>
        Assert.Equal(Enum.GetNames<UpstreamFailure>().Order(), Rows().Select(r => r.Data.Item1).Order());

    [Fact]
    public void Rejected_WithTheProvidersWords_PassesMessageCodeAndParamOn()
    {
        var error = FailureRules.ToCaller(new UpstreamFault(UpstreamFailure.Rejected, 400, "too long by 7 tokens", "context_length_exceeded", "messages"));
        Assert.Equal(("too long by 7 tokens", "context_length_exceeded", "messages"), (error.Message, error.Code, error.Param));
    }

    [Fact]
    public void OtherFailures_WithDetail_KeepItFromTheCaller()
    {
        foreach (var failure in Enum.GetValues<UpstreamFailure>())
            Assert.DoesNotContain("secret", FailureRules.ToCaller(new UpstreamFault(failure, 500, Detail: "secret host")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("FirstByteTimeout", "first byte")]
    [InlineData("IdleTimeout", "idle")]
    [InlineData("TotalTimeout", "total")]
    public void Timeout_ToTheCaller_SaysWhichLimit(string failure, string limit) =>
        Assert.Contains(limit, FailureRules.ToCaller(new UpstreamFault(Enum.Parse<UpstreamFailure>(failure))).Message, StringComparison.Ordinal);

    [Fact]
    public void RateLimited_WithAHint_TellsTheCallerToWaitThatLong() =>
        Assert.Equal(TimeSpan.FromSeconds(7), FailureRules.ToCaller(new UpstreamFault(UpstreamFailure.RateLimited, 429, RetryAfter: TimeSpan.FromSeconds(7))).RetryAfter);

    [Theory]
    [InlineData(null, true)]
    [InlineData(408, true)]
    [InlineData(424, true)]
    [InlineData(500, true)]
    [InlineData(529, true)]
    [InlineData(302, false)]
    public void ServerError_ByStatus_IsAskedAgainOnlyWhereItMayPass(int? status, bool again) =>
        Assert.Equal(again, FailureRules.Of(new UpstreamFault(UpstreamFailure.ServerError, status)).RetryAfter is not null);

    [Theory]
    [InlineData(false, nameof(Cools.Upstream))]
    [InlineData(true, nameof(Cools.Model))]
    public void Operator_OfOneModelAlone_RestsThatOne(bool isOfModel, string cools)
    {
        var rule = FailureRules.Of(new UpstreamFault(UpstreamFailure.Operator, 403, IsOfModel: isOfModel));
        Assert.Equal((cools, true), (rule.Cools.ToString(), rule.Alarm));
    }

    [Fact]
    public void ServerError_ThatAsksForALongRest_IsNotAskedAgain() =>
        Assert.Null(FailureRules.Of(new UpstreamFault(UpstreamFailure.ServerError, 503, RetryAfter: TimeSpan.FromSeconds(1))).RetryAfter);

    [Fact]
    public void Connect_ThatFailed_IsTriedAgainSoon() =>
        Assert.Equal(TimeSpan.FromMilliseconds(250), FailureRules.Of(new UpstreamFault(UpstreamFailure.Connect)).RetryAfter);

    [Theory]
    [InlineData("Rejected")]
    [InlineData("RateLimited")]
    [InlineData("FirstByteTimeout")]
    public void SameRoute_AfterWhatWillNotPass_IsNotAskedAgain(string failure) =>
        Assert.Null(FailureRules.Of(new UpstreamFault(Enum.Parse<UpstreamFailure>(failure))).RetryAfter);

    [Fact]
    public void TryAgain_OfADialectThatLearned_AsksAtOnceAndRestsNothing()
    {
        var rule = FailureRules.Of(new UpstreamFault(UpstreamFailure.Rejected, 400, TryAgain: true));
        Assert.Equal((TimeSpan.Zero, Cools.Nothing, false), (rule.RetryAfter, rule.Cools, rule.Alarm));
    }

    [Theory]
    [InlineData(429, "RateLimited", "RateLimited")]
    [InlineData(502, "RateLimited", "ServerError")]
    [InlineData(502, "ServerError", "RateLimited")]
    [InlineData(502, "ModelMissing", "RateLimited")]
    [InlineData(502, "ServerError", "ModelMissing")]
    [InlineData(503, "ModelMissing", "ModelMissing")]
    [InlineData(502, "Operator", "Connect")]
    [InlineData(400, "RateLimited", "Rejected")]
    [InlineData(503, "ServerError", "Stopping")]
    public void SeveralFailures_Together_Are429OnlyIfAllSaidSo(int status, string first, string second) =>
        Assert.Equal(status, FailureRules.ToCaller([new UpstreamFault(Enum.Parse<UpstreamFailure>(first)), new UpstreamFault(Enum.Parse<UpstreamFailure>(second))]).Status);

    [Fact]
    public void SeveralRateLimits_Together_TellTheShortestWait()
    {
        var error = FailureRules.ToCaller([.. new[] { 30, 4, 9 }.Select(s => new UpstreamFault(UpstreamFailure.RateLimited, 429, RetryAfter: TimeSpan.FromSeconds(s)))]);
        Assert.Equal(TimeSpan.FromSeconds(4), error.RetryAfter);
    }
}
