using System.Text.Json;

namespace CrossModel.Protocol;

/// <summary>
/// The counts of an OpenAI-shaped <c>usage</c> object as the upstream wrote them; several objects of one reply are overlaid, the last wins
/// field by field. Usage is hostile input: one count that is negative, fractional, not a number or above 2^31 makes all of it absent.
/// </summary>
internal struct UsageNumbers
{
    private const long Largest = 1L << 31;

    private long? _prompt;
    private long? _completion;
    private long? _total;
    private long? _cached;
    private long? _cacheWrite;
    private long? _reasoning;
    private bool _hasAudioSeconds;
    private bool _isHostile;

    /// <summary>Reads one usage object. An object of zeros after real numbers is passed over: some servers send such at the end of a stream.</summary>
    public void Overlay(ReadOnlySpan<byte> usage)
    {
        var read = new UsageNumbers();
        var json = new Utf8JsonReader(usage);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName) read.Member(ref json, isDetail: false);
        if (read._isHostile)
        {
            this = read;
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
        _hasAudioSeconds |= read._hasAudioSeconds;
    }

    /// <summary>
    /// The counts by our rules: cached and written are parts of the prompt, reasoning is part of the completion. Servers that count otherwise
    /// are told by the shape of the numbers. Null when there is nothing to trust.
    /// </summary>
    /// <param name="surplusIsReasoning">What total has beyond prompt and completion is hidden thinking (Gemini's OpenAI endpoint).</param>
    public readonly TokenUsage? Normalise(bool surplusIsReasoning)
    {
        if (_isHostile) return null;
        if ((_prompt ?? _total - _completion) is not { } prompt || (_completion ?? _total - _prompt) is not { } completion) return null;
        if (prompt < 0 || completion < 0) return null;
        var (cached, reasoning) = (_cached ?? 0, _reasoning ?? 0);
        var surplus = (_total ?? 0) - prompt - completion;
        if (reasoning > completion || (reasoning > 0 && surplus == reasoning))
        {
            completion += reasoning;                     // xAI, Vercel's gateway: completion excludes reasoning
        }
        else if (surplus > 0 && _hasAudioSeconds)
        {
            prompt += surplus;                           // Mistral: audio input is counted in total only
        }
        else if (surplus > 0 && surplusIsReasoning)
        {
            completion += surplus;
            reasoning = Math.Max(reasoning, surplus);
        }
        if (cached > prompt) prompt += cached;           // Grok on Azure: prompt excludes what was cached
        return new TokenUsage
        {
            InputTokens = prompt,
            CachedInputTokens = cached,
            CacheWriteTokens = Math.Min(_cacheWrite ?? 0, prompt - cached),
            OutputTokens = completion,
            ReasoningTokens = reasoning,
        };
    }

    private readonly long Sum => Math.Max(_total ?? 0, (_prompt ?? 0) + (_completion ?? 0));

    private void Member(ref Utf8JsonReader json, bool isDetail)
    {
        if (json.ValueSpan.SequenceEqual("prompt_tokens"u8)) Count(ref json, ref _prompt);
        else if (json.ValueSpan.SequenceEqual("completion_tokens"u8)) Count(ref json, ref _completion);
        else if (json.ValueSpan.SequenceEqual("total_tokens"u8)) Count(ref json, ref _total);
        else if (json.ValueSpan.SequenceEqual("reasoning_tokens"u8)) Count(ref json, ref _reasoning, isFallback: !isDetail);
        else if (json.ValueSpan.SequenceEqual("cached_tokens"u8)) Count(ref json, ref _cached, isFallback: !isDetail);
        else if (json.ValueSpan.SequenceEqual("num_cached_tokens"u8) || json.ValueSpan.SequenceEqual("prompt_cache_hit_tokens"u8)) Count(ref json, ref _cached, isFallback: true);
        else if (json.ValueSpan.SequenceEqual("cache_write_tokens"u8) || json.ValueSpan.SequenceEqual("cache_creation_input_tokens"u8)) Count(ref json, ref _cacheWrite);
        else if (!isDetail && (json.ValueSpan.SequenceEqual("prompt_tokens_details"u8) || json.ValueSpan.SequenceEqual("completion_tokens_details"u8))) Details(ref json);
        else
        {
            _hasAudioSeconds |= json.ValueSpan.SequenceEqual("prompt_audio_seconds"u8);
            json.Read();
            json.Skip();
        }
    }

    private void Details(ref Utf8JsonReader json)
    {
        json.Read();
        if (json.TokenType != JsonTokenType.StartObject)
        {
            json.Skip();
            return;
        }
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName) Member(ref json, isDetail: true);
    }

    private void Count(ref Utf8JsonReader json, ref long? count, bool isFallback = false)
    {
        json.Read();
        if (json.TokenType == JsonTokenType.Null) return;
        if (json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var value) && value is >= 0 and <= Largest)
        {
            if (!isFallback || count is null) count = value;
            return;
        }
        _isHostile = true;
        json.Skip();
    }
}
