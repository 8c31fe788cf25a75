using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using CrossModel.EndToEnd.Proofs;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>What lies between the machines: proxies, networks that forget what is silent, and more connections than there are files.</summary>
public sealed class Connections
{
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";

    private static async Task<(string Config, string Key)> SiteAsync(string baseUrl)
    {
        var config = Path.Combine(TempFolder.New(), "crossmodel.json");
        await File.WriteAllTextAsync(config, $$"""
            { "urls": "http://127.0.0.1:0", "database": "sqlite:test.db",
              "upstreams": { "up": { "baseUrl": "{{baseUrl}}" } },
              "models": { "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free" } } }
            """);
        Assert.Equal(0, (await ServerProcess.CommandAsync("accounts", "create", "acme", "--balance", "1", "--config", config)).ExitCode);
        return (config, (await ServerProcess.CommandAsync("keys", "create", "--account", "acme", "--name", "k", "--config", config)).Output.Trim());
    }

    private static Task<HttpReply> AskAsync(ServerProcess server, string key) => server.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Plain, key);

    [Fact]
    public async Task Upstream_OnThisMachine_IsNotAskedThroughTheEnvironmentsProxy()
    {
        await using var proxy = await ScriptedUpstream.JsonAsync("{}", 403);
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var (config, key) = await SiteAsync(upstream.BaseUrl);
        await using var server = await ServerProcess.StartWithAsync(config, ("http_proxy", proxy.Address.ToString()));

        Assert.Equal(HttpStatusCode.OK, (await AskAsync(server, key)).Status);
        Assert.Empty(proxy.Received);
    }

    [Fact]
    public async Task MoreConnectionsThanFiles_EndNothing()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the limit is read from /proc");
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var (config, key) = await SiteAsync(upstream.BaseUrl);
        await using var server = await ServerProcess.StartWithFilesAsync(600, config);
        var most = 0;
        using var counted = new CancellationTokenSource();
        var count = Task.Factory.StartNew(() => { while (!counted.IsCancellationRequested) most = Math.Max(most, server.Files); }, default, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        for (var round = 0; round < 5; round++)
        {
            // All at once: no call waits for the one before.
            Socket[] strangers = [.. Enumerable.Range(0, 1000).Select(_ => new Socket(SocketType.Stream, ProtocolType.Tcp))];
            var connected = strangers.Select(s => s.ConnectAsync(IPAddress.Loopback, server.Http.Base.Port)).ToArray();
            // 256 files are the program's own, and each connection may want another.
            await Until.TrueAsync(() => Task.FromResult(strangers.Count(s => s.Connected) > 172 && strangers.Count(s => s.Connected && !s.Poll(0, SelectMode.SelectRead)) <= 172), seconds: 10);
            Array.ForEach(strangers, s => s.Dispose());
            await Task.WhenAll(connected).ContinueWith(_ => { }, TaskScheduler.Default);
        }
        await counted.CancelAsync();
        await count;
        Assert.InRange(most, 172, 256 + 172 + 8);

        await Until.TrueAsync(async () => (int)(await server.Http.GetAsync("/healthz")).Status == 200, seconds: 10);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(server, key)).Status);
        await server.TerminateAsync();
        // A line a minute, not one for each.
        Assert.Single((await server.LogAsync()).Split('\n'), line => line.Contains("\"event\":101", StringComparison.Ordinal));
    }

    // Three quarters of 256 MiB, in hexadecimal.
    private const string LittleMemory = "C000000";

    [Fact]
    public async Task MoreHeadsThanMemory_EndNothing()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var (config, key) = await SiteAsync(upstream.BaseUrl);
        await using var server = await ServerProcess.StartWithAsync(config, ("DOTNET_GCHeapHardLimit", LittleMemory));
        var head = Encoding.ASCII.GetBytes("GET /healthz HTTP/1.1\r\nHost: x\r\n" + string.Concat(Enumerable.Range(0, 4).Select(i => $"x-{i}: {new string('a', 7500)}\r\n")));
        var strangers = new List<Socket>();
        for (var i = 0; i < 4000; i++)
        {
            var stranger = new Socket(SocketType.Stream, ProtocolType.Tcp);
            strangers.Add(stranger);
            try
            {
                await stranger.ConnectAsync(IPAddress.Loopback, server.Http.Base.Port);
                await stranger.SendAsync(head);
            }
            catch (SocketException)
            {
                // One of too many.
            }
        }
        strangers.ForEach(s => s.Dispose());

        await Until.TrueAsync(async () => (int)(await server.Http.GetAsync("/healthz")).Status == 200, seconds: 10);
        Assert.Equal(HttpStatusCode.OK, (await AskAsync(server, key)).Status);
        await server.TerminateAsync();
        var log = await server.LogAsync();
        Assert.DoesNotContain("OutOfMemory", log, StringComparison.Ordinal);
        Assert.Contains("\"event\":101", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Form_OfAStrangerWhoLeaves_IsNoLineOfTheLog()
    {
        var (config, key) = await SiteAsync("http://127.0.0.1:9/v1");
        await using var server = await ServerProcess.StartAsync(config);
        for (var i = 0; i < 20; i++)
        {
            using var stranger = new Socket(SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(enable: i % 2 == 0, seconds: 0) };
            await stranger.ConnectAsync(IPAddress.Loopback, server.Http.Base.Port);
            await stranger.SendAsync(Encoding.ASCII.GetBytes("POST /console/sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 6000\r\n\r\nlink=x"));
            await Task.Delay(50);
        }
        Assert.Equal(200, (int)(await server.Http.GetAsync("/v1/models", key)).Status);
        await server.TerminateAsync();
        Assert.DoesNotContain("\"exception\"", await server.LogAsync(), StringComparison.Ordinal);
    }

    /// <summary>What comes behind a call that runs waits with its sender.</summary>
    [Fact]
    public async Task BytesBehindACall_AreNotTaken()
    {
        var ends = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            await ends.Task.WaitAsync(TimeSpan.FromSeconds(60));
            await UsualReply.AnswerAsync(http, received);
        });
        var (config, key) = await SiteAsync(upstream.BaseUrl);
        await using var server = await ServerProcess.StartAsync(config);
        async Task<long> MemoryAsync() => long.Parse(
            (await server.Http.GetAsync("/metrics")).Text.Split("\nprocess_resident_memory_bytes ")[1].Split('\n')[0], CultureInfo.InvariantCulture);
        var call = Encoding.ASCII.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: {Plain.Length}\r\n\r\n{Plain}");
        var callers = new List<Socket>();
        for (var i = 0; i < 150; i++)
        {
            var caller = new Socket(SocketType.Stream, ProtocolType.Tcp);
            callers.Add(caller);
            await caller.ConnectAsync(IPAddress.Loopback, server.Http.Base.Port);
            await caller.SendAsync(call);
        }
        await Until.TrueAsync(() => upstream.Received.Count == callers.Count, seconds: 30);
        var before = await MemoryAsync();
        var more = new byte[1_500_000];
        var sending = callers.Select(caller => caller.SendAsync(more)).ToList();
        await Task.WhenAny(Task.WhenAll(sending), Task.Delay(TimeSpan.FromSeconds(4)));
        var taken = await MemoryAsync() - before;
        callers.ForEach(caller => caller.Dispose());
        ends.SetResult();

        Assert.InRange(taken / callers.Count, long.MinValue, 256 * 1024);
    }

    [Fact]
    public async Task Upstream_SilentForLong_IsKeptInTheNetworksMemory()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "sockets' timers are read from /proc");
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        await gateway.PostAsync(Plain);

        // Fields: number, own address, the other's, state (01: established), queues, timer (02: keep-alive).
        var port = upstream.Address.Port.ToString("X4", CultureInfo.InvariantCulture);
        var sockets = File.ReadLines("/proc/net/tcp").Concat(File.ReadLines("/proc/net/tcp6")).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        var toUpstream = Assert.Single(sockets, s => s[2].EndsWith(':' + port, StringComparison.Ordinal) && s[3] == "01");
        Assert.StartsWith("02:", toUpstream[5], StringComparison.Ordinal);
    }
}
