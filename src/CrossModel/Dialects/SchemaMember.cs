using System.Text.Json;

namespace CrossModel.Dialects;

/// <summary>How a member of a JSON Schema holds schemas.</summary>
internal enum SchemaParts { None, One, Listed, Named }

/// <summary>Writes a member of a JSON Schema and the schemas in it.</summary>
internal static class SchemaMember
{
    /// <summary>The member's value with each schema in it as <paramref name="write"/> has it; what does not hold them in its form is written as it is.</summary>
    public static void WriteParts(this Utf8JsonWriter json, SchemaParts parts, JsonElement value, Action<Utf8JsonWriter, JsonElement> write)
    {
        switch (parts)
        {
            case SchemaParts.Named when value.ValueKind == JsonValueKind.Object:
                json.WriteStartObject();
                foreach (var part in value.EnumerateObject())
                {
                    json.WritePropertyName(part.Name);
                    write(json, part.Value);
                }
                json.WriteEndObject();
                break;
            case SchemaParts.Listed when value.ValueKind == JsonValueKind.Array:
                json.WriteStartArray();
                foreach (var part in value.EnumerateArray()) write(json, part);
                json.WriteEndArray();
                break;
            case SchemaParts.One:
                write(json, value);
                break;
            default:
                json.WriteRaw(value);
                break;
        }
    }
}
