using System.Net;
using System.Net.Sockets;
using System.Text;

namespace CrossModel.Tests.Support;

/// <summary>A way to a PostgreSQL server that ends when the server answers the first commit of a statement: it has happened, and nobody is told.</summary>
/// <remarks>Later commits of it, on other connections, are answered.</remarks>
internal sealed class CutWire : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly int _serverPort;
    private readonly string _statement;
    private int _cuts;

    /// <param name="statement">How it begins.</param>
    public CutWire(int serverPort, string statement)
    {
        (_serverPort, _statement) = (serverPort, statement);
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>The address of the same database by this way.</summary>
    public static CutWire Of(string address, string statement, out string cut)
    {
        var wire = new CutWire(new Uri(address).Port, statement);
        cut = address.Replace($":{new Uri(address).Port}/", $":{wire.Port}/", StringComparison.Ordinal);
        return wire;
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var client = await _listener.AcceptTcpClientAsync();
            _ = CarryAsync(client);
        }
    }

    private async Task CarryAsync(TcpClient client)
    {
        using var server = new TcpClient();
        using (client)
        {
            await server.ConnectAsync(IPAddress.Loopback, _serverPort);
            var (isNear, isCut) = (false, false);
            var asking = PumpAsync(client, server, sent =>
            {
                isNear |= sent.Contains(_statement, StringComparison.Ordinal);
                if (isNear && sent.Contains("COMMIT", StringComparison.Ordinal)) isCut |= Interlocked.Increment(ref _cuts) == 1;
                return true;
            });
            await Task.WhenAny(asking, PumpAsync(server, client, _ => !isCut));
        }
    }

    private static async Task PumpAsync(TcpClient from, TcpClient to, Func<string, bool> goesOn)
    {
        var buffer = new byte[64 * 1024];
        while (await from.GetStream().ReadAsync(buffer) is > 0 and var length && goesOn(Encoding.Latin1.GetString(buffer, 0, length)))
            await to.GetStream().WriteAsync(buffer.AsMemory(0, length));
    }

    public void Dispose() => _listener.Dispose();
}
