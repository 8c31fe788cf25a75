using System.Text;
using CrossModel.Dialects.Bedrock;

namespace CrossModel.Tests.Dialects.Bedrock;

public sealed class BedrockErrorsTests
{
    [Theory]
    [InlineData("ValidationException:http://internal.amazon.com/", 400, "Input is too long for requested model.", "Rejected", "context_length_exceeded")]
    [InlineData("ValidationException", 400, "prompt is too long: 300000 tokens > 200000 maximum", "Rejected", "context_length_exceeded")]
    [InlineData("ValidationException", 400, "The provided model identifier is invalid.", "ModelMissing", null)]
    [InlineData("ValidationException", 400, "Invocation of model ID x with on-demand throughput isn\u2019t supported. Retry with an inference profile.", "ModelMissing", null)]
    [InlineData("ValidationException", 400, "Malformed input request: #/messages/2/content/0: extraneous key [x] is not permitted", "Rejected", "invalid_messages")]
    [InlineData("ValidationException", 400, "This model doesn't support the video content block", "Rejected", "invalid_messages")]
    [InlineData("ValidationException", 400, "The maximum tokens you requested is 0.", "Rejected", "upstream_rejected")]
    [InlineData("AccessDeniedException", 403, "You don't have access to the model", "Operator", null)]
    [InlineData("UnrecognizedClientException", 403, "The security token included in the request is invalid.", "Operator", null)]
    [InlineData("ExpiredTokenException", 403, "expired", "Operator", null)]
    [InlineData("InvalidSignatureException", 403, "Signature expired", "Operator", null)]
    [InlineData("FTUFormNotFilled", 404, "Model use case details have not been submitted", "Operator", null)]
    [InlineData("ResourceNotFoundException", 404, "Could not resolve the foundation model", "ModelMissing", null)]
    [InlineData("ThrottlingException", 429, "Too many tokens, please wait before trying again.", "RateLimited", null)]
    [InlineData("ServiceQuotaExceededException", 400, "quota", "RateLimited", null)]
    [InlineData("ConflictException", 400, "conflict", "ServerError", null)]
    [InlineData("ModelNotReadyException", 429, "not ready", "RateLimited", null)]
    [InlineData("ModelTimeoutException", 408, "timeout", "ServerError", null)]
    [InlineData("ModelErrorException", 424, "model error", "ServerError", null)]
    [InlineData("ModelStreamErrorException", 424, "model error", "ServerError", null)]
    [InlineData("InternalServerException", 500, "x", "ServerError", null)]
    [InlineData("ServiceUnavailableException", 503, "x", "ServerError", null)]
    [InlineData(null, 403, "x", "Operator", null)]
    [InlineData(null, 302, "x", "ServerError", null)]
    [InlineData(null, 408, "x", "ServerError", null)]
    [InlineData(null, 429, "x", "RateLimited", null)]
    public void Error_EveryRowOfTheTable_IsJudged(string? type, int status, string message, string failure, string? code)
    {
        using var response = new HttpResponseMessage();
        if (type is not null) response.Headers.TryAddWithoutValidation("x-amzn-errortype", type);
        var fault = BedrockErrors.Read(status, response.Headers, Encoding.UTF8.GetBytes(System.Text.Json.JsonSerializer.Serialize(new { message })), DateTimeOffset.UnixEpoch);
        Assert.Equal((failure, code), (fault.Failure.ToString(), fault.Code));
    }

    /// <summary>The upstream's other models are well.</summary>
    [Theory]
    [InlineData("AccessDeniedException", 403, "You don't have access to the model with the specified model ID.", true)]
    [InlineData("AccessDeniedException", 403, "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions", true)]
    [InlineData("FTUFormNotFilled", 404, "Model use case details have not been submitted for this account.", true)]
    [InlineData("AccessDeniedException", 403, "User: arn:aws:iam::123456789012:user/u is not authorized to perform: bedrock:InvokeModel", false)]
    [InlineData("UnrecognizedClientException", 403, "The security token included in the request is invalid.", false)]
    public void Access_ToOneModelAlone_IsToldApart(string type, int status, string message, bool isOfModel)
    {
        var fault = BedrockErrors.Judge(type, status, message);
        Assert.Equal(("Operator", isOfModel), (fault.Failure.ToString(), fault.IsOfModel));
    }

    [Fact]
    public void Error_WhoseClassStandsInTheBody_IsJudgedByIt()
    {
        using var response = new HttpResponseMessage();
        var fault = BedrockErrors.Read(400, response.Headers, "{\"__type\":\"com.amazon.coral.service#ThrottlingException\",\"Message\":\"slow down\"}"u8, DateTimeOffset.UnixEpoch);
        Assert.Equal("RateLimited", fault.Failure.ToString());
    }

    [Fact]
    public void RateLimit_ThatSaysHowLong_IsThatLong()
    {
        using var response = new HttpResponseMessage();
        response.Headers.TryAddWithoutValidation("Retry-After", "7");
        Assert.Equal(TimeSpan.FromSeconds(7), BedrockErrors.Read(429, response.Headers, "{}"u8, DateTimeOffset.UnixEpoch).RetryAfter);
    }

    [Fact]
    public void Error_ThatNamesTheOperatorsResources_DoesNotShowThem()
    {
        var fault = BedrockErrors.Judge("ValidationException", 400, "No arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc for account 123456789012 here");
        Assert.Equal("No [resource] for account [account] here", fault.Message);
    }
}
