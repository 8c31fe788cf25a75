using System.Net;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Vertex;

/// <summary>
/// An access token for Google Cloud, from a credential file or the machine's own identity. Kept, and renewed five minutes before it ends;
/// once more where Google refuses it before its time.
/// </summary>
internal sealed class GoogleToken : IDisposable
{
    /// <summary>Where a machine in Google Cloud asks for its own token. Plain http: the address leads nowhere but to the machine's host.</summary>
    public const string MetadataAddress = "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token";

    private const int LongestReply = 64 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly HttpMessageInvoker _http;
    private readonly RefreshAhead<string> _token;
    private readonly TimeProvider _time;
    private readonly string? _file;
    private readonly string _metadata;

    /// <param name="file">Path of a credential file; null: the machine's identity.</param>
    public GoogleToken(string? file, TimeProvider time, string metadata = MetadataAddress)
    {
        (_file, _metadata, _time) = (file, metadata, time);
        // A proxy of the environment would ask its own machine's host for the token.
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = file is not null,
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = TimeSpan.FromSeconds(5),
            ConnectCallback = HappyEyeballs.ConnectAsync,
            ActivityHeadersPropagator = null,
            SslOptions = ClientTls.Options,
        });
        _token = new RefreshAhead<string>(FetchAsync, time);
    }

    /// <summary>The file that Google's own tools would take on this machine; null: none.</summary>
    public static string? UsualFile()
    {
        if (Environment.GetEnvironmentVariable("GOOGLE_APPLICATION_CREDENTIALS") is { Length: > 0 } named) return named;
        var folder = OperatingSystem.IsWindows()
            ? Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData)
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".config");
        var file = Path.Combine(folder, "gcloud", "application_default_credentials.json");
        return File.Exists(file) ? file : null;
    }

    public ValueTask<string> GetAsync(CancellationToken cancellation) => _token.GetAsync(cancellation);

    /// <summary>Google has refused the token. True: it was not fresh, and the next call gets another.</summary>
    public bool Forget() => _token.Forget(TimeSpan.FromMinutes(1));

    public void Dispose()
    {
        _token.Dispose();
        _http.Dispose();
    }

    private async Task<(string Value, DateTimeOffset Until)> FetchAsync(CancellationToken cancellation)
    {
        // The file is read anew each time: keys are rotated under a running program.
        var file = _file is null ? null : GoogleKeyFile.Read(_file);
        using var message = new HttpRequestMessage(file is null ? HttpMethod.Get : HttpMethod.Post, file?.TokenAddress ?? new Uri(_metadata));
        if (file is null) message.Headers.TryAddWithoutValidation("Metadata-Flavor", "Google");
        else message.Content = new FormUrlEncodedContent(file.TokenRequest(_time.GetUtcNow()));
        var source = file is null ? "the metadata server" : "Google's token endpoint";
        using var deadline = new CancellationTokenSource(Patience, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        try
        {
            using var response = await _http.SendAsync(message, either.Token);
            await response.Content.LoadIntoBufferAsync(LongestReply, either.Token);
            var body = await response.Content.ReadAsByteArrayAsync(either.Token);
            if (response.StatusCode != HttpStatusCode.OK)
                throw new CredentialException($"{source} gave no access token: status {(int)response.StatusCode} {Fault(body)}".TrimEnd());
            using var json = JsonDocument.Parse(body);
            var token = json.RootElement.GetProperty("access_token"u8).GetString();
            var seconds = json.RootElement.TryGetProperty("expires_in"u8, out var given) && given.TryGetInt32(out var number) ? number : 3600;
            return token is { Length: > 0 } ? (token, _time.GetUtcNow() + TimeSpan.FromSeconds(seconds)) : throw new CredentialException($"{source} gave an empty access token");
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new CredentialException($"{source} cannot be reached, or does not answer with an access token", fault);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new CredentialException($"{source} did not answer in time");
        }
    }

    /// <summary>OAuth's own word for what is wrong, e.g. <c>invalid_grant</c>: never a secret.</summary>
    private static string Fault(byte[] body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.GetProperty("error"u8).GetString() is { Length: < 64 } word && word.All(c => char.IsAsciiLetter(c) || c == '_') ? word : "";
        }
        catch (Exception fault) when (fault is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return "";
        }
    }
}
