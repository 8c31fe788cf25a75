using System.Buffers;
using System.Globalization;
using System.Text.Json;
using CrossModel.Protocol;
using CrossModel.Usage;

namespace CrossModel.Billing;

/// <summary>A request for those who pay it: <c>GET /v1/requests/{id}</c> and the command line's lists.</summary>
internal static class Receipt
{
    /// <param name="showsUpstream">Name upstreams in the attempts. What the operator pays them is never shown here: it is the command line's.</param>
    public static void Write(IBufferWriter<byte> target, StoredRequest request, bool showsUpstream)
    {
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Encoder = JsonText.Encoder });
        var record = request.Record;
        json.WriteStartObject();
        json.WriteString("request_id"u8, record.Id);
        json.WriteString("model"u8, record.Model);
        json.WriteString("model_asked"u8, record.ModelAsked);
        json.WriteNumber("created"u8, record.Created / 1000);
        json.WriteNumber("status"u8, record.Status);
        json.WriteBoolean("stream"u8, record.Stream);
        json.WriteString("basis"u8, RecordText.Name(record.Basis));
        WriteUsage(json, record);
        json.WriteString("price_version"u8, record.PriceVersion);
        WriteArithmetic(json, request);
        json.Usd("cost", request.Cost);
        json.Usd("uncovered", request.Uncovered);
        WriteIgnored(json, record);
        WriteAttempts(json, record, showsUpstream);
        json.WriteNumber("duration_ms"u8, record.DurationMs);
        json.WriteString("error"u8, record.ErrorCode);
        json.WriteString("client_request_id"u8, record.ClientRequestId);
        WriteEntry(json, request);
        json.WriteEndObject();
    }

    /// <summary>The members of <c>requests show --json</c>: the list's, and after them what only the receipt has.</summary>
    public static void WriteWhole(Utf8JsonWriter json, StoredRequest request)
    {
        WriteRow(json, request);
        WriteUsage(json, request.Record);
        WriteArithmetic(json, request);
        WriteEntry(json, request);
    }

    /// <summary>The members of a row of <c>requests list --json</c>.</summary>
    public static void WriteRow(Utf8JsonWriter json, StoredRequest request)
    {
        var record = request.Record;
        json.WriteString("request_id"u8, record.Id);
        json.WriteString("model"u8, record.Model);
        json.WriteString("model_asked"u8, record.ModelAsked);
        json.WriteString("key"u8, record.KeyId);
        json.WriteNumber("created"u8, record.Created / 1000);
        json.WriteNumber("duration_ms"u8, record.DurationMs);
        json.WriteNumber("status"u8, record.Status);
        json.WriteBoolean("stream"u8, record.Stream);
        json.WriteString("basis"u8, RecordText.Name(record.Basis));
        WriteTokens(json, record.Usage);
        json.WriteString("price_version"u8, record.PriceVersion);
        json.Usd("cost", request.Cost);
        json.Usd("uncovered", request.Uncovered);
        json.Usd("operator_cost", record.OperatorCost);
        json.WriteString("error"u8, record.ErrorCode);
        json.WriteString("client_request_id"u8, record.ClientRequestId);
        WriteIgnored(json, record);
        WriteAttempts(json, record, showsUpstream: true);
    }

    /// <summary>The whole computation in one sentence, for people.</summary>
    public static string Words(StoredRequest request)
    {
        var record = request.Record;
        if (record.Basis == Basis.Waived) return "Nothing is charged: the reply failed or was empty.";
        if (record.PriceVersion == "free") return "Nothing is charged: the model is free.";
        var terms = record.Lines.Select(l => IsUnit(l)
            ? string.Create(CultureInfo.InvariantCulture, $"{l.Count} {l.Class} × {PriceOf(l)} USD")
            : string.Create(CultureInfo.InvariantCulture, $"{l.Count} {l.Class} tokens × {PriceOf(l)} USD per million"));
        var sum = record.Lines.Count == 0 ? "0" : string.Join(" + ", terms);
        var exact = PriceVersion.Sum(record.Lines);
        var rounding = exact % 1_000_000 == 0 ? "" : $", rounded half up to a nano-dollar {Usd.Format(record.Price)} USD";
        var uncovered = request.Uncovered == 0 ? "" : $"; {Usd.Format(request.Cost)} USD charged, {Usd.Format(request.Uncovered)} USD uncovered";
        return $"{sum} = {Usd.FormatExact(exact)} USD{rounding}{uncovered}";
    }

    private static void WriteUsage(Utf8JsonWriter json, RequestRecord record)
    {
        json.WriteStartObject("usage"u8);
        WriteTokens(json, record.Usage);
        json.WriteEndObject();
    }

    private static void WriteArithmetic(Utf8JsonWriter json, StoredRequest request)
    {
        json.Objects("lines", request.Record.Lines, static (json, line) =>
        {
            json.WriteString("class"u8, line.Class);
            json.WriteNumber("tokens"u8, line.Count);
            json.WriteString("price"u8, PriceOf(line));
            json.WriteString("amount"u8, Usd.FormatExact(line.Amount));
        });
        json.WriteString("arithmetic"u8, Words(request));
    }

    private static void WriteEntry(Utf8JsonWriter json, StoredRequest request)
    {
        var charged = request.Cost != 0;
        json.Usd("balance_after", charged ? request.BalanceAfter : null);
        json.WriteString("entry"u8, charged ? LedgerEntry.IdOf(request.Record.AccountId, request.Seq) : null);
        json.WriteString("entry_hash"u8, charged ? request.EntryHash : null);
    }

    private static void WriteTokens(Utf8JsonWriter json, in TokenUsage usage)
    {
        json.WriteNumber("prompt_tokens"u8, usage.InputTokens);
        json.WriteNumber("cached_tokens"u8, usage.CachedInputTokens);
        json.WriteNumber("cache_write_tokens"u8, usage.CacheWriteTokens);
        json.WriteNumber("cache_write_hour_tokens"u8, usage.CacheWriteHourTokens);
        json.WriteNumber("audio_input_tokens"u8, usage.AudioInputTokens);
        json.WriteNumber("completion_tokens"u8, usage.OutputTokens);
        json.WriteNumber("reasoning_tokens"u8, usage.ReasoningTokens);
        json.WriteNumber("audio_output_tokens"u8, usage.AudioOutputTokens);
    }

    private static bool IsUnit(CostLine line) => line.Class is "request" or "image" or "audio_second";

    /// <summary>USD per million tokens, or a unit for classes that are not tokens.</summary>
    private static string PriceOf(CostLine line) => Usd.Format(IsUnit(line) ? line.Price / 1_000_000 : line.Price);

    private static void WriteIgnored(Utf8JsonWriter json, RequestRecord record)
    {
        json.WriteStartArray("ignored"u8);
        foreach (var name in record.Ignored) json.WriteStringValue(name);
        json.WriteEndArray();
    }

    private static void WriteAttempts(Utf8JsonWriter json, RequestRecord record, bool showsUpstream)
    {
        json.Objects("attempts", record.Attempts, (json, attempt) =>
        {
            if (showsUpstream)
            {
                json.WriteString("upstream"u8, attempt.Upstream);
                json.WriteString("upstream_model"u8, attempt.UpstreamModel);
            }
            json.WriteString("outcome"u8, attempt.Outcome);
            json.Count("status", attempt.Status);
            json.WriteNumber("started"u8, attempt.Started);
            json.Count("first_token_ms", attempt.FirstTokenMs);
            json.WriteNumber("duration_ms"u8, attempt.DurationMs);
        });
    }
}
