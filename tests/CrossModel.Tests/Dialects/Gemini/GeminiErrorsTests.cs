using System.Text;
using CrossModel.Dialects;
using CrossModel.Dialects.Gemini;

namespace CrossModel.Tests.Dialects.Gemini;

public sealed class GeminiErrorsTests
{
    private static UpstreamFault Read(int status, string word, string message, string details = "[]") =>
        Body(status, $$$"""{"error":{"code":{{{status}}},"message":"{{{message}}}","status":"{{{word}}}","details":{{{details}}}}}""");

    private static UpstreamFault Body(int status, string body)
    {
        using var response = new HttpResponseMessage();
        return GeminiErrors.Read(status, response.Headers, Encoding.UTF8.GetBytes(body), default);
    }

    [Theory]
    [InlineData(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.", nameof(UpstreamFailure.Operator), null)]
    [InlineData(400, "INVALID_ARGUMENT", "Unable to submit request because `f` functionDeclaration `parameters.API key` schema specified other fields alongside any_of.", nameof(UpstreamFailure.Rejected), "upstream_rejected")]
    [InlineData(400, "FAILED_PRECONDITION", "User location is not supported for the API use.", nameof(UpstreamFailure.Operator), null)]
    [InlineData(400, "INVALID_ARGUMENT", "Invalid JSON payload received. Unknown name \\\"id\\\" at 'contents[1]': Cannot find field.", nameof(UpstreamFailure.Operator), null)]
    [InlineData(400, "INVALID_ARGUMENT", "Invalid JSON payload received. Unknown name \\\"my_extra\\\": Cannot find field.", nameof(UpstreamFailure.Rejected), "unsupported_parameter")]
    [InlineData(400, "FAILED_PRECONDITION", "The File abc is not in an ACTIVE state and usage is not allowed.", nameof(UpstreamFailure.Rejected), "invalid_messages")]
    [InlineData(403, "PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist.", nameof(UpstreamFailure.Rejected), "invalid_messages")]
    [InlineData(400, "INVALID_ARGUMENT", "The input token count (12) exceeds the maximum number of tokens allowed (8).", nameof(UpstreamFailure.Rejected), "context_length_exceeded")]
    [InlineData(400, "INVALID_ARGUMENT", "Logprobs is not enabled for models/gemini-x", nameof(UpstreamFailure.Rejected), "unsupported_parameter")]
    [InlineData(400, "INVALID_ARGUMENT", "Base64 decoding failed", nameof(UpstreamFailure.Rejected), "invalid_messages")]
    [InlineData(400, "INVALID_ARGUMENT", "Something else", nameof(UpstreamFailure.Rejected), "upstream_rejected")]
    [InlineData(401, "UNAUTHENTICATED", "no", nameof(UpstreamFailure.Operator), null)]
    [InlineData(403, "PERMISSION_DENIED", "no", nameof(UpstreamFailure.Operator), null)]
    [InlineData(404, "NOT_FOUND", "models/x is not found for API version v1beta", nameof(UpstreamFailure.ModelMissing), null)]
    [InlineData(404, "NOT_FOUND", "Publisher Model `x` was not found or your project does not have access", nameof(UpstreamFailure.ModelMissing), null)]
    [InlineData(404, "NOT_FOUND", "The file abc was not found", nameof(UpstreamFailure.Rejected), "upstream_rejected")]
    [InlineData(429, "RESOURCE_EXHAUSTED", "quota", nameof(UpstreamFailure.RateLimited), null)]
    [InlineData(499, "CANCELLED", "c", nameof(UpstreamFailure.ServerError), null)]
    [InlineData(500, "INTERNAL", "i", nameof(UpstreamFailure.ServerError), null)]
    [InlineData(503, "UNAVAILABLE", "The model is overloaded.", nameof(UpstreamFailure.ServerError), null)]
    [InlineData(504, "DEADLINE_EXCEEDED", "d", nameof(UpstreamFailure.ServerError), null)]
    public void Error_EveryRow_IsJudged(int status, string word, string message, string failure, string? code)
    {
        var fault = Read(status, word, message);
        Assert.Equal((failure, code), (fault.Failure.ToString(), fault.Code));
    }

    [Theory]
    [InlineData("48s", 48)]
    [InlineData("34.4s", 34.4)]
    public void Quota_SaysWhenToAskAgain(string delay, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Read(429, "RESOURCE_EXHAUSTED", "q", $$"""[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{{delay}}"}]""").RetryAfter);

    [Theory]
    [InlineData("[{\"error\":{\"code\":400,\"message\":\"m\",\"status\":\"INVALID_ARGUMENT\"}}]", nameof(UpstreamFailure.Rejected))]
    [InlineData("<html>", nameof(UpstreamFailure.Rejected))]
    [InlineData("", nameof(UpstreamFailure.Rejected))]
    public void Error_OfAnyShape_IsRead(string body, string failure) => Assert.Equal(failure, Body(400, body).Failure.ToString());

    [Fact]
    public void Message_ForTheCaller_NamesNoProject()
    {
        var fault = Read(400, "INVALID_ARGUMENT", "projects/secret-project-1/locations/eu is wrong at https://internal.example/x");
        Assert.DoesNotContain("secret", fault.Message! + fault.Detail);
        Assert.DoesNotContain("internal.example", fault.Message! + fault.Detail);
    }
}
