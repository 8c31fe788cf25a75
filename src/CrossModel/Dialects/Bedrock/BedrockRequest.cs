using System.Text;
using System.Text.Json;
using CrossModel.Dialects.Anthropic;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>Translates a chat completion into a Converse request. docs/dialects/bedrock.md says row by row what becomes of each parameter.</summary>
internal sealed class BedrockRequest(BedrockFamily family, ReasoningMemory memory, ClaudeRefusals refused, ChatRequest request, RouteModel route, UpstreamRequest upstream)
{
    private const string NoCalls = "Answer in words. Do not call a tool.";

    private static readonly string[] Efforts = ["low", "medium", "high"];
    private static readonly string[] NestedEfforts = ["none", .. Efforts, "xhigh"];

    /// <summary>High, Nova takes neither a cap nor temperature and top_p.</summary>
    private static readonly string[] CappedNovaEfforts = ["low", "medium"];

    /// <summary>Members of Converse itself: a caller's extra of that name goes there, any other to the model.</summary>
    private static readonly HashSet<string> ConverseMembers = ["guardrailConfig", "performanceConfig", "requestMetadata", "additionalModelResponseFieldPaths", "promptVariables"];

    // What is written here by other means: an extra of the caller's under that name would make the body ambiguous.
    private static readonly HashSet<string> Ours = ["messages", "system", "inferenceConfig", "toolConfig", "outputConfig", "serviceTier", "additionalModelRequestFields"];

    private readonly ClaudeModel _claude = BedrockFamily.ClaudeOf(route);
    private readonly List<UnknownParameter> _extras = [.. request.Unknown.Where(u => route.Forwards(u.Name))];
    private readonly List<(string Name, byte[] Json)> _fields = [];
    private readonly HashSet<string> _hints = [];
    private bool _isHighNova;

    /// <summary>What the caller says of thinking in Claude's own words goes as it is; an effort beside it would only raise the cap.</summary>
    private bool OwnThinking => family.IsClaude && _extras.Exists(u => u.Name == "thinking");

    private bool IsForced => request.Features.HasFlag(ChatFeatures.ForcedTool);

    /// <summary>Writes body and what was ignored; address, headers and credentials are the caller's.</summary>
    public ApiError? Write(WriteOptions options)
    {
        // A schema that the model itself cannot follow becomes a tool, so that fact refuses nothing here.
        if ((Capabilities.Check(request, route.Facts with { StructuredOutput = null }) ?? ChatParts.Refuse(request, "Bedrock")) is { } unfit) return unfit;
        using var conversation = ChatParts.Parse(request, ChatParameter.Messages);
        // Counted once: parsed JSON looks for an element by its number from the first one on.
        JsonElement[] messages = [.. conversation.RootElement.EnumerateArray()];
        using var tools = ChatParts.Parse(request, ChatParameter.Tools);
        using var choice = ChatParts.Parse(request, ChatParameter.ToolChoice);
        using var format = ChatParts.Parse(request, ChatParameter.ResponseFormat);

        var schema = ChatParts.SchemaOf(format.RootElement);
        var hasSchema = schema.ValueKind == JsonValueKind.Object;
        var (isStrict, follows) = family.IsClaude
            ? refused.Schemas.Of(request, route.UpstreamModel, upstream, _claude.StructuredOutput && request.Features.HasFlag(ChatFeatures.StrictTool),
                hasSchema && _claude.StructuredOutput && SchemaSubset.Fits(schema), otherwise: family.Force != ToolForce.None)
            : (false, route.Facts.StructuredOutput ?? family.StructuredOutput);
        if (hasSchema && !follows && !IsForced)
        {
            if (family.Force == ToolForce.None) return ChatParts.Lacks("response_format", ChatParts.NoSchema);
            upstream.ContentTool = AnthropicTools.ContentToolName(tools.RootElement);
        }
        var aliases = new ToolAliases(family.NoHyphens, tools.RootElement);
        var bedrockTools = new BedrockTools(family, _claude with { StructuredOutput = isStrict }, aliases, tools.RootElement, choice.RootElement, upstream.ContentTool, schema);
        if (bedrockTools.Check() is { } unknown) return unknown;
        var history = family.IsClaude ? ThinkingHistory.Of(request, _claude, OwnThinking, messages, options.Account, memory, refused.Thinking) : null;
        var plan = Plan(options, !OwnThinking && ThinkingPlan.MayThink(request, _claude, upstream.ContentTool, messages, history));

        using (var json = new Utf8JsonWriter(upstream.Body, ChatParts.WriterOptions))
        {
            json.WriteStartObject();
            var writer = new BedrockMessages(json, family, aliases, messages, OwnThinking || _claude.KeepsThinking(plan) ? history : null, upstream.Remote, _hints);
            if (writer.Write() is { } refusal) return refusal;
            var parallel = !ChatParts.Is(request, ChatParameter.ParallelToolCalls, "false"u8);
            var mustNotCall = bedrockTools.Write(json, writer.CalledTools, parallel, _fields, _hints);
            if (writer.WriteSystem(InWords(ChatParts.WantsBareJson(request, hasSchema), mustNotCall)) is { } misplaced) return misplaced;
            WriteInference(json, plan, options);
            if (hasSchema && follows && upstream.ContentTool is null) WriteFormat(json, format.RootElement.GetProperty("json_schema"u8), schema);
            WriteTier(json);
            foreach (var extra in _extras.Where(u => ConverseMembers.Contains(u.Name))) json.WriteRaw(extra.Name, extra.Value.In(request.Body));
            WriteFields(json);
            json.WriteEndObject();
        }
        upstream.ToolAliases = aliases.Callers;
        if (upstream.ContentTool is not null && FormatExtras.Describes(format.RootElement)) _hints.Add(FormatExtras.Description);
        _hints.UnionWith(FormatExtras.Names(format.RootElement));
        ChatParts.NoteIgnored(request, upstream, _hints, ChatParts.WithoutCounterpart, sends: u => route.Forwards(u) && !Ours.Contains(u));
        return null;
    }

    /// <summary>What the model has to be told in words; null: nothing.</summary>
    private static string? InWords(bool isBareJson, bool mustNotCall) =>
        isBareJson && mustNotCall ? ChatParts.OnlyJson + " Do not call a tool." : isBareJson ? ChatParts.OnlyJson : mustNotCall ? NoCalls : null;

    /// <summary>What is said of thinking, by family; for all but Claude it goes straight into the model's own fields.</summary>
    private ThinkingPlan Plan(WriteOptions options, bool mayThink)
    {
        if (family.IsClaude)
        {
            var plan = ThinkingPlan.Of(request, _claude, options.CapOutputTokens, mayThink, upstream.Ignored);
            plan.NameLostEffort(request, _extras, upstream.Ignored);
            if (plan.Says == ThinkingPlan.Word.Disabled) Field("thinking", $$"""{"type":"{{_claude.Off}}"}""");
            if (plan.Says == ThinkingPlan.Word.Enabled) Field("thinking", $$"""{"type":"enabled","budget_tokens":{{plan.Budget}}}""");
            if (plan.Says == ThinkingPlan.Word.Adaptive) Field("thinking", _claude.HidesThinking ? """{"type":"adaptive","display":"summarized"}""" : """{"type":"adaptive"}""");
            if (plan.Effort is not null) Field("output_config", $$"""{"effort":"{{plan.Effort}}"}""");
            return plan;
        }
        var cap = request.MaxOutputTokens ?? options.CapOutputTokens ?? 0;
        if (route.Facts.MaxOutputTokens is { } most && cap > most)
        {
            cap = most;
            upstream.Ignored.Add($"max_tokens={most}");
        }
        var none = new ThinkingPlan(ThinkingPlan.Word.Nothing, null, 0, cap);
        if (request.ReasoningEffort is not { } asked) return none;
        var isNone = asked == "none";
        if (family.Thinking == BedrockThinking.Dropped || route.Facts.Reasoning is false || (isNone && family.Thinking == BedrockThinking.Effort))
        {
            upstream.Ignored.Add("reasoning_effort");
            return none;
        }
        var known = family.Thinking switch { BedrockThinking.NestedEffort => NestedEfforts, BedrockThinking.NovaConfig when cap > 0 => CappedNovaEfforts, _ => Efforts };
        var effort = isNone ? asked : Capabilities.Nearest(Capabilities.Nearest(asked, route.Facts.ReasoningEfforts ?? []), known);
        if (effort != asked) upstream.Ignored.Add("reasoning_effort=" + effort);
        if (family.Thinking == BedrockThinking.Effort) Field("reasoning_effort", $"\"{effort}\"");
        else if (family.Thinking == BedrockThinking.NestedEffort) Field("reasoning", $$"""{"effort":"{{effort}}"}""");
        else
        {
            _isHighNova = effort == "high" && !_extras.Exists(u => u.Name == "reasoningConfig");
            Field("reasoningConfig", isNone ? """{"type":"disabled"}""" : $$"""{"type":"enabled","maxReasoningEffort":"{{effort}}"}""");
        }
        return none;
    }

    private void Field(string name, string json) => _fields.Add((name, Encoding.UTF8.GetBytes(json)));

    private void WriteInference(Utf8JsonWriter json, in ThinkingPlan plan, WriteOptions options)
    {
        json.WriteStartObject("inferenceConfig"u8);
        // Nobody asked for a cap: none is invented. The default is the most that the model can, which leaves room for thinking.
        if (request.MaxOutputTokens is not null || options.CapOutputTokens is not null) json.WriteNumber("maxTokens"u8, plan.MaxTokens);
        var isFree = family.Samples && !_isHighNova && (family.IsClaude ? _claude.Samples && !plan.IsOn && !ThinkingPlan.IsOnInOwnWords(request, _extras) : route.Facts.Temperature is not false);
        Sampling.Write(json, request, isFree, !family.IsClaude || _claude.SamplesByBoth, "topP"u8, upstream.Ignored);
        Sampling.WriteStop(json, request, "stopSequences"u8, takesBlank: !family.IsClaude, _hints);
        json.WriteEndObject();
    }

    /// <summary>The schema goes out as a string that holds JSON.</summary>
    private void WriteFormat(Utf8JsonWriter json, JsonElement named, JsonElement schema)
    {
        json.WriteStartObject("outputConfig"u8);
        json.WriteStartObject("textFormat"u8);
        json.WriteString("type"u8, "json_schema"u8);
        json.WriteStartObject("structure"u8);
        json.WriteStartObject("jsonSchema"u8);
        foreach (var name in (ReadOnlySpan<string>)["name", "description"])
        {
            if (named.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && !value.ValueEquals(""u8)) json.WriteRaw(name, value);
        }
        using var text = new PooledBuffer();
        using (var inner = new Utf8JsonWriter(text, ChatParts.WriterOptions))
        {
            if (family.IsClaude) SchemaSubset.Write(inner, schema);
            else schema.WriteTo(inner);
        }
        json.WriteString("schema"u8, text.Span);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private void WriteTier(Utf8JsonWriter json)
    {
        if (TierOf(request, _hints) is not { } tier) return;
        json.WriteStartObject("serviceTier"u8);
        json.WriteString("type"u8, tier);
        json.WriteEndObject();
    }

    /// <summary>Null: there is nothing to say.</summary>
    /// <param name="ignored">Takes the parameter's name where its value has no counterpart.</param>
    public static string? TierOf(ChatRequest request, ICollection<string> ignored)
    {
        if (!request.Has(ChatParameter.ServiceTier) || ChatParts.Is(request, ChatParameter.ServiceTier, "\"auto\""u8)) return null;
        var tier = Encoding.UTF8.GetString(request.Value(ChatParameter.ServiceTier).In(request.Body)).Trim('"');
        if (tier is "default" or "flex" or "priority" or "reserved") return tier;
        ignored.Add("service_tier");
        return null;
    }

    private void WriteFields(Utf8JsonWriter json)
    {
        var own = _extras.FindAll(u => !ConverseMembers.Contains(u.Name) && !Ours.Contains(u.Name));
        if (_fields.Count == 0 && own.Count == 0) return;
        json.WriteStartObject("additionalModelRequestFields"u8);
        // What the caller says in the model's own words wins over what we make of the rest.
        foreach (var (name, value) in _fields.Where(f => !own.Exists(u => u.Name == f.Name))) json.WriteRaw(name, value);
        foreach (var extra in own) json.WriteRaw(extra.Name, extra.Value.In(request.Body));
        json.WriteEndObject();
    }
}
