using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using CrossModel.Billing;
using CrossModel.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Billing;

public sealed class AlertsTests
{
    [Fact]
    public async Task Balance_FallsBelow_IsPostedOnceAndSigned()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var posted = ReadPostAsync(listener);
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1000);
        var rule = new AlertRule(900, new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/hook"), "whsec");
        await using (var alerts = new Alerts(till.Database, () => rule, NullLogger.Instance))
        {
            till.Settlements.BalanceChanged = alerts.Note;
            foreach (var price in new[] { 100, 50, 50 }) await till.ChargeAsync(account, 100, price);
            var (head, body) = await posted;
            var json = JsonDocument.Parse(body).RootElement;
            Assert.Equal(("balance_low", account.Name, "0.00000085", "0.0000009"), (json.GetProperty("event").GetString(), json.GetProperty("account").GetString(),
                json.GetProperty("balance").GetString(), json.GetProperty("below").GetString()));
            Assert.Contains("x-crossmodel-signature: " + Alerts.Sign("whsec", json.GetProperty("at").GetInt64(), body), head, StringComparison.OrdinalIgnoreCase);
        }
        Assert.False(listener.Pending());
    }

    /// <summary>The line in the log is at once, whatever becomes of another account's post.</summary>
    [Fact]
    public async Task Webhook_ThatHangs_HoldsUpNoLineOfTheLog()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var log = new Lines();
        await using var till = await Till.OpenNewAsync(postgres: false);
        var rule = new AlertRule(900, new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/hook"), null);
        await using var alerts = new Alerts(till.Database, () => rule, log);
        till.Settlements.BalanceChanged = alerts.Note;
        for (var i = 0; i < 10; i++) await till.ChargeAsync(await till.NewAccountAsync(1000), 200, 200);
        await Till.UntilAsync(() => Task.FromResult(log.Count >= 10));
    }

    /// <summary>Tried three times, later each time; then the log says that nobody was told.</summary>
    [Theory]
    [InlineData(500, 204, 2)]
    [InlineData(302, 200, 2)]
    [InlineData(500, 500, 3)]
    public async Task Webhook_ThatDoesNotAnswerWith2xx_IsTriedThreeTimesAndNoMore(int first, int then, int posts)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var (clock, log) = (new FakeClock(), new Lines());
        await using var till = await Till.OpenNewAsync(postgres: false, clock);
        var rule = new AlertRule(900, new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/hook"), "whsec");
        await using (var alerts = new Alerts(till.Database, () => rule, log))
        {
            till.Settlements.BalanceChanged = alerts.Note;
            var posted = ReadPostAsync(listener, first);
            await till.ChargeAsync(await till.NewAccountAsync(1000), 200, 200);
            var (head, body) = await posted;
            for (var i = 1; i < posts; i++)
            {
                var again = ReadPostAsync(listener, then);
                Assert.False(again.IsCompleted);
                var before = clock.GetUtcNow();
                await Till.UntilAsync(() => Task.FromResult(again.IsCompleted), clock);
                Assert.True(clock.GetUtcNow() - before >= TimeSpan.FromSeconds(2 * i));
                Assert.Equal((Signature(head), body), (Signature((await again).Head), (await again).Body));
            }
            if (then == 500) await Till.UntilAsync(() => Task.FromResult(log.Undelivered == 1), clock);
        }
        Assert.Equal(then == 500 ? 1 : 0, log.Undelivered);
        Assert.False(listener.Pending());
    }

    [Fact]
    public async Task Webhook_ThatNeverAnswers_IsGivenTenSecondsOfTheClocks()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var (clock, log) = (new FakeClock(), new Lines());
        await using var till = await Till.OpenNewAsync(postgres: false, clock);
        var rule = new AlertRule(900, new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/hook"), null);
        await using var alerts = new Alerts(till.Database, () => rule, log);
        till.Settlements.BalanceChanged = alerts.Note;
        await till.ChargeAsync(await till.NewAccountAsync(1000), 200, 200);
        using var silent = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        clock.Advance(TimeSpan.FromSeconds(9.9));
        Assert.Equal(0, log.Undelivered);
        clock.Advance(TimeSpan.FromSeconds(0.1));
        // Sooner than ten seconds of the machine's own have passed.
        await Till.UntilAsync(() => Task.FromResult(log.Undelivered == 1)).WaitAsync(TimeSpan.FromSeconds(7), TestContext.Current.CancellationToken);
    }

    private static string Signature(string head) => head.Split("\r\n").Single(line => line.StartsWith("x-crossmodel-signature:", StringComparison.OrdinalIgnoreCase));

    private sealed class Lines : Microsoft.Extensions.Logging.ILogger
    {
        private int _count;
        private int _undelivered;

        public int Count => Volatile.Read(ref _count);
        public int Undelivered => Volatile.Read(ref _undelivered);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(Microsoft.Extensions.Logging.LogLevel logLevel, Microsoft.Extensions.Logging.EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (eventId.Id == 7021) Interlocked.Increment(ref _count);
            if (eventId.Id == 7022) Interlocked.Increment(ref _undelivered);
        }
    }

    // The value was made with another program: printf '5.{}' | openssl dgst -sha256 -hmac key
    [Fact]
    public void Signature_IsTheHmacOfTimeAndBody() =>
        Assert.Equal("t=5,v1=9be615aec64f0d044b5ad6854ab1d893ec88617fb728d2149dcd3a3428e8c45d", Alerts.Sign("key", 5, "{}"));

    private static async Task<(string Head, string Body)> ReadPostAsync(TcpListener listener, int status = 204)
    {
        using var client = await listener.AcceptTcpClientAsync();
        var stream = client.GetStream();
        var text = "";
        var buffer = new byte[4096];
        while (!text.Contains("\r\n\r\n", StringComparison.Ordinal) || !text.EndsWith('}'))
            text += Encoding.UTF8.GetString(buffer, 0, await stream.ReadAsync(buffer));
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
        var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        return (text[..end], text[(end + 4)..]);
    }
}
