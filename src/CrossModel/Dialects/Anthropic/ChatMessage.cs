using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>One message of a caller, as it is looked at on the way to Claude, and to what speaks like it.</summary>
internal static class ChatMessage
{
    public static bool Is(JsonElement message, ReadOnlySpan<byte> role) => message.GetProperty("role"u8).ValueEquals(role);

    /// <summary>Instructions, which stand apart from the conversation.</summary>
    public static bool IsSystem(JsonElement message) => Is(message, "system"u8) || Is(message, "developer"u8);

    /// <summary>The last message that is sent as one: instructions, and messages that say nothing, may stand behind it. -1: nobody speaks but the system.</summary>
    public static int LastTurn(JsonElement[] messages)
    {
        var last = messages.Length - 1;
        while (last >= 0 && StandsApart(messages[last])) last--;
        return last;
    }

    /// <summary>It is no part of the conversation that is sent: instructions, or what says nothing. Its neighbours are each other's.</summary>
    public static bool StandsApart(JsonElement message) => IsSystem(message) || SaysNothing(message);

    /// <summary>The last of them is the beginning of the answer.</summary>
    public static bool BeginAnswer(JsonElement[] messages) =>
        LastTurn(messages) is >= 0 and var last && Is(messages[last], "assistant"u8) && !HasCalls(messages[last], out _);

    public static bool HasCalls(JsonElement message, out JsonElement calls) => Has(message, "tool_calls"u8, out calls) && calls.GetArrayLength() > 0;

    /// <summary>What an earlier reply may hold and these providers do not take back.</summary>
    /// <param name="who">Claude, or the place that serves the model.</param>
    public static ApiError? RefuseAssistant(JsonElement message, string place, string who)
    {
        if (Has(message, "audio"u8, out _))
            return ApiErrors.UnsupportedParameter(place + ".audio", who + " does not hear earlier audio replies. Send their transcript as content.");
        return Has(message, "function_call"u8, out _) ? ApiErrors.UnsupportedParameter(place + ".function_call", "function_call is the older form. Send tool_calls.") : null;
    }

    private static bool SaysNothing(JsonElement message)
    {
        if (Is(message, "tool"u8) || Has(message, "tool_calls"u8, out _) || (Has(message, "refusal"u8, out var refusal) && !refusal.IsBlank())) return false;
        return !Has(message, "content"u8, out var content) || (content.ValueKind == JsonValueKind.String ? content.IsBlank() : content.EnumerateArray().All(IsBlank));
    }

    /// <summary>A text or refusal of white space only.</summary>
    public static bool IsBlank(JsonElement block) =>
        (block.TryGetProperty("text"u8, out var text) || block.TryGetProperty("refusal"u8, out text)) && text.ValueKind == JsonValueKind.String && text.IsBlank();

    /// <summary>Has the member, and it is not null.</summary>
    public static bool Has(JsonElement message, ReadOnlySpan<byte> name, out JsonElement value) =>
        message.TryGetProperty(name, out value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined);

    /// <summary>The caller's mark on a message, block, call or tool: the prompt up to its end may be cached.</summary>
    public static bool HasMark(JsonElement owner, out JsonElement mark) => Has(owner, "cache_control"u8, out mark) && mark.ValueKind == JsonValueKind.Object;

    /// <summary>The mark on a tool: some clients write it into the tool's function.</summary>
    public static bool HasToolMark(JsonElement tool, out JsonElement mark) => HasMark(tool, out mark) || (Has(tool, "function"u8, out var function) && HasMark(function, out mark));

    /// <summary>The message, or the first block of it, that has a mark; null: none has.</summary>
    public static JsonElement? FirstMarked(JsonElement message)
    {
        if (HasMark(message, out _)) return message;
        if (!Has(message, "content"u8, out var content) || content.ValueKind != JsonValueKind.Array) return null;
        foreach (var block in content.EnumerateArray())
        {
            if (HasMark(block, out _)) return block;
        }
        return null;
    }

    /// <summary>The beginning of the answer, which must not end in a space and cannot be marked; answers a refusal where a block of it is no text.</summary>
    /// <param name="misplaced">What is said then.</param>
    /// <param name="hints">Takes the names of what was left out.</param>
    public static ApiError? Prefill(JsonElement message, string place, string misplaced, HashSet<string> hints, out List<string> texts)
    {
        if (Texts(message, place, misplaced, out texts) is { } refusal) return refusal;
        if (FirstMarked(message) is not null) hints.Add("cache_control");
        texts.RemoveAll(string.IsNullOrWhiteSpace);
        if (texts.Count > 0) texts[^1] = texts[^1].TrimEnd();
        return null;
    }

    /// <summary>All that an assistant message says, refusal included.</summary>
    private static ApiError? Texts(JsonElement message, string place, string misplaced, out List<string> texts)
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
