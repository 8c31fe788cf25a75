using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using CrossModel.EndToEnd.Proofs;
using CrossModel.EndToEnd.Support;

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

    [Fact]
    public async Task Calls_BesideAStreamThatNeverPauses_AreAnswered()
    {
        using var upstream = new EndlessUpstream();
        await using var site = await ProofSite.MakeAsync(postgres: false, upstream.BaseUrl);
        var key = await site.NewKeyAsync("crowd", 1000m);
        await using var server = await ServerProcess.StartOnAsync(processors: 1, site.ConfigFile);
        using var other = new RestlessCaller(server.Http.Base, Request(Stream, key), repeats: false);

        Assert.InRange(await LongestBesideAsync(other, server, key), TimeSpan.Zero, TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task Calls_BesideOneWhoSendsBadOnesWithoutPause_AreAnswered()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var site = await ProofSite.MakeAsync(postgres: false, upstream.BaseUrl);
        var key = await site.NewKeyAsync("crowd", 1000m);
        await using var server = await ServerProcess.StartOnAsync(processors: 1, site.ConfigFile);
        using var other = new RestlessCaller(server.Http.Base, string.Concat(Enumerable.Repeat(Request("{}", "none"), 1000)), repeats: true);

        Assert.InRange(await LongestBesideAsync(other, server, key), TimeSpan.Zero, TimeSpan.FromMilliseconds(500));
    }

    [Fact]
    public async Task SocketThreads_AreAsManyAsProcessors()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells the names of another process's threads.");
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var site = await ProofSite.MakeAsync(postgres: false, upstream.BaseUrl);
        var key = await site.NewKeyAsync("crowd", 1000m);
        await using var server = await ServerProcess.StartOnAsync(processors: 3, site.ConfigFile);

        Assert.Equal(200, (int)(await server.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Plain, key)).Status);

        Assert.Equal(3, server.Threads(".NET Sockets"));
    }

    /// <summary>How long the slowest of some calls took while another caller never rests.</summary>
    private static async Task<TimeSpan> LongestBesideAsync(RestlessCaller other, ServerProcess server, string key)
    {
        async Task OtherGetsAsync(long more)
        {
            var before = other.Bytes;
            await Until.TrueAsync(() => Task.FromResult(other.Bytes > before + more));
        }

        async Task AskAsync(HttpMethod method, string path, string? body) =>
            Assert.Equal(200, (int)(await server.Http.SendAsync(method, path, body, key).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)).Status);

        await OtherGetsAsync(1_000_000);
        var longest = TimeSpan.Zero;
        for (var i = 0; i <= 40; i++)
        {
            var clock = Stopwatch.StartNew();
            await AskAsync(HttpMethod.Post, "/v1/chat/completions", Plain);
            await AskAsync(HttpMethod.Get, "/v1/models", null);
            // The first waits for the compiler, which is no turn of anybody's.
            if (i > 0 && clock.Elapsed > longest) longest = clock.Elapsed;
        }
        // It ran on all the while, and nobody waited for its end.
        await OtherGetsAsync(100_000);
        return longest;
    }

    private static string Request(string body, string key) =>
        $"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}";

    /// <summary>A thread of its own that works on a bare socket until that ends: both ends must be faster than what is between them.</summary>
    private static void OnAThread(Action work) => new Thread(() =>
    {
        try
        {
            work();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The gateway or the test has ended.
        }
    })
    { IsBackground = true }.Start();

    /// <summary>Answers as usual, but to streams, which never end and never pause.</summary>
    private sealed class EndlessUpstream : IDisposable
    {
        private static readonly byte[] Usual = Encoding.UTF8.GetBytes(UsualReply.Plain());
        private static readonly byte[] UsualHead = Encoding.UTF8.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Usual.Length}\r\n\r\n");
        private static readonly byte[] StreamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"u8.ToArray();
        private static readonly byte[] Events = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(UsualReply.Chunk(UsualReply.Text("and so on ")), 2000)));
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public EndlessUpstream()
        {
            _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _listener.Listen();
            OnAThread(() =>
            {
                while (true)
                {
                    var socket = _listener.Accept();
                    OnAThread(() => Serve(socket));
                }
            });
        }

        public string BaseUrl => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}/v1";

        private static void Serve(Socket socket)
        {
            using (socket)
            {
                var request = new byte[4096]; // a small one comes in one piece
                for (var count = socket.Receive(request); count > 0; count = socket.Receive(request))
                {
                    var isStream = request.AsSpan(0, count).IndexOf("\"stream\":true"u8) >= 0;
                    socket.Send(isStream ? StreamHead : UsualHead);
                    if (!isStream) socket.Send(Usual);
                    while (isStream) socket.Send(Events);
                }
            }
        }

        public void Dispose() => _listener.Dispose();
    }

    /// <summary>Sends once or again and again, waits for no answer, and takes whatever comes.</summary>
    private sealed class RestlessCaller : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private long _bytes;

        public RestlessCaller(Uri gateway, string text, bool repeats)
        {
            _socket.Connect(IPAddress.Loopback, gateway.Port);
            var requests = Encoding.UTF8.GetBytes(text);
            OnAThread(() =>
            {
                do _socket.Send(requests);
                while (repeats);
            });
            OnAThread(() =>
            {
                var answers = new byte[256 * 1024];
                for (var count = _socket.Receive(answers); count > 0; count = _socket.Receive(answers)) Interlocked.Add(ref _bytes, count);
            });
        }

        /// <summary>That have come so far.</summary>
        public long Bytes => Interlocked.Read(ref _bytes);

        public void Dispose() => _socket.Dispose();
    }
}
