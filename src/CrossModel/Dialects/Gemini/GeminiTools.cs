using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>Tools and the choice among them.</summary>
internal sealed class GeminiTools(Utf8JsonWriter json, UpstreamRequest upstream)
{
    private bool _isStrict;

    public ApiError? Write(JsonElement root)
    {
        var names = new List<string>();
        json.WriteStartArray("tools"u8);
        json.WriteStartObject();
        json.WriteStartArray("functionDeclarations"u8);
        foreach (var tool in root.GetProperty("tools"u8).EnumerateArray())
        {
            var function = tool.GetProperty("function"u8);
            var name = function.GetProperty("name"u8).GetString()!;
            if (!char.IsAsciiLetter(name[0]) && name[0] != '_')
                return ApiErrors.UnsupportedParameter($"tools[{names.Count}].function.name",
                    "With this model the name of a function begins with a letter or _. Give the function another name.");
            names.Add(name);
            Declare(function);
        }
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        upstream.ToolNames = names.ToHashSet();
        return WriteChoice(root.TryGetProperty("tool_choice"u8, out var choice) ? choice : default);
    }

    private void Declare(JsonElement function)
    {
        json.WriteStartObject();
        json.WriteRaw("name"u8, function.GetProperty("name"u8));
        if (function.TryGetProperty("description"u8, out var description) && description.ValueKind == JsonValueKind.String) json.WriteRaw("description"u8, description);
        // A function without parameters says nothing of them: older models refuse an object schema without properties.
        if (function.TryGetProperty("parameters"u8, out var parameters) && parameters.ValueKind == JsonValueKind.Object && !IsEmpty(parameters))
            GeminiJsonSchema.Write(json, "parametersJsonSchema"u8, parameters);
        _isStrict |= function.TryGetProperty("strict"u8, out var strict) && strict.ValueKind == JsonValueKind.True;
        json.WriteEndObject();
    }

    private static bool IsEmpty(JsonElement schema)
    {
        foreach (var member in schema.EnumerateObject())
        {
            var isNothing = member.Name switch
            {
                "type" or "$schema" or "title" or "description" => true,
                "properties" => member.Value.ValueKind == JsonValueKind.Object && !member.Value.EnumerateObject().MoveNext(),
                "required" => member.Value.ValueKind == JsonValueKind.Array && member.Value.GetArrayLength() == 0,
                "additionalProperties" => member.Value.ValueKind == JsonValueKind.False,
                _ => false,
            };
            if (!isNothing) return false;
        }
        return true;
    }

    private ApiError? WriteChoice(JsonElement choice)
    {
        var (mode, allowed) = (default(string), new List<string>());
        switch (choice.ValueKind)
        {
            case JsonValueKind.String:
                mode = choice.GetString() switch { "none" => "NONE", "required" => "ANY", _ => "AUTO" };
                break;
            case JsonValueKind.Object when choice.TryGetProperty("allowed_tools"u8, out var subset) && subset.ValueKind == JsonValueKind.Object:
                // Names may only be given where calls are checked against the declarations.
                mode = subset.GetProperty("mode"u8).GetString() == "required" ? "ANY" : "VALIDATED";
                foreach (var tool in subset.GetProperty("tools"u8).EnumerateArray())
                {
                    if (!tool.TryGetProperty("function"u8, out var function)) return ApiErrors.UnsupportedParameter("tool_choice", "This model takes tools of type function only.");
                    allowed.Add(function.GetProperty("name"u8).GetString()!);
                }
                break;
            case JsonValueKind.Object:
                mode = "ANY";
                allowed.Add(choice.GetProperty("function"u8).GetProperty("name"u8).GetString()!);
                break;
        }
        if (_isStrict && mode is (null or "AUTO")) mode = "VALIDATED";
        if (mode is null) return null;
        json.WriteStartObject("toolConfig"u8);
        json.WriteStartObject("functionCallingConfig"u8);
        json.WriteString("mode"u8, mode);
        if (allowed.Count > 0)
        {
            json.WriteStartArray("allowedFunctionNames"u8);
            foreach (var name in allowed) json.WriteStringValue(name);
            json.WriteEndArray();
        }
        json.WriteEndObject();
        json.WriteEndObject();
        return null;
    }
}
