namespace CrossModel.Dialects.Anthropic;

/// <summary>How a place that serves the Messages API wants its requests: Anthropic itself, or a cloud that hosts Claude.</summary>
/// <param name="NamesModel">The body has <c>model</c>; else the address has it.</param>
/// <param name="NamesStream">The body has <c>stream</c>; else the address says it.</param>
/// <param name="BodyVersion">Written as <c>anthropic_version</c>; null: a header says it.</param>
/// <param name="ReadsLinks">The place fetches images and documents from https addresses by itself.</param>
internal sealed record AnthropicForm(bool NamesModel, bool NamesStream, string? BodyVersion, bool ReadsLinks)
{
    /// <summary>The place takes <c>output_config.format</c> and strict tools wherever the model does; else a schema becomes a tool.</summary>
    public bool FollowsSchemas { get; init; } = true;

    /// <summary>The body says who asked (<c>metadata</c>) and at which <c>service_tier</c>; else the first is left out, and the second is for the place's dialect to say.</summary>
    public bool NamesCaller { get; init; } = true;

    /// <summary>Written as <c>anthropic_beta</c>; empty: nothing, or a header says it.</summary>
    public IReadOnlyList<string> Betas { get; init; } = [];

    public static AnthropicForm Anthropic { get; } = new(NamesModel: true, NamesStream: true, BodyVersion: null, ReadsLinks: true);
}
