using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Routing;

namespace CrossModel.Chat;

/// <summary>What a call may cost at most, as far as can be told beforehand, on the dearest of its routes.</summary>
/// <param name="Amount">Nano-dollars of the hold.</param>
/// <param name="Cap">The output cap that was lowered to what the account can pay; null: none.</param>
internal readonly record struct Estimate(HoldSize Size, PriceVersion Price, long Amount, long? Cap)
{
    public static Estimate Of(ChatRequest request, in RoutePlan plan, DateTimeOffset now) => Of(request, plan, now, null);

    /// <summary>
    /// The same call with the cap that <paramref name="available"/> nano-dollars can pay on each of its routes: with less output another one may be
    /// the dearest. Null when the caller gave a cap of its own, or too little is left.
    /// </summary>
    public static Estimate? Within(ChatRequest request, in RoutePlan plan, DateTimeOffset now, long available)
    {
        if (request.MaxOutputTokens is not null) return null;
        var (cap, isLower) = (long.MaxValue, false);
        for (var i = 0; i < plan.Count; i++)
        {
            var size = SizeOn(request, plan[i]);
            var affordable = plan[i].Owner.Price.At(now)!.AffordableOutput(available, size);
            cap = Math.Min(cap, affordable);
            isLower |= affordable < size.OutputTokens;
        }
        return isLower && cap >= HoldEstimate.SmallestCap ? Of(request, plan, now, cap) : null;
    }

    private static Estimate Of(ChatRequest request, in RoutePlan plan, DateTimeOffset now, long? cap)
    {
        Estimate dearest = default;
        for (var i = 0; i < plan.Count; i++)
        {
            var size = SizeOn(request, plan[i]);
            if (cap < size.OutputTokens) size = size with { OutputTokens = cap.Value };
            var price = plan[i].Owner.Price.At(now)!;
            var amount = price.Hold(size);
            if (i == 0 || amount > dearest.Amount) dearest = new Estimate(size, price, amount, cap);
        }
        return dearest;
    }

    private static HoldSize SizeOn(ChatRequest request, Route route)
    {
        var model = route.Owner;
        var seconds = HoldEstimate.AudioSeconds(request.Prompt);
        return new HoldSize(
            HoldEstimate.PromptTokens(request.Prompt, model.Media), HoldEstimate.OutputTokens(request.MaxOutputTokens, model.Facts.MaxOutputTokens),
            Relay.MostCalls(request, route), request.Candidates, request.Prompt.Images, seconds, seconds * model.Media.AudioSecond,
            request.Features.HasFlag(ChatFeatures.AudioOutput));
    }
}
