using CrossModel.Billing;
using CrossModel.Limits;
using CrossModel.Protocol;
using CrossModel.Routing;

namespace CrossModel.Chat;

/// <summary>Step 4: may they? The limits first, then the money.</summary>
internal sealed class Admission(LimitGate limits, Purses purses)
{
    public LimitGate Limits => limits;

    /// <summary>The key, the account, and the account on the first model that has room for it; a model without is passed over like a full route.</summary>
    public async ValueTask<ApiError?> AdmitAsync(ChatCall call)
    {
        call.Estimate = Estimate.Of(call.Request, call.Plan, call.Created);
        ApiError? refusal = null;
        Model? full = null;
        for (var i = call.FirstRoute; i < call.Plan.Count; i++)
        {
            var model = call.Plan[i].Owner;
            if (model == full || (call.Prepared is null && Resolution.Prepare(call, call.Plan[i]) is not null)) continue;
            var answer = await limits.AdmitAsync(call.Caller, model.Limits, call.Estimate.Size.Tokens, call.Estimate.Amount, call.Aborted);
            if (answer.Seat is not null)
            {
                (call.Seat, call.FirstRoute) = (answer.Seat, i);
                return null;
            }
            if (!answer.IsOfModel) return answer.Refusal;
            // Of several the one that opens first: a spend limit has no time at all.
            if (refusal?.RetryAfter is not { } wait || answer.Refusal!.RetryAfter < wait) refusal = answer.Refusal;
            full = model;
            call.Unprepare();
        }
        return refusal;
    }

    /// <summary>Takes the hold from the account's purse. A caller without a cap who cannot pay the default one gets what it can pay.</summary>
    public async ValueTask<ApiError?> HoldAsync(ChatCall call)
    {
        var answer = await purses.HoldAsync(call.Caller.Account, call.Estimate.Amount, call.Aborted);
        if (answer is { Hold: null, DatabaseAway: false } && Estimate.Within(call.Request, call.Plan, call.Created, answer.Available) is { } smaller)
        {
            var second = await purses.HoldAsync(call.Caller.Account, smaller.Amount, call.Aborted);
            if (second.Hold is not null) call.Estimate = smaller;
            // Gone in between: nobody knows what the account has.
            if (second.Hold is not null || second.DatabaseAway) answer = second;
        }
        call.Hold = answer.Hold;
        if (answer.DatabaseAway) return ApiErrors.ModelUnavailable("The books cannot be reached, so no new call is taken on. Retry after the time given in retry-after.");
        if (answer.Hold is null)
        {
            var affordable = call.Estimate.Price.AffordableOutput(answer.Available, call.Estimate.Size);
            return ApiErrors.InsufficientBalance(HoldEstimate.Refusal(answer.Needed, answer.Held, answer.Available, affordable));
        }
        return call.Estimate.Cap is null ? null : Resolution.Prepare(call, call.Plan[call.FirstRoute]);
    }

    /// <summary>Moves an admitted call to another model's limits, when a route of that model is to serve it after all.</summary>
    public async ValueTask<ApiError?> MoveAsync(ChatCall call, Model model)
    {
        var answer = await limits.MoveAsync(call.Seat!, call.Caller, model.Limits, call.Estimate.Size.Tokens, call.Estimate.Amount, call.Aborted);
        if (answer.Seat is null) return answer.Refusal;
        call.Seat = answer.Seat;
        return null;
    }
}
