using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace CrossModel.Tests.Support;

/// <summary>
/// A PostgreSQL server of the machine's own packages in a temporary folder, on a free loopback port. <see cref="Shared"/> is one a test run;
/// tests that stop and start a server make their own.
/// </summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private static readonly Lazy<Task<PostgresServer>> s_shared = new(StartNewAsync);

    private readonly string _bin;
    private readonly string _folder;
    private readonly int _port;
    private int _databases;
    private Process? _cleanUp; // kept: the collector would close its pipe

    private PostgresServer(string bin, string folder, int port) => (_bin, _folder, _port) = (bin, folder, port);

    /// <summary>The folder of initdb and pg_ctl; null where PostgreSQL is not installed.</summary>
    public static string? Installation { get; } = FindInstallation();

    /// <summary>The server of this test run; the test is skipped where there is none to start.</summary>
    public static Task<PostgresServer> Shared()
    {
        SkipIfMissing();
        return s_shared.Value;
    }

    public static void SkipIfMissing() =>
        Assert.SkipWhen(Installation is null, "PostgreSQL is not installed: neither initdb on PATH nor /usr/lib/postgresql/*/bin");

    /// <summary>A new, running server; dispose it.</summary>
    public static async Task<PostgresServer> StartNewAsync()
    {
        var folder = Directory.CreateTempSubdirectory("crossmodel-pg-").FullName;
        var server = new PostgresServer(Installation!, folder, FreePort());
        if (Environment.UserName == "root") await RunAsync("chown", ServerUser(), folder);
        await server.RunAsServerUserAsync("initdb", "-D", server.Cluster, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync");
        await File.AppendAllTextAsync(Path.Combine(server.Cluster, "postgresql.conf"),
            $"\nport = {server._port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\nmax_connections = 200\nshared_buffers = 64MB\n");
        server.CleanUpWhenThisProcessEnds();
        await server.StartAsync();
        return server;
    }

    private string Cluster => Path.Combine(_folder, "cluster");

    public Task StartAsync() => RunAsServerUserAsync("pg_ctl", "start", "-w", "-t", "30", "-D", Cluster, "-l", Path.Combine(_folder, "log"));

    /// <summary>Stops as a restart would (open connections are cut).</summary>
    public Task StopAsync() => RunAsServerUserAsync("pg_ctl", "stop", "-w", "-m", "fast", "-D", Cluster);

    /// <summary>Stops as a power cut would.</summary>
    public Task KillAsync() => RunAsServerUserAsync("pg_ctl", "stop", "-w", "-m", "immediate", "-D", Cluster);

    /// <summary>The address of a new, empty database.</summary>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"test_{Interlocked.Increment(ref _databases)}_{Environment.ProcessId}";
        await ExecuteAsync($"CREATE DATABASE {name}");
        return $"postgresql://postgres:unused@127.0.0.1:{_port}/{name}";
    }

    /// <summary>Opens a database to everybody, or closes it to everybody and ends the connections that there are. What connects then is told so.</summary>
    public async Task SetOpenAsync(string address, bool isOpen)
    {
        var name = address[(address.LastIndexOf('/') + 1)..];
        await ExecuteAsync($"ALTER DATABASE {name} ALLOW_CONNECTIONS {isOpen}");
        if (!isOpen) await ExecuteAsync($"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    }

    private async Task ExecuteAsync(string sql)
    {
        await using var connection = new NpgsqlConnection($"Host=127.0.0.1;Port={_port};Username=postgres;Database=postgres;Pooling=false");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
#pragma warning disable CA2100 // Names of this class's own making: these statements take no parameters.
        command.CommandText = sql;
#pragma warning restore CA2100
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await KillAsync();
        }
        catch (InvalidOperationException)
        {
            // It was stopped already.
        }
        Directory.Delete(_folder, recursive: true);
    }

    private Task RunAsServerUserAsync(string program, params string[] arguments)
    {
        var line = AsServerUser(program, arguments);
        return RunAsync(line[0], line[1..]);
    }

    // PostgreSQL refuses to run as root.
    private string[] AsServerUser(string program, params string[] arguments) => Environment.UserName == "root"
        ? ["setpriv", "--reuid", ServerUser(), "--regid", ServerUser() == "nobody" ? "nogroup" : ServerUser(), "--clear-groups", "--",
            Path.Combine(_bin, program), .. arguments]
        : [Path.Combine(_bin, program), .. arguments];

    // A shell that waits on a pipe which only this process holds: however the tests end, killed too, no server and no folder is left behind.
    private void CleanUpWhenThisProcessEnds() => _cleanUp = Process.Start(new ProcessStartInfo("/bin/sh",
    [
        "-c", "exec >/dev/null 2>&1; cat; \"$@\"; rm -rf \"$0\"", _folder, .. AsServerUser("pg_ctl", "stop", "-m", "immediate", "-D", Cluster),
    ])
    {
        RedirectStandardInput = true,
        WorkingDirectory = "/",
    });

    private static string ServerUser() => File.ReadLines("/etc/passwd").Any(line => line.StartsWith("postgres:", StringComparison.Ordinal)) ? "postgres" : "nobody";

    // Output goes nowhere: the server would inherit a pipe and keep it open for as long as it runs.
    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec \"$@\" >/dev/null 2>&1 </dev/null", "sh", program, .. arguments])
        {
            WorkingDirectory = "/",
        })!;
        await process.WaitForExitAsync();
        if (process.ExitCode != 0) throw new InvalidOperationException($"{Path.GetFileName(program)} {string.Join(' ', arguments)} ended with {process.ExitCode}");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string? FindInstallation()
    {
        var packaged = Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").OrderDescending().Select(version => Path.Combine(version, "bin"))
            : [];
        var onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator);
        return packaged.Concat(onPath).FirstOrDefault(bin => File.Exists(Path.Combine(bin, "initdb")) && File.Exists(Path.Combine(bin, "pg_ctl")));
    }
}
