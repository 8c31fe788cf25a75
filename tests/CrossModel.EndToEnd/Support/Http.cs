using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace CrossModel.EndToEnd.Support;

/// <summary>What came back: status, headers, and the body's exact bytes.</summary>
internal sealed record HttpReply(HttpStatusCode Status, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public string Text => Encoding.UTF8.GetString(Body);
    public JsonNode Json => JsonNode.Parse(Body)!;
    public string? Header(string name) => Headers.GetValueOrDefault(name);
    public string? ErrorCode => (string?)Json["error"]?["code"];

    /// <summary>The data of each event, comments left out.</summary>
    public IReadOnlyList<string> Events => [.. Text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(e => e.StartsWith("data: ", StringComparison.Ordinal)).Select(e => e["data: ".Length..])];

    public IReadOnlyList<JsonNode> Chunks => [.. Events.Where(e => e != "[DONE]").Select(e => JsonNode.Parse(e)!)];
}

/// <summary>A plain HTTP client without a policy of its own.</summary>
internal sealed class Http(Uri address) : IDisposable
{
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false, ResponseDrainTimeout = TimeSpan.Zero });

    public Uri Base => address;

    public Task<HttpReply> GetAsync(string path, string? key = null, params (string Name, string Value)[] headers) => SendAsync(HttpMethod.Get, path, null, key, headers);

    public async Task<HttpReply> SendAsync(HttpMethod method, string path, string? body, string? key, params (string Name, string Value)[] headers)
    {
        using var response = await OpenAsync(method, path, body is null ? null : Encoding.UTF8.GetBytes(body), key, headers);
        return await ReadAsync(response);
    }

    /// <summary>Answers at the headers; the body is still on its way.</summary>
    public async Task<HttpResponseMessage> OpenAsync(HttpMethod method, string path, byte[]? body, string? key, (string Name, string Value)[]? headers = null, CancellationToken cancellation = default)
    {
        using var message = new HttpRequestMessage(method, new Uri(address, path));
        if (body is not null) message.Content = new ByteArrayContent(body) { Headers = { { "Content-Type", "application/json" } } };
        if (key is not null) message.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key);
        foreach (var (name, value) in headers ?? [])
        {
            if (!message.Headers.TryAddWithoutValidation(name, value)) message.Content!.Headers.TryAddWithoutValidation(name, value);
        }
        return await _http.SendAsync(message, cancellation);
    }

    public static async Task<HttpReply> ReadAsync(HttpResponseMessage response)
    {
        var body = await response.Content.ReadAsByteArrayAsync();
        var headers = response.Headers.Concat(response.Content.Headers).ToDictionary(h => h.Key, h => string.Join(", ", h.Value), StringComparer.OrdinalIgnoreCase);
        return new HttpReply(response.StatusCode, headers, body);
    }

    public void Dispose() => _http.Dispose();
}
