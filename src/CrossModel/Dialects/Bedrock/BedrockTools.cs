using System.Text;
using System.Text.Json;
using CrossModel.Dialects.Anthropic;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Writes <c>toolConfig</c>: tools, the choice among them, and a tool for a schema that the model cannot follow otherwise.</summary>
/// <param name="contentTool">The name of that tool; null: none.</param>
/// <param name="schema">Its schema.</param>
internal sealed class BedrockTools(BedrockFamily family, ClaudeModel claude, ToolAliases aliases, JsonElement tools, JsonElement choice, string? contentTool, JsonElement schema)
{
    private bool HasTools => tools.ValueKind == JsonValueKind.Array && tools.GetArrayLength() > 0;
    private bool IsNone => AnthropicTools.Is(choice, "none"u8);
    private bool IsRequired => AnthropicTools.Is(choice, "required"u8)
        || (Allowed is not null && AnthropicTools.Is(choice.GetProperty("allowed_tools"u8).GetProperty("mode"u8), "required"u8));
    private HashSet<string>? Allowed => AnthropicTools.Allowed(choice);
    private string? Named => choice.ValueKind == JsonValueKind.Object && choice.TryGetProperty("function"u8, out var function) ? function.GetProperty("name"u8).GetString() : null;

    public ApiError? Check()
    {
        if (AnthropicTools.Check(tools, choice, "Models on Bedrock call") is { } unknown) return unknown;
        return family.Force == ToolForce.None && (IsRequired || Named is not null) ? AnthropicTools.CannotForce() : null;
    }

    /// <summary>Answers true when a call is unwanted though tools must be declared: then the model has to be told in words.</summary>
    /// <param name="called">Names of the tools that were called earlier in the conversation.</param>
    /// <param name="fields">Takes what Converse has no member for.</param>
    public bool Write(Utf8JsonWriter json, IReadOnlyCollection<string> called, bool parallel, List<(string Name, byte[] Json)> fields, HashSet<string> hints)
    {
        var offers = HasTools && !(IsNone && called.Count == 0);
        if (!offers && HasTools && tools.EnumerateArray().Any(tool => ChatMessage.HasToolMark(tool, out _))) hints.Add("cache_control");
        if (!offers && contentTool is null && called.Count == 0) return false;
        var only = Allowed ?? (Named is { } one && !family.Force.HasFlag(ToolForce.Named) ? [one] : null);
        json.WriteStartObject("toolConfig"u8);
        json.WriteStartArray("tools"u8);
        foreach (var tool in offers ? tools.EnumerateArray() : default)
        {
            var function = tool.GetProperty("function"u8);
            if (only is null || only.Contains(function.GetProperty("name"u8).GetString()!)) WriteTool(json, tool, function, hints);
            else if (ChatMessage.HasToolMark(tool, out _)) hints.Add("cache_control");
        }
        if (contentTool is not null) WriteSpec(json, contentTool, ChatParts.AnswerTool, schema, isStrict: false);
        // Converse refuses calls in the history when there are no tools at all.
        if (!offers && contentTool is null) foreach (var name in called) WriteSpec(json, name, null, default, isStrict: false);
        json.WriteEndArray();
        if (offers || contentTool is not null) WriteChoice(json, offers, parallel, fields, hints);
        json.WriteEndObject();
        return contentTool is null && (!offers || IsNone);
    }

    private void WriteTool(Utf8JsonWriter json, JsonElement tool, JsonElement function, HashSet<string> hints)
    {
        function.TryGetProperty("parameters"u8, out var parameters);
        var isStrict = AnthropicTools.IsStrict(function, parameters, family.IsClaude && claude.StructuredOutput, hints);
        var description = function.TryGetProperty("description"u8, out var words) && words.ValueKind == JsonValueKind.String ? words.GetString() : null;
        WriteSpec(json, function.GetProperty("name"u8).GetString()!, description, parameters, isStrict);
        if (ChatMessage.HasToolMark(tool, out var mark)) BedrockBlocks.WriteCachePoint(json, family, mark, hints);
    }

    private void WriteSpec(Utf8JsonWriter json, string name, string? description, JsonElement parameters, bool isStrict)
    {
        json.WriteStartObject();
        json.WriteStartObject("toolSpec"u8);
        json.WriteString("name"u8, aliases.Of(name));
        if (!string.IsNullOrWhiteSpace(description)) json.WriteString("description"u8, description);
        json.WriteStartObject("inputSchema"u8);
        json.WritePropertyName("json"u8);
        AnthropicTools.WriteSchema(json, parameters, isStrict);
        json.WriteEndObject();
        if (isStrict) json.WriteBoolean("strict"u8, true);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private void WriteChoice(Utf8JsonWriter json, bool offers, bool parallel, List<(string Name, byte[] Json)> fields, HashSet<string> hints)
    {
        var takesNames = family.Force.HasFlag(ToolForce.Named);
        var name = contentTool is not null ? (offers && !IsNone) || !takesNames ? null : contentTool : takesNames ? Named : null;
        var type = name is not null ? "tool"
            : contentTool is not null || Named is not null || IsRequired ? "any"
            : choice.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined || IsNone ? null
            : "auto";
        if (!parallel && family.IsClaude)
        {
            var named = name is null ? "" : $",\"name\":\"{Encoding.UTF8.GetString(JsonText.Escape(name))}\"";
            fields.Add(("tool_choice", Encoding.UTF8.GetBytes($"{{\"type\":\"{type ?? "auto"}\"{named},\"disable_parallel_tool_use\":true}}")));
        }
        else if (!parallel && (contentTool is null || offers)) hints.Add("parallel_tool_calls");
        if (type is null) return;
        json.WriteStartObject("toolChoice"u8);
        json.WriteStartObject(type);
        if (name is not null) json.WriteString("name"u8, aliases.Of(name));
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
