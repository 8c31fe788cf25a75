using System.Net;
using System.Net.Sockets;
using System.Text;
using CrossModel.Configuration;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Abstractions;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace CrossModel;

/// <summary>Kestrel and nothing else: no host, no middleware on the way of a request.</summary>
internal sealed class Listener : IAsyncDisposable
{
    private const int Tcp = 6;
    private const int UserTimeout = 18;
    private static readonly TimeSpan Vanished = TimeSpan.FromMinutes(3);

    private readonly ServiceProvider _services;
    private readonly IServer _server;

    /// <param name="connections">How many may be open. Null: no limit.</param>
    /// <param name="why">Words for the operator: what forbids more.</param>
    public Listener(string urls, long? connections, string why, TimeSpan requestHeaders, TimeProvider time, ILoggerFactory logs)
    {
        // Its pool of memory is to be had in no other way.
        var builder = new KestrelServices();
        builder.Services.AddSingleton<ILoggerFactory>(new Logs(logs));
        builder.UseKestrelCore().UseSockets(sockets =>
        {
            sockets.UnsafePreferInlineScheduling = SocketThreads.AreUsed;
            sockets.CreateBoundListenSocket = Bind;
            // By itself a megabyte of what nobody reads yet is taken from every caller whose call runs, and nobody counts that.
            sockets.MaxReadBufferSize = 64 * 1024;
        }).ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // The body's limit is ours (413 in the shared shape), read per call from the configuration in force.
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.RequestHeadersTimeout = requestHeaders;
            // Byte by byte: by itself the web server ends a call that has é as one byte in any header, as fetch writes it, with a 400 without a word.
            kestrel.RequestHeaderEncodingSelector = static _ => Encoding.Latin1;
        });
        if (connections is { } most) ConnectionLimit.Put(builder.Services, most, why, time);
        _services = builder.Services.BuildServiceProvider();
        _server = _services.GetRequiredService<IServer>();
        foreach (var url in ListenAddresses.Split(urls)) Urls.Add(url);
    }

    /// <summary>Once it listens, with the ports that it got.</summary>
    public ICollection<string> Urls => _server.Features.GetRequiredFeature<IServerAddressesFeature>().Addresses;

    /// <exception cref="StartException">An address cannot be listened on.</exception>
    public async Task StartAsync(RequestDelegate answer, CancellationToken cancellation)
    {
        var urls = string.Join(" and ", Urls);
        try
        {
            await _server.StartAsync(new Application(answer), cancellation);
        }
        catch (Exception e) when (e is IOException or SocketException or FormatException or InvalidOperationException)
        {
            // A port that is taken or for root alone, an address that this machine does not have.
            throw new StartException($"{urls} cannot be listened on: {e.Message.TrimEnd('.')}."
                + " Name an address of this machine and a free port: urls (or metrics.urls) in the configuration, or --urls.", e);
        }
    }

    /// <summary>
    /// A caller may vanish without a word (a laptop that sleeps, a network that forgets), and whoever is only waited for would be waited for without end: with
    /// its seat, its hold and its bytes. What is taken on inherits these options.
    /// </summary>
    private static Socket Bind(EndPoint endpoint)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 60);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
        // Linux alone: what a caller does not take in this time ends the connection, else the kernel sends it again for a quarter of an hour.
        // A caller that lives and does not read is ended then too: the kernel makes no difference.
        if (OperatingSystem.IsLinux()) socket.SetRawSocketOption(Tcp, UserTimeout, BitConverter.GetBytes((int)Vanished.TotalMilliseconds));
        return socket;
    }

    /// <summary>The gateway waits for its calls itself; connections that are still open then are ended after a second.</summary>
    public async Task StopAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1));
        await _server.StopAsync(patience.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await _services.DisposeAsync();
    }

    /// <summary>A connection's requests share one context, as they do below a host.</summary>
    private sealed class Application(RequestDelegate answer) : IHttpApplication<DefaultHttpContext>
    {
        public DefaultHttpContext CreateContext(IFeatureCollection contextFeatures)
        {
            if (contextFeatures is not IHostContextContainer<DefaultHttpContext> connection) return new DefaultHttpContext(contextFeatures);
            if (connection.HostContext is { } used) used.Initialize(contextFeatures);
            else connection.HostContext = new DefaultHttpContext(contextFeatures);
            return connection.HostContext;
        }

        public Task ProcessRequestAsync(DefaultHttpContext context) => answer(context);

        public void DisposeContext(DefaultHttpContext context, Exception? exception) => context.Uninitialize();
    }

    /// <summary>Without connections that time out between two calls: of each the web server warns, with a stack trace, and strangers would write the log.</summary>
    private sealed class Logs(ILoggerFactory logs) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => new Quiet(logs.CreateLogger(categoryName));

        public void AddProvider(ILoggerProvider provider) => logs.AddProvider(provider);

        public void Dispose()
        {
        }

        private sealed class Quiet(ILogger log) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state) where TState : notnull => log.BeginScope(state);

            public bool IsEnabled(LogLevel logLevel) => log.IsEnabled(logLevel);

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            {
                if (logLevel > LogLevel.Warning || exception is not SocketException) log.Log(logLevel, eventId, state, exception, formatter);
            }
        }
    }
}
