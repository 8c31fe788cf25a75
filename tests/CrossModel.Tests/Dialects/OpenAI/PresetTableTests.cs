using CrossModel.Dialects.OpenAI;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.OpenAI;

/// <summary>The table of presets in docs/dialects/openai.md against the presets: what each is asked in, and what it is not sent.</summary>
public sealed class PresetTableTests
{
    private static readonly string[] UsuallyDropped =
        ["metadata", "moderation", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "service_tier", "store", "user", "verbosity", "web_search_options"];

    private static readonly string[] UsuallyRefused = ["audio", "modalities"];

    [Fact]
    public void Table_EveryPreset_IsAsItIs()
    {
        var rows = File.ReadLines(RepoRoot.File("docs", "dialects", "openai.md"))
            .SkipWhile(line => !line.StartsWith("| preset |", StringComparison.Ordinal)).Skip(2).TakeWhile(line => line.StartsWith('|'))
            .Select(line => string.Join(" | ", line.Split('|')[1..7].Select(cell => cell.Trim())));
        Assert.Equal(string.Join('\n', Presets.All.Select(Row)), string.Join('\n', rows));
    }

    [Fact]
    public void Table_WhatIsUsual_IsNamedAboveIt()
    {
        var text = File.ReadAllText(RepoRoot.File("docs", "dialects", "openai.md"));
        Assert.Contains($"Usually dropped are {Names(UsuallyDropped)}; usually refused {Names(UsuallyRefused)}.", text, StringComparison.Ordinal);
    }

    private static string Row(Preset preset) => string.Join(" | ",
        $"`{preset.Name}`",
        preset.Cap == CapSpelling.MaxTokens ? "max_tokens" : "max_completion_tokens",
        preset.Reasoning switch
        {
            ReasoningStyle.NoneOrHigh => "reasoning_effort none or high (all others become high)",
            ReasoningStyle.ThinkingType => "`thinking.type`",
            ReasoningStyle.ThinkingTypeAndEffort => "`thinking.type` + reasoning_effort",
            ReasoningStyle.EnableThinking => "`enable_thinking`, `thinking_budget`",
            ReasoningStyle.ReasoningObject => "`reasoning.effort`",
            ReasoningStyle.TemplateArguments => "`chat_template_kwargs`",
            _ => "reasoning_effort",
        },
        preset.Candidates ? "no" : "yes",
        Beside(UsuallyDropped, [.. preset.Drops, .. preset.Seed is null ? ["seed"] : Array.Empty<string>(), .. preset.User == UserSpelling.Dropped ? ["user"] : Array.Empty<string>()]),
        Beside(UsuallyRefused, preset.Refuses));

    /// <summary>In what it differs from the usual.</summary>
    private static string Beside(string[] usual, IEnumerable<string> own)
    {
        var names = own.ToHashSet();
        var (more, taken) = (names.Except(usual).Order(StringComparer.Ordinal).ToArray(), usual.Except(names).ToArray());
        if (names.Count == 0) return "nothing";
        return string.Join("; ", ((string[])[Names(more), taken.Length == 0 ? "" : "takes " + Names(taken)]).Where(part => part != ""));
    }

    private static string Names(string[] names) => string.Join(", ", names.Select(name => $"`{name}`"));
}
