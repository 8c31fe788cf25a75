using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Reads Bedrock's errors, by HTTP status or as exceptions inside a stream, into one failure each; the table is docs/dialects/bedrock.md's.</summary>
internal static partial class BedrockErrors
{
    /// <summary>A reply whose status is not 2xx: the class stands in a header, or in the body as <c>__type</c>.</summary>
    public static UpstreamFault Read(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, DateTimeOffset now)
    {
        var (type, message) = Parse(body);
        if (headers.NonValidated.TryGetValues("x-amzn-errortype", out var values) && values.Count > 0) type = values.ToString();
        return Judge(type, status, message) with { RetryAfter = RetryHints.Read(headers, now) };
    }

    /// <summary>An error in a body under a good status; null: it is none.</summary>
    public static UpstreamFault? ReadInReply(ReadOnlySpan<byte> body) => Parse(body) is ({ } type, var message) ? Judge(type, null, message) : null;

    /// <summary>An exception frame of a stream.</summary>
    public static UpstreamFault ReadException(string type, ReadOnlySpan<byte> payload) => Judge(type, null, Parse(payload).Message);

    /// <param name="type">As it came: <c>ValidationException:http://…</c>, <c>com.amazon…#ThrottlingException</c>, <c>throttlingException</c>; null: none.</param>
    /// <param name="status">Null inside a stream.</param>
    public static UpstreamFault Judge(string? type, int? status, string? message)
    {
        var name = ClassOf(type);
        UpstreamFault Fault(UpstreamFailure failure) => new(failure, status, Detail: $"{status} {name}: {Clean(message)}");
        UpstreamFault Rejected(string code) => new(UpstreamFailure.Rejected, status, Clean(message), code, null, $"{status} {name}: {Clean(message)}");
        bool Says(string words) => message?.Contains(words, StringComparison.OrdinalIgnoreCase) is true;

        switch (name)
        {
            case "throttling" or "servicequotaexceeded" or "modelnotready" or "toomanyrequests":
                return Fault(UpstreamFailure.RateLimited);
            case "accessdenied" or "unrecognizedclient" or "expiredtoken" or "invalidsignature" or "incompletesignature" or "missingauthenticationtoken" or "signaturedoesnotmatch"
                or "ftuformnotfilled" or "optinrequired" or "notauthorized" or "subscriptionrequired":
                return Fault(UpstreamFailure.Operator) with { IsOfModel = Says("access to the model") || Says("Model access is denied") || name is "ftuformnotfilled" };
            case "resourcenotfound":
                return Fault(UpstreamFailure.ModelMissing);
            case "internalserver" or "serviceunavailable" or "modeltimeout" or "modelerror" or "modelstreamerror" or "conflict" or "internalfailure":
                return Fault(UpstreamFailure.ServerError);
        }
        if (Says("Input is too long") || Says("prompt is too long") || Says("Input Tokens Exceeded")
            || Says("exceeds the maximum") || Says("exceed context limit") || Says("maximum context length"))
        {
            return Rejected("context_length_exceeded");
        }
        if (Says("model identifier is invalid") || (Says("on-demand throughput") && Says("supported"))) return Fault(UpstreamFailure.ModelMissing);
        if (name is "validation") return Rejected(CodeOf(message));
        return status switch
        {
            401 or 403 => Fault(UpstreamFailure.Operator),
            404 => Fault(UpstreamFailure.ModelMissing),
            429 => Fault(UpstreamFailure.RateLimited),
            400 or 409 or 413 or 415 or 422 => Rejected(CodeOf(message)),
            408 or 424 or >= 500 or (>= 300 and < 400) => Fault(UpstreamFailure.ServerError),
            _ => Fault(UpstreamFailure.BadReply),
        };
    }

    private static string CodeOf(string? message) =>
        message is not null
            && (message.Contains("messages", StringComparison.OrdinalIgnoreCase) || message.Contains("content", StringComparison.OrdinalIgnoreCase))
            ? "invalid_messages" : "upstream_rejected";

    private static string Clean(string? message)
    {
        if (message is not null) message = Account().Replace(Arn().Replace(message, "[resource]"), "[account]");
        return Scrub.Message(message);
    }

    /// <summary>In lower case, without what stands around it and without the word exception: <c>validation</c>.</summary>
    private static string? ClassOf(string? type)
    {
        if (type is null) return null;
        var name = type.AsSpan();
        if (name.LastIndexOf('#') is >= 0 and var hash) name = name[(hash + 1)..];
        if (name.IndexOf(':') is >= 0 and var colon) name = name[..colon];
        if (name.EndsWith("Exception", StringComparison.OrdinalIgnoreCase)) name = name[..^"Exception".Length];
        return name.ToString().ToLowerInvariant();
    }

    private static (string? Type, string? Message) Parse(ReadOnlySpan<byte> body)
    {
        try
        {
            using var json = JsonDocument.Parse(body.ToArray());
            var root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object) return default;
            if (root.TryGetProperty("Output"u8, out var output) && output.ValueKind == JsonValueKind.Object) root = output;
            return (root.TextOf("__type"u8), root.TextOf("message"u8) ?? root.TextOf("Message"u8) ?? root.TextOf("originalMessage"u8));
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return default;
        }
    }

    [GeneratedRegex(@"\barn:aws[^\s""'<>\)\],]*", RegexOptions.CultureInvariant)]
    private static partial Regex Arn();

    [GeneratedRegex(@"\b[0-9]{12}\b", RegexOptions.CultureInvariant)]
    private static partial Regex Account();
}
