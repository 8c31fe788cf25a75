using System.Text.Json.Nodes;

namespace CrossModel.Tests.Dialects.Bedrock;

/// <summary>A recorded Converse request as the chat completion that means the same: what a caller would have sent.</summary>
internal static class ConverseAsChat
{
    /// <summary>Null: it uses what a chat completion cannot say (guard content, the provider's own tools, texts as document sources).</summary>
    public static string? Of(byte[] body)
    {
        var from = JsonNode.Parse(body)!;
        var text = from.ToJsonString();
        if (text.Contains("guardContent", StringComparison.Ordinal) || text.Contains("systemTool", StringComparison.Ordinal) || text.Contains("citations", StringComparison.Ordinal)) return null;
        var messages = new JsonArray();
        foreach (var system in from["system"]?.AsArray() ?? []) messages.Add(new JsonObject { ["role"] = "system", ["content"] = system!["text"]!.DeepClone() });
        foreach (var message in from["messages"]!.AsArray()) Add(messages, message!);
        var to = new JsonObject { ["model"] = "a/b", ["messages"] = messages };
        if (from["toolConfig"] is { } config)
        {
            to["tools"] = new JsonArray([.. config["tools"]!.AsArray().Select(t => Tool(t!["toolSpec"]!))]);
            if (config["toolChoice"] is JsonObject choice) to["tool_choice"] = choice.ContainsKey("any") ? "required" : "auto";
        }
        if (from["inferenceConfig"]?["maxTokens"] is { } cap) to["max_tokens"] = cap.DeepClone();
        if (from["inferenceConfig"]?["temperature"] is { } heat) to["temperature"] = heat.DeepClone();
        var fields = from["additionalModelRequestFields"];
        if (fields?["reasoning_effort"] is { } effort) to["reasoning_effort"] = effort.DeepClone();
        if (fields?["thinking"] is not null) to["reasoning_effort"] = "low";
        if (from["outputConfig"]?["textFormat"]?["structure"]?["jsonSchema"] is { } format)
        {
            var named = format.DeepClone();
            named["schema"] = JsonNode.Parse(format["schema"]!.GetValue<string>());
            to["response_format"] = new JsonObject { ["type"] = "json_schema", ["json_schema"] = named };
        }
        return to.ToJsonString();
    }

    /// <summary>Without what means nothing: empty members, the order inside a schema that is a string, a status that is the default.</summary>
    public static JsonNode Normal(JsonNode request)
    {
        foreach (var name in new[] { "system", "inferenceConfig" })
        {
            if (request[name] is JsonArray { Count: 0 } or JsonObject { Count: 0 }) request.AsObject().Remove(name);
        }
        if (request["outputConfig"]?["textFormat"]?["structure"]?["jsonSchema"] is JsonObject format) format["schema"] = JsonNode.Parse(format["schema"]!.GetValue<string>());
        foreach (var result in request["messages"]!.AsArray().SelectMany(m => m!["content"]!.AsArray()).Select(b => b!["toolResult"]).OfType<JsonObject>()) result.Remove("status");
        return request;
    }

    private static void Add(JsonArray messages, JsonNode message)
    {
        var blocks = message["content"]!.AsArray();
        foreach (var result in blocks.Select(b => b!["toolResult"]).OfType<JsonObject>())
        {
            messages.Add(new JsonObject
            {
                ["role"] = "tool",
                ["tool_call_id"] = result["toolUseId"]!.DeepClone(),
                ["content"] = new JsonArray([.. result["content"]!.AsArray().Select(b => Block(b!))]),
            });
        }
        var calls = blocks.Select(b => b!["toolUse"]).OfType<JsonObject>().Select(c => new JsonObject
        {
            ["id"] = c["toolUseId"]!.DeepClone(),
            ["type"] = "function",
            ["function"] = new JsonObject { ["name"] = c["name"]!.DeepClone(), ["arguments"] = c["input"]!.ToJsonString() },
        }).ToArray<JsonNode>();
        var others = blocks.Where(b => b!["toolResult"] is null && b["toolUse"] is null).Select(b => Block(b!)).ToArray<JsonNode>();
        if (others.Length == 0 && calls.Length == 0) return;
        var to = new JsonObject { ["role"] = message["role"]!.DeepClone(), ["content"] = new JsonArray(others) };
        if (calls.Length > 0) to["tool_calls"] = new JsonArray(calls);
        messages.Add(to);
    }

    private static JsonObject Block(JsonNode block) => block["text"] is { } text
        ? new JsonObject { ["type"] = "text", ["text"] = text.DeepClone() }
        : new JsonObject { ["type"] = "image_url", ["image_url"] = new JsonObject { ["url"] = block["image"]!["source"]!["s3Location"]!["uri"]!.DeepClone() } };

    private static JsonObject Tool(JsonNode spec)
    {
        var function = new JsonObject { ["name"] = spec["name"]!.DeepClone(), ["parameters"] = spec["inputSchema"]!["json"]!.DeepClone() };
        if (spec["description"] is { } words) function["description"] = words.DeepClone();
        return new JsonObject { ["type"] = "function", ["function"] = function };
    }
}
