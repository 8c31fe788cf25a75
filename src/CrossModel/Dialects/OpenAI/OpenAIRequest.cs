using System.Globalization;
using System.Text;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// Splices the caller's body for one server: the model's name there, the spellings it knows, usage always asked for. What nothing here names
/// reaches it byte for byte.
/// </summary>
internal sealed class OpenAIRequest(Preset preset, OpenAIDialect.Learned learned)
{
    private readonly BodySplice _splice = BodySplice.Borrow();

    public ApiError? Write(ChatRequest request, RouteModel model, WriteOptions options, UpstreamRequest upstream)
    {
        var refusal = Capabilities.Check(request, model.Facts) ?? Refuse(request);
        if (refusal is not null) return refusal;

        var body = request.Body.Span;
        _splice.Replace(request.Value(ChatParameter.Model), Quoted(model.UpstreamModel));
        Remove(request, ChatParameter.Models);
        Remove(request, ChatParameter.Provider);
        Cap(request, options.CapOutputTokens);
        StreamAnyway(request, model, upstream);
        StreamOptions(request, body, upstream.Stream);
        Candidates(request, upstream);
        User(request, upstream);
        Reasoning(request, model, upstream);
        Temperature(request, model.Facts, upstream);
        Tools(request, body);
        Format(request, body);
        TopLogprobs(request, upstream);
        Seed(request, options.Candidate, upstream);
        Drops(request, upstream);
        Unknown(request, model, upstream);
        if (preset.Adds is { } added && !Forwards(request, model, added.Name)) InsertTop(Encoding.UTF8.GetBytes($"\"{added.Name}\":{added.Json}"));
        new MessageEdits(preset, model, _splice).Edit(request);
        // One array of the right size: growing to it would copy the body several times.
        _ = upstream.Body.GetSpan(body.Length + 256);
        _splice.Write(body, upstream.Body);
        _splice.Clear();
        return null;
    }

    private int TopStart { get; set; } = -1;

    private static byte[] Quoted(string text) => [.. "\""u8, .. JsonText.Escape(text), .. "\""u8];

    private void InsertTop(ReadOnlySpan<byte> members) => _splice.InsertFirst(TopStart, members);

    private void Remove(ChatRequest request, ChatParameter parameter)
    {
        if (request.Member(parameter).IsPresent) _splice.Remove(request.Member(parameter));
    }

    private ApiError? Refuse(ChatRequest request)
    {
        TopStart = request.Body.Span.IndexOf((byte)'{');
        foreach (var name in preset.Refuses)
        {
            if (ParameterOf(name) is { } parameter && request.Has(parameter) && !IsDefault(request, parameter))
                return ApiErrors.UnsupportedParameter(name, $"The server behind this model does not know {name}. {Instead(parameter)}, or choose another model.");
        }
        // Without the word a name may still do.
        if (preset.RequiredTool is null && request.Features.HasFlag(ChatFeatures.ForcedTool) && (!preset.NamedTools || request.Value(ChatParameter.ToolChoice).In(request.Body) is [(byte)'"', ..]))
            return ApiErrors.UnsupportedParameter("tool_choice", "The server behind this model cannot be made to call a tool. Use tool_choice \"auto\", or choose another model.");
        if (preset.MaxStops < 4 && request.Has(ChatParameter.Stop) && CountStops(request) > preset.MaxStops)
            return ApiErrors.UnsupportedParameter("stop", $"The server behind this model takes {preset.MaxStops} stop sequence only.");
        return null;
    }

    private static string Instead(ChatParameter parameter) =>
        parameter is ChatParameter.Functions or ChatParameter.FunctionCall ? "Send tools and tool_choice instead" : "Leave it out";

    private static ChatParameter? ParameterOf(string name)
    {
        var index = ChatParameters.Table.Find(Encoding.UTF8.GetBytes(name));
        return index < 0 ? null : (ChatParameter)index;
    }

    /// <summary>A value that asks for nothing beyond what every server does.</summary>
    private static bool IsDefault(ChatRequest request, ChatParameter parameter) => parameter switch
    {
        ChatParameter.Logprobs or ChatParameter.TopLogprobs => !request.Features.HasFlag(ChatFeatures.Logprobs),
        ChatParameter.Modalities => !request.Features.HasFlag(ChatFeatures.OtherModalities),
        ChatParameter.Tools => !request.Features.HasFlag(ChatFeatures.Tools),
        ChatParameter.ToolChoice => !request.Features.HasFlag(ChatFeatures.ForcedTool),
        ChatParameter.Functions => request.Value(parameter).In(request.Body)[1..^1].IndexOfAnyExcept(" \t\r\n"u8) < 0,
        ChatParameter.FunctionCall => request.Value(parameter).In(request.Body) is [(byte)'"', ..],
        ChatParameter.Store => request.Value(parameter).In(request.Body) is [(byte)'f', ..],
        ChatParameter.ParallelToolCalls => request.Value(parameter).In(request.Body) is [(byte)'t', ..],
        _ => false,
    };

    private static int CountStops(ChatRequest request)
    {
        using var json = System.Text.Json.JsonDocument.Parse(request.Body.Slice(request.Value(ChatParameter.Stop).Start, request.Value(ChatParameter.Stop).Length));
        return json.RootElement.ValueKind == System.Text.Json.JsonValueKind.Array ? json.RootElement.GetArrayLength() : 1;
    }

    /// <param name="affordable">A cap that the caller did not give; whoever found it names it to the caller.</param>
    private void Cap(ChatRequest request, long? affordable)
    {
        var isNew = (learned.Cap ?? preset.Cap) == CapSpelling.MaxCompletionTokens;
        var (wanted, other) = isNew ? (ChatParameter.MaxCompletionTokens, ChatParameter.MaxTokens) : (ChatParameter.MaxTokens, ChatParameter.MaxCompletionTokens);
        var winner = request.Has(ChatParameter.MaxCompletionTokens) ? ChatParameter.MaxCompletionTokens : ChatParameter.MaxTokens;
        if (!request.Has(winner))
        {
            if (affordable is not { } tokens) return;
            Remove(request, wanted);
            Remove(request, other);
            var number = tokens.ToString(CultureInfo.InvariantCulture);
            InsertTop(Encoding.ASCII.GetBytes($"\"{ChatParameters.Name(wanted)}\":{number}"));
            return;
        }
        if (winner == wanted)
        {
            Remove(request, other);
            return;
        }
        Remove(request, wanted);
        _splice.Replace(request.Member(winner), [.. Encoding.ASCII.GetBytes($"\"{ChatParameters.Name(wanted)}\":"), .. request.Value(winner).In(request.Body)]);
    }

    private void StreamAnyway(ChatRequest request, RouteModel model, UpstreamRequest upstream)
    {
        if (request.Stream || preset.StreamsOnly is not { } beginning || !model.UpstreamModel.StartsWith(beginning, StringComparison.OrdinalIgnoreCase)) return;
        upstream.Stream = true;
        if (request.Member(ChatParameter.Stream).IsPresent) _splice.Replace(request.Member(ChatParameter.Stream), "\"stream\":true"u8);
        else InsertTop("\"stream\":true"u8);
    }

    private void StreamOptions(ChatRequest request, ReadOnlySpan<byte> body, bool streams)
    {
        if (!streams) return;
        var options = request.Value(ChatParameter.StreamOptions);
        if (!preset.StreamOptions || learned.NoStreamOptions)
        {
            Remove(request, ChatParameter.StreamOptions);
        }
        else if (!options.IsPresent)
        {
            var member = "\"stream_options\":{\"include_usage\":true}"u8;
            // null means absent, and a second member of the name would be no JSON.
            if (request.Member(ChatParameter.StreamOptions) is { IsPresent: true } empty) _splice.Replace(empty, member);
            else InsertTop(member);
        }
        else if (!request.IncludeUsageValue.IsPresent)
        {
            _splice.InsertFirst(options.Start, "\"include_usage\":true"u8);
        }
        else if (!request.IncludeUsageValue.In(body).SequenceEqual("true"u8))
        {
            _splice.Replace(request.IncludeUsageValue, "true"u8);
        }
    }

    private void Candidates(ChatRequest request, UpstreamRequest upstream)
    {
        var together = preset.Candidates && !learned.OneCandidate;
        upstream.Candidates = together ? request.Candidates : 1;
        if (!together) Remove(request, ChatParameter.N);
    }

    private void User(ChatRequest request, UpstreamRequest upstream)
    {
        var (identifier, user) = (ChatParameter.SafetyIdentifier, ChatParameter.User);
        var winner = request.Has(identifier) ? identifier : user;
        var loser = winner == identifier ? user : identifier;
        if (preset.User == UserSpelling.Dropped)
        {
            Drop(request, identifier, upstream);
            Drop(request, user, upstream);
            return;
        }
        if (!request.Has(winner)) return;
        Remove(request, loser);
        var wanted = preset.User switch { UserSpelling.AsSent => winner, UserSpelling.User => user, _ => identifier };
        if (wanted != winner) _splice.Replace(request.Member(winner), [.. Encoding.ASCII.GetBytes($"\"{ChatParameters.Name(wanted)}\":"), .. request.Value(winner).In(request.Body)]);
    }

    private void Reasoning(ChatRequest request, RouteModel model, UpstreamRequest upstream)
    {
        if (request.ReasoningEffort is not { } asked) return;
        var member = request.Member(ChatParameter.ReasoningEffort);
        if (model.Facts.Reasoning is false || preset.Reasoning == ReasoningStyle.Dropped || learned.Drops?.Contains("reasoning_effort") is true)
        {
            _splice.Remove(member);
            upstream.Ignored.Add("reasoning_effort");
            return;
        }
        var effort = Capabilities.Nearest(asked, model.Facts.ReasoningEfforts ?? (preset.Reasoning is ReasoningStyle.NearestEffort or ReasoningStyle.ThinkingTypeAndEffort && asked != "none" ? preset.Efforts : []));
        if (preset.Reasoning is ReasoningStyle.NearestEffort) effort = Capabilities.Nearest(effort, preset.Efforts);
        if (preset.Reasoning == ReasoningStyle.NoneOrHigh) effort = asked == "none" ? "none" : "high";
        if (effort != asked) upstream.Ignored.Add("reasoning_effort=" + effort);
        var thinks = effort != "none";
        if (ReasoningMember is { } named && Forwards(request, model, named))
        {
            // The caller speaks the server's own language already; an effort beside it is a part of that language or would contradict it.
            if (preset.Reasoning == ReasoningStyle.ThinkingTypeAndEffort && thinks)
            {
                if (effort != asked) _splice.Replace(member, Encoding.ASCII.GetBytes($"\"reasoning_effort\":\"{effort}\""));
                return;
            }
            _splice.Remove(member);
            if (effort == asked) upstream.Ignored.Add("reasoning_effort");
            return;
        }
        var spelled = preset.Reasoning switch
        {
            ReasoningStyle.ReasoningObject => $"\"reasoning\":{{\"effort\":\"{effort}\"}}",
            ReasoningStyle.ThinkingType => Thinking(thinks),
            ReasoningStyle.ThinkingTypeAndEffort => thinks ? $"{Thinking(true)},\"reasoning_effort\":\"{effort}\"" : Thinking(false),
            ReasoningStyle.EnableThinking => thinks ? $"\"enable_thinking\":true,\"thinking_budget\":{Budget(effort)}" : "\"enable_thinking\":false",
            ReasoningStyle.TemplateArguments => $"\"chat_template_kwargs\":{{\"reasoning_effort\":\"{effort}\",\"enable_thinking\":{(thinks ? "true" : "false")}}}",
            _ when effort != asked => $"\"reasoning_effort\":\"{effort}\"",
            _ => null,
        };
        if (spelled is not null) _splice.Replace(member, Encoding.ASCII.GetBytes(spelled));
    }

    private static string Thinking(bool on) => on ? "\"thinking\":{\"type\":\"enabled\"}" : "\"thinking\":{\"type\":\"disabled\"}";

    /// <summary>Tokens to think with: the steps that clients of several providers use.</summary>
    private static int Budget(string effort) => effort switch { "minimal" => 512, "low" => 1024, "medium" => 2048, "high" => 4096, _ => 16384 };

    /// <summary>The server's own parameter that reasoning_effort becomes; null: it stays what it is.</summary>
    private string? ReasoningMember => preset.Reasoning switch
    {
        ReasoningStyle.ReasoningObject => "reasoning",
        ReasoningStyle.ThinkingType or ReasoningStyle.ThinkingTypeAndEffort => "thinking",
        ReasoningStyle.EnableThinking => "enable_thinking",
        ReasoningStyle.TemplateArguments => "chat_template_kwargs",
        _ => null,
    };

    /// <summary>A parameter that nobody lists goes on to the server.</summary>
    private static bool Forwards(ChatRequest request, RouteModel model, string name) =>
        request.Unknown.Any(u => u.Name == name) && (model.UnknownParameters == UnknownParameters.Forward || model.Passthrough.Contains(name));

    private void Temperature(ChatRequest request, ModelFacts facts, UpstreamRequest upstream)
    {
        if (facts.Temperature is false)
        {
            Drop(request, ChatParameter.Temperature, upstream);
            Drop(request, ChatParameter.TopP, upstream);
        }
        else if (request.Has(ChatParameter.Temperature) && System.Buffers.Text.Utf8Parser.TryParse(request.Value(ChatParameter.Temperature).In(request.Body), out double asked, out _)
            && (asked > preset.MaxTemperature || asked < preset.MinTemperature))
        {
            var nearest = Math.Clamp(asked, preset.MinTemperature, preset.MaxTemperature).ToString(CultureInfo.InvariantCulture);
            _splice.Replace(request.Value(ChatParameter.Temperature), Encoding.ASCII.GetBytes(nearest));
            upstream.Ignored.Add("temperature=" + nearest);
        }
    }

    private void Tools(ChatRequest request, ReadOnlySpan<byte> body)
    {
        var choice = request.Value(ChatParameter.ToolChoice);
        if (!request.Features.HasFlag(ChatFeatures.Tools))
        {
            // An empty list is a fault at OpenAI; a choice of none or auto about it says nothing.
            if (!request.Has(ChatParameter.Tools) && !IsWord(choice, body, "none"u8) && !IsWord(choice, body, "auto"u8)) return;
            if (!request.Has(ChatParameter.Functions)) Remove(request, ChatParameter.ToolChoice);
            if (!request.Has(ChatParameter.Tools)) return;
            Remove(request, ChatParameter.Tools);
            Remove(request, ChatParameter.ParallelToolCalls);
            return;
        }
        if (preset.RequiredTool is null && IsWord(choice, body, "none"u8))
        {
            Remove(request, ChatParameter.Tools);
            Remove(request, ChatParameter.ToolChoice);
            return;
        }
        if (!preset.NamedTools && choice.IsPresent && choice.In(body)[0] == (byte)'{') NamedTools.Write(body, request.Value(ChatParameter.Tools), choice, _splice);
        if (preset.RequiredTool is { } word && word != "required" && IsWord(choice, body, "required"u8)) _splice.Replace(choice, Quoted(word));
        if (!preset.Strict && request.Features.HasFlag(ChatFeatures.StrictTool)) MessageEdits.RemoveStrict(body, request.Value(ChatParameter.Tools), _splice);
    }

    private static bool IsWord(JsonSpan value, ReadOnlySpan<byte> body, ReadOnlySpan<byte> word) => value.IsPresent && value.In(body) is [(byte)'"', .. var inside, (byte)'"'] && inside.SequenceEqual(word);

    private void Format(ChatRequest request, ReadOnlySpan<byte> body)
    {
        if (!preset.ObjectSchema || !request.Features.HasFlag(ChatFeatures.JsonObject)) return;
        var format = request.Value(ChatParameter.ResponseFormat);
        if (!TopLevel.Has(format.In(body), "schema"u8)) _splice.InsertFirst(format.Start, "\"schema\":{\"type\":\"object\"}"u8);
    }

    private void TopLogprobs(ChatRequest request, UpstreamRequest upstream)
    {
        var value = request.Value(ChatParameter.TopLogprobs);
        if (!value.IsPresent || !System.Buffers.Text.Utf8Parser.TryParse(value.In(request.Body), out int asked, out _) || asked >= preset.MinTopLogprobs) return;
        _splice.Replace(value, Encoding.ASCII.GetBytes(preset.MinTopLogprobs.ToString(CultureInfo.InvariantCulture)));
        upstream.Ignored.Add($"top_logprobs={preset.MinTopLogprobs}");
    }

    private void Seed(ChatRequest request, int candidate, UpstreamRequest upstream)
    {
        if (!request.Has(ChatParameter.Seed) || preset.Drops.Contains("seed") || learned.Drops?.Contains("seed") is true) return;
        if (preset.Seed is null)
        {
            Drop(request, ChatParameter.Seed, upstream);
            return;
        }
        upstream.HasSeed = true;
        if (preset.Seed == "seed" && candidate == 0) return;
        var value = request.Value(ChatParameter.Seed).In(request.Body);
        if (candidate > 0 && System.Buffers.Text.Utf8Parser.TryParse(value, out long seed, out _))
            value = Encoding.ASCII.GetBytes(unchecked(seed + candidate).ToString(CultureInfo.InvariantCulture));
        _splice.Replace(request.Member(ChatParameter.Seed), [.. Encoding.ASCII.GetBytes($"\"{preset.Seed}\":"), .. value]);
    }

    private void Drops(ChatRequest request, UpstreamRequest upstream)
    {
        foreach (var name in learned.Drops ?? [])
        {
            if (ParameterOf(name) is { } parameter && parameter != ChatParameter.ReasoningEffort && !preset.Drops.Contains(name)) Drop(request, parameter, upstream);
        }
        foreach (var name in preset.Drops)
        {
            if (ParameterOf(name) is { } parameter) Drop(request, parameter, upstream);
        }
        foreach (var name in preset.Refuses)
        {
            // Not refused above, so it is there with its default: a server that does not know the name may still refuse that.
            if (ParameterOf(name) is { } parameter && request.Has(parameter) && parameter is not (ChatParameter.Tools or ChatParameter.ToolChoice)) Remove(request, parameter);
        }
    }

    private void Drop(ChatRequest request, ChatParameter parameter, UpstreamRequest upstream)
    {
        if (!request.Member(parameter).IsPresent) return;
        _splice.Remove(request.Member(parameter));
        if (request.Has(parameter) && !IsDefault(request, parameter)) upstream.Ignored.Add(ChatParameters.Name(parameter));
    }

    private void Unknown(ChatRequest request, RouteModel model, UpstreamRequest upstream)
    {
        if (model.UnknownParameters == UnknownParameters.Forward) return;
        foreach (var parameter in request.Unknown)
        {
            if (model.Passthrough.Contains(parameter.Name)) continue;
            _splice.Remove(parameter.Member);
            upstream.Ignored.Add(parameter.Name);
        }
    }
}
