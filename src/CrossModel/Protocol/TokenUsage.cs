namespace CrossModel.Protocol;

/// <summary>Tokens of one reply by class, normalised by the dialect: prices may trust it. All counts are 0 or more.</summary>
internal readonly record struct TokenUsage
{
    /// <summary>Everything read: cache reads and cache writes included.</summary>
    public long InputTokens { get; init; }

    /// <summary>Part of <see cref="InputTokens"/> that came from the cache.</summary>
    public long CachedInputTokens { get; init; }

    /// <summary>Part of <see cref="InputTokens"/> that was written to the cache; at most input − cached.</summary>
    public long CacheWriteTokens { get; init; }

    /// <summary>Part of <see cref="CacheWriteTokens"/> that the cache keeps for an hour.</summary>
    public long CacheWriteHourTokens { get; init; }

    /// <summary>Part of <see cref="InputTokens"/> that is sound and was neither read from the cache nor written to it; at most input − cached − written.</summary>
    public long AudioInputTokens { get; init; }

    /// <summary>Everything generated: reasoning included.</summary>
    public long OutputTokens { get; init; }

    /// <summary>Part of <see cref="OutputTokens"/> spent on reasoning.</summary>
    public long ReasoningTokens { get; init; }

    /// <summary>Part of <see cref="OutputTokens"/> that is sound; at most output − reasoning.</summary>
    public long AudioOutputTokens { get; init; }

    /// <summary>Input + output.</summary>
    public long TotalTokens => InputTokens + OutputTokens;

    public static TokenUsage operator +(TokenUsage a, TokenUsage b) => new()
    {
        InputTokens = a.InputTokens + b.InputTokens,
        CachedInputTokens = a.CachedInputTokens + b.CachedInputTokens,
        CacheWriteTokens = a.CacheWriteTokens + b.CacheWriteTokens,
        CacheWriteHourTokens = a.CacheWriteHourTokens + b.CacheWriteHourTokens,
        AudioInputTokens = a.AudioInputTokens + b.AudioInputTokens,
        OutputTokens = a.OutputTokens + b.OutputTokens,
        ReasoningTokens = a.ReasoningTokens + b.ReasoningTokens,
        AudioOutputTokens = a.AudioOutputTokens + b.AudioOutputTokens,
    };
}
