using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

/// <summary>Addresses of loopback: one answers, one refuses, one is silent as a network that drops IPv6 is.</summary>
public sealed class HappyEyeballsTests : IDisposable
{
    private static readonly IPAddress Answers = IPAddress.Parse("127.0.0.2");
    private static readonly IPAddress Refuses = IPAddress.Parse("127.0.0.3");
    private static readonly IPAddress Silent = IPAddress.Parse("127.0.0.4");

    private readonly List<Socket> _sockets = [];
    private readonly int _port;

    public HappyEyeballsTests()
    {
        var answering = Listen(Answers, 0, backlog: 16);
        _port = ((IPEndPoint)answering.LocalEndPoint!).Port;
        // A full queue drops what comes; Linux queues one more than it is told.
        Listen(Silent, _port, backlog: 0);
        for (var i = 0; i < 2; i++)
        {
            var filling = New();
            filling.Blocking = false;
            Assert.Throws<SocketException>(() => filling.Connect(Silent, _port)); // would block
        }
    }

    private Socket New()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _sockets.Add(socket);
        return socket;
    }

    private Socket Listen(IPAddress address, int port, int backlog)
    {
        var socket = New();
        socket.Bind(new IPEndPoint(address, port));
        socket.Listen(backlog);
        return socket;
    }

    public void Dispose() => _sockets.ForEach(socket => socket.Dispose());

    private async Task<(IPAddress Address, TimeSpan Took)> ConnectAsync(params IPAddress[] addresses)
    {
        var started = TimeProvider.System.GetTimestamp();
        using var socket = await HappyEyeballs.ConnectAsync(addresses, _port, TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        return (((IPEndPoint)socket.RemoteEndPoint!).Address, TimeProvider.System.GetElapsedTime(started));
    }

    [Fact]
    public async Task AddressThatIsSilent_TheNextOneIsTakenBeforeItsTimeIsUp()
    {
        var (address, took) = await ConnectAsync(Silent, Answers);
        Assert.Equal(Answers, address);
        Assert.InRange(took, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task AddressesThatAreSilent_WaitBesideEachOther() => Assert.Equal(Answers, (await ConnectAsync(Silent, Silent, Silent, Answers)).Address);

    [Fact]
    public async Task AddressThatRefuses_TheNextOneIsTakenAtOnce()
    {
        var best = TimeSpan.MaxValue;
        for (var i = 0; i < 3; i++)
        {
            var (address, took) = await ConnectAsync(Refuses, Answers);
            Assert.Equal(Answers, address);
            if (took < best) best = took;
        }
        Assert.InRange(best, TimeSpan.Zero, TimeSpan.FromMilliseconds(200));
    }

    [Fact]
    public async Task AddressThatAnswers_IsTakenBeforeOthers() => Assert.Equal(Answers, (await ConnectAsync(Answers, Silent, Refuses)).Address);

    /// <summary>The second family does not wait until all of the first have had their turn.</summary>
    [Theory]
    [InlineData("::1 ::2 ::3 1.1.1.1 1.1.1.2", "::1 1.1.1.1 ::2 1.1.1.2 ::3")]
    [InlineData("1.1.1.1 ::1 ::2 1.1.1.2", "1.1.1.1 ::1 1.1.1.2 ::2")]
    [InlineData("::2 ::1", "::2 ::1")]
    public void Families_AreTriedInTurns(string resolved, string tried) =>
        Assert.Equal(tried, string.Join(' ', HappyEyeballs.InTurns([.. resolved.Split(' ').Select(IPAddress.Parse)])));

    [Fact]
    public async Task NoneAnswers_TheirReasonIsTold()
    {
        var refused = await Assert.ThrowsAsync<SocketException>(() => ConnectAsync(Refuses, Refuses));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        var none = await Assert.ThrowsAsync<SocketException>(() => ConnectAsync());
        Assert.Equal(SocketError.HostUnreachable, none.SocketErrorCode);
    }

    /// <summary>A network forgets a connection on which nothing moves for some minutes.</summary>
    [Fact]
    public async Task Connection_IsKeptAliveByItself_AndSendsAtOnce()
    {
        using var socket = await HappyEyeballs.ConnectAsync([Answers], _port, TestContext.Current.CancellationToken);
        int Option(SocketOptionLevel level, SocketOptionName name) => (int)socket.GetSocketOption(level, name)!;
        Assert.NotEqual(0, Option(SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
        Assert.Equal((60, 15), (Option(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime), Option(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval)));
        Assert.True(socket.NoDelay);
    }

    [Fact]
    public async Task OtherAttempts_AreGivenUpOnceOneHasAnswered()
    {
        int Attempts() => IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpConnections()
            .Count(c => c.State == TcpState.SynSent && c.RemoteEndPoint.Equals(new IPEndPoint(Silent, _port)));
        var before = Attempts();
        await ConnectAsync(Silent, Silent, Answers);
        Assert.True(SpinWait.SpinUntil(() => Attempts() == before, TimeSpan.FromSeconds(20)));
    }

    [Fact]
    public async Task NobodyAnswersInTime_EndsWithTheTime()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(600));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => HappyEyeballs.ConnectAsync([Silent, Silent], _port, patience.Token).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
    }
}
