using System.Globalization;
using System.Text.Json;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// Follows the references of a JSON Schema, one after the other instead of one inside the other and with an index of what they lead through: a caller may
/// chain any number of them.
/// </summary>
internal static class SchemaReferences
{
    private static readonly Dictionary<string, JsonElement> Nothing = [];

    /// <summary>False: one leads back to where it stands, which structured outputs refuse ("Circular reference detected in schema definitions").</summary>
    public static bool End(JsonElement schema)
    {
        HashSet<string> open = ["#"], done = [];
        var index = new Dictionary<string, Dictionary<string, JsonElement>>();
        var path = new Stack<(string Name, Queue<string> Leads)>([("#", In(schema, []))]);
        while (path.TryPeek(out var at))
        {
            if (!at.Leads.TryDequeue(out var name))
            {
                path.Pop();
                open.Remove(at.Name);
                done.Add(at.Name);
            }
            else if (open.Contains(name)) return false;
            else if (!done.Contains(name) && Find(schema, name, index) is { } part)
            {
                open.Add(name);
                path.Push((name, In(part, [])));
            }
        }
        return true;
    }

    private static Queue<string> In(JsonElement schema, Queue<string> found)
    {
        if (schema.ValueKind != JsonValueKind.Object) return found;
        if (schema.TryGetProperty("$ref"u8, out var reference) && reference.ValueKind == JsonValueKind.String) found.Enqueue(reference.GetString()!);
        foreach (var member in schema.EnumerateObject())
        {
            switch (SchemaSubset.Holds(member.Name))
            {
                case SchemaSubset.Parts.Named when member.Value.ValueKind == JsonValueKind.Object:
                    foreach (var part in member.Value.EnumerateObject()) In(part.Value, found);
                    break;
                case SchemaSubset.Parts.Listed when member.Value.ValueKind == JsonValueKind.Array:
                    foreach (var part in member.Value.EnumerateArray()) In(part, found);
                    break;
                case SchemaSubset.Parts.One:
                    In(member.Value, found);
                    break;
            }
        }
        return found;
    }

    /// <summary>What a reference inside the schema (<c>#/$defs/node</c>) means; null: nothing there.</summary>
    /// <param name="index">Takes the parts of what lies on the way, by its place: definitions may be many.</param>
    private static JsonElement? Find(JsonElement schema, string reference, Dictionary<string, Dictionary<string, JsonElement>> index)
    {
        if (!reference.StartsWith("#/", StringComparison.Ordinal)) return null;
        for (var end = 1; end < reference.Length;)
        {
            var next = reference.IndexOf('/', end + 1);
            if (next < 0) next = reference.Length;
            var place = reference[..end];
            if (!index.TryGetValue(place, out var parts)) index[place] = parts = PartsOf(schema);
            if (!parts.TryGetValue(JsonStrings.Step(reference[(end + 1)..next]), out schema)) return null;
            end = next;
        }
        return schema;
    }

    private static Dictionary<string, JsonElement> PartsOf(JsonElement holder)
    {
        if (holder.ValueKind is not (JsonValueKind.Object or JsonValueKind.Array)) return Nothing;
        var parts = new Dictionary<string, JsonElement>();
        if (holder.ValueKind == JsonValueKind.Object)
        {
            foreach (var member in holder.EnumerateObject()) parts[member.Name] = member.Value;
        }
        else
        {
            foreach (var part in holder.EnumerateArray()) parts[parts.Count.ToString(CultureInfo.InvariantCulture)] = part;
        }
        return parts;
    }
}
