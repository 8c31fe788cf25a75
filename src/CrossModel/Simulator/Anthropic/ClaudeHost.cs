using System.Text.RegularExpressions;

namespace CrossModel.Simulator;

/// <summary>A cloud that serves Claude in Anthropic's format, but for these.</summary>
/// <param name="Model">From the path: the body must not name one.</param>
/// <param name="Version">What <c>anthropic_version</c> must be.</param>
/// <param name="IdPart">What ids have behind their first part.</param>
/// <param name="Members">Members of the body that not every host knows, separated by blanks.</param>
internal sealed partial record ClaudeHost(string Model, string Version, string IdPart, string Members)
{
    private const string Others = " metadata stream service_tier container context_management mcp_servers cache_control inference_geo";

    /// <summary>Its copy of the API knows <c>output_config.format</c> and strict tools.</summary>
    public bool KnowsSchemas { get; init; } = true;

    public const string AtAnthropic = "model" + Others;

    public static ClaudeHost Vertex(string model) => new(model, "vertex-2023-10-16", "vrtx_", "anthropic_version" + Others);

    public static ClaudeHost Bedrock(string model) =>
        new(model, "bedrock-2023-05-31", "bdrk_", "anthropic_version anthropic_beta cache_control") { KnowsSchemas = !WithoutSchemas().IsMatch(model) };

    [GeneratedRegex("claude-(opus|sonnet|haiku)-(4-[178]|5)")]
    private static partial Regex WithoutSchemas();
}
