using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Contents for a server that takes texts only: none becomes an empty one, blocks of text become one text with a line each. Others stay.</summary>
internal static class ContentEdits
{
    /// <param name="ignored">Takes the names of what a block had beside its text.</param>
    public static void ToTexts(ReadOnlySpan<byte> body, JsonSpan messages, BodySplice splice, List<string> ignored)
    {
        // A caller names what is beside a text, and how much of it there is.
        var names = new HashSet<string>(ignored);
        var json = new Utf8JsonReader(messages.In(body));
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            var (start, has) = (messages.Start + (int)json.TokenStartIndex, false);
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var isContent = json.ValueTextEquals("content"u8);
                json.Read();
                var (value, kind) = (messages.Start + (int)json.TokenStartIndex, json.TokenType);
                json.Skip();
                if (!isContent) continue;
                has = true;
                var content = new JsonSpan(value, messages.Start + (int)json.BytesConsumed - value);
                if (kind == JsonTokenType.Null) splice.Replace(content, "\"\""u8);
                else if (kind == JsonTokenType.StartArray && TextOf(content.In(body), names, ignored) is { } text) splice.Replace(content, text);
            }
            if (!has) splice.InsertFirst(start, "\"content\":\"\""u8);
        }
    }

    /// <summary>As JSON; null: there is another block than text.</summary>
    private static byte[]? TextOf(ReadOnlySpan<byte> blocks, HashSet<string> names, List<string> ignored)
    {
        using var json = JsonDocument.Parse(blocks.ToArray());
        var text = new List<byte> { (byte)'"' };
        foreach (var block in json.RootElement.EnumerateArray())
        {
            if (!block.GetProperty("type"u8).ValueEquals("text"u8)) return null;
            if (text.Count > 1) text.AddRange("\\n"u8);
            text.AddRange(System.Runtime.InteropServices.JsonMarshal.GetRawUtf8Value(block.GetProperty("text"u8))[1..^1]);
        }
        text.Add((byte)'"');
        foreach (var member in json.RootElement.EnumerateArray().SelectMany(block => block.EnumerateObject()))
        {
            if (member.Name is not ("type" or "text") && member.Value.ValueKind != JsonValueKind.Null && names.Add(member.Name)) ignored.Add(member.Name);
        }
        return [.. text];
    }
}
