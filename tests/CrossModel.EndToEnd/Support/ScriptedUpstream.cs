using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace CrossModel.EndToEnd.Support;

/// <summary>What an upstream received.</summary>
internal sealed record Received(string Path, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public string Text => Encoding.UTF8.GetString(Body);
    public System.Text.Json.Nodes.JsonNode Json => System.Text.Json.Nodes.JsonNode.Parse(Body)!;
}

/// <summary>A real server on a free loopback port that answers as a test says, byte for byte, and keeps what it received.</summary>
internal sealed class ScriptedUpstream : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Received> _received = new();

    private ScriptedUpstream(WebApplication app) => _app = app;

    public Uri Address => new(_app.Urls.First());
    public string BaseUrl => new Uri(Address, "/v1").ToString();
    public IReadOnlyList<Received> Received => [.. _received];

    /// <param name="certificate">With one it speaks https, and HTTP/2 with whoever wants that; null: http.</param>
    /// <param name="streams">The most calls at once on one connection of HTTP/2.</param>
    /// <param name="reads">False: it answers without having read the body.</param>
    public static async Task<ScriptedUpstream> StartAsync(Func<HttpContext, Received, Task> answer, X509Certificate2? certificate = null, int streams = 100, bool reads = true)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k =>
        {
            k.Limits.MaxRequestBodySize = null;
            k.Limits.MinResponseDataRate = null;
            k.Limits.Http2.MaxStreamsPerConnection = streams;
            k.Listen(IPAddress.Loopback, 0, listen =>
            {
                if (certificate is not null) listen.UseHttps(certificate);
            });
        });
        var app = builder.Build();
        var upstream = new ScriptedUpstream(app);
        app.Run(async http =>
        {
            using var body = new MemoryStream();
            if (reads) await http.Request.Body.CopyToAsync(body);
            var received = new Received(http.Request.Path + http.Request.QueryString,
                http.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase), body.ToArray());
            upstream._received.Enqueue(received);
            await answer(http, received);
        });
        await app.StartAsync();
        return upstream;
    }

    /// <summary>Answers every request with the same status and body.</summary>
    public static Task<ScriptedUpstream> AlwaysAsync(int status, string contentType, byte[] body, params (string Name, string Value)[] headers) =>
        StartAsync(async (http, _) =>
        {
            http.Response.StatusCode = status;
            http.Response.ContentType = contentType;
            foreach (var (name, value) in headers) http.Response.Headers[name] = value;
            await http.Response.Body.WriteAsync(body);
        });

    public static Task<ScriptedUpstream> JsonAsync(string json, int status = 200) => AlwaysAsync(status, "application/json", Encoding.UTF8.GetBytes(json));

    public static Task<ScriptedUpstream> EventsAsync(params string[] data) =>
        AlwaysAsync(200, "text/event-stream", Encoding.UTF8.GetBytes(string.Concat(data.Select(d => $"data: {d}\n\n"))));

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }
}
