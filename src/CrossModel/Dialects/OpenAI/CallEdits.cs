using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Calls of the history, for a server that wants of each what OpenAI lets a caller leave out: a type, and arguments that are JSON.</summary>
internal static class CallEdits
{
    /// <param name="calls">A message's <c>tool_calls</c>, judged already: each has a function or a custom tool, and its arguments are a string.</param>
    public static void Fill(ReadOnlySpan<byte> body, JsonSpan calls, BodySplice splice)
    {
        var json = new Utf8JsonReader(calls.In(body));
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            var start = calls.Start + (int)json.TokenStartIndex;
            var type = default(JsonSpan);
            var isFunction = false;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var isType = json.ValueTextEquals("type"u8);
                isFunction |= json.ValueTextEquals("function"u8);
                if (json.ValueTextEquals("function"u8))
                {
                    json.Read();
                    if (json.TokenType == JsonTokenType.StartObject) FillArguments(ref json, calls.Start, splice);
                    continue;
                }
                json.Read();
                if (isType) type = new JsonSpan(calls.Start + (int)json.TokenStartIndex, (int)(json.BytesConsumed - json.TokenStartIndex));
                json.Skip();
            }
            if (!isFunction) continue;
            if (!type.IsPresent) splice.InsertFirst(start, "\"type\":\"function\""u8);
            else if (type.In(body).SequenceEqual("null"u8)) splice.Replace(type, "\"function\""u8);
        }
    }

    private static void FillArguments(ref Utf8JsonReader json, int offset, BodySplice splice)
    {
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isArguments = json.ValueTextEquals("arguments"u8);
            json.Read();
            if (isArguments && json.TokenType == JsonTokenType.String && string.IsNullOrWhiteSpace(json.GetString()))
                splice.Replace(new JsonSpan(offset + (int)json.TokenStartIndex, (int)(json.BytesConsumed - json.TokenStartIndex)), "\"{}\""u8);
            json.Skip();
        }
    }
}
