using System.Globalization;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Chat;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Storage;
using CrossModel.Usage;

namespace CrossModel;

/// <summary>GET /metrics: loopback only, unless a token or an address of its own is configured.</summary>
/// <param name="hasOwnAddress">metrics.urls is configured: the main address has no metrics then.</param>
internal sealed class MetricsEndpoint(Meters meters, Capacity capacity, Books books, Settlements settlements, Snapshots snapshots, TimeProvider time, bool hasOwnAddress)
{
    private const string Model = "gen_ai_request_model";
    private const string Upstream = "crossmodel_upstream";
    private const string TokenType = "gen_ai_token_type";

    private static readonly string Version = typeof(MetricsEndpoint).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>At the gateway's main address.</summary>
    public ValueTask<ApiError?> AnswerAsync(HttpContext http) =>
        hasOwnAddress ? ValueTask.FromResult<ApiError?>(ApiErrors.NotFound(FrontDoor.MetricsPath)) : AnswerAsync(http, snapshots.Current.Config.Metrics.Token is null);

    /// <summary>At metrics.urls, where there is nothing else.</summary>
    public async Task AnswerThereAsync(HttpContext http)
    {
        await SocketTurn.End();
        http.Response.Headers["x-request-id"] = RequestIds.NewRequest(time);
        var refusal = http.Request.Path.Value != FrontDoor.MetricsPath ? ApiErrors.NotFound(http.Request.Path.Value ?? "", "GET " + FrontDoor.MetricsPath)
            : Methods.IsRead(http) ? await AnswerAsync(http, loopbackOnly: false)
            : Methods.NotAllowed(http, Methods.Read);
        if (refusal is not null) await ReplyHeaders.RefuseAsync(http, refusal);
    }

    private async ValueTask<ApiError?> AnswerAsync(HttpContext http, bool loopbackOnly)
    {
        var config = snapshots.Current.Config;
        if (loopbackOnly && !CallerAddress.IsLoopback(http, config.TrustedProxies)) return ApiErrors.MetricsAreLocal();
        if (config.Metrics.Token is { } token && !Same(token, KeyRing.Bearer(http.Request.Headers.Authorization.ToString()).ToString())) return ApiErrors.MetricsWantToken();
        var text = Encoding.UTF8.GetBytes(Write());
        http.Response.ContentType = MetricsText.ContentType;
        http.Response.ContentLength = text.Length;
        if (!HttpMethods.IsHead(http.Request.Method)) await http.Response.Body.WriteAsync(text);
        return null;
    }

    // Of hashes, so that neither content nor length shows in the time it takes. A header's characters are the bytes that were sent.
    private static bool Same(string expected, string header) =>
        CryptographicOperations.FixedTimeEquals(SHA256.HashData(Encoding.UTF8.GetBytes(expected)), SHA256.HashData(Encoding.Latin1.GetBytes(header)));

    private string Write()
    {
        var text = new MetricsText();
        WriteCalls(text);
        WriteNode(text);
        return text.ToString();
    }

    private void WriteCalls(MetricsText text)
    {
        var series = meters.AllSeries.OrderBy(s => s.Key).ToList();
        text.Family("crossmodel_calls_total", "counter", "Chat calls that have ended, by the HTTP status sent; 499: the caller was gone.");
        foreach (var (key, one) in series)
            foreach (var (status, count) in one.Statuses.OrderBy(s => s.Key))
                text.Sample(count.Value, (Model, key.Model), (Upstream, key.Upstream), ("http_response_status_code", status.ToString(CultureInfo.InvariantCulture)));
        text.Family("gen_ai_server_request_duration_seconds", "histogram", "From a chat call's arrival to its end.");
        foreach (var (key, one) in series) text.Samples(one.Duration, (Model, key.Model), (Upstream, key.Upstream));
        text.Family("gen_ai_server_time_to_first_token_seconds", "histogram", "From a streamed call's arrival to its first content.");
        foreach (var (key, one) in series) text.Samples(one.FirstToken, (Model, key.Model), (Upstream, key.Upstream));
        text.Family("gen_ai_client_token_usage", "summary", "Tokens of replies: input is everything read, output everything generated.");
        foreach (var (key, one) in series)
        {
            foreach (var (type, tokens) in new[] { ("input", one.Input), ("output", one.Output) })
            {
                text.Sample("_sum", tokens.Value, (Model, key.Model), (Upstream, key.Upstream), (TokenType, type));
                text.Sample("_count", one.Replies.Value, (Model, key.Model), (Upstream, key.Upstream), (TokenType, type));
            }
        }
        text.Family("crossmodel_tokens_total", "counter", "Tokens by the classes of the receipt, which do not overlap.");
        foreach (var (key, one) in series)
        {
            foreach (var (name, tokens) in Classes(one)) text.Sample(tokens, (Model, key.Model), (Upstream, key.Upstream), ("class", name));
        }
        text.Family("crossmodel_attempts_total", "counter", "Upstream calls that have ended, by what became of them.");
        foreach (var (key, count) in meters.Attempts.OrderBy(a => a.Key)) text.Sample(count.Value, (Upstream, key.Upstream), ("outcome", key.Outcome));
    }

    private static (string Class, long Tokens)[] Classes(Meters.Series one)
    {
        var (cached, written, hour, heard) = (one.Cached.Value, one.Written.Value, one.WrittenForAnHour.Value, one.Heard.Value);
        var (reasoning, spoken) = (one.Reasoning.Value, one.Spoken.Value);
        // A scrape may fall between two additions of one call.
        return [("input", Math.Max(0, one.Input.Value - cached - written - heard)), ("cached_input", cached),
            ("cache_write", Math.Max(0, written - hour)), ("cache_write_hour", hour),
            ("audio_input", heard), ("output", Math.Max(0, one.Output.Value - reasoning - spoken)), ("reasoning", reasoning), ("audio_output", spoken)];
    }

    private void WriteNode(MetricsText text)
    {
        text.Family("crossmodel_calls_in_flight", "gauge", "Chat calls that run on this node.").Sample(capacity.Calls);
        text.Family("crossmodel_bytes_held", "gauge", "Bytes of bodies and replies held in memory, as counted against limits.bufferedBytes.").Sample(capacity.Bytes);
        text.Family("crossmodel_settlements_total", "counter", "Calls put on the books.").Sample(settlements.Replies);
        text.Family("crossmodel_settlements_queued", "gauge", "Calls that wait for their commit; many for long: the database is slow or away.").Sample(settlements.Queued);
        text.Family("crossmodel_charged_nanodollars_total", "counter", "Nano-dollars charged.").Sample(settlements.Charged);
        text.Family("crossmodel_uncovered_nanodollars_total", "counter", "Nano-dollars that nobody could pay: the operator's loss.").Sample(settlements.Uncovered);
        text.Family("crossmodel_database_away", "gauge", "1 while the books cannot be written.").Sample(books.IsAway ? 1 : 0);
        text.Family("crossmodel_draining", "gauge", "1 while the server stops and takes no new call.").Sample(capacity.IsDraining ? 1 : 0);
        text.Family("crossmodel_upstream_cooling_seconds", "gauge", "How long an upstream, or the worst of its models, still rests after failures.");
        foreach (var upstream in snapshots.Current.Catalog.All.SelectMany(m => m.Routes).GroupBy(r => r.Upstream.Name).OrderBy(g => g.Key, StringComparer.Ordinal))
            text.Sample(upstream.Max(route => route.Cooling.TotalSeconds), (Upstream, upstream.Key));
        text.Family("process_cpu_seconds_total", "counter", "CPU time of the process.").Sample(Environment.CpuUsage.TotalTime.TotalSeconds);
        text.Family("process_resident_memory_bytes", "gauge", "Memory of the process.").Sample(Environment.WorkingSet);
        text.Family("crossmodel_build_info", "gauge", "The program that runs.").Sample(1, ("version", Version), ("runtime", Environment.Version.ToString()));
    }
}
