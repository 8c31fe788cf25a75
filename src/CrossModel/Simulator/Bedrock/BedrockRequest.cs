using System.Text.Json;
using System.Text.RegularExpressions;

namespace CrossModel.Simulator;

/// <summary>Reads and judges a Converse request as Bedrock does: no extraneous keys, roles that alternate, no blank text, tools declared where history has them.</summary>
internal sealed partial class BedrockRequest(Prompt prompt) : StrictReader(prompt)
{
    private static readonly (string Kind, string Formats, int Tokens)[] Media =
    [
        ("image", "png jpeg gif webp", 85),
        ("document", "pdf csv doc docx xls xlsx html txt md", 300),
        ("video", "mkv mov mp4 webm flv mpeg mpg wmv three_gp", 500),
        ("audio", "mp3 wav opus aac flac mp4 ogg mkv mka x-aac m4a mpeg mpga pcm webm", 50),
    ];

    private readonly HashSet<string> _documents = [];
    private bool _toolsInHistory;
    private bool _thinks;

    protected override string UnknownMember(string path, string name) =>
        $"Malformed input request: #{path}: extraneous key [{name}] is not permitted, please reformat your input and try again.";

    private bool IsClaude => Prompt.Model.Contains("anthropic", StringComparison.Ordinal);

    public void Read(JsonElement body)
    {
        var messages = body.Get("messages").Items().ToList();
        Prompt.UserText = string.Join("\n", messages.Where(message => message.Get("role").Text() == "user").Select(TextOf).LastOrDefault(text => text.Length > 0, ""));
        Members(body, "", "messages system inferenceConfig toolConfig additionalModelRequestFields additionalModelResponseFieldPaths guardrailConfig outputConfig"
            + " performanceConfig promptVariables requestMetadata serviceTier");
        ReadLimits(body);
        ReadTools(body.Get("toolConfig"));
        ReadFormat(body.Get("outputConfig"));
        foreach (var block in body.Get("system").Items())
        {
            Members(block, "/system", "text guardContent cachePoint");
            Require(block.Get("cachePoint").Exists() || !string.IsNullOrWhiteSpace(block.Get("text").Text()), "The text field in the SystemContentBlock object is blank.");
            Prompt.AddText(block.Get("text").Text() ?? "");
        }
        if (Require(messages.Count > 0, "The messages field is required."))
            ReadMessages(messages);
        Require(!_toolsInHistory || body.Get("toolConfig").Exists(), "The toolConfig field must be defined when using toolUse and toolResult content blocks.");
    }

    private void ReadLimits(JsonElement body)
    {
        var config = body.Get("inferenceConfig");
        Members(config, "/inferenceConfig", "maxTokens temperature topP stopSequences");
        Range(config, "temperature", "inferenceConfig.temperature", 0, 1);
        Range(config, "topP", "inferenceConfig.topP", 0, 1);
        Range(config, "maxTokens", "inferenceConfig.maxTokens", 1, int.MaxValue);
        Prompt.MaxTokens = config.Get("maxTokens").Int();
        Prompt.Stop.AddRange(config.Get("stopSequences").Items().Select(stop => stop.Text() ?? ""));
        Require(!Prompt.Stop.Any(string.IsNullOrWhiteSpace) || !IsClaude, "stop_sequences: each stop sequence must contain non-whitespace");
        Require(!(IsClaude && config.Get("temperature").Exists() && config.Get("topP").Exists()) || Prompt.Model.Contains("claude-3", StringComparison.Ordinal),
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.");
        foreach (var member in body.Get("requestMetadata").Members())
            Require(member.Value.ValueKind == JsonValueKind.String, "requestMetadata: values must be strings");
        var fields = body.Get("additionalModelRequestFields");
        Prompt.ParallelCalls = !fields.Get("tool_choice").Get("disable_parallel_tool_use").IsTrue();
        var thinking = fields.Get("thinking");
        _thinks = thinking.Get("type").Text() is "enabled" or "adaptive";
        Prompt.Reasons = _thinks || (fields.Get("reasoning_effort").Text() ?? "none") != "none" || fields.Get("reasoningConfig").Get("type").Text() == "enabled"
            || Prompt.Model.Contains("reason", StringComparison.OrdinalIgnoreCase);
        if (!_thinks)
            return;
        Require(thinking.Get("type").Text() != "enabled" || (thinking.Get("budget_tokens").Int() is >= 1024 and var budget && budget < (Prompt.MaxTokens ?? int.MaxValue)),
            "`max_tokens` must be greater than `thinking.budget_tokens`, which must be at least 1024.");
        Require(config.Get("temperature").Number() is null or 1, "`temperature` may only be set to 1 when thinking is enabled.");
    }

    private void ReadTools(JsonElement config)
    {
        Members(config, "/toolConfig", "tools toolChoice");
        Require(!config.Exists() || config.Get("tools").Items().Any(), "The toolConfig.tools field must have at least one tool.");
        foreach (var tool in config.Get("tools").Items())
        {
            Members(tool, "/toolConfig/tools", "toolSpec cachePoint systemTool");
            var spec = tool.Get("toolSpec");
            if (!spec.Exists())
                continue;
            var (name, schema) = (spec.Get("name").Text() ?? "", spec.Get("inputSchema").Get("json"));
            Members(spec, "/toolConfig/tools/toolSpec", "name description inputSchema strict");
            Require(Name().IsMatch(name), "toolConfig.tools.member.toolSpec.name failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+");
            Require(spec.Get("description").Text() is not "",
                "toolConfig.tools.member.toolSpec.description failed to satisfy constraint: Member must have length greater than or equal to 1");
            Require(schema.Get("type").Text() == "object", "The value at toolConfig.tools.toolSpec.inputSchema.json.type must be one of the following: object.");
            Prompt.Tools.Add(new ToolOffer(name, schema));
            Prompt.Tokens += Tokens.Count(spec.GetRawText());
        }
        var choice = config.Get("toolChoice");
        Members(choice, "/toolConfig/toolChoice", "auto any tool");
        Require(!choice.Exists() || choice.Members().Count() == 1, "toolChoice must be set to exactly one of auto, any, tool.");
        Prompt.ToolChoiceName = choice.Get("tool").Get("name").Text();
        Prompt.ToolChoice = choice.Get("any").Exists() ? ToolChoice.Required : choice.Get("tool").Exists() ? ToolChoice.Named : ToolChoice.Auto;
        Require(Prompt.ToolChoice != ToolChoice.Named || Prompt.Tools.Any(tool => tool.Name == Prompt.ToolChoiceName), "toolChoice names a tool that is not in toolConfig.tools.");
        Require(!_thinks || Prompt.ToolChoice == ToolChoice.Auto, "Thinking may not be enabled when tool_choice forces tool use.");
    }

    private void ReadFormat(JsonElement output)
    {
        Members(output, "/outputConfig", "textFormat effort");
        var format = output.Get("textFormat");
        var structure = format.Get("structure").Get("jsonSchema");
        Members(structure, "/outputConfig/textFormat/structure/jsonSchema", "schema name description");
        if (!format.Exists()
            || !Require(format.Get("type").Text() == "json_schema" && structure.Get("schema").Text() is not null,
                "outputConfig.textFormat.structure.jsonSchema.schema must be a JSON string."))
        {
            return;
        }
        var schema = JsonParts.Parse(System.Text.Encoding.UTF8.GetBytes(structure.Get("schema").Text()!));
        if (Require(schema is not null, "outputConfig.textFormat.structure.jsonSchema.schema is not valid JSON."))
            (Prompt.WantsJson, Prompt.JsonSchema) = (true, schema!.RootElement.Clone());
        schema?.Dispose();
    }

    private void ReadMessages(List<JsonElement> messages)
    {
        var open = new Dictionary<string, string>();
        for (var i = 0; i < messages.Count; i++)
        {
            var role = messages[i].Get("role").Text();
            var blocks = messages[i].Get("content").Items().ToList();
            Members(messages[i], $"/messages/{i}", "role content");
            Require(role is "user" or "assistant", "messages.member.role failed to satisfy constraint: Member must satisfy enum value set: [user, assistant]");
            Require(i > 0 || role == "user", "A conversation must start with a user message. Try again with a conversation that starts with a user message.");
            Require(i == 0 || messages[i - 1].Get("role").Text() != role,
                $"A conversation must alternate between user and assistant roles. Make sure the conversation alternates at messages.{i}.");
            Require(blocks.Count > 0, $"The content field in the Message object at messages.{i} is empty. Add a ContentBlock object to the content field and try again.");
            Prompt.Tokens += 4;
            Prompt.ToolResults.Clear();
            if (_thinks && IsClaude && role == "assistant" && i == messages.Count - 2 && blocks.Any(block => block.Get("toolUse").Exists()))
                Require(blocks[0].Get("reasoningContent").Exists(), $"messages.{i}.content.0.type: Expected `thinking` or `redacted_thinking`, but found another block.");
            ReadBlocks(blocks, i, role == "assistant", open);
        }
        Require(open.Count == 0, $"Expected toolResult blocks at messages.{messages.Count}.content for the following Ids: {string.Join(", ", open.Keys)}");
        Require(!IsClaude || messages[^1].Get("role").Text() != "assistant" || TextOf(messages[^1]).TrimEnd() == TextOf(messages[^1]),
            "messages: final assistant content cannot end with trailing whitespace");
    }

    private void ReadBlocks(List<JsonElement> blocks, int message, bool assistant, Dictionary<string, string> open)
    {
        var (calls, others) = (new Dictionary<string, string>(), false);
        for (var i = 0; i < blocks.Count; i++)
        {
            var (block, path, where) = (blocks[i], $"/messages/{message}/content/{i}", $"messages.{message}.content.{i}");
            Members(block, path, "text image document video audio toolUse toolResult guardContent cachePoint reasoningContent citationsContent searchResult");
            Require(block.Members().Count() == 1,
                $"ContentBlock object at {where} must set one of the following keys: text, image, toolUse, toolResult, document, video, cachePoint, reasoningContent.");
            if (block.Get("toolResult") is { ValueKind: JsonValueKind.Object } result
                && Require(!assistant && !(others && IsClaude), $"toolResult blocks must come first, in a user message, at {where}."))
            {
                ReadResult(result, path, where, open);
                continue;
            }
            others = true;
            if (block.Get("toolUse") is { ValueKind: JsonValueKind.Object } call && Require(assistant, $"toolUse block is not allowed at {where}."))
            {
                var (id, name) = (call.Get("toolUseId").Text() ?? "", call.Get("name").Text() ?? "");
                Members(call, path + "/toolUse", "toolUseId name input type");
                Require(Name().IsMatch(id) && Name().IsMatch(name), $"{where}.toolUse: toolUseId and name must satisfy regular expression pattern: [a-zA-Z0-9_-]{{1,64}}");
                Require(call.Get("input").ValueKind == JsonValueKind.Object,
                    $"The format of the value at {where}.toolUse.input is invalid. Provide a json object for the field and try again.");
                Require(calls.TryAdd(id, name), $"The toolUse blocks at messages.{message}.content contain duplicate Ids: {id}");
                _toolsInHistory = true;
                Prompt.AddText(name + (call.Get("input").Exists() ? call.Get("input").GetRawText() : ""));
            }
            else
                ReadOther(block, path, where, assistant);
        }
        Require(open.Count == 0, $"Expected toolResult blocks at messages.{message}.content for the following Ids: {string.Join(", ", open.Keys)}");
        Require(!blocks.Any(block => block.Get("document").Exists()) || blocks.Any(block => block.Get("text").Exists() || block.Get("toolResult").Exists()),
            $"messages.{message}.content must include a text block when it has documents.");
        open.Clear();
        foreach (var (id, name) in calls)
            open[id] = name;
    }

    private void ReadResult(JsonElement result, string path, string where, Dictionary<string, string> open)
    {
        Members(result, path + "/toolResult", "toolUseId content status type");
        _toolsInHistory = true;
        Require(result.Get("status").Text() is null or "success" or "error", $"{where}.toolResult.status must be success or error.");
        foreach (var part in result.Get("content").Items())
        {
            Members(part, path + "/toolResult/content", "text json image document video searchResult");
            Require(part.Get("json").ValueKind is JsonValueKind.Undefined or JsonValueKind.Object,
                $"The format of the value at {where}.toolResult.content.0.json is invalid. Provide a json object for the field and try again.");
        }
        var text = string.Join("\n", result.Get("content").Items().Select(part => part.Get("text").Text() ?? (part.Get("json").Exists() ? part.Get("json").GetRawText() : "")));
        Prompt.AddText(text);
        if (Require(open.Remove(result.Get("toolUseId").Text() ?? "", out var name),
            $"The number of toolResult blocks at {where} exceeds the number of toolUse blocks of previous turn."))
        {
            Prompt.ToolResults.Add((name!, text));
        }
    }

    private void ReadOther(JsonElement block, string path, string where, bool assistant)
    {
        if (block.Get("text") is { ValueKind: JsonValueKind.String } text)
        {
            Require(!string.IsNullOrWhiteSpace(text.GetString()), $"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try again.");
            Prompt.AddText(text.GetString()!);
        }
        var thought = block.Get("reasoningContent").Get("reasoningText");
        Members(block.Get("reasoningContent"), path + "/reasoningContent", "reasoningText redactedContent");
        Members(thought, path + "/reasoningContent/reasoningText", "text signature");
        Require(!thought.Exists() || !IsClaude || thought.Get("signature").Text() == AnthropicRequest.Sign(thought.Get("text").Text() ?? ""),
            $"{where}: Invalid `signature` in `thinking` block");
        foreach (var (kind, formats, tokens) in Media)
        {
            var media = block.Get(kind);
            if (!media.Exists())
                continue;
            var (format, source) = (media.Get("format").Text() ?? "", media.Get("source"));
            Members(media, $"{path}/{kind}", kind == "document" ? "format name source context citations" : "format source");
            Members(source, $"{path}/{kind}/source", "bytes s3Location text content");
            Require(!assistant, $"{kind} blocks are only allowed in user messages, at {where}.");
            Require(formats.Split(' ').Contains(format), $"{where}.{kind}.format failed to satisfy constraint: Member must satisfy enum value set: [{formats}]");
            Require(source.Get("bytes").ValueKind == JsonValueKind.String ? source.Get("bytes").TryGetBytesFromBase64(out var bytes) && bytes.Length > 0 : source.Exists(),
                $"{where}.{kind}.source.bytes is not valid base64.");
            if (kind == "document")
            {
                var name = media.Get("name").Text() ?? "";
                Require(DocumentName().IsMatch(name) && !name.Contains("  ", StringComparison.Ordinal),
                    "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets."
                    + " The name can't contain more than one consecutive whitespace character.");
                Require(_documents.Add(name), "Documents must have different names.");
            }
            Prompt.Media.Add(kind == "document" ? "file " + media.Get("name").Text() : kind);
            Prompt.Tokens += tokens;
        }
    }

    private static string TextOf(JsonElement message) => string.Join("\n", message.Get("content").Items().Select(block => block.Get("text").Text()).OfType<string>());

    [GeneratedRegex("^[a-zA-Z0-9_-]{1,64}$")]
    private static partial Regex Name();

    [GeneratedRegex(@"^[a-zA-Z0-9\s()\[\]-]{1,200}$")]
    private static partial Regex DocumentName();
}
