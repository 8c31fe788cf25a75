namespace CrossModel.Configuration;

/// <summary>
/// Holds the configuration in force and follows the file and the secret files it names. A good change is applied within a second or so;
/// a faulty one leaves everything as it is, over a restart too.
/// </summary>
internal sealed class ConfigWatcher : IAsyncDisposable
{
    // Contents are compared, not times: editors, mounts and containers keep neither times nor file identities the way file events need them.
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(750);

    private readonly IReadOnlyDictionary<string, string> _environment;
    private readonly ConfigRules _rules;
    private readonly ILogger _log;
    private readonly GatewayConfig _started;
    private readonly CancellationTokenSource _stopping = new();
    private Func<GatewayConfig, Task>? _apply;
    private Task _watching = Task.CompletedTask;
    private readonly LoadedConfig _opened;
    private LoadedConfig _last;
    private LoadedConfig? _suspect;
    private volatile GatewayConfig _current;

    private ConfigWatcher(LoadedConfig inForce, LoadedConfig last, IReadOnlyDictionary<string, string> environment, ConfigRules rules, ILogger log)
    {
        (_opened, _last, _environment, _rules, _log) = (inForce, last, environment, rules, log);
        _current = _started = inForce.Config!;
    }

    /// <summary>In force now. A call reads it once and keeps what it read to its end.</summary>
    public GatewayConfig Current => _current;

    /// <summary>Why the file as it is now is not in force; empty: it is.</summary>
    public IReadOnlyList<ConfigFault> Faults => _last.Config is null ? _last.Faults : [];

    /// <summary>Null: neither the file nor a last good copy of it can be used; <paramref name="loaded"/> says why.</summary>
    /// <param name="file">Null: no file, nothing to follow.</param>
    public static ConfigWatcher? Open(string? file, IReadOnlyDictionary<string, string> environment, ConfigRules rules, ILogger log, out LoadedConfig loaded)
    {
        loaded = ConfigLoader.Load(file, environment, expandSecrets: true, rules);
        if (loaded.Config is null)
        {
            var lastGood = LastGood.Find(loaded, environment, rules);
            if (lastGood is null)
                return null;
            Log.StartedWithLastGood(log, loaded.File!);
            LogFaults(log, loaded);
            return new ConfigWatcher(lastGood, loaded, environment, rules, log);
        }
        LogFaults(log, loaded);
        return new ConfigWatcher(loaded, loaded, environment, rules, log);
    }

    /// <summary>To be called once, when what was opened is running: from now on changes are given to <paramref name="apply"/>, one at a time.
    /// If it throws, the configuration before stays.</summary>
    public void Start(Func<GatewayConfig, Task> apply)
    {
        _apply = apply;
        Keep(_opened);
        if (_last.File is not null)
            _watching = WatchAsync();
    }

    /// <summary>Looks once and applies what is new. The loop calls it; it is not to be called beside the loop.</summary>
    public async Task LookAsync(CancellationToken cancellation)
    {
        if (_last.File is null)
            return;
        if (!HasChanged(_last))
        {
            _suspect = null;
            return;
        }
        var loaded = ConfigLoader.Load(_last.File, _environment, expandSecrets: true, _rules);
        if (loaded.Config is null)
        {
            // An editor may be in the middle of writing: a fault counts when it is seen twice.
            if (_suspect is null || HasChanged(_suspect))
            {
                _suspect = loaded;
                return;
            }
            _last = loaded;
            Log.Rejected(_log, loaded.File!);
            LogFaults(_log, loaded);
            return;
        }
        _suspect = null;
        await ApplyAsync(loaded, loaded.Config, cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _watching;
        _stopping.Dispose();
    }

    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(Period, _rules.Time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                try
                {
                    await LookAsync(_stopping.Token);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    // One look that went wrong must not end the watching: nobody would notice until a change is missed.
                    Log.NotApplied(_log, _last.File!, e);
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The server is stopping.
        }
    }

    private async Task ApplyAsync(LoadedConfig loaded, GatewayConfig config, CancellationToken cancellation)
    {
        try
        {
            await _apply!(config);
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            // What the rooms made of it may be half swapped only if they break their own rule; here the old one stays the truth.
            Log.NotApplied(_log, loaded.File!, e);
            _last = loaded;
            return;
        }
        _current = config;
        _last = loaded;
        Keep(loaded);
        Log.Applied(_log, loaded.File!);
        LogFaults(_log, loaded);
        var waiting = new List<string>();
        Compare(_started, config, Shape.Of(typeof(GatewayConfig)), "", waiting);
        foreach (var setting in waiting)
            Log.RestartNeeded(_log, setting);
    }

    private void Keep(LoadedConfig good)
    {
        try
        {
            LastGood.Save(good);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.NotKept(_log, e.GetType().Name);
        }
    }

    private static bool HasChanged(LoadedConfig known) =>
        Digest(known.File!) != (known.Text is null ? "" : LoadedConfig.DigestOf(known.Text)) || known.SecretFiles.Any(secret => Digest(secret.Key) != secret.Value);

    /// <summary>Empty: it cannot be read.</summary>
    private static string Digest(string file)
    {
        try
        {
            using var stream = File.OpenRead(file);
            return LoadedConfig.DigestOf(stream);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static void Compare(object before, object after, Shape shape, string path, List<string> changed)
    {
        foreach (var setting in shape.Settings)
        {
            (object? old, object? now) = (setting.Get(before), setting.Get(after));
            if (setting.NeedsRestart && !Equals(old, now))
                changed.Add(ConfigPath.Member(path, setting.JsonName));
            else if (setting.Shape.Kind == ShapeKind.Record && old is not null && now is not null)
                Compare(old, now, setting.Shape, ConfigPath.Member(path, setting.JsonName), changed);
        }
    }

    private static void LogFaults(ILogger log, LoadedConfig loaded)
    {
        foreach (var fault in loaded.Faults)
            if (fault.Kind == FaultKind.Fault)
                Log.Fault(log, fault.ToString());
            else
                Log.Remark(log, fault.ToString());
    }
}

internal static partial class Log
{
    [LoggerMessage(EventId = 5001, Level = LogLevel.Error, Message = "{File} is at fault: the last good configuration is in force until it is mended")]
    public static partial void StartedWithLastGood(ILogger log, string file);

    [LoggerMessage(EventId = 5002, Level = LogLevel.Error, Message = "{File} was changed and is at fault: the configuration before stays in force")]
    public static partial void Rejected(ILogger log, string file);

    [LoggerMessage(EventId = 5003, Level = LogLevel.Error, Message = "{File} was changed and could not be applied: the configuration before stays in force")]
    public static partial void NotApplied(ILogger log, string file, Exception exception);

    [LoggerMessage(EventId = 5004, Level = LogLevel.Error, Message = "Configuration: {Fault}")]
    public static partial void Fault(ILogger log, string fault);

    [LoggerMessage(EventId = 5005, Level = LogLevel.Warning, Message = "Configuration: {Fault}")]
    public static partial void Remark(ILogger log, string fault);

    [LoggerMessage(EventId = 5006, Level = LogLevel.Information, Message = "{File} was changed and is in force")]
    public static partial void Applied(ILogger log, string file);

    [LoggerMessage(EventId = 5007, Level = LogLevel.Warning, Message = "{Setting} was changed and needs a restart")]
    public static partial void RestartNeeded(ILogger log, string setting);

    [LoggerMessage(EventId = 5008, Level = LogLevel.Warning, Message = "No copy of the last good configuration could be kept ({Reason}): a restart with a faulty file would fail")]
    public static partial void NotKept(ILogger log, string reason);
}
