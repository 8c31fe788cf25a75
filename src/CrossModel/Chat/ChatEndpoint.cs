using CrossModel.Accounts;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Usage;

namespace CrossModel.Chat;

/// <summary>
/// POST /v1/chat/completions, the one file to read. Each step asks one room in that room's own terms and answers null when it is content.
/// <code>
///  1 who calls     Accounts   401 503           5 may they   Limits 429, Billing 402 503
///  2 read body     Protocol   400 413 415 503   6 ask        Dialects + Upstreams   400 413 429 502 503
///  3 which routes  Routing 400 404, Dialects    7 relay      Relay
///  4 repeated?     Repeats, ReplyCache          8 settle     Settlement, exactly once, before a reply's last bytes
/// </code>
/// </summary>
internal sealed class ChatEndpoint(
    Snapshots snapshots, KeyRing keys, Admission admission, Capacity capacity, RemoteInputs remote, Relay relay, Settlement settlement, Repeats repeats, ReplyCache cache,
    Meters meters, TimeProvider time, ILogger<ChatEndpoint> log)
{
    public async Task HandleAsync(HttpContext http, string requestId, CancellationToken stopping)
    {
        using var call = new ChatCall(http, requestId, capacity, admission.Limits, time, stopping);
        call.Begin(snapshots.Current, time.GetUtcNow());
        try
        {
            var refusal = call.Enter()
                ?? await AuthenticateAsync(call)
                ?? await ReadAsync(call)
                ?? await LookAgainAsync(call)
                ?? Resolve(call)
                ?? (call.IsDryRun ? await ReplyHeaders.ExplainAsync(call) : await repeats.BeginAsync(call) ?? await cache.BeginAsync(call))
                ?? (call.WasSlow ? await LookAgainAsync(call) ?? Resolve(call) : null);
            if (call.Kept is { } kept) await ReplyHeaders.ReplayAsync(call, kept);
            else if (!call.IsDryRun) refusal ??= await admission.AdmitAsync(call) ?? await admission.HoldAsync(call) ?? await ServeAsync(call);
            if (refusal is null) return;
            // Nothing was waited for, perhaps: who sends one bad request behind the other must not keep the thread that reads them.
            await SocketTurn.End();
            await ReplyHeaders.RefuseAsync(call, refusal);
        }
        catch (Exception e) when (Departure.Told(http, e))
        {
            call.Status = StatusCodes.Status499ClientClosedRequest;
            // Gone while nobody was asked, such as between two tries.
            if (call.Hold is { HasEnded: false }) settlement.Waive(call, ApiErrors.Internal());
        }
        catch
        {
            // A defect is a call that failed like any other: it costs nothing, and the books say that it was there.
            if (call.Hold is { HasEnded: false }) settlement.Waive(call, ApiErrors.Internal());
            (call.Status, call.ErrorCode) = (StatusCodes.Status500InternalServerError, ApiErrors.Internal().Code);
            throw;
        }
        finally
        {
            if (call.Output is not null) await call.Output.DisposeAsync();
            if (call.Run is not null) await repeats.FreeAsync(call.Run, call.Refusal);
            RequestLine.Log(log, call);
            if (!call.IsDryRun) Metering.Count(meters, call);
        }
    }

    private async ValueTask<ApiError?> AuthenticateAsync(ChatCall call)
    {
        var answer = await keys.FindAsync(call.Http.Request.Headers.Authorization, call.Connection);
        call.Caller = answer.Caller!;
        return answer.Refusal;
    }

    private static async ValueTask<ApiError?> ReadAsync(ChatCall call)
    {
        var body = new PooledBuffer();
        ChatRequest? request = null;
        var refusal = await RequestBody.ReadAsync(call, body, call.Snapshot.Config.Limits.BodyBytes)
            ?? ChatRequestReader.Read(body, out request);
        call.Request = request!;
        if (refusal is null) return null;
        // Before the answer: who calls again once he has it finds the room free.
        body.Dispose();
        call.GiveBack();
        return refusal;
    }

    /// <summary>Who takes his time to send a body, or had to wait, is served by what holds by then: key, account, models and prices may have changed meanwhile.</summary>
    private ValueTask<ApiError?> LookAgainAsync(ChatCall call)
    {
        if (!call.WasSlow) return default;
        call.Begin(snapshots.Current, time.GetUtcNow());
        return AuthenticateAsync(call);
    }

    /// <summary>Which models may serve and their routes in order. What none of them can express is refused here, before money is held.</summary>
    private static ApiError? Resolve(ChatCall call)
    {
        var refusal = Resolution.Plan(call.Request, call.Snapshot, call.Caller.Key.Models is null ? null : call.Caller.Key.Allows, call.Created, out call.Plan);
        if (refusal is not null) return refusal;
        for (var i = 0; i < call.Plan.Count; i++)
        {
            call.FirstRoute = i;
            var unfit = Resolution.Prepare(call, call.Plan[i]);
            if (unfit is null) return null;
            refusal ??= unfit;
        }
        return refusal;
    }

    /// <summary>Tries the routes in order while nothing was delivered. The failure table says what follows from each fault.</summary>
    private async ValueTask<ApiError?> ServeAsync(ChatCall call)
    {
        ApiError? unfit = null;
        for (var i = call.FirstRoute; i < call.Plan.Count; i++)
        {
            var route = call.Plan[i];
            if (await PrepareAsync(call, route) is { } refused) { call.Unprepare(); unfit ??= refused; continue; }
            if (!call.TryEnter(route)) { call.Unprepare(); continue; }
            try
            {
                if (await admission.MoveAsync(call, route.Owner) is { } full) { unfit ??= full; continue; }
                var fault = await AskAsync(call, route, isLast: i == call.Plan.Count - 1);
                if (fault is null) return null;
                if (!FailureRules.Of(fault).TryNext) break;
            }
            finally
            {
                call.LeaveRoute();
                call.Unprepare();
            }
        }
        var error = call.Faults.Count > 0 ? FailureRules.ToCaller(call.Faults) : unfit ?? RoutePlan.AllFull();
        // So that the record says what the caller sees.
        if (call.Output is { } output) await output.TryCloseAsync();
        settlement.Waive(call, error);
        return error;
    }

    /// <summary>Null: the caller has his answer. One route, asked again where the table says that this may help: the dialect has learned something, or no other route is left.</summary>
    private async ValueTask<UpstreamFault?> AskAsync(ChatCall call, Route route, bool isLast)
    {
        for (int tries = 0, keys = 0; ;)
        {
            var (fault, isAnswered) = await relay.ServeAsync(call, route);
            if (fault is null)
            {
                route.Succeeded(call.AskedAt);
                return null;
            }
            // What fails twice is no accident of one reply: the route rests. A key that is refused says nothing of the replies.
            var asked = fault.IsOfKey ? ++keys : ++tries;
            if (tries > 1 && fault is { IsOfKey: false, Failure: not UpstreamFailure.Rejected }) fault = fault with { TryAgain = false };
            var rule = FailureRules.Of(fault);
            route.Failed(fault);
            AttemptLine.Log(log, call, route, fault);
            if (isAnswered) return null;
            call.Faults.Add(fault);
            if (asked > FailureRules.MostAgain(fault) || rule.RetryAfter is not { } pause || call.Elapsed > FailureRules.RetryWindow || !(isLast || fault.TryAgain)) return fault;
            await Task.Delay(pause, time, call.Aborted);
            call.Unprepare();
            if (await PrepareAsync(call, route) is not null) return fault;
            call.Faults.Remove(fault);
        }
    }

    /// <summary>Writes what the route is sent, unless that is done. What its provider does not fetch by itself is fetched and put into it.</summary>
    private async ValueTask<ApiError?> PrepareAsync(ChatCall call, Route route)
    {
        if ((call.Inlined ?? call.Request).Body.Length > SocketTurn.MostBytes) await SocketTurn.End();
        var refusal = call.Prepared is null ? Resolution.Prepare(call, route) : null;
        return refusal ?? (call.Prepared!.WantsFiles ? await remote.FetchAsync(call) ?? Resolution.Prepare(call, route) : null);
    }
}
