using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// The counts of <c>usage</c>, of which the last said wins field by field. Hostile input: one count that is negative, fractional, not a
/// number or above 2^31 makes all of it absent.
/// </summary>
internal struct AnthropicUsage
{
    private const long Largest = 1L << 31;

    private long? _input;
    private long? _cacheRead;
    private long? _cacheWrite;
    private long? _cacheWriteHour;
    private long? _output;
    private long? _thinking;
    private bool _isHostile;

    /// <summary>Reads one usage object; empty: it says nothing. Some servers send a prompt of zeros at the end, after the real one: it is passed over.</summary>
    public void Overlay(ReadOnlySpan<byte> usage)
    {
        if (usage.IsEmpty) return;
        var said = new AnthropicUsage();
        said.Read(usage);
        _isHostile |= said._isHostile;
        if (said.Prompt > 0 || !(Prompt > 0))
        {
            _input = said._input ?? _input;
            _cacheRead = said._cacheRead ?? _cacheRead;
            _cacheWrite = said._cacheWrite ?? _cacheWrite;
            _cacheWriteHour = said._cacheWriteHour ?? _cacheWriteHour;
        }
        _output = said._output ?? _output;
        _thinking = said._thinking ?? _thinking;
    }

    /// <summary>Null when nothing was said of it.</summary>
    private readonly long? Prompt => (_input ?? _cacheRead ?? _cacheWrite) is null ? null : (_input ?? 0) + (_cacheRead ?? 0) + (_cacheWrite ?? 0);

    private void Read(ReadOnlySpan<byte> usage)
    {
        var json = new Utf8JsonReader(usage);
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) return;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueTextEquals("input_tokens"u8)) Count(ref json, ref _input);
            else if (json.ValueTextEquals("cache_read_input_tokens"u8)) Count(ref json, ref _cacheRead);
            else if (json.ValueTextEquals("cache_creation_input_tokens"u8)) Count(ref json, ref _cacheWrite);
            else if (json.ValueTextEquals("output_tokens"u8)) Count(ref json, ref _output);
            else if (json.ValueTextEquals("output_tokens_details"u8)) Inside(ref json, "thinking_tokens"u8, ref _thinking);
            else if (json.ValueTextEquals("cache_creation"u8)) Inside(ref json, "ephemeral_1h_input_tokens"u8, ref _cacheWriteHour);
            else
            {
                json.Read();
                json.Skip();
            }
        }
    }

    /// <summary>The output count is a placeholder, as at the start of a stream: until another is said there is none.</summary>
    public void ForgetOutput() => _output = null;

    /// <summary>Null when there is nothing to trust.</summary>
    public readonly TokenUsage? Normalise() =>
        _output is { } output && NormalisePrompt() is { } prompt ? prompt with { OutputTokens = output, ReasoningTokens = Math.Min(_thinking ?? 0, output) } : null;

    /// <summary>What was said of the prompt alone; null when there is nothing to trust.</summary>
    public readonly TokenUsage? NormalisePrompt()
    {
        if (_isHostile || _input is not { } input) return null;
        // input_tokens excludes what the cache gave and took.
        return new TokenUsage
        {
            InputTokens = input + (_cacheRead ?? 0) + (_cacheWrite ?? 0),
            CachedInputTokens = _cacheRead ?? 0,
            CacheWriteTokens = _cacheWrite ?? 0,
            CacheWriteHourTokens = Math.Min(_cacheWriteHour ?? 0, _cacheWrite ?? 0),
        };
    }

    /// <summary>One count in an object.</summary>
    private void Inside(ref Utf8JsonReader json, ReadOnlySpan<byte> name, ref long? count)
    {
        json.Read();
        if (json.TokenType != JsonTokenType.StartObject)
        {
            json.Skip();
            return;
        }
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueTextEquals(name)) Count(ref json, ref count);
            else
            {
                json.Read();
                json.Skip();
            }
        }
    }

    private void Count(ref Utf8JsonReader json, ref long? count)
    {
        json.Read();
        if (json.TokenType == JsonTokenType.Null) return;
        if (json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var value) && value is >= 0 and <= Largest)
        {
            count = value;
            return;
        }
        _isHostile = true;
        json.Skip();
    }
}
