using System.Text;
using CrossModel.Dialects;
using CrossModel.Dialects.Anthropic;

namespace CrossModel.Tests.Dialects.Anthropic;

public sealed class AnthropicErrorsTests
{
    private static UpstreamFault Read(int status, string body, params (string Name, string Value)[] headers)
    {
        using var response = new HttpResponseMessage();
        foreach (var (name, value) in headers) response.Headers.TryAddWithoutValidation(name, value);
        return AnthropicErrors.Read(status, response.Headers, Encoding.UTF8.GetBytes(body), DateTimeOffset.UnixEpoch);
    }

    private static string Error(string type, string message, string more = "") => $$$"""{"type":"error","error":{"type":"{{{type}}}","message":"{{{message}}}"{{{more}}}},"request_id":"req_1"}""";

    [Theory]
    [InlineData(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", nameof(UpstreamFailure.Rejected), "context_length_exceeded")]
    [InlineData(400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 3", nameof(UpstreamFailure.Rejected), "context_length_exceeded")]
    [InlineData(400, "invalid_request_error", "messages.1.content.0: unexpected", nameof(UpstreamFailure.Rejected), "invalid_messages")]
    [InlineData(400, "invalid_request_error", "`top_k` is not supported for this model.", nameof(UpstreamFailure.Rejected), "unsupported_parameter")]
    [InlineData(400, "invalid_request_error", "tools: Tool names must be unique.", nameof(UpstreamFailure.Rejected), "upstream_rejected")]
    [InlineData(400, "invalid_request_error", "Your credit balance is too low to access the API.", nameof(UpstreamFailure.Operator), null)]
    [InlineData(400, "invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.", nameof(UpstreamFailure.Operator), null)]
    [InlineData(400, "invalid_request_error", "This organization has been disabled.", nameof(UpstreamFailure.Operator), null)]
    [InlineData(400, "invalid_request_error", "This credential is only authorized for use with Claude Code and cannot be used for other API requests.", nameof(UpstreamFailure.Operator), null)]
    [InlineData(400, "invalid_request_error", "tools.0: unknown type 'This organization has been disabled'", nameof(UpstreamFailure.Rejected), "upstream_rejected")]
    [InlineData(401, "authentication_error", "invalid x-api-key", nameof(UpstreamFailure.Operator), null)]
    [InlineData(402, "billing_error", "pay", nameof(UpstreamFailure.Operator), null)]
    [InlineData(403, "permission_error", "no", nameof(UpstreamFailure.Operator), null)]
    [InlineData(404, "not_found_error", "model: claude-9", nameof(UpstreamFailure.ModelMissing), null)]
    [InlineData(413, "request_too_large", "too large", nameof(UpstreamFailure.Rejected), "upstream_rejected")]
    [InlineData(429, "rate_limit_error", "slow down", nameof(UpstreamFailure.RateLimited), null)]
    [InlineData(500, "api_error", "oops", nameof(UpstreamFailure.ServerError), null)]
    [InlineData(504, "timeout_error", "late", nameof(UpstreamFailure.ServerError), null)]
    [InlineData(529, "overloaded_error", "Overloaded", nameof(UpstreamFailure.ServerError), null)]
    public void Error_OfEachType_IsReadAsTheTableSays(int status, string type, string message, string failure, string? code)
    {
        var fault = Read(status, Error(type, message));
        Assert.Equal((failure, code), (fault.Failure.ToString(), fault.Code));
    }

    [Theory]
    [InlineData("enforced_spend_limit_reached")]
    [InlineData("contract_spend_limit_reached")]
    public void SpendLimit_ThatNoWaitingHeals_IsTheOperators(string code) =>
        Assert.Equal(UpstreamFailure.Operator, Read(429, Error("rate_limit_error", "limit", $",\"details\":{{\"error_code\":\"{code}\"}}")).Failure);

    [Fact]
    public void RateLimit_SaysWhenToComeBack() =>
        Assert.Equal(TimeSpan.FromSeconds(12), Read(429, Error("rate_limit_error", "slow"), ("retry-after", "12")).RetryAfter);

    [Fact]
    public void Page_OfTheEdge_TellsTheCallerNothing()
    {
        var fault = Read(413, "<html>edge-7.internal</html>");
        Assert.Equal(UpstreamFailure.Rejected, fault.Failure);
        Assert.DoesNotContain("edge", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Message_WithAKeyInIt_IsScrubbed() =>
        Assert.DoesNotContain("sk-ant", Read(400, Error("invalid_request_error", "key sk-ant-api03-abcdefgh is odd")).Message, StringComparison.Ordinal);
}
