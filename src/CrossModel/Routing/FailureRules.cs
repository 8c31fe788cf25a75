using CrossModel.Dialects;
using CrossModel.Protocol;

namespace CrossModel.Routing;

/// <summary>What rests after a failure: nothing, the model at this upstream, or the upstream with all its models.</summary>
internal enum Cools { Nothing, Model, Upstream }

/// <summary>What follows from one failure.</summary>
/// <param name="TryNext">Another route may be tried, while nothing was delivered.</param>
/// <param name="RetryAfter">The same route may be asked once more after this long, if no other route is left,
/// nothing was delivered and less than <see cref="FailureRules.RetryWindow"/> has passed; null: no.</param>
/// <param name="Rest">First length of the rest; it doubles with every failure in a row, and the provider's own hint replaces it.</param>
/// <param name="Alarm">Only the operator can mend it: say so in the log.</param>
internal readonly record struct FailureRule(bool TryNext, TimeSpan? RetryAfter, Cools Cools, TimeSpan Rest, bool Alarm);

/// <summary>The one failure table. Nobody else decides what follows from an upstream's failure.</summary>
internal static class FailureRules
{
    /// <summary>No second try on the same route once a call has waited this long.</summary>
    public static readonly TimeSpan RetryWindow = TimeSpan.FromSeconds(5);

    /// <summary>A server names one thing at a time that it does not take, and several of its keys may be refused:
    /// so many refusals of a call may each teach its dialect something.</summary>
    private const int MostLessons = 3;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(250);

    public static FailureRule Of(UpstreamFault fault)
    {
        //                                                       next   same route   rests            for   alarm
        var rule = fault.Failure switch
        {
            UpstreamFailure.Connect => /*              */ Rule(true, Pause, Cools.Upstream, 2),
            UpstreamFailure.FirstByteTimeout => /*     */ Rule(true, null, Cools.Model, 10),
            UpstreamFailure.IdleTimeout => /*          */ Rule(true, null, Cools.Model, 10),
            UpstreamFailure.TotalTimeout => /*         */ Rule(true, null, Cools.Nothing, 0),
            UpstreamFailure.RateLimited => /*          */ Rule(true, null, Cools.Model, 5),
            UpstreamFailure.Operator => /*             */ Rule(true, null, Cools.Upstream, 30, alarm: true),
            UpstreamFailure.ModelMissing => /*         */ Rule(true, null, Cools.Model, 30, alarm: true),
            UpstreamFailure.Rejected => /*             */ Rule(false, null, Cools.Nothing, 0),
            UpstreamFailure.ServerError => /*          */ Rule(true, IsPassing(fault) ? Pause : null, Cools.Model, 2),
            UpstreamFailure.BadReply => /*             */ Rule(true, null, Cools.Model, 2),
            UpstreamFailure.CutShort => /*             */ Rule(true, null, Cools.Model, 2),
            UpstreamFailure.ClientGone => /*           */ Rule(false, null, Cools.Nothing, 0),
            UpstreamFailure.NoRoom => /*               */ Rule(true, null, Cools.Nothing, 0),
            UpstreamFailure.Stopping => /*             */ Rule(false, null, Cools.Nothing, 0),
            _ => throw new ArgumentOutOfRangeException(nameof(fault), fault.Failure, null),
        };
        if (fault.IsOfModel) rule = rule with { Cools = Cools.Model };
        // The dialect has learned how this server wants it, or has another key: the upstream is well, and the same route is asked again at once.
        return fault.TryAgain ? rule with { RetryAfter = TimeSpan.Zero, Cools = Cools.Nothing, Alarm = rule.Alarm && fault.IsOfKey } : rule;
    }

    /// <summary>How often one call may ask the same route once more after such a failure.</summary>
    public static int MostAgain(UpstreamFault fault) => fault is { TryAgain: true, Stumbled: false } ? MostLessons : 1;

    /// <summary>What the caller sees of one failure. Names no upstream, key or host.</summary>
    public static ApiError ToCaller(UpstreamFault fault) => fault.Failure switch
    {
        UpstreamFailure.Rejected => ApiErrors.UpstreamRejected(
            fault.Message ?? "The model's provider rejected the request.", fault.Code ?? "upstream_rejected", fault.Param),
        UpstreamFailure.RateLimited => ApiErrors.ProviderRateLimited(fault.RetryAfter),
        UpstreamFailure.ModelMissing => ApiErrors.ModelUnavailable("The model is not available at its provider at the moment. Try again later or use another model."),
        UpstreamFailure.Operator => ApiErrors.ProviderError("The model's provider refused this gateway's access. The operator has been told; try again later or use another model."),
        UpstreamFailure.Connect => ApiErrors.ProviderError("The model's provider could not be reached. Try again, or use another model."),
        UpstreamFailure.FirstByteTimeout => ApiErrors.ProviderError("The model's provider did not begin to answer within the time limit to the first byte. Ask for less, stream, or try again."),
        UpstreamFailure.IdleTimeout => ApiErrors.ProviderError("The model's provider fell silent for longer than the idle time limit between bytes. Try again."),
        UpstreamFailure.TotalTimeout => ApiErrors.ProviderError("The reply took longer than the total time limit of a call. Ask for a shorter reply or try again."),
        UpstreamFailure.CutShort => ApiErrors.ProviderError("The model's provider ended its reply before it was complete. Try again."),
        UpstreamFailure.BadReply => ApiErrors.ProviderError("The model's provider sent a reply that cannot be read. Try again."),
        UpstreamFailure.ServerError => ApiErrors.ProviderError("The model's provider failed to answer. Try again, or use another model."),
        UpstreamFailure.NoRoom => ApiErrors.NoRoom(),
        UpstreamFailure.Stopping => ApiErrors.ServerStopping(),
        UpstreamFailure.ClientGone => ApiErrors.ProviderError("The caller closed the connection."),
        _ => throw new ArgumentOutOfRangeException(nameof(fault), fault.Failure, null),
    };

    /// <summary>What the caller sees after several failures, in the order of the attempts: a rejection of the request is final; else what all agree on; else 502.</summary>
    public static ApiError ToCaller(IReadOnlyList<UpstreamFault> faults)
    {
        var last = faults[^1];
        if (last.Failure is UpstreamFailure.Rejected or UpstreamFailure.Stopping || faults.All(f => f.Failure == last.Failure))
            return ToCaller(last.Failure == UpstreamFailure.RateLimited ? last with { RetryAfter = faults.Min(f => f.RetryAfter) } : last);
        var error = ToCaller(last);
        return error.Status == 502 ? error : ApiErrors.ProviderError("None of the model's providers could answer. Try again, or use another model.");
    }

    /// <summary>Overload and hiccups pass; a redirect does not, nor what the provider says will not, and a server that wants a longer rest gets it.</summary>
    private static bool IsPassing(UpstreamFault fault) =>
        !fault.NotAgain && fault.Status is null or 408 or 424 or >= 500 && (fault.RetryAfter is null || fault.RetryAfter <= Pause);

    private static FailureRule Rule(bool next, TimeSpan? same, Cools cools, int seconds, bool alarm = false) =>
        new(next, same, cools, TimeSpan.FromSeconds(seconds), alarm);
}
