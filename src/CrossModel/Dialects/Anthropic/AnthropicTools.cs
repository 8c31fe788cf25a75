using System.Runtime.InteropServices;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>Writes <c>tools</c> and <c>tool_choice</c>, and makes a tool of a schema that the model cannot follow otherwise.</summary>
/// <param name="contentTool">The name of that tool; null: none.</param>
/// <param name="schema">Its schema.</param>
internal sealed class AnthropicTools(ClaudeModel model, JsonElement tools, JsonElement choice, string? contentTool, JsonElement schema)
{
    private bool HasTools => tools.ValueKind == JsonValueKind.Array && tools.GetArrayLength() > 0;

    public static bool Is(JsonElement value, ReadOnlySpan<byte> word) => value.ValueKind == JsonValueKind.String && value.ValueEquals(word);

    /// <param name="who">Claude calls, or models at the place that serves it call.</param>
    public static ApiError? Check(JsonElement tools, JsonElement choice, string who)
    {
        var index = 0;
        foreach (var tool in tools.ValueKind == JsonValueKind.Array ? tools.EnumerateArray() : default)
        {
            if (!Is(tool.GetProperty("type"u8), "function"u8))
                return ApiErrors.UnsupportedParameter($"tools[{index}].type", $"{who} functions only. Declare the tool with type function.");
            index++;
        }
        return choice.ValueKind == JsonValueKind.Object && Is(choice.GetProperty("type"u8), "custom"u8)
            ? ApiErrors.UnsupportedParameter("tool_choice.type", $"{who} functions only.")
            : null;
    }

    public static ApiError CannotForce() =>
        ApiErrors.UnsupportedParameter("tool_choice", "This model cannot be made to call a tool. Use tool_choice \"auto\", or choose another model.");

    /// <summary>A name for the tool of the schema that the caller's tools do not have.</summary>
    public static string ContentToolName(JsonElement tools)
    {
        var name = "json";
        while (tools.ValueKind == JsonValueKind.Array && tools.EnumerateArray().Any(t => t.GetProperty("function"u8).GetProperty("name"u8).ValueEquals(name))) name += "_reply";
        return name;
    }

    /// <param name="single">parallel_tool_calls is false.</param>
    public void Write(Utf8JsonWriter json, bool single, HashSet<string> hints)
    {
        if (!HasTools && contentTool is null) return;
        var allowed = Allowed(choice);
        json.WriteStartArray("tools"u8);
        foreach (var tool in HasTools ? tools.EnumerateArray() : default)
        {
            var function = tool.GetProperty("function"u8);
            if (allowed is null || allowed.Contains(function.GetProperty("name"u8).GetString()!)) WriteTool(json, tool, function, hints);
            else if (ChatMessage.HasToolMark(tool, out _)) hints.Add("cache_control");
        }
        if (contentTool is not null)
        {
            json.WriteStartObject();
            json.WriteString("name"u8, contentTool);
            json.WriteString("description"u8, ChatParts.AnswerTool);
            json.WritePropertyName("input_schema"u8);
            WriteSchema(json, schema, isStrict: false);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        WriteChoice(json, single);
    }

    private void WriteTool(Utf8JsonWriter json, JsonElement tool, JsonElement function, HashSet<string> hints)
    {
        function.TryGetProperty("parameters"u8, out var parameters);
        var isStrict = IsStrict(function, parameters, model.StructuredOutput, hints);
        json.WriteStartObject();
        json.WriteRaw("name"u8, function.GetProperty("name"u8));
        if (function.TryGetProperty("description"u8, out var description) && description.ValueKind == JsonValueKind.String) json.WriteRaw("description"u8, description);
        json.WritePropertyName("input_schema"u8);
        WriteSchema(json, parameters, isStrict);
        if (isStrict) json.WriteBoolean("strict"u8, true);
        if (ChatMessage.HasToolMark(tool, out var mark)) json.WriteRaw("cache_control"u8, mark);
        json.WriteEndObject();
    }

    /// <summary>The caller asks for it, and the model can hold to this schema.</summary>
    /// <param name="follows">The model can hold to any.</param>
    public static bool IsStrict(JsonElement function, JsonElement parameters, bool follows, HashSet<string> hints)
    {
        if (!function.TryGetProperty("strict"u8, out var strict) || strict.ValueKind != JsonValueKind.True) return false;
        if (follows && SchemaSubset.Fits(parameters)) return true;
        hints.Add("tools.strict");
        return false;
    }

    /// <summary>The API demands <c>type: object</c>, which callers of functions without parameters leave out.</summary>
    public static void WriteSchema(Utf8JsonWriter json, JsonElement schema, bool isStrict)
    {
        if (schema.ValueKind != JsonValueKind.Object || !schema.EnumerateObject().Any())
        {
            json.WriteRaw(isStrict ? """{"type":"object","properties":{},"additionalProperties":false}"""u8 : """{"type":"object","properties":{}}"""u8);
        }
        else if (isStrict && SchemaSubset.SolePart(schema) is { } part)
        {
            WriteSchema(json, part, isStrict);
        }
        else if (isStrict)
        {
            using var typed = schema.TryGetProperty("type"u8, out _)
                ? null
                : JsonDocument.Parse((byte[])[.. """{"type":"object","""u8, .. JsonMarshal.GetRawUtf8Value(schema)[1..]]);
            SchemaSubset.Write(json, typed?.RootElement ?? schema);
        }
        else if (schema.TryGetProperty("type"u8, out _))
        {
            json.WriteRaw(schema);
        }
        else
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "object"u8);
            foreach (var member in schema.EnumerateObject()) member.WriteTo(json);
            json.WriteEndObject();
        }
    }

    /// <summary>The names that <c>allowed_tools</c> lets through; null: all. What is not sent cannot be called.</summary>
    public static HashSet<string>? Allowed(JsonElement choice) =>
        choice.ValueKind == JsonValueKind.Object && choice.TryGetProperty("allowed_tools"u8, out var only) && only.ValueKind == JsonValueKind.Object
        ? [.. only.GetProperty("tools"u8).EnumerateArray().Select(t => t.TryGetProperty("function"u8, out var f) ? f.GetProperty("name"u8).GetString()! : "")]
        : null;

    private void WriteChoice(Utf8JsonWriter json, bool single)
    {
        var (type, name) = contentTool is not null
            ? HasTools && !Is(choice, "none"u8) ? ("any", null) : ("tool", contentTool)
            : choice.ValueKind switch
            {
                JsonValueKind.String when Is(choice, "required"u8) => ("any", null),
                JsonValueKind.String when Is(choice, "none"u8) => ("none", null),
                JsonValueKind.Object when choice.TryGetProperty("function"u8, out var function) => ("tool", function.GetProperty("name"u8).GetString()),
                JsonValueKind.Object when choice.TryGetProperty("allowed_tools"u8, out var only) && Is(only.GetProperty("mode"u8), "required"u8) => ("any", null),
                JsonValueKind.Undefined or JsonValueKind.Null => (single ? "auto" : null, null),
                _ => ("auto", (string?)null),
            };
        if (type is null) return;
        json.WriteStartObject("tool_choice"u8);
        json.WriteString("type"u8, type);
        if (name is not null) json.WriteString("name"u8, name);
        if (type != "none" && (single || (contentTool is not null && type == "tool"))) json.WriteBoolean("disable_parallel_tool_use"u8, true);
        json.WriteEndObject();
    }
}
