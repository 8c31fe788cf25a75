using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace CrossModel.Dialects;

/// <summary>The arguments of a call that a caller sends back.</summary>
internal static class ToolArguments
{
    /// <summary>As UTF-8 text; missing or empty means <c>{}</c>.</summary>
    public static byte[] Of(JsonElement function)
    {
        if (!function.TryGetProperty("arguments"u8, out var arguments)) return "{}"u8.ToArray();
        if (arguments.ValueKind == JsonValueKind.Object) return JsonMarshal.GetRawUtf8Value(arguments).ToArray();
        var text = arguments.ValueKind == JsonValueKind.String ? arguments.GetString()! : "";
        return string.IsNullOrWhiteSpace(text) ? "{}"u8.ToArray() : Encoding.UTF8.GetBytes(text);
    }

    /// <summary>The whole text is one JSON object, which a provider can be given as such.</summary>
    public static bool IsObject(ReadOnlySpan<byte> text)
    {
        try
        {
            var json = new Utf8JsonReader(text);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return false;
            while (json.Read())
            {
                // Half a surrogate pair is valid JSON and still no text.
                if (json.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && json.ValueIsEscaped) json.GetString();
            }
            return true;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>An object in it has this name, however it is spelled.</summary>
    /// <param name="json">JSON.</param>
    public static bool Has(ReadOnlySpan<byte> json, ReadOnlySpan<byte> name)
    {
        var reader = new Utf8JsonReader(json);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals(name)) return true;
        }
        return false;
    }

    /// <summary>No object in it has a name twice.</summary>
    public static bool NamesOnce(byte[] json)
    {
        try
        {
            using var parsed = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
