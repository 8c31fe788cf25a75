namespace CrossModel.Dialects.OpenAI;

/// <summary>How each kind of server is told how much to think.</summary>
internal static class EffortSpelling
{
    /// <summary>The server's own parameter that reasoning_effort becomes; null: it stays what it is.</summary>
    public static string? Member(ReasoningStyle style) => style switch
    {
        ReasoningStyle.ReasoningObject => "reasoning",
        ReasoningStyle.ThinkingType or ReasoningStyle.ThinkingTypeAndEffort => "thinking",
        ReasoningStyle.EnableThinking => "enable_thinking",
        ReasoningStyle.TemplateArguments => "chat_template_kwargs",
        _ => null,
    };

    /// <summary>The members that say it; null: <c>reasoning_effort</c> says it as it was sent.</summary>
    /// <param name="effort">What the server is to do.</param>
    /// <param name="asked">What the caller wrote.</param>
    public static string? Of(ReasoningStyle style, string effort, string asked) => style switch
    {
        ReasoningStyle.ReasoningObject => $"\"reasoning\":{{\"effort\":\"{effort}\"}}",
        ReasoningStyle.ThinkingType => Thinking(effort != "none"),
        ReasoningStyle.ThinkingTypeAndEffort => effort != "none" ? $"{Thinking(true)},\"reasoning_effort\":\"{effort}\"" : Thinking(false),
        ReasoningStyle.EnableThinking => effort != "none" ? $"\"enable_thinking\":true,\"thinking_budget\":{Budget(effort)}" : "\"enable_thinking\":false",
        ReasoningStyle.TemplateArguments => $"\"chat_template_kwargs\":{{\"reasoning_effort\":\"{effort}\",\"enable_thinking\":{(effort != "none" ? "true" : "false")}}}",
        _ when effort != asked => $"\"reasoning_effort\":\"{effort}\"",
        _ => null,
    };

    /// <summary>The member that keeps the model from thinking.</summary>
    public static string None(ReasoningStyle style) => Of(style, "none", "")!;

    private static string Thinking(bool on) => on ? "\"thinking\":{\"type\":\"enabled\"}" : "\"thinking\":{\"type\":\"disabled\"}";

    /// <summary>Tokens to think with: the steps that clients of several providers use.</summary>
    private static int Budget(string effort) => effort switch { "minimal" => 512, "low" => 1024, "medium" => 2048, "high" => 4096, _ => 16384 };
}
