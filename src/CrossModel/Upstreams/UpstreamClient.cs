using System.Net;
using System.Net.Http.Headers;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;

namespace CrossModel.Upstreams;

/// <summary>The connections to one upstream. Never follows a redirect, keeps a cookie or sends a header of the caller's.</summary>
internal sealed class UpstreamClient : IDisposable
{
    private static readonly MediaTypeHeaderValue Json = new("application/json");
    private readonly HttpMessageInvoker _http;

    public UpstreamClient(UpstreamConfig config) => _http = new HttpMessageInvoker(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        // The environment's proxy would look for this machine's servers on its own machine; the built-in simulation is such a one.
        UseProxy = !(Uri.TryCreate(config.BaseUrl, UriKind.Absolute, out var address) && address.IsLoopback),
        AutomaticDecompression = DecompressionMethods.None,
        ConnectTimeout = config.Timeouts.Connect,
        // A connection lives long enough to be reused and short enough to follow a change of address in DNS.
        PooledConnectionLifetime = TimeSpan.FromMinutes(10),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(50),
        EnableMultipleHttp2Connections = true,
        // Many calls share one connection, new ones too: one that died without a word (a firewall forgot it) would fail them all until it is old.
        // Seldom: servers may take many questions for an attack.
        KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
        KeepAlivePingDelay = TimeSpan.FromSeconds(30),
        KeepAlivePingTimeout = TimeSpan.FromSeconds(15),
        ConnectCallback = HappyEyeballs.ConnectAsync,
        ActivityHeadersPropagator = null,
        SslOptions = ClientTls.Options,
        // What an abandoned reply still has to say is not worth waiting for.
        ResponseDrainTimeout = TimeSpan.FromMilliseconds(200),
        MaxResponseDrainSize = 16 * 1024,
    });

    /// <summary>Sends and waits for the headers. Throws what SocketsHttpHandler throws; <see cref="Attempt.Explain"/> reads it.</summary>
    public Task<HttpResponseMessage> SendAsync(IDialect dialect, UpstreamRequest request, CancellationToken cancellation)
    {
        // Never disposed: it holds nothing but memory, and a method that waits to dispose it would be one more step of every call.
        var message = new HttpRequestMessage(HttpMethod.Post, request.Uri)
        {
            Content = new RequestContent(request),
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
            Version = request.Uri.Scheme == Uri.UriSchemeHttps ? HttpVersion.Version20 : HttpVersion.Version11,
        };
        message.Content.Headers.ContentType = Json;
        message.Headers.TryAddWithoutValidation("Accept", request.Accept ?? (request.Stream ? "text/event-stream" : "application/json"));
        message.Headers.TryAddWithoutValidation("User-Agent", "crossmodel");
        foreach (var (name, value) in request.Headers) message.Headers.TryAddWithoutValidation(name, value);
        var authorized = dialect.AuthorizeAsync(message, request, cancellation);
        return authorized.IsCompletedSuccessfully ? _http.SendAsync(message, cancellation) : SendWhenAsync(authorized, message, cancellation);
    }

    private async Task<HttpResponseMessage> SendWhenAsync(ValueTask authorized, HttpRequestMessage message, CancellationToken cancellation)
    {
        await authorized;
        return await _http.SendAsync(message, cancellation);
    }

    /// <summary>A GET of this address, with nothing of a caller's. <paramref name="dialect"/> null: without credentials.</summary>
    public async Task<HttpResponseMessage> GetAsync(UpstreamRequest request, IDialect? dialect, CancellationToken cancellation)
    {
        using var message = new HttpRequestMessage(HttpMethod.Get, request.Uri) { VersionPolicy = HttpVersionPolicy.RequestVersionOrHigher, Version = HttpVersion.Version11 };
        message.Headers.TryAddWithoutValidation("User-Agent", "crossmodel");
        foreach (var (name, value) in request.Headers) message.Headers.TryAddWithoutValidation(name, value);
        if (dialect is not null) await dialect.AuthorizeAsync(message, request, cancellation);
        return await _http.SendAsync(message, cancellation);
    }

    public void Dispose() => _http.Dispose();
}
