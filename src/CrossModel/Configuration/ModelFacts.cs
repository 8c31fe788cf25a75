namespace CrossModel.Configuration;

/// <summary>What is known of a model: the built-in catalogue's facts overlaid with the configuration. Null means unknown: then it is tried.</summary>
internal sealed record ModelFacts
{
    public string? Name { get; init; }
    public string? Description { get; init; }
    public long? ContextWindow { get; init; }
    public long? MaxOutputTokens { get; init; }
    /// <summary>text, image, audio, video, pdf.</summary>
    public IReadOnlyList<string>? InputModalities { get; init; }
    public IReadOnlyList<string>? OutputModalities { get; init; }
    public bool? Tools { get; init; }
    public bool? StructuredOutput { get; init; }
    public bool? Reasoning { get; init; }
    /// <summary>False: the model rejects temperature and top_p.</summary>
    public bool? Temperature { get; init; }
    public IReadOnlyList<string>? ReasoningEfforts { get; init; }
    /// <summary>The catalogue's date of release, for /v1/models' created; null: unknown.</summary>
    public DateTimeOffset? Released { get; init; }
}
