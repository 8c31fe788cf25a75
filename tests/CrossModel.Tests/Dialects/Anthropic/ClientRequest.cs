using System.Text.Json;
using System.Text.Json.Nodes;

namespace CrossModel.Tests.Dialects.Anthropic;

/// <summary>The chat completion that asks for what a recorded Messages request asked for, written the other way round than the dialect does.</summary>
internal static class ClientRequest
{
    private static readonly string[] Native = ["mcp_servers", "container", "context_management"];

    /// <summary>Server tools and blocks of Anthropic's own have no counterpart.</summary>
    public static bool CanAsk(byte[] request)
    {
        var json = JsonNode.Parse(request)!.AsObject();
        return !Native.Any(json.ContainsKey)
            && !(json["tools"]?.AsArray() ?? []).Any(t => t!["type"] is not null)
            && !json["messages"]!.AsArray().Any(m => (string?)m!["role"] == "system");
    }

    public static string Of(JsonElement recorded)
    {
        var source = JsonNode.Parse(recorded.GetRawText())!.AsObject();
        var client = new JsonObject { ["model"] = "a/b" };
        var messages = new JsonArray();
        foreach (var text in source["system"] is JsonArray system ? system : []) messages.Add(new JsonObject { ["role"] = "system", ["content"] = new JsonArray(Block(text!)) });
        if (source["system"] is JsonValue instruction) messages.Add(new JsonObject { ["role"] = "system", ["content"] = (string)instruction! });
        foreach (var message in source["messages"]!.AsArray()) Add(messages, message!);
        client["messages"] = messages;
        client["max_tokens"] = (int)source["max_tokens"]!;
        if ((bool?)source["stream"] is true) client["stream"] = true;
        if (source["temperature"] is { } temperature) client["temperature"] = temperature.DeepClone();
        if (source["temperature"] is null && source["top_p"] is { } top) client["top_p"] = top.DeepClone();
        if (source["stop_sequences"] is { } stop) client["stop"] = stop.DeepClone();
        if (source["tools"] is JsonArray tools) client["tools"] = new JsonArray([.. tools.Select(t => (JsonNode)Tool(t!))]);
        if ((string?)source["tool_choice"]?["type"] == "auto") client["tool_choice"] = "auto";
        if ((string?)source["output_config"]?["effort"] is { } effort) client["reasoning_effort"] = effort;
        if (source["output_config"]?["format"]?["schema"] is { } schema)
            client["response_format"] = new JsonObject { ["type"] = "json_schema", ["json_schema"] = new JsonObject { ["name"] = "reply", ["schema"] = schema.DeepClone() } };
        return client.ToJsonString();
    }

    /// <summary>A Messages request with what can be said in two ways said in one, and without what only natives can ask for.</summary>
    public static string Normal(JsonElement request)
    {
        var json = JsonNode.Parse(request.GetRawText())!.AsObject();
        // Ours: the effort's own steps for thinking, temperature before top_p, xhigh as these models call it.
        foreach (var name in (string[])["thinking", "top_k", "top_p", "stream"]) json.Remove(name);
        if ((string?)json["output_config"]?["effort"] is { } effort) json["output_config"]!["effort"] = effort == "xhigh" ? "max" : effort;
        if (json["tool_choice"] is JsonObject choice && (bool?)choice["disable_parallel_tool_use"] is false) choice.Remove("disable_parallel_tool_use");
        foreach (var message in json["messages"]!.AsArray())
        {
            if (message!["content"] is JsonValue text) message["content"] = new JsonArray(new JsonObject { ["type"] = "text", ["text"] = text.DeepClone() });
            foreach (var block in message["content"]!.AsArray()) block!.AsObject().Remove("citations");
        }
        return Sorted(json).ToJsonString();
    }

    private static JsonNode Sorted(JsonNode node) => node switch
    {
        JsonObject members => new JsonObject(members.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, m.Value is null ? null : Sorted(m.Value)))),
        JsonArray elements => new JsonArray([.. elements.Select(e => e is null ? null : Sorted(e))]),
        _ => node.DeepClone(),
    };

    private static JsonObject Tool(JsonNode tool)
    {
        var function = new JsonObject { ["name"] = (string)tool["name"]!, ["parameters"] = tool["input_schema"]!.DeepClone() };
        if (tool["description"] is { } description) function["description"] = description.DeepClone();
        if ((bool?)tool["strict"] is true) function["strict"] = true;
        return new JsonObject { ["type"] = "function", ["function"] = function };
    }

    private static void Add(JsonArray messages, JsonNode message)
    {
        if (message["content"] is JsonValue text)
        {
            messages.Add(new JsonObject { ["role"] = (string)message["role"]!, ["content"] = text.DeepClone() });
            return;
        }
        var (blocks, calls) = (new JsonArray(), new JsonArray());
        foreach (var block in message["content"]!.AsArray())
        {
            switch ((string)block!["type"]!)
            {
                case "tool_use":
                    calls.Add(new JsonObject { ["id"] = (string)block["id"]!, ["type"] = "function", ["function"] = new JsonObject { ["name"] = (string)block["name"]!, ["arguments"] = block["input"]!.ToJsonString() } });
                    break;
                case "tool_result":
                    messages.Add(new JsonObject { ["role"] = "tool", ["tool_call_id"] = (string)block["tool_use_id"]!, ["content"] = new JsonArray([.. block["content"]!.AsArray().Select(b => (JsonNode)Block(b!))]) });
                    break;
                default:
                    blocks.Add(Block(block));
                    break;
            }
        }
        var written = new JsonObject { ["role"] = (string)message["role"]! };
        if (blocks.Count > 0) written["content"] = blocks;
        if (calls.Count > 0) written["tool_calls"] = calls;
        if (written.Count > 1) messages.Add(written);
    }

    private static JsonObject Block(JsonNode block)
    {
        var source = block["source"];
        var written = (string)block["type"]! switch
        {
            "text" => new JsonObject { ["type"] = "text", ["text"] = (string)block["text"]! },
            "image" => new JsonObject { ["type"] = "image_url", ["image_url"] = new JsonObject { ["url"] = $"data:{source!["media_type"]};base64,{source["data"]}" } },
            _ => new JsonObject
            {
                ["type"] = "file",
                ["file"] = new JsonObject
                {
                    ["filename"] = (string)block["title"]!,
                    ["file_data"] = "data:text/plain;base64," + Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes((string)source!["data"]!)),
                },
            },
        };
        if (block["cache_control"] is { } mark) written["cache_control"] = mark.DeepClone();
        return written;
    }
}
