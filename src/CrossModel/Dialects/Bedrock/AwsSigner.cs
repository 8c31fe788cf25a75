using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace CrossModel.Dialects.Bedrock;

/// <param name="SessionToken">Of temporary credentials; null: lasting ones.</param>
internal sealed record AwsKey(string Id, string Secret, string? SessionToken);

/// <summary>Amazon's signature version 4 over one POST, for the service bedrock.</summary>
internal static class AwsSigner
{
    private const string Service = "bedrock";
    private const string Algorithm = "AWS4-HMAC-SHA256";

    /// <summary>The headers to be sent with the request; <c>content-type: application/json</c> and <c>host</c> are signed too and must go out as they are.</summary>
    /// <param name="uri">As it goes on the wire: its path is encoded already, and is encoded once more here, as the service does.</param>
    /// <param name="body">Exactly the bytes that are sent.</param>
    public static IEnumerable<KeyValuePair<string, string>> Sign(Uri uri, ReadOnlySpan<byte> body, string region, AwsKey key, DateTimeOffset now)
    {
        var time = now.UtcDateTime.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        var day = time[..8];
        var hash = Hex(SHA256.HashData(body));
        var signed = new List<KeyValuePair<string, string>>
        {
            new("content-type", "application/json"),
            new("host", uri.Authority),
            new("x-amz-content-sha256", hash),
            new("x-amz-date", time),
        };
        if (key.SessionToken is not null) signed.Add(new("x-amz-security-token", key.SessionToken));

        var names = string.Join(';', signed.Select(h => h.Key));
        var path = string.Join('/', uri.AbsolutePath.Split('/').Select(Uri.EscapeDataString));
        var headers = string.Concat(signed.Select(h => $"{h.Key}:{h.Value}\n"));
        var canonical = $"POST\n{path}\n{uri.Query.TrimStart('?')}\n{headers}\n{names}\n{hash}";
        var scope = $"{day}/{region}/{Service}/aws4_request";
        var toSign = $"{Algorithm}\n{time}\n{scope}\n{Hex(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";

        var secret = Encoding.UTF8.GetBytes("AWS4" + key.Secret);
        foreach (var step in (ReadOnlySpan<string>)[day, region, Service, "aws4_request", toSign]) secret = HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(step));
        var credential = $"{Algorithm} Credential={key.Id}/{scope}, SignedHeaders={names}, Signature={Hex(secret)}";
        return signed.Skip(2).Append(new("authorization", credential));
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);
}
