namespace CrossModel.Chat;

/// <summary>One line a chat call: ids, model, upstream, status, times, tokens. Never a prompt, a completion or a key.</summary>
internal static partial class RequestLog
{
    public static void Write(ILogger log, ChatCall call)
    {
        if (!log.IsEnabled(LogLevel.Information)) return;
        var usage = call.Usage;
        Done(log, call.RequestId, call.ClientRequestId, call.Status, call.ErrorCode, call.Caller?.Key.Prefix, call.Plan.Count > 0 ? call.Plan[0].Owner.Id : null,
            call.Served?.Upstream.Name, call.AttemptCount, (long)call.Elapsed.TotalMilliseconds, (long?)call.FirstToken?.TotalMilliseconds, usage.InputTokens, usage.OutputTokens);
    }

    [LoggerMessage(EventId = 1, Level = LogLevel.Information, Message =
        "request {RequestId} client_id={ClientRequestId} status={Status} error={ErrorCode} key={Key} model={Model} upstream={Upstream} attempts={Attempts} duration_ms={DurationMs} first_token_ms={FirstTokenMs} input_tokens={InputTokens} output_tokens={OutputTokens}")]
    private static partial void Done(ILogger log, string requestId, string? clientRequestId, int status, string? errorCode, string? key, string? model, string? upstream,
        int attempts, long durationMs, long? firstTokenMs, long inputTokens, long outputTokens);
}
