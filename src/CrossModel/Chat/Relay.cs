using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Usage;

namespace CrossModel.Chat;

/// <summary>
/// Asks one route of a call and carries its reply to the caller. Several candidates of an upstream that gives one at a time are asked
/// side by side and merged.
/// </summary>
internal sealed class Relay(Settlement settlement, Repeats repeats, TimeProvider time, ILogger<ChatEndpoint> log)
{
    /// <summary>
    /// Answers no fault when the upstream did its part, else the fault, and whether the caller was answered all the same: with a reply that an error
    /// event ends. Where he was not another route may be tried.
    /// </summary>
    public async ValueTask<(UpstreamFault? Fault, bool IsAnswered)> ServeAsync(ChatCall call, Route route)
    {
        call.Ask();
        var count = CallsFor(call.Request, call.Prepared!);
        using var others = count > 1 ? CancellationTokenSource.CreateLinkedTokenSource(call.Aborted) : null;
        var calls = new UpstreamCall[count];
        var order = count > 1 && call.Request.Stream ? new Beginnings(count) : null;
        for (var i = 0; i < count; i++) calls[i] = new UpstreamCall(call, route, i, order, time, others?.Token ?? call.Aborted);
        try
        {
            var (fault, isAnswered) = call.Request.Stream ? await StreamAsync(call, route, calls, others) : (await PlainAsync(call, route, calls, others), false);
            if (fault is null || isAnswered) return (fault, true);
            call.Served = null;
            // What an upstream took to fail is its time, not ours.
            call.Waited(Longest(calls));
            Waste(call, route, calls);
            return (fault, false);
        }
        finally
        {
            foreach (var upstream in calls) upstream.Dispose();
        }
    }

    private static TimeSpan Longest(UpstreamCall[] calls)
    {
        var longest = TimeSpan.Zero;
        foreach (var call in calls) longest = call.Elapsed > longest ? call.Elapsed : longest;
        return longest;
    }

    /// <summary>How many upstream calls give the candidates that the caller wants, as the request was written.</summary>
    public static int CallsFor(ChatRequest request, UpstreamRequest prepared) => request.Candidates / prepared.Candidates;

    /// <summary>The most that it may come to on this route: what is held must pay for it.</summary>
    public static int MostCalls(ChatRequest request, Route route) =>
        request.Candidates == 1 || route.Upstream.Dialect.TakesCandidates(request, route.Model) ? 1 : request.Candidates;

    private async ValueTask<UpstreamFault?> PlainAsync(ChatCall call, Route route, UpstreamCall[] calls, CancellationTokenSource? others)
    {
        var replies = new PlainReply?[calls.Length];
        try
        {
            UpstreamFault? fault;
            if (calls is [var lone])
            {
                (replies[0], fault) = await lone.AskPlainAsync();
                fault = lone.End(fault);
            }
            else
            {
                fault = await AllPlainAsync(call, route, calls, replies, others);
            }
            if (fault is not null) return fault;

            call.Served = route;
            call.Waited(Longest(calls));
            var ending = new Ending(route, StatusCodes.Status200OK, null, Array.ConvertAll(replies, static r => new Produced(r!.Usage, r.TextBytes, r.HasContent || r.IsBlocked)));
            using var reply = PlainReply.Merge(replies!);
            var record = Settlement.Write(call, ending);
            var identity = new ReplyIdentity(call.ReplyId, call.Created.ToUnixTimeSeconds(), route.Owner.Id);
            ReplyToKeep? kept = null;
            if (call.Recording is { } recording)
            {
                // All of it is encrypted.
                if (reply.Length > SocketTurn.MostBytes) await SocketTurn.End();
                using var expected = new PooledBuffer();
                reply.Write(expected, identity, record.Usage, record.Price);
                kept = recording.Whole(ReplyHeaders.Json, expected.Span, record.Price);
            }
            var settled = await settlement.SettleAsync(call, record, kept);
            if (!settled.Committed)
            {
                await ReplyHeaders.RefuseAsync(call, ApiErrors.ModelUnavailable("The reply could not be put on the books, so it is not delivered and not charged. Send the request again."));
                return null;
            }
            if (kept is not null || reply.Length > SocketTurn.MostBytes) await SocketTurn.End();
            using var body = new PooledBuffer();
            reply.Write(body, identity, settled.Usage, settled.Charged);
            if (kept is not null && call.Run is { } run)
            {
                await repeats.EndAsync(run, kept.For(settled.Charged));
                call.Run = null;
            }
            call.Status = StatusCodes.Status200OK;
            ReplyHeaders.WritePlain(call, settled.Charged, body.Length);
            await call.Http.Response.Body.WriteAsync(body.Memory, CancellationToken.None);
            return null;
        }
        finally
        {
            foreach (var reply in replies) reply?.Dispose();
        }
    }

    private async ValueTask<UpstreamFault?> AllPlainAsync(ChatCall call, Route route, UpstreamCall[] calls, PlainReply?[] replies, CancellationTokenSource? others)
    {
        var (fault, _) = await EachAsync(calls, async i =>
        {
            (replies[i], var failed) = await calls[i].AskPlainAsync();
            return failed;
        }, (i, failed) => Renew(call, route, calls, i, failed, others), others);
        return fault;
    }

    private async ValueTask<(UpstreamFault? Fault, bool IsAnswered)> StreamAsync(ChatCall call, Route route, UpstreamCall[] calls, CancellationTokenSource? others)
    {
        using var turn = calls.Length > 1 ? new SemaphoreSlim(1, 1) : null;
        var output = call.Output ??= new StreamOutput(call, time, call.Snapshot.Config.Limits.KeepAlive);
        var running = calls.Length;
        var (fault, failing) = await EachAsync(calls, async i =>
        {
            if (await calls[i].OpenAsync() is { } refused) return refused;
            call.Served = route;
            var failed = await calls[i].PumpAsync(output, () => Settlement.CoversAsync(call, route, calls, turn)) ?? await calls[i].AwaitTurnAsync(output);
            // Only the last finish chunk must wait for the charge; an earlier candidate's may go.
            if (failed is null && Interlocked.Decrement(ref running) > 0)
            {
                calls[i].Client.ReleaseFinish();
                await calls[i].SendAsync(output);
            }
            return failed;
        }, (i, failed) => !calls[i].IsDelivered && Renew(call, route, calls, i, failed, others), others);

        var gone = fault?.Failure == UpstreamFailure.ClientGone;
        if (fault is not null && !calls.Any(c => gone ? c.Client.HasContent : c.IsDelivered)) return (fault, false);

        var error = fault is null || gone ? null : FailureRules.ToCaller(fault);
        // A candidate that fails before any of it was delivered takes the whole call with it: nothing of it is paid, what others delivered neither.
        var isWaived = error is not null && !calls[failing].IsDelivered;
        var paid = fault is null ? calls : Array.FindAll(calls, c => !isWaived && c.HasProduced);
        if (fault is not null) Waste(call, route, [.. calls.Except(paid)]);
        var produced = Array.ConvertAll(paid, c => c.Produced(delivers: fault is null || gone));
        if (gone) call.Status = StatusCodes.Status499ClientClosedRequest;
        var record = Settlement.Write(call, new Ending(route, gone ? StatusCodes.Status499ClientClosedRequest : StatusCodes.Status200OK, error?.Code, produced));
        var last = calls[^1];
        ReplyToKeep? kept = null;
        if (fault is null)
        {
            foreach (var upstream in calls) upstream.Client.ReleaseFinish();
            // What one of several calls said besides numbers is not true of all.
            if (calls.Length > 1) last.Client.ForgetUpstreamUsage();
            if (call.Recording is { IsWhole: true } recording)
            {
                // All of it is encrypted.
                await SocketTurn.End();
                using var rest = new PooledBuffer();
                WriteRest(rest, calls, record);
                kept = recording.Whole(ReplyHeaders.EventStream, rest.Span, record.Price);
            }
        }
        var settled = await settlement.SettleAsync(call, record, kept);
        if (gone) return (null, true);
        if (!settled.Committed)
            error ??= ApiErrors.ModelUnavailable("The reply could not be put on the books in time. What was delivered is charged once the database is back.");
        if (error is not null)
        {
            await ReplyHeaders.RefuseAsync(call, error);
            return (fault, true);
        }
        for (var i = 0; i < calls.Length - 1; i++) await output.WriteAsync(calls[i].Events);
        last.Client.Usage(settled.Usage, settled.Charged);
        last.Client.Done();
        if (kept is not null && call.Run is { } run)
        {
            await SocketTurn.End();
            await repeats.EndAsync(run, kept.For(settled.Charged));
            call.Run = null;
        }
        await output.EndAsync(last.Events);
        return (null, true);
    }

    /// <summary>What of a stream waits for its charge, with the cost that is expected.</summary>
    private static void WriteRest(PooledBuffer rest, UpstreamCall[] calls, RequestRecord record)
    {
        foreach (var upstream in calls) rest.Write(upstream.Events.Span);
        var client = calls[^1].Client;
        var target = client.Target;
        client.Target = rest;
        client.Usage(record.Usage, record.Price);
        client.Done();
        client.Target = target;
    }

    /// <summary>
    /// Runs every upstream call of a route; with several, one that fails before content is tried once more. Answers the first fault that stays, and
    /// whose it is; the other calls are cancelled then.
    /// </summary>
    private static async ValueTask<(UpstreamFault? Fault, int Index)> EachAsync(UpstreamCall[] calls, Func<int, ValueTask<UpstreamFault?>> run, Func<int, UpstreamFault, bool> renew, CancellationTokenSource? others)
    {
        async Task<UpstreamFault?> RunAsync(int i)
        {
            UpstreamFault? fault;
            try
            {
                fault = calls[i].End(await run(i));
                if (fault is not null && calls.Length > 1 && fault.Failure is not (UpstreamFailure.ClientGone or UpstreamFailure.Rejected) && (fault.TryAgain || !fault.NotAgain) && renew(i, fault))
                    fault = calls[i].End(await run(i));
            }
            catch
            {
                // A defect; the others would wait for their turn after it.
                others?.Cancel();
                throw;
            }
            if (fault is not null) others?.Cancel();
            return fault;
        }

        if (calls.Length == 1) return (calls[0].End(await run(0)), 0);
        var faults = await Task.WhenAll(Enumerable.Range(0, calls.Length).Select(RunAsync));
        // Those that were cancelled because another failed say only that they were.
        var index = Array.FindIndex(faults, f => f is { Failure: not UpstreamFailure.ClientGone });
        if (index < 0) index = Math.Max(0, Array.FindIndex(faults, f => f is not null));
        return (faults[index], index);
    }

    private static void Waste(ChatCall call, Route route, params ReadOnlySpan<UpstreamCall> calls)
    {
        foreach (var upstream in calls)
            if (upstream.Reader.Usage is { } usage) Settlement.Waste(call, route, usage);
    }

    private bool Renew(ChatCall call, Route route, UpstreamCall[] calls, int i, UpstreamFault failed, CancellationTokenSource? others)
    {
        AttemptLine.Log(log, call, route, failed);
        Waste(call, route, calls[i]);
        calls[i].Dispose();
        calls[i] = new UpstreamCall(call, route, i, calls[i].Order, time, others?.Token ?? call.Aborted);
        return true;
    }
}
