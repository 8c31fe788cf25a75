using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CrossModel.EndToEnd.Proofs;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;
using Microsoft.Extensions.DependencyInjection;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>The program as its operator has it: a process, a command line beside it, signals.</summary>
public sealed partial class RunningProgram
{
    private const string Stream = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"stream":true}""";
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";

    /// <summary>A folder with a configuration, an account and its key.</summary>
    private static async Task<(string Config, string Key)> SiteAsync(ScriptedUpstream upstream, string more = "")
    {
        var config = Path.Combine(TempFolder.New(), "crossmodel.json");
        await File.WriteAllTextAsync(config, $$"""
            { "urls": "http://127.0.0.1:0", "database": "sqlite:test.db", {{more}}
              "upstreams": { "up": { "dialect": "openai", "baseUrl": "{{upstream.BaseUrl}}" } },
              "models": { "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } } }
            """);
        Assert.Equal(0, (await ServerProcess.CommandAsync("accounts", "create", "acme", "--balance", "1", "--config", config)).ExitCode);
        return (config, await KeyAsync(config));
    }

    private static async Task<string> KeyAsync(string config) => (await ServerProcess.CommandAsync("keys", "create", "--account", "acme", "--name", "k", "--config", config)).Output.Trim();

    /// <summary>An upstream whose streams wait in their middle until they are told to go on.</summary>
    private static Task<ScriptedUpstream> WaitingAsync(TaskCompletionSource goOn) => ScriptedUpstream.StartAsync(async (http, received) =>
    {
        if ((bool?)received.Json["stream"] != true)
        {
            await UsualReply.AnswerAsync(http, received);
            return;
        }
        await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
        await goOn.Task.WaitAsync(TimeSpan.FromSeconds(60), http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        if (goOn.Task.IsCompleted) await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text("lo!")) + UsualReply.Chunk("{}", "\"stop\"") + UsualReply.UsageChunk + UsualReply.Done);
    });

    private static Task<HttpResponseMessage> OpenAsync(ServerProcess server, string key) => server.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(Stream), key);

    private static Task<HttpReply> AskAsync(ServerProcess server, string key) => server.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Plain, key);

    [Theory]
    [InlineData("TERM")]
    [InlineData("HUP")]
    [InlineData("QUIT")]
    public async Task Terminated_WithAStreamRunning_LetsItFinishAndTakesNoNewCall(string signal)
    {
        var goOn = new TaskCompletionSource();
        await using var upstream = await WaitingAsync(goOn);
        var (config, key) = await SiteAsync(upstream);
        await using var server = await ServerProcess.StartAsync(config);
        using var running = await OpenAsync(server, key);

        var ended = server.TerminateAsync(signal);
        await Until.TrueAsync(async () => (int)(await server.Http.GetAsync("/readyz")).Status == 503);
        var refused = await AskAsync(server, key);
        goOn.SetResult();
        var reply = await Http.ReadAsync(running);

        Assert.Equal((503, "model_unavailable"), ((int)refused.Status, refused.ErrorCode));
        Assert.NotNull(refused.Header("retry-after"));
        // The next try is another connection, and a balancer's other server.
        Assert.Equal("close", refused.Header("connection"));
        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.Equal(0, await ended);
        Assert.Equal("0.999988", (await ServerProcess.CommandAsync("accounts", "balance", "acme", "--config", config)).Output.Trim());
        Assert.Equal(0, (await ServerProcess.CommandAsync("ledger", "verify", "--config", config)).ExitCode);
    }

    /// <summary>Callers who give up while their body goes up are an everyday matter. On one processor the gateway mostly hears of it before the web server does.</summary>
    [Fact]
    public async Task Callers_WhoResetInsideTheirBodies_AreNoErrorsInTheLog()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var (config, key) = await SiteAsync(upstream);
        await using var server = await ServerProcess.StartWithAsync(config, ("DOTNET_PROCESSOR_COUNT", "1"), ("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS", "0"));
        for (var i = 0; i < 100; i++)
        {
            // No TcpClient, which says goodbye first.
            using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
            await socket.ConnectAsync(server.Http.Base.Host, server.Http.Base.Port, TestContext.Current.CancellationToken);
            await socket.SendAsync(Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 300000\r\n\r\n{{"), TestContext.Current.CancellationToken);
            await Task.Delay(i % 10, TestContext.Current.CancellationToken);
        }
        Assert.Equal(0, await server.TerminateAsync());

        var log = (await server.LogAsync()).Split('\n');
        Assert.Contains(log, line => line.Contains("\"status\":499", StringComparison.Ordinal));
        Assert.DoesNotContain(log, line => line.Contains("\"level\":\"error\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Terminated_WithAStreamThatDoesNotEnd_EndsItInOrderAndChargesWhatWasDelivered()
    {
        await using var upstream = await WaitingAsync(new TaskCompletionSource());
        var (config, key) = await SiteAsync(upstream, "\"shutdownTimeout\": \"200ms\",");
        await using var server = await ServerProcess.StartAsync(config);
        using var running = await OpenAsync(server, key);

        var ended = server.TerminateAsync();
        var reply = await Http.ReadAsync(running);

        Assert.Equal("model_unavailable", (string?)JsonNode.Parse(reply.Events[^1])!["error"]!["code"]);
        Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
        Assert.Equal(0, await ended);
        var requests = JsonNode.Parse((await ServerProcess.CommandAsync("requests", "list", "--account", "acme", "--json", "--config", config)).Output)!.AsArray();
        Assert.Equal(("counted", reply.Header("x-request-id")), ((string?)requests.Single()!["basis"], (string?)requests.Single()!["request_id"]));
    }

    [Fact]
    public async Task Key_RevokedByTheCommandLine_IsRefusedWithinASecondWhileItsStreamRunsOn()
    {
        var goOn = new TaskCompletionSource();
        await using var upstream = await WaitingAsync(goOn);
        var (config, key) = await SiteAsync(upstream);
        await using var server = await ServerProcess.StartAsync(config);
        using var running = await OpenAsync(server, key);

        var fresh = await KeyAsync(config);
        Assert.Equal(200, (int)(await AskAsync(server, fresh)).Status);
        Assert.Equal(0, (await ServerProcess.CommandAsync("keys", "revoke", key, "--config", config)).ExitCode);
        var clock = Stopwatch.StartNew();
        await Until.TrueAsync(async () => (int)(await AskAsync(server, key)).Status == 401);

        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(1));
        Assert.Equal(200, (int)(await AskAsync(server, fresh)).Status);
        goOn.SetResult();
        Assert.Equal("[DONE]", (await Http.ReadAsync(running)).Events[^1]);
    }

    [Fact]
    public async Task SecondServer_OnTheSameDatabase_RefusesAndSaysWhy()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var (config, key) = await SiteAsync(upstream);
        await using var server = await ServerProcess.StartAsync(config);

        var second = await ServerProcess.CommandAsync("serve", "--config", config);

        Assert.Equal(1, second.ExitCode);
        Assert.Contains("test.db", second.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", second.Errors, StringComparison.Ordinal);
        Assert.Equal(200, (int)(await AskAsync(server, key)).Status);
    }

    [Fact]
    public async Task DatabaseOfAnotherUser_CannotBeServed_AndIsToldSo()
    {
        Assert.SkipUnless(Environment.UserName == "root", "only root can make files of another user");
        // Not below the folders of other tests: nobody else may look into those.
        var folder = Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "crossmodel-" + Guid.NewGuid().ToString("N"))).FullName;
        try
        {
            await File.WriteAllTextAsync(Path.Combine(folder, "crossmodel.json"), """{ "urls": "http://127.0.0.1:0", "database": "sqlite:test.db" }""", TestContext.Current.CancellationToken);
            Assert.Equal(0, (await ServerProcess.ShellAsync("\"$@\" accounts create acme && chmod 777 .", folder)).ExitCode);

            var served = await ServerProcess.ShellAsync("exec setpriv --reuid 65534 --regid 65534 --clear-groups -- \"$@\" serve", folder);

            Assert.Equal(1, served.ExitCode);
            Assert.Contains("test.db cannot be written by this user", served.Errors, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", served.Errors, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task DatabaseThatIsDamaged_CannotBeServed_AndIsNamed()
    {
        var folder = TempFolder.New();
        await using (var database = await TestDatabase.OpenAsync("sqlite:" + Path.Combine(folder, "data", "crossmodel.db")))
            await database.WriteAsync(session => session.ExecuteAsync("DROP TABLE lease"), TestContext.Current.CancellationToken);

        var served = await ServerProcess.ShellAsync("exec \"$@\" serve --urls http://127.0.0.1:0", folder);

        Assert.Equal(1, served.ExitCode);
        Assert.Contains(Path.Combine(folder, "data", "crossmodel.db") + " cannot be used", served.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", served.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"$@\" accounts list > /dev/full", "could not be written")]
    [InlineData("\"$@\" check > /dev/full", "could not be written")]
    [InlineData("\"$@\" serve --urls http://127.0.0.1:0 > /dev/full", "could not be written")]
    [InlineData("mkdir gone; cd gone; rmdir ../gone; \"$@\" accounts list", "working folder")]
    public async Task Command_WhoseSurroundingsAreBroken_EndsInWords(string line, string words)
    {
        var folder = TempFolder.New();
        Assert.Equal(0, (await ServerProcess.ShellAsync("\"$@\" accounts create acme", folder)).ExitCode);

        var ended = await ServerProcess.ShellAsync(line, folder);

        Assert.Equal(1, ended.ExitCode);
        Assert.Contains(words, ended.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", ended.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restart_WithoutTheUsualFile_ServesWhatWasInForce()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var (config, key) = await SiteAsync(upstream);
        var folder = Path.GetDirectoryName(config)!;
        await using (var first = await ServerProcess.StartInAsync(folder, "serve"))
            Assert.Equal(0, await first.TerminateAsync());
        File.Delete(config);

        await using var server = await ServerProcess.StartInAsync(folder, "serve");

        Assert.Equal(200, (int)(await AskAsync(server, key)).Status);
        Assert.Equal(0, await server.TerminateAsync());
        var log = await server.LogAsync();
        Assert.Contains("the last good configuration is in force", log, StringComparison.Ordinal);
        Assert.Contains("does not exist", log, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Path.Combine(folder, "data")) && File.Exists(Path.Combine(folder, "data", "crossmodel.db")));
    }

    [Fact]
    public async Task FirstRun_InAnEmptyFolder_PrintsACommandThatWorks_AndIsQuietThereafter()
    {
        var folder = TempFolder.New();
        string address;
        await using (var server = await ServerProcess.StartInAsync(folder, "--urls", "http://127.0.0.1:0"))
        {
            address = server.Http.Base.ToString();
            await Until.TrueAsync(() => CurlCommand().IsMatch(server.Said));
            Assert.Contains("from this program, a simulation, free", server.Said, StringComparison.Ordinal);

            var (exitCode, output) = await ShellAsync(CurlCommand().Match(server.Said).Value, folder);

            Assert.Equal(0, exitCode);
            var reply = JsonNode.Parse(output)!;
            Assert.Equal("crossmodel/simulated", (string?)reply["model"]);
            Assert.Contains("Hello!", (string?)reply["choices"]![0]!["message"]!["content"], StringComparison.Ordinal);
            Assert.Equal(0, await server.TerminateAsync());
        }
        Assert.True(File.Exists(Path.Combine(folder, "data", "crossmodel.db")));

        await using var again = await ServerProcess.StartInAsync(folder, "--urls", "http://127.0.0.1:0");
        Assert.Equal(200, (int)(await again.Http.GetAsync("/readyz")).Status);
        Assert.Equal(0, await again.TerminateAsync());
        Assert.DoesNotContain("cm-", again.Said + await again.LogAsync(), StringComparison.Ordinal);
        Assert.DoesNotContain("curl", again.Said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_WithoutTheFileThatIsNamed_SaysSoAndNoMore()
    {
        var (exitCode, _, errors) = await ServerProcess.CommandAsync("serve", "--config", Path.Combine(TempFolder.New(), "gone.json"));
        Assert.Equal(1, exitCode);
        Assert.Contains("does not exist", errors, StringComparison.Ordinal);
        Assert.EndsWith("gone.json: 1 error, 0 warnings\n", errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("xterm", true)]
    [InlineData("dumb", false)]
    public async Task Log_AtATerminalWithoutColours_HasNone(string kind, bool colours)
    {
        using var terminal = new Terminal();
        await using var server = await ServerProcess.StartAtAsync(terminal, kind, TempFolder.New());
        var log = terminal.ReadToEndAsync();
        Assert.Equal(0, await server.TerminateAsync());

        Assert.Contains("CrossModel.Storage[6004]", await log.WaitAsync(TimeSpan.FromSeconds(30)), StringComparison.Ordinal);
        Assert.Equal(colours, (await log).Contains('\e', StringComparison.Ordinal));
    }

    private static async Task<(int ExitCode, string Output)> ShellAsync(string command, string folder)
    {
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", command]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = shell.StandardError.ReadToEndAsync();
        var output = await shell.StandardOutput.ReadToEndAsync().WaitAsync(TimeSpan.FromSeconds(30));
        await shell.WaitForExitAsync();
        await errors;
        return (shell.ExitCode, output);
    }

    /// <summary>From "curl " at a line's beginning over every line that a backslash continues.</summary>
    [GeneratedRegex(@"^curl (?:.*\\\n)*.*$", RegexOptions.Multiline)]
    private static partial Regex CurlCommand();

    /// <summary>What gathers lines to write them by and by, as the log at a terminal does, writes its last ones when it is closed.</summary>
    [Fact]
    public async Task Log_OfAGatewayThatEnds_IsClosed()
    {
        var closed = new ClosedLog();
        var gateway = await Gateway.StartAsync(new GatewayOptions
        {
            Environment = new Dictionary<string, string> { ["CROSSMODEL__URLS"] = "http://127.0.0.1:0", ["CROSSMODEL__DATABASE"] = "sqlite:" + Path.Combine(TempFolder.New(), "test.db") },
            LoopbackServers = [],
            Logging = logging => logging.Services.AddSingleton<ILoggerProvider>(_ => closed),
        }, TestContext.Current.CancellationToken);
        Assert.False(closed.IsClosed);

        await gateway.DisposeAsync();

        Assert.True(closed.IsClosed);
    }

    private sealed class ClosedLog : ILoggerProvider
    {
        public bool IsClosed { get; private set; }
        public ILogger CreateLogger(string categoryName) => Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance;
        public void Dispose() => IsClosed = true;
    }
}
