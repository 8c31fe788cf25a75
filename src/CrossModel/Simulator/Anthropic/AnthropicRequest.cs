using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace CrossModel.Simulator;

/// <summary>Reads and judges a Messages request as Anthropic does: required caps, blocks by role, tool results first and complete, thinking rules.</summary>
/// <param name="host">Who hosts it; null: Anthropic itself.</param>
internal sealed partial class AnthropicRequest(Prompt prompt, ClaudeHost? host) : StrictReader(prompt)
{
    private const string ThinkingBlocks = "thinking redacted_thinking";
    private bool _thinks;
    private string _kind = "";

    private bool KnowsSchemas => host is not { KnowsSchemas: false };

    protected override string UnknownMember(string path, string name) => $"{path}{name}: Extra inputs are not permitted";

    /// <summary>What signs a thinking block; another text under it is a forgery.</summary>
    public static string Sign(string thinking) =>
        Convert.ToBase64String(Encoding.ASCII.GetBytes("simulated-signature-" + new Dice(Dice.Hash(17, thinking)).Letters(40)));

    public void Read(JsonElement body)
    {
        var messages = body.Get("messages");
        Prompt.Model = host?.Model ?? body.Get("model").Text() ?? "";
        Prompt.UserText = string.Join("\n", messages.Items().Where(message => message.Get("role").Text() == "user").Select(TextOf).LastOrDefault(text => text.Length > 0, ""));
        _kind = Edition().Replace(Prompt.Model, "");
        Members(body, "",
            "messages max_tokens system stop_sequences temperature top_p top_k tools tool_choice thinking output_config " + (host?.Members ?? ClaudeHost.AtAnthropic));
        Require(Prompt.Model.Length > 0, "model: Field required");
        Require(host is null || body.Get("anthropic_version").Text() == host.Version, "anthropic_version: Field required");
        ReadLimits(body);
        ReadThinking(body);
        ReadTools(body);
        ReadFormat(body);
        foreach (var block in body.Get("system").Items())
        {
            Members(block, "system.", "type text cache_control citations");
            Require(!string.IsNullOrWhiteSpace(block.Get("text").Text()), "system: text content blocks must be non-empty");
        }
        Prompt.AddText(body.Get("system").Text() ?? string.Concat(body.Get("system").Items().Select(block => block.Get("text").Text())));
        if (Require(messages.ValueKind == JsonValueKind.Array && messages.GetArrayLength() > 0, "messages: at least one message is required"))
            ReadMessages([.. messages.EnumerateArray()]);
    }

    private void ReadLimits(JsonElement body)
    {
        Prompt.MaxTokens = body.Get("max_tokens").Int();
        if (Require(body.Get("max_tokens").Exists(), "max_tokens: Field required"))
            Require(Prompt.MaxTokens >= 1, "max_tokens: Input should be greater than or equal to 1");
        Range(body, "temperature", "temperature", 0, 1);
        Range(body, "top_p", "top_p", 0, 1);
        Require(!(body.Get("temperature").Exists() && body.Get("top_p").Exists()) || FreelySampled().IsMatch(_kind),
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.");
        foreach (var name in new[] { "temperature", "top_p", "top_k" })
            Require(!body.Get(name).Exists() || !Unsampled().IsMatch(_kind), $"`{name}` is not supported for this model.");
        Prompt.Stop.AddRange(body.Get("stop_sequences").Items().Select(stop => stop.Text() ?? ""));
        Require(!Prompt.Stop.Any(string.IsNullOrWhiteSpace), "stop_sequences: each stop sequence must contain non-whitespace");
        Members(body.Get("metadata"), "metadata.", "user_id");
        Require(body.Get("service_tier").Text() is null or "auto" or "standard_only", "service_tier: Input should be 'auto' or 'standard_only'");
        Prompt.Stream = body.Get("stream").IsTrue();
    }

    private void ReadThinking(JsonElement body)
    {
        var thinking = body.Get("thinking");
        var type = thinking.Get("type").Text();
        var budget = thinking.Get("budget_tokens").Int();
        Members(thinking, "thinking.", "type budget_tokens display");
        Require(!thinking.Exists() || type is "enabled" or "disabled" or "adaptive", "thinking.type: Input should be 'enabled', 'disabled' or 'adaptive'");
        _thinks = type is "enabled" or "adaptive";
        if (type == "enabled")
        {
            Require(!Unsampled().IsMatch(_kind), "thinking.type: \"enabled\" is not supported for this model. Use thinking.type.adaptive and output_config.effort.");
            Require(budget >= 1024, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024");
            Require(budget < Prompt.MaxTokens, "`max_tokens` must be greater than `thinking.budget_tokens`.");
        }
        Require(type != "adaptive" || !Budgeted().IsMatch(_kind), "adaptive thinking is not supported on this model");
        if (_thinks)
        {
            Require(body.Get("temperature").Number() is null or 1, "`temperature` may only be set to 1 when thinking is enabled.");
            Require(body.Get("top_p").Number() is null or >= 0.95, "`top_p` must be greater than or equal to 0.95 when thinking is enabled.");
            Require(!body.Get("top_k").Exists(), "`top_k` must be unset when thinking is enabled.");
            Require(body.Get("tool_choice").Get("type").Text() is null or "auto" or "none", "Thinking may not be enabled when tool_choice forces tool use.");
        }
        Prompt.Reasons = _thinks || (type is null && _kind.Contains("reason", StringComparison.OrdinalIgnoreCase));
    }

    private void ReadTools(JsonElement body)
    {
        var tools = body.Get("tools");
        Require(tools.ValueKind != JsonValueKind.Array || tools.GetArrayLength() > 0, "tools: List should have at least 1 item");
        foreach (var tool in tools.Items())
        {
            // A server tool: a type of its own, members of its own, nothing that the caller must run.
            if (tool.Get("type").Text() is { } type and not "custom")
                continue;
            var (name, schema) = (tool.Get("name").Text() ?? "", tool.Get("input_schema"));
            Members(tool, $"tools.{Prompt.Tools.Count}.custom.",
                "type name description input_schema cache_control eager_input_streaming input_examples defer_loading allowed_callers" + (KnowsSchemas ? " strict" : ""));
            Require(ToolName().IsMatch(name), $"tools.{Prompt.Tools.Count}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'");
            Require(Prompt.Tools.All(other => other.Name != name), "tools: Tool names must be unique.");
            Require(schema.Get("type").Text() == "object", $"tools.{Prompt.Tools.Count}.custom.input_schema.type: Field required");
            Require(!schema.Get("anyOf").Exists() && !schema.Get("oneOf").Exists() && !schema.Get("allOf").Exists(),
                $"tools.{Prompt.Tools.Count}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level");
            if (tool.Get("strict").IsTrue())
                CheckStrict(schema, $"tools.{Prompt.Tools.Count}.custom.input_schema");
            Prompt.Tools.Add(new ToolOffer(name, schema));
            Prompt.Tokens += Tokens.Count(tool.GetRawText());
        }
        var choice = body.Get("tool_choice");
        Members(choice, "tool_choice.", "type name disable_parallel_tool_use");
        Require(!choice.Exists() || tools.Items().Any(), "tool_choice may only be specified while providing tools.");
        Prompt.ToolChoiceName = choice.Get("name").Text();
        (Prompt.ToolChoice, var known) = choice.Get("type").Text() switch
        {
            "auto" => (ToolChoice.Auto, true),
            "any" => (ToolChoice.Required, true),
            "none" => (ToolChoice.None, !choice.Get("disable_parallel_tool_use").Exists()),
            "tool" => (ToolChoice.Named, Prompt.Tools.Any(tool => tool.Name == Prompt.ToolChoiceName)),
            _ => (ToolChoice.Auto, !choice.Exists()),
        };
        Require(known, "tool_choice: Input tag is not valid, or names a tool that is not provided");
        Prompt.ParallelCalls = !choice.Get("disable_parallel_tool_use").IsTrue();
    }

    private void ReadFormat(JsonElement body)
    {
        var output = body.Get("output_config");
        var (format, effort) = (output.Get("format"), output.Get("effort").Text());
        Members(output, "output_config.", "effort task_budget" + (KnowsSchemas ? " format" : ""));
        Members(format, "output_config.format.", "type schema");
        Require(effort is null or "low" or "medium" or "high" or "xhigh" or "max", "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'");
        Require(effort != "xhigh" || !_kind.Contains("-4-6", StringComparison.Ordinal),
            "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.");
        if (!format.Exists())
            return;
        Require(format.Get("type").Text() == "json_schema" && format.Get("schema").Exists(), "output_config.format.schema: Field required");
        CheckStrict(format.Get("schema"), "output_config.format.schema");
        (Prompt.WantsJson, Prompt.JsonSchema) = (true, format.Get("schema"));
    }

    /// <summary>The schema subset of structured outputs.</summary>
    private void CheckStrict(JsonElement schema, string path)
    {
        if (!schema.Exists())
            return;
        if (schema.Get("type").Text() == "object")
            Require(schema.Get("additionalProperties").ValueKind == JsonValueKind.False, $"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false");
        foreach (var name in new[] { "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems", "oneOf" })
            Require(!schema.Get(name).Exists(), $"{path}: property '{name}' is not supported");
        Require(schema.Get("minItems").Int() is null or <= 1, $"{path}: 'minItems' values other than 0 or 1 are not supported");
        foreach (var property in schema.Get("properties").Members())
            CheckStrict(property.Value, path + ".properties." + property.Name);
        foreach (var part in schema.Get("anyOf").Items().Concat(schema.Get("allOf").Items()).Append(schema.Get("items")))
            CheckStrict(part, path + ".items");
        foreach (var definition in schema.Get("$defs").Members())
            CheckStrict(definition.Value, path + ".$defs." + definition.Name);
    }

    private void ReadMessages(List<JsonElement> messages)
    {
        Require(messages[0].Get("role").Text() != "assistant", "messages: first message must use the \"user\" role");
        var open = new Dictionary<string, string>();
        for (var i = 0; i < messages.Count; i++)
        {
            var (message, path) = (messages[i], $"messages.{i}");
            var role = message.Get("role").Text();
            Members(message, path + ".", "role content");
            Require(role is "user" or "assistant", $"messages: Unexpected role \"{role}\". The Messages API accepts a top-level `system` parameter.");
            Prompt.Tokens += 4;
            Prompt.ToolResults.Clear();
            if (message.Get("content").Text() is { } text)
            {
                Require(text.Trim().Length > 0, path + ": all messages must have non-empty content");
                Prompt.AddText(text);
            }
            else
                Require(message.Get("content").ValueKind == JsonValueKind.Array && (message.Get("content").GetArrayLength() > 0 || i == messages.Count - 1),
                    path + ": all messages must have non-empty content");
            ReadBlocks(message, path, role == "assistant", open);
            if (_thinks && role == "assistant" && i == messages.Count - 2 && message.Get("content").Items().Any(block => block.Get("type").Text() == "tool_use"))
                Require(ThinkingBlocks.Contains(message.Get("content")[0].Get("type").Text() ?? "-", StringComparison.Ordinal),
                    $"{path}.content.0.type: Expected `thinking` or `redacted_thinking`, but found another block."
                        + " When `thinking` is enabled, a final `assistant` message must start with a thinking block.");
        }
        Require(open.Count == 0, $"messages.{messages.Count}: `tool_use` ids were found without `tool_result` blocks immediately after: {string.Join(", ", open.Keys)}");
        var last = messages[^1];
        Require(last.Get("role").Text() != "assistant" || TextOf(last).TrimEnd() == TextOf(last), "messages: final assistant content cannot end with trailing whitespace");
    }

    /// <param name="open">Calls of the message before that still want their results: id to name.</param>
    private void ReadBlocks(JsonElement message, string path, bool assistant, Dictionary<string, string> open)
    {
        var (at, others) = (0, false);
        var calls = new Dictionary<string, string>();
        foreach (var block in message.Get("content").Items())
        {
            var (type, where) = (block.Get("type").Text(), $"{path}.content.{at++}");
            switch (type)
            {
                case "text":
                    Members(block, where + ".text.", "type text cache_control citations");
                    Require(!string.IsNullOrWhiteSpace(block.Get("text").Text()), "messages: text content blocks must contain non-whitespace text");
                    Prompt.AddText(block.Get("text").Text() ?? "");
                    break;
                case "image" or "document" when !assistant:
                    ReadMedia(block, where, type);
                    break;
                case "tool_use" when assistant:
                    Members(block, where + ".tool_use.", "type id name input cache_control caller");
                    var (id, name) = (block.Get("id").Text() ?? "", block.Get("name").Text() ?? "");
                    Require(ToolId().IsMatch(id), $"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'");
                    Require(block.Get("input").ValueKind == JsonValueKind.Object, $"{where}.tool_use.input: Input should be a valid dictionary");
                    Require(calls.TryAdd(id, name), "messages: `tool_use` ids must be unique");
                    Prompt.AddText(name + (block.Get("input").Exists() ? block.Get("input").GetRawText() : ""));
                    break;
                case "tool_result" when !assistant:
                    Require(!others, $"{where}: `tool_result` blocks must come first in the content of a message");
                    ReadResult(block, where, open);
                    continue;
                case "thinking" when assistant:
                    Members(block, where + ".thinking.", "type thinking signature");
                    Require(block.Get("signature").Text() == Sign(block.Get("thinking").Text() ?? ""), $"{where}: Invalid `signature` in `thinking` block");
                    break;
                case "redacted_thinking" when assistant:
                    Members(block, where + ".redacted_thinking.", "type data");
                    break;
                default:
                    Fail($"{where}: Input tag '{type}' found using 'type' does not match any of the expected tags for this role");
                    break;
            }
            others = true;
        }
        Require(open.Count == 0,
            $"{path}: `tool_use` ids were found without `tool_result` blocks immediately after: {string.Join(", ", open.Keys)}."
            + " Each `tool_use` block must have a corresponding `tool_result` block in the next message.");
        open.Clear();
        foreach (var (id, name) in calls)
            open[id] = name;
    }

    private void ReadResult(JsonElement block, string where, Dictionary<string, string> open)
    {
        Members(block, where + ".tool_result.", "type tool_use_id content is_error cache_control");
        var content = block.Get("content");
        var text = content.Text() ?? string.Join("\n", content.Items().Select(part => part.Get("text").Text()).OfType<string>());
        if (Require(open.Remove(block.Get("tool_use_id").Text() ?? "", out var name),
            $"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {block.Get("tool_use_id").Text()}"))
            Prompt.ToolResults.Add((name!, text));
        Prompt.AddText(text);
    }

    private void ReadMedia(JsonElement block, string where, string type)
    {
        Members(block, $"{where}.{type}.", type == "image" ? "type source cache_control" : "type source title context citations cache_control");
        var source = block.Get("source");
        Members(source, $"{where}.{type}.source.", "type media_type data url file_id content");
        var (kind, mime) = (source.Get("type").Text(), source.Get("media_type").Text() ?? "");
        switch (kind)
        {
            case "base64":
                Require(type == "image" ? mime is "image/jpeg" or "image/png" or "image/gif" or "image/webp" : mime == "application/pdf",
                    $"{where}.{type}.source.base64.media_type: Input is not an allowed media type");
                Require(source.Get("data").ValueKind == JsonValueKind.String && source.Get("data").TryGetBytesFromBase64(out var bytes) && bytes.Length > 0,
                    $"{where}.{type}.source.base64: invalid base64 data");
                break;
            case "text" when type == "document":
                Require(mime == "text/plain", $"{where}.document.source.text.media_type: Input should be 'text/plain'");
                Prompt.AddText(source.Get("data").Text() ?? "");
                break;
            case "url":
                Require(host is null && source.Get("url").Text()?.StartsWith("https://", StringComparison.Ordinal) == true,
                    $"{where}.{type}.source: URL sources are only taken with https, and not on this platform");
                break;
            default:
                Require(kind == "file", $"{where}.{type}.source: Input tag does not match any of the expected tags");
                break;
        }
        Prompt.Media.Add(type == "image" ? "image" : ("file " + block.Get("title").Text()).Trim());
        Prompt.Tokens += type == "image" ? 85 : 300;
    }

    private static string TextOf(JsonElement message) => message.Get("content").Text()
        ?? string.Join("\n", message.Get("content").Items().Where(block => block.Get("type").Text() == "text").Select(block => block.Get("text").Text()));

    [GeneratedRegex("^[a-zA-Z0-9_-]{1,128}$")]
    private static partial Regex ToolName();

    [GeneratedRegex("^[a-zA-Z0-9_-]+$")]
    private static partial Regex ToolId();

    /// <summary>What Amazon puts behind a model's name: <c>-v1:0</c>.</summary>
    [GeneratedRegex("-v[0-9]+(:[0-9]+)?$")]
    private static partial Regex Edition();

    /// <summary>Models that take temperature and top_p together.</summary>
    [GeneratedRegex("claude-3|claude-(opus|sonnet)-4(-0)?([-@][0-9]{8})?$")]
    private static partial Regex FreelySampled();

    /// <summary>Models that take no sampling parameters and no thinking budget.</summary>
    [GeneratedRegex("claude-(opus-4-[78]|(opus|sonnet|haiku)-5)")]
    private static partial Regex Unsampled();

    /// <summary>Models that think by budget only.</summary>
    [GeneratedRegex("claude-3|claude-(opus|sonnet|haiku)-4(-[015])?([-@][0-9]{8}|$)")]
    private static partial Regex Budgeted();
}
