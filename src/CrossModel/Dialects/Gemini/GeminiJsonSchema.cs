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
        // Looked for once: a caller may write one name any number of times.
        var (isTyped, isEnum) = (schema.TryGetProperty("type"u8, out _), schema.TryGetProperty("enum"u8, out _));
        json.WriteStartObject();
        foreach (var member in schema.EnumerateObject())
        {
            if (member.NameEquals("const"u8) && IsEnumerable(member.Value) && !isEnum)
            {
                WriteOnly(json, isTyped, member.Value);
                continue;
            }
            json.WritePropertyName(member.Name);
            json.WriteParts(Holds(member), member.Value, Write);
        }
        json.WriteEndObject();
    }

    private static bool IsEnumerable(JsonElement value) => value.ValueKind is JsonValueKind.String or JsonValueKind.Number;

    private static void WriteOnly(Utf8JsonWriter json, bool isTyped, JsonElement value)
    {
        if (!isTyped) json.WriteString("type"u8, value.ValueKind == JsonValueKind.String ? "string"u8 : "number"u8);
        json.WriteStartArray("enum"u8);
        json.WriteRaw(value);
        json.WriteEndArray();
    }

    /// <summary>How a member holds schemas, which are written so too; what else it holds is no schema, though it may look like one.</summary>
    private static SchemaParts Holds(JsonProperty member) => member.Name switch
    {
        "properties" or "$defs" or "definitions" or "patternProperties" => SchemaParts.Named,
        "anyOf" or "oneOf" or "allOf" or "prefixItems" => SchemaParts.Listed,
        "items" when member.Value.ValueKind == JsonValueKind.Array => SchemaParts.Listed,
        "items" or "additionalProperties" or "not" => SchemaParts.One,
        _ => SchemaParts.None,
    };
}
