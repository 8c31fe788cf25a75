using System.Text.Json;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// Follows the references of a JSON Schema, one after the other instead of one inside the other: a caller may chain any number of them.
/// </summary>
internal static class SchemaReferences
{
    /// <summary>False: one leads back to where it stands, which structured outputs refuse ("Circular reference detected in schema definitions").</summary>
    public static bool End(JsonElement schema)
    {
        HashSet<string> open = ["#"], done = [];
        var index = new SchemaIndex(schema);
        var path = new Stack<(string Name, Queue<string> Leads)>([("#", In(schema, []))]);
        while (path.TryPeek(out var at))
        {
            if (!at.Leads.TryDequeue(out var written))
            {
                path.Pop();
                open.Remove(at.Name);
                done.Add(at.Name);
                continue;
            }
            var name = SchemaIndex.Plain(written);
            if (open.Contains(name)) return false;
            if (!done.Contains(name) && index.Find(name) is { } part)
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
                case SchemaParts.Named when member.Value.ValueKind == JsonValueKind.Object:
                    foreach (var part in member.Value.EnumerateObject()) In(part.Value, found);
                    break;
                case SchemaParts.Listed when member.Value.ValueKind == JsonValueKind.Array:
                    foreach (var part in member.Value.EnumerateArray()) In(part, found);
                    break;
                case SchemaParts.One:
                    In(member.Value, found);
                    break;
            }
        }
        return found;
    }
}
