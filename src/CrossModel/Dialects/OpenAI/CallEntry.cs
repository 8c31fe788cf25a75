using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>One element of <c>tool_calls</c>, as it stands in a delta or a message.</summary>
internal ref struct CallEntry
{
    public JsonSpan Span;
    public JsonSpan Function;
    public int Index;
    public ReadOnlySpan<byte> Id, Name, ArgumentsText, ArgumentsValue, Type;
    /// <summary>Object arguments are any other value than a string that says something: their JSON becomes one.</summary>
    public bool HasId, HasName, HasArguments, HasObjectArguments;
    /// <summary><c>function</c> is there and null: it does not go out so.</summary>
    public bool HasNullFunction;
    /// <summary>Another kind of call than a function's (custom tools): its own member holds name and input.</summary>
    public bool IsOther;

    public readonly bool IsComplete => !Id.IsEmpty && !Type.IsEmpty && !HasNullFunction && (IsOther || (!Name.IsEmpty && HasArguments && !HasObjectArguments));
    public readonly int TextBytes => Name.Length + (HasObjectArguments ? ArgumentsValue.Length : JsonText.UnescapedLength(ArgumentsText)) + _otherBytes;
    private int _otherBytes;

    public static CallEntry Read(ref Utf8JsonReader json, ReadOnlySpan<byte> array)
    {
        var entry = new CallEntry { Index = -1 };
        var start = (int)json.TokenStartIndex;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = ReplyView.Name(ref json);
            if (name.SequenceEqual("function"u8)) entry.ReadFunction(ref json, array);
            else if (name.SequenceEqual("index"u8))
            {
                json.Read();
                if (json.TokenType == JsonTokenType.Number && json.TryGetInt32(out var index) && index >= 0) entry.Index = index;
                json.Skip();
            }
            else if (name.SequenceEqual("id"u8))
            {
                Once(ref entry.HasId);
                entry.Id = String(ref json).In(array);
            }
            else if (name.SequenceEqual("type"u8))
            {
                json.Read();
                if (json.TokenType == JsonTokenType.String && json.ValueSpan.Length > 0) entry.Type = array[(int)json.TokenStartIndex..(int)json.BytesConsumed];
                json.Skip();
            }
            else
            {
                var isCustom = name.SequenceEqual("custom"u8);
                var value = default(JsonSpan);
                ReplyView.Value(ref json, ref value);
                if (!isCustom) continue;
                entry.IsOther = true;
                entry._otherBytes = JsonText.StringBytes(value.In(array));
            }
        }
        entry.Span = new JsonSpan(start, (int)json.BytesConsumed - start);
        return entry;
    }

    private void ReadFunction(ref Utf8JsonReader json, ReadOnlySpan<byte> array)
    {
        if (Function.IsPresent) throw new JsonException("a call's function twice");
        json.Read();
        var start = (int)json.TokenStartIndex;
        HasNullFunction = json.TokenType == JsonTokenType.Null;
        if (HasNullFunction) return;
        if (json.TokenType != JsonTokenType.StartObject) throw new JsonException("a function that is no object");
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var name = ReplyView.Name(ref json);
            if (name.SequenceEqual("name"u8))
            {
                Once(ref HasName);
                Name = String(ref json).In(array);
            }
            else if (name.SequenceEqual("arguments"u8)) ReadArguments(ref json, array);
            else ReplyView.Skip(ref json);
        }
        Function = new JsonSpan(start, (int)json.BytesConsumed - start);
    }

    private void ReadArguments(ref Utf8JsonReader json, ReadOnlySpan<byte> array)
    {
        if (!ArgumentsValue.IsEmpty) throw new JsonException("a call's arguments twice");
        json.Read();
        var start = (int)json.TokenStartIndex;
        if (json.TokenType == JsonTokenType.String) ArgumentsText = json.ValueSpan;
        HasArguments = json.TokenType == JsonTokenType.String;
        HasObjectArguments = json.TokenType is not (JsonTokenType.String or JsonTokenType.Null or JsonTokenType.False);
        json.Skip();
        ArgumentsValue = array[start..(int)json.BytesConsumed];
    }

    private static void Once(ref bool has)
    {
        if (has) throw new JsonException("a call's member twice");
        has = true;
    }

    /// <summary>Where the inside of a JSON string is; nowhere when the value is none.</summary>
    private static JsonSpan String(ref Utf8JsonReader json)
    {
        json.Read();
        var isString = json.TokenType == JsonTokenType.String;
        var start = (int)json.TokenStartIndex;
        json.Skip();
        return isString ? new JsonSpan(start + 1, (int)json.BytesConsumed - start - 2) : default;
    }
}
