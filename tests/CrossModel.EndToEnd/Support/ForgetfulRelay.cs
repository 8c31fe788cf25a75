using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace CrossModel.EndToEnd.Support;

/// <summary>A connection through it lives until it is forgotten: from then on it takes bytes and passes none on, and nobody is told. New ones are served.</summary>
internal sealed class ForgetfulRelay : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _end = new();
    private readonly ConcurrentBag<TcpClient> _sockets = [];
    private readonly int _to;
    private int _era;

    private ForgetfulRelay(int to) => _to = to;

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public static ForgetfulRelay To(int port)
    {
        var relay = new ForgetfulRelay(port);
        relay._listener.Start();
        _ = relay.AcceptAsync();
        return relay;
    }

    /// <summary>All connections that are there now.</summary>
    public void Forget() => Interlocked.Increment(ref _era);

    private async Task AcceptAsync()
    {
        while (!_end.IsCancellationRequested)
        {
            var caller = await _listener.AcceptTcpClientAsync(_end.Token);
            var server = new TcpClient();
            _sockets.Add(caller);
            _sockets.Add(server);
            await server.ConnectAsync(IPAddress.Loopback, _to, _end.Token);
            _ = PassAsync(caller.GetStream(), server.GetStream(), Volatile.Read(ref _era));
            _ = PassAsync(server.GetStream(), caller.GetStream(), Volatile.Read(ref _era));
        }
    }

    private async Task PassAsync(NetworkStream from, NetworkStream to, int era)
    {
        var bytes = new byte[16 * 1024];
        int count;
        while ((count = await from.ReadAsync(bytes, _end.Token)) > 0)
        {
            if (Volatile.Read(ref _era) == era) await to.WriteAsync(bytes.AsMemory(0, count), _end.Token);
        }
    }

    public void Dispose()
    {
        _end.Cancel();
        _listener.Dispose();
        foreach (var socket in _sockets) socket.Dispose();
        _end.Dispose();
    }
}
