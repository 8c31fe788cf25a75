using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace CrossModel;

/// <summary>
/// Takes on no more connections than it says, and ends every other before the next one is taken. Kestrel's own limit lets a worker end it later:
/// strangers who come all at once have used up the process's files by then.
/// </summary>
/// <param name="most">Open connections of all addresses together.</param>
/// <param name="why">Words for the operator: what forbids more.</param>
internal sealed partial class ConnectionLimit(long most, string why, IConnectionListenerFactory sockets, TimeProvider time, ILogger<ConnectionLimit> log)
    : IConnectionListenerFactory
{
    private static readonly TimeSpan BetweenWarnings = TimeSpan.FromMinutes(1);

    private long _open;
    private long _warned;

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        new Listener(this, await sockets.BindAsync(endpoint, cancellationToken));

    /// <summary>Has the sockets of a server limited; its transport is chosen already.</summary>
    public static void Put(IServiceCollection services, long most, string why, TimeProvider time)
    {
        services.AddSingleton(built =>
            new ConnectionLimit(most, why, ActivatorUtilities.CreateInstance<SocketTransportFactory>(built), time, built.GetRequiredService<ILogger<ConnectionLimit>>()));
        // Of several transports Kestrel takes the last that was added.
        services.AddSingleton<IConnectionListenerFactory>(built => built.GetRequiredService<ConnectionLimit>());
        services.Configure<KestrelServerOptions>(kestrel =>
            kestrel.ConfigureEndpointDefaults(address => address.Use(kestrel.ApplicationServices.GetRequiredService<ConnectionLimit>().Counted)));
    }

    /// <summary>Around all that happens on a connection that was taken on.</summary>
    private ConnectionDelegate Counted(ConnectionDelegate next) => async connection =>
    {
        try
        {
            await next(connection);
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    };

    private bool TakesOn()
    {
        if (Interlocked.Increment(ref _open) <= most) return true;
        Interlocked.Decrement(ref _open);
        var warned = Volatile.Read(ref _warned);
        if ((warned == 0 || time.GetElapsedTime(warned) >= BetweenWarnings)
            && Interlocked.CompareExchange(ref _warned, time.GetTimestamp(), warned) == warned) TooMany(log, most, why);
        return false;
    }

    private sealed class Listener(ConnectionLimit limit, IConnectionListener sockets) : IConnectionListener
    {
        public EndPoint EndPoint => sockets.EndPoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (await sockets.AcceptAsync(cancellationToken) is { } connection)
            {
                if (limit.TakesOn()) return connection;
                connection.Abort(new ConnectionAbortedException("too many connections"));
                await connection.DisposeAsync();
            }
            return null;
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => sockets.UnbindAsync(cancellationToken);

        public ValueTask DisposeAsync() => sockets.DisposeAsync();
    }

    [LoggerMessage(EventId = 101, Level = LogLevel.Warning, Message = "{Most} connections are open, and others are ended: {Why}")]
    private static partial void TooMany(ILogger log, long most, string why);
}
