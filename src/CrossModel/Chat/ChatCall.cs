using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Dialects;
using CrossModel.Limits;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Storage;
using CrossModel.Usage;
using Microsoft.AspNetCore.Connections.Features;

namespace CrossModel.Chat;

/// <summary>Everything that is known of one call on its way. Rooms never see it: each step hands them what they ask for. Disposing frees what the call holds.</summary>
internal sealed class ChatCall(HttpContext http, string requestId, Capacity capacity, LimitGate limits, TimeProvider time, CancellationToken stopping) : IDisposable
{
    private readonly long _started = time.GetTimestamp();
    private readonly List<AttemptRecord> _attempts = [];
    private int _attemptCount;
    private TimeSpan _waited;
    private long _askedAfter = -1;
    private long _bytesTaken;
    private CancellationTokenSource? _outliving;
    private CancellationTokenRegistration _onCallerGone;
    private bool _entered;
    private Route? _seatedAt;

    public HttpContext Http { get; } = http;
    public string RequestId { get; } = requestId;
    public DateTimeOffset Created { get; private set; }
    public TimeSpan Elapsed => time.GetElapsedTime(_started);

    /// <summary>The id of the reply: the same in every chunk and on every route.</summary>
    public string ReplyId { get; } = RequestIds.NewCompletion();

    /// <summary>The caller has left, and nobody is expected to come back for the reply.</summary>
    public CancellationToken Aborted { get; private set; } = http.RequestAborted;

    /// <summary>This call is the first with its Idempotency-Key; null: it has none.</summary>
    public Repeats.Run? Run { get; set; }

    /// <summary>What is sent is recorded, for repeats of the call or for the cache; null: for nobody.</summary>
    public Recording? Recording { get; set; }

    /// <summary>The reply of the call that this one repeats, or that the cache has for it; null: it is served.</summary>
    public KeptReply? Kept { get; set; }

    /// <summary>The cache had nothing for the call, or was not to be asked: its reply goes there.</summary>
    public bool MissedCache { get; set; }

    /// <summary>The caller asked for the cache, which is not for this call.</summary>
    public bool IgnoresCache { get; set; }

    /// <summary>The server's patience with running calls is over.</summary>
    public CancellationToken Stopping { get; } = stopping;

    /// <summary>What its connection remembers from call to call; null on HTTP/2, where the calls of a connection run side by side.</summary>
    public IDictionary<object, object?>? Connection => HttpProtocol.IsHttp11(Http.Request.Protocol) ? Http.Features.Get<IConnectionItemsFeature>()?.Items : null;

    /// <summary>The caller's own id for this request (x-client-request-id): logged beside ours, never relied on.</summary>
    public string? ClientRequestId { get; } = Visible(http.Request.Headers["x-client-request-id"]);

    public string DryRun { get; } = http.Request.Headers.TryGetValue("x-crossmodel-dry-run", out var dryRun) ? dryRun.ToString().ToLowerInvariant() : "";

    /// <summary>The caller wants to know what would happen, and nothing to happen: where what is written is not understood nothing happens, either.</summary>
    public bool IsDryRun => DryRun is not ("" or "0" or "false");

    public Snapshot Snapshot { get; private set; } = null!;
    public Caller Caller { get; set; } = null!;
    public ChatRequest Request { get; set; } = null!;

    /// <summary>The request with what had to be fetched in it, for the routes that need it so; null: nothing was.</summary>
    public ChatRequest? Inlined { get; set; }

    /// <summary>Why something could not be fetched for the call; null: nothing failed.</summary>
    public ApiError? NotFetched { get; set; }

    /// <summary>The routes to try, best first; not empty once the model is resolved.</summary>
    public RoutePlan Plan;

    /// <summary>The model that serves, or would be the first to be asked; null: none is known yet.</summary>
    public string? ModelId => Served?.Owner.Id ?? (Plan.Count > 0 ? Plan[0].Owner.Id : null);

    /// <summary>Where in the plan the first route is that can express the request.</summary>
    public int FirstRoute { get; set; }

    /// <summary>The first such route's request, written before admission so that what cannot be expressed is refused before money is held.</summary>
    public UpstreamRequest? Prepared { get; set; }

    public Estimate Estimate { get; set; }

    /// <summary>The price in force when the call was admitted, of the model that serves; it holds to the call's end.</summary>
    public PriceVersion Price => (Served ?? Plan[0]).Owner.Price.At(Created)!;

    /// <summary>UTF-8 bytes of generated text that the hold still covers; past it the hold is extended.</summary>
    public long CoveredTextBytes { get; set; }

    /// <summary>The balance was exhausted in its stream, which ended there.</summary>
    public bool RanOutOfMoney { get; set; }

    public Seat? Seat { get; set; }
    public Hold? Hold { get; set; }

    public List<UpstreamFault> Faults { get; } = [];

    /// <summary>Nano-dollars that attempts which delivered nothing cost the operator all the same, as far as their upstreams reported usage; null: none known.</summary>
    public long? Wasted { get; private set; }

    /// <summary>What was dropped or lowered on the way to the upstream that serves: the x-crossmodel-ignored header.</summary>
    public IReadOnlyList<string> Ignored { get; set; } = [];

    /// <summary>The gateway's own share of the time until now: without what the upstreams took before the reply could begin.</summary>
    public TimeSpan Overhead => (Volatile.Read(ref _askedAfter) is var asked and >= 0 ? TimeSpan.FromTicks(asked) : Elapsed) - _waited;

    /// <summary>What the log line and the record say of the ending.</summary>
    public int Status { get; set; }
    public string? ErrorCode { get; set; }

    /// <summary>What the caller was told instead of a reply, or in the middle of one.</summary>
    public ApiError? Refusal { get; set; }
    public Route? Served { get; set; }
    public TokenUsage Usage { get; set; }
    public TimeSpan? FirstToken { get; set; }

    /// <summary>The stream towards the caller; null for a plain reply.</summary>
    public StreamOutput? Output { get; set; }

    /// <summary>Upstream calls begun, side by side and one after another.</summary>
    public int AttemptCount => Volatile.Read(ref _attemptCount);

    /// <summary>Upstream calls ended, in that order.</summary>
    public IReadOnlyList<AttemptRecord> Attempts => _attempts;

    /// <summary>The configuration and the moment by which the call is judged and priced.</summary>
    public void Begin(Snapshot snapshot, DateTimeOffset now)
    {
        (Snapshot, Created, WasSlow) = (snapshot, now, false);
        Unprepare();
    }

    /// <summary>Time has passed since it began: its body was not all there with its head, or it has waited for the call that it repeats.</summary>
    public bool WasSlow { get; set; }

    /// <summary>The clock's timestamp at which a route was last asked.</summary>
    public long AskedAt { get; private set; }

    /// <summary>A route is asked with the request as it is prepared: what is dropped in it is known before it answers.</summary>
    public void Ask()
    {
        Ignored = IgnoredNames.Fit(Estimate.Cap is { } cap ? [$"max_tokens={cap}", .. Prepared!.Ignored] : Prepared!.Ignored);
        if (IgnoresCache) Ignored = [.. Ignored, ReplyCache.Header];
        AskedAt = time.GetTimestamp();
        Volatile.Write(ref _askedAfter, time.GetElapsedTime(_started, AskedAt).Ticks);
    }

    /// <summary>So long was waited for others; no more is waited for them now.</summary>
    public void Waited(TimeSpan length)
    {
        _waited += length;
        Volatile.Write(ref _askedAfter, -1);
    }

    /// <summary>Adds to <see cref="Wasted"/>; calls side by side may.</summary>
    public void Waste(long cost)
    {
        lock (_attempts) Wasted = (Wasted ?? 0) + cost;
    }

    public void CountAttempt() => Interlocked.Increment(ref _attemptCount);

    public void Record(AttemptRecord attempt)
    {
        lock (_attempts) _attempts.Add(attempt);
    }

    /// <summary>From here on the call goes on for so long after its caller has left.</summary>
    public void Outlive(TimeSpan patience)
    {
        var ending = _outliving = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _onCallerGone = Http.RequestAborted.UnsafeRegister(_ => ending.CancelAfter(patience), null);
        Aborted = ending.Token;
    }

    public void Unprepare()
    {
        Prepared?.Dispose();
        Prepared = null;
    }

    /// <summary>The x-ratelimit headers: on every reply once the caller is known.</summary>
    public void WriteLimits()
    {
        if (Caller is null) return;
        var route = Served ?? (FirstRoute < Plan.Count ? Plan[FirstRoute] : null);
        limits.WriteHeaders(Caller, route?.Owner.Limits, Http.Response.Headers, Math.Max(1, Estimate.Size.Tokens));
    }

    private static string? Visible(string? text) =>
        text is { Length: > 0 and <= 512 } && !text.AsSpan().ContainsAnyExceptInRange('!', '~') ? text : null;

    public ApiError? Enter()
    {
        var refusal = capacity.Enter();
        _entered = refusal is null;
        return refusal;
    }

    /// <summary>Takes a seat at the route. False: it or its upstream is at its limit of parallel calls.</summary>
    public bool TryEnter(Route route)
    {
        if (!route.TryEnter()) return false;
        _seatedAt = route;
        return true;
    }

    /// <summary>Frees the seat at the route, once.</summary>
    public void LeaveRoute() => Interlocked.Exchange(ref _seatedAt, null)?.Leave();

    /// <summary>Counts bytes held for this call; they are given back when it is disposed, or before.</summary>
    public ApiError? Take(long bytes)
    {
        var refusal = capacity.Take(bytes);
        if (refusal is null) Interlocked.Add(ref _bytesTaken, bytes);
        return refusal;
    }

    /// <summary>What was taken is held no longer.</summary>
    public void GiveBack()
    {
        var taken = Interlocked.Exchange(ref _bytesTaken, 0);
        if (taken > 0) capacity.Give(taken);
    }

    public void Dispose()
    {
        _onCallerGone.Dispose();
        _outliving?.Dispose();
        Hold?.Release();
        Seat?.Dispose();
        Unprepare();
        Request?.Dispose();
        Inlined?.Dispose();
        GiveBack();
        if (_entered) capacity.Leave();
    }
}
