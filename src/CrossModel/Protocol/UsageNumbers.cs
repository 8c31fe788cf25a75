using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>
/// The counts of an OpenAI-shaped <c>usage</c> object as the upstream wrote them; several objects of one reply are overlaid, the last wins
/// field by field. Usage is hostile input: one count that is negative, fractional, not a number or above 2^31 makes all of it absent.
/// </summary>
internal struct UsageNumbers
{
    private const uint Largest = 1u << 31;

    // Every open reply has one of these: as small as the largest count allows.
    private uint? _prompt;
    private uint? _completion;
    private uint? _total;
    private uint? _cached;
    private uint? _cacheWrite;
    private uint? _reasoning;
    private uint? _audioInput;
    private uint? _audioOutput;
    private uint? _citations;
    private bool _hasAudioSeconds;
    private bool _isHostile;

    /// <summary>Reads one usage object. An object of zeros after real numbers is passed over: some servers send such at the end of a stream.</summary>
    public void Overlay(ReadOnlySpan<byte> usage)
    {
        var read = new UsageNumbers();
        var json = new Utf8JsonReader(usage);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName) read.Member(ref json, Place.Top);
        if (read._isHostile)
        {
            // Absent as a whole: none of its other counts may meet those of an object to come.
            this = new UsageNumbers { _isHostile = true };
            return;
        }
        if (read.Sum == 0 && Sum > 0) return;
        _isHostile = false;
        _prompt = read._prompt ?? _prompt;
        _completion = read._completion ?? _completion;
        _total = read._total ?? _total;
        _cached = read._cached ?? _cached;
        _cacheWrite = read._cacheWrite ?? _cacheWrite;
        _reasoning = read._reasoning ?? _reasoning;
        _audioInput = read._audioInput ?? _audioInput;
        _audioOutput = read._audioOutput ?? _audioOutput;
        _citations = read._citations ?? _citations;
        _hasAudioSeconds |= read._hasAudioSeconds;
    }

    /// <summary>
    /// The counts by our rules: cached, written and audio are parts of the prompt, reasoning and audio parts of the completion. Servers that
    /// count otherwise are told by the shape of the numbers. Null when there is nothing to trust.
    /// </summary>
    /// <param name="surplusIsReasoning">What total has beyond prompt and completion is hidden thinking (Gemini's OpenAI endpoint).</param>
    public readonly TokenUsage? Normalise(bool surplusIsReasoning)
    {
        if (_isHostile) return null;
        var (saidPrompt, saidCompletion, total) = ((long?)_prompt, (long?)_completion, (long?)_total);
        if ((saidPrompt ?? total - saidCompletion) is not { } prompt || (saidCompletion ?? total - saidPrompt) is not { } completion) return null;
        if (prompt < 0 || completion < 0) return null;
        long cached = _cached ?? 0, reasoning = _reasoning ?? 0, audio = _audioInput ?? 0;
        var surplus = (total ?? 0) - prompt - completion;
        var beyond = reasoning - completion;
        if (reasoning > 0 && (surplus == reasoning || _citations is not null))
        {
            completion += reasoning;                     // xAI, Perplexity's research: completion excludes reasoning
        }
        else if (beyond > 0 && (beyond == 1 || surplus == beyond))
        {
            completion += surplus == beyond ? beyond : 0; // OpenRouter, Baseten: all was reasoning, and they are a token apart in counting it
            reasoning = completion;
        }
        else if (beyond > 0)
        {
            completion += reasoning;                     // Vercel's gateway: completion excludes reasoning, and so does total
        }
        else if (surplus > 0 && !surplusIsReasoning && surplus == cached + (_cacheWrite ?? 0))
        {
            prompt += surplus;                           // Portkey's gateway: prompt excludes what was cached and written
        }
        else if (surplus > 0 && _hasAudioSeconds)
        {
            prompt += surplus;                           // Mistral: audio input is counted in total only
            audio = Math.Max(audio, surplus);
        }
        else if (surplus > 0 && surplusIsReasoning)
        {
            completion += surplus;
            reasoning = Math.Max(reasoning, surplus);
        }
        // Grok on Azure: prompt excludes what was cached; New API and others before Claude: what was written too. LiteLLM's excluded the latter alone.
        if (cached > prompt) prompt += cached + (_cacheWrite ?? 0);
        else if (_cacheWrite > prompt) prompt += _cacheWrite ?? 0;
        prompt += _citations ?? 0;                       // Perplexity's research: what it read of its sources, asked for as input
        var written = Math.Min(_cacheWrite ?? 0, prompt - cached);
        return new TokenUsage
        {
            InputTokens = prompt,
            CachedInputTokens = cached,
            CacheWriteTokens = written,
            AudioInputTokens = Math.Min(audio, prompt - cached - written),
            OutputTokens = completion,
            ReasoningTokens = reasoning,
            AudioOutputTokens = Math.Min(_audioOutput ?? 0, completion - reasoning),
        };
    }

    private readonly long Sum => Math.Max(_total ?? 0L, (_prompt ?? 0L) + (_completion ?? 0L));

    private enum Place { Top, Prompt, Completion }

    private void Member(ref Utf8JsonReader json, Place place)
    {
        var isDetail = place != Place.Top;
        var name = JsonText.Name(ref json);
        if (name.SequenceEqual("prompt_tokens"u8)) Count(ref json, ref _prompt);
        else if (name.SequenceEqual("completion_tokens"u8)) Count(ref json, ref _completion);
        else if (name.SequenceEqual("total_tokens"u8)) Count(ref json, ref _total);
        // Names of another of OpenAI's APIs: mlx-vlm uses them here.
        else if (!isDetail && name.SequenceEqual("input_tokens"u8)) Count(ref json, ref _prompt, isFallback: true);
        else if (!isDetail && name.SequenceEqual("output_tokens"u8)) Count(ref json, ref _completion, isFallback: true);
        else if (name.SequenceEqual("reasoning_tokens"u8)) Count(ref json, ref _reasoning, isFallback: !isDetail);
        else if (name.SequenceEqual("cached_tokens"u8)) Count(ref json, ref _cached, isFallback: !isDetail);
        else if (name.SequenceEqual("num_cached_tokens"u8)
            || name.SequenceEqual("prompt_cache_hit_tokens"u8)
            || name.SequenceEqual("cache_read_input_tokens"u8)) Count(ref json, ref _cached, isFallback: true);
        else if (name.SequenceEqual("cache_write_tokens"u8) || name.SequenceEqual("cache_creation_input_tokens"u8)) Count(ref json, ref _cacheWrite);
        else if (name.SequenceEqual("cached_creation_tokens"u8) || name.SequenceEqual("cache_creation_tokens"u8)) Count(ref json, ref _cacheWrite, isFallback: true);
        else if (name.SequenceEqual("citation_tokens"u8)) Count(ref json, ref _citations);
        else if (isDetail && name.SequenceEqual("audio_tokens"u8))
        {
            if (place == Place.Prompt) Count(ref json, ref _audioInput);
            else Count(ref json, ref _audioOutput);
        }
        else if (!isDetail && name.SequenceEqual("prompt_tokens_details"u8)) Details(ref json, Place.Prompt);
        else if (!isDetail && name.SequenceEqual("completion_tokens_details"u8)) Details(ref json, Place.Completion);
        else
        {
            _hasAudioSeconds |= name.SequenceEqual("prompt_audio_seconds"u8);
            json.Read();
            json.Skip();
        }
    }

    private void Details(ref Utf8JsonReader json, Place place)
    {
        json.Read();
        if (json.TokenType != JsonTokenType.StartObject)
        {
            json.Skip();
            return;
        }
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName) Member(ref json, place);
    }

    private void Count(ref Utf8JsonReader json, ref uint? count, bool isFallback = false)
    {
        json.Read();
        if (json.TokenType == JsonTokenType.Null) return;
        if (json.TokenType == JsonTokenType.Number && json.TryGetUInt32(out var value) && value <= Largest)
        {
            if (!isFallback || count is null) count = value;
            return;
        }
        _isHostile = true;
        json.Skip();
    }
}
