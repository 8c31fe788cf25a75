using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Usage;

/// <summary>A request record as the JSON that is stored, and of which the ledger entry holds the hash.</summary>
internal static class RecordText
{
    [ThreadStatic] private static Utf8JsonWriter? _json;

    /// <summary>The JSON in UTF-8 and its SHA-256 in hex.</summary>
    public static (byte[] Detail, string Hash) Write(RequestRecord record)
    {
        using var buffer = new PooledBuffer();
        var json = _json ??= new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JsonText.Encoder, SkipValidation = true });
        json.Reset(buffer);
        Write(json, record);
        json.Flush();
        json.Reset(Stream.Null);
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(buffer.Span, hash);
        return (buffer.Span.ToArray(), Convert.ToHexStringLower(hash));
    }

    public static string HashOf(string detail) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(detail)));

    private static void Write(Utf8JsonWriter json, RequestRecord record)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, record.Id);
        json.WriteString("account"u8, record.AccountId);
        json.WriteString("key"u8, record.KeyId);
        json.WriteString("model"u8, record.Model);
        if (record.ModelAsked != record.Model) json.WriteString("asked"u8, record.ModelAsked);
        if (record.ClientRequestId is not null) json.WriteString("client"u8, record.ClientRequestId);
        json.WriteNumber("created"u8, record.Created);
        json.WriteNumber("status"u8, record.Status);
        json.WriteBoolean("stream"u8, record.Stream);
        json.WriteString("basis"u8, Name(record.Basis));
        json.WriteNumber("input"u8, record.Usage.InputTokens);
        json.WriteNumber("cached"u8, record.Usage.CachedInputTokens);
        json.WriteNumber("written"u8, record.Usage.CacheWriteTokens);
        // Most replies have none of these: a usual record does not grow by them.
        if (record.Usage.CacheWriteHourTokens > 0) json.WriteNumber("written_hour"u8, record.Usage.CacheWriteHourTokens);
        if (record.Usage.AudioInputTokens > 0) json.WriteNumber("audio_input"u8, record.Usage.AudioInputTokens);
        json.WriteNumber("output"u8, record.Usage.OutputTokens);
        json.WriteNumber("reasoning"u8, record.Usage.ReasoningTokens);
        if (record.Usage.AudioOutputTokens > 0) json.WriteNumber("audio_output"u8, record.Usage.AudioOutputTokens);
        if (record.Calls > 1) json.WriteNumber("calls"u8, record.Calls);
        if (record.Images > 0) json.WriteNumber("images"u8, record.Images);
        if (record.AudioSeconds > 0) json.WriteNumber("audio_seconds"u8, record.AudioSeconds);
        json.WriteString("version"u8, record.PriceVersion);
        json.WriteNumber("price"u8, record.Price);
        if (record.OperatorCost is { } cost) json.WriteNumber("operator_cost"u8, cost);
        if (record.OperatorCostIsPartial) json.WriteBoolean("operator_cost_is_partial"u8, true);
        json.WriteNumber("ms"u8, record.DurationMs);
        if (record.ErrorCode is not null) json.WriteString("error"u8, record.ErrorCode);
        json.WriteStartArray("lines"u8);
        for (var i = 0; i < record.Lines.Count; i++)
        {
            var line = record.Lines[i];
            json.WriteStartArray();
            json.WriteStringValue(line.Class);
            json.WriteNumberValue(line.Count);
            json.WriteNumberValue(line.Price);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        json.WriteStartArray("attempts"u8);
        for (var i = 0; i < record.Attempts.Count; i++)
        {
            var attempt = record.Attempts[i];
            json.WriteStartArray();
            json.WriteStringValue(attempt.Upstream);
            json.WriteStringValue(attempt.UpstreamModel);
            json.WriteStringValue(attempt.Outcome);
            if (attempt.Status is { } status) json.WriteNumberValue(status);
            else json.WriteNullValue();
            json.WriteNumberValue(attempt.Started);
            if (attempt.FirstTokenMs is { } first) json.WriteNumberValue(first);
            else json.WriteNullValue();
            json.WriteNumberValue(attempt.DurationMs);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        if (record.Ignored.Count > 0)
        {
            json.WriteStartArray("ignored"u8);
            foreach (var name in record.Ignored) json.WriteStringValue(name);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    /// <summary>Throws <see cref="JsonException"/>, <see cref="KeyNotFoundException"/>, <see cref="FormatException"/> or <see cref="InvalidOperationException"/>
    /// on a text that <see cref="Write(RequestRecord)"/> did not write.</summary>
    public static RequestRecord Read(string detail)
    {
        using var document = JsonDocument.Parse(detail);
        var root = document.RootElement;
        string Text(string name) => root.GetProperty(name).GetString()!;
        long Count(string name) => root.GetProperty(name).GetInt64();
        long CountOrNone(string name) => root.TryGetProperty(name, out var count) ? count.GetInt64() : 0;
        CostLine[] lines = [.. root.GetProperty("lines").EnumerateArray().Select(l => new CostLine(l[0].GetString()!, l[1].GetInt64(), l[2].GetInt64()))];
        // A record from before it said so tells what its price had a line for.
        long Units(string line) => lines.FirstOrDefault(l => l.Class == line).Count;
        var calls = Math.Max(1, root.TryGetProperty("calls", out var said) ? said.GetInt64() : Units("request"));
        return new RequestRecord
        {
            Id = Text("id"),
            AccountId = Text("account"),
            KeyId = Text("key"),
            Model = Text("model"),
            ModelAsked = root.TryGetProperty("asked", out var asked) ? asked.GetString()! : Text("model"),
            ClientRequestId = root.TryGetProperty("client", out var client) ? client.GetString() : null,
            Created = Count("created"),
            Status = (int)Count("status"),
            Stream = root.GetProperty("stream").GetBoolean(),
            Basis = Text("basis") switch
            {
                "reported" => Basis.Reported,
                "counted" => Basis.Counted,
                "waived" => Basis.Waived,
                var other => throw new FormatException($"No basis is called {other}."),
            },
            Usage = new TokenUsage
            {
                InputTokens = Count("input"),
                CachedInputTokens = Count("cached"),
                CacheWriteTokens = Count("written"),
                CacheWriteHourTokens = CountOrNone("written_hour"),
                AudioInputTokens = CountOrNone("audio_input"),
                OutputTokens = Count("output"),
                ReasoningTokens = Count("reasoning"),
                AudioOutputTokens = CountOrNone("audio_output"),
            },
            Calls = (int)calls,
            Images = (int)(root.TryGetProperty("images", out var images) ? images.GetInt64() : Units("image") / calls),
            AudioSeconds = root.TryGetProperty("audio_seconds", out var seconds) ? seconds.GetInt64() : Units("audio_second") / calls,
            PriceVersion = Text("version"),
            Price = Count("price"),
            OperatorCost = root.TryGetProperty("operator_cost", out var cost) ? cost.GetInt64() : null,
            OperatorCostIsPartial = root.TryGetProperty("operator_cost_is_partial", out _),
            DurationMs = Count("ms"),
            ErrorCode = root.TryGetProperty("error", out var error) ? error.GetString() : null,
            Lines = lines,
            Attempts = [.. root.GetProperty("attempts").EnumerateArray().Select(a => new AttemptRecord(a[0].GetString()!, a[1].GetString()!, a[2].GetString()!,
                a[3].ValueKind == JsonValueKind.Null ? null : a[3].GetInt32(), a[4].GetInt64(), a[5].ValueKind == JsonValueKind.Null ? null : a[5].GetInt64(), a[6].GetInt64()))],
            Ignored = root.TryGetProperty("ignored", out var ignored) ? [.. ignored.EnumerateArray().Select(i => i.GetString()!)] : [],
        };
    }

    /// <summary>As receipts and lists spell it.</summary>
    public static string Name(Basis basis) => basis switch
    {
        Basis.Reported => "reported",
        Basis.Counted => "counted",
        _ => "waived",
    };
}
