using System.Data.Common;
using System.Net;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Chat;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Limits;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Storage;
using CrossModel.Upstreams;
using CrossModel.Usage;
using CrossModel.WebConsole;

namespace CrossModel;

/// <summary>How to start. Tests start the same program with port 0 and a temporary database.</summary>
internal sealed record GatewayOptions
{
    /// <summary>Null: no file; built-in defaults and what is found on this machine.</summary>
    public string? ConfigFile { get; init; }

    /// <summary>Beats the file's urls; null: the file's.</summary>
    public string? Urls { get; init; }

    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Model servers to look for where there is no configuration file.</summary>
    public IReadOnlyList<LoopbackServer> LoopbackServers { get; init; } = LoopbackServer.Usual;

    /// <summary>Which addresses files of callers may be fetched from.</summary>
    public Func<IPAddress, bool> MayFetchFrom { get; init; } = PublicAddress.Is;

    public TimeProvider Time { get; init; } = TimeProvider.System;
    public Action<ILoggingBuilder> Logging { get; init; } = _ => { };

    /// <summary>The load run puts one in its place that does nothing, to tell what settling costs.</summary>
    public Func<Books, Settlements> Settlements { get; init; } = books => new Settlements(books);
}

/// <summary>The whole program, put together by hand, top to bottom.</summary>
internal sealed class Gateway : IAsyncDisposable
{
    /// <summary>Who reads metrics comes one at a time, and is not kept out by strangers on the main address.</summary>
    private const long MetricsConnections = 16;

    private readonly Listener _listener;
    private readonly Stack<IAsyncDisposable> _rooms;
    private readonly CancellationTokenSource _stopping;
    private readonly Capacity _capacity;
    private readonly Snapshots _snapshots;
    private readonly SnapshotBuilder _builder;
    private readonly ILoggerFactory _logs;

    private Gateway(
        Listener listener, Stack<IAsyncDisposable> rooms, CancellationTokenSource stopping, Capacity capacity, Snapshots snapshots, SnapshotBuilder builder, ILoggerFactory logs) =>
        (_listener, _rooms, _stopping, _capacity, _snapshots, _builder, _logs) = (listener, rooms, stopping, capacity, snapshots, builder, logs);

    /// <summary>Addresses that are really listened on.</summary>
    public IReadOnlyList<string> Addresses => [.. _listener.Urls];

    /// <summary>Where metrics.urls is really listened on; empty: metrics are at the main addresses.</summary>
    public required IReadOnlyList<string> MetricsAddresses { get; init; }

    public required Database Database { get; init; }

    /// <summary>There is a configuration file: nothing is made or found by itself.</summary>
    public required bool HasFile { get; init; }

    /// <summary>Where the models of a start without a file come from; grows when servers on this machine are found.</summary>
    public IReadOnlyList<DiscoverySource> Sources => _builder.Sources;

    /// <summary>Done when the usual ports of this machine have been asked once.</summary>
    public Task FirstProbe { get; private set; } = Task.CompletedTask;

    private HashSet<int> Ports => [.. Addresses.Select(a => new Uri(a).Port)];

    /// <summary>Reads the configuration, opens the database, builds the rooms, listens. Throws <see cref="StartException"/> with words for the operator.</summary>
    public static async Task<Gateway> StartAsync(GatewayOptions options, CancellationToken cancellation = default)
    {
        var logs = LoggerFactory.Create(logging =>
        {
            logging.AddFilter("Microsoft", LogLevel.Warning);
            // A line for each connection beyond the ceiling: strangers would write the log.
            logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel.Connections", LogLevel.Error);
            options.Logging(logging);
        });
        var rooms = new Stack<IAsyncDisposable>();
        try
        {
            return await StartAsync(options, logs, rooms, cancellation);
        }
        catch (Exception e)
        {
            var name = rooms.OfType<Database>().FirstOrDefault()?.Name;
            while (rooms.TryPop(out var room)) await room.DisposeAsync();
            logs.Dispose();
            if (e is DatabaseException or IOException) throw new StartException(e.Message, e);
            if (e is DbException) throw new StartException($"{name} cannot be used: {e.Message}", e);
            throw;
        }
    }

    /// <param name="rooms">Takes what must be disposed of, last first.</param>
    private static async Task<Gateway> StartAsync(GatewayOptions options, ILoggerFactory logs, Stack<IAsyncDisposable> rooms, CancellationToken cancellation)
    {
        T Room<T>(T room) where T : IAsyncDisposable
        {
            rooms.Push(room);
            return room;
        }
        var time = options.Time;

        // Configuration.
        var file = options.ConfigFile;
        var watcher = Room(ConfigWatcher.Open(file, options.Environment, Rules(time), logs.CreateLogger("CrossModel.Configuration"), out var loaded)
            ?? throw new StartException(ConfigReport.Text(loaded).TrimEnd()));
        var config = watcher.Current;

        // The books.
        var database = Room(await Database.OpenAsync(config.Database,
            new DatabaseOptions(config.Storage, time, Server: true, logs.CreateLogger("CrossModel.Storage")), cancellation));
        var changes = Room(new ChangeFeed(database, logs.CreateLogger("CrossModel.Storage")));
        var keys = new KeyRing(database, changes, () => watcher.Current.Limits.StaleAfter);
        var books = Room(new Books(database, logs.CreateLogger("CrossModel.Billing")));
        var purses = Room(await Purses.StartAsync(books, cancellation));
        var alerts = Room(new Alerts(database, () => AlertRuleOf(watcher.Current), logs.CreateLogger("CrossModel.Billing")));
        var settlements = options.Settlements(books);
        settlements.BalanceChanged = alerts.Note;
        var limits = Room(new LimitGate(database, database.IsShared, logs.CreateLogger("CrossModel.Limits")));
        await changes.StartAsync();

        // Who serves.
        var builder = Room(new SnapshotBuilder(file is null ? KeyDiscovery.Find(options.Environment) : DiscoveredModels.None, time));
        var snapshots = await builder.StartAsync(config);

        // The way of a request.
        var capacity = new Capacity(snapshots);
        var settlement = new Settlement(settlements);
        var stopping = new CancellationTokenSource();
        var store = new ReplyStore(database, books.Node, logs.CreateLogger("CrossModel.Usage"));
        await store.FreeAllRunningAsync();
        var repeats = new Repeats(store, time);
        var meters = new Meters();
        var remote = Room(new RemoteFiles(options.MayFetchFrom, time));
        var log = logs.CreateLogger<ChatEndpoint>();
        var chat = new ChatEndpoint(
            snapshots, keys, new Admission(limits, purses), capacity, new RemoteInputs(remote, time), new Relay(settlement, repeats, time, log), settlement, repeats,
            new ReplyCache(store), meters, time, log);
        var metrics = new MetricsEndpoint(meters, capacity, books, settlements, snapshots, time, hasOwnAddress: config.Metrics.Urls is not null);
        var door = new FrontDoor(
            chat, new AccountEndpoints(database, purses, snapshots), keys, snapshots, new Readiness(capacity, changes, purses, snapshots), metrics,
            Room(new ConsoleEndpoint(database, snapshots, () => watcher.Faults)), time, logs.CreateLogger<FrontDoor>(), stopping.Token);

        // Listen.
        async Task<Listener> ListenAsync(string urls, long? connections, string why, RequestDelegate answer)
        {
            var listener = Room(new Listener(urls, connections, why, config.Limits.RequestHeaders, time, logs));
            await listener.StartAsync(answer, cancellation);
            return listener;
        }
        var listener = OpenFiles.Connections() is { } files && files <= Capacity.MostConnections
            ? await ListenAsync(options.Urls ?? config.Urls, files, "the process may open no more files for them (LimitNOFILE, ulimit -n)", door.HandleAsync)
            : await ListenAsync(options.Urls ?? config.Urls, Capacity.MostConnections, "the process may use no more memory for them", door.HandleAsync);
        var metricsListener = config.Metrics.Urls is { } own ? await ListenAsync(own, MetricsConnections, "metrics.urls takes no more", metrics.AnswerThereAsync) : null;
        watcher.Start(builder.ApplyAsync);
        var gateway = new Gateway(listener, rooms, stopping, capacity, snapshots, builder, logs)
        {
            MetricsAddresses = [.. metricsListener?.Urls ?? []],
            Database = database,
            HasFile = file is not null,
        };
        if (file is null && options.LoopbackServers.Count > 0) Room(gateway.Probe(options.LoopbackServers, () => watcher.Current, time));
        return gateway;
    }

    /// <summary>Looks for model servers on this machine from here on.</summary>
    private Background Probe(IReadOnlyList<LoopbackServer> usual, Func<GatewayConfig> config, TimeProvider time)
    {
        var probed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        FirstProbe = probed.Task;
        return new Background(async ending =>
        {
            using var servers = new LoopbackServers(usual, Ports, time);
            await servers.WatchAsync(async running =>
            {
                await _builder.ApplyAsync(config(), running);
                probed.TrySetResult();
            }, ending);
        });
    }

    /// <summary>What a configuration is judged by.</summary>
    public static ConfigRules Rules(TimeProvider time) => DialectSet.Rules(time) with { CheckDatabase = PostgresAddress.Fault };

    private static AlertRule? AlertRuleOf(GatewayConfig current) =>
        current.Alerts is { } a ? new AlertRule((long)(a.Below * Usd.Nano), a.Webhook is null ? null : new Uri(a.Webhook), a.Secret) : null;

    /// <summary>Takes no new call, lets running ones finish within shutdownTimeout, ends the rest with an error event, and puts all that was delivered on the books.</summary>
    /// <param name="hurry">The operator's second signal: running calls are ended at once.</param>
    public async Task StopAsync(CancellationToken hurry = default)
    {
        _capacity.Drain();
        using (var patience = CancellationTokenSource.CreateLinkedTokenSource(hurry))
        {
            patience.CancelAfter(_snapshots.Current.Config.ShutdownTimeout);
            await WaitForCallsAsync(patience.Token);
        }
        await _stopping.CancelAsync();
        // What is ended now still has its charge to commit, and an away database is waited for up to 10 s.
        using var last = new CancellationTokenSource(TimeSpan.FromSeconds(12));
        await WaitForCallsAsync(last.Token);
        await _listener.StopAsync();
    }

    private async Task WaitForCallsAsync(CancellationToken patience)
    {
        while (_capacity.Calls > 0 && !patience.IsCancellationRequested)
            await Task.Delay(20, patience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync()
    {
        while (_rooms.TryPop(out var room)) await room.DisposeAsync();
        _stopping.Dispose();
        // Last: at a terminal a thread writes the lines, and those that wait for it are written now.
        _logs.Dispose();
    }
}
