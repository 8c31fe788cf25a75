using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>A refusal or failure as a caller sees it: <c>{"error":{message,type,param,code}}</c> under an HTTP status. A value, never thrown.</summary>
/// <param name="Status">HTTP status, 400 to 503.</param>
/// <param name="Type">The broad category of the specification's table, e.g. <c>invalid_request_error</c>.</param>
/// <param name="Code">The specific code that programs branch on.</param>
/// <param name="Message">For people: what is wrong and how to mend it. Holds no key, host name or stack trace.</param>
/// <param name="Param">The place in the request at fault, e.g. <c>messages[3].content</c>; null when there is none.</param>
/// <param name="RetryAfter">When asking again makes sense; written as <c>retry-after</c> in whole seconds, rounded up.</param>
internal sealed record ApiError(int Status, string Type, string Code, string Message, string? Param = null, TimeSpan? RetryAfter = null)
{
    /// <summary>Writes <c>{"error":{…}}</c>, no line end.</summary>
    public void WriteJson(System.Buffers.IBufferWriter<byte> target)
    {
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Encoder = JsonText.Encoder });
        json.WriteStartObject();
        json.WriteStartObject("error"u8);
        json.WriteString("message"u8, Message);
        json.WriteString("type"u8, Type);
        json.WriteString("param"u8, Param);
        json.WriteString("code"u8, Code);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}

/// <summary>The named makers of every refusal: one a row of the specification's error table, so nobody builds an error body by hand.</summary>
internal static class ApiErrors
{
    private const string InvalidRequest = "invalid_request_error";
    private const string Authentication = "authentication_error";

    /// <summary>What the caller sent is echoed at most this many characters long, in message and param alike.</summary>
    public const int EchoLength = 64;

    public static ApiError MissingApiKey() =>
        new(401, Authentication, "missing_api_key", "Missing Bearer token in Authorization header. Send \"Authorization: Bearer cm-…\".");

    public static ApiError InvalidApiKey() =>
        new(401, Authentication, "invalid_api_key", "This API key is not valid: it is unknown, revoked, expired or disabled. Create a new one or ask whoever gave it to you.");

    public static ApiError InvalidJson(string what) =>
        new(400, InvalidRequest, "invalid_json", what);

    public static ApiError InvalidMessages(string param, string what) =>
        new(400, InvalidRequest, "invalid_messages", what, Echo(param));

    public static ApiError UnsupportedMessageRole(string param, string role) =>
        new(400, InvalidRequest, "unsupported_message_role",
            $"Unknown role \"{Echo(role)}\". A role is one of system, developer, user, assistant, tool.", Echo(param));

    public static ApiError UnsupportedParameter(string param, string what) =>
        new(400, InvalidRequest, "unsupported_parameter", what, Echo(param));

    public static ApiError ToolCallIdMismatch(string param, string what) =>
        new(400, InvalidRequest, "tool_call_id_mismatch", what, Echo(param));

    public static ApiError MissingRequiredParameter(string param) =>
        new(400, InvalidRequest, "missing_required_parameter", $"Missing required parameter: \"{Echo(param)}\".", Echo(param));

    public static ApiError InvalidType(string param, string what) =>
        new(400, InvalidRequest, "invalid_type", what, Echo(param));

    public static ApiError InvalidValue(string param, string what) =>
        new(400, InvalidRequest, "invalid_value", what, Echo(param));

    public static ApiError RequestTooLarge(long limit) =>
        new(413, InvalidRequest, "request_too_large", $"The request body is larger than {limit} bytes. Send less, or ask the operator to raise limits.bodyBytes.");

    public static ApiError ExplanationTooLarge(int routes, long limit) =>
        new(413, InvalidRequest, "request_too_large",
            $"What these {routes} routes would be sent is larger than {limit} bytes in all, the most that is shown at once. Name fewer models, or send less.");

    public static ApiError UnsupportedContentEncoding(string encoding) =>
        new(415, InvalidRequest, "unsupported_content_encoding", $"Content-Encoding {Echo(encoding)} is not read here. Send the body as plain JSON.");

    public static ApiError ModelNotFound(string model) =>
        new(404, InvalidRequest, "model_not_found",
            $"The model \"{Echo(model)}\" does not exist or is not available to this key. GET /v1/models lists those that are.", "model");

    public static ApiError RateLimited(string what, TimeSpan retryAfter) =>
        new(429, "rate_limit_error", "rate_limit_exceeded", what, RetryAfter: retryAfter);

    public static ApiError ProviderRateLimited(TimeSpan? retryAfter) =>
        new(429, "rate_limit_error", "provider_rate_limited",
            "The model's provider is limiting requests. Try again in a moment, or after the time in retry-after where that is given.",
            RetryAfter: retryAfter ?? TimeSpan.FromSeconds(1));

    public static ApiError InsufficientBalance(string what) =>
        new(402, "billing_error", "insufficient_balance", what);

    public static ApiError ProviderError(string what) =>
        new(502, "provider_error", "provider_error", what);

    public static ApiError ModelUnavailable(string what, TimeSpan? retryAfter = null) =>
        new(503, "api_error", "model_unavailable", what, RetryAfter: retryAfter ?? TimeSpan.FromSeconds(1));

    public static ApiError NoRoom() =>
        ModelUnavailable("This server holds as many bytes as it may. Retry after the time given in retry-after, or send less.");

    public static ApiError ServerStopping() =>
        ModelUnavailable("This server is stopping. Send the request again: another one will take it.");

    public static ApiError Internal() =>
        new(500, "api_error", "internal_error", "Something broke inside the gateway. Report it with the x-request-id of this reply.");

    public static ApiError RequestNotFound(string id) =>
        new(404, InvalidRequest, "request_not_found", $"No request \"{Echo(id)}\" was charged to this account. The id is the x-request-id of a reply.");

    public static ApiError IdempotencyKeyReused() =>
        new(400, InvalidRequest, "idempotency_key_reused", "This Idempotency-Key was used with another body. Use a new key for a new request.");

    public static ApiError KeptReplyLost(string requestId) =>
        new(500, "api_error", "internal_error",
            $"The reply that is kept for this Idempotency-Key cannot be read any more. GET /v1/requests/{requestId} has the receipt of its call. Use a new key for a new call.");

    public static ApiError MetricsAreLocal() =>
        new(404, InvalidRequest, "not_found",
            "There is nothing here for callers from elsewhere. Metrics answer programs on the same machine only."
            + " Set metrics.token and send it as a bearer token, or give them an address of their own (metrics.urls).");

    public static ApiError MetricsWantToken() =>
        new(401, Authentication, "invalid_api_key", "Metrics ask for the token of metrics.token: send it as \"Authorization: Bearer TOKEN\".");

    public static ApiError ConsoleWantsSignIn() =>
        new(401, Authentication, "sign_in_required",
            "Nobody is signed in, or the link was used before or is too old. \"crossmodel console\" prints a new link; an account's holder asks the operator for one.");

    public static ApiError ConsoleFormIsStale() =>
        new(400, InvalidRequest, "invalid_value", "This form is of another session or another site. Nothing was changed: open the page anew and send it again.");

    public static ApiError ConsoleHasNo(string what) =>
        new(404, InvalidRequest, "not_found", $"There is no such {what}, or it is another account's.");

    public static ApiError ConsoleHasNoPage(string path) =>
        new(404, InvalidRequest, "not_found", $"The console has no page at {Echo(path)}. It begins at /console.");

    /// <param name="endpoint">What is there.</param>
    public static ApiError NotFound(string path, string endpoint = "POST /v1/chat/completions") =>
        new(404, InvalidRequest, "not_found", $"There is nothing at {Echo(path)}. The endpoint is {endpoint}.");

    public static ApiError MethodNotAllowed(string method, string allowed) =>
        new(405, InvalidRequest, "method_not_allowed", $"{Echo(method)} is not allowed here. Use {allowed.Replace(", ", " or ", StringComparison.Ordinal)}.");

    /// <summary>A fault of the request that only the upstream saw; its message is passed on, scrubbed.</summary>
    public static ApiError UpstreamRejected(string message, string code = "upstream_rejected", string? param = null) =>
        new(400, InvalidRequest, code, message, param is null ? null : Echo(param));

    /// <summary>The caller's own text, cut to <see cref="EchoLength"/> characters, never inside a surrogate pair, what is <see cref="Unseen"/> shown as a blank.</summary>
    public static string Echo(string text)
    {
        var cut = text.Length <= EchoLength ? text : text[..(char.IsHighSurrogate(text[EchoLength - 2]) ? EchoLength - 2 : EchoLength - 1)] + "…";
        return Unseen.Blank(cut);
    }
}
