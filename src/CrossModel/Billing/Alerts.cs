using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using CrossModel.Protocol;
using CrossModel.Storage;

namespace CrossModel.Billing;

/// <summary>When to tell that a balance is low.</summary>
/// <param name="Below">Nano-dollars.</param>
/// <param name="Webhook">Null: the log alone.</param>
/// <param name="Secret">Signs the webhook; null: it is not signed.</param>
internal sealed record AlertRule(long Below, Uri? Webhook, string? Secret);

/// <summary>
/// Tells once when a charge takes an account's balance across the threshold: a log line and a signed POST. The crossing is seen by the one commit that
/// makes it, so several nodes do not tell it several times.
/// </summary>
internal sealed class Alerts : IAsyncDisposable
{
    private const int Tries = 3;
    private const int SideBySide = 8;
    private const int MostWaiting = 1000;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(10);

    private readonly Database _database;
    private readonly Func<AlertRule?> _rule;
    private readonly ILogger _log;
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, ConnectCallback = HappyEyeballs.ConnectAsync, SslOptions = ClientTls.Options });
    private readonly Channel<(string AccountId, long Balance)> _crossings = Channel.CreateBounded<(string, long)>(MostWaiting);
    private readonly SemaphoreSlim _posts = new(SideBySide, SideBySide);
    private int _waiting;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;

    /// <param name="rule">The rule in force; null: nobody is told.</param>
    public Alerts(Database database, Func<AlertRule?> rule, ILogger log)
    {
        (_database, _rule, _log) = (database, rule, log);
        _loop = LoopAsync();
    }

    /// <summary>After a charge: <see cref="Settlements.BalanceChanged"/>.</summary>
    public void Note(string accountId, long before, long after)
    {
        if (_rule() is { } rule && before >= rule.Below && after < rule.Below && !_crossings.Writer.TryWrite((accountId, after))) _log.AlertFailed(accountId, "too many at once");
    }

    /// <summary><c>t=UNIX-SECONDS,v1=HEX</c>: HMAC-SHA256 with the secret over the seconds, a full stop and the body.</summary>
    public static string Sign(string secret, long unixSeconds, string body) => string.Create(CultureInfo.InvariantCulture,
        $"t={unixSeconds},v1={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes($"{unixSeconds}.{body}")))}");

    private async Task LoopAsync()
    {
        await foreach (var (accountId, balance) in _crossings.Reader.ReadAllAsync())
        {
            try
            {
                if (_rule() is { } rule) await TellAsync(rule, accountId, balance);
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                _log.AlertFailed(accountId, e.GetType().Name);
            }
        }
    }

    private async Task TellAsync(AlertRule rule, string accountId, long balance)
    {
        var name = await _database.ReadAsync(s => s.FirstAsync("SELECT name FROM account WHERE id = @id", row => row.GetString(0), ("@id", accountId)), _stopping.Token);
        _log.BalanceLow(name ?? accountId, Usd.Format(balance), Usd.Format(rule.Below));
        if (rule.Webhook is null) return;
        if (Interlocked.Increment(ref _waiting) <= MostWaiting) _ = PostInTurnAsync(rule, accountId, name, balance);
        else
        {
            Interlocked.Decrement(ref _waiting);
            _log.AlertFailed(accountId, "too many are waiting for the webhook");
        }
    }

    /// <summary>A webhook that is slow or dead holds up other accounts' posts a little, and no line of the log.</summary>
    private async Task PostInTurnAsync(AlertRule rule, string accountId, string? name, long balance)
    {
        try
        {
            await _posts.WaitAsync(_stopping.Token);
            try
            {
                await PostAsync(rule, accountId, name, balance);
            }
            finally
            {
                _posts.Release();
            }
        }
        catch (Exception e)
        {
            if (!_stopping.IsCancellationRequested) _log.AlertFailed(accountId, e.GetType().Name);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    private async Task PostAsync(AlertRule rule, string accountId, string? name, long balance)
    {
        var now = _database.Time.GetUtcNow().ToUnixTimeSeconds();
        using var buffer = new PooledBuffer();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JsonText.Encoder }))
        {
            json.WriteStartObject();
            json.WriteString("event"u8, "balance_low");
            json.WriteString("account"u8, name);
            json.Usd("balance", balance);
            json.Usd("below", rule.Below);
            json.WriteNumber("at"u8, now);
            json.WriteEndObject();
        }
        var body = Encoding.UTF8.GetString(buffer.Span);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                if (await PostAsync(rule, body, now)) return;
            }
            catch (Exception e) when (attempt < Tries && e is HttpRequestException or OperationCanceledException && !_stopping.IsCancellationRequested)
            {
                _log.AlertFailed(accountId, e.GetType().Name);
            }
            if (attempt == Tries) throw new HttpRequestException("The webhook did not answer with 2xx.");
            await Task.Delay(Pause * attempt, _database.Time, _stopping.Token);
        }
    }

    private async Task<bool> PostAsync(AlertRule rule, string body, long now)
    {
        using var deadline = new CancellationTokenSource(LongestAnswer, _database.Time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, deadline.Token);
        using var request = new HttpRequestMessage(HttpMethod.Post, rule.Webhook)
        {
            Content = new StringContent(body, Encoding.UTF8, new MediaTypeHeaderValue("application/json")),
        };
        if (rule.Secret is { } secret) request.Headers.TryAddWithoutValidation("x-crossmodel-signature", Sign(secret, now, body));
        using var response = await _http.SendAsync(request, patience.Token);
        return response.StatusCode is >= HttpStatusCode.OK and < HttpStatusCode.MultipleChoices;
    }

    public async ValueTask DisposeAsync()
    {
        _crossings.Writer.TryComplete();
        _stopping.CancelAfter(TimeSpan.FromSeconds(3));
        await _loop;
        // Each place at the webhook is free once nobody posts.
        for (var i = 0; i < SideBySide; i++) await _posts.WaitAsync();
        _posts.Dispose();
        _http.Dispose();
        _stopping.Dispose();
    }
}

internal static partial class Log
{
    [LoggerMessage(EventId = 7021, Level = LogLevel.Warning, Message = "The balance of account {Account} has fallen to {Balance} USD, below {Below}")]
    public static partial void BalanceLow(this ILogger log, string account, string balance, string below);

    [LoggerMessage(EventId = 7022, Level = LogLevel.Warning, Message = "The low-balance alert of account {AccountId} could not be delivered ({Fault})")]
    public static partial void AlertFailed(this ILogger log, string accountId, string fault);
}
