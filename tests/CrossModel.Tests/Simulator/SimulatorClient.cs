using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using CrossModel.Simulator;

namespace CrossModel.Tests.Simulator;

/// <summary>A simulator and a client that shows what came over the wire, not what a library made of it.</summary>
public sealed class SimulatorClient : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly HttpMessageInvoker _invoker = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });

    internal SimulatorHost Host { get; private init; } = null!;

    internal static async Task<SimulatorClient> StartAsync(SimulatorOptions? options = null) =>
        new() { Host = await SimulatorHost.StartAsync(options ?? new SimulatorOptions(), TestContext.Current.CancellationToken) };

    public sealed record Answer(int Status, HttpResponseHeaders Headers, string? Type, string Body)
    {
        public JsonNode Json => JsonNode.Parse(Body)!;

        /// <summary>The data of each event, without [DONE].</summary>
        public List<string> Events => [.. Body.ReplaceLineEndings("\n").Split("\n\n", StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(block => block.Split('\n')).Where(line => line.StartsWith("data: ", StringComparison.Ordinal)).Select(line => line[6..]).Where(data => data != "[DONE]")];

        public List<JsonNode> Chunks => [.. Events.Select(data => JsonNode.Parse(data)!)];

        public string Text => string.Concat(Chunks.Select(chunk => (string?)chunk["choices"]?.AsArray().FirstOrDefault()?["delta"]?["content"]));
    }

    public async Task<Answer> SendAsync(HttpMethod method, string path, string? body, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, new Uri(Host.Address, path));
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        using var timeout = new CancellationTokenSource(Patience);
        using var response = await _invoker.SendAsync(request, timeout.Token);
        var text = await response.Content.ReadAsStringAsync(timeout.Token);
        return new Answer((int)response.StatusCode, response.Headers, response.Content.Headers.ContentType?.MediaType, text);
    }

    public Task<Answer> PostAsync(string body, params (string Name, string Value)[] headers) =>
        SendAsync(HttpMethod.Post, "/v1/chat/completions", body, headers);

    /// <summary>Asks with a script as the model's name and no more words than needed.</summary>
    public Task<Answer> AskAsync(string model, bool stream = false, string more = "") => PostAsync(Ask(model, stream, more));

    public static string Ask(string model, bool stream = false, string more = "", string text = "Hello there") =>
        $$"""{"model":{{Quoted(model)}},"stream":{{(stream ? "true" : "false")}},"messages":[{"role":"user","content":{{Quoted(text)}}}]{{more}}}""";

    private static string Quoted(string text) => JsonValue.Create(text).ToJsonString();

    /// <summary>All bytes until the server closes, and whether it closed with a reset.</summary>
    public async Task<(string Text, bool Reset)> RawAsync(string body, string path = "/v1/chat/completions")
    {
        using var socket = await ConnectAsync(body, path);
        using var timeout = new CancellationTokenSource(Patience);
        var (received, buffer) = (new List<byte>(), new byte[65_536]);
        try
        {
            for (int read; (read = await socket.ReceiveAsync(buffer, timeout.Token)) > 0;)
                received.AddRange(buffer.AsSpan(0, read));
            return (Encoding.UTF8.GetString([.. received]), false);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            return (Encoding.UTF8.GetString([.. received]), true);
        }
    }

    /// <summary>The status of a JSON request whose path and headers go out exactly as given.</summary>
    public async Task<int> SendExactlyAsync(string path, string body, params (string Name, string Value)[] headers)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync("127.0.0.1", Host.Address.Port);
        var lines = string.Concat(headers.Select(header => $"{header.Name}: {header.Value}\r\n"));
        var length = Encoding.UTF8.GetByteCount(body).ToString(CultureInfo.InvariantCulture);
        await socket.SendAsync(Encoding.UTF8.GetBytes($"POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{lines}\r\n{body}"));
        var buffer = new byte[4_096];
        var read = await socket.ReceiveAsync(buffer);
        return int.Parse(Encoding.ASCII.GetString(buffer, 0, read).Split(' ')[1], CultureInfo.InvariantCulture);
    }

    /// <summary>A connection on which the request was sent and nothing read.</summary>
    public async Task<Socket> ConnectAsync(string body, string path = "/v1/chat/completions")
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync("127.0.0.1", Host.Address.Port);
        var length = Encoding.UTF8.GetByteCount(body).ToString(CultureInfo.InvariantCulture);
        await socket.SendAsync(Encoding.UTF8.GetBytes($"POST {path} HTTP/1.1\r\nHost: simulator\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"));
        return socket;
    }

    public async ValueTask DisposeAsync()
    {
        _invoker.Dispose();
        await Host.DisposeAsync();
    }
}
