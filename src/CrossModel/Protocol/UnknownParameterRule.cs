namespace CrossModel.Protocol;

/// <summary>The operator's policy about what nobody lists, applied once the model is known.</summary>
internal static class UnknownParameterRule
{
    /// <summary>What other providers and other endpoints call a listed parameter, as their clients send it: no slip of the keyboard parts them.</summary>
    private static readonly Dictionary<string, ChatParameter> Elsewhere = new()
    {
        ["reasoning"] = ChatParameter.ReasoningEffort,
        ["include_reasoning"] = ChatParameter.ReasoningEffort,
        ["thinking"] = ChatParameter.ReasoningEffort,
        ["enable_thinking"] = ChatParameter.ReasoningEffort,
        ["thinking_budget"] = ChatParameter.ReasoningEffort,
        ["prompt"] = ChatParameter.Messages,
        ["input"] = ChatParameter.Messages,
    };

    /// <param name="reject">The model's setting is reject. Else unknown parameters pass here, and the dialect forwards or drops them.</param>
    /// <param name="passthrough">Parameters let through by name whatever the setting.</param>
    /// <returns>400 <c>unsupported_parameter</c> with the nearest known name as a hint, <c>invalid_value</c> for a tool of an unlisted type, or null.</returns>
    public static ApiError? Check(ChatRequest request, bool reject, IReadOnlySet<string> passthrough)
    {
        if (!reject) return null;
        foreach (var parameter in request.Unknown)
        {
            if (passthrough.Contains(parameter.Name)) continue;
            var name = ApiErrors.Echo(parameter.Name);
            var meant = Elsewhere.TryGetValue(parameter.Name, out var listed) ? ChatParameters.Name(listed)
                : OtherSpelling.Of(parameter.Name) ?? NearestName.Find(parameter.Name, ChatParameters.Table.Names);
            return ApiErrors.UnsupportedParameter(parameter.Name, $"Unknown parameter \"{name}\"{Hint(meant)}");
        }
        return request.UnlistedTool;
    }

    /// <param name="meant">The name that was probably meant; null: none is near.</param>
    public static string Hint(string? meant) => meant is null ? ". Leave it out." : $": did you mean {meant}?";

    /// <summary>Of what one route would forward.</summary>
    /// <param name="forward">The route's setting is forward. Else only what <paramref name="passthrough"/> names goes out,
    /// and no tool of an unlisted type: an earlier route may have let it pass.</param>
    /// <returns>400 <c>unsupported_parameter</c> for another spelling of a listed parameter, naming that one, <c>invalid_value</c> for such a tool, or null.</returns>
    public static ApiError? CheckForwarded(ChatRequest request, bool forward, IReadOnlySet<string> passthrough)
    {
        if (!forward && request.UnlistedTool is { } tool) return tool;
        foreach (var parameter in request.Unknown)
        {
            if ((forward || passthrough.Contains(parameter.Name)) && OtherSpelling.Of(parameter.Name) is { } listed)
                return ApiErrors.UnsupportedParameter(parameter.Name, $"\"{ApiErrors.Echo(parameter.Name)}\" is another name for {listed}. Send {listed} instead.");
        }
        return null;
    }
}
