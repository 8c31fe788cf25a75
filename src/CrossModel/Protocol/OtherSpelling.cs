namespace CrossModel.Protocol;

/// <summary>
/// Other names for what is listed. A server that knows one of them obeys it beside or before the listed name, and so gives more candidates or longer
/// ones than money is held for: none may reach it, whatever else is let through.
/// </summary>
internal static class OtherSpelling
{
    /// <summary>Servers' own, as <see cref="Plain"/> writes them.
    /// What only the listed name's case or underscores differ in needs no row: servers written in Go read any case.</summary>
    private static readonly Dictionary<string, ChatParameter> Own = new()
    {
        ["npredict"] = ChatParameter.MaxTokens,
        ["numpredict"] = ChatParameter.MaxTokens,
        ["maxnewtokens"] = ChatParameter.MaxTokens,
        ["maxoutputtokens"] = ChatParameter.MaxTokens,
        ["maxlength"] = ChatParameter.MaxTokens,
        ["maxgenlen"] = ChatParameter.MaxTokens,
        ["maxtokenstosample"] = ChatParameter.MaxTokens,
        ["ncmpl"] = ChatParameter.N,
        ["bestof"] = ChatParameter.N,
        ["candidatecount"] = ChatParameter.N,
        ["numreturnsequences"] = ChatParameter.N,
        ["nprobs"] = ChatParameter.TopLogprobs,
    };

    private static readonly Dictionary<string, string> Listed = ChatParameters.Table.Names.ToDictionary(Plain, name => name);

    /// <summary>The listed parameter that another name stands for; null: it is no spelling of any.</summary>
    public static string? Of(string name)
    {
        var plain = Plain(name);
        return Own.TryGetValue(plain, out var parameter) ? ChatParameters.Name(parameter) : Listed.GetValueOrDefault(plain);
    }

    // The two letters beyond ASCII that readers of any case take for an s and a k.
    private static string Plain(string name) =>
        name.Replace("_", "", StringComparison.Ordinal).Replace('\u017f', 's').Replace('\u212a', 'k').ToLowerInvariant();
}
