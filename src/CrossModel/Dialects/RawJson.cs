using System.Runtime.InteropServices;
using System.Text.Json;

namespace CrossModel.Dialects;

/// <summary>Writes JSON with the bytes that it has where it comes from. It has been read once: nothing looks at it again.</summary>
internal static class RawJson
{
    public static void WriteRaw(this Utf8JsonWriter json, ReadOnlySpan<byte> value) => json.WriteRawValue(value, skipInputValidation: true);

    public static void WriteRaw(this Utf8JsonWriter json, JsonElement value) => json.WriteRaw(JsonMarshal.GetRawUtf8Value(value));

    public static void WriteRaw(this Utf8JsonWriter json, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        json.WritePropertyName(name);
        json.WriteRaw(value);
    }

    public static void WriteRaw(this Utf8JsonWriter json, ReadOnlySpan<byte> name, JsonElement value) => json.WriteRaw(name, JsonMarshal.GetRawUtf8Value(value));

    public static void WriteRaw(this Utf8JsonWriter json, string name, ReadOnlySpan<byte> value)
    {
        json.WritePropertyName(name);
        json.WriteRaw(value);
    }

    public static void WriteRaw(this Utf8JsonWriter json, string name, JsonElement value) => json.WriteRaw(name, JsonMarshal.GetRawUtf8Value(value));
}
