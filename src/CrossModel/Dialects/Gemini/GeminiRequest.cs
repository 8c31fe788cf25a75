using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>
/// Writes a generateContent body from the caller's. Strings and numbers are carried as they stand. The rows of the mapping are in
/// docs/dialects/gemini.md.
/// </summary>
internal sealed class GeminiRequest(GeminiHost host, GeminiLessons.Lesson learned, Signatures signatures, RouteModel route)
{
    private static readonly ChatParameter[] NeverTaken =
    [
        ChatParameter.SafetyIdentifier, ChatParameter.User, ChatParameter.Metadata, ChatParameter.Verbosity, ChatParameter.Prediction, ChatParameter.LogitBias,
        ChatParameter.WebSearchOptions, ChatParameter.PromptCacheKey, ChatParameter.PromptCacheRetention, ChatParameter.PromptCacheOptions, ChatParameter.Moderation,
    ];

    private static readonly string[] OwnMembers =
        ["contents", "systeminstruction", "tools", "toolconfig", "generationconfig", "servicetier"];

    private readonly GeminiModel _model = GeminiModel.Of(route.UpstreamModel);

    public ApiError? Write(ChatRequest request, WriteOptions options, UpstreamRequest upstream)
    {
        if ((Capabilities.Check(request, route.Facts) ?? Refuse(request)) is { } refusal) return refusal;
        using var body = JsonDocument.Parse(request.Body, new JsonDocumentOptions { MaxDepth = 64 });
        using var json = new Utf8JsonWriter(upstream.Body, new JsonWriterOptions { Encoder = JsonText.Encoder, SkipValidation = true });
        var root = body.RootElement;
        json.WriteStartObject();
        var contents = new GeminiContents(json, host, _model, signatures, learned, upstream.Remote, upstream.Ignored);
        if (contents.Write(root.GetProperty("messages"u8)) is { } unreadable) return unreadable;
        if (request.Features.HasFlag(ChatFeatures.Tools))
        {
            if (new GeminiTools(json, upstream).Write(root) is { } unfit) return unfit;
        }
        json.WriteStartObject("generationConfig"u8);
        if ((request.MaxOutputTokens ?? options.CapOutputTokens) is { } cap) json.WriteNumber("maxOutputTokens"u8, cap);
        Candidates(request, json, upstream);
        Sampling(request, root, json, upstream);
        if (Seed(request, root, options.Candidate, json, upstream) is { } outside) return outside;
        Stop(request, root, json);
        Logprobs(request, root, json);
        Format(request, root, json, upstream.Ignored);
        Think(request, json, upstream);
        Modalities(request, root, json);
        if (contents.Resolution() is { } resolution) json.WriteString("mediaResolution"u8, resolution);
        TopK(request, json);
        json.WriteEndObject();
        ServiceTier(request, root, json, upstream);
        Unknown(request, json, upstream);
        json.WriteEndObject();
        Ignore(request, root, upstream);
        return null;
    }

    private static ApiError? Refuse(ChatRequest request)
    {
        if (request.Has(ChatParameter.Functions) || request.Has(ChatParameter.FunctionCall))
            return ApiErrors.UnsupportedParameter(request.Has(ChatParameter.Functions) ? "functions" : "function_call",
                "This model takes tools only. Send tools and tool_choice instead of functions and function_call.");
        if (request.Features.HasFlag(ChatFeatures.CustomTool) || request.Features.HasFlag(ChatFeatures.UnlistedTool))
            return ApiErrors.UnsupportedParameter("tools", "This model takes tools of type function only.");
        if (request.Features.HasFlag(ChatFeatures.OtherModalities) && request.Value(ChatParameter.Modalities).In(request.Body).IndexOf("\"audio\""u8) >= 0)
            return ApiErrors.UnsupportedParameter("modalities", "This model does not answer with audio here. Ask for text, or choose another model.");
        return null;
    }

    private void Candidates(ChatRequest request, Utf8JsonWriter json, UpstreamRequest upstream)
    {
        if (!GeminiLessons.AsksTogether(request, learned)) return;
        json.WriteNumber("candidateCount"u8, request.Candidates);
        upstream.Candidates = request.Candidates;
    }

    private void Sampling(ChatRequest request, JsonElement root, Utf8JsonWriter json, UpstreamRequest upstream)
    {
        foreach (var (parameter, name) in (ReadOnlySpan<(ChatParameter, string)>)
            [(ChatParameter.Temperature, "temperature"), (ChatParameter.TopP, "topP"), (ChatParameter.PresencePenalty, "presencePenalty"), (ChatParameter.FrequencyPenalty, "frequencyPenalty")])
        {
            if (!request.Has(parameter)) continue;
            var isTaken = parameter is ChatParameter.Temperature or ChatParameter.TopP ? route.Facts.Temperature is not false : !learned.NoPenalties;
            if (!isTaken)
            {
                upstream.Ignored.Add(ChatParameters.Name(parameter));
                continue;
            }
            json.WriteRaw(name, root.GetProperty(ChatParameters.Name(parameter)));
        }
    }

    private static ApiError? Seed(ChatRequest request, JsonElement root, int candidate, Utf8JsonWriter json, UpstreamRequest upstream)
    {
        if (!request.Has(ChatParameter.Seed)) return null;
        var seed = root.GetProperty("seed"u8);
        if (!seed.TryGetInt32(out var number)) return ApiErrors.InvalidValue("seed", "This model takes a seed between -2147483648 and 2147483647.");
        json.WriteNumber("seed"u8, unchecked(number + candidate));
        upstream.HasSeed = true;
        return null;
    }

    private static void Stop(ChatRequest request, JsonElement root, Utf8JsonWriter json)
    {
        if (!request.Has(ChatParameter.Stop)) return;
        var stop = root.GetProperty("stop"u8);
        if (stop.ValueKind == JsonValueKind.Array && stop.GetArrayLength() == 0) return;
        if (stop.ValueKind == JsonValueKind.Array)
        {
            json.WriteRaw("stopSequences"u8, stop);
            return;
        }
        json.WriteStartArray("stopSequences"u8);
        json.WriteRaw(stop);
        json.WriteEndArray();
    }

    private static void Logprobs(ChatRequest request, JsonElement root, Utf8JsonWriter json)
    {
        if (!request.Features.HasFlag(ChatFeatures.Logprobs)) return;
        json.WriteBoolean("responseLogprobs"u8, true);
        if (request.Has(ChatParameter.TopLogprobs)) json.WriteRaw("logprobs"u8, root.GetProperty("top_logprobs"u8));
    }

    /// <summary>Nobody's parameter but a common one: where it is let through it goes where this provider has it.</summary>
    private void TopK(ChatRequest request, Utf8JsonWriter json)
    {
        foreach (var unknown in request.Unknown.Where(u => u.Name == "top_k" && route.Forwards(u.Name))) json.WriteRaw("topK"u8, unknown.Value.In(request.Body));
    }

    private void Format(ChatRequest request, JsonElement root, Utf8JsonWriter json, List<string> ignored)
    {
        var hasSchema = request.Features.HasFlag(ChatFeatures.JsonSchema);
        if (!hasSchema && !request.Features.HasFlag(ChatFeatures.JsonObject)) return;
        json.WriteString("responseMimeType"u8, "application/json"u8);
        var format = root.GetProperty("response_format"u8);
        ignored.AddRange(FormatExtras.Names(format));
        if (hasSchema && FormatExtras.Describes(format)) ignored.Add(FormatExtras.Description);
        if (!hasSchema || !format.GetProperty("json_schema"u8).TryGetProperty("schema"u8, out var schema) || schema.ValueKind != JsonValueKind.Object) return;
        if (_model.TakesJsonSchema)
        {
            GeminiJsonSchema.Write(json, "responseJsonSchema"u8, schema);
            return;
        }
        json.WritePropertyName("responseSchema"u8);
        new GeminiSchema(json, schema).Write();
    }

    private void Think(ChatRequest request, Utf8JsonWriter json, UpstreamRequest upstream)
    {
        if (request.ReasoningEffort is not { } asked) return;
        if (_model.Thinking == Thinking.None || route.Facts.Reasoning is false || learned.NoThinking)
        {
            upstream.Ignored.Add("reasoning_effort");
            return;
        }
        var effort = Capabilities.Nearest(asked, route.Facts.ReasoningEfforts ?? []);
        json.WriteStartObject("thinkingConfig"u8);
        if (_model.Thinking == Thinking.Budget)
        {
            var budget = _model.Budget(effort);
            json.WriteNumber("thinkingBudget"u8, budget);
            if (effort == "none" && budget > 0) effort = "minimal";
        }
        else
        {
            effort = _model.Level(effort);
            if (learned.NoLevels is { } refused) effort = Capabilities.Nearest(effort, [.. GeminiModel.Levels.Except(refused)]);
            json.WriteString("thinkingLevel"u8, effort);
        }
        // Who asks for reasoning gets its text; it costs nothing more.
        if (asked != "none") json.WriteBoolean("includeThoughts"u8, true);
        json.WriteEndObject();
        if (effort != asked) upstream.Ignored.Add("reasoning_effort=" + effort);
    }

    private static void Modalities(ChatRequest request, JsonElement root, Utf8JsonWriter json)
    {
        if (!request.Features.HasFlag(ChatFeatures.OtherModalities)) return;
        json.WriteStartArray("responseModalities"u8);
        foreach (var modality in root.GetProperty("modalities"u8).EnumerateArray()) json.WriteStringValue(modality.GetString()!.ToUpperInvariant());
        json.WriteEndArray();
    }

    private void ServiceTier(ChatRequest request, JsonElement root, Utf8JsonWriter json, UpstreamRequest upstream)
    {
        if (!request.Has(ChatParameter.ServiceTier)) return;
        var tier = root.GetProperty("service_tier"u8).GetString();
        if (tier is not ("flex" or "priority" or "default" or "auto"))
        {
            upstream.Ignored.Add("service_tier");
            return;
        }
        var isUsual = tier is "default" or "auto";
        if (host.ServiceTier) json.WriteString("serviceTier"u8, isUsual ? "standard" : tier);
        else if (!isUsual) upstream.Headers.Add(new("X-Vertex-AI-LLM-Shared-Request-Type", tier));
    }

    private void Unknown(ChatRequest request, Utf8JsonWriter json, UpstreamRequest upstream)
    {
        foreach (var unknown in request.Unknown)
        {
            // What this dialect writes itself cannot be written twice.
            if (!route.Forwards(unknown.Name) || OwnMembers.Contains(unknown.Name.Replace("_", "", StringComparison.Ordinal).ToLowerInvariant()))
            {
                upstream.Ignored.Add(unknown.Name);
            }
            else if (unknown.Name != "top_k") json.WriteRaw(unknown.Name, unknown.Value.In(request.Body));
        }
    }

    private static void Ignore(ChatRequest request, JsonElement root, UpstreamRequest upstream)
    {
        foreach (var parameter in NeverTaken)
        {
            if (request.Has(parameter)) upstream.Ignored.Add(ChatParameters.Name(parameter));
        }
        if (request.Has(ChatParameter.Store) && root.GetProperty("store"u8).ValueKind == JsonValueKind.True) upstream.Ignored.Add("store");
        if (request.Has(ChatParameter.Audio)) upstream.Ignored.Add("audio");
        if (request.Features.HasFlag(ChatFeatures.CacheMarks)) upstream.Ignored.Add("cache_control");
        if (request.Features.HasFlag(ChatFeatures.CacheBreakpoints)) upstream.Ignored.Add("prompt_cache_breakpoint");
        if (request.Has(ChatParameter.ParallelToolCalls) && root.GetProperty("parallel_tool_calls"u8).ValueKind == JsonValueKind.False
            && request.Features.HasFlag(ChatFeatures.Tools))
        {
            upstream.Ignored.Add("parallel_tool_calls");
        }
    }
}
