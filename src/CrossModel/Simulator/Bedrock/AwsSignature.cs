using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http.Features;

namespace CrossModel.Simulator;

/// <summary>
/// Checks an AWS signature (version 4) over the request as it came: for the example credential of Amazon's documentation its value,
/// for any other key id only its form, since the simulator does not know the secret.
/// </summary>
internal static partial class AwsSignature
{
    private const string KeyId = "AKIDEXAMPLE";
    private const string Secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    private static readonly TimeSpan LargestSkew = TimeSpan.FromMinutes(5);

    /// <returns>Null when all is well.</returns>
    public static WireError? Check(HttpRequest request, ReadOnlySpan<byte> body, DateTimeOffset now)
    {
        var given = Form().Match(request.Headers.Authorization.ToString());
        var date = request.Headers["x-amz-date"].ToString();
        if (!given.Success || !DateTimeOffset.TryParseExact(date, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var signedAt))
            return new WireError(403, "Authorization header requires 'Credential', 'Signature', 'SignedHeaders' and an 'X-Amz-Date' header.", "IncompleteSignatureException");
        var signed = given.Groups["headers"].Value.Split(';');
        if (!signed.Contains("host") || !signed.Contains("x-amz-date") || !date.StartsWith(given.Groups["day"].Value, StringComparison.Ordinal))
            return new WireError(403, "'Host' and 'X-Amz-Date' must be signed headers, of the credential's day.", "IncompleteSignatureException");
        if (given.Groups["key"].Value != KeyId)
            return null;
        if ((now - signedAt).Duration() > LargestSkew)
            return new WireError(403, $"Signature expired: {date} is too far from now.", "InvalidSignatureException");
        return Compute(request, body, given, signed, date) == given.Groups["signature"].Value ? null
            : new WireError(403, "The request signature we calculated does not match the signature you provided.", "InvalidSignatureException");
    }

    private static string Compute(HttpRequest request, ReadOnlySpan<byte> body, Match given, string[] signed, string date)
    {
        var target = request.HttpContext.Features.Get<IHttpRequestFeature>()!.RawTarget.Split('?');
        // The path on the wire is encoded already and is encoded once more for signing: %3A becomes %253A.
        var path = string.Join('/', target[0].Split('/').Select(Uri.EscapeDataString));
        var headers = string.Concat(signed.Select(name => $"{name}:{Blanks().Replace(request.Headers[name].ToString().Trim(), " ")}\n"));
        var canonical = $"{request.Method}\n{path}\n{(target.Length > 1 ? target[1] : "")}\n{headers}\n{string.Join(';', signed)}\n{Hex(SHA256.HashData(body))}";
        var scope = $"{given.Groups["day"].Value}/{given.Groups["region"].Value}/bedrock/aws4_request";
        var key = Encoding.UTF8.GetBytes("AWS4" + Secret);
        foreach (var step in scope.Split('/'))
            key = HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(step));
        var text = $"AWS4-HMAC-SHA256\n{date}\n{scope}\n{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";
        return Hex(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(text)));
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    [GeneratedRegex("^AWS4-HMAC-SHA256 Credential=(?<key>[^/]+)/(?<day>[0-9]{8})/(?<region>[^/]+)/bedrock/aws4_request,"
        + " ?SignedHeaders=(?<headers>[a-z0-9;-]+),"
        + " ?Signature=(?<signature>[0-9a-f]{64})$")]
    private static partial Regex Form();

    [GeneratedRegex(" +")]
    private static partial Regex Blanks();
}
