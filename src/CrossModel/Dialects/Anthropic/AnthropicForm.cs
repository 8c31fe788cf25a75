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

    public static AnthropicForm Anthropic { get; } = new(NamesModel: true, NamesStream: true, BodyVersion: null, ReadsLinks: true);
}
