using System.Runtime.InteropServices;
using System.Text.Json;

namespace CrossModel.Dialects.Gemini;

/// <summary>
/// A JSON Schema in the part of OpenAPI's schema that models before 2.5 take: references inlined, what is not known there converted or left out.
/// </summary>
internal sealed class GeminiSchema(Utf8JsonWriter json, JsonElement root)
{
    private const int Deepest = 32;

    /// <summary>
    /// Bytes beyond the schema's own: what is referred to is read and written at each reference, and a page of definitions could become gigabytes. Counted
    /// as they are read: what is not written costs its time, too.
    /// </summary>
    private const int MostInlined = 2 * 1024 * 1024;

    private static readonly HashSet<string> Kept =
    [
        "format", "title", "description", "nullable", "minItems", "maxItems", "propertyOrdering", "minProperties", "maxProperties",
        "minimum", "maximum", "minLength", "maxLength", "pattern", "example", "default",
    ];

    private long _left = JsonMarshal.GetRawUtf8Value(root).Length + MostInlined;

    private readonly SchemaIndex _index = new(root);

    public void Write() => Write(root, [], 0);

    /// <param name="open">References on the way here: a cycle ends in an object about which nothing is said.</param>
    private void Write(JsonElement schema, HashSet<string> open, int depth)
    {
        List<string> entered = [];
        while (schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("$ref"u8, out var reference) && reference.ValueKind == JsonValueKind.String)
        {
            _left -= JsonMarshal.GetRawUtf8Value(reference).Length;
            if (_left < 0)
            {
                schema = default;
                break;
            }
            var path = reference.GetString()!;
            // A chain of references counts as depth: many may lead into one that is long.
            if (depth + entered.Count > Deepest || !open.Add(path))
            {
                schema = default;
                break;
            }
            entered.Add(path);
            schema = _index.Find(path) ?? default;
            if (schema.ValueKind == JsonValueKind.Object) _left -= JsonMarshal.GetRawUtf8Value(schema).Length;
        }
        json.WriteStartObject();
        if (schema.ValueKind == JsonValueKind.Object && depth <= Deepest && _left >= 0) Members(schema, open, depth);
        else json.WriteString("type"u8, "OBJECT"u8);
        json.WriteEndObject();
        open.ExceptWith(entered);
    }

    private void Members(JsonElement schema, HashSet<string> open, int depth)
    {
        var isNullable = Types(schema, out var types);
        var options = Options(schema, ref isNullable);
        if (types.Count == 1) json.WriteString("type"u8, types[0].ToUpperInvariant());
        Values(schema, types.Count == 0 && options.Count == 0, ref isNullable);
        foreach (var member in schema.EnumerateObject())
        {
            if (Kept.Contains(member.Name)) json.WriteRaw(member.Name, member.Value);
        }
        if (isNullable && !schema.TryGetProperty("nullable"u8, out _)) json.WriteBoolean("nullable"u8, true);
        if (schema.TryGetProperty("properties"u8, out var properties) && properties.ValueKind == JsonValueKind.Object) Properties(schema, properties, open, depth);
        if (schema.TryGetProperty("items"u8, out var items) && items.ValueKind == JsonValueKind.Object)
        {
            json.WritePropertyName("items"u8);
            Write(items, open, depth + 1);
        }
        if (options.Count == 0 && types.Count < 2) return;
        json.WriteStartArray("anyOf"u8);
        foreach (var option in options) Write(option, open, depth + 1);
        foreach (var type in options.Count == 0 ? types : [])
        {
            json.WriteStartObject();
            json.WriteString("type"u8, type.ToUpperInvariant());
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>The types but null, which is answered.</summary>
    private static bool Types(JsonElement schema, out List<string> types)
    {
        types = [];
        if (!schema.TryGetProperty("type"u8, out var type)) return false;
        if (type.ValueKind == JsonValueKind.String) types.Add(type.GetString()!);
        if (type.ValueKind == JsonValueKind.Array) types.AddRange(type.EnumerateArray().Where(t => t.ValueKind == JsonValueKind.String).Select(t => t.GetString()!));
        return types.Count > 1 && types.Remove("null");
    }

    /// <summary>anyOf, oneOf or allOf without the null among them. What all of a list allow one of it allows too: that rules nothing right out.</summary>
    private static List<JsonElement> Options(JsonElement schema, ref bool isNullable)
    {
        if (!(schema.TryGetProperty("anyOf"u8, out var options) || schema.TryGetProperty("oneOf"u8, out options) || schema.TryGetProperty("allOf"u8, out options))
            || options.ValueKind != JsonValueKind.Array) return [];
        var list = options.EnumerateArray().ToList();
        isNullable |= list.RemoveAll(o => o.ValueKind == JsonValueKind.Object && IsNullAlone(o)) > 0;
        return list;
    }

    private static bool IsNullAlone(JsonElement schema) =>
        (schema.TryGetProperty("type"u8, out var type) && type.ValueKind == JsonValueKind.String && type.ValueEquals("null"u8))
        || (Listed(schema) is { Count: > 0 } values && values.TrueForAll(value => value.ValueKind == JsonValueKind.Null));

    /// <summary>What const and enum list.</summary>
    private static List<JsonElement> Listed(JsonElement schema) => schema.TryGetProperty("const"u8, out var only) ? [only]
        : schema.TryGetProperty("enum"u8, out var several) && several.ValueKind == JsonValueKind.Array ? [.. several.EnumerateArray()]
        : [];

    /// <summary>enum and const; there only strings may be enumerated. A null among them is a value unless a type forbids it.</summary>
    private void Values(JsonElement schema, bool isTypeMissing, ref bool isNullable)
    {
        var listed = Listed(schema);
        var values = listed.FindAll(value => value.ValueKind == JsonValueKind.String);
        if (values.Count == 0) return;
        isNullable |= isTypeMissing && listed.Exists(value => value.ValueKind == JsonValueKind.Null);
        if (isTypeMissing) json.WriteString("type"u8, "STRING"u8);
        json.WriteStartArray("enum"u8);
        foreach (var value in values) json.WriteRaw(value);
        json.WriteEndArray();
    }

    private void Properties(JsonElement schema, JsonElement properties, HashSet<string> open, int depth)
    {
        json.WriteStartObject("properties"u8);
        foreach (var property in properties.EnumerateObject())
        {
            json.WritePropertyName(property.Name);
            Write(property.Value, open, depth + 1);
        }
        json.WriteEndObject();
        if (!schema.TryGetProperty("required"u8, out var required) || required.ValueKind != JsonValueKind.Array) return;
        var known = properties.EnumerateObject().Select(property => property.Name).ToHashSet();
        var names = required.EnumerateArray().Where(n => n.ValueKind == JsonValueKind.String && known.Contains(n.GetString()!)).ToList();
        if (names.Count == 0) return;
        json.WriteStartArray("required"u8);
        foreach (var name in names) json.WriteRaw(name);
        json.WriteEndArray();
    }
}
