using CrossModel.Protocol;

namespace CrossModel.Limits;

internal enum LimitKind { Requests, Tokens, Parallel, SpendDay, SpendMonth, SpendTotal }

/// <summary>A limit that has no room for a call.</summary>
/// <param name="Limit">A minute's count, calls at once, or nano-dollars.</param>
/// <param name="Wait">Ticks until the call would fit; 0 for spend limits.</param>
internal readonly record struct Stop(LimitKind Kind, Subject Subject, long Limit, long Wait)
{
    public static Stop? Longer(Stop? a, Stop? b) => b is not { Wait: > 0 } || a?.Wait >= b?.Wait ? a : b;

    public ApiError ToError()
    {
        var whose = Subject.Whose;
        var wait = TimeSpan.FromTicks(Wait);
        var seconds = Math.Max(1, Math.Ceiling(wait.TotalSeconds));
        return Kind switch
        {
            LimitKind.Requests => ApiErrors.RateLimited($"The limit rpm of {whose} is reached: {Counted.Of(Limit, "request")} per minute. Retry after {seconds} s.", wait),
            LimitKind.Tokens => ApiErrors.RateLimited($"The limit tpm of {whose} is reached: {Counted.Of(Limit, "token")} per minute. Retry after {seconds} s.", wait),
            LimitKind.Parallel => ApiErrors.RateLimited(
                $"The limit parallel of {whose} is reached: {Counted.Of(Limit, "request")} at once. Retry when {(Limit == 1 ? "it" : "one of them")} has ended.", wait),
            LimitKind.SpendDay => OutOfMoney("spend-day", whose, "It opens again at midnight UTC."),
            LimitKind.SpendMonth => OutOfMoney("spend-month", whose, "It opens again with the next month, UTC."),
            _ => OutOfMoney("spend-total", whose, "It does not open again by itself."),
        };
    }

    private ApiError OutOfMoney(string flag, string whose, string when) =>
        ApiErrors.InsufficientBalance($"The limit {flag} of {whose} is reached: {(Limit / 1_000_000_000m):0.#########} USD. {when} Ask the operator to raise it.");
}
