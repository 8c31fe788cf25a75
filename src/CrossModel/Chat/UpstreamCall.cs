using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Upstreams;
using CrossModel.Usage;

namespace CrossModel.Chat;

/// <summary>One upstream call of a chat call: the attempt, what was read of its reply, and the caller's events made from it. With n side by side there are n.</summary>
internal sealed class UpstreamCall : IDisposable
{
    /// <summary>An event or a plain reply larger than this is no reply but a fault: base64 audio and images fit many times.</summary>
    private const int LargestReply = 64 * 1024 * 1024;

    // How long a reply that has all its finish reasons is awaited for more, without and with its usage.
    private static readonly TimeSpan UncountedEnd = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan CountedEnd = TimeSpan.FromSeconds(2);

    private static readonly UpstreamFault Unreadable = new(UpstreamFailure.BadReply, Detail: "the reply is JSON of another shape than a chat completion's");

    private readonly ChatCall _call;
    private readonly Route _route;
    private readonly CancellationToken _cancellation;
    private readonly Attempt _attempt;
    private readonly PooledBuffer _unread = new();
    private readonly ReplyContext _context;
    private readonly ChunkWriter? _client;
    private readonly PooledBuffer? _events;
    private UpstreamRequest? _seeded;
    private bool _ended;
    private bool _begun;
    private bool _brokeOff;
    private (long TextBytes, bool IsCounted)? _finished;
    private long _taken;
    private int _atOnce;
    private TimeSpan? _firstToken;

    /// <param name="order">In which the streams of several calls begin; null: there is one call, or no stream.</param>
    public UpstreamCall(ChatCall call, Route route, int offset, Beginnings? order, TimeProvider time, CancellationToken cancellation)
    {
        (_call, _route, Order, _cancellation) = (call, route, order, cancellation);
        var request = call.Request;
        _context = new ReplyContext(call.ReplyId, call.Created.ToUnixTimeSeconds(), route.Owner.Id, request.Stream, request.IncludeUsage, offset, call.Caller.Account.Id)
        {
            Candidates = call.Prepared!.Candidates,
            ContentTool = call.Prepared.ContentTool,
            ToolNames = call.Prepared.ToolNames,
            ToolAliases = call.Prepared.ToolAliases,
        };
        _attempt = new Attempt(route.Upstream.Config.Timeouts, time, cancellation, call.Stopping);
        Reader = route.Upstream.Dialect.OpenReply(_context, route.Model);
        call.CountAttempt();
        if (!request.Stream) return;
        // At once: calls side by side look at each other's.
        _events = new PooledBuffer();
        _client = new ChunkWriter(_events, _context.Id, _context.Created, _context.Model, _context.IncludeUsage);
    }

    public ReplyReader Reader { get; }

    public Beginnings? Order { get; }

    /// <summary>Something of its stream has gone to the caller.</summary>
    public bool IsDelivered { get; private set; }

    /// <summary>Writes the caller's stream. A plain reply has none.</summary>
    public ChunkWriter Client => _client!;

    /// <summary>Chunks written but not yet sent.</summary>
    public PooledBuffer Events => _events!;

    public TimeSpan Elapsed => _attempt.Elapsed;

    /// <summary>Sends the request. Null: a good status, the body can be read.</summary>
    public ValueTask<UpstreamFault?> OpenAsync()
    {
        // What answers a stream may have been asked plainly.
        var thinks = _route.Model.Facts.Reasoning == true;
        var patient = thinks || !_call.Request.Stream || !_call.Prepared!.Stream;
        var upstream = _route.Upstream;
        _seeded = Resolution.PrepareSeeded(_call, _route, _context.ChoiceOffset);
        if (_seeded is not null && _call.Take(_seeded.Body.Length) is not null)
            return new(new UpstreamFault(UpstreamFailure.NoRoom, Detail: "for a request of each candidate (limits.bufferedBytes)", NotAgain: true));
        return _attempt.SendAsync(upstream.Client, upstream.Dialect, _seeded ?? _call.Prepared!, patient, thinks);
    }

    /// <summary>Sends the request and reads a whole reply; else answers why there is none.</summary>
    public async ValueTask<(PlainReply? Reply, UpstreamFault? Fault)> AskPlainAsync() =>
        await OpenAsync() is { } refused ? (null, refused) : await ReadPlainAsync();

    /// <summary>Reads a whole reply. An upstream that streamed although it was not asked to is collected.</summary>
    private async ValueTask<(PlainReply? Reply, UpstreamFault? Fault)> ReadPlainAsync()
    {
        try
        {
            while (true)
            {
                var count = await _attempt.ReadAsync(_unread);
                if (IsLong(count)) await SocketTurn.End();
                if (count == 0) break;
                if (TooMuch(UpstreamFailure.NoRoom) is { } fault) return (null, fault);
            }
            var read = ReadReply();
            // Settling takes longer than all before it: what it does not need is not held meanwhile.
            _unread.Clear();
            Reader.Dispose();
            return read;
        }
        catch (Exception e) when (_attempt.Explain(e) is { } fault)
        {
            return (null, fault);
        }
    }

    private (PlainReply? Reply, UpstreamFault? Fault) ReadReply()
    {
        try
        {
            var reply = LooksLikeEvents(_unread.Span, _call.Prepared!.Stream) ? Collect() : Reader.ReadPlain(_unread.Memory);
            return (reply, Reader.Fault);
        }
        catch (Exception e) when (ReplyReader.IsUnreadable(e))
        {
            // A reader looks at the members that it knows; the others are looked at where a stream becomes a plain reply.
            return (null, Unreadable);
        }
    }

    /// <summary>Relays a stream until the reply is whole. Null: it is, and its finish chunk is withheld in <see cref="Client"/>.</summary>
    /// <param name="covered">Asked after each write: false ends the reply with finish reason length, for want of money.</param>
    public async ValueTask<UpstreamFault?> PumpAsync(StreamOutput output, Func<ValueTask<bool>> covered)
    {
        try
        {
            while (true)
            {
                var count = await _attempt.ReadAsync(_unread);
                if (IsLong(count)) await SocketTurn.End();
                // Blank lines may come first: what they lead in is not known yet.
                if (!_begun && LooksLikeJson(_unread.Span)) return await PlainAsChunksAsync(output);
                _begun |= _unread.Span.ContainsAnyExcept(" \t\r\n"u8);
                if (count == 0) Complete();
                else _unread.Consume(Reader.Read(_unread.Span, Client));

                if (Client.HasContent && !await Resting(SendAsync(output))) return new UpstreamFault(UpstreamFailure.ClientGone);
                if (Reader.Fault is { } failed) return failed;
                if (count == 0 || Reader.Ended) return null;
                ExpectEnd();
                // What waits here may be events without end, which are no reply.
                if (TooMuch(UpstreamFailure.BadReply) is { } huge) return huge;
                if (await Resting(covered())) continue;
                Client.FinishOpen(FinishReason.Length);
                return null;
            }
        }
        catch (Exception e) when (_attempt.Explain(e) is { } fault)
        {
            // A connection that breaks after the finish has taken nothing from the reply, nor has one that stays open without a word.
            if (fault.Failure == UpstreamFailure.CutShort || (Reader.HasFinished && fault.Failure is UpstreamFailure.IdleTimeout or UpstreamFailure.TotalTimeout))
            {
                Complete();
                _brokeOff = true;
                if (Reader.Fault is null) return null;
            }
            return fault;
        }
    }

    /// <summary>After the finish some servers send no end mark and do not close, but go on with comments. Usage follows at once, where it does.</summary>
    private void ExpectEnd()
    {
        (long TextBytes, bool IsCounted)? finished = Reader.HasFinished ? (Client.TextBytes, Reader.Usage is not null && Client.TextBytes <= Reader.CountedTextBytes) : null;
        if (_finished == finished) return;
        _finished = finished;
        _attempt.EndWithin(finished is { } whole ? whole.IsCounted ? CountedEnd : UncountedEnd : null);
    }

    /// <summary>While the caller is slow to read, or money slow to come, the upstream is not waited for.</summary>
    private ValueTask<bool> Resting(ValueTask<bool> step)
    {
        if (!step.IsCompleted) _attempt.Rest();
        return step;
    }

    /// <summary>To the caller, what is in <see cref="Events"/>; before its turn it stays there, and its upstream is read on: a server that serves one after
    /// the other would else never come to those before. False: the caller is gone.</summary>
    public ValueTask<bool> SendAsync(StreamOutput output)
    {
        if (IsDelivered) return output.WriteAsync(Events);
        if (Order?.TurnOf(_context.ChoiceOffset).IsCompleted == false) return new(true);
        IsDelivered = true;
        _seeded?.ReleaseBody();
        _firstToken = Elapsed;
        if (_call.FirstToken is null)
        {
            _call.FirstToken = _call.Elapsed;
            _call.Waited(Elapsed);
            // A stream that has begun is not asked for anew: of a long prompt one copy less is held while it lasts.
            if (Relay.CallsFor(_call.Request, _call.Prepared!) == 1) _call.Prepared!.ReleaseBody();
        }
        return Order is null ? output.WriteAsync(Events) : BeginAsync(output, Order);
    }

    private async ValueTask<bool> BeginAsync(StreamOutput output, Beginnings order)
    {
        var isThere = await output.WriteAsync(Events);
        order.HasBegun(_context.ChoiceOffset);
        return isThere;
    }

    /// <summary>What has ended before its turn waits for it, and goes out before the charge, as every stream's content does.</summary>
    public async ValueTask<UpstreamFault?> AwaitTurnAsync(StreamOutput output)
    {
        if (Order is null || IsDelivered) return null;
        try
        {
            await Order.TurnOf(_context.ChoiceOffset).WaitAsync(_cancellation);
            return Client.HasContent && !await SendAsync(output) ? new UpstreamFault(UpstreamFailure.ClientGone) : null;
        }
        catch (Exception e) when (_attempt.Explain(e) is { } fault)
        {
            return fault;
        }
    }

    /// <summary>Something of its stream was there, if only tokens that nobody sees. What had not begun when its call broke off costs nothing, its prompt neither.</summary>
    public bool HasProduced => Client.HasContent || Client.IsBlocked || Reader.Usage is { OutputTokens: > 0 };

    /// <summary>What a stream gave, whole or not. A usage object that came before text of a reply that then broke off says nothing of that text, but of the prompt.</summary>
    /// <param name="delivers">All of it goes to the caller, or would if he had not left; else what still waits for its turn is nobody's.</param>
    public Produced Produced(bool delivers)
    {
        var prompt = Reader.Usage ?? Reader.PromptUsage;
        if (!delivers && !IsDelivered) return new(null, 0, HasContent: false, prompt);
        return new((Reader.Ended && !_brokeOff) || Client.TextBytes <= Reader.CountedTextBytes ? Reader.Usage : null,
            Client.TextBytes, Client.HasContent || Client.IsBlocked, prompt);
    }

    private void Complete()
    {
        Reader.Complete(_unread.Span, Client);
        _unread.Clear();
    }

    /// <summary>The upstream ignored stream: true and answered with one JSON object.</summary>
    private async ValueTask<UpstreamFault?> PlainAsChunksAsync(StreamOutput output)
    {
        var (reply, fault) = await ReadPlainAsync();
        if (reply is null) return fault;
        using (reply)
        {
            try
            {
                reply.WriteAsChunks(Client);
            }
            catch (Exception e) when (ReplyReader.IsUnreadable(e))
            {
                return Unreadable;
            }
        }
        return Client.HasContent && !await SendAsync(output) ? new UpstreamFault(UpstreamFailure.ClientGone) : null;
    }

    private PlainReply? Collect()
    {
        using var collector = new ChunkCollector();
        var used = Reader.Read(_unread.Span, collector.Writer);
        Reader.Complete(_unread.Span[used..], collector.Writer);
        return Reader.Fault is null ? collector.Collect(Reader.Usage) : null;
    }

    /// <param name="whenFull">What it is called when this server has no room for it.</param>
    private UpstreamFault? TooMuch(UpstreamFailure whenFull)
    {
        // Events that say nothing wait for one that does, and what follows a finish for the charge: an upstream could send such without end.
        var held = (long)_unread.Length + (_events?.Length ?? 0) + (_client?.WithheldBytes ?? 0);
        if (held > LargestReply) return new UpstreamFault(UpstreamFailure.BadReply, Detail: "a reply or event of more than 64 MiB");
        // Counted once it is large: a usual reply is far below what a call in flight is reckoned at anyway.
        if (held - _taken < 256 * 1024) return null;
        if (_call.Take(held - _taken) is not null) return new UpstreamFault(whenFull, Detail: "no room for a reply of this size (limits.bufferedBytes)");
        _taken = held;
        return null;
    }

    // An upstream that never pauses would keep its thread as long as its reply lasts; and a large event or reply is much to read even when it came in small pieces.
    private bool IsLong(int count)
    {
        _atOnce += count;
        if (_atOnce <= SocketTurn.MostBytes && _unread.Length <= SocketTurn.MostBytes) return false;
        _atOnce = 0;
        return true;
    }

    private static bool LooksLikeJson(ReadOnlySpan<byte> body)
    {
        var start = body.IndexOfAnyExcept(" \t\r\n\uFEFF"u8);
        return start >= 0 && body[start] is (byte)'{' or (byte)'[';
    }

    private static bool LooksLikeEvents(ReadOnlySpan<byte> body, bool asked)
    {
        var text = body.TrimStart(" \t\r\n\uFEFF"u8);
        return text.StartsWith("data:"u8) || text.StartsWith("event:"u8) || text.StartsWith(":"u8) || (asked && !LooksLikeJson(body));
    }

    /// <summary>Writes the attempt down, once, with what became of it. Answers the fault without what nobody may read.</summary>
    public UpstreamFault? End(UpstreamFault? fault)
    {
        fault = fault is null ? null : Scrub.Fault(fault, _route.Upstream.Config, _call.Snapshot.Config.Upstreams.Values, _call.Request.Body.Span);
        if (_ended) return fault;
        _ended = true;
        var route = _route;
        var outcome = fault is null ? "ok"
            // Of several side by side one has failed: this one's caller was there still.
            : fault.Failure == UpstreamFailure.ClientGone && _cancellation.IsCancellationRequested && !_call.Aborted.IsCancellationRequested ? "cancelled"
            : Outcome(fault.Failure);
        _call.Record(new AttemptRecord(route.Upstream.Name, route.Model.UpstreamModel, outcome, _attempt.Status ?? fault?.Status,
            _attempt.StartedAt.ToUnixTimeMilliseconds(), (long?)(_call.Request.Stream ? _firstToken : _attempt.FirstByteAfter)?.TotalMilliseconds,
            (long)Elapsed.TotalMilliseconds));
        return fault;
    }

    /// <summary>A failure's one name in records, metrics and the log.</summary>
    public static string Outcome(UpstreamFailure failure) => System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(failure.ToString());

    public void Dispose()
    {
        _attempt.Dispose();
        _seeded?.Dispose();
        Reader.Dispose();
        _client?.Dispose();
        _unread.Dispose();
        _events?.Dispose();
    }
}
