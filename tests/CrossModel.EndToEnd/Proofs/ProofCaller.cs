using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Proofs;

internal enum CallEnd
{
    /// <summary>The whole body, or [DONE], was read.</summary>
    Acknowledged,
    /// <summary>An error body, or a stream that ended with the error event.</summary>
    Refused,
    /// <summary>The connection broke before the end.</summary>
    Broken,
    /// <summary>Nobody listened.</summary>
    Unreached,
}

/// <param name="RequestId">Null when no headers came.</param>
/// <param name="Cost">Nano-dollars that the caller was shown (usage.cost); null without a whole reply.</param>
/// <param name="Body">The refusal's body, or what was read.</param>
/// <param name="Replayed">The request whose reply this is, if it was kept.</param>
internal sealed record CallOutcome(CallEnd End, int Status, string? RequestId, long? Cost, string Body, string? Replayed = null);

/// <summary>Callers as they are: plain calls and streams mixed, every reply read to its last byte.</summary>
internal static class ProofCaller
{
    /// <summary>A call that takes longer fails its proof: none waits for ever.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    public static string Body(bool stream, int maxTokens, string? prompt = null) =>
        $$"""{"model":"test/model","max_tokens":{{maxTokens}},{{(stream ? "\"stream\":true,\"stream_options\":{\"include_usage\":true}," : "")}}"messages":[{"role":"user","content":"{{prompt ?? ProofUpstream.Prompt}}"}]}""";

    /// <param name="once">The Idempotency-Key; null: the call is not repeated. It is the caller's own request id too, so that the books can be asked for it.</param>
    public static async Task<CallOutcome> CallAsync(Http http, string key, string body, string? once = null)
    {
        string? id = null, replayed = null;
        var status = 0;
        var read = new MemoryStream();
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            using var response = await http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(body), key,
                once is null ? null : [("Idempotency-Key", once), ("x-client-request-id", once)], patience.Token);
            id = response.Headers.GetValues("x-request-id").Single();
            if (response.Headers.TryGetValues("x-crossmodel-replayed", out var first)) replayed = first.Single();
            status = (int)response.StatusCode;
            await response.Content.CopyToAsync(read, patience.Token);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            var end = e is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } ? CallEnd.Unreached : CallEnd.Broken;
            return new CallOutcome(end, status, id, null, Encoding.UTF8.GetString(read.ToArray()));
        }
        var text = Encoding.UTF8.GetString(read.ToArray());
        if (status != (int)HttpStatusCode.OK) return new CallOutcome(CallEnd.Refused, status, id, null, text);
        if (text.StartsWith('{')) return new CallOutcome(CallEnd.Acknowledged, status, id, CostOf(text), text, replayed);
        if (!text.EndsWith("data: [DONE]\n\n", StringComparison.Ordinal)) return new CallOutcome(CallEnd.Refused, status, id, null, text);
        var usage = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries)[^2]["data: ".Length..];
        return new CallOutcome(CallEnd.Acknowledged, status, id, CostOf(usage), text, replayed);
    }

    /// <summary>usage.cost is a number in USD; read by its digits.</summary>
    private static long CostOf(string json) => (long)(decimal.Parse(JsonNode.Parse(json)!["usage"]!["cost"]!.ToString(), NumberStyles.Float, CultureInfo.InvariantCulture) * 1_000_000_000m);
}

/// <summary>What all callers of a proof saw.</summary>
internal sealed class CallLog
{
    private readonly ConcurrentQueue<CallOutcome> _all = new();
    private int _acknowledged;

    public int Acknowledged => Volatile.Read(ref _acknowledged);
    public IReadOnlyCollection<CallOutcome> All => _all;
    public IEnumerable<CallOutcome> Whole => _all.Where(c => c.End == CallEnd.Acknowledged);

    public CallOutcome Add(CallOutcome outcome)
    {
        _all.Enqueue(outcome);
        if (outcome.End == CallEnd.Acknowledged) Interlocked.Increment(ref _acknowledged);
        return outcome;
    }

    public int Count(CallEnd end) => _all.Count(c => c.End == end);
}

internal static class ProofMode
{
    /// <summary>./test --long: more kills, more rounds.</summary>
    public static bool IsLong { get; } = Environment.GetEnvironmentVariable("CROSSMODEL_TEST_LONG") == "1";

    public static int Times(int shortMode, int longMode) => IsLong ? longMode : shortMode;

    /// <summary>A proof's figures: on the test's record and, one line, on the console.</summary>
    public static void Print(string proof, string figures)
    {
        var line = $"proof {proof}: {figures}";
        TestContext.Current.TestOutputHelper?.WriteLine(line);
        Console.Out.WriteLine(line);
    }
}
