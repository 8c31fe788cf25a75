using System.Globalization;
using System.Text.Json;

namespace CrossModel.Dialects;

/// <summary>What references inside a JSON Schema mean. What lies on their way is indexed: definitions may be many, and so may references to them.</summary>
internal sealed class SchemaIndex(JsonElement schema)
{
    private static readonly Dictionary<string, JsonElement> Nothing = [];

    // The parts of what lies on the way, by its place.
    private readonly Dictionary<string, Dictionary<string, JsonElement>> _parts = [];

    /// <summary>What <c>#</c> or <c>#/$defs/node</c> means; null: nothing there.</summary>
    public JsonElement? Find(string reference)
    {
        if (reference != "#" && !reference.StartsWith("#/", StringComparison.Ordinal)) return null;
        var found = schema;
        for (var end = 1; end < reference.Length;)
        {
            var next = reference.IndexOf('/', end + 1);
            if (next < 0) next = reference.Length;
            var place = reference[..end];
            if (!_parts.TryGetValue(place, out var parts)) _parts[place] = parts = PartsOf(found);
            if (!parts.TryGetValue(JsonStrings.Step(reference[(end + 1)..next]), out found)) return null;
            end = next;
        }
        return found;
    }

    /// <summary>The one spelling of a reference that may be written in many (<c>#/$defs/a</c>, <c>#/$defs/%61</c>).</summary>
    public static string Plain(string reference) => reference.AsSpan().ContainsAny('%', '~')
        ? string.Join('/', reference.Split('/').Select(step =>
            JsonStrings.Step(step).Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal).Replace("%", "%25", StringComparison.Ordinal)))
        : reference;

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
