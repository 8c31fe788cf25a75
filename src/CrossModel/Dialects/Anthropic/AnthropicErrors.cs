using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;

namespace CrossModel.Dialects.Anthropic;

/// <summary>Reads <c>{"type":"error","error":{"type","message"}}</c>, under an error status or inside a stream, into one failure.</summary>
internal static class AnthropicErrors
{
    /// <summary>A limit that the operator has set, with the day it ends; an organisation that is locked; the key of a sign-in that is good for one program only.</summary>
    private static readonly string[] Accounts =
        ["You have reached your specified API usage limits", "This organization has been disabled", "This credential is only authorized for use with"];

    public static UpstreamFault Read(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, DateTimeOffset now)
    {
        var (type, message, code) = Parse(body);
        return Judge(status, type, message, code) with { RetryAfter = RetryHints.Read(headers, now) };
    }

    /// <summary>An error inside a 200: its type stands for the status.</summary>
    public static UpstreamFault ReadInReply(ReadOnlySpan<byte> json)
    {
        var (type, message, code) = Parse(json);
        int? status = type switch
        {
            "invalid_request_error" => 400,
            "authentication_error" => 401,
            "billing_error" => 402,
            "permission_error" => 403,
            "not_found_error" => 404,
            "request_too_large" => 413,
            "rate_limit_error" => 429,
            "api_error" => 500,
            "timeout_error" => 504,
            "overloaded_error" => 529,
            _ => null,
        };
        return status is { } known ? Judge(known, type, message, code) : new UpstreamFault(UpstreamFailure.BadReply, 200, Detail: Detail(200, type, code, message));
    }

    private static UpstreamFault Judge(int status, string? type, string? message, string? code)
    {
        var detail = Detail(status, type, code, message);
        bool Says(string words) => message?.Contains(words, StringComparison.OrdinalIgnoreCase) is true;
        UpstreamFault Fault(UpstreamFailure failure) => new(failure, status, Detail: detail);
        UpstreamFault Rejected(string reason) => new(UpstreamFailure.Rejected, status, Scrub.Message(message), reason, Detail: detail);

        // Spent credit and an account that may not ask come as a 400, and a spend limit as a 429 that no waiting heals.
        if (Says("credit balance is too low") || IsOfAccount(message) || code is "enforced_spend_limit_reached" or "contract_spend_limit_reached")
            return Fault(UpstreamFailure.Operator);
        if (type is "authentication_error" or "permission_error" or "billing_error" || status is 401 or 402 or 403) return Fault(UpstreamFailure.Operator);
        if (status == 429 || type == "rate_limit_error") return Fault(UpstreamFailure.RateLimited);
        if (type == "overloaded_error") return Fault(UpstreamFailure.ServerError);
        if (Says("prompt is too long") || Says("exceed context limit") || Says("context window")) return Rejected("context_length_exceeded");
        return status switch
        {
            404 => Fault(UpstreamFailure.ModelMissing),
            400 or 409 or 413 or 415 or 422 => Rejected(CodeOf(message)),
            408 or >= 500 or (>= 300 and < 400) => Fault(UpstreamFailure.ServerError),
            _ => Fault(UpstreamFailure.BadReply),
        };
    }

    /// <summary>In the first words: further on it may be the caller's that are quoted.</summary>
    private static bool IsOfAccount(string? message) => message is not null && Accounts.Any(words => message.StartsWith(words, StringComparison.OrdinalIgnoreCase));

    private static string CodeOf(string? message)
    {
        if (message is null) return "upstream_rejected";
        if (message.StartsWith("messages", StringComparison.Ordinal)) return "invalid_messages";
        return message.Contains("not supported", StringComparison.OrdinalIgnoreCase) && message.Contains('`') ? "unsupported_parameter" : "upstream_rejected";
    }

    private static string Detail(int status, string? type, string? code, string? message) =>
        string.Create(CultureInfo.InvariantCulture, $"{status} {type} {code}: {Scrub.Message(message)}");

    private static (string? Type, string? Message, string? Code) Parse(ReadOnlySpan<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body.Trim(" \r\n\t"u8).ToArray());
            var root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object) return default;
            var error = root.TryGetProperty("error"u8, out var inner) && inner.ValueKind == JsonValueKind.Object ? inner : root;
            var code = error.TryGetProperty("details"u8, out var details) && details.ValueKind == JsonValueKind.Object ? details.TextOf("error_code"u8) : null;
            return (error.TextOf("type"u8), error.TextOf("message"u8), code ?? error.TextOf("error_code"u8));
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            // A page of the edge in front: nothing in it is for the caller.
            return default;
        }
    }
}
