using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>One message of a caller, as it is looked at on the way to Claude, and to what speaks like it.</summary>
internal static class ChatMessage
{
    public static bool Is(JsonElement message, ReadOnlySpan<byte> role) => message.GetProperty("role"u8).ValueEquals(role);

    /// <summary>Has the member, and it is not null.</summary>
    public static bool Has(JsonElement message, ReadOnlySpan<byte> name, out JsonElement value) =>
        message.TryGetProperty(name, out value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined);

    /// <summary>All that an assistant message says, refusal included; answers a refusal of ours where a block of it is no text.</summary>
    /// <param name="misplaced">What is said then.</param>
    public static ApiError? Texts(JsonElement message, string place, string misplaced, out List<string> texts)
    {
        texts = [];
        if (Has(message, "content"u8, out var content))
        {
            if (content.ValueKind == JsonValueKind.String) texts.Add(content.GetString()!);
            else
            {
                var index = 0;
                foreach (var block in content.EnumerateArray())
                {
                    var type = block.GetProperty("type"u8).GetString();
                    if (type is not ("text" or "refusal")) return ApiErrors.UnsupportedParameter($"{place}.content[{index}]", misplaced);
                    texts.Add(block.GetProperty(type).GetString()!);
                    index++;
                }
            }
        }
        if (Has(message, "refusal"u8, out var refused)) texts.Add(refused.GetString()!);
        return null;
    }

    /// <summary>The function of a call and its arguments, which must be a JSON object.</summary>
    /// <param name="place">The call's path.</param>
    /// <param name="unknown">What is said of a call of something else.</param>
    public static ApiError? Call(JsonElement call, string place, string unknown, out JsonElement function, out byte[] arguments)
    {
        arguments = [];
        if (!Has(call, "function"u8, out function)) return ApiErrors.UnsupportedParameter(place, unknown);
        arguments = ToolArguments.Of(function);
        return ToolArguments.IsObject(arguments) ? null
            : ApiErrors.InvalidMessages(place + ".function.arguments", "The arguments are not a JSON object, which this model's provider demands. Send one, or {}.");
    }
}

/// <summary>The arguments of a call that a caller sends back.</summary>
internal static class ToolArguments
{
    /// <summary>As UTF-8 text; missing or empty means <c>{}</c>.</summary>
    public static byte[] Of(JsonElement function)
    {
        if (!function.TryGetProperty("arguments"u8, out var arguments)) return "{}"u8.ToArray();
        if (arguments.ValueKind == JsonValueKind.Object) return JsonMarshal.GetRawUtf8Value(arguments).ToArray();
        var text = arguments.ValueKind == JsonValueKind.String ? arguments.GetString()! : "";
        return string.IsNullOrWhiteSpace(text) ? "{}"u8.ToArray() : Encoding.UTF8.GetBytes(text);
    }

    public static bool IsObject(ReadOnlySpan<byte> text)
    {
        try
        {
            var json = new Utf8JsonReader(text);
            if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return false;
            while (json.Read())
            {
                // Half a surrogate pair is valid JSON and still no text.
                if (json.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && json.ValueIsEscaped) json.GetString();
            }
            return true;
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            return false;
        }
    }
}
