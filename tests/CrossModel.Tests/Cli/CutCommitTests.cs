using System.Net;
using System.Net.Sockets;
using System.Text;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Cli;

/// <summary>A command whose connection is cut between a commit and its answer does not say that nothing was changed.</summary>
public sealed class CutCommitTests
{
    [Theory]
    [InlineData("crossmodel accounts show acme before you repeat it")]
    [InlineData("the same --ref pay-1", "--ref", "pay-1")]
    public async Task Credit_CutAtTheCommit_SaysThatNobodyKnows(string advice, params string[] more)
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        var run = new CommandRun();
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "whole.json"), $$"""{ "database": "{{address}}" }""");
        await run.GoodAsync("accounts", "create", "acme", "--config", "whole.json");
        var server = new Uri(address);
        using var wire = new CutWire(server.Port);
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "cut.json"),
            $$"""{ "database": "{{address.Replace($":{server.Port}/", $":{wire.Port}/", StringComparison.Ordinal)}}" }""");

        Assert.Equal(1, await run.RunAsync(["accounts", "credit", "acme", "5", .. more, "--config", "cut.json"]));

        Assert.Contains("It is not known whether it was done", run.Error, StringComparison.Ordinal);
        Assert.Contains(advice, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("othing was changed", run.Error, StringComparison.Ordinal);
        Assert.Equal("5.00", await run.GoodAsync("accounts", "balance", "acme", "--config", "whole.json"));
    }

    /// <summary>A way to a PostgreSQL server that ends when the server answers the commit of a ledger entry.</summary>
    private sealed class CutWire : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly int _serverPort;

        public CutWire(int serverPort)
        {
            _serverPort = serverPort;
            _listener.Start();
            _ = AcceptAsync();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

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
                var (isEntry, isCommitting) = (false, false);
                var asking = PumpAsync(client, server, sent =>
                {
                    isEntry |= sent.Contains("INSERT INTO ledger_entry", StringComparison.Ordinal);
                    isCommitting |= isEntry && sent.Contains("COMMIT", StringComparison.Ordinal);
                    return true;
                });
                await Task.WhenAny(asking, PumpAsync(server, client, _ => !isCommitting));
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
}
