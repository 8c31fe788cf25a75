using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>What a request says of thinking, and the output cap that goes with it.</summary>
/// <param name="Says">What stands in <c>thinking</c>.</param>
/// <param name="Effort">Goes into <c>output_config.effort</c>; null: nothing.</param>
/// <param name="Budget">Tokens, for <see cref="Word.Enabled"/>.</param>
/// <param name="MaxTokens">The cap that goes out, thinking included.</param>
internal readonly record struct ThinkingPlan(ThinkingPlan.Word Says, string? Effort, long Budget, long MaxTokens)
{
    internal enum Word { Nothing, Disabled, Adaptive, Enabled }

    /// <summary>Smallest budget that the API takes.</summary>
    private const long LeastBudget = 1024;

    private const long DefaultCap = 4096;

    /// <summary>What is named for the effort none where the model cannot be kept from thinking.</summary>
    public const string Least = "reasoning_effort=low";

    public bool IsOn => Says is Word.Adaptive or Word.Enabled;

    /// <summary>The caller turns it on in Claude's own words: the API then takes no sampling beside it, however it was asked for.</summary>
    public static bool IsOnInOwnWords(ChatRequest request, List<UnknownParameter> extras)
    {
        if (extras.Find(u => u.Name == "thinking") is not { } own) return false;
        using var thinking = JsonDocument.Parse(own.Value.In(request.Body).ToArray());
        return thinking.RootElement.ValueKind == JsonValueKind.Object && thinking.RootElement.TryGetProperty("type"u8, out var type) && !AnthropicTools.Is(type, "disabled"u8);
    }

    /// <summary>What the caller says in Claude's own words wins over an effort beside it, which is named.</summary>
    public void NameLostEffort(ChatRequest request, List<UnknownParameter> extras, List<string> ignored)
    {
        var isLost = (Effort is not null && extras.Exists(u => u.Name == "output_config")) || (request.ReasoningEffort == "none" && IsOnInOwnWords(request, extras));
        if (!isLost) return;
        ignored.Remove(Least);
        ignored.Add("reasoning_effort");
    }

    /// <summary>False: a tool is forced, the signed thinking of an open tool loop is lost, or the caller has begun the answer. The API refuses thinking then.</summary>
    /// <param name="contentTool">A tool that the model is made to call; null: none.</param>
    public static bool MayThink(ChatRequest request, ClaudeModel model, string? contentTool, JsonElement[] messages, ThinkingHistory? history) =>
        !model.IsAtOdds(messages)
        && (model.AlwaysThinks
            || (!request.Features.HasFlag(ChatFeatures.ForcedTool) && contentTool is null && (request.ReasoningEffort is null || history is not { IsWhole: false })));

    /// <param name="affordable">A cap that the caller did not give; it is never raised.</param>
    /// <param name="mayThink">False: as <see cref="MayThink"/> says, or the caller says it in Claude's own words.</param>
    public static ThinkingPlan Of(ChatRequest request, ClaudeModel model, long? affordable, bool mayThink, List<string> ignored)
    {
        var limit = model.MaxOutput ?? long.MaxValue;
        var asked = request.MaxOutputTokens ?? affordable;
        var cap = asked ?? model.MaxOutput ?? DefaultCap;
        if (cap > limit)
        {
            cap = limit;
            ignored.Add($"max_tokens={limit}");
        }
        var effort = request.ReasoningEffort;
        if (effort == "none" && model.AlwaysThinks && mayThink)
        {
            ignored.Add(Least);
            return new ThinkingPlan(Word.Nothing, "low", 0, cap);
        }
        if (effort is null or "none" || model.Thinking == ThinkingStyle.None || !mayThink)
        {
            if (effort is not (null or "none")) ignored.Add("reasoning_effort");
            var isOff = model.Off is not null && (effort == "none" || (!mayThink && model.ThinksByDefault));
            return new ThinkingPlan(isOff ? Word.Disabled : Word.Nothing, null, 0, cap);
        }
        if (model.Thinking == ThinkingStyle.Adaptive)
        {
            var word = effort switch { "minimal" => "low", "xhigh" => model.HighestEffort, _ => effort };
            return new ThinkingPlan(Word.Adaptive, word, 0, cap);
        }
        var budget = effort switch { "minimal" or "low" => LeastBudget, "medium" => 2048, "high" => 4096, _ => 16384L };
        // The caller's cap is about the answer; what was never capped, or capped for want of money, is not raised.
        if (request.MaxOutputTokens is not null || asked is null && model.MaxOutput is null) cap = Math.Min(limit, cap + budget);
        if (budget >= cap) budget = cap / 2;
        if (budget >= LeastBudget) return new ThinkingPlan(Word.Enabled, null, budget, cap);
        ignored.Add("reasoning_effort");
        return new ThinkingPlan(Word.Nothing, null, 0, request.MaxOutputTokens is { } own ? Math.Min(own, limit) : cap);
    }
}
