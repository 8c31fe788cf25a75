namespace CrossModel.Protocol;

/// <summary>The operator's policy about what nobody lists, applied once the model is known.</summary>
internal static class UnknownParameterRule
{
    /// <summary>Other providers' parameters for how much to think, as their clients send them: no slip of the keyboard parts them from the listed one.</summary>
    private static readonly HashSet<string> Thinking = ["reasoning", "include_reasoning", "thinking", "enable_thinking", "thinking_budget"];

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
            var meant = Thinking.Contains(parameter.Name) ? ChatParameters.Name(ChatParameter.ReasoningEffort) : OtherSpelling.Of(parameter.Name);
            var hint = meant is not null ? NearestName.Meant(meant) : NearestName.Hint(parameter.Name, ChatParameters.Table.Names);
            return ApiErrors.UnsupportedParameter(parameter.Name, $"Unknown parameter \"{name}\"{hint}");
        }
        return request.UnlistedTool;
    }

    /// <summary>Of what one route would forward.</summary>
    /// <param name="forward">The route's setting is forward. Else only what <paramref name="passthrough"/> names goes out, and no tool of an unlisted type: an earlier route may have let it pass.</param>
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

/// <summary>Which name was probably meant.</summary>
internal static class NearestName
{
    private const int LongestTried = 64;

    /// <summary><c>: did you mean max_tokens?</c>, or an advice when no known name is near.</summary>
    public static string Hint(string name, IReadOnlyList<string> known)
    {
        var nearest = Find(name, known);
        return nearest is null ? ". Leave it out." : Meant(nearest);
    }

    public static string Meant(string name) => $": did you mean {name}?";

    /// <summary>The known name that the fewest slips of the keyboard part from this one, if they are few for its length: one in three letters.</summary>
    private static string? Find(string name, IReadOnlyList<string> known)
    {
        if (name.Length > LongestTried) return null;
        var lower = name.ToLowerInvariant();
        var (best, fewest) = ((string?)null, Math.Max(1, name.Length / 3) + 1);
        foreach (var candidate in known)
        {
            var slips = Slips(lower, candidate);
            if (slips < fewest) (best, fewest) = (candidate, slips);
        }
        return best;
    }

    /// <summary>Letters put in, left out, swapped for another, or swapped with their neighbour (optimal string alignment).</summary>
    private static int Slips(string a, string b)
    {
        Span<int> beforeLast = stackalloc int[b.Length + 1];
        Span<int> last = stackalloc int[b.Length + 1];
        Span<int> row = stackalloc int[b.Length + 1];
        for (var j = 0; j <= b.Length; j++) last[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                row[j] = Math.Min(Math.Min(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = Math.Min(row[j], beforeLast[j - 2] + 1);
            }
            var spare = beforeLast;
            beforeLast = last;
            last = row;
            row = spare;
        }
        return last[b.Length];
    }
}
