using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>Translates a chat completion into a Messages request. docs/dialects.md says row by row what becomes of each parameter.</summary>
internal sealed class AnthropicRequest(AnthropicForm form, ReasoningMemory memory)
{
    /// <summary>A plain call that may write more than this takes longer than ten minutes, which the API does not hold a connection for: it is streamed and collected.</summary>
    private const long LongestPlain = 21_333;

    // What is written here by other means: an extra of the caller's under that name would make the body ambiguous.
    private static readonly HashSet<string> Ours = ["model", "messages", "system", "max_tokens", "stop_sequences", "metadata", "anthropic_version", "stream"];

    private static readonly ChatParameter[] Hints =
    [
        ChatParameter.PresencePenalty, ChatParameter.FrequencyPenalty, ChatParameter.LogitBias, ChatParameter.Seed, ChatParameter.Prediction,
        ChatParameter.Verbosity, ChatParameter.Store, ChatParameter.Metadata, ChatParameter.WebSearchOptions,
        ChatParameter.PromptCacheKey, ChatParameter.PromptCacheRetention, ChatParameter.PromptCacheOptions, ChatParameter.Moderation,
    ];

    private readonly JsonWriterOptions _options = new() { Encoder = JsonText.Encoder, SkipValidation = true };

    /// <summary>Writes body, stream and what was ignored; address, headers and credentials are the caller's.</summary>
    public ApiError? Write(ChatRequest request, RouteModel route, WriteOptions options, UpstreamRequest upstream)
    {
        // A schema that the model itself cannot follow becomes a tool, so that fact refuses nothing here.
        if ((Capabilities.Check(request, route.Facts with { StructuredOutput = null }) ?? ChatParts.Refuse(request, "Claude")) is { } unfit) return unfit;
        using var messages = ChatParts.Parse(request, ChatParameter.Messages);
        using var tools = ChatParts.Parse(request, ChatParameter.Tools);
        using var choice = ChatParts.Parse(request, ChatParameter.ToolChoice);
        using var format = ChatParts.Parse(request, ChatParameter.ResponseFormat);
        if (AnthropicTools.Check(tools.RootElement, choice.RootElement, "Claude calls") is { } unknown) return unknown;

        var model = ClaudeModel.Of(route.UpstreamModel, route.Facts);
        if (!form.FollowsSchemas) model = model with { StructuredOutput = false };
        var schema = ChatParts.SchemaOf(format.RootElement);
        // A tool takes any schema: what is refused of strict ones is no loss there.
        var followsSchema = model.StructuredOutput && SchemaSubset.Fits(schema);
        var isForced = request.Features.HasFlag(ChatFeatures.ForcedTool);
        upstream.ContentTool = schema.ValueKind == JsonValueKind.Object && !followsSchema && !isForced ? AnthropicTools.ContentToolName(tools.RootElement) : null;

        var extras = request.Unknown.Where(u => route.Forwards(u.Name)).ToList();
        var ownThinking = extras.Exists(u => u.Name == "thinking");
        var history = request.Features.HasFlag(ChatFeatures.ToolHistory) && (ownThinking || model.ThinksByDefault || request.ReasoningEffort is not (null or "none"))
            ? new ThinkingHistory(messages.RootElement, options.Account, memory)
            : null;
        // What the caller says of thinking in Claude's own words goes as it is; an effort beside it would only raise the cap.
        var mayThink = !ownThinking && !isForced && upstream.ContentTool is null && (request.ReasoningEffort is null || history is not { IsWhole: false });
        var plan = ThinkingPlan.Of(request, model, options.CapOutputTokens, mayThink, upstream.Ignored);
        var ownOutput = extras.Exists(u => u.Name == "output_config");
        if (ownOutput && schema.ValueKind == JsonValueKind.Object && followsSchema)
            return ApiErrors.UnsupportedParameter("response_format", "output_config goes to this model as you wrote it, and response_format would be lost beside it. Put the schema into output_config.format, or leave output_config out.");
        if (ownOutput && plan.Effort is not null) upstream.Ignored.Add("reasoning_effort");
        var keepsThinking = ownThinking || plan.IsOn || (plan.Says == ThinkingPlan.Word.Nothing && model.ThinksByDefault);
        upstream.Stream = request.Stream || plan.MaxTokens > LongestPlain;

        var hints = new HashSet<string>();
        using (var json = new Utf8JsonWriter(upstream.Body, _options))
        {
            json.WriteStartObject();
            if (form.BodyVersion is not null) json.WriteString("anthropic_version"u8, form.BodyVersion);
            WriteBetas(json);
            if (form.NamesModel) json.WriteString("model"u8, route.UpstreamModel);
            json.WriteNumber("max_tokens"u8, plan.MaxTokens);
            if (form.NamesStream && upstream.Stream) json.WriteBoolean("stream"u8, true);
            var writer = new AnthropicMessages(json, form, messages.RootElement, keepsThinking ? history : null, upstream.Remote, hints);
            var isBareJson = request.Features.HasFlag(ChatFeatures.JsonObject) || (request.Features.HasFlag(ChatFeatures.JsonSchema) && schema.ValueKind != JsonValueKind.Object);
            if ((writer.WriteSystem(isBareJson ? ChatParts.OnlyJson : null) ?? writer.Write()) is { } refusal) return refusal;
            new AnthropicTools(model, tools.RootElement, choice.RootElement, upstream.ContentTool, schema)
                .Write(json, ChatParts.Is(request, ChatParameter.ParallelToolCalls, "false"u8), hints);
            if (!ownThinking) WriteThinking(json, plan, model);
            if (!ownOutput) WriteOutput(json, plan, followsSchema ? schema : default);
            Sampling.Write(json, request, isFree: model.Samples && !plan.IsOn && !(ownThinking && Thinks(request, extras)), model.SamplesByBoth, "top_p"u8, upstream.Ignored);
            Sampling.WriteStop(json, request, "stop_sequences"u8, takesBlank: false, hints);
            WriteCaller(json, request, hints);
            foreach (var extra in extras.Where(u => !IsOurs(u.Name))) json.WriteRaw(extra.Name, extra.Value.In(request.Body));
            json.WriteEndObject();
        }
        if (ChatParts.DescribesFormat(format.RootElement)) hints.Add(ChatParts.FormatDescription);
        upstream.Ignored.AddRange(hints.Order(StringComparer.Ordinal));
        upstream.Ignored.AddRange(Hints.Where(p => request.Has(p) && !ChatParts.IsDefault(request, p)).Select(ChatParameters.Name));
        upstream.Ignored.AddRange(request.Unknown.Where(u => !extras.Contains(u) || IsOurs(u.Name)).Select(u => u.Name));
        return null;
    }

    /// <summary>The operator's betas stand in the body already.</summary>
    private bool IsOurs(string name) => Ours.Contains(name) || (name == "anthropic_beta" && form.Betas.Count > 0);

    private void WriteBetas(Utf8JsonWriter json)
    {
        if (form.Betas.Count == 0) return;
        json.WriteStartArray("anthropic_beta"u8);
        foreach (var beta in form.Betas) json.WriteStringValue(beta);
        json.WriteEndArray();
    }

    /// <summary>The caller's own thinking is on: the API then takes no sampling beside it, however it was asked for.</summary>
    private static bool Thinks(ChatRequest request, List<UnknownParameter> extras)
    {
        using var thinking = JsonDocument.Parse(extras.Find(u => u.Name == "thinking")!.Value.In(request.Body).ToArray());
        return thinking.RootElement.ValueKind == JsonValueKind.Object && thinking.RootElement.TryGetProperty("type"u8, out var type) && !AnthropicTools.Is(type, "disabled"u8);
    }

    private static void WriteThinking(Utf8JsonWriter json, in ThinkingPlan plan, ClaudeModel model)
    {
        if (plan.Says == ThinkingPlan.Word.Nothing) return;
        json.WriteStartObject("thinking"u8);
        json.WriteString("type"u8, plan.Says switch { ThinkingPlan.Word.Disabled => "disabled", ThinkingPlan.Word.Adaptive => "adaptive", _ => "enabled" });
        if (plan.Says == ThinkingPlan.Word.Enabled) json.WriteNumber("budget_tokens"u8, plan.Budget);
        if (plan.Says == ThinkingPlan.Word.Adaptive && model.HidesThinking) json.WriteString("display"u8, "summarized"u8);
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

    private void WriteCaller(Utf8JsonWriter json, ChatRequest request, HashSet<string> hints)
    {
        if (!form.NamesCaller)
        {
            foreach (var name in (ReadOnlySpan<ChatParameter>)[ChatParameter.SafetyIdentifier, ChatParameter.User])
            {
                if (request.Has(name)) hints.Add(ChatParameters.Name(name));
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
        else hints.Add("service_tier");
    }
}
