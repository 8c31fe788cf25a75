using System.Runtime.InteropServices;
using System.Text.Json;

namespace CrossModel.Dialects.Gemini;

/// <summary>
/// A JSON Schema as it is, but for <c>const</c>: Google passes over that, and the tags that tell the parts of a union apart are written so. A text
/// or number in it goes out as an <c>enum</c> of one, which is kept to.
/// </summary>
internal static class GeminiJsonSchema
{
    public static void Write(Utf8JsonWriter json, ReadOnlySpan<byte> name, JsonElement schema)
    {
        if (JsonMarshal.GetRawUtf8Value(schema).IndexOf("\"const\""u8) < 0)
        {
            json.WriteRaw(name, schema);
            return;
        }
        json.WritePropertyName(name);
        Write(json, schema);
    }

    private static void Write(Utf8JsonWriter json, JsonElement schema)
    {
        if (schema.ValueKind != JsonValueKind.Object)
        {
            json.WriteRaw(schema);
            return;
        }
        json.WriteStartObject();
        foreach (var member in schema.EnumerateObject())
        {
            if (member.NameEquals("const"u8) && IsEnumerable(member.Value) && !schema.TryGetProperty("enum"u8, out _)) WriteOnly(json, schema, member.Value);
            else WriteMember(json, member);
        }
        json.WriteEndObject();
    }

    private static bool IsEnumerable(JsonElement value) => value.ValueKind is JsonValueKind.String or JsonValueKind.Number;

    private static void WriteOnly(Utf8JsonWriter json, JsonElement schema, JsonElement value)
    {
        if (!schema.TryGetProperty("type"u8, out _)) json.WriteString("type"u8, value.ValueKind == JsonValueKind.String ? "string"u8 : "number"u8);
        json.WriteStartArray("enum"u8);
        json.WriteRaw(value);
        json.WriteEndArray();
    }

    /// <summary>Where a member holds schemas they are written so too; what else it holds is no schema, though it may look like one.</summary>
    private static void WriteMember(Utf8JsonWriter json, JsonProperty member)
    {
        json.WritePropertyName(member.Name);
        switch (member.Name)
        {
            case "properties" or "$defs" or "definitions" or "patternProperties" when member.Value.ValueKind == JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var part in member.Value.EnumerateObject())
                {
                    json.WritePropertyName(part.Name);
                    Write(json, part.Value);
                }
                json.WriteEndObject();
                break;
            case "anyOf" or "oneOf" or "allOf" or "prefixItems" or "items" when member.Value.ValueKind == JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var part in member.Value.EnumerateArray()) Write(json, part);
                json.WriteEndArray();
                break;
            case "items" or "additionalProperties" or "not":
                Write(json, member.Value);
                break;
            default:
                json.WriteRaw(member.Value);
                break;
        }
    }
}
