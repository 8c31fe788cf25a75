using CrossModel.Protocol;

namespace CrossModel.Chat;

/// <summary>What was dropped, fit for a header, a receipt and a log: callers choose the names of parameters that nobody lists, and how many there are.</summary>
internal static class IgnoredNames
{
    private const int Most = 32;

    /// <summary>Visible ASCII, each name as long as errors echo it, 32 of them and the number of the rest.</summary>
    public static IReadOnlyList<string> Fit(IReadOnlyList<string> names)
    {
        if (names.Count == 0) return names;
        var fit = names.Take(Most).Select(Fit).ToList();
        if (names.Count > Most) fit.Add($"and {names.Count - Most} more");
        return fit;
    }

    private static string Fit(string name)
    {
        if (name.Length <= ApiErrors.EchoLength && name.All(IsVisible)) return name;
        return string.Concat((name.Length <= ApiErrors.EchoLength ? name : name[..(ApiErrors.EchoLength - 3)] + "...").Select(letter => IsVisible(letter) ? letter : '?'));
    }

    private static bool IsVisible(char letter) => letter is >= ' ' and <= '~';
}
