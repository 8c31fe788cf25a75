using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace CrossModel.Simulator;

/// <summary>
/// Reads and judges a chat completion request as OpenAI's API does. Members inside messages and tools are left alone: compatible
/// servers take extras there (reasoning_content, extra_content), and so do video blocks.
/// </summary>
internal sealed partial class OpenAIRequest(Prompt prompt)
{
    private static readonly HashSet<string> Known =
    [
        "model", "messages", "stream", "stream_options", "max_completion_tokens", "max_tokens", "temperature", "top_p", "presence_penalty",
        "frequency_penalty", "stop", "n", "seed", "logprobs", "top_logprobs", "logit_bias", "tools", "tool_choice", "parallel_tool_calls",
        "functions", "function_call", "reasoning_effort", "verbosity", "prediction", "web_search_options", "service_tier", "store", "metadata",
        "modalities", "audio", "response_format", "safety_identifier", "user", "prompt_cache_key", "prompt_cache_retention",
        "prompt_cache_options", "moderation",
    ];

    private static readonly HashSet<string> Efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

    private readonly Dictionary<string, string> _pending = [];
    private WireError? _error;

    public static WireError? CheckUnknown(JsonElement body)
    {
        foreach (var member in body.Members())
            if (!Known.Contains(member.Name))
                return new WireError(400, $"Unknown parameter: '{member.Name}'.", "unknown_parameter", Param: member.Name, Unknown: true);
        return null;
    }

    public WireError? Read(JsonElement body)
    {
        var messages = body.Get("messages");
        prompt.Model = body.Get("model").Text() ?? prompt.Model;
        prompt.UserText = TextOf(messages.Items().LastOrDefault(message => message.Get("role").Text() == "user").Get("content"));
        if (prompt.Model.Length == 0)
            return Fail("model", "you must provide a model parameter", "missing_required_parameter");
        if (messages.ValueKind != JsonValueKind.Array || messages.GetArrayLength() == 0)
            return Fail("messages", "Missing required parameter or empty array: 'messages'.", "missing_required_parameter");
        var at = 0;
        foreach (var message in messages.EnumerateArray())
            if ((_error = ReadMessage(message, $"messages[{at++}]")) is not null)
                return _error;
        return CheckAnswered() ?? ReadTools(body) ?? ReadLimits(body) ?? ReadFormat(body);
    }

    private WireError? ReadMessage(JsonElement message, string path)
    {
        var (role, content) = (message.Get("role").Text(), message.Get("content"));
        prompt.Tokens += 4;
        if (role != "tool")
        {
            if (CheckAnswered() is { } open)
                return open;
            prompt.ToolResults.Clear();
        }
        switch (role)
        {
            case "system" or "developer" or "user":
                return content.Exists() ? ReadContent(content, role == "user", path) : Fail(path + ".content", "Expected a string or an array, got null.", "invalid_type");
            case "assistant":
                return ReadAssistant(message, content, path);
            case "tool":
                var id = message.Get("tool_call_id").Text();
                if (id is null || !_pending.Remove(id, out var name))
                    return Fail(path + ".role", "A message with role 'tool' must answer a call of the 'tool_calls' before it.");
                prompt.ToolResults.Add((name, TextOf(content)));
                return content.Exists() ? ReadContent(content, false, path) : Fail(path + ".content", "Missing required parameter.", "missing_required_parameter");
            default:
                return Fail(path + ".role", "Supported values are: 'system', 'assistant', 'user', 'tool', and 'developer'.", "invalid_value");
        }
    }

    private WireError? ReadAssistant(JsonElement message, JsonElement content, string path)
    {
        var calls = message.Get("tool_calls");
        if (!content.Exists() && !calls.Exists() && !message.Get("refusal").Exists() && !message.Get("audio").Exists() && !message.Get("function_call").Exists())
            return Fail(path + ".content", "Expected a string or an array, got null.", "invalid_type");
        if (calls.Exists() && (calls.ValueKind != JsonValueKind.Array || calls.GetArrayLength() == 0))
            return Fail(path + ".tool_calls", "Expected an array with at least one element.", "empty_array");
        foreach (var call in calls.Items())
        {
            var (id, function) = (call.Get("id").Text(), call.Get("function"));
            if (id is not { Length: > 0 } || function.Get("name").Text() is not { Length: > 0 } name || function.Get("arguments").Text() is not { } arguments)
                return Fail(path + ".tool_calls", "A tool call needs an id, function.name and function.arguments as strings.", "invalid_type");
            if (!_pending.TryAdd(id, name))
                return Fail(path + ".tool_calls", $"Duplicate tool call id '{id}'.", "invalid_value");
            prompt.AddText(name + arguments);
        }
        return content.Exists() ? ReadContent(content, false, path) : null;
    }

    private WireError? CheckAnswered() => _pending.Count == 0 ? null : Fail("messages",
        "An assistant message with 'tool_calls' must be followed by tool messages for each of them. Missing: " + string.Join(", ", _pending.Keys));

    private WireError? ReadContent(JsonElement content, bool media, string path)
    {
        if (content.Text() is { } text)
        {
            prompt.AddText(text);
            return null;
        }
        if (content.ValueKind != JsonValueKind.Array || content.GetArrayLength() == 0)
            return Fail(path + ".content", "Expected a string or an array with at least one part.", "invalid_type");
        var at = 0;
        foreach (var part in content.EnumerateArray())
        {
            var type = part.Get("type").Text();
            var isText = type is "text" or "refusal";
            if (isText && part.Get(type!).Text() is { } words)
                prompt.AddText(words);
            else if (isText || !media || !ReadMedia(type, part))
                return Fail($"{path}.content[{at}]", $"Invalid content part of type '{type}' for this role.", "invalid_value");
            at++;
        }
        return null;
    }

    private bool ReadMedia(string? type, JsonElement part)
    {
        var (name, tokens, carried) = type switch
        {
            "image_url" => ("image", 85, part.Get("image_url").Get("url").Text()),
            "input_audio" => (part.Get("input_audio").Get("format").Text() + " audio", 50, part.Get("input_audio").Get("data").Text()),
            "file" => (("file " + part.Get("file").Get("filename").Text()).Trim(), 300, part.Get("file").Get("file_data").Text() ?? part.Get("file").Get("file_id").Text()),
            "video_url" => ("video", 500, part.Get("video_url").Get("url").Text()),
            "video" => ("video", 500, part.Get("video").Exists() ? part.Get("video").GetRawText() : null),
            _ => ("", 0, null),
        };
        if (string.IsNullOrEmpty(carried))
            return false;
        prompt.Media.Add(name);
        prompt.AddText(carried.Length > 64 ? carried[..64] : carried);
        prompt.Tokens += tokens;
        return true;
    }

    private WireError? ReadTools(JsonElement body)
    {
        var tools = body.Get("tools");
        if (tools.ValueKind == JsonValueKind.Array && tools.GetArrayLength() == 0)
            return Fail("tools", "Expected an array with at least one element.", "empty_array");
        var at = 0;
        foreach (var tool in tools.Items())
        {
            var function = tool.Get("function");
            if (tool.Get("type").Text() != "function" || function.Get("name").Text() is not { } name || !FunctionName().IsMatch(name))
                return Fail($"tools[{at}].function.name", "Expected a function whose name matches ^[a-zA-Z0-9_-]{1,64}$.", "invalid_value");
            if (function.Get("parameters") is { ValueKind: not (JsonValueKind.Undefined or JsonValueKind.Object) })
                return Fail($"tools[{at}].function.parameters", "Expected a JSON Schema object.", "invalid_type");
            prompt.Tools.Add(new ToolOffer(name, function.Get("parameters")));
            prompt.Tokens += Tokens.Count(tool.GetRawText());
            at++;
        }
        prompt.ParallelCalls = body.Get("parallel_tool_calls").ValueKind != JsonValueKind.False;
        var choice = body.Get("tool_choice");
        if (choice.Exists() && prompt.Tools.Count == 0)
            return Fail("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.");
        var name2 = choice.Get("function").Get("name").Text();
        prompt.ToolChoice = choice.Text() switch
        {
            "none" => ToolChoice.None,
            "required" => ToolChoice.Required,
            null when name2 is not null => ToolChoice.Named,
            _ => ToolChoice.Auto,
        };
        prompt.ToolChoiceName = name2;
        return choice.Text() is null or "none" or "auto" or "required" && (name2 is null || prompt.Tools.Any(tool => tool.Name == name2))
            ? null
            : Fail("tool_choice", $"Tool choice '{name2 ?? choice.Text()}' not found in 'tools' parameter.", "invalid_value");
    }

    private WireError? ReadLimits(JsonElement body)
    {
        var (cap, old) = (body.Get("max_completion_tokens"), body.Get("max_tokens"));
        if (cap.Exists() && old.Exists())
            return Fail("max_tokens", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", "invalid_parameter_combination");
        prompt.MaxTokens = (cap.Exists() ? cap : old).Int();
        if ((cap.Exists() || old.Exists()) && prompt.MaxTokens is not >= 1)
            return Fail(cap.Exists() ? "max_completion_tokens" : "max_tokens", "Expected an integer of at least 1.", "integer_below_min_value");
        foreach (var (name, low, high) in new[] { ("temperature", 0d, 2d), ("top_p", 0, 1), ("presence_penalty", -2, 2), ("frequency_penalty", -2, 2), ("n", 1, 128), ("top_logprobs", 0, 20) })
            if (body.Get(name) is { ValueKind: not JsonValueKind.Undefined } value && !(value.Number() >= low && value.Number() <= high))
                return Fail(name, string.Create(CultureInfo.InvariantCulture, $"Invalid '{name}': expected a number from {low} to {high}."), "invalid_value");
        prompt.Candidates = body.Get("n").Int() ?? 1;
        if (body.Get("top_logprobs").Exists() && !body.Get("logprobs").IsTrue())
            return Fail("top_logprobs", "'top_logprobs' is only allowed when 'logprobs' is true.", "invalid_value");
        prompt.Stop.AddRange(body.Get("stop").Text() is { } one ? [one] : body.Get("stop").Items().Select(item => item.Text() ?? ""));
        if (prompt.Stop.Count > 4 || prompt.Stop.Any(string.IsNullOrEmpty))
            return Fail("stop", "Expected at most 4 stop sequences, none of them empty.", "invalid_value");
        prompt.Stream = body.Get("stream").IsTrue();
        if (body.Get("stream_options").Exists() && !prompt.Stream)
            return Fail("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.", "invalid_value");
        var effort = body.Get("reasoning_effort");
        if (effort.Exists() && !Efforts.Contains(effort.Text() ?? ""))
            return Fail("reasoning_effort", "Supported values are: 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' and 'max'.", "unsupported_value");
        prompt.Reasons = effort.Exists() ? effort.Text() != "none" : prompt.Model.Contains("reason", StringComparison.OrdinalIgnoreCase);
        prompt.AddText(body.Get("seed").Exists() ? body.Get("seed").GetRawText() : "");
        return null;
    }

    private WireError? ReadFormat(JsonElement body)
    {
        var format = body.Get("response_format");
        var (type, schema) = (format.Get("type").Text(), format.Get("json_schema"));
        if (format.Exists() && type is not ("text" or "json_object" or "json_schema"))
            return Fail("response_format.type", "Supported values are: 'text', 'json_object' and 'json_schema'.", "invalid_value");
        if (type == "json_schema" && (schema.Get("name").Text() is not { } name || !FunctionName().IsMatch(name)))
            return Fail("response_format.json_schema.name", "Missing required parameter: 'response_format.json_schema.name'.", "missing_required_parameter");
        prompt.WantsJson = type is "json_object" or "json_schema";
        prompt.JsonSchema = schema.Get("schema");
        return null;
    }

    private static string TextOf(JsonElement content) =>
        content.Text() ?? string.Join("\n", content.Items().Select(part => part.Get("text").Text()).OfType<string>());

    private static WireError Fail(string param, string message, string? code = null) => new(400, message, code, Param: param);

    [GeneratedRegex("^[a-zA-Z0-9_-]{1,64}$")]
    private static partial Regex FunctionName();
}
