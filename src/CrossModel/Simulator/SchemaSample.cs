using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>
/// Makes a JSON value that satisfies a JSON Schema: types, enum, const, properties, required, items, bounds of numbers, lengths
/// and counts, anyOf, oneOf, allOf, $ref within the schema, the common formats. <c>pattern</c> and <c>not</c> are not obeyed.
/// </summary>
internal sealed class SchemaSample
{
    // Optional members deeper than this are left out, and a recursive schema takes its way out: else a tree type never ends.
    private const int Generous = 4;
    private const int Deepest = 32;
    private readonly JsonElement _root;
    private Dice _dice;
    private long _left;

    private SchemaSample(JsonElement root, ulong seed, long most) => (_root, _dice, _left) = (root, new Dice(seed), most);

    /// <summary>The value as JSON text; an empty object for an undefined schema.</summary>
    /// <param name="most">
    /// How much may be read and written for it, in bytes of schema and letters of text: a few lines of references and <c>minItems</c> ask for more than
    /// any machine holds. What is not made by then is null.
    /// </param>
    public static string Of(JsonElement schema, ulong seed, long most)
    {
        if (!schema.Exists())
            return "{}";
        var sample = new SchemaSample(schema, seed, most);
        return Encoding.UTF8.GetString(JsonParts.Write(json => sample.Write(json, schema, "value", 0)));
    }

    private void Write(Utf8JsonWriter json, JsonElement schema, string name, int depth)
    {
        var parts = Parts(schema, depth);
        if (depth > Deepest || _left <= 0)
            json.WriteNullValue();
        else if (First(parts, "const") is { ValueKind: not JsonValueKind.Undefined } constant)
            constant.WriteTo(json);
        else if (First(parts, "enum") is { ValueKind: JsonValueKind.Array } values && values.GetArrayLength() > 0)
            values[_dice.Next(values.GetArrayLength())].WriteTo(json);
        else
            WriteType(json, parts, TypeOf(parts), name, depth);
    }

    private void WriteType(Utf8JsonWriter json, List<JsonElement> parts, string type, string name, int depth)
    {
        switch (type)
        {
            case "object": WriteObject(json, parts, depth); break;
            case "array": WriteArray(json, parts, name, depth); break;
            case "integer": json.WriteRawValue(Number(parts, whole: true)); break;
            case "number": json.WriteRawValue(Number(parts, whole: false)); break;
            case "boolean": json.WriteBooleanValue(_dice.Next(2) == 0); break;
            case "null": json.WriteNullValue(); break;
            default: json.WriteStringValue(String(parts, name)); break;
        }
    }

    /// <summary>The schema with what it refers to and is made of, as one list of schemas that all hold.</summary>
    private List<JsonElement> Parts(JsonElement schema, int depth)
    {
        var parts = new List<JsonElement>();
        _left--;
        Collect(schema, 0);
        return parts;

        void Collect(JsonElement part, int steps)
        {
            if (steps > 16 || _left <= 0 || !part.Exists())
                return;
            _left -= JsonMarshal.GetRawUtf8Value(part).Length;
            if (part.Get("$ref").Text() is { } pointer)
                Collect(Resolve(pointer), steps + 1);
            parts.Add(part);
            foreach (var all in part.Get("allOf").Items())
                Collect(all, steps + 1);
            var options = part.Get("anyOf").Items().Concat(part.Get("oneOf").Items()).ToList();
            if (options.Count > 0)
                Collect(depth < Generous ? options[0] : options.MinBy(Size), steps + 1);
        }
    }

    /// <summary>Which of several options ends soonest: null, then scalars, then arrays, objects and references.</summary>
    private static int Size(JsonElement option) => option.Get("type").Text()?.ToUpperInvariant() switch
    {
        "NULL" => 0,
        "OBJECT" => 3,
        "ARRAY" => 2,
        _ => option.Get("$ref").Exists() ? 4 : 1,
    };

    private JsonElement Resolve(string pointer)
    {
        var target = _root;
        foreach (var step in pointer.Split('/').Skip(1))
            target = target.Get(step.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal));
        return target;
    }

    private static JsonElement First(List<JsonElement> parts, string name) =>
        parts.Select(part => part.Get(name)).FirstOrDefault(value => value.Exists());

    private static string TypeOf(List<JsonElement> parts)
    {
        var type = First(parts, "type");
        var name = type.Text() ?? type.Items().Select(item => item.Text()).FirstOrDefault(item => item is not null and not "null");
        if (name is not null)
            return name.ToUpperInvariant() switch
            {
                "OBJECT" => "object",
                "ARRAY" => "array",
                "INTEGER" => "integer",
                "NUMBER" => "number",
                "BOOLEAN" => "boolean",
                "NULL" => "null",
                _ => "string",
            };
        if (First(parts, "properties").Exists() || First(parts, "required").Exists())
            return "object";
        if (First(parts, "items").Exists())
            return "array";
        return First(parts, "minimum").Exists() || First(parts, "maximum").Exists() ? "number" : "string";
    }

    private void WriteObject(Utf8JsonWriter json, List<JsonElement> parts, int depth)
    {
        var required = parts.SelectMany(part => part.Get("required").Items()).Select(name => name.Text()).OfType<string>().ToHashSet();
        json.WriteStartObject();
        foreach (var group in parts.SelectMany(part => part.Get("properties").Members()).GroupBy(member => member.Name))
            if (required.Remove(group.Key) || depth < Generous)
            {
                json.WritePropertyName(group.Key);
                Write(json, group.First().Value, group.Key, depth + 1);
            }
        foreach (var name in required)
            json.WriteString(name, "simulated");
        json.WriteEndObject();
    }

    private void WriteArray(Utf8JsonWriter json, List<JsonElement> parts, string name, int depth)
    {
        var least = First(parts, "minItems").Int() ?? 0;
        var most = First(parts, "maxItems").Int() ?? int.MaxValue;
        var prefix = First(parts, "prefixItems").Items().ToList();
        var count = Math.Min(Math.Max(least, Math.Max(prefix.Count, depth < Generous ? 1 : 0)), Math.Min(most, 1_000));
        json.WriteStartArray();
        for (var i = 0; i < count && _left > 0; i++)
            Write(json, i < prefix.Count ? prefix[i] : First(parts, "items"), name, depth + 1);
        json.WriteEndArray();
    }

    private string Number(List<JsonElement> parts, bool whole)
    {
        try
        {
            return Reckon(parts, whole).ToString(CultureInfo.InvariantCulture);
        }
        // Bounds at the end of what a decimal holds leave no room to reckon in.
        catch (OverflowException)
        {
            return (Bound(parts, "minimum") ?? Bound(parts, "maximum") ?? 0).ToString(CultureInfo.InvariantCulture);
        }
    }

    private decimal Reckon(List<JsonElement> parts, bool whole)
    {
        var stated = Bound(parts, "multipleOf") is { } multiple and > 0 ? multiple : (decimal?)null;
        var step = stated ?? (whole ? 1 : 0.5m);
        var least = Bound(parts, "minimum");
        if (Bound(parts, "exclusiveMinimum") is { } above)
            least = Math.Max(least ?? decimal.MinValue, above + (whole ? 1 : 0.001m));
        var most = Bound(parts, "maximum");
        if (Bound(parts, "exclusiveMaximum") is { } below)
            most = Math.Min(most ?? decimal.MaxValue, below - (whole ? 1 : 0.001m));
        var low = least ?? Math.Min(1, most ?? 1);
        // Only a stated step must be met exactly; the other bound may leave no room for a rounder number.
        var value = stated is null ? low : Math.Ceiling(low / step) * step;
        var higher = value + step * _dice.Next(20);
        return higher <= (most ?? value + 20) ? higher : value;
    }

    private static decimal? Bound(List<JsonElement> parts, string name) =>
        First(parts, name) is { ValueKind: JsonValueKind.Number } value && value.TryGetDecimal(out var bound) ? bound : null;

    private string String(List<JsonElement> parts, string name)
    {
        var text = First(parts, "format").Text() switch
        {
            "date-time" => "2026-01-15T09:30:00Z",
            "date" => "2026-01-15",
            "time" => "09:30:00Z",
            "duration" => "PT5M",
            "email" => "someone@example.com",
            "hostname" => "example.com",
            "uri" or "url" => "https://example.com/simulated",
            "ipv4" => "192.0.2.1",
            "ipv6" => "2001:db8::1",
            "uuid" => "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
            _ => "simulated " + name,
        };
        if (First(parts, "minLength").Int() is { } least && text.Length < least)
            text = text.PadRight(Math.Min(least, 100_000), 'x');
        _left -= text.Length;
        return First(parts, "maxLength").Int() is { } most && text.Length > most ? text[..Math.Max(0, most)] : text;
    }
}
