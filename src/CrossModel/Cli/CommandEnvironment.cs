using CrossModel.Configuration;
using CrossModel.Protocol;
using CrossModel.Storage;

namespace CrossModel.Cli;

/// <summary>What the command line has of the world; tests give their own.</summary>
internal sealed record CommandEnvironment
{
    /// <summary>Answers, nothing else.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Refusals, remarks, logs.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Environment variables.</summary>
    public required IReadOnlyDictionary<string, string> Variables { get; init; }

    public required ConfigRules Rules { get; init; }

    /// <summary>The working folder, where crossmodel.json is looked for.</summary>
    public required string Folder { get; init; }

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Runs the gateway until it is told to stop; answers the exit code.</summary>
    public required Func<ServeOrder, Task<int>> ServeAsync { get; init; }

    /// <summary>Writes what would become of a request; a refusal when the gateway would refuse it.</summary>
    public required Func<ExplainOrder, PooledBuffer, ApiError?> Explain { get; init; }

    /// <summary>The file that is meant, which may be lost; null: there is none and was none.</summary>
    public string? ConfigFile(string? named)
    {
        if (named is not null) return Path.GetFullPath(named, Folder);
        var usual = Path.Combine(Folder, "crossmodel.json");
        // Where a file was lost, the defaults would serve other models at other prices, perhaps on an empty database. A folder of its name is what
        // a container is given where the file was to be mounted from is not there.
        return Path.Exists(usual) || LastGood.CopyBeside(usual) is not null ? usual : null;
    }
}

/// <param name="ConfigFile">Absolute path; null: there is none.</param>
/// <param name="Urls">Beats the file's; null: the file's.</param>
internal sealed record ServeOrder(string? ConfigFile, string? Urls);

/// <summary>A command that refuses: the message goes to stderr, the exit code is 1.</summary>
internal sealed class RefusedException(string message) : Exception(message);

/// <summary>What a command works with: the database that the configuration names, opened beside a server that may be running.</summary>
internal sealed class CommandContext(LoadedConfig loaded, string? configFile, Database database, Answers answers) : IAsyncDisposable
{
    /// <summary>Without secrets. Refuses where the configuration is at fault.</summary>
    public GatewayConfig Config => loaded.Config ?? throw new RefusedException(ConfigReport.Text(loaded).TrimEnd());

    public Database Database => database;
    public Answers Answers => answers;

    /// <summary>Another command as it is to be typed, on the same database.</summary>
    public string Next(string command) => Next(command, configFile);

    private static string Next(string command, string? configFile) => $"crossmodel {command}{(configFile is null ? "" : $" --config {Options.Word(configFile)}")}";

    /// <summary>Commits begun before the command's own work.</summary>
    private readonly long _before = database.Commits;

    /// <summary>Nothing of the command's own work can be on the database: no commit of it was begun.</summary>
    public bool HasChangedNothing => database.Commits == _before;

    /// <summary>Needs no provider key: only the database's address is asked of the configuration, so that a key can be revoked whatever else is wrong in it.</summary>
    /// <param name="makes">A SQLite file that is not there is made.</param>
    public static async Task<CommandContext> OpenAsync(CommandEnvironment environment, string? configFile, bool json, bool makes, CancellationToken ct)
    {
        var file = environment.ConfigFile(configFile);
        var loaded = file is null
            ? ConfigLoader.LoadText("{}"u8.ToArray(), Path.Combine(environment.Folder, "crossmodel.json"), environment.Variables, expandSecrets: false, environment.Rules)
            : ConfigLoader.Load(file, environment.Variables, expandSecrets: false, environment.Rules);
        if (loaded.Database is not { } address) throw new RefusedException(ConfigReport.Text(loaded).TrimEnd());
        var options = new DatabaseOptions(loaded.Config?.Storage ?? new StorageConfig(), environment.Time, Server: false, new ErrorLog(environment.Error))
        {
            IfMissing = makes ? null : (configFile is null ? "Run the command in the server's folder, or name the server's configuration with --config; " : "")
                + $"{Next("accounts create NAME", configFile)} makes a new database.",
        };
        return new CommandContext(loaded, configFile, await Database.OpenAsync(address, options, ct), new Answers(environment.Out, json));
    }

    public ValueTask DisposeAsync() => database.DisposeAsync();

    /// <summary>Warnings of the rooms, for the person at the terminal.</summary>
    private sealed class ErrorLog(TextWriter error) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) error.WriteLine(formatter(state, exception));
        }
    }
}
