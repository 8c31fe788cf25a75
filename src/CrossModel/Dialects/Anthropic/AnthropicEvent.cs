using System.Text.Json;
using System.Text.Unicode;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// The members of one JSON object of a reply that are acted on: an event, a message, a block or a delta, whose names do not collide.
/// Strings are the inside of the JSON string, escapes kept; objects and arrays their JSON; absent, null and of another type: empty.
/// </summary>
internal ref struct AnthropicEvent
{
    public ReadOnlySpan<byte> Type, Id, Name, Text, Thinking, Signature, Data, PartialJson, StopReason;
    public ReadOnlySpan<byte> Message, Block, Delta, Usage, Error, Content, Input, Citation, Citations;
    public int Index;

    /// <summary>Throws JsonException, or InvalidOperationException for half a surrogate pair. What is no object has no members.</summary>
    public static AnthropicEvent Read(ReadOnlySpan<byte> text)
    {
        var found = new AnthropicEvent();
        if (text.IsEmpty) return found;
        var json = new Utf8JsonReader(text);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return found;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName) found.Member(ref json, text);
        while (json.Read()) { }
        return found;
    }

    private void Member(scoped ref Utf8JsonReader json, ReadOnlySpan<byte> text)
    {
        var name = JsonText.Name(ref json);
        json.Read();
        switch (json.TokenType)
        {
            case JsonTokenType.String:
                if (name.SequenceEqual("type"u8)) Type = json.ValueSpan;
                else if (name.SequenceEqual("text"u8)) Text = Inside(ref json);
                else if (name.SequenceEqual("partial_json"u8)) PartialJson = Inside(ref json);
                else if (name.SequenceEqual("thinking"u8)) Thinking = Inside(ref json);
                else if (name.SequenceEqual("signature"u8)) Signature = Inside(ref json);
                else if (name.SequenceEqual("data"u8)) Data = Inside(ref json);
                else if (name.SequenceEqual("stop_reason"u8)) StopReason = json.ValueSpan;
                else if (name.SequenceEqual("id"u8)) Id = Inside(ref json);
                else if (name.SequenceEqual("name"u8)) Name = Inside(ref json);
                else if (name.SequenceEqual("error"u8)) Error = json.ValueSpan;
                break;
            case JsonTokenType.Number:
                if (name.SequenceEqual("index"u8) && json.TryGetInt32(out var index)) Index = index;
                break;
            case JsonTokenType.StartObject or JsonTokenType.StartArray:
                var start = (int)json.TokenStartIndex;
                json.Skip();
                Nested(name, text[start..(int)json.BytesConsumed]);
                break;
        }
    }

    private void Nested(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        if (name.SequenceEqual("delta"u8)) Delta = value;
        else if (name.SequenceEqual("content_block"u8)) Block = value;
        else if (name.SequenceEqual("message"u8)) Message = value;
        else if (name.SequenceEqual("usage"u8)) Usage = value;
        else if (name.SequenceEqual("input"u8)) Input = value;
        else if (name.SequenceEqual("content"u8)) Content = value;
        else if (name.SequenceEqual("error"u8)) Error = value;
        else if (name.SequenceEqual("citation"u8)) Citation = value;
        else if (name.SequenceEqual("citations"u8)) Citations = value;
    }

    private static ReadOnlySpan<byte> Inside(scoped ref Utf8JsonReader json)
    {
        if (!Utf8.IsValid(json.ValueSpan)) throw new JsonException("invalid UTF-8");
        // Half a surrogate pair would go out as it came and break the caller's parser.
        if (json.ValueIsEscaped && json.ValueSpan.IndexOf("\\u"u8) >= 0) _ = json.GetString();
        return json.ValueSpan;
    }
}
