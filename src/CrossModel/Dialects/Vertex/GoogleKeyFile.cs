using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace CrossModel.Dialects.Vertex;

/// <summary>A credential file of Google Cloud: a service account's key, or what a person's sign-in on this machine has left.</summary>
internal sealed class GoogleKeyFile
{
    private const string Scope = "https://www.googleapis.com/auth/cloud-platform";
    private const string UsualTokenAddress = "https://oauth2.googleapis.com/token";

    private readonly Dictionary<string, string> _members = [];

    private GoogleKeyFile(JsonElement json)
    {
        foreach (var member in json.EnumerateObject().Where(m => m.Value.ValueKind == JsonValueKind.String)) _members[member.Name] = member.Value.GetString()!;
        var address = _members.GetValueOrDefault("token_uri", UsualTokenAddress);
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri) || uri.Scheme is not ("https" or "http"))
            throw new CredentialException("the Google credential file has a token_uri that is no web address");
        TokenAddress = uri;
    }

    public Uri TokenAddress { get; }

    public static GoogleKeyFile Read(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            return new GoogleKeyFile(json.RootElement);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or JsonException or InvalidOperationException)
        {
            throw new CredentialException("the Google credential file cannot be read, or is no JSON object", fault);
        }
    }

    /// <summary>The form that is exchanged for an access token at <see cref="TokenAddress"/>.</summary>
    public IEnumerable<KeyValuePair<string, string>> TokenRequest(DateTimeOffset now) => Member("type") switch
    {
        "service_account" =>
        [
            new("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            new("assertion", Assertion(now)),
        ],
        "authorized_user" =>
        [
            new("grant_type", "refresh_token"), new("client_id", Member("client_id")), new("client_secret", Member("client_secret")), new("refresh_token", Member("refresh_token")),
        ],
        var other => throw new CredentialException($"a Google credential file of type {other} is not read here: use a service account's key, or the machine's own credentials"),
    };

    /// <summary>The statement of the service account about itself, signed with its key, good for an hour.</summary>
    private string Assertion(DateTimeOffset now)
    {
        var issued = now.ToUnixTimeSeconds();
        var head = Part(json =>
        {
            json.WriteString("alg"u8, "RS256"u8);
            json.WriteString("typ"u8, "JWT"u8);
            if (_members.TryGetValue("private_key_id", out var id)) json.WriteString("kid"u8, id);
        });
        var claims = Part(json =>
        {
            json.WriteString("iss"u8, Member("client_email"));
            json.WriteString("scope"u8, Scope);
            json.WriteString("aud"u8, TokenAddress.OriginalString);
            json.WriteNumber("iat"u8, issued);
            json.WriteNumber("exp"u8, issued + 3600);
        });
        try
        {
            using var key = RSA.Create();
            // Line ends arrive escaped where the file went through an environment variable.
            key.ImportFromPem(Member("private_key").Replace("\\n", "\n", StringComparison.Ordinal));
            var signature = key.SignData(Encoding.ASCII.GetBytes($"{head}.{claims}"), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
            return $"{head}.{claims}.{System.Buffers.Text.Base64Url.EncodeToString(signature)}";
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            throw new CredentialException("the private key in the Google credential file cannot be used", fault);
        }
    }

    private static string Part(Action<Utf8JsonWriter> members)
    {
        var text = new System.Buffers.ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(text);
        json.WriteStartObject();
        members(json);
        json.WriteEndObject();
        json.Flush();
        return System.Buffers.Text.Base64Url.EncodeToString(text.WrittenSpan);
    }

    private string Member(string name) => _members.GetValueOrDefault(name) ?? throw new CredentialException($"the Google credential file has no {name}");
}
