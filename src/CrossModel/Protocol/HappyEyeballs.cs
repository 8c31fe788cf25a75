using System.Net;
using System.Net.Sockets;

namespace CrossModel.Protocol;

/// <summary>
/// Connects to the first address of several that answers (RFC 8305, happy eyeballs): where a host has IPv6 on paper only, nothing answers and nothing
/// refuses, and whoever tries one address after the other waits there until the time for a connection is up.
/// </summary>
internal static class HappyEyeballs
{
    /// <summary>How long an address has the attempt to itself (RFC 8305 section 5).</summary>
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(250);

    /// <summary>For <see cref="SocketsHttpHandler.ConnectCallback"/>.</summary>
    public static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        var host = context.DnsEndPoint;
        var addresses = IPAddress.TryParse(host.Host, out var literal) ? [literal] : await Dns.GetHostAddressesAsync(host.Host, cancellation);
        return new NetworkStream(await ConnectAsync(addresses, host.Port, cancellation), ownsSocket: true);
    }

    /// <summary>The addresses in their order, but families in turns. Throws the last attempt's <see cref="SocketException"/> where none answers.</summary>
    public static async Task<Socket> ConnectAsync(IReadOnlyList<IPAddress> addresses, int port, CancellationToken cancellation)
    {
        if (addresses.Count == 1) return await TryAsync(addresses[0], port, cancellation);
        using var won = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var running = new List<Task<Socket>>();
        try
        {
            Exception last = new SocketException((int)SocketError.HostUnreachable);
            var left = new Queue<IPAddress>(InTurns(addresses));
            while (left.Count > 0 || running.Count > 0)
            {
                if (left.TryDequeue(out var address)) running.Add(TryAsync(address, port, won.Token));
                var patience = Task.Delay(left.Count > 0 ? Delay : Timeout.InfiniteTimeSpan, won.Token);
                var first = await Task.WhenAny([.. running, patience]);
                cancellation.ThrowIfCancellationRequested();
                if (first is not Task<Socket> ended) continue;
                running.Remove(ended);
                if (ended.IsCompletedSuccessfully) return await ended;
                last = ended.Exception!.InnerException!;
            }
            throw last;
        }
        finally
        {
            await won.CancelAsync();
            // Who answers after the first has nobody to talk to.
            foreach (var late in running)
                _ = late.ContinueWith(static task => { if (task.IsCompletedSuccessfully) task.Result.Dispose(); else _ = task.Exception; }, TaskScheduler.Default);
        }
    }

    internal static IEnumerable<IPAddress> InTurns(IReadOnlyList<IPAddress> addresses)
    {
        var first = addresses.Count > 0 ? addresses[0].AddressFamily : default;
        var (own, other) = (addresses.Where(a => a.AddressFamily == first).ToArray(), addresses.Where(a => a.AddressFamily != first).ToArray());
        for (var i = 0; i < Math.Max(own.Length, other.Length); i++)
        {
            if (i < own.Length) yield return own[i];
            if (i < other.Length) yield return other[i];
        }
    }

    private static async Task<Socket> TryAsync(IPAddress address, int port, CancellationToken cancellation)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            // A network forgets a connection on which nothing moves, and a long thought is silent for minutes.
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 60);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
            await socket.ConnectAsync(address, port, cancellation);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
