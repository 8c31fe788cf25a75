using System.Text.Json;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Looks into the top level of a body of ours.</summary>
internal static class TopLevel
{
    public static bool Has(ReadOnlySpan<byte> body, ReadOnlySpan<byte> name) => Find(body, name, out _);

    public static string? String(ReadOnlySpan<byte> body, ReadOnlySpan<byte> name) => Find(body, name, out var text) ? text : null;

    private static bool Find(ReadOnlySpan<byte> body, ReadOnlySpan<byte> name, out string? text)
    {
        text = null;
        var json = new Utf8JsonReader(body);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return false;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isIt = json.ValueTextEquals(name);
            json.Read();
            if (isIt)
            {
                text = json.TokenType == JsonTokenType.String ? json.GetString() : null;
                return true;
            }
            json.Skip();
        }
        return false;
    }
}
