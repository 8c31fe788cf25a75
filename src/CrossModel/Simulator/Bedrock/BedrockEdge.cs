using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>What all of Bedrock's operations share: credentials, frames with a padding member, errors and their classes.</summary>
internal static class BedrockEdge
{
    public const string StreamType = "application/vnd.amazon.eventstream";
    public const int StreamFault = 503;

    private const string Padding = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

    public static WireError? CheckHead(HttpRequest request, ReadOnlySpan<byte> body, DateTimeOffset now)
    {
        var credential = request.Headers.Authorization.ToString();
        if (credential.Length == 0)
            return new WireError(403, "Missing Authentication Token", "MissingAuthenticationTokenException");
        return credential.StartsWith("Bearer ", StringComparison.Ordinal) ? null : AwsSignature.Check(request, body, now);
    }

    /// <param name="dice">Decides how long the padding is.</param>
    public static byte[] Frame(string name, ulong dice, Action<Utf8JsonWriter> members)
    {
        var payload = JsonParts.Write(json =>
        {
            json.WriteStartObject();
            members(json);
            json.WriteString("p", Padding[..(int)(1 + dice % 62)]);
            json.WriteEndObject();
        });
        return EventFrame.Write(payload, (":event-type", name), (":content-type", "application/json"), (":message-type", "event"));
    }

    /// <summary>The frame with a wrong checksum.</summary>
    public static byte[] Broken(byte[] frame)
    {
        frame[^1] ^= 0xFF;
        return frame;
    }

    public static byte[] Exception(WireError error)
    {
        var name = ClassOf(error);
        return EventFrame.Write(ErrorBody(error),
            (":exception-type", char.ToLowerInvariant(name[0]) + name[1..]), (":content-type", "application/json"), (":message-type", "exception"));
    }

    public static byte[] ErrorBody(WireError error) => JsonParts.Write(json =>
    {
        json.WriteStartObject();
        json.WriteString("message", error.Message);
        json.WriteEndObject();
    });

    public static void AddHeaders(IHeaderDictionary headers, ulong seed, WireError? error)
    {
        headers["x-amzn-requestid"] = new Dice(~seed + 1).Letters(32);
        if (error is not null)
            headers["x-amzn-errortype"] = ClassOf(error) + ":http://internal.amazon.com/coral/com.amazon.bedrock/";
    }

    private static string ClassOf(WireError error) => error.Code ?? error.Type ?? error.Status switch
    {
        401 or 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 => "ModelTimeoutException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 => "ServiceUnavailableException",
        >= 500 => "InternalServerException",
        _ => "ValidationException",
    };
}
