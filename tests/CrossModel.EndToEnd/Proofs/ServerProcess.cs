using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>The program as an operator runs it: a process of its own, which can be killed, frozen and asked to stop.</summary>
internal sealed class ServerProcess : IAsyncDisposable
{
    private const string Ready = "CrossModel listens on ";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "crossmodel.dll");

    private readonly Process _process;
    private readonly Task<string> _errors;
    private readonly ConcurrentQueue<string> _said = new();

    private ServerProcess(Process process, Uri address, Task<string> errors) => (_process, Http, _errors) = (process, new Http(address), errors);

    public Http Http { get; }

    /// <summary>What it has told its operator since it listens.</summary>
    public string Said => string.Join('\n', _said);

    public static Task<ServerProcess> StartAsync(string configFile) => StartAsync(Run("serve", "--config", configFile));

    /// <summary>On a machine with so many processors, as far as the runtime can tell.</summary>
    public static Task<ServerProcess> StartOnAsync(int processors, string configFile) =>
        StartWithAsync(configFile, ("DOTNET_PROCESSOR_COUNT", processors.ToString(CultureInfo.InvariantCulture)));

    /// <summary>With these variables beside the tests' own.</summary>
    public static Task<ServerProcess> StartWithAsync(string configFile, params (string Name, string Value)[] environment) =>
        StartAsync(Run(["serve", "--config", configFile], Environment.CurrentDirectory, environment));

    /// <summary>Where it may open so many files at once.</summary>
    public static Task<ServerProcess> StartWithFilesAsync(int files, string configFile) =>
        StartAsync(Process.Start(new ProcessStartInfo("/bin/sh", ["-c", $"ulimit -n {files}; exec \"$@\"", "sh", "dotnet", Program, "serve", "--config", configFile]) { RedirectStandardOutput = true, RedirectStandardError = true })!);

    /// <summary>Whose log goes to a terminal of this kind, without a configuration file.</summary>
    public static Task<ServerProcess> StartAtAsync(Terminal terminal, string kind, string folder)
    {
        // .NET asks whether its output is a terminal, which here stays a pipe; with the variable it takes that for one.
        var line = $"exec env TERM={kind} DOTNET_SYSTEM_CONSOLE_ALLOW_ANSI_COLOR_REDIRECTION=1 \"$@\" 2>{terminal.Path}";
        return StartAsync(Process.Start(new ProcessStartInfo("/bin/sh", ["-c", line, "sh", "dotnet", Program, "--urls", "http://127.0.0.1:0"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!);
    }

    /// <summary>Where the certificates of this file, and no others, are believed.</summary>
    public static Task<ServerProcess> StartBelievingAsync(string certificates, string configFile) =>
        StartWithAsync(configFile, ("SSL_CERT_FILE", certificates), ("SSL_CERT_DIR", Path.GetDirectoryName(certificates)!));

    /// <summary>Without a configuration file, in a working folder.</summary>
    public static Task<ServerProcess> StartInAsync(string folder, params string[] words) => StartAsync(Run(words, folder));

    private static async Task<ServerProcess> StartAsync(Process process)
    {
        // Read all along: a full pipe would stop the program.
        var errors = process.StandardError.ReadToEndAsync();
        while (await process.StandardOutput.ReadLineAsync().WaitAsync(Patience) is { } line)
        {
            if (!line.StartsWith(Ready, StringComparison.Ordinal)) continue;
            var server = new ServerProcess(process, new Uri(line[Ready.Length..].Split(' ')[0]), errors);
            _ = server.ListenAsync();
            return server;
        }
        await process.WaitForExitAsync();
        throw new InvalidOperationException($"The server ended with {process.ExitCode} before it listened: {await errors}");
    }

    /// <summary>As <see cref="CommandAsync"/>, from a line of a shell in which <c>$@</c> is the program.</summary>
    public static Task<(int ExitCode, string Output, string Errors)> ShellAsync(string line, string folder) =>
        EndAsync(Process.Start(new ProcessStartInfo("/bin/sh", ["-c", line, "sh", "dotnet", Program]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!);

    /// <summary>Runs a command of the program to its end.</summary>
    public static Task<(int ExitCode, string Output, string Errors)> CommandAsync(params string[] words) => EndAsync(Run(words));

    private static async Task<(int ExitCode, string Output, string Errors)> EndAsync(Process started)
    {
        using var process = started;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync().WaitAsync(Patience);
        await process.WaitForExitAsync();
        return (process.ExitCode, output, await errors);
    }

    private async Task ListenAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line) _said.Enqueue(line);
    }

    private static Process Run(params string[] words) => Run(words, Environment.CurrentDirectory);

    private static Process Run(string[] words, string folder, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", [Program, .. words]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        // What the tests' own process has set for itself.
        start.Environment.Remove("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS");
        foreach (var (name, value) in environment) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>As kill -9: nothing of it runs any more when this returns.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>As an operator stops it. Answers the exit code.</summary>
    public async Task<int> TerminateAsync(string signal = "TERM")
    {
        Signal(signal);
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    /// <summary>How many files and sockets it has open.</summary>
    public int Files => Directory.GetFiles($"/proc/{_process.Id}/fd").Length;

    /// <summary>Its threads of this name. Linux only.</summary>
    public int Threads(string name) => Directory.EnumerateDirectories($"/proc/{_process.Id}/task").Count(thread =>
    {
        try
        {
            return File.ReadAllText(Path.Combine(thread, "comm")).TrimEnd() == name;
        }
        catch (IOException)
        {
            return false; // it has just ended
        }
    });

    public void Freeze() => Signal("STOP");

    public void Thaw() => Signal("CONT");

    /// <summary>What it logged; after its end.</summary>
    public Task<string> LogAsync() => _errors;

    private void Signal(string name)
    {
        using var kill = Process.Start("kill", ["-" + name, _process.Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) await KillAsync();
        Http.Dispose();
        _process.Dispose();
    }
}
