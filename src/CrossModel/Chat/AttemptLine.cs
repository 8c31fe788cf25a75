using CrossModel.Dialects;
using CrossModel.Routing;

namespace CrossModel.Chat;

/// <summary>One line an attempt that failed, for the operator: which upstream, and why.</summary>
internal static partial class AttemptLine
{
    public static void Log(ILogger log, ChatCall call, Route route, UpstreamFault fault)
    {
        // A caller that leaves is no failure of the upstream's: the line of the call says 499.
        if (fault.Failure != UpstreamFailure.ClientGone)
            Failed(log, call.RequestId, route.Upstream.Name, UpstreamCall.Outcome(fault.Failure), fault.Status, fault.Detail, FailureRules.Of(fault).Alarm);
    }

    [LoggerMessage(EventId = 2, Level = LogLevel.Warning, Message = "request {RequestId} attempt failed: upstream={Upstream} failure={Failure} status={Status} detail={Detail} alarm={Alarm}")]
    private static partial void Failed(ILogger log, string requestId, string upstream, string failure, int? status, string? detail, bool alarm);
}
