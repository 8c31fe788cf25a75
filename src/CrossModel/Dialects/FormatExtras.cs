using System.Text.Json;

namespace CrossModel.Dialects;

/// <summary>Members of a <c>response_format</c> that only some servers know, such as a schema beside <c>json_object</c>: named where the provider gets no more than the schema.</summary>
internal static class FormatExtras
{
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
