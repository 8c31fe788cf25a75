using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace CrossModel.Tests.Dialects.Gemini;

/// <summary>A recorded generateContent request, as a caller of ours would have asked for the same.</summary>
internal static partial class ClientRequest
{
    /// <summary>Google's own tools can only be asked for by natives.</summary>
    public static bool CanAsk(byte[] request) => !Native().IsMatch(System.Text.Encoding.UTF8.GetString(request));

    public static string Of(JsonElement recorded)
    {
        var source = Camel(JsonNode.Parse(recorded.GetRawText())!).AsObject();
        var messages = new JsonArray();
        foreach (var part in source["systemInstruction"]?["parts"]?.AsArray() ?? []) messages.Add(new JsonObject { ["role"] = "system", ["content"] = (string)part!["text"]! });
        foreach (var content in source["contents"]!.AsArray()) Add(messages, content!);
        var client = new JsonObject { ["model"] = "vendor/model", ["messages"] = messages };
        var config = source["generationConfig"] as JsonObject ?? [];
        if (config["maxOutputTokens"] is { } cap) client["max_completion_tokens"] = cap.DeepClone();
        if (config["responseLogprobs"] is not null) client["logprobs"] = true;
        if (config["responseModalities"] is not null) client["modalities"] = new JsonArray("text");
        if ((string?)config["thinkingConfig"]?["thinkingLevel"] is { } level) client["reasoning_effort"] = level;
        if ((config["responseJsonSchema"] ?? config["responseSchema"]) is { } schema)
            client["response_format"] = new JsonObject { ["type"] = "json_schema", ["json_schema"] = new JsonObject { ["name"] = "reply", ["schema"] = Schema(schema) } };
        if (source["tools"]?[0]?["functionDeclarations"] is JsonArray tools) client["tools"] = new JsonArray([.. tools.Select(t => (JsonNode)Tool(t!))]);
        if (source["toolConfig"] is not null) client["tool_choice"] = "auto";
        foreach (var name in (string[])["safetySettings", "modelArmorConfig"])
        {
            if (source[name] is { } own) client[name] = own.DeepClone();
        }
        return client.ToJsonString();
    }

    /// <summary>What can be said in two ways said in one.</summary>
    public static string Normal(JsonElement request)
    {
        var json = Camel(JsonNode.Parse(request.GetRawText())!).AsObject();
        (json["systemInstruction"] as JsonObject)?.Remove("role");
        var config = json["generationConfig"] as JsonObject ?? [];
        config.Remove("responseModalities");
        // A budget in tokens has no word that means the same.
        if (config["thinkingConfig"]?["thinkingBudget"] is not null) config.Remove("thinkingConfig");
        if (config["responseSchema"] is { } schema)
        {
            config.Remove("responseSchema");
            config["responseJsonSchema"] = Schema(schema);
        }
        json["generationConfig"] = config.DeepClone();
        foreach (var declaration in json["tools"]?[0]?["functionDeclarations"]?.AsArray() ?? [])
        {
            if (declaration!["parameters"] is not { } parameters) continue;
            declaration.AsObject().Remove("parameters");
            if (parameters["properties"]!.AsObject().Count > 0) declaration["parametersJsonSchema"] = Schema(parameters);
        }
        return Sorted(json).ToJsonString();
    }

    private static void Add(JsonArray messages, JsonNode content)
    {
        var (blocks, calls) = (new JsonArray(), new JsonArray());
        foreach (var part in content["parts"]!.AsArray())
        {
            if (part!["functionCall"] is { } call)
            {
                var made = new JsonObject { ["id"] = "call_" + (string)call["name"]!, ["type"] = "function", ["function"] = new JsonObject { ["name"] = (string)call["name"]!, ["arguments"] = call["args"]!.ToJsonString() } };
                if (part["thoughtSignature"] is { } signature) made["extra_content"] = new JsonObject { ["google"] = new JsonObject { ["thought_signature"] = signature.DeepClone() } };
                calls.Add(made);
            }
            else if (part["functionResponse"] is { } result)
            {
                var said = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = result["response"]!.ToJsonString() });
                foreach (var inside in result["parts"]?.AsArray() ?? []) said.Add(Block(inside!));
                messages.Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = "call_" + (string)result["name"]!, ["content"] = said });
            }
            else
            {
                blocks.Add(Block(part));
            }
        }
        var message = new JsonObject { ["role"] = (string)content["role"]! == "model" ? "assistant" : "user" };
        if (blocks.Count > 0) message["content"] = blocks;
        if (calls.Count > 0) message["tool_calls"] = calls;
        if (message.Count > 1) messages.Add(message);
    }

    private static JsonObject Block(JsonNode part) => part["inlineData"] is { } data
        ? new JsonObject { ["type"] = "file", ["file"] = new JsonObject { ["file_data"] = $"data:{data["mimeType"]};base64,{data["data"]}" } }
        : new JsonObject { ["type"] = "text", ["text"] = (string)part["text"]! };

    private static JsonObject Tool(JsonNode declaration) => new()
    {
        ["type"] = "function",
        ["function"] = new JsonObject { ["name"] = (string)declaration["name"]!, ["description"] = (string)declaration["description"]!, ["parameters"] = Schema(declaration["parameters"]!) },
    };

    /// <summary>Types in small letters; the order of properties is Google's own.</summary>
    private static JsonNode Schema(JsonNode schema)
    {
        var copy = schema.DeepClone();
        if (copy is not JsonObject members) return copy;
        members.Remove("propertyOrdering");
        if (members["type"] is JsonValue type) members["type"] = ((string)type!).ToLowerInvariant();
        foreach (var property in (members["properties"] as JsonObject)?.ToList() ?? []) members["properties"]![property.Key] = Schema(property.Value!);
        if (members["items"] is { } items) members["items"] = Schema(items);
        return members;
    }

    /// <summary>Both spellings of names are taken there.</summary>
    private static JsonNode Camel(JsonNode node) => node switch
    {
        JsonObject members => new JsonObject(members.Select(m => KeyValuePair.Create(Snake().Replace(m.Key, s => s.Groups[1].Value.ToUpperInvariant()), m.Key is "properties" or "args" or "response" ? m.Value?.DeepClone() : m.Value is null ? null : Camel(m.Value)))),
        JsonArray elements => new JsonArray([.. elements.Select(e => e is null ? null : Camel(e))]),
        _ => node.DeepClone(),
    };

    private static JsonNode Sorted(JsonNode node) => node switch
    {
        JsonObject members => new JsonObject(members.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, m.Value is null ? null : Sorted(m.Value)))),
        JsonArray elements => new JsonArray([.. elements.Select(e => e is null ? null : Sorted(e))]),
        _ => node.DeepClone(),
    };

    [GeneratedRegex("_([a-z])")]
    private static partial Regex Snake();

    [GeneratedRegex("google_search|code_execution|fileSearch|MASSIVE_TEXT")]
    private static partial Regex Native();
}
