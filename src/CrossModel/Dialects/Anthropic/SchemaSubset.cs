using System.Text;
using System.Text.Json;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// Writes a caller's JSON Schema in the subset that structured outputs and strict tools take: every object closed, <c>oneOf</c> as
/// <c>anyOf</c>, no limits on numbers, lengths and patterns. What is left out is said in the description, so the model still reads it.
/// A keyword that is not taken is a 400 there ("For 'array' type, property 'uniqueItems' is not supported").
/// </summary>
internal static class SchemaSubset
{
    private static readonly HashSet<string> Taken =
    [
        "type", "properties", "required", "additionalProperties", "items", "anyOf", "allOf", "enum", "const", "default",
        "$ref", "$defs", "definitions", "title", "description", "$schema", "$id",
    ];

    /// <summary>Not taken, and more than limits: they say what parts are, and no other keyword does.</summary>
    private static readonly HashSet<string> Beyond =
        ["prefixItems", "patternProperties", "dependentSchemas", "dependencies", "if", "then", "else", "$dynamicRef", "$recursiveRef"];

    private static readonly HashSet<string> Remarks = ["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"];

    private static readonly HashSet<string> Formats = ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

    /// <summary>False: the API refuses it, or would hold the model to something else.</summary>
    public static bool Fits(JsonElement schema) => schema.ValueKind != JsonValueKind.Object || (IsSaid(schema) && SchemaReferences.End(schema));

    /// <summary>False: a schema in it has a keyword for which there is no other, is a bare true or false, or an object that cannot be closed.</summary>
    private static bool IsSaid(JsonElement schema) => SolePart(schema) is { } part ? IsSaid(part) :
        schema.ValueKind == JsonValueKind.Object && !IsMap(schema) && schema.EnumerateObject().All(member => Holds(member.Name) switch
        {
            SchemaParts.Named when member.Value.ValueKind == JsonValueKind.Object => member.Value.EnumerateObject().All(part => IsSaid(part.Value)),
            SchemaParts.Listed when member.Value.ValueKind == JsonValueKind.Array =>
                member.Value.EnumerateArray().All(part => IsSaid(part) && (member.Name != "allOf" || JoinsOthers(part))),
            SchemaParts.One => IsSaid(member.Value),
            _ => member.Name switch
            {
                "$ref" => member.Value.ValueKind == JsonValueKind.String && member.Value.GetString()!.StartsWith("#/", StringComparison.Ordinal),
                "unevaluatedProperties" or "unevaluatedItems" or "additionalItems" => member.Value.ValueKind is JsonValueKind.True or JsonValueKind.False,
                "enum" => member.Value.ValueKind == JsonValueKind.Array
                    && member.Value.EnumerateArray().All(value => value.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array)),
                _ => !Beyond.Contains(member.Name),
            },
        });

    /// <summary>
    /// For the object's names it lists none or has a schema, and closed those could never come. One that lists some and merely allows others is
    /// no map: what follows it closed follows it open.
    /// </summary>
    private static bool IsMap(JsonElement schema)
    {
        var isClosed = schema.TryGetProperty("additionalProperties"u8, out var others) && others.ValueKind == JsonValueKind.False;
        var listsNone = !schema.TryGetProperty("properties"u8, out _) && (IsObject(schema) || others.ValueKind == JsonValueKind.True);
        return !isClosed && (others.ValueKind == JsonValueKind.Object || listsNone);
    }

    /// <summary>Of an <c>allOf</c> of one, beside which stand remarks alone, as generators write a reference with a description; null: it is none.</summary>
    public static JsonElement? SolePart(JsonElement schema) =>
        schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("allOf"u8, out var parts) && parts.ValueKind == JsonValueKind.Array && parts.GetArrayLength() == 1
        && schema.EnumerateObject().All(member => member.NameEquals("allOf"u8) || Remarks.Contains(member.Name)) ? parts[0] : null;

    /// <summary>In <c>allOf</c>. No reference is taken there, and of objects each, closed, would forbid what the others demand.</summary>
    private static bool JoinsOthers(JsonElement part) => !IsObject(part) && !part.TryGetProperty("$ref"u8, out _);

    /// <param name="schema">One that <see cref="Fits"/>.</param>
    /// <param name="remark">A description that stands around it; null: none.</param>
    public static void Write(Utf8JsonWriter json, JsonElement schema, string? remark = null)
    {
        if (SolePart(schema) is { } part)
        {
            Write(json, part, remark ?? DescriptionOf(schema));
            return;
        }
        var notes = new StringBuilder();
        var description = remark ?? DescriptionOf(schema);
        // Looked for once: a caller may write one name any number of times.
        var hasAnyOf = schema.TryGetProperty("anyOf"u8, out _);
        json.WriteStartObject();
        foreach (var member in schema.EnumerateObject())
        {
            if (member.NameEquals("description"u8)) continue;
            if (!IsTaken(member, hasAnyOf)) notes.Append(notes.Length > 0 ? ", " : "").Append(member.Name).Append(": ").Append(member.Value.GetRawText());
            else if (!member.NameEquals("additionalProperties"u8))
            {
                json.WritePropertyName(member.NameEquals("oneOf"u8) ? "anyOf" : member.Name);
                json.WriteParts(Holds(member.Name), member.Value, static (json, part) => Write(json, part));
            }
        }
        if (IsObject(schema)) json.WriteBoolean("additionalProperties"u8, false);
        if (notes.Length > 0) description = description is null ? $"({notes})" : $"{description} ({notes})";
        if (description is not null) json.WriteString("description"u8, description);
        json.WriteEndObject();
    }

    private static string? DescriptionOf(JsonElement schema) =>
        schema.TryGetProperty("description"u8, out var text) && text.ValueKind == JsonValueKind.String ? text.GetString() : null;

    private static bool IsObject(JsonElement schema) =>
        schema.TryGetProperty("properties"u8, out _) || (schema.TryGetProperty("type"u8, out var type)
            && (type.ValueKind == JsonValueKind.Array ? type.EnumerateArray().Any(IsObjectWord) : IsObjectWord(type)));

    private static bool IsObjectWord(JsonElement type) => type.ValueKind == JsonValueKind.String && type.ValueEquals("object"u8);

    private static bool IsTaken(JsonProperty member, bool hasAnyOf) => member.Name switch
    {
        "minItems" => member.Value.ValueKind == JsonValueKind.Number && member.Value.TryGetInt32(out var least) && least is 0 or 1,
        "format" => member.Value.ValueKind == JsonValueKind.String && Formats.Contains(member.Value.GetString()!),
        "oneOf" => !hasAnyOf,
        _ => Taken.Contains(member.Name),
    };

    /// <summary>How a member of a schema holds schemas.</summary>
    public static SchemaParts Holds(string member) => member switch
    {
        "properties" or "$defs" or "definitions" => SchemaParts.Named,
        "anyOf" or "oneOf" or "allOf" => SchemaParts.Listed,
        "items" => SchemaParts.One,
        _ => SchemaParts.None,
    };
}
