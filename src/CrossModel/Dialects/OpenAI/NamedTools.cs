using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// A <c>tool_choice</c> that names tools, for a server that knows its words only and takes anything else for auto: of the tools only those go out,
/// and the word says whether one must be called.
/// </summary>
internal static class NamedTools
{
    /// <param name="choice">An object: a tool, or allowed_tools.</param>
    public static void Write(ReadOnlySpan<byte> body, JsonSpan tools, JsonSpan choice, BodySplice splice)
    {
        using var chosen = JsonDocument.Parse(choice.In(body).ToArray());
        var isList = chosen.RootElement.TryGetProperty("allowed_tools"u8, out var allowed) && allowed.ValueKind == JsonValueKind.Object;
        var names = isList ? allowed.GetProperty("tools"u8).EnumerateArray().Select(NameOf).ToHashSet() : [NameOf(chosen.RootElement)];
        var json = new Utf8JsonReader(tools.In(body));
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            var start = tools.Start + (int)json.TokenStartIndex;
            using var tool = JsonDocument.ParseValue(ref json);
            // One by one: what is changed in those that are left still is.
            if (!names.Contains(NameOf(tool.RootElement))) splice.Remove(new JsonSpan(start, tools.Start + (int)json.BytesConsumed - start));
        }
        var isAuto = isList && allowed.GetProperty("mode"u8).ValueEquals("auto"u8);
        splice.Replace(choice, isAuto ? "\"auto\""u8 : "\"required\""u8);
    }

    /// <summary>Kind and name: a function and a custom tool may share a name.</summary>
    private static (string Kind, string? Name) NameOf(JsonElement tool)
    {
        foreach (var kind in (ReadOnlySpan<string>)["function", "custom"])
        {
            if (tool.TryGetProperty(kind, out var named) && named.ValueKind == JsonValueKind.Object) return (kind, named.GetProperty("name"u8).GetString());
        }
        return ("", null);
    }
}
