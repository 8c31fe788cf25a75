using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace CrossModel.Dialects.Gemini;

/// <summary>What an error body of Google's says.</summary>
/// <param name="Status">The canonical word, e.g. <c>INVALID_ARGUMENT</c>.</param>
/// <param name="Reason">Of the details, e.g. <c>API_KEY_INVALID</c>.</param>
internal sealed record GoogleError(int? Code, string? Message, string? Status, string? Reason, TimeSpan? RetryAfter)
{
    public bool Says(string words) => Message?.Contains(words, StringComparison.OrdinalIgnoreCase) is true;
}

/// <summary>Reads Google's errors into one failure each; the table is docs/dialects/gemini.md's.</summary>
internal static partial class GeminiErrors
{
    private static readonly (string Words, string Param)[] Unsupported =
    [
        ("logprobs", "logprobs"), ("multiple candidates", "n"), ("candidate", "n"), ("function calling", "tools"), ("tool use", "tools"), ("json mode", "response_format"),
        ("response mime type", "response_format"), ("response_schema", "response_format"), ("thinking", "reasoning_effort"),
        ("penalty", "presence_penalty"), ("modalit", "modalities"),
    ];

    public static UpstreamFault Read(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, DateTimeOffset now)
    {
        var fault = Judge(status, Parse(body));
        return fault with { RetryAfter = RetryHints.Read(headers, now) ?? fault.RetryAfter };
    }

    /// <summary>An error inside a 200.</summary>
    public static UpstreamFault ReadInReply(JsonElement error)
    {
        var said = Of(error);
        return said.Code is { } status ? Judge(status, said) : new UpstreamFault(UpstreamFailure.BadReply, 200, Detail: Detail(200, said));
    }

    /// <summary>The body's words, unscrubbed; empty: none.</summary>
    public static string MessageOf(ReadOnlySpan<byte> body) => Parse(body).Message ?? "";

    /// <summary>The body is not in Google's own shape: on a shared host another publisher's model speaks.</summary>
    public static bool IsForeign(ReadOnlySpan<byte> body) => Parse(body) is { Status: null, Code: null };

    private static UpstreamFault Judge(int status, GoogleError error)
    {
        UpstreamFault Fault(UpstreamFailure failure) => new(failure, status, Detail: Detail(status, error), RetryAfter: error.RetryAfter);
        UpstreamFault Rejected(string code, string? param = null) => new(UpstreamFailure.Rejected, status, Clean(error.Message), code, param, Detail(status, error));

        // A bad key is a 400 here.
        if (error.Reason is { } reason
            && (reason.StartsWith("API_KEY", StringComparison.Ordinal) || reason.StartsWith("ACCESS_TOKEN", StringComparison.Ordinal)
                || reason is "SERVICE_DISABLED" or "BILLING_DISABLED" or "CONSUMER_INVALID"))
        {
            return Fault(UpstreamFailure.Operator);
        }
        switch (status)
        {
            // Whoever names a file must not be able to make the operator's access look bad.
            case 400 or 403 when IsAboutFile(error):
                return Rejected("invalid_messages");
            case 401 or 402 or 403:
                return Fault(UpstreamFailure.Operator);
            case 429:
                return Fault(UpstreamFailure.RateLimited);
            case 404:
                // A file or cache that is not there was the caller's to name; a wrong address answers with a page.
                return error.Says("model") || error.Message is null || error.Status is null ? Fault(UpstreamFailure.ModelMissing) : Rejected("upstream_rejected");
            case 400 when error.Status == "FAILED_PRECONDITION" || error.Message?.StartsWith("API key", StringComparison.OrdinalIgnoreCase) is true:
                return Fault(UpstreamFailure.Operator);
            // A name that the provider does not know: in what this gateway writes it is the gateway's fault, else it is an extra that was let through.
            case 400 when error.Says("Unknown name") && error.Says("Cannot find field"):
                return OwnPlace().IsMatch(error.Message!) ? Fault(UpstreamFailure.Operator) : Rejected("unsupported_parameter");
            case 400 or 409 or 413 or 415 or 422:
                if (error.Says("token count") && error.Says("exceeds the maximum")) return Rejected("context_length_exceeded");
                return Rejected(CodeOf(error, out var param), param);
            case 408 or >= 500 or 499 or (>= 300 and < 400):
                return Fault(UpstreamFailure.ServerError);
            default:
                return Fault(UpstreamFailure.BadReply);
        }
    }

    private static bool IsAboutFile(GoogleError error) =>
        error.Says("access the File") || error.Says("in an ACTIVE state") || error.Says("storage.objects") || error.Says("gs://");

    private static string CodeOf(GoogleError error, out string? param)
    {
        param = null;
        if (error.Says("not enabled") || error.Says("not supported") || error.Says("unsupported"))
        {
            param = Unsupported.FirstOrDefault(u => error.Says(u.Words)).Param;
            if (param is not null) return "unsupported_parameter";
        }
        var isAboutMessages = error.Says("contents") || error.Says("thought_signature") || error.Says("thought signature")
            || error.Says("Base64") || error.Says("function response parts")
            || error.Says("mime type") || error.Says("provided URL") || error.Says("process input image");
        return isAboutMessages ? "invalid_messages" : "upstream_rejected";
    }

    private static string Clean(string? message) => Scrub.Message(message is null ? null : Project().Replace(message, "$1[project]"));

    private static string Detail(int status, GoogleError error) =>
        string.Create(CultureInfo.InvariantCulture, $"{status} {error.Status} {error.Reason}: {Clean(error.Message)}");

    private static GoogleError Parse(ReadOnlySpan<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body.Trim(" \r\n\t\uFEFF"u8).ToArray());
            var root = json.RootElement;
            // The error of a stream comes in an array.
            if (root.ValueKind == JsonValueKind.Array && root.GetArrayLength() > 0) root = root[0];
            return root.ValueKind == JsonValueKind.Object && root.TryGetProperty("error"u8, out var error) ? Of(error) : new(null, null, null, null, null);
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return new(null, null, null, null, null);
        }
    }

    private static GoogleError Of(JsonElement error)
    {
        if (error.ValueKind != JsonValueKind.Object) return new(null, error.ValueKind == JsonValueKind.String ? error.GetString() : null, null, null, null);
        var (reason, retry) = (default(string), default(TimeSpan?));
        if (error.TryGetProperty("details"u8, out var details) && details.ValueKind == JsonValueKind.Array)
        {
            foreach (var detail in details.EnumerateArray().Where(d => d.ValueKind == JsonValueKind.Object))
            {
                reason ??= detail.TextOf("reason"u8);
                retry ??= Delay(detail.TextOf("retryDelay"u8));
            }
        }
        int? code = error.TryGetProperty("code"u8, out var number) && number.ValueKind == JsonValueKind.Number
            && number.TryGetInt32(out var value) && value is >= 300 and < 600
            ? value : null;
        return new(code, error.TextOf("message"u8), error.TextOf("status"u8), reason, retry);
    }

    /// <summary><c>"34.4s"</c></summary>
    private static TimeSpan? Delay(string? text) =>
        text is [.. var seconds, 's'] && double.TryParse(seconds, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)
            ? TimeSpan.FromSeconds(Math.Min(number, 86_400))
            : null;

    [GeneratedRegex(@" at '(?:contents|tools|tool_config|system_instruction|generation_config)", RegexOptions.CultureInvariant)]
    private static partial Regex OwnPlace();

    [GeneratedRegex(@"(\bprojects/|\bproject[ :]+)[A-Za-z0-9_-]+", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Project();
}
