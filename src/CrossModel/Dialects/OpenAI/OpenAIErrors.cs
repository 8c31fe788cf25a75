using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace CrossModel.Dialects.OpenAI;

/// <summary>What an error body says, whatever its shape.</summary>
/// <param name="Status">A status inside the body; null: none.</param>
/// <param name="Generation">What the model wrote that could not be used (Groq); null: nothing is said of it. For the caller alone: in no log.</param>
/// <param name="Raw">All of it where no message was found; else null.</param>
internal sealed record ErrorText(string? Message, string? Type, string? Code, string? Param, int? Status, string? Generation = null, string? Raw = null)
{
    public bool Mentions(string words) => Message?.Contains(words, StringComparison.OrdinalIgnoreCase) is true;
    public bool IsCode(params ReadOnlySpan<string> codes)
    {
        foreach (var code in codes)
        {
            if (string.Equals(Code, code, StringComparison.OrdinalIgnoreCase) || string.Equals(Type, code, StringComparison.OrdinalIgnoreCase)) return true;
        }
        return false;
    }
}

/// <summary>Reads the error shapes of OpenAI-compatible servers into one failure each; the table is docs/dialects/openai.md's.</summary>
internal static partial class OpenAIErrors
{
    /// <summary>What llama.cpp says before the words of a model's own template: that roles must alternate, that there is no system role.</summary>
    public const string OfTemplate = "Jinja Exception: ";

    // Numbers are Zhipu's and MiniMax', whose statuses say little.
    private static readonly string[] NoBalance =
    [
        "insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "insufficient_balance_error", "exceeded_current_quota_error",
        "Arrearage", "1112", "1113", "1121", "1309", "1008",
    ];
    private static readonly string[] BadAccess = ["invalid_api_key", "invalid_authentication_error", "authentication_error", "1004", "2049"];
    private static readonly string[] TooOften = ["rate_limit_exceeded", "1302", "1303", "1304", "1305", "1308", "1310", "1312", "1313", "1002", "1039", "1041", "2045", "2056"];
    private static readonly string[] TooLong = ["context_length_exceeded", "exceed_context_size_error", "too_many_prompt_tokens", "tokens_limit_reached", "1261"];
    private static readonly string[] NoModel =
        ["model_not_found", "model_not_available", "model_decommissioned", "model_not_supported", "invalid_model", "unknown_model", "unavailable_model", "SetLimitExceeded", "1211", "1311", "20012", "DeploymentNotFound"];
    private static readonly string[] Unwelcome = ["content_filter", "content_policy_violation", "data_inspection_failed", "ResponsibleAIPolicyViolation", "1301", "1026", "1027"];

    /// <summary>A reply whose status is not 2xx.</summary>
    /// <param name="preset">Whose error it is; null: nobody's who is known.</param>
    /// <param name="model">The one that was asked for.</param>
    public static UpstreamFault Read(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, DateTimeOffset now, Preset? preset = null, string? model = null)
    {
        var error = Parse(body, preset);
        // No code of their own: DeepSeek's words, and OpenRouter's, which may be about another model that the caller has named (a plugin's).
        if (error.Message == "Model Not Exist" || (model is not null && error.Message == $"{model} is not a valid model ID")) error = error with { Code = "model_not_found" };
        var isAboutRequest = status == 500 && preset?.RequestFaults.Any(error.Mentions) is true;
        return Judge(isAboutRequest ? 400 : status, error, preset) with { RetryAfter = RetryHints.Read(headers, now) };
    }

    /// <summary>An error inside a 200: its own status counts where it has one.</summary>
    public static UpstreamFault ReadInReply(ReadOnlySpan<byte> json, Preset? preset = null)
    {
        var error = Parse(json, preset);
        if (error.Status is { } status) return Judge(status, error, preset);
        // OpenAI's word for its 500s, and all that its streams say of one.
        if (error.IsCode("server_error")) return Judge(500, error, preset);
        var judged = Judge(400, error, preset);
        // Without a status only what is plainly about the request, the key or the rate counts as that; else the reply is simply bad.
        var isPlain = judged.Failure != UpstreamFailure.Rejected || judged.Code is "context_length_exceeded" or "content_filter" || error.IsCode("invalid_request_error", "2013");
        return isPlain ? judged : new UpstreamFault(UpstreamFailure.BadReply, 200, Detail: Detail(200, error));
    }

    /// <summary>MiniMax' <c>base_resp</c>: 0 is success.</summary>
    public static bool IsSuccess(ReadOnlySpan<byte> baseResp)
    {
        var json = new Utf8JsonReader(baseResp);
        while (json.Read())
        {
            if (json.TokenType != JsonTokenType.PropertyName || !json.ValueSpan.SequenceEqual("status_code"u8)) continue;
            return !json.Read() || json.TokenType != JsonTokenType.Number || (json.TryGetInt64(out var code) && code == 0);
        }
        return true;
    }

    private static UpstreamFault Judge(int status, ErrorText error, Preset? preset)
    {
        UpstreamFault Fault(UpstreamFailure failure) => new(failure, status, Detail: Detail(status, error));
        UpstreamFault Rejected(string code, string? words = null) =>
            new(UpstreamFailure.Rejected, status, Scrub.Message(words ?? WordsOf(error.Message) ?? error.Raw),
                code, Scrub.Param(error.Param ?? (code == "unsupported_parameter" ? Refusals.Unsupported(error.Message ?? "") : null)), Detail(status, error));

        if (status == 429 && preset?.QuotaIsRate is true && error.IsCode("insufficient_quota")) return Fault(UpstreamFailure.RateLimited);
        if (error.IsCode(NoBalance) || (status == 412 && error.Mentions("suspended"))) return Fault(UpstreamFailure.Operator);
        // Whoever says something unwelcome must not be able to make the operator's access look bad: xAI and OpenRouter answer that with 403, MiniMax with 500.
        if (status == 451 || (status == 403 && IsAboutContent(error)) || error.IsCode(Unwelcome)) return Rejected("content_filter");
        if (error.IsCode(BadAccess) || status is 401 or 402 or 403) return Fault(UpstreamFailure.Operator) with { IsOfModel = status == 403 && error.IsCode("model_not_found") };
        if (status == 410 || error.IsCode(NoModel)) return Fault(UpstreamFailure.ModelMissing);
        if (status == 429 || error.IsCode(TooOften)) return Fault(UpstreamFailure.RateLimited);
        if (error.IsCode(TooLong) || IsTooLong(error)) return Rejected("context_length_exceeded");
        // The model has stumbled over its own call or its own JSON: the request is well, and asked anew it mostly succeeds.
        if (status == 400 && error.IsCode("tool_use_failed", "json_validate_failed"))
            return Rejected("upstream_rejected", error.Generation is { Length: > 0 } written ? $"{error.Message} failed_generation: {written}" : error.Message) with { TryAgain = true, Stumbled = true };
        if (OfTheServer().IsMatch(error.Message ?? "")) return Fault(UpstreamFailure.ServerError);
        switch (status)
        {
            case 404:
                // Only a body that speaks of something else than the model is the caller's fault; a wrong address answers without a word.
                return error.Message is null || error.Mentions("model") || error.Mentions("deployment") || error.Mentions("page") || (error.Param is null && error.Code is null)
                    ? Fault(UpstreamFailure.ModelMissing)
                    : Rejected("upstream_rejected");
            case 400 or 409 or 413 or 415 or 422:
                // xAI answers a bad key with 400 and no code of its own. In the middle of a sentence it may be the caller's words that are quoted.
                if (BadKey().IsMatch(error.Message ?? "")) return Fault(UpstreamFailure.Operator);
                if (IsAboutContent(error)) return Rejected("content_filter");
                return Rejected(CodeOf(error));
            case 408 or >= 500 or (>= 300 and < 400):
                return Fault(UpstreamFailure.ServerError);
            default:
                return Fault(UpstreamFailure.BadReply);
        }
    }

    /// <summary>Of a template's refusal without the lines of the template that stand before it.</summary>
    private static string? WordsOf(string? message) =>
        message?.LastIndexOf(OfTemplate, StringComparison.Ordinal) is { } at and >= 0 ? message[(at + OfTemplate.Length)..] : message;

    [GeneratedRegex("^(?:incorrect|invalid|expired) API key"
        + "|^(?:the |your )?API key (?:provided )?(?:is |has )?(?:incorrect|invalid|not valid|expired)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex BadKey();

    /// <summary>A refusal that is none of the request's: NVIDIA's of a model that is out of order, LM Studio's of one that has just crashed.</summary>
    [GeneratedRegex("^Function id '[^']*': DEGRADED function|^The model has crashed without", RegexOptions.CultureInvariant)]
    private static partial Regex OfTheServer();

    private static bool IsAboutContent(ErrorText error) =>
        error.Code?.EndsWith("SensitiveContentDetected", StringComparison.Ordinal) is true
        || error.Message?.StartsWith("Content violates usage guidelines", StringComparison.Ordinal) is true
        || error.Mentions("your input was flagged") || error.Mentions("Content Exists Risk");

    private static bool IsTooLong(ErrorText error) =>
        error.Mentions("maximum context length") || error.Mentions("prompt too long") || error.Mentions("prompt is too long") || error.Mentions("max context length")
        || error.Mentions("maximum prompt length") || error.Mentions("maximum allowed input length") || error.Mentions("exceeded model token limit")
        || error.Mentions("range of input length") || error.Mentions("greater than the context length")
        || error.Mentions("context length of only") || error.Mentions("longer than the maximum model length")
        || error.Mentions("context window") || error.Mentions("available context size") || error.Mentions("input token count")
        || (error.Mentions("longer than") && error.Mentions("context length")) || error.Mentions("length of all messages is too long")
        || error.Mentions("context length is only") || error.Mentions("fit in context length")
        || error.Mentions("context size has been exceeded") || error.Mentions("exceeds context size")
        || error.Mentions("than max_seq_len") || error.Mentions("equal to max_seq_len")
        || error.Mentions("tokens) exceeds the maximum allowed length") || error.Mentions("`max_new_tokens` must be <=")
        || error.Mentions("`inputs` must have less than");

    private static string CodeOf(ErrorText error)
    {
        if (error.IsCode("unsupported_parameter") || error.Mentions("unsupported parameter")) return "unsupported_parameter";
        if (error.Param?.StartsWith("messages", StringComparison.Ordinal) is true || OneMessage().IsMatch(error.Message ?? "") || error.IsCode("invalid_image_url", "unsupported_file"))
            return "invalid_messages";
        // Below a message it would be a member of that.
        var isUnknown = error.IsCode("unknown_parameter") || error.Message?.StartsWith("Unrecognized request argument", StringComparison.Ordinal) is true || Refusals.Unsupported(error.Message ?? "") is not null;
        return isUnknown ? "unsupported_parameter" : "upstream_rejected";
    }

    /// <summary>messages[0], messages.0, /messages/0, and the place in a list of faults: "messages",0.</summary>
    [GeneratedRegex(@"messages(?:\[|[./][0-9]|\\?['""], ?[0-9])", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex OneMessage();

    private static string Detail(int status, ErrorText error) =>
        string.Create(CultureInfo.InvariantCulture, $"{status} {error.Type} {error.Code}: {Scrub.Message(error.Message)}");

    private static ErrorText Parse(ReadOnlySpan<byte> body, Preset? preset)
    {
        try
        {
            using var json = JsonDocument.Parse(body.Trim(" \r\n\t"u8).ToArray());
            var error = Of(json.RootElement);
            return preset?.CodeInMessage is true && error.Code is null && CodeAtTheEnd().Match(error.Message ?? "") is { Success: true } code
                ? error with { Code = code.Groups[1].Value }
                : error;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            // Plain text is passed on, a page is not: it is some proxy's.
            var text = System.Text.Encoding.UTF8.GetString(body).Trim();
            return new ErrorText(text.Length == 0 || text.StartsWith('<') ? null : text, null, null, null, null);
        }
    }

    [GeneratedRegex(@"\(([0-9]{4})\)$", RegexOptions.CultureInvariant)]
    private static partial Regex CodeAtTheEnd();

    private static ErrorText Of(JsonElement json)
    {
        if (json.ValueKind == JsonValueKind.Array) return json.GetArrayLength() == 0 ? new(null, null, null, null, null) : Of(json[0]);
        if (json.ValueKind != JsonValueKind.Object) return new(Text(json), null, null, null, null);
        if (json.TryGetProperty("error", out var error) && error.ValueKind == JsonValueKind.Object) return Inner(error);
        // Cloudflare and watsonx make a list of them, or speak of one as of several.
        if (json.TryGetProperty("errors", out var errors) && Member(json, "message") is null)
        {
            var first = errors.ValueKind == JsonValueKind.Array && errors.GetArrayLength() > 0 ? errors[0] : errors;
            if (first.ValueKind == JsonValueKind.Object && Member(first, "message") is not null) return Inner(first);
        }
        if (json.TryGetProperty("base_resp", out var minimax) && minimax.ValueKind == JsonValueKind.Object)
        {
            return new(Member(minimax, "status_msg"), null, Member(minimax, "status_code"), null, null);
        }
        var message = Member(json, "error") ?? Member(json, "message") ?? Member(json, "detail") ?? Member(json, "msg");
        return new(message, Member(json, "type"), Member(json, "code"), Member(json, "param"), StatusOf(json),
            Raw: message is null && json.EnumerateObject().Any() ? json.GetRawText() : null);
    }

    private static ErrorText Inner(JsonElement error)
    {
        var message = Member(error, "message");
        // OpenRouter wraps the provider's own words.
        if (error.TryGetProperty("metadata", out var metadata) && metadata.ValueKind == JsonValueKind.Object && metadata.TryGetProperty("raw", out var raw))
        {
            message = $"{message}: {Text(raw)}";
        }
        return new(message ?? Member(error, "detail"), Member(error, "type"), Member(error, "code"), Member(error, "param"), StatusOf(error), Member(error, "failed_generation"));
    }

    private static int? StatusOf(JsonElement error)
    {
        foreach (var name in (ReadOnlySpan<string>)["status_code", "http_code", "http_status_code", "code", "status"])
        {
            if (!error.TryGetProperty(name, out var value)) continue;
            if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number is >= 400 and < 600) return number;
            if (value.ValueKind == JsonValueKind.String && int.TryParse(value.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out number)
                && number is >= 400 and < 600) return number;
        }
        return null;
    }

    private static string? Member(JsonElement json, string name) => json.TryGetProperty(name, out var value) ? Text(value) : null;

    private static string? Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Null or JsonValueKind.Undefined => null,
        _ => value.GetRawText(),
    };
}
