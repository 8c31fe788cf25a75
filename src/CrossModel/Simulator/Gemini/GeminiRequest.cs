using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace CrossModel.Simulator;

/// <summary>
/// Reads and judges a generateContent request as Google does: no unknown name anywhere, results that match their calls, signatures on
/// the calls of Gemini 3, and on Vertex AI no ids.
/// </summary>
internal sealed partial class GeminiRequest(Prompt prompt, bool vertex) : StrictReader(prompt)
{
    private const string SkipMarker = "skip_thought_signature_validator";
    private const string SchemaNames = "type format title description nullable enum items minItems maxItems properties required propertyOrdering minProperties"
        + " maxProperties minimum maximum minLength maxLength pattern example anyOf default";

    public bool IncludesThoughts { get; private set; }

    /// <summary>Gemini 3 and newer: signatures are not optional.</summary>
    public bool Signs => Newest().IsMatch(Prompt.Model);

    protected override string UnknownMember(string path, string name) =>
        $"Invalid JSON payload received. Unknown name \"{name}\"{(path.Length == 0 ? "" : $" at '{path}'")}: Cannot find field.";

    /// <summary>Names may be written camelCase or snake_case.</summary>
    protected override string Canonical(string name) => Underscore().Replace(name, letter => letter.Groups[1].Value.ToUpperInvariant());

    /// <summary>What the simulator puts on a call; of another host it is a forgery.</summary>
    public static string Sign(bool vertex, string name) => Convert.ToBase64String(Encoding.UTF8.GetBytes($"simulated {(vertex ? "vertex" : "gemini")} thought of {name}"));

    public void Read(JsonElement body, bool streams)
    {
        var contents = body.Get("contents").Items().ToList();
        Prompt.Stream = streams;
        Prompt.UserText = string.Join("\n", contents.Where(IsRealUser)
            .Select(content => string.Join("\n", Parts(content).Select(part => part.Get("text").Text()).OfType<string>()))
            .LastOrDefault(text => text.Length > 0, ""));
        Members(body, "",
            "contents tools toolConfig safetySettings systemInstruction generationConfig cachedContent" + (vertex ? " labels modelArmorConfig" : " serviceTier store"));
        Require(contents.Count > 0, "* GenerateContentRequest.contents: contents is not specified");
        ReadGeneration(Get(body, "generationConfig"));
        ReadTools(body);
        var system = Get(body, "systemInstruction");
        Members(system, "system_instruction", "role parts");
        foreach (var part in Parts(system))
            ReadPart(part, "system_instruction.parts");
        var open = new List<string>();
        var lastReal = contents.FindLastIndex(IsRealUser);
        for (var i = 0; i < contents.Count; i++)
            ReadContent(contents[i], $"contents[{i}]", open, mustBeSigned: Signs && i > lastReal);
        if (!Prompt.WantsJson || Prompt.Tools.Count == 0)
            return;
        Require(!Prompt.Model.Contains("gemini-2", StringComparison.Ordinal), "Function calling with a response mime type: 'application/json' is unsupported");
    }

    private static JsonElement Get(JsonElement element, string name) =>
        element.Get(name) is { ValueKind: not JsonValueKind.Undefined } value
            ? value
            : element.Get(string.Concat(name.Select(letter => char.IsUpper(letter) ? "_" + char.ToLowerInvariant(letter) : letter.ToString())));

    private static IEnumerable<JsonElement> Parts(JsonElement content) => content.Get("parts").Items();

    private static bool IsRealUser(JsonElement content) =>
        content.Get("role").Text() is "user" or null && !Parts(content).Any(part => Get(part, "functionResponse").Exists());

    /// <param name="open">Names of the calls that the content before made and that want results.</param>
    private void ReadContent(JsonElement content, string path, List<string> open, bool mustBeSigned)
    {
        var (role, parts) = (content.Get("role").Text() ?? "user", Parts(content).ToList());
        Prompt.Tokens += 4;
        Members(content, path, "role parts");
        Require(role is "user" or "model", "Please use a valid role: user, model.");
        Require(parts.Count > 0, $"* GenerateContentRequest.{path}.parts: contents.parts must not be empty.");
        for (var i = 0; i < parts.Count; i++)
            ReadPart(parts[i], $"{path}.parts[{i}]");
        var results = parts.Select(part => Get(part, "functionResponse")).Where(result => result.Exists()).ToList();
        Require(results.Count == open.Count && results.Select(result => result.Get("name").Text()).Order().SequenceEqual(open.Order()),
            "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.");
        open.Clear();
        Prompt.ToolResults.Clear();
        foreach (var result in results)
            Prompt.ToolResults.Add((result.Get("name").Text() ?? "", result.Get("response").Exists() ? result.Get("response").GetRawText() : ""));
        var calls = parts.Where(part => Get(part, "functionCall").Exists()).ToList();
        if (calls.Count == 0)
            return;
        Require(role == "model", "Please ensure that function call parts come in a turn of the model.");
        open.AddRange(calls.Select(part => Get(part, "functionCall").Get("name").Text() ?? ""));
        var signature = Get(calls[0], "thoughtSignature").Text();
        if (mustBeSigned)
            Require(signature is not null,
                $"Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly. Function call `{open[0]}`, position 1.");
        Require(signature is null or SkipMarker || signature == Sign(vertex, open[0]), "Corrupted thought signature.");
    }

    private void ReadPart(JsonElement part, string path)
    {
        Members(part, path, "text inlineData fileData functionCall functionResponse thought thoughtSignature mediaResolution videoMetadata executableCode codeExecutionResult");
        var (call, result, inline, file) = (Get(part, "functionCall"), Get(part, "functionResponse"), Get(part, "inlineData"), Get(part, "fileData"));
        var text = part.Get("text").Text();
        Require(new[] { text is not null, call.Exists(), result.Exists(), inline.Exists(), file.Exists() }.Count(set => set) == 1
            || part.Get("executableCode").Exists() || part.Get("codeExecutionResult").Exists(), $"* {path}.data: required oneof field 'data' must have one initialized field");
        Require(text is not "" || Get(part, "thoughtSignature").Exists(), $"Unable to submit request because {path} must have a text parameter.");
        // Vertex AI does not know ids, on either side.
        Members(call, path + ".function_call", "name args partialArgs willContinue" + (vertex ? "" : " id"));
        Members(result, path + ".function_response", "name response parts willContinue scheduling" + (vertex ? "" : " id"));
        Members(inline, path + ".inline_data", "mimeType data displayName");
        Members(file, path + ".file_data", "mimeType fileUri displayName");
        Require(!call.Exists() || call.Get("args").ValueKind is JsonValueKind.Object or JsonValueKind.Undefined,
            $"Invalid value at '{path}.function_call.args' (type.googleapis.com/google.protobuf.Struct)");
        Require(!result.Exists() || (result.Get("name").Text() is { Length: > 0 } && result.Get("response").ValueKind == JsonValueKind.Object),
            $"Invalid value at '{path}.function_response.response' (type.googleapis.com/google.protobuf.Struct)");
        Prompt.AddText(text ?? "");
        if (call.Exists() || result.Exists())
            Prompt.AddText((call.Exists() ? call : result).GetRawText());
        if (!inline.Exists() && !file.Exists())
            return;
        var mime = Get(inline.Exists() ? inline : file, "mimeType").Text() ?? "";
        Require(mime.Contains('/', StringComparison.Ordinal), $"Unable to submit request because {path} must have a mimeType parameter.");
        Require(!inline.Exists() || IsBase64(inline.Get("data").Text()), $"Invalid value at '{path}.inline_data.data' (TYPE_BYTES), Base64 decoding failed");
        Prompt.Media.Add(mime.Split('/')[0] is "image" or "audio" or "video" ? mime.Split('/')[0] : "file " + mime);
        Prompt.Tokens += mime.Split('/')[0] switch { "image" => 85, "audio" => 50, "video" => 500, _ => 300 };
    }

    /// <summary>Either alphabet, padded or not.</summary>
    private static bool IsBase64(string? text) => text is { Length: > 0 }
        && text.TrimEnd('=').All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '+' or '/' or '-' or '_') && text.TrimEnd('=').Length % 4 != 1;

    private void ReadGeneration(JsonElement config)
    {
        Members(config, "generation_config", "stopSequences responseMimeType responseSchema responseJsonSchema responseModalities candidateCount maxOutputTokens temperature topP topK"
            + " seed presencePenalty frequencyPenalty responseLogprobs logprobs enableEnhancedCivicAnswers"
            + " speechConfig thinkingConfig imageConfig mediaResolution audioTimestamp routingConfig modelSelectionConfig");
        Range(config, "temperature", "generation_config.temperature", 0, 2);
        Range(config, "topP", "generation_config.top_p", 0, 1);
        Range(config, "seed", "generation_config.seed", int.MinValue, int.MaxValue);
        Range(config, "candidateCount", "generation_config.candidate_count", 1, 8);
        Range(config, "maxOutputTokens", "generation_config.max_output_tokens", 1, int.MaxValue);
        Range(config, "logprobs", "generation_config.logprobs", 0, 20);
        Prompt.MaxTokens = Get(config, "maxOutputTokens").Int();
        Prompt.Candidates = Get(config, "candidateCount").Int() ?? 1;
        Require(Prompt.Candidates == 1 || !Prompt.Stream, "Multiple candidates is not enabled for streaming requests.");
        Prompt.Stop.AddRange(Get(config, "stopSequences").Items().Select(stop => stop.Text() ?? "").Where(stop => stop.Length > 0));
        Require(Prompt.Stop.Count <= 5, "The number of stop sequences must be at most 5.");
        var (schema, jsonSchema) = (Get(config, "responseSchema"), Get(config, "responseJsonSchema"));
        Prompt.WantsJson = Get(config, "responseMimeType").Text() == "application/json";
        Prompt.JsonSchema = jsonSchema.Exists() ? jsonSchema : schema;
        Require(!(schema.Exists() && jsonSchema.Exists()), "Only one of response_schema and response_json_schema may be set.");
        Require(Prompt.WantsJson || !Prompt.JsonSchema.Exists(), "response schema requires response_mime_type 'application/json'.");
        CheckSchema(schema, "generation_config.response_schema");
        var thinking = Get(config, "thinkingConfig");
        var (budget, level) = (Get(thinking, "thinkingBudget"), Get(thinking, "thinkingLevel"));
        Members(thinking, "generation_config.thinking_config", "includeThoughts thinkingBudget thinkingLevel");
        Require(!(budget.Exists() && level.Exists()), "You can only set only one of thinking budget and thinking level.");
        Require(!level.Exists() || !Prompt.Model.Contains("gemini-2", StringComparison.Ordinal), "Thinking level is not supported for this model.");
        Require(level.Text()?.ToUpperInvariant() is null or "MINIMAL" or "LOW" or "MEDIUM" or "HIGH", "Invalid value at 'generation_config.thinking_config.thinking_level'");
        Require(budget.Int() != 0 || !Prompt.Model.Contains("2.5-pro", StringComparison.Ordinal), "Budget 0 is invalid. This model only works in thinking mode.");
        IncludesThoughts = Get(thinking, "includeThoughts").IsTrue();
        Prompt.Reasons = (thinking.Exists() && budget.Int() != 0) || Prompt.Model.Contains("reason", StringComparison.OrdinalIgnoreCase);
    }

    private void ReadTools(JsonElement body)
    {
        var tools = body.Get("tools");
        Require(tools.ValueKind != JsonValueKind.Array || tools.GetArrayLength() > 0, "tools: at least one tool is needed");
        foreach (var tool in tools.Items())
        {
            Members(tool, "tools[0]",
                "functionDeclarations googleSearch googleSearchRetrieval codeExecution urlContext googleMaps computerUse fileSearch retrieval enterpriseWebSearch");
            foreach (var declaration in Get(tool, "functionDeclarations").Items())
                ReadDeclaration(declaration, $"tools[0].function_declarations[{Prompt.Tools.Count}]");
        }
        var choice = Get(Get(body, "toolConfig"), "functionCallingConfig");
        Members(Get(body, "toolConfig"), "tool_config", "functionCallingConfig retrievalConfig includeServerSideToolInvocations");
        Members(choice, "tool_config.function_calling_config", "mode allowedFunctionNames streamFunctionCallArguments");
        var (mode, allowed) = (choice.Get("mode").Text()?.ToUpperInvariant(), Get(choice, "allowedFunctionNames").Items().Select(name => name.Text()).ToList());
        Require(mode is null or "MODE_UNSPECIFIED" or "AUTO" or "ANY" or "NONE" or "VALIDATED", "Invalid value at 'tool_config.function_calling_config.mode'");
        Require(allowed.Count == 0 || mode is "ANY" or "VALIDATED", "Function calling config is set without mode ANY, but allowed_function_names is set.");
        Require(allowed.All(name => Prompt.Tools.Any(tool => tool.Name == name)), "allowed_function_names has a name that is not among the function declarations.");
        Prompt.ToolChoice = mode switch { "NONE" => ToolChoice.None, "ANY" => allowed.Count == 1 ? ToolChoice.Named : ToolChoice.Required, _ => ToolChoice.Auto };
        Prompt.ToolChoiceName = allowed.FirstOrDefault();
    }

    private void ReadDeclaration(JsonElement declaration, string path)
    {
        var (name, parameters, schema) = (declaration.Get("name").Text() ?? "", declaration.Get("parameters"), Get(declaration, "parametersJsonSchema"));
        Members(declaration, path, "name description parameters parametersJsonSchema response responseJsonSchema behavior");
        Require(FunctionName().IsMatch(name), $"Invalid function name. Must start with a letter or an underscore. At {path}.name");
        Require(Prompt.Tools.All(tool => tool.Name != name), $"Duplicate function declaration found: {name}");
        Require(!(parameters.Exists() && schema.Exists()), $"{path}: only one of parameters and parameters_json_schema may be set.");
        Require(!Older().IsMatch(Prompt.Model) || parameters.Get("type").Text()?.ToUpperInvariant() != "OBJECT"
            || parameters.Get("properties").Members().Any(),
            $"{path}.parameters.properties: should be non-empty for OBJECT type");
        CheckSchema(parameters, path + ".parameters");
        Prompt.Tools.Add(new ToolOffer(name, schema.Exists() ? schema : parameters));
        Prompt.Tokens += Tokens.Count(declaration.GetRawText());
    }

    /// <summary>The OpenAPI subset: anything of JSON Schema beyond it is an unknown name.</summary>
    private void CheckSchema(JsonElement schema, string path)
    {
        if (!schema.Exists())
            return;
        Members(schema, path, SchemaNames);
        Require(schema.Get("type").ValueKind is JsonValueKind.String or JsonValueKind.Undefined, $"Proto field is not repeating, cannot start list. At '{path}.type'");
        Require(schema.Get("enum").Items().All(value => value.ValueKind == JsonValueKind.String), $"Invalid value at '{path}.enum' (TYPE_STRING)");
        foreach (var property in schema.Get("properties").Members())
            CheckSchema(property.Value, $"{path}.properties[{property.Name}].value");
        Require(schema.Get("required").Items().All(name => schema.Get("properties").Get(name.Text() ?? "").Exists()), $"{path}.required: property is not defined");
        CheckSchema(schema.Get("items"), path + ".items");
        foreach (var option in schema.Get("anyOf").Items())
            CheckSchema(option, path + ".any_of");
    }

    [GeneratedRegex("_([a-z])")]
    private static partial Regex Underscore();

    [GeneratedRegex("^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$")]
    private static partial Regex FunctionName();

    /// <summary>Models that want at least one property.</summary>
    [GeneratedRegex(@"gemini-(1|2\.0)")]
    private static partial Regex Older();

    [GeneratedRegex("gemini-([3-9]|[1-9][0-9])")]
    private static partial Regex Newest();
}
