using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Usage;

namespace CrossModel.Chat;

/// <summary>What one upstream call gave the caller.</summary>
/// <param name="Usage">What the upstream reported; null: count the text.</param>
/// <param name="TextBytes">UTF-8 bytes of what it generated.</param>
/// <param name="HasContent">Content, a call, reasoning or a refusal was there, or the provider blocked it. Without it the reply is empty, unless output tokens were reported.</param>
/// <param name="Prompt">Where the text must be counted, what the upstream said of the prompt; null, or of no tokens: it is estimated.</param>
internal readonly record struct Produced(TokenUsage? Usage, long TextBytes, bool HasContent, TokenUsage? Prompt = null)
{
    public bool IsEmpty => !HasContent && (Usage is null || Usage.Value.OutputTokens == 0);
}

/// <summary>How a call ended.</summary>
/// <param name="Status">The HTTP status sent; 499 when the caller was gone.</param>
/// <param name="ErrorCode">What the caller was told in mid-stream, or instead of a reply; null for a good one.</param>
/// <param name="Produced">One an upstream call whose reply was delivered; none when nothing was.</param>
internal sealed record Ending(Route Route, int Status, string? ErrorCode, IReadOnlyList<Produced> Produced);

/// <param name="Committed">On the books for good. False: a plain reply must not be delivered.</param>
/// <param name="Usage">All upstream calls together, as shown to the caller.</param>
/// <param name="Charged">Nano-dollars that left the balance.</param>
internal readonly record struct SettledCall(bool Committed, TokenUsage Usage, long Charged);

/// <summary>Step 8: from what was produced to a charge on the books, exactly once, never cancelled with the caller.</summary>
internal sealed class Settlement(Settlements settlements)
{
    /// <summary>Puts a call on the books and waits for the commit.</summary>
    /// <param name="record">What <see cref="Write"/> made of its ending.</param>
    /// <param name="reply">Kept in the same commit; null: there are no repeats to come.</param>
    public async ValueTask<SettledCall> SettleAsync(ChatCall call, RequestRecord record, ReplyToKeep? reply)
    {
        var countsForModel = call.Served!.Owner.Limits is { Terms.HasSpend: true };
        // What was cut to what its caller could pay is no reply for others.
        if (reply is { Reply.IsTooLarge: true } || (reply is { CacheFor: not null } && (call.Estimate.Cap is not null || call.RanOutOfMoney))) reply = null;
        var beside = countsForModel || reply is not null ? new Beside(countsForModel, reply) : null;
        var settled = call.Request.Stream ? await settlements.SettleOrQueueAsync(record, call.Hold!, beside) : await settlements.SettleAsync(record, call.Hold!, beside);
        // A reply that is not charged uses up a request, nothing else; a stream's charge that is still queued will come.
        if (record.Basis != Basis.Waived && (settled.Committed || call.Request.Stream))
            call.Seat?.Correct(record.Usage.TotalTokens, settled.Committed ? settled.Charged : record.Price);
        // Freed before the last bytes go out: who calls once the reply is whole must never meet the seats of his own last call.
        call.Seat?.Dispose();
        call.LeaveRoute();
        return new SettledCall(settled.Committed, record.Usage, settled.Charged);
    }

    /// <summary>Notes a call that was admitted and gave nothing: it costs nothing, and its caller does not wait for the note.</summary>
    public void Waive(ChatCall call, ApiError error)
    {
        var gone = call.Aborted.IsCancellationRequested;
        var status = gone ? StatusCodes.Status499ClientClosedRequest : call.Output is { Started: true } ? StatusCodes.Status200OK : error.Status;
        _ = settlements.SettleOrQueueAsync(Write(call, new Ending(call.Plan[0], status, gone ? null : error.Code, [])), call.Hold!);
    }

    /// <summary>Is the hold still enough for what was written? Extends it; false: the money is gone and the model is set to end there.</summary>
    /// <param name="turn">Candidates that are asked side by side extend the one hold one after the other; null: there is one.</param>
    public static ValueTask<bool> CoversAsync(ChatCall call, Route route, UpstreamCall[] calls, SemaphoreSlim? turn)
    {
        var written = Written(calls);
        return call.Price.IsFree || written <= call.CoveredTextBytes ? ValueTask.FromResult(true)
            : turn is null ? ExtendAsync(call, route, written)
            : ExtendInTurnAsync(call, route, calls, turn);
    }

    private static long Written(UpstreamCall[] calls)
    {
        long written = 0;
        foreach (var upstream in calls) written += upstream.Client.TextBytes;
        return written;
    }

    private static async ValueTask<bool> ExtendInTurnAsync(ChatCall call, Route route, UpstreamCall[] calls, SemaphoreSlim turn)
    {
        await turn.WaitAsync();
        try
        {
            var written = Written(calls);
            return written <= call.CoveredTextBytes || await ExtendAsync(call, route, written);
        }
        finally
        {
            turn.Release();
        }
    }

    private static async ValueTask<bool> ExtendAsync(ChatCall call, Route route, long written)
    {
        // Half as much again: a long stream asks a few times, not at every event.
        var target = written + written / 2;
        var size = call.Estimate.Size;
        var answer = await call.Hold!.ExtendToAsync(call.Price.Hold(size with { OutputTokens = HoldEstimate.CountTokens(target) / size.Candidates + 1 }));
        if (answer == Extension.NoMoney && route.Owner.Config.StopAtBalance)
        {
            call.RanOutOfMoney = true;
            return false;
        }
        call.CoveredTextBytes = target;
        return true;
    }

    /// <summary>The record of a call that ended so, with its price.</summary>
    public static RequestRecord Write(ChatCall call, Ending ending)
    {
        var (basis, usages) = Judge(call, ending);
        var usage = default(TokenUsage);
        var calls = new CallUsage[usages.Length];
        for (var i = 0; i < usages.Length; i++)
        {
            usage += usages[i];
            calls[i] = new CallUsage(usages[i], call.Estimate.Size.Images, call.Estimate.Size.AudioSeconds);
        }
        var bill = basis == Basis.Waived ? Bill.Nothing : call.Price.Compute(calls);
        call.Usage = usage;
        call.ErrorCode = ending.ErrorCode;
        return new RequestRecord
        {
            Id = call.RequestId,
            AccountId = call.Caller.Account.Id,
            KeyId = call.Caller.Key.Id,
            Model = ending.Route.Owner.Id,
            ModelAsked = Asked(call, ending.Route.Owner),
            ClientRequestId = call.ClientRequestId,
            Created = call.Created.ToUnixTimeMilliseconds(),
            Status = ending.Status,
            Stream = call.Request.Stream,
            Basis = basis,
            Usage = usage,
            Calls = Math.Max(1, calls.Length),
            Images = call.Estimate.Size.Images,
            AudioSeconds = call.Estimate.Size.AudioSeconds,
            PriceVersion = call.Price.Name,
            Lines = bill.Lines,
            Price = bill.Total,
            OperatorCost = OperatorCost(call, ending, basis, calls, out var isPartial),
            OperatorCostIsPartial = isPartial,
            Ignored = call.Ignored,
            Attempts = call.Attempts,
            DurationMs = (long)call.Elapsed.TotalMilliseconds,
            ErrorCode = ending.ErrorCode,
        };
    }

    /// <summary>The id as the caller wrote it; one that nobody knows may be as long as a body.</summary>
    private static string Asked(ChatCall call, Model served)
    {
        var id = call.Request.Model;
        return id == served.Id || call.Snapshot.Catalog.Find(id) is not null ? id : ApiErrors.Echo(id);
    }

    /// <summary>Notes what an attempt that delivered nothing costs the operator: its upstream has reported tokens before it failed.</summary>
    public static void Waste(ChatCall call, Route route, in TokenUsage usage)
    {
        if (route.Cost?.At(call.Created) is { } cost) call.Waste(cost.Compute(new CallUsage(usage, call.Estimate.Size.Images, call.Estimate.Size.AudioSeconds)).Total);
    }

    /// <summary>What the operator pays for all attempts, as far as it can be told; null: nothing of it.</summary>
    /// <param name="isPartial">It is told of others than the one that served.</param>
    private static long? OperatorCost(ChatCall call, Ending ending, Basis basis, CallUsage[] calls, out bool isPartial)
    {
        isPartial = false;
        if (basis == Basis.Waived)
        {
            // The caller pays nothing for an empty reply; the provider may have read the prompt.
            foreach (var produced in ending.Produced)
                if (produced.Usage is { } usage) Waste(call, ending.Route, usage);
            return call.Wasted;
        }
        if (ending.Route.Cost?.At(call.Created) is { } cost) return cost.Compute(calls).Total + (call.Wasted ?? 0);
        isPartial = call.Wasted is not null;
        return call.Wasted;
    }

    /// <summary>The written rule of each ending: reported usage is believed, else the text is counted; an empty reply is waived.</summary>
    private static (Basis Basis, TokenUsage[] Usages) Judge(ChatCall call, Ending ending)
    {
        var usages = new TokenUsage[ending.Produced.Count];
        var (empty, counted) = (true, false);
        for (var i = 0; i < usages.Length; i++)
        {
            var produced = ending.Produced[i];
            empty &= produced.IsEmpty;
            counted |= produced.Usage is null;
            usages[i] = produced.Usage ?? Count(call, produced);
        }
        return empty ? (Basis.Waived, new TokenUsage[usages.Length]) : (counted ? Basis.Counted : Basis.Reported, usages);
    }

    private static TokenUsage Count(ChatCall call, in Produced produced)
    {
        var prompt = produced.Prompt is { InputTokens: > 0 } said
            ? said
            : new TokenUsage { InputTokens = call.Estimate.Size.PromptTokens, AudioInputTokens = call.Estimate.Size.AudioTokens };
        return prompt with { OutputTokens = HoldEstimate.CountTokens(produced.TextBytes), ReasoningTokens = 0, AudioOutputTokens = 0 };
    }
}
