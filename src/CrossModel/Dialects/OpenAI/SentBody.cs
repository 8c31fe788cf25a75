using System.Text.Json;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Looks into a body of ours that a server has refused.</summary>
internal static class SentBody
{
    /// <summary>One of the objects of a list at the top level is such.</summary>
    /// <param name="place">The only one that counts; null: any.</param>
    public static bool Any(ReadOnlySpan<byte> sent, string list, Func<JsonElement, bool> isSuch, int? place = null)
    {
        using var json = JsonDocument.Parse(sent.ToArray(), new JsonDocumentOptions { MaxDepth = 1000 });
        return json.RootElement.TryGetProperty(list, out var all) && all.ValueKind == JsonValueKind.Array
            && all.EnumerateArray().Where((_, index) => place is null || place == index)
                .Any(one => one.ValueKind == JsonValueKind.Object && isSuch(one));
    }

    public static bool IsDeveloper(JsonElement message) => Is(message, "developer");

    /// <summary>An assistant's, without a word of its thinking.</summary>
    public static bool LacksReasoning(JsonElement message) =>
        Is(message, "assistant") && !(message.TryGetProperty("reasoning_content"u8, out var said) && said.ValueKind == JsonValueKind.String && said.GetString() != "");

    /// <summary>Its content is none, or blocks of text.</summary>
    public static bool IsNoText(JsonElement message) => !message.TryGetProperty("content"u8, out var content) || content.ValueKind == JsonValueKind.Null
        || (content.ValueKind == JsonValueKind.Array && content.EnumerateArray().All(block => block.TryGetProperty("type"u8, out var type) && type.ValueEquals("text"u8)));

    public static bool LacksParameters(JsonElement tool) =>
        tool.TryGetProperty("function"u8, out var function) && function.ValueKind == JsonValueKind.Object
        && !(function.TryGetProperty("parameters"u8, out var schema) && schema.ValueKind == JsonValueKind.Object);

    private static bool Is(JsonElement message, string role) => message.TryGetProperty("role"u8, out var said) && said.ValueKind == JsonValueKind.String && said.ValueEquals(role);
}
