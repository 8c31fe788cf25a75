using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;

namespace CrossModel.Upstreams;

/// <summary>
/// One try at one upstream: its deadlines, its body, and the name of whatever went wrong.
/// Timers: connect (in the client), first byte, idle between reads, total. Any byte resets idle; an error's body has a time of its own.
/// </summary>
internal sealed class Attempt : IDisposable
{
    /// <summary>An error body is for reading, not for keeping: this much of it is enough.</summary>
    private const int ErrorBodyBytes = 64 * 1024;
    // Its status is here already, and another route may be waiting.
    private static readonly TimeSpan ErrorBodyTime = TimeSpan.FromSeconds(5);
    // A usual plain reply fits, and what has gathered of a stream; a reader that gets all it has room for makes more room next time, since each read
    // of a stream is a write to the caller.
    private const int FirstPlainBytes = 4 * 1024;
    private const int FirstStreamBytes = 16 * 1024;
    private const int MostBytes = 64 * 1024;

    private readonly TimeoutsConfig _timeouts;
    private readonly TimeProvider _time;
    private readonly CancellationToken _caller;
    private readonly CancellationToken _stopping;
    private readonly CancellationTokenSource _deadline;
    private readonly CancellationTokenRegistration _onCaller;
    private readonly CancellationTokenRegistration _onStopping;
    private readonly long _started;
    private UpstreamFailure _onTimeout = UpstreamFailure.FirstByteTimeout;
    private TimeSpan _idle;
    private TimeSpan? _end;
    private int _readBytes = FirstPlainBytes;
    private HttpResponseMessage? _response;
    private Stream? _body;

    public Attempt(TimeoutsConfig timeouts, TimeProvider time, CancellationToken caller, CancellationToken stopping)
    {
        (_timeouts, _time, _caller, _stopping) = (timeouts, time, caller, stopping);
        _idle = timeouts.Idle;
        _deadline = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _onCaller = caller.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), _deadline);
        _onStopping = stopping.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), _deadline);
        _started = time.GetTimestamp();
        StartedAt = time.GetUtcNow();
    }

    public DateTimeOffset StartedAt { get; }
    public TimeSpan Elapsed => _time.GetElapsedTime(_started);

    /// <summary>From the start to the first byte of the body; null until then.</summary>
    public TimeSpan? FirstByteAfter { get; private set; }

    /// <summary>The upstream's HTTP status; null when none came.</summary>
    public int? Status { get; private set; }

    /// <summary>Sends; null: 2xx, and the body can be read. Else what went wrong, read from the reply by the dialect.</summary>
    /// <param name="patient">The first byte may take as long as a whole reply does: plain calls and reasoning models.</param>
    /// <param name="thinks">A reasoning model: it may begin, and then say nothing while it thinks.</param>
    public async ValueTask<UpstreamFault?> SendAsync(UpstreamClient client, IDialect dialect, UpstreamRequest request, bool patient, bool thinks)
    {
        try
        {
            if (thinks && _timeouts.Plain > _idle) _idle = _timeouts.Plain;
            if (request.Stream) _readBytes = FirstStreamBytes;
            Arm(patient ? _timeouts.Plain : _timeouts.FirstByte, UpstreamFailure.FirstByteTimeout);
            _response = await client.SendAsync(dialect, request, _deadline.Token);
            Status = (int)_response.StatusCode;
            _body = await _response.Content.ReadAsStreamAsync(_deadline.Token);
            var encoded = Encoded(_response.Content);
            if (Status is >= 200 and < 300 && encoded is null) return null;
            // Of an error its status says enough, but for a 400.
            if (encoded is not null && Status is < 300 or 400) return new UpstreamFault(UpstreamFailure.BadReply, Status, Detail: encoded);

            using var body = new PooledBuffer();
            if (encoded is null) await ReadErrorAsync(body);
            // Prompts are searched for what it quotes of them.
            await SocketTurn.End();
            var fault = KeyTurns.Judge(dialect.ReadFault(Status.Value, _response.Headers, body.Span, request), _response.RequestMessage);
            if (RetryHints.SaysNotAgain(_response.Headers)) fault = fault with { NotAgain = true };
            return encoded is null ? fault : fault with { Detail = encoded };
        }
        catch (Exception e) when (Explain(e) is { } fault)
        {
            return fault;
        }
    }

    /// <summary>Why its bytes are no text: no encoding was asked for. Null: it has none.</summary>
    private static string? Encoded(HttpContent content) =>
        content.Headers.NonValidated.TryGetValues("Content-Encoding", out var names)
            && names.ToString() is var name && name.Length > 0 && !name.Equals("identity", StringComparison.OrdinalIgnoreCase)
            ? $"its body is encoded ({ApiErrors.Echo(name)}), which was not asked for: the server, or what stands before it, must send it plain"
            : null;

    /// <summary>
    /// Its status has told already what failed: a body that breaks off or does not come says less of it, not something else. But a 400 may mean anything,
    /// the operator's key too: without its words it is a reply that was cut short.
    /// </summary>
    private async ValueTask ReadErrorAsync(PooledBuffer body)
    {
        try
        {
            Arm(_timeouts.Idle < ErrorBodyTime ? _timeouts.Idle : ErrorBodyTime, UpstreamFailure.CutShort);
            int count;
            do
            {
                count = await _body!.ReadAsync(body.GetMemory(FirstPlainBytes), _deadline.Token);
                body.Advance(count);
                if (count > 0) FirstByteAfter ??= Elapsed;
            }
            while (count > 0 && body.Length < ErrorBodyBytes);
        }
        catch (Exception e) when (Status != StatusCodes.Status400BadRequest && Explain(e) is { Failure: not (UpstreamFailure.ClientGone or UpstreamFailure.Stopping) })
        {
            // Half of its JSON would be taken for its words.
            body.Clear();
        }
    }

    /// <summary>Waits for bytes and appends them. 0: the end. Throws; see <see cref="Explain"/>.</summary>
    public async ValueTask<int> ReadAsync(PooledBuffer into)
    {
        if (FirstByteAfter is not null) Arm(_end - Elapsed is { } left && left < _idle ? left : _idle, UpstreamFailure.IdleTimeout);
        // A read of nothing waits without a buffer: thousands of silent streams then hold none.
        if (into.Length == 0) _ = await _body!.ReadAsync(Memory<byte>.Empty, _deadline.Token);
        var room = into.GetMemory(_readBytes);
        var count = await _body!.ReadAsync(room, _deadline.Token);
        into.Advance(count);
        if (count == room.Length && _readBytes < MostBytes) _readBytes *= 2;
        if (count > 0) FirstByteAfter ??= Elapsed;
        return count;
    }

    /// <summary>The reply lacks no more than its usage and its end mark: they are awaited so long, whatever else comes meanwhile. Null: it goes on.</summary>
    public void EndWithin(TimeSpan? limit) => _end = Elapsed + limit;

    /// <summary>Until the next read nothing is asked of the upstream, so its silence is not its own: only the whole call's time goes on.</summary>
    public void Rest() => Arm(Timeout.InfiniteTimeSpan, UpstreamFailure.TotalTimeout);

    /// <summary>The name of what an exception means here; null: not the upstream's doing, let it fly.</summary>
    public UpstreamFault? Explain(Exception e) => e switch
    {
        OperationCanceledException when _caller.IsCancellationRequested => new UpstreamFault(UpstreamFailure.ClientGone, Status),
        OperationCanceledException when _stopping.IsCancellationRequested => new UpstreamFault(UpstreamFailure.Stopping, Status),
        OperationCanceledException when _deadline.IsCancellationRequested => new UpstreamFault(_onTimeout, Status),
        // SocketsHttpHandler reports its connect timeout as a cancellation that nobody asked for.
        OperationCanceledException => new UpstreamFault(UpstreamFailure.Connect, Detail: "no connection within timeouts.connect"),
        HttpRequestException h when Status is null && IsUnconnected(h) => new UpstreamFault(UpstreamFailure.Connect, Detail: h.HttpRequestError.ToString()),
        HttpRequestException or IOException when Status is null => new UpstreamFault(UpstreamFailure.ServerError, Detail: NoReply(e)),
        HttpRequestException or IOException => new UpstreamFault(UpstreamFailure.CutShort, Status, Detail: "the connection ended inside the reply"),
        CredentialException c => new UpstreamFault(UpstreamFailure.Operator, Detail: c.Message),
        _ => null,
    };

    /// <summary>No connection came about. What fails on one that is there is the server's doing: it breaks, a stream of it is refused, what comes is no HTTP.</summary>
    private static bool IsUnconnected(HttpRequestException fault) => fault.HttpRequestError
        is HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError
        || fault is { HttpRequestError: HttpRequestError.Unknown, InnerException: not IOException };

    private static string NoReply(Exception e) => e switch
    {
        HttpRequestException { InnerException: HttpProtocolException h } => $"the connection or its stream was ended before a reply began, with HTTP/2's error {h.ErrorCode}",
        HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse or HttpRequestError.ConfigurationLimitExceeded } =>
            "what came is no HTTP reply, or its headers are too large",
        _ => "the connection ended before a reply began",
    };

    private void Arm(TimeSpan limit, UpstreamFailure onTimeout)
    {
        var left = _timeouts.Total - Elapsed;
        if (left <= TimeSpan.Zero) left = TimeSpan.FromMilliseconds(1);
        if (limit <= TimeSpan.Zero && limit != Timeout.InfiniteTimeSpan) limit = TimeSpan.FromMilliseconds(1);
        var isWhole = limit == Timeout.InfiniteTimeSpan || limit >= left;
        _onTimeout = isWhole ? UpstreamFailure.TotalTimeout : onTimeout;
        _deadline.CancelAfter(isWhole ? left : limit);
    }

    /// <summary>Ends the upstream's work at once if it still goes on: closing an unfinished body closes its connection.</summary>
    public void Dispose()
    {
        _onCaller.Dispose();
        _onStopping.Dispose();
        _response?.Dispose();
        _deadline.Dispose();
    }
}
