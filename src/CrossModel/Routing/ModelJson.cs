using System.Buffers;
using System.Globalization;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Routing;

/// <summary>One model as GET /v1/models shows it: OpenAI's four members, then ours. What is not known is null.</summary>
internal static class ModelJson
{
    /// <param name="version">The price in force; null: free.</param>
    public static byte[] Render(Model model, PriceVersionConfig? version)
    {
        var target = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Encoder = JsonText.Encoder });
        var facts = model.Facts;
        json.WriteStartObject();
        json.WriteString("id"u8, model.Id);
        json.WriteString("object"u8, "model"u8);
        // Clients want a number, and the same one from every node and after every start.
        json.WriteNumber("created"u8, model.Released?.ToUnixTimeSeconds() ?? 0);
        json.WriteString("owned_by"u8, model.Id.IndexOf('/') is > 0 and var slash ? model.Id[..slash] : "crossmodel");
        json.WriteString("name"u8, facts.Name ?? model.Id);
        json.WriteString("description"u8, facts.Description);
        Number(json, "context_window"u8, facts.ContextWindow);
        Number(json, "max_output_tokens"u8, facts.MaxOutputTokens);
        json.WriteStartObject("pricing"u8);
        Price(json, version ?? new PriceVersionConfig { Input = 0, Output = 0 });
        json.WriteEndObject();
        json.WriteStartObject("capabilities"u8);
        Flag(json, "tools"u8, facts.Tools);
        Flag(json, "structured_output"u8, facts.StructuredOutput);
        Flag(json, "reasoning"u8, facts.Reasoning);
        Texts(json, "reasoning_efforts"u8, facts.ReasoningEfforts);
        Flag(json, "temperature"u8, facts.Temperature);
        json.WriteEndObject();
        json.WriteStartObject("modalities"u8);
        Texts(json, "input"u8, facts.InputModalities);
        Texts(json, "output"u8, facts.OutputModalities);
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return target.WrittenSpan.ToArray();
    }

    /// <summary>Decimal strings. Tokens in USD per million; request, image, audio_second in USD each. What is absent costs what its class defaults to.</summary>
    private static void Price(Utf8JsonWriter json, PriceVersionConfig price)
    {
        json.WriteString("currency"u8, "USD"u8);
        json.WriteString("unit"u8, "per million tokens"u8);
        Amount(json, "input"u8, price.Input);
        Amount(json, "cached_input"u8, price.CachedInput);
        Amount(json, "cache_write"u8, price.CacheWrite);
        Amount(json, "cache_write_hour"u8, price.CacheWriteHour);
        Amount(json, "audio_input"u8, price.AudioInput);
        Amount(json, "output"u8, price.Output);
        Amount(json, "reasoning"u8, price.Reasoning);
        Amount(json, "audio_output"u8, price.AudioOutput);
        Amount(json, "request"u8, price.Request);
        Amount(json, "image"u8, price.Image);
        Amount(json, "audio_second"u8, price.AudioSecond);
        if (price.Tiers.Count > 0)
        {
            json.WriteStartArray("tiers"u8);
            foreach (var tier in price.Tiers)
            {
                json.WriteStartObject();
                json.WriteNumber("above"u8, tier.Above);
                Amount(json, "input"u8, tier.Input);
                Amount(json, "cached_input"u8, tier.CachedInput);
                Amount(json, "cache_write"u8, tier.CacheWrite);
                Amount(json, "cache_write_hour"u8, tier.CacheWriteHour);
                Amount(json, "audio_input"u8, tier.AudioInput);
                Amount(json, "output"u8, tier.Output);
                Amount(json, "reasoning"u8, tier.Reasoning);
                Amount(json, "audio_output"u8, tier.AudioOutput);
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        if (price.From is { } from) json.WriteString("from"u8, from.ToString("yyyy-MM-dd'T'HH:mm:ssK", CultureInfo.InvariantCulture));
    }

    private static void Amount(Utf8JsonWriter json, ReadOnlySpan<byte> name, decimal? amount)
    {
        if (amount is { } usd) json.WriteString(name, usd.ToString("0.#########", CultureInfo.InvariantCulture));
    }

    private static void Number(Utf8JsonWriter json, ReadOnlySpan<byte> name, long? value)
    {
        if (value is { } number) json.WriteNumber(name, number);
        else json.WriteNull(name);
    }

    private static void Flag(Utf8JsonWriter json, ReadOnlySpan<byte> name, bool? value)
    {
        if (value is { } flag) json.WriteBoolean(name, flag);
        else json.WriteNull(name);
    }

    private static void Texts(Utf8JsonWriter json, ReadOnlySpan<byte> name, IReadOnlyList<string>? values)
    {
        if (values is null)
        {
            json.WriteNull(name);
            return;
        }
        json.WriteStartArray(name);
        foreach (var value in values) json.WriteStringValue(value);
        json.WriteEndArray();
    }
}
