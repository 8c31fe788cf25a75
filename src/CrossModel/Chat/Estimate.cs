using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Routing;

namespace CrossModel.Chat;

/// <summary>What a call may cost at most, as far as can be told beforehand, on the dearest of its routes.</summary>
/// <param name="Amount">Nano-dollars of the hold.</param>
/// <param name="Cap">The output cap that was lowered to what the account can pay; null: none.</param>
internal readonly record struct Estimate(HoldSize Size, PriceVersion Price, long Amount, long? Cap)
{
    public static Estimate Of(ChatRequest request, in RoutePlan plan, DateTimeOffset now)
    {
        Estimate dearest = default;
        for (var i = 0; i < plan.Count; i++)
        {
            var model = plan[i].Owner;
            var seconds = HoldEstimate.AudioSeconds(request.Prompt);
            var size = new HoldSize(
                HoldEstimate.PromptTokens(request.Prompt, model.Media), HoldEstimate.OutputTokens(request.MaxOutputTokens, model.Facts.MaxOutputTokens),
                Relay.MostCalls(request, plan[i]), request.Candidates, request.Prompt.Images, seconds, seconds * model.Media.AudioSecond,
                request.Features.HasFlag(ChatFeatures.AudioOutput));
            var price = model.Price.At(now)!;
            var amount = price.Hold(size);
            if (i == 0 || amount > dearest.Amount) dearest = new Estimate(size, price, amount, null);
        }
        return dearest;
    }

    /// <summary>The same call with the cap that <paramref name="available"/> nano-dollars can pay; null when the caller gave a cap of its own or too little is left.</summary>
    public Estimate? Within(ChatRequest request, long available)
    {
        if (request.MaxOutputTokens is not null) return null;
        var cap = Price.AffordableOutput(available, Size);
        if (cap < HoldEstimate.SmallestCap || cap >= Size.OutputTokens) return null;
        var smaller = Size with { OutputTokens = cap };
        return this with { Size = smaller, Amount = Price.Hold(smaller), Cap = cap };
    }
}
