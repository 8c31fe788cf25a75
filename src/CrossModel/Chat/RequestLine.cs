using System.Globalization;
using System.Text.Json;

namespace CrossModel.Chat;

/// <summary>One line a chat call: ids, model, upstream, status, times, tokens. Never a prompt, a completion or a key. Valid only while it is logged.</summary>
internal sealed class RequestLine(ChatCall call)
{
    private static readonly EventId Done = new(1, "Done");

    public static void Log(ILogger log, ChatCall call)
    {
        // Not by a template: most of its cost was the text that nobody reads where the fields are there.
        if (log.IsEnabled(LogLevel.Information)) log.Log(LogLevel.Information, Done, new RequestLine(call), null, static (line, _) => line.ToString());
    }

    private long DurationMs => (long)call.Elapsed.TotalMilliseconds;
    private long? FirstTokenMs => (long?)call.FirstToken?.TotalMilliseconds;

    public void Write(Utf8JsonWriter json)
    {
        json.WriteString("request_id"u8, call.RequestId);
        if (call.ClientRequestId is { } client) json.WriteString("client_request_id"u8, client);
        json.WriteNumber("status"u8, call.Status);
        if (call.ErrorCode is { } error) json.WriteString("error"u8, error);
        json.WriteString("key"u8, call.Caller?.Key.Prefix);
        json.WriteString("model"u8, call.ModelId);
        json.WriteString("upstream"u8, call.Served?.Upstream.Name);
        json.WriteNumber("attempts"u8, call.AttemptCount);
        json.WriteNumber("duration_ms"u8, DurationMs);
        if (FirstTokenMs is { } first) json.WriteNumber("first_token_ms"u8, first);
        json.WriteNumber("input_tokens"u8, call.Usage.InputTokens);
        json.WriteNumber("output_tokens"u8, call.Usage.OutputTokens);
    }

    /// <summary>For a person at a terminal.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"request {call.RequestId} client_request_id={call.ClientRequestId} status={call.Status} error={call.ErrorCode} key={call.Caller?.Key.Prefix} model={call.ModelId} upstream={call.Served?.Upstream.Name} attempts={call.AttemptCount} duration_ms={DurationMs} first_token_ms={FirstTokenMs} input_tokens={call.Usage.InputTokens} output_tokens={call.Usage.OutputTokens}");
}
