using System.Net;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Routing;

/// <summary>A model server that people run on their own machine, at its usual port.</summary>
/// <param name="Name">Upstream name and first part of its models' ids.</param>
/// <param name="Preset">Its quirks, by name.</param>
internal sealed record LoopbackServer(string Name, string Title, int Port, string Preset)
{
    public static IReadOnlyList<LoopbackServer> Usual { get; } =
    [
        new("ollama", "Ollama", 11434, "ollama"),
        new("lmstudio", "LM Studio", 1234, "lmstudio"),
        new("vllm", "vLLM", 8000, "vllm"),
        new("sglang", "SGLang", 30000, "sglang"),
        new("llamacpp", "llama.cpp", 8080, "llama.cpp"),
        new("llamacpp-8081", "llama.cpp", 8081, "llama.cpp"),
    ];
}

/// <summary>
/// Asks the usual loopback ports for model servers: in the background, again and again, so that a server started later is found and one
/// that stopped is forgotten. Their models are free: they run on the operator's own machine.
/// </summary>
/// <param name="servers">Where to ask.</param>
/// <param name="own">Ports that this gateway itself listens on: never asked.</param>
internal sealed class LoopbackServers(IReadOnlyList<LoopbackServer> servers, IReadOnlySet<int> own, TimeProvider time) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);
    // A server at its limit may not answer in time: it is asked again soon, and forgotten after the third silence.
    private static readonly TimeSpan Doubt = TimeSpan.FromSeconds(2);
    private const int MostSilences = 3;
    private const int LargestAnswer = 1024 * 1024;
    private const int MostModels = 500;

    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        ConnectTimeout = TimeSpan.FromMilliseconds(500),
        PooledConnectionIdleTimeout = TimeSpan.FromSeconds(1),
        ActivityHeadersPropagator = null,
    });

    /// <summary>Probes until cancelled; <paramref name="changed"/> hears of the first result and of every different one.</summary>
    public async Task WatchAsync(Func<DiscoveredModels, ValueTask> changed, CancellationToken cancellation)
    {
        string? before = null;
        var known = new Dictionary<LoopbackServer, (List<string> Models, int Silences)>();
        while (!cancellation.IsCancellationRequested)
        {
            foreach (var (server, models) in await AskAllAsync(cancellation))
            {
                if (models.Count > 0) known[server] = (models, 0);
                else if (known.TryGetValue(server, out var last) && last.Silences + 1 < MostSilences) known[server] = (last.Models, last.Silences + 1);
                else known.Remove(server);
            }
            var found = Found(servers.Where(known.ContainsKey).Select(server => (server, known[server].Models)));
            var sign = string.Join('\n', found.Models.Keys.Order(StringComparer.Ordinal));
            if (sign != before && !cancellation.IsCancellationRequested) await changed(found);
            before = sign;
            await Task.Delay(known.Values.Any(k => k.Silences > 0) ? Doubt : Interval, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Asks all ports side by side, each for at most a second. Never throws for a server that is not there or answers nonsense.</summary>
    private async Task<IReadOnlyList<(LoopbackServer Server, List<string> Models)>> AskAllAsync(CancellationToken cancellation) =>
        await Task.WhenAll(servers.Where(s => !own.Contains(s.Port)).Select(async s => (s, await AskAsync(s.Port, cancellation))));

    private static DiscoveredModels Found(IEnumerable<(LoopbackServer Server, List<string> Models)> answers) =>
        answers.Aggregate(DiscoveredModels.None, (found, answer) => found.With(Of(answer.Server, answer.Models)));

    private async Task<List<string>> AskAsync(int port, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(Patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, $"http://127.0.0.1:{port}/v1/models");
            using var answer = await _http.SendAsync(request, either.Token);
            if (answer.StatusCode != HttpStatusCode.OK) return [];
            using var body = new PooledBuffer();
            await using var stream = await answer.Content.ReadAsStreamAsync(either.Token);
            int read;
            while ((read = await stream.ReadAsync(body.GetMemory(4096), either.Token)) > 0)
            {
                body.Advance(read);
                if (body.Length > LargestAnswer) return [];
            }
            await SocketTurn.End();
            return Ids(body.Memory);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException or JsonException or InvalidOperationException)
        {
            return [];
        }
    }

    /// <summary>The ids of <c>{"data":[{"id":…}]}</c>, none when it is something else or another of these gateways (its ids would loop).</summary>
    private static List<string> Ids(ReadOnlyMemory<byte> body)
    {
        using var json = JsonDocument.Parse(body);
        if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("data", out var data) || data.ValueKind != JsonValueKind.Array) return [];
        var ids = new List<string>();
        foreach (var model in data.EnumerateArray())
        {
            if (model.ValueKind != JsonValueKind.Object || !model.TryGetProperty("id", out var id) || id.ValueKind != JsonValueKind.String) continue;
            var text = id.GetString()!;
            if (text.Length is > 0 and <= 200 && !text.Contains("embed", StringComparison.OrdinalIgnoreCase) && ids.Count < MostModels) ids.Add(text);
        }
        return ids.Contains(KeyDiscovery.SimulatedModel) ? [] : ids;
    }

    private static DiscoveredModels Of(LoopbackServer server, List<string> ids)
    {
        var models = ids.DistinctBy(ShortName).ToDictionary(
            id => $"{server.Name}/{ShortName(id)}",
            id => new ModelConfig { Routes = [new RouteConfig { Upstream = server.Name, Model = id }], Price = new PriceConfig { IsFree = true }, Name = ShortName(id) },
            StringComparer.Ordinal);
        return new(
            new Dictionary<string, UpstreamConfig> { [server.Name] = new() { Dialect = "openai", BaseUrl = $"http://127.0.0.1:{server.Port}/v1", Preset = server.Preset } },
            models,
            [new DiscoverySource(server.Name, $"{server.Title} at 127.0.0.1:{server.Port}", models.Count, "free")]);
    }

    /// <summary>llama.cpp may name a model by the path of its file: the path is nobody's business.</summary>
    private static string ShortName(string id) => id.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) ? Path.GetFileNameWithoutExtension(id) : id;

    public void Dispose() => _http.Dispose();
}
