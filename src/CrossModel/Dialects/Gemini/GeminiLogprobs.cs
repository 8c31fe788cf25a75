using System.Buffers;
using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary><c>logprobsResult</c> as OpenAI's <c>logprobs</c>.</summary>
internal static class GeminiLogprobs
{
    /// <summary>Null: nothing in it.</summary>
    public static byte[]? Convert(JsonElement result)
    {
        if (!result.TryGetProperty("chosenCandidates"u8, out var chosen) || chosen.ValueKind != JsonValueKind.Array || chosen.GetArrayLength() == 0) return null;
        var top = result.TryGetProperty("topCandidates"u8, out var given) && given.ValueKind == JsonValueKind.Array ? given.EnumerateArray() : default;
        var target = new ArrayBufferWriter<byte>();
        using var json = new Utf8JsonWriter(target, new JsonWriterOptions { Encoder = JsonText.Encoder });
        json.WriteStartObject();
        json.WriteStartArray("content"u8);
        foreach (var token in chosen.EnumerateArray())
        {
            json.WriteStartObject();
            Write(json, token);
            json.WriteStartArray("top_logprobs"u8);
            foreach (var other in Others(top.MoveNext() ? top.Current : default))
            {
                json.WriteStartObject();
                Write(json, other);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteNull("refusal"u8);
        json.WriteEndObject();
        json.Flush();
        return target.WrittenSpan.ToArray();
    }

    private static JsonElement.ArrayEnumerator Others(JsonElement step) =>
        step.ValueKind == JsonValueKind.Object && step.TryGetProperty("candidates"u8, out var candidates) && candidates.ValueKind == JsonValueKind.Array
            ? candidates.EnumerateArray()
            : default;

    private static void Write(Utf8JsonWriter json, JsonElement token)
    {
        if (token.ValueKind != JsonValueKind.Object) throw new JsonException("no token");
        var text = token.TryGetProperty("token"u8, out var said) && said.ValueKind == JsonValueKind.String ? said.GetString()! : "";
        json.WriteString("token"u8, text);
        json.WriteNumber("logprob"u8,
            token.TryGetProperty("logProbability"u8, out var value) && value.ValueKind == JsonValueKind.Number
                && value.TryGetDouble(out var number) && double.IsFinite(number) ? number : 0);
        json.WriteStartArray("bytes"u8);
        foreach (var octet in Encoding.UTF8.GetBytes(text)) json.WriteNumberValue(octet);
        json.WriteEndArray();
    }
}
