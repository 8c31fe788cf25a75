using System.Net;
using System.Net.Sockets;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;

namespace CrossModel.Upstreams;

/// <summary>How an upstream answered when it was tried.</summary>
internal enum Reach
{
    Reached,

    /// <summary>It is there and refuses the operator's credentials.</summary>
    Refused,

    /// <summary>It is there, and calls would fail all the same.</summary>
    Failing,
    NotReached,
}

/// <param name="Status">The HTTP status; null: none came.</param>
/// <param name="Message">What was seen, and how to mend it where it is not good. Contains no credential.</param>
/// <param name="ElapsedMs">Milliseconds until the answer.</param>
internal sealed record ProbeResult(string Upstream, Reach Reach, int? Status, string Message, long ElapsedMs);

/// <summary>Tries configured upstreams before the first caller does: a GET each that costs nothing, all side by side, each with a short time limit.</summary>
internal sealed class UpstreamProbe(TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private const int LargestList = 1024 * 1024;

    /// <summary>In the order of the configuration.</summary>
    public Task<ProbeResult[]> RunAsync(GatewayConfig config, CancellationToken cancellation) =>
        Task.WhenAll(config.Upstreams.Select(upstream => TryEachKeyAsync(upstream.Key, upstream.Value, cancellation)));

    /// <summary>Each of several keys: calls take turns, so one that is bad is met by some of them.</summary>
    private async Task<ProbeResult> TryEachKeyAsync(string name, UpstreamConfig config, CancellationToken cancellation)
    {
        if (config.ApiKeys.Count < 2) return await TryAsync(name, config, cancellation);
        var results = await Task.WhenAll(config.ApiKeys.Select(key => TryAsync(name, config with { ApiKeys = [key] }, cancellation)));
        var bad = results.Index().Where(result => result.Item.Reach == Reach.Refused).Select(result => result.Index + 1).ToArray();
        return bad.Length == 0 ? results.FirstOrDefault(result => result.Reach != Reach.Reached) ?? results[0]
            : results[bad[0] - 1] with { Message = $"key {string.Join(" and ", bad)} of {results.Length}: {results[bad[0] - 1].Message}" };
    }

    private async Task<ProbeResult> TryAsync(string name, UpstreamConfig config, CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        ProbeResult Result(Reach reach, int? status, string message) => new(name, reach, status, message, (long)time.GetElapsedTime(started).TotalMilliseconds);

        if (config is { Dialect: "simulated", BaseUrl: null }) return Result(Reach.Reached, null, "built in");
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(config.Timeouts.Connect < Patience ? config.Timeouts.Connect : Patience);
        using var client = new UpstreamClient(config);
        try
        {
            using var dialect = DialectSet.Create(config, time);
            using var request = new UpstreamRequest();
            var hasList = dialect.WriteModelList(request);
            if (!hasList && config.BaseUrl is { } root) request.Uri = new Uri(root);
            if (request.Uri is null) return Result(Reach.Reached, null, "not tried: this dialect chooses its address by the request");
            using var response = await client.GetAsync(request, hasList ? dialect : null, patience.Token);
            var (reach, message) = Read(response.StatusCode, hasList);
            var result = Result(reach, (int)response.StatusCode, message);
            return hasList && response.IsSuccessStatusCode && await PresetAsync(config, response, patience.Token) is { } preset
                ? result with { Message = $"{message}, and it is one of {preset}: add \"preset\": \"{preset}\", so that what it does otherwise is known" }
                : result;
        }
        catch (CredentialException e)
        {
            return Result(Reach.Refused, null, $"no credentials to send: {e.Message}");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return Result(Reach.NotReached, null, "no answer in time: check baseUrl, and that no firewall is between");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            return Result(Reach.NotReached, null, Explain(e));
        }
    }

    /// <summary>The preset that is missing, as far as the list of models says; null: none. What becomes of the list says nothing of how the server was reached.</summary>
    private static async Task<string?> PresetAsync(UpstreamConfig config, HttpResponseMessage response, CancellationToken cancellation)
    {
        if (!DialectSet.MayMissPreset(config)) return null;
        using var body = new PooledBuffer();
        try
        {
            await using var stream = await response.Content.ReadAsStreamAsync(cancellation);
            int read;
            while (body.Length <= LargestList && (read = await stream.ReadAsync(body.GetMemory(4096), cancellation)) > 0) body.Advance(read);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            return null;
        }
        return DialectSet.PresetOf(body.Memory);
    }

    private static (Reach Reach, string Message) Read(HttpStatusCode status, bool withCredentials) => (int)status switch
    {
        _ when !withCredentials && (int)status < 500 => (Reach.Reached, "an answer came; credentials are tried by the first call"),
        401 or 403 => (Reach.Refused, "the credentials are refused: check apiKey, and that it may use this API"),
        402 => (Reach.Refused, "the provider wants to be paid: check the account there"),
        >= 300 and < 400 => (Reach.Failing, "a redirect, which is never followed: write the final address in baseUrl"),
        // Not every server lists its models; whoever says so politely is there.
        404 or 405 or 501 => (Reach.Reached, "an answer came, but no list of models: check that baseUrl is right"),
        >= 500 => (Reach.Failing, "the server itself reports a fault: try again later"),
        >= 200 and < 300 => (Reach.Reached, "the list of models came"),
        _ => (Reach.Reached, "an answer came"),
    };

    private static string Explain(Exception e) => (e as HttpRequestException)?.HttpRequestError switch
    {
        HttpRequestError.NameResolutionError => "the host name is not known: check baseUrl",
        HttpRequestError.SecureConnectionError => "no TLS connection: check that baseUrl means https, and that the server sends a valid certificate with its whole chain",
        HttpRequestError.ConnectionError when e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionRefused } =>
            "nothing listens there: check the port in baseUrl, and that the server runs",
        HttpRequestError.ConnectionError => "no connection: check baseUrl and the network",
        _ => "the connection ended without an HTTP answer: check that baseUrl means http or https rightly",
    };
}
