using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Functions without parameters, for a server that wants them said: an object without members.</summary>
internal static class ToolEdits
{
    public static void FillParameters(ReadOnlySpan<byte> body, JsonSpan tools, BodySplice splice)
    {
        var json = new Utf8JsonReader(tools.In(body));
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var isFunction = json.ValueTextEquals("function"u8);
                json.Read();
                if (isFunction && json.TokenType == JsonTokenType.StartObject) Fill(ref json, tools.Start, splice);
                else json.Skip();
            }
        }
    }

    private static void Fill(ref Utf8JsonReader json, int offset, BodySplice splice)
    {
        var none = "{\"type\":\"object\",\"properties\":{}}"u8;
        var (start, hasParameters) = (offset + (int)json.TokenStartIndex, false);
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isParameters = json.ValueTextEquals("parameters"u8);
            json.Read();
            hasParameters |= isParameters;
            if (isParameters && json.TokenType == JsonTokenType.Null) splice.Replace(new JsonSpan(offset + (int)json.TokenStartIndex, "null".Length), none);
            json.Skip();
        }
        if (!hasParameters) splice.InsertFirst(start, [.. "\"parameters\":"u8, .. none]);
    }
}
