using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using CrossModel.EndToEnd.Proofs;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Tests that tell by time what happened.</summary>
[CollectionDefinition(nameof(WithTheMachineToItself), DisableParallelization = true)]
public sealed class WithTheMachineToItself;

/// <summary>Work is done on the threads that read sockets, one a processor: no call may keep one to itself.</summary>
[Collection(nameof(WithTheMachineToItself))]
public sealed class SocketTurns
{
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";
    private const string Stream = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"stream":true}""";

    private static async Task<(string Config, string Key)> SiteAsync(ScriptedUpstream upstream, string moreUpstreams = "", string moreModels = "")
    {
        var config = Path.Combine(TempFolder.New(), "crossmodel.json");
        await File.WriteAllTextAsync(config, $$"""
            { "urls": "http://127.0.0.1:0", "database": "sqlite:test.db",
              "upstreams": { "up": { "dialect": "openai", "baseUrl": "{{upstream.BaseUrl}}" }{{moreUpstreams}} },
              "models": { "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free" }{{moreModels}} } }
            """);
        Assert.Equal(0, (await ServerProcess.CommandAsync("accounts", "create", "acme", "--config", config)).ExitCode);
        return (config, (await ServerProcess.CommandAsync("keys", "create", "--account", "acme", "--name", "k", "--config", config)).Output.Trim());
    }

    [Fact]
    public async Task Calls_BesideAStreamThatNeverPauses_AreAnswered()
    {
        await using var usual = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        using var endless = new EndlessUpstream();
        var (config, key) = await SiteAsync(usual, $$""", "endless": { "dialect": "openai", "baseUrl": "http://127.0.0.1:{{endless.Port}}/v1" }""", ", \"test/endless\": { \"routes\": [ { \"upstream\": \"endless\", \"model\": \"m\" } ], \"price\": \"free\" }");
        await using var server = await ServerProcess.StartOnAsync(processors: 1, config);
        using var reader = new EndlessReader(server.Http.Base, key);
        await Until.TrueAsync(() => Task.FromResult(reader.Bytes > 5_000_000));

        var took = new List<TimeSpan>();
        for (var i = 0; i < 10; i++)
        {
            var clock = Stopwatch.StartNew();
            Assert.Equal(200, (int)(await server.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Plain, key).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)).Status);
            Assert.Equal(200, (int)(await server.Http.GetAsync("/v1/models", key).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)).Status);
            took.Add(clock.Elapsed);
        }

        // The stream ran on all the while, and nobody waited for its end.
        var before = reader.Bytes;
        await Until.TrueAsync(() => Task.FromResult(reader.Bytes > before + 1_000_000));
        Assert.InRange(took.Max(), TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task Calls_BesideOneWhoSendsBadOnesWithoutPause_AreAnswered()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var (config, key) = await SiteAsync(upstream);
        await using var server = await ServerProcess.StartOnAsync(processors: 1, config);
        Assert.Equal(200, (int)(await server.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Plain, key)).Status);
        using var flood = new Flood(server.Http.Base);
        await Until.TrueAsync(() => Task.FromResult(flood.Bytes > 1_000_000));

        var took = new List<TimeSpan>();
        for (var i = 0; i < 40; i++)
        {
            var clock = Stopwatch.StartNew();
            Assert.Equal(200, (int)(await server.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Plain, key).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)).Status);
            took.Add(clock.Elapsed);
        }

        var before = flood.Bytes;
        await Until.TrueAsync(() => Task.FromResult(flood.Bytes > before + 100_000));
        Assert.InRange(took.Max(), TimeSpan.Zero, TimeSpan.FromMilliseconds(500));
    }

    [Fact]
    public async Task SocketThreads_AreAsManyAsProcessors()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells the names of another process's threads.");
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        var (config, key) = await SiteAsync(upstream);
        await using var server = await ServerProcess.StartOnAsync(processors: 3, config);

        Assert.Equal(200, (int)(await server.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Plain, key)).Status);

        Assert.Equal(3, server.Threads(".NET Sockets"));
    }

    /// <summary>On bare sockets and threads of their own: both ends must be faster than what is between them.</summary>
    private sealed class EndlessUpstream : IDisposable
    {
        private static readonly byte[] Head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"u8.ToArray();
        private static readonly byte[] Events = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(UsualReply.Chunk(UsualReply.Text("and so on ")), 2000)));
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public EndlessUpstream()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen();
            new Thread(Serve) { IsBackground = true }.Start();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

        private void Serve()
        {
            try
            {
                using var socket = _listener.Accept();
                socket.Receive(new byte[4096]);
                socket.Send(Head);
                while (true) socket.Send(Events);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The gateway or the test has ended.
            }
        }

        public void Dispose() => _listener.Dispose();
    }

    /// <summary>Requests without a key, one behind the other on one connection, none waiting for an answer.</summary>
    private sealed class Flood : IDisposable
    {
        private static readonly byte[] Requests = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 1000)));
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private long _bytes;

        public Flood(Uri gateway)
        {
            _socket.Connect(IPAddress.Loopback, gateway.Port);
            new Thread(() => Repeat(() => _socket.Send(Requests))) { IsBackground = true }.Start();
            var answers = new byte[256 * 1024];
            new Thread(() => Repeat(() => Interlocked.Add(ref _bytes, _socket.Receive(answers)))) { IsBackground = true }.Start();
        }

        public long Bytes => Interlocked.Read(ref _bytes);

        private static void Repeat(Action action)
        {
            try
            {
                while (true) action();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The gateway or the test has ended.
            }
        }

        public void Dispose() => _socket.Dispose();
    }

    /// <summary>A caller who takes whatever comes.</summary>
    private sealed class EndlessReader : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private long _bytes;

        public EndlessReader(Uri gateway, string key)
        {
            _socket.Connect(IPAddress.Loopback, gateway.Port);
            var body = Stream.Replace("test/model", "test/endless", StringComparison.Ordinal);
            _socket.Send(Encoding.UTF8.GetBytes($"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            new Thread(Read) { IsBackground = true }.Start();
        }

        public long Bytes => Interlocked.Read(ref _bytes);

        private void Read()
        {
            try
            {
                var buffer = new byte[256 * 1024];
                for (var count = _socket.Receive(buffer); count > 0; count = _socket.Receive(buffer)) Interlocked.Add(ref _bytes, count);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The gateway or the test has ended.
            }
        }

        public void Dispose() => _socket.Dispose();
    }
}
