using System.Text.Json;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Looks into small JSON objects without making anything of them. Throws JsonException where the text is no JSON.</summary>
internal static class JsonMember
{
    /// <summary>The value of a member as it stands; empty: there is none, or the text is no object.</summary>
    public static ReadOnlySpan<byte> Of(ReadOnlySpan<byte> json, ReadOnlySpan<byte> name)
    {
        if (json.IsEmpty) return default;
        ReadOnlySpan<byte> found = default;
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject) return default;
        // To the end even when it is found: half an object is none.
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isIt = reader.ValueTextEquals(name);
            reader.Read();
            var start = (int)reader.TokenStartIndex;
            reader.Skip();
            if (isIt) found = json[start..(int)reader.BytesConsumed];
        }
        while (reader.Read()) { }
        return found;
    }

    /// <summary>The inside of a string member, escaped; empty: none, or no string.</summary>
    public static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> json, ReadOnlySpan<byte> name) =>
        Of(json, name) is [(byte)'"', .. var inside, (byte)'"'] ? inside : default;
}
