using System.Buffers.Text;
using System.Globalization;
using System.Text;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// Splices the caller's body for one server: the model's name there, the spellings it knows, usage always asked for. What nothing here names
/// reaches it byte for byte.
/// </summary>
internal readonly struct OpenAIRequest(Preset preset, OpenAIDialect.Learned learned, CallSignatures? signatures, ChatRequest request, RouteModel model, UpstreamRequest upstream)
{
    private readonly BodySplice _splice = BodySplice.Borrow();

    public ApiError? Write(WriteOptions options)
    {
        if ((Capabilities.Check(request, model.Facts) ?? ServerLimits.Check(request, preset, model.UpstreamModel)) is { } refusal) return refusal;
        _splice.Replace(request.Value(ChatParameter.Model), JsonText.Quoted(model.UpstreamModel));
        Remove(ChatParameter.Models);
        Remove(ChatParameter.Provider);
        Cap(options.CapOutputTokens);
        StreamAnyway();
        StreamOptions();
        Candidates();
        User();
        Reasoning();
        Temperature();
        Tools();
        Format();
        TopLogprobs();
        Seed(options.Candidate);
        Drops();
        Unknown();
        Leftovers();
        if (preset.Adds is { } added && !Forwards(added.Name)) InsertTop(Encoding.UTF8.GetBytes($"\"{added.Name}\":{added.Json}"));
        new MessageEdits(preset, learned, signatures, model, _splice, upstream.Ignored).Edit(request);
        if (learned.Has(Lesson.WantsTexts)) ContentEdits.ToTexts(Body, request.Value(ChatParameter.Messages), _splice, upstream.Ignored);
        // One array of the right size: growing to it would copy the body several times.
        _ = upstream.Body.GetSpan(Body.Length + 256);
        _splice.Write(Body, upstream.Body);
        _splice.Clear();
        return null;
    }

    private ReadOnlySpan<byte> Body => request.Body.Span;

    private ReadOnlySpan<byte> Value(ChatParameter parameter) => request.Value(parameter).In(Body);

    private void InsertTop(ReadOnlySpan<byte> members) => _splice.InsertFirst(Body.IndexOf((byte)'{'), members);

    private void Remove(ChatParameter parameter)
    {
        if (request.Member(parameter).IsPresent) _splice.Remove(request.Member(parameter));
    }

    private void Rename(ChatParameter parameter, string name, ReadOnlySpan<byte> value) =>
        _splice.Replace(request.Member(parameter), [.. Encoding.ASCII.GetBytes($"\"{name}\":"), .. value]);

    /// <param name="affordable">A cap that the caller did not give; whoever found it names it to the caller.</param>
    private void Cap(long? affordable)
    {
        var isNew = (learned.Cap ?? preset.Cap) == CapSpelling.MaxCompletionTokens;
        var (wanted, other) = isNew ? (ChatParameter.MaxCompletionTokens, ChatParameter.MaxTokens) : (ChatParameter.MaxTokens, ChatParameter.MaxCompletionTokens);
        var winner = request.Has(ChatParameter.MaxCompletionTokens) ? ChatParameter.MaxCompletionTokens : ChatParameter.MaxTokens;
        if (!request.Has(winner))
        {
            if (affordable is not { } tokens) return;
            Remove(wanted);
            Remove(other);
            var number = tokens.ToString(CultureInfo.InvariantCulture);
            InsertTop(Encoding.ASCII.GetBytes($"\"{ChatParameters.Name(wanted)}\":{number}"));
            return;
        }
        if (winner == wanted)
        {
            Remove(other);
            return;
        }
        Remove(wanted);
        Rename(winner, ChatParameters.Name(wanted), Value(winner));
    }

    private void StreamAnyway()
    {
        if (request.Stream || !(learned.Has(Lesson.StreamsOnly)
            || (preset.StreamsOnly is { } beginning && model.UpstreamModel.StartsWith(beginning, StringComparison.OrdinalIgnoreCase)))) return;
        upstream.Stream = true;
        if (request.Member(ChatParameter.Stream).IsPresent) _splice.Replace(request.Member(ChatParameter.Stream), "\"stream\":true"u8);
        else InsertTop("\"stream\":true"u8);
    }

    private void StreamOptions()
    {
        if (!upstream.Stream) return;
        var options = request.Value(ChatParameter.StreamOptions);
        if (!preset.StreamOptions || learned.Has(Lesson.NoStreamOptions))
        {
            Remove(ChatParameter.StreamOptions);
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
        else if (!request.IncludeUsageValue.In(Body).SequenceEqual("true"u8))
        {
            _splice.Replace(request.IncludeUsageValue, "true"u8);
        }
    }

    private void Candidates()
    {
        var together = preset.Candidates && !learned.Has(Lesson.OneCandidate);
        upstream.Candidates = together ? request.Candidates : 1;
        if (!together) Remove(ChatParameter.N);
    }

    private void User()
    {
        var (identifier, user) = (ChatParameter.SafetyIdentifier, ChatParameter.User);
        var winner = request.Has(identifier) ? identifier : user;
        var loser = winner == identifier ? user : identifier;
        var wanted = preset.User switch { UserSpelling.AsSent => winner, UserSpelling.User => user, _ => identifier };
        if (preset.User == UserSpelling.Dropped || IsRefused(ChatParameters.Name(wanted)))
        {
            Drop(identifier);
            Drop(user);
            return;
        }
        if (!request.Has(winner)) return;
        Remove(loser);
        if (wanted != winner) Rename(winner, ChatParameters.Name(wanted), Value(winner));
    }

    private void Reasoning()
    {
        if (MayNotThink)
        {
            NotThink();
            return;
        }
        if (request.ReasoningEffort is not { } asked) return;
        var member = request.Member(ChatParameter.ReasoningEffort);
        if (model.Facts.Reasoning is false || preset.Reasoning == ReasoningStyle.Dropped || IsRefused("reasoning_effort") || (learned.Has(Lesson.NoEfforts) && asked != "none"))
        {
            _splice.Remove(member);
            upstream.Ignored.Add("reasoning_effort");
            return;
        }
        var effort = Capabilities.Nearest(asked,
            model.Facts.ReasoningEfforts
                ?? (preset.Reasoning is ReasoningStyle.NearestEffort or ReasoningStyle.ThinkingTypeAndEffort && asked != "none" ? preset.Efforts : []));
        if (preset.Reasoning is ReasoningStyle.NearestEffort) effort = Capabilities.Nearest(effort, preset.Efforts);
        if (learned.Efforts is { } taken) effort = Capabilities.Nearest(effort, taken);
        if (preset.Reasoning == ReasoningStyle.NoneOrHigh) effort = asked == "none" ? "none" : "high";
        if (effort != asked) upstream.Ignored.Add("reasoning_effort=" + effort);
        var thinks = effort != "none";
        if (EffortSpelling.Member(preset.Reasoning) is { } named && Forwards(named))
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
        if (EffortSpelling.Of(preset.Reasoning, effort, asked) is { } spelled) _splice.Replace(member, Encoding.ASCII.GetBytes(spelled));
    }

    /// <summary>What is to be done is kept, how much is thought about it is not. Nothing said of it would be the model's own way, which is to think.</summary>
    private void NotThink()
    {
        Remove(ChatParameter.ReasoningEffort);
        foreach (var own in request.Unknown)
        {
            if (own.Name != EffortSpelling.Member(preset.Reasoning) || !model.Forwards(own.Name)) continue;
            _splice.Remove(own.Member);
            upstream.Ignored.Add(own.Name);
        }
        InsertTop(Encoding.ASCII.GetBytes(EffortSpelling.None(preset.Reasoning)));
        if (request.ReasoningEffort != "none") upstream.Ignored.Add("reasoning_effort=none");
    }

    /// <summary>The server has refused thinking beside such tools.</summary>
    private bool MayNotThink => preset.Reasoning != ReasoningStyle.Dropped && learned.Drops?.Contains("reasoning_effort") is not true
        && ((learned.Has(Lesson.ToolsUnthinking) && (request.Features.HasFlag(ChatFeatures.Tools) || request.Has(ChatParameter.Functions)))
            || (learned.Has(Lesson.ForcedUnthinking) && request.Features.HasFlag(ChatFeatures.ForcedTool)));

    /// <summary>The caller sends a parameter of that name, which nobody lists, and it goes on to the server.</summary>
    private bool Forwards(string name) => request.Unknown.Any(u => u.Name == name) && model.Forwards(name);

    private void Temperature()
    {
        if (model.Facts.Temperature is false)
        {
            Drop(ChatParameter.Temperature);
            Drop(ChatParameter.TopP);
        }
        else if (request.Has(ChatParameter.Temperature) && !IsRefused("temperature") && Utf8Parser.TryParse(Value(ChatParameter.Temperature), out double asked, out _)
            && (asked > preset.MaxTemperature || asked < preset.MinTemperature))
        {
            var nearest = Math.Clamp(asked, preset.MinTemperature, preset.MaxTemperature).ToString(CultureInfo.InvariantCulture);
            _splice.Replace(request.Value(ChatParameter.Temperature), Encoding.ASCII.GetBytes(nearest));
            upstream.Ignored.Add("temperature=" + nearest);
        }
    }

    private void Tools()
    {
        var choice = request.Value(ChatParameter.ToolChoice);
        if (!request.Features.HasFlag(ChatFeatures.Tools))
        {
            // An empty list is a fault at OpenAI; a choice of none or auto about it says nothing.
            if (!request.Has(ChatParameter.Tools) && !IsWord(choice, "none"u8) && !IsWord(choice, "auto"u8)) return;
            if (!request.Has(ChatParameter.Functions)) Remove(ChatParameter.ToolChoice);
            if (!request.Has(ChatParameter.Tools)) return;
            Remove(ChatParameter.Tools);
            Remove(ChatParameter.ParallelToolCalls);
            return;
        }
        if (preset.RequiredTool is null && IsWord(choice, "none"u8))
        {
            Remove(ChatParameter.Tools);
            Remove(ChatParameter.ToolChoice);
            return;
        }
        if (!preset.NamedTools && choice.IsPresent && choice.In(Body)[0] == (byte)'{') NamedTools.Write(Body, request.Value(ChatParameter.Tools), choice, _splice);
        if (preset.RequiredTool is { } word && word != "required" && IsWord(choice, "required"u8)) _splice.Replace(choice, JsonText.Quoted(word));
        if (!preset.Strict && request.Features.HasFlag(ChatFeatures.StrictTool)) MessageEdits.RemoveStrict(Body, request.Value(ChatParameter.Tools), _splice);
        if (learned.Has(Lesson.WantsParameters)) ToolEdits.FillParameters(Body, request.Value(ChatParameter.Tools), _splice);
    }

    private bool IsWord(JsonSpan value, ReadOnlySpan<byte> word) => value.IsPresent && value.In(Body) is [(byte)'"', .. var inside, (byte)'"'] && inside.SequenceEqual(word);

    private void Format()
    {
        if (!preset.ObjectSchema || !request.Features.HasFlag(ChatFeatures.JsonObject)) return;
        var format = request.Value(ChatParameter.ResponseFormat);
        if (!TopLevel.Has(format.In(Body), "schema"u8)) _splice.InsertFirst(format.Start, "\"schema\":{\"type\":\"object\"}"u8);
    }

    private void TopLogprobs()
    {
        if (preset.MinTopLogprobs == 0 || !request.Features.HasFlag(ChatFeatures.Logprobs)) return;
        var value = request.Value(ChatParameter.TopLogprobs);
        if (!value.IsPresent)
        {
            // To leave it out is to ask for none; such a server gives twenty then, a kilobyte and more a token.
            Remove(ChatParameter.TopLogprobs);
            InsertTop(Encoding.ASCII.GetBytes($"\"top_logprobs\":{preset.MinTopLogprobs}"));
            return;
        }
        if (!Utf8Parser.TryParse(value.In(Body), out int asked, out _) || asked >= preset.MinTopLogprobs) return;
        _splice.Replace(value, Encoding.ASCII.GetBytes(preset.MinTopLogprobs.ToString(CultureInfo.InvariantCulture)));
        upstream.Ignored.Add($"top_logprobs={preset.MinTopLogprobs}");
    }

    private void Seed(int candidate)
    {
        if (!request.Has(ChatParameter.Seed) || preset.Drops.Contains("seed") || IsRefused("seed")) return;
        if (preset.Seed is null)
        {
            Drop(ChatParameter.Seed);
            return;
        }
        upstream.HasSeed = true;
        if (preset.Seed == "seed" && candidate == 0) return;
        var value = Value(ChatParameter.Seed);
        if (candidate > 0 && Utf8Parser.TryParse(value, out long seed, out _))
            value = Encoding.ASCII.GetBytes(unchecked(seed + candidate).ToString(CultureInfo.InvariantCulture));
        Rename(ChatParameter.Seed, preset.Seed, value);
    }

    private void Drops()
    {
        if (learned.Drops is { } ever) DropAll(ever);
        if (IsToThink && learned.DropsInThought is { } inThought) DropAll(inThought);
        foreach (var name in preset.Drops)
        {
            if (ServerLimits.ParameterOf(name) is { } parameter) Drop(parameter);
        }
        foreach (var name in preset.Refuses)
        {
            // Not refused above, so it is there with its default: a server that does not know the name may still refuse that.
            if (ServerLimits.ParameterOf(name) is { } parameter && request.Has(parameter) && parameter is not (ChatParameter.Tools or ChatParameter.ToolChoice)) Remove(parameter);
        }
    }

    private void DropAll(HashSet<string> refused)
    {
        foreach (var name in refused)
        {
            // The caller's name, and how much to think, are seen to already.
            if (ServerLimits.ParameterOf(name) is { } parameter and not (ChatParameter.ReasoningEffort or ChatParameter.User or ChatParameter.SafetyIdentifier)) Drop(parameter);
        }
    }

    private void Drop(ChatParameter parameter)
    {
        if (!request.Member(parameter).IsPresent) return;
        _splice.Remove(request.Member(parameter));
        var name = ChatParameters.Name(parameter);
        if (request.Has(parameter) && !ServerLimits.IsDefault(request, parameter) && !upstream.Ignored.Contains(name)) upstream.Ignored.Add(name);
    }

    private bool IsToThink => request.ReasoningEffort is not (null or "none") && !MayNotThink;

    /// <summary>The model has refused a parameter that is a matter of taste.</summary>
    private bool IsRefused(string name) => learned.Drops?.Contains(name) is true || (IsToThink && learned.DropsInThought?.Contains(name) is true);

    /// <summary>A caller sends a reply back as it came, with the <c>refusal</c> of null that the gateway itself puts into each.</summary>
    private void Leftovers()
    {
        var leftovers = request.Leftovers;
        for (var i = 0; i < leftovers.Count; i++)
        {
            if (leftovers[i].Kind switch { LeftoverKind.Null => !preset.Nulls, LeftoverKind.Annotations => !preset.Annotations, _ => true }) _splice.Remove(leftovers[i].Member);
        }
    }

    private void Unknown()
    {
        foreach (var parameter in request.Unknown)
        {
            if (model.Forwards(parameter.Name)) continue;
            _splice.Remove(parameter.Member);
            upstream.Ignored.Add(parameter.Name);
        }
    }
}
