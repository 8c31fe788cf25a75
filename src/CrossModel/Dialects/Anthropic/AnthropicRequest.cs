using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>Translates a chat completion into a Messages request. docs/dialects/anthropic.md says row by row what becomes of each parameter.</summary>
internal sealed class AnthropicRequest(AnthropicForm form, ReasoningMemory memory, ClaudeRefusals refused, ChatRequest request, RouteModel route, UpstreamRequest upstream)
{
    /// <summary>A plain call that may write more than this takes longer than ten minutes, which the API does not hold a connection for: it is streamed and collected.</summary>
    private const long LongestPlain = 21_333;

    private const string NoSuchSchema = "This model is held to schemas of closed objects only: none with a map, with a reference back to itself, with prefixItems, patternProperties or if.";

    // What is written here by other means: an extra of the caller's under that name would make the body ambiguous.
    private static readonly HashSet<string> Ours = ["model", "messages", "system", "max_tokens", "stop_sequences", "metadata", "anthropic_version", "stream"];

    private static readonly ChatParameter[] WithoutCounterpart = [.. ChatParts.WithoutCounterpart.Except([ChatParameter.SafetyIdentifier, ChatParameter.User])];

    private readonly ClaudeModel _model = form.FollowsSchemas ? ClaudeModel.Of(route.UpstreamModel, route.Facts) : ClaudeModel.Of(route.UpstreamModel, route.Facts) with { StructuredOutput = false };
    private readonly List<UnknownParameter> _extras = [.. request.Unknown.Where(u => route.Forwards(u.Name))];
    private readonly HashSet<string> _hints = [];

    /// <summary>What the caller says of thinking in Claude's own words goes as it is; an effort beside it would only raise the cap.</summary>
    private bool OwnThinking => _extras.Exists(u => u.Name == "thinking");

    private bool OwnOutput => _extras.Exists(u => u.Name == "output_config");

    private bool IsForced => request.Features.HasFlag(ChatFeatures.ForcedTool);

    /// <summary>Writes body, stream and what was ignored; address, headers and credentials are the caller's.</summary>
    public ApiError? Write(WriteOptions options)
    {
        // A schema that the model itself cannot follow becomes a tool, so that fact refuses nothing here.
        if ((Capabilities.Check(request, route.Facts with { StructuredOutput = null }) ?? ChatParts.Refuse(request, "Claude")) is { } unfit) return unfit;
        using var conversation = ChatParts.Parse(request, ChatParameter.Messages);
        // Counted once: parsed JSON looks for an element by its number from the first one on.
        JsonElement[] messages = [.. conversation.RootElement.EnumerateArray()];
        using var tools = ChatParts.Parse(request, ChatParameter.Tools);
        using var choice = ChatParts.Parse(request, ChatParameter.ToolChoice);
        using var format = ChatParts.Parse(request, ChatParameter.ResponseFormat);
        if (AnthropicTools.Check(tools.RootElement, choice.RootElement, "Claude calls") is { } unknown) return unknown;
        if (IsForced && !_model.TakesForcedTools) return AnthropicTools.CannotForce();

        var schema = ChatParts.SchemaOf(format.RootElement);
        var hasSchema = schema.ValueKind == JsonValueKind.Object;
        // A tool takes any schema: what is refused of strict ones is no loss there.
        var (isStrict, followsSchema) = refused.Schemas.Of(request, route.UpstreamModel, upstream, _model.StructuredOutput && request.Features.HasFlag(ChatFeatures.StrictTool),
            hasSchema && _model.StructuredOutput && SchemaSubset.Fits(schema), otherwise: _model.TakesForcedTools);
        if (hasSchema && !followsSchema && !_model.TakesForcedTools) return ChatParts.Lacks("response_format", _model.StructuredOutput ? NoSuchSchema : ChatParts.NoSchema);
        upstream.ContentTool = hasSchema && !followsSchema && !IsForced ? AnthropicTools.ContentToolName(tools.RootElement) : null;
        var history = ThinkingHistory.Of(request, _model, OwnThinking, messages, options.Account, memory, refused.Thinking);
        var mayThink = !OwnThinking && ThinkingPlan.MayThink(request, _model, upstream.ContentTool, messages, history);
        var plan = ThinkingPlan.Of(request, _model, options.CapOutputTokens, mayThink, upstream.Ignored);
        if (OwnOutput && hasSchema && followsSchema)
            return ApiErrors.UnsupportedParameter("response_format", "output_config goes to this model as you wrote it, and response_format would be lost beside it. Put the schema into output_config.format, or leave output_config out.");
        plan.NameLostEffort(request, _extras, upstream.Ignored);
        upstream.Stream = request.Stream || plan.MaxTokens > LongestPlain;

        using (var json = new Utf8JsonWriter(upstream.Body, ChatParts.WriterOptions))
        {
            json.WriteStartObject();
            WriteHead(json, plan);
            var writer = new AnthropicMessages(json, form, messages, KeepsThinking(plan) ? history : null, upstream.Remote, _hints);
            if ((writer.WriteSystem(ChatParts.WantsBareJson(request, hasSchema) ? ChatParts.OnlyJson : null) ?? writer.Write()) is { } refusal) return refusal;
            new AnthropicTools(_model with { StructuredOutput = isStrict }, tools.RootElement, choice.RootElement, upstream.ContentTool, schema)
                .Write(json, ChatParts.Is(request, ChatParameter.ParallelToolCalls, "false"u8), _hints);
            if (!OwnThinking) WriteThinking(json, plan);
            if (!OwnOutput) WriteOutput(json, plan, followsSchema ? schema : default);
            Sampling.Write(json, request, isFree: _model.Samples && !plan.IsOn && !ThinkingPlan.IsOnInOwnWords(request, _extras), _model.SamplesByBoth, "top_p"u8, upstream.Ignored);
            Sampling.WriteStop(json, request, "stop_sequences"u8, takesBlank: false, _hints);
            WriteCaller(json);
            foreach (var extra in _extras.Where(u => !IsOurs(u.Name))) json.WriteRaw(extra.Name, extra.Value.In(request.Body));
            json.WriteEndObject();
        }
        if (FormatExtras.Describes(format.RootElement)) _hints.Add(FormatExtras.Description);
        _hints.UnionWith(FormatExtras.Names(format.RootElement));
        ChatParts.NoteIgnored(request, upstream, _hints, WithoutCounterpart, sends: u => route.Forwards(u) && !IsOurs(u));
        return null;
    }

    private bool KeepsThinking(in ThinkingPlan plan) => OwnThinking || _model.KeepsThinking(plan);

    /// <summary>The operator's betas stand in the body already.</summary>
    private bool IsOurs(string name) => Ours.Contains(name) || (name == "anthropic_beta" && form.Betas.Count > 0);

    private void WriteHead(Utf8JsonWriter json, in ThinkingPlan plan)
    {
        if (form.BodyVersion is not null) json.WriteString("anthropic_version"u8, form.BodyVersion);
        if (form.Betas.Count > 0)
        {
            json.WriteStartArray("anthropic_beta"u8);
            foreach (var beta in form.Betas) json.WriteStringValue(beta);
            json.WriteEndArray();
        }
        if (form.NamesModel) json.WriteString("model"u8, route.UpstreamModel);
        json.WriteNumber("max_tokens"u8, plan.MaxTokens);
        if (form.NamesStream && upstream.Stream) json.WriteBoolean("stream"u8, true);
    }

    private void WriteThinking(Utf8JsonWriter json, in ThinkingPlan plan)
    {
        if (plan.Says == ThinkingPlan.Word.Nothing) return;
        json.WriteStartObject("thinking"u8);
        json.WriteString("type"u8, plan.Says switch { ThinkingPlan.Word.Disabled => _model.Off!, ThinkingPlan.Word.Adaptive => "adaptive", _ => "enabled" });
        if (plan.Says == ThinkingPlan.Word.Enabled) json.WriteNumber("budget_tokens"u8, plan.Budget);
        if (plan.Says == ThinkingPlan.Word.Adaptive && _model.HidesThinking) json.WriteString("display"u8, "summarized"u8);
        json.WriteEndObject();
    }

    private static void WriteOutput(Utf8JsonWriter json, in ThinkingPlan plan, JsonElement schema)
    {
        var hasFormat = schema.ValueKind == JsonValueKind.Object;
        if (plan.Effort is null && !hasFormat) return;
        json.WriteStartObject("output_config"u8);
        if (plan.Effort is not null) json.WriteString("effort"u8, plan.Effort);
        if (hasFormat)
        {
            json.WriteStartObject("format"u8);
            json.WriteString("type"u8, "json_schema"u8);
            json.WritePropertyName("schema"u8);
            SchemaSubset.Write(json, schema);
            json.WriteEndObject();
        }
        json.WriteEndObject();
    }

    private void WriteCaller(Utf8JsonWriter json)
    {
        if (!form.NamesCaller)
        {
            foreach (var name in (ReadOnlySpan<ChatParameter>)[ChatParameter.SafetyIdentifier, ChatParameter.User])
            {
                if (request.Has(name)) _hints.Add(ChatParameters.Name(name));
            }
            return;
        }
        var user = request.Has(ChatParameter.SafetyIdentifier) ? ChatParameter.SafetyIdentifier : ChatParameter.User;
        if (request.Has(user))
        {
            json.WriteStartObject("metadata"u8);
            json.WriteRaw("user_id"u8, request.Value(user).In(request.Body));
            json.WriteEndObject();
        }
        if (!request.Has(ChatParameter.ServiceTier)) return;
        if (ChatParts.Is(request, ChatParameter.ServiceTier, "\"auto\""u8)) json.WriteString("service_tier"u8, "auto"u8);
        else if (ChatParts.Is(request, ChatParameter.ServiceTier, "\"default\""u8)) json.WriteString("service_tier"u8, "standard_only"u8);
        else _hints.Add("service_tier");
    }
}
