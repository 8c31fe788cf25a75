using System.Globalization;
using CrossModel.Configuration;

namespace CrossModel.Dialects.Anthropic;

/// <summary>How a model is asked to think.</summary>
internal enum ThinkingStyle
{
    /// <summary>It does not.</summary>
    None,
    /// <summary><c>thinking:{type:enabled,budget_tokens}</c>.</summary>
    Budget,
    /// <summary><c>thinking:{type:adaptive}</c> with <c>output_config.effort</c>.</summary>
    Adaptive,
}

/// <summary>What must be known of a Claude model to ask it: read from its name,
/// wherever it is hosted (<c>us.anthropic.claude-opus-4-6-v1</c>, <c>claude-sonnet-4@20250514</c>).</summary>
internal sealed record ClaudeModel
{
    private const string Disabled = "disabled";

    /// <summary>Up front it does not think, but between the calls of tools it still does: that thinking is signed and wanted back.</summary>
    private const string BetweenTools = "between_tools";

    public ThinkingStyle Thinking { get; init; } = ThinkingStyle.Budget;
    /// <summary>Tokens; null: unknown.</summary>
    public long? MaxOutput { get; init; }
    /// <summary>Takes temperature or top_p.</summary>
    public bool Samples { get; init; } = true;
    /// <summary>Takes temperature and top_p together.</summary>
    public bool SamplesByBoth { get; init; }
    /// <summary>Takes <c>output_config.format</c> and strict tools.</summary>
    public bool StructuredOutput { get; init; }
    /// <summary>So it does at Amazon, which judges requests by a copy of the API of its own.</summary>
    public bool StructuredOutputAtAmazon { get; init; }
    /// <summary>Thinks when nothing is said of it.</summary>
    public bool ThinksByDefault { get; init; }
    /// <summary>The <c>thinking.type</c> that keeps it from thinking; null: there is none.</summary>
    public string? Off { get; init; }
    /// <summary>Takes a tool_choice that makes it call.</summary>
    public bool TakesForcedTools { get; init; } = true;
    /// <summary>Leaves the thinking's text out unless a summary is asked for.</summary>
    public bool HidesThinking { get; init; }
    /// <summary>What the effort <c>xhigh</c> is called.</summary>
    public string HighestEffort { get; init; } = "xhigh";

    /// <summary>Nothing keeps it from thinking.</summary>
    public bool AlwaysThinks => ThinksByDefault && Off is null;

    private static readonly ClaudeModel Unknown = new();

    private static readonly ClaudeModel Fifth =
        new() { Thinking = ThinkingStyle.Adaptive, MaxOutput = 128_000, Samples = false, StructuredOutput = true, ThinksByDefault = true, HidesThinking = true };

    /// <summary>First match wins. Versions are major × 10 + minor.</summary>
    private static readonly (string? Family, int From, ClaudeModel Model)[] Table =
    [
        ("haiku", 50, Fifth with { Off = Disabled }),
        ("sonnet", 55, Fifth with { Off = BetweenTools, TakesForcedTools = false }),
        (null, 51, Fifth with { TakesForcedTools = false }),
        ("fable", 50, Fifth),
        ("mythos", 50, Fifth),
        (null, 50, Fifth with { Off = Disabled }),
        (null, 48, new() { Thinking = ThinkingStyle.Adaptive, MaxOutput = 128_000, Samples = false, StructuredOutput = true, Off = Disabled, HidesThinking = true }),
        (null, 47, new() { Thinking = ThinkingStyle.Adaptive, MaxOutput = 128_000, Samples = false, StructuredOutput = true, HidesThinking = true }),
        (null, 46, new() { Thinking = ThinkingStyle.Adaptive, MaxOutput = 128_000, StructuredOutput = true, StructuredOutputAtAmazon = true, Off = Disabled, HighestEffort = "max" }),
        (null, 45, new() { MaxOutput = 64_000, StructuredOutput = true, StructuredOutputAtAmazon = true }),
        (null, 41, new() { MaxOutput = 32_000, StructuredOutput = true }),
        ("opus", 40, new() { MaxOutput = 32_000 }),
        (null, 40, new() { MaxOutput = 64_000 }),
        (null, 37, new() { MaxOutput = 64_000, SamplesByBoth = true }),
        (null, 35, new() { Thinking = ThinkingStyle.None, MaxOutput = 8_192, SamplesByBoth = true }),
        (null, 0, new() { Thinking = ThinkingStyle.None, MaxOutput = 4_096, SamplesByBoth = true }),
    ];

    /// <param name="facts">Win over the table where they say something.</param>
    public static ClaudeModel Of(string name, ModelFacts facts)
    {
        var model = ByName(name.ToLowerInvariant());
        if (model == Unknown && facts.StructuredOutput is true) model = model with { StructuredOutput = true, StructuredOutputAtAmazon = true };
        return model with
        {
            Thinking = facts.Reasoning is false ? ThinkingStyle.None : model.Thinking,
            ThinksByDefault = facts.Reasoning is not false && model.ThinksByDefault,
            MaxOutput = facts.MaxOutputTokens ?? model.MaxOutput,
            Samples = facts.Temperature is not false && model.Samples,
        };
    }

    /// <summary>Thinking by budget has no place before an answer that the caller has begun; newer models take no such beginning at all.</summary>
    public bool IsAtOdds(System.Text.Json.JsonElement[] messages) => Thinking == ThinkingStyle.Budget && ChatMessage.BeginAnswer(messages);

    /// <summary>Signed thinking of earlier turns may stand in a request that says this.</summary>
    public bool KeepsThinking(in ThinkingPlan plan) => plan.IsOn || (ThinksByDefault && (plan.Says == ThinkingPlan.Word.Nothing || Off == BetweenTools));

    private static ClaudeModel ByName(string name)
    {
        var at = name.IndexOf("claude", StringComparison.Ordinal);
        if (at < 0) return Unknown;
        var parts = name[at..].Split('-', '@', '.', ':', '_');
        var first = Array.FindIndex(parts, IsVersion);
        if (first < 0) return Unknown;
        var version = 10 * int.Parse(parts[first], CultureInfo.InvariantCulture);
        if (first + 1 < parts.Length && IsVersion(parts[first + 1])) version += Math.Min(9, int.Parse(parts[first + 1], CultureInfo.InvariantCulture));
        return Array.Find(Table, row => version >= row.From && (row.Family is null || parts.Contains(row.Family))).Model;
    }

    /// <summary>One or two digits; eight are a date.</summary>
    private static bool IsVersion(string part) => part.Length is 1 or 2 && part.All(char.IsAsciiDigit);
}
