using System.Text;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.OpenAI;

namespace CrossModel.Tests.Dialects.OpenAI;

public sealed class OpenAIErrorsTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static UpstreamFault Read(int status, string body, params (string, string)[] headers)
    {
        using var response = new HttpResponseMessage();
        foreach (var (name, value) in headers) response.Headers.TryAddWithoutValidation(name, value);
        return OpenAIErrors.Read(status, response.Headers, Encoding.UTF8.GetBytes(body), Now, model: "a/b");
    }

    [Theory]
    [InlineData(400, """{"error":{"message":"Unsupported parameter: 'x'","code":null,"param":"x"}}""", "Rejected", "unsupported_parameter")]
    [InlineData(400, """{"error":{"message":"Unrecognized request argument supplied: tools"}}""", "Rejected", "unsupported_parameter")]
    [InlineData(400, """{"error":{"message":"no","code":"context_length_exceeded"}}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":{"message":"no","param":"messages[0].content"}}""", "Rejected", "invalid_messages")]
    [InlineData(400, """{"error":{"message":"no","code":"content_filter"}}""", "Rejected", "content_filter")]
    [InlineData(400, """{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***"}""", "Operator", null)]
    [InlineData(400, """{"error":{"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}""", "Operator", null)]
    [InlineData(400, """{"error":{"message":"cannot resolve #/invalid API key in the schema"}}""", "Rejected", "upstream_rejected")]
    [InlineData(400, """{"object":"error","message":"bad","type":"BadRequestError","code":400}""", "Rejected", "upstream_rejected")]
    [InlineData(422, """{"detail":[{"loc":["body","messages"],"msg":"bad"}]}""", "Rejected", "upstream_rejected")]
    [InlineData(401, """{"detail":"Unauthorized"}""", "Operator", null)]
    [InlineData(403, """{"message":"denied"}""", "Operator", null)]
    [InlineData(402, "", "Operator", null)]
    [InlineData(429, """{"error":{"message":"no","code":"insufficient_quota"}}""", "Operator", null)]
    [InlineData(429, """{"error":{"code":"1113","message":"no balance"}}""", "Operator", null)]
    [InlineData(429, """{"error":{"code":"1302","message":"slow down"}}""", "RateLimited", null)]
    [InlineData(429, "", "RateLimited", null)]
    [InlineData(400, """{"error":{"code":"1301","message":"sensitive"}}""", "Rejected", "content_filter")]
    [InlineData(400, """{"error":{"message":"m","code":"model_not_found"}}""", "ModelMissing", null)]
    [InlineData(403, """{"code":"permission-denied","error":"Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"}""", "Rejected", "content_filter")]
    [InlineData(403, """{"error":{"code":403,"message":"a/b requires moderation. Your input was flagged for \"violence\".","metadata":{"reasons":["violence"]}}}""", "Rejected", "content_filter")]
    [InlineData(403, """{"error":"Your account is suspended: its use violates usage guidelines"}""", "Operator", null)]
    [InlineData(403, """{"code":"permission-denied","error":"Access to the chat endpoint is denied"}""", "Operator", null)]
    [InlineData(400, """{"error":{"message":"Content Exists Risk","type":"invalid_request_error","code":"invalid_request_error"}}""", "Rejected", "content_filter")]
    [InlineData(429, """{"error":{"message":"Your account is suspended due to insufficient balance","type":"exceeded_current_quota_error"}}""", "Operator", null)]
    [InlineData(400, """{"error":{"code":"Arrearage","message":"Access denied, please make sure your account is in good standing.","type":"Arrearage"}}""", "Operator", null)]
    [InlineData(400, """{"error":{"message":"The model `a` has been decommissioned and is no longer supported.","type":"invalid_request_error","code":"model_decommissioned"}}""", "ModelMissing", null)]
    [InlineData(400, """{"object":"error","message":"Invalid model: a","type":"invalid_model","code":"1500"}""", "ModelMissing", null)]
    [InlineData(400, """{"error":{"message":"Model Not Exist","type":"invalid_request_error","code":"invalid_request_error"}}""", "ModelMissing", null)]
    [InlineData(400, """{"error":{"message":"a/b is not a valid model ID","code":400},"user_id":"user_x"}""", "ModelMissing", null)]
    [InlineData(400, """{"error":{"message":"c/d is not a valid model ID","code":400}}""", "Rejected", "upstream_rejected")]
    [InlineData(400, """{"message":"messages[0] holds a picture","errors":[{"field":"messages"}]}""", "Rejected", "invalid_messages")]
    [InlineData(400, """{"error":{"message":"the tool says that a/b is not a valid model ID, and so on","code":400}}""", "Rejected", "upstream_rejected")]
    [InlineData(400, """{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":{"message":"Invalid request: Your request exceeded model token limit: 262144 (requested: 269030)","type":"invalid_request_error"}}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":{"code":"invalid_parameter_error","message":"<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]"}}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":{"code":"1261","message":"Prompt 超长"}}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"Input length 131393 exceeds the maximum allowed input length of 131040 tokens."}}}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":"The model is loaded with context length of only 4096 tokens, which is not enough"}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":"The number of tokens to keep from the initial prompt is greater than the context length."}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"object":"error","message":"The decoder prompt (length 9) is longer than the maximum model length of 8.","type":"BadRequestError","code":400}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"success":false,"errors":[{"code":5021,"message":"AiError: The estimated number of input and maximum output tokens (9) exceeded this model context window limit (8)."}],"result":{}}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"errors":[{"code":"invalid_input_argument","message":"no"}],"trace":"x","status_code":400}""", "Rejected", "upstream_rejected")]
    [InlineData(400, """{"error":{"message":"You passed 99073 input tokens and requested 32000 output tokens. However, the model's context length is only 131072 tokens, resulting in a maximum input length of 99072 tokens. (parameter=input_tokens, value=99073)","type":"BadRequestError","param":"input_tokens","code":400}}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"code":20015,"message":"length of prompt_tokens (68957) must be less than max_seq_len (65536).","data":null}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"code":20015,"message":"max_total_tokens (33589) must be less than or equal to max_seq_len (32768)","data":null}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"object":"error","message":"Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens). Use a shorter input or enable --allow-auto-truncate.","type":"BadRequest","code":400}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":{"message":"tools[0].function.name exceeds the maximum allowed length"}}""", "Rejected", "upstream_rejected")]
    [InlineData(422, """{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 100 `max_new_tokens`","error_type":"validation"}""", "Rejected", "context_length_exceeded")]
    [InlineData(422, """{"error":"Input validation error: `inputs` must have less than 1024 tokens. Given: 1872","error_type":"validation"}""", "Rejected", "context_length_exceeded")]
    [InlineData(413, """{"error":{"code":"tokens_limit_reached","message":"Request body too large for gpt-4o model. Max size: 8000 tokens.","details":"Request body too large for gpt-4o model. Max size: 8000 tokens."}}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":"Context size has been exceeded."}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"error":{"message":"request (53192 tokens) exceeds context size (50176 tokens)"}}""", "Rejected", "context_length_exceeded")]
    [InlineData(400, """{"errors":{"message":"AiError: the request exceeded this model context window limit","code":5021},"success":false,"result":{},"messages":[]}""", "Rejected", "context_length_exceeded")]
    [InlineData(410, """{"type":"about:blank","title":"Gone","status":410,"detail":"The model 'z-ai/glm4.7' has reached its end of life on 2026-05-14T00:00:00Z and is no longer available."}""", "ModelMissing", null)]
    [InlineData(400, """{"code":20012,"message":"Model does not exist. Please check it carefully.","data":null}""", "ModelMissing", null)]
    [InlineData(400, """{"error":{"message":"The requested model 'a' is not supported by any provider you have enabled.","type":"invalid_request_error","param":"model","code":"model_not_supported"}}""", "ModelMissing", null)]
    [InlineData(400, """{"error":{"code":"unknown_model","message":"Unknown model: a","details":"Unknown model: a"}}""", "ModelMissing", null)]
    [InlineData(400, """{"error":{"code":"unavailable_model","message":"Unavailable model: a","details":"Unavailable model: a"}}""", "ModelMissing", null)]
    [InlineData(404, """{"error":{"code":"InvalidEndpointOrModel.NotFound","message":"The model or endpoint a does not exist or you do not have access to it.","param":"","type":"NotFound"}}""", "ModelMissing", null)]
    [InlineData(429, """{"error":{"code":"SetLimitExceeded","message":"Your account has reached the set inference limit for the a model, and the model service has been paused.","type":"TooManyRequests"}}""", "ModelMissing", null)]
    [InlineData(429, """{"error":{"code":"1311","message":"当前订阅套餐暂未开放a权限"}}""", "ModelMissing", null)]
    [InlineData(429, """{"error":{"code":"1309","message":"您的 GLM Coding Plan 套餐已到期"}}""", "Operator", null)]
    [InlineData(429, """{"error":{"code":"1305","message":"该模型当前访问量过大"}}""", "RateLimited", null)]
    [InlineData(429, """{"error":{"http_code":"429","message":"insufficient balance (1008)","type":"insufficient_balance_error"},"request_id":"x"}""", "Operator", null)]
    [InlineData(412, """{"error":{"message":"Account a is suspended, possibly due to reaching the monthly spending limit or failure to pay past invoices.","param":null,"code":"PRECONDITION_FAILED","type":"error"}}""", "Operator", null)]
    [InlineData(412, """{"error":{"message":"no"}}""", "BadReply", null)]
    [InlineData(451, """{"error":{"message":"The content you provided or machine outputted is blocked.","type":"censorship_blocked"}}""", "Rejected", "content_filter")]
    [InlineData(400, """{"error":{"code":"InputTextSensitiveContentDetected","message":"The request failed because the input text may contain sensitive information.","param":"","type":"BadRequest"}}""", "Rejected", "content_filter")]
    [InlineData(400, """{"status":400,"title":"Bad Request","detail":"Function id '87ea0ddc-cff1-4bca-bf8b-3bd98a35ddd0': DEGRADED function cannot be invoked"}""", "ServerError", null)]
    [InlineData(400, """{"error":"the tool says: DEGRADED function cannot be invoked"}""", "Rejected", "upstream_rejected")]
    [InlineData(400, """{"error":"The model has crashed without additional information. (Exit code: 18446744072635812000)"}""", "ServerError", null)]
    [InlineData(404, """{"detail":"Not Found"}""", "ModelMissing", null)]
    [InlineData(404, "<html>404 page not found</html>", "ModelMissing", null)]
    [InlineData(404, """{"error":{"message":"No file with id file-1 found","code":"file_not_found","param":"file_id"}}""", "Rejected", "upstream_rejected")]
    [InlineData(500, """{"type":"error","error":{"type":"api_error","message":"x"}}""", "ServerError", null)]
    [InlineData(529, "", "ServerError", null)]
    [InlineData(301, "", "ServerError", null)]
    [InlineData(408, "", "ServerError", null)]
    [InlineData(418, "", "BadReply", null)]
    [InlineData(400, """{"error":{"message":"Unknown parameter: 'top_a'.","type":"invalid_request_error","param":"top_a","code":"unknown_parameter"}}""", "Rejected", "unsupported_parameter")]
    [InlineData(400, """{"error":{"message":"property 'top_a' is unsupported","type":"invalid_request_error"}}""", "Rejected", "unsupported_parameter")]
    [InlineData(422, """{"detail":[{"type":"extra_forbidden","loc":["body","top_a"],"msg":"Extra inputs are not permitted","input":1}]}""", "Rejected", "unsupported_parameter")]
    [InlineData(422, """{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","messages",1,"assistant","top_a"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error"}""", "Rejected", "invalid_messages")]
    [InlineData(422, """{"detail":[{"type":"missing","loc":["body","messages",0,"content"],"msg":"Field required"}]}""", "Rejected", "invalid_messages")]
    [InlineData(400, """{"error":{"message":"'messages.0' : for 'role:user' the following must be satisfied[('messages.0.content' : property 'content' is missing)]","type":"invalid_request_error"}}""", "Rejected", "invalid_messages")]
    [InlineData(400, """{"error":{"message":"'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'top_a' is unsupported)]"}}""", "Rejected", "invalid_messages")]
    [InlineData(400, """{"error":{"message":"Unrecognized request argument supplied: stream_options.include_usage"}}""", "Rejected", "unsupported_parameter")]
    [InlineData(400, """{"error":{"message":"Unknown parameter: 'tools[0].top_a'.","param":"tools[0].top_a","code":"unknown_parameter"}}""", "Rejected", "unsupported_parameter")]
    [InlineData(400, """{"error":{"message":"Unknown parameter: 'messages[0].top_a'.","param":"messages[0].top_a","code":"unknown_parameter"}}""", "Rejected", "invalid_messages")]
    [InlineData(400, """{"error":{"message":"Messages[0].content is bad"}}""", "Rejected", "invalid_messages")]
    [InlineData(400, """{"error":{"message":"at most so many messages (2048), messages, 12 of them"}}""", "Rejected", "upstream_rejected")]
    public void Error_EveryShape_HasItsName(int status, string body, string failure, string? code)
    {
        var fault = Read(status, body);
        Assert.Equal((failure, code), (fault.Failure.ToString(), fault.Code));
        Assert.Equal(code is null, fault.Message is null);
    }

    [Theory]
    [InlineData("""{"error":{"message":"property 'top_a' is unsupported"}}""")]
    [InlineData("""{"detail":[{"type":"extra_forbidden","loc":["body","top_a"],"msg":"Extra inputs are not permitted"}]}""")]
    [InlineData("""{"error":{"message":"Unrecognized request argument supplied: top_a","param":null}}""")]
    public void Error_AboutAParameter_NamesIt(string body) => Assert.Equal("top_a", Read(400, body).Param);

    /// <summary>The same words mean something else where another server says them.</summary>
    [Theory]
    [InlineData("dashscope", 429, """{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}""", "RateLimited", null)]
    [InlineData("openai", 429, """{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}""", "Operator", null)]
    [InlineData("minimax", 500, """{"type":"error","error":{"type":"api_error","message":"insufficient balance (1008)"},"request_id":"x"}""", "Operator", null)]
    [InlineData("minimax", 500, """{"type":"error","error":{"type":"api_error","message":"input new_sensitive, input new_sensitive (1026)"},"request_id":"x"}""", "Rejected", "content_filter")]
    [InlineData("minimax", 500, """{"type":"error","error":{"type":"api_error","message":"unknown error, 999 (1000)"},"request_id":"x"}""", "ServerError", null)]
    [InlineData("minimax", 400, """{"type":"error","error":{"type":"bad_request_error","message":"invalid params, invalid chat setting (2013)","http_code":"400"},"request_id":"x"}""", "Rejected", "upstream_rejected")]
    [InlineData("openai", 400, """{"error":{"message":"no such thing as (1008)"}}""", "Rejected", "upstream_rejected")]
    public void Error_OfAKnownServer_IsReadInItsOwnWay(string preset, int status, string body, string failure, string? code)
    {
        using var response = new HttpResponseMessage();
        var fault = OpenAIErrors.Read(status, response.Headers, Encoding.UTF8.GetBytes(body), Now, Presets.All.Single(p => p.Name == preset));
        Assert.Equal((failure, code), (fault.Failure.ToString(), fault.Code));
    }

    /// <summary>A caller can do more with words in an odd place than with none.</summary>
    [Fact]
    public void Error_OfAnUnknownShape_IsToldAsItIs()
    {
        Assert.Equal("""{"reason":"top_k must be 1","at":"[address]"}""", Read(400, """{"reason":"top_k must be 1","at":"10.0.0.12:8000"}""").Message);
        Assert.Contains("gave no reason", Read(400, "{}").Message);
        Assert.Equal("ModelMissing", Read(404, """{"status":404}""").Failure.ToString());
    }

    [Theory]
    [InlineData("llama.cpp", "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj", "Rejected")]
    [InlineData("gpustack", "Failed to parse tools: Unsupported tool type", "Rejected")]
    [InlineData("llama.cpp", "Failed to parse tool call arguments as JSON: [json.exception.parse_error.101] parse error at line 1, column 1", "Rejected")]
    [InlineData("llama.cpp", "JSON schema conversion failed:\\nUnrecognized schema: {}", "Rejected")]
    [InlineData("llama.cpp", "\\n------------\\nWhile executing CallExpression at line 48, column 32 in source:\\n...== 0) %}\u21b5  {{- raise_exception('After the\\n   ^\\nError: Jinja Exception: Roles must alternate", "Rejected")]
    [InlineData("llama.cpp", "context shift is disabled", "ServerError")]
    [InlineData("vllm", "image input is not supported", "ServerError")]
    public void Fault_OfARequestAnsweredWith500_IsTheCallersWhereTheServerSaysItSo(string preset, string message, string failure)
    {
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1", Preset = preset }, null, TimeProvider.System);
        using var upstream = new UpstreamRequest();
        using var response = new HttpResponseMessage();
        var fault = dialect.ReadFault(500, response.Headers, Encoding.UTF8.GetBytes("{\"error\":{\"code\":500,\"message\":\"" + message + "\",\"type\":\"server_error\"}}"), upstream);
        Assert.Equal((failure, failure == "Rejected" ? "upstream_rejected" : null), (fault.Failure.ToString(), fault.Code));
        Assert.Equal("ServerError", dialect.ReadFault(503, response.Headers, Encoding.UTF8.GetBytes("{\"error\":{\"message\":\"" + message + "\"}}"), upstream).Failure.ToString());
    }

    /// <summary>llama.cpp tells where in the template it stands, before the words that help.</summary>
    [Fact]
    public void Refusal_OfAModelsTemplate_IsToldInItsOwnWords() => Assert.Equal("Roles must alternate user/assistant",
        Read(400, """{"error":{"code":400,"message":"Automatic parser generation failed: \n------------\nWhile executing CallExpression at line 1, column 226 in source:\n...{{ raise_exception('Conv...\n    ^\nError: Jinja Exception: Roles must alternate user/assistant","type":"invalid_request_error"}}""").Message);

    [Theory]
    [InlineData("Incorrect key sk-proj-abcdef123456 given", "sk-proj", "Incorrect key")]
    [InlineData("Incorrect API key provided: invalid-*****2345.", "2345", "Incorrect API key")]
    [InlineData("see https://platform.example.com/x?y=1 now", "platform.example", "now")]
    [InlineData("connect to 10.0.0.12:8000 failed", "10.0.0.12", "failed")]
    [InlineData("model on gpu7.cluster.internal:9000/v1 is busy", "cluster", "is busy")]
    [InlineData("Rate limit for organization org-AbC123def456 reached", "AbC123", "reached")]
    public void Message_WithSecrets_IsScrubbed(string message, string secret, string kept)
    {
        var fault = Read(400, System.Text.Json.JsonSerializer.Serialize(new { error = new { message } }));
        Assert.DoesNotContain(secret, fault.Message ?? "");
        Assert.DoesNotContain(secret, fault.Detail);
        Assert.Contains(kept, fault.Detail);
    }

    [Theory]
    [InlineData("retry-after", "7", 7)]
    [InlineData("retry-after", "0.5", 0.5)]
    [InlineData("retry-after-ms", "1500", 1.5)]
    [InlineData("retry-after", "Thu, 01 Jan 2026 00:00:30 GMT", 30)]
    [InlineData("retry-after", "Wed, 31 Dec 2025 00:00:30 GMT", 0)]
    [InlineData("retry-after", "99999999999", 86400)]
    public void Retry_EveryForm_IsRead(string name, string value, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Read(429, "", (name, value)).RetryAfter);

    [Theory]
    [InlineData("soon")]
    [InlineData("")]
    [InlineData("NaN")]
    public void Retry_Unreadable_IsNone(string value) => Assert.Null(Read(429, "", ("retry-after", value)).RetryAfter);
}
