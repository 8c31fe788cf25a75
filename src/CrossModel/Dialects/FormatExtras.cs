using System.Text.Json;

namespace CrossModel.Dialects;

/// <summary>Members of a <c>response_format</c> that only some servers know, such as a schema beside <c>json_object</c>:
/// named where the provider gets no more than the schema.</summary>
internal static class FormatExtras
{
    /// <summary>What is named where the provider has no place for the description of a schema.</summary>
    public const string Description = "response_format.json_schema.description";

    public static bool Describes(JsonElement format) =>
        format.ValueKind == JsonValueKind.Object && format.TryGetProperty("json_schema"u8, out var named) && named.ValueKind == JsonValueKind.Object
            && named.TryGetProperty("description"u8, out var words) && words.ValueKind == JsonValueKind.String && words.GetRawText().Length > 2;

    public static IEnumerable<string> Names(JsonElement format)
    {
        if (format.ValueKind != JsonValueKind.Object) yield break;
        foreach (var member in format.EnumerateObject())
        {
            if (member.NameEquals("type"u8) || member.Value.ValueKind == JsonValueKind.Null) continue;
            if (!member.NameEquals("json_schema"u8)) yield return "response_format." + member.Name;
            else
                foreach (var inner in member.Value.EnumerateObject())
                    if (inner.Value.ValueKind != JsonValueKind.Null && inner.Name is not ("name" or "schema" or "strict" or "description"))
                        yield return "response_format.json_schema." + inner.Name;
        }
    }
}
