using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using CrossModel.Protocol;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Running;

public sealed class ListenerTests
{
    private const int Tcp = 6;
    private const int UserTimeout = 18;

    [Theory]
    [InlineData("http://127.0.0.1:0")]
    [InlineData("http://*:0")]
    public async Task Caller_WhoVanishesWithoutAWord_IsFoundOutByTheKernel(string url)
    {
        var socket = new TaskCompletionSource<Socket>(TaskCreationOptions.RunContinuationsAsynchronously);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var listener = new Listener(url, null, "", TimeSpan.FromSeconds(30), TimeProvider.System, NullLoggerFactory.Instance);
        await listener.StartAsync(
            http =>
            {
                socket.SetResult(http.Features.Get<IConnectionSocketFeature>()!.Socket);
                return ended.Task;
            }, TestContext.Current.CancellationToken);
        using var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", Port(listener), TestContext.Current.CancellationToken);
        await client.GetStream().WriteAsync("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);

        var caller = await socket.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        // Where nothing is to be sent (a body that does not come on, a plain reply that is waited for), it asks.
        Assert.NotEqual(0, caller.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
        Assert.Equal(60, caller.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime));
        Assert.Equal(15, caller.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval));
        // Where a stream's events are not taken, it does not send them again for a quarter of an hour.
        var timeout = new byte[4];
        caller.GetRawSocketOption(Tcp, UserTimeout, timeout);
        Assert.Equal(180_000, BinaryPrimitives.ReadInt32LittleEndian(timeout));

        ended.SetResult();
    }

    /// <summary>What reading a body throws then, as the web server passes it on.</summary>
    [Fact]
    public void Caller_WhoseConnectionTimesOut_IsGone() =>
        Assert.True(Departure.Told(new DefaultHttpContext(), new SocketException((int)SocketError.TimedOut)));

    /// <summary>Whoever takes no replies needs no key: strangers would write the log.</summary>
    [Fact]
    public async Task Caller_WhoseConnectionTimesOutBetweenCalls_IsNotLogged()
    {
        var lines = new Lines();
        using var logs = LoggerFactory.Create(logging => logging.AddProvider(lines));
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using (var listener = new Listener("http://127.0.0.1:0", null, "", TimeSpan.FromSeconds(30), TimeProvider.System, logs))
        {
            await listener.StartAsync(
                async http =>
                {
                    http.Features.Get<IConnectionSocketFeature>()!.Socket.SetRawSocketOption(Tcp, UserTimeout, BitConverter.GetBytes(1000));
                    http.Features.Get<IConnectionLifetimeFeature>()!.ConnectionClosed.Register(closed.SetResult);
                    await http.Response.Body.WriteAsync(new byte[1_000_000]);
                }, TestContext.Current.CancellationToken);
            using var client = new TcpClient { ReceiveBufferSize = 16 * 1024 };
            await client.ConnectAsync("127.0.0.1", Port(listener), TestContext.Current.CancellationToken);
            await client.GetStream().WriteAsync("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
            await closed.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        }
        Assert.Empty(lines.Written);
    }

    private static int Port(Listener listener) => new Uri(listener.Urls.Single().Replace("[::]", "localhost", StringComparison.Ordinal)).Port;

    private sealed class Lines : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> Written { get; } = new();

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel)) Written.Enqueue($"{formatter(state, exception)} {exception}");
        }

        public void Dispose()
        {
        }
    }
}
