namespace CrossModel.Simulator;

/// <summary>A simulated provider on a real socket: for `crossmodel simulate`, for the model crossmodel/simulated, and for tests.</summary>
internal sealed class SimulatorHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly CancellationTokenSource _stopping;
    private readonly RequestLog _log;

    private SimulatorHost(WebApplication app, CancellationTokenSource stopping, RequestLog log) => (_app, _stopping, _log) = (app, stopping, log);

    /// <summary>Where it listens, with the port it got: <c>http://127.0.0.1:9100</c>. OpenAI's wire begins at /v1 below it.</summary>
    public Uri Address => new(_app.Urls.First());

    /// <summary>What it received, oldest first, at most as many as the options keep.</summary>
    public IReadOnlyList<RecordedRequest> Requests => _log.Snapshot();

    /// <exception cref="IOException">The address is in use.</exception>
    public static async Task<SimulatorHost> StartAsync(SimulatorOptions options, CancellationToken ct = default)
    {
        // The empty builder reads no environment and no files: ASPNETCORE_URLS must not move a simulator inside a gateway.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.AllowSynchronousIO = false;
            kestrel.Limits.MaxRequestBodySize = 256 << 20;
            kestrel.Limits.MaxRequestHeadersTotalSize = 1 << 17;
            kestrel.Limits.MaxRequestLineSize = 1 << 17;
            kestrel.Limits.MaxRequestBufferSize = 1 << 20;
            // Hanging and dripping are what it is for.
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
        });
        builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(2));
        var app = builder.Build();
        foreach (var url in options.Url.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            app.Urls.Add(url);
        var stopping = new CancellationTokenSource();
        var log = new RequestLog(options.KeepRequests);
        var exchange = new Exchange(options, new ScriptSource(), log, new FastReplies(options.Time));
        app.Run(http => exchange.HandleAsync(http, stopping.Token));
        try
        {
            await app.StartAsync(ct);
        }
        catch
        {
            await app.DisposeAsync();
            stopping.Dispose();
            throw;
        }
        return new SimulatorHost(app, stopping, log);
    }

    /// <summary>`crossmodel simulate`: runs until it is cancelled. IOException, SocketException: the address cannot be listened on.</summary>
    public static async Task RunAsync(string urls, TextWriter stdout, CancellationToken ct)
    {
        try
        {
            await using var host = await StartAsync(new SimulatorOptions { Url = urls, KeepRequests = 0 }, ct);
            var address = host.Address.ToString().TrimEnd('/');
            await stdout.WriteLineAsync($"A simulated provider listens on {address}; nothing it says comes from a model.");
            await stdout.WriteLineAsync($"  OpenAI     {address}/v1          any key, any model name");
            await stdout.WriteLineAsync($"  Anthropic, Gemini, Vertex AI, Azure OpenAI, Amazon Bedrock: their own paths below {address}");
            await stdout.WriteLineAsync("  faults     by model name (sim-429-then-200), header (x-simulate: status=503) or in the last user message ([[simulate: cut=3]])");
            await stdout.FlushAsync(ct);
            await Task.Delay(Timeout.InfiniteTimeSpan, ct);
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_stopping.IsCancellationRequested)
            return;
        await _stopping.CancelAsync();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
