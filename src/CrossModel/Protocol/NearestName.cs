namespace CrossModel.Protocol;

/// <summary>The name that was probably meant by one that nobody knows: of a parameter, a setting, an account.</summary>
internal static class NearestName
{
    private const int LongestTried = 200;

    /// <summary>The known name that the fewest slips of the keyboard part from this one,
    /// if they are few for its length: one in three letters, case not counted. Null: none is near.</summary>
    public static string? Find(string name, IEnumerable<string> known)
    {
        if (name.Length > LongestTried) return null;
        var most = Math.Max(1, name.Length / 3);
        var (best, fewest) = ((string?)null, most + 1);
        foreach (var candidate in known.Where(k => k.Length <= LongestTried))
        {
            var slips = Slips(name, candidate);
            // "head" for "headers": a long enough beginning is near whatever its length.
            if (slips > most && name.Length >= 3 && candidate.StartsWith(name, StringComparison.OrdinalIgnoreCase)) slips = most;
            if (slips < fewest) (best, fewest) = (candidate, slips);
        }
        return best;
    }

    /// <summary><c>did you mean "local"?</c>, or null when nothing is near.</summary>
    public static string? Question(string name, IEnumerable<string> known) => Find(name, known) is { } nearest ? $"did you mean \"{nearest}\"?" : null;

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
                row[j] = Math.Min(Math.Min(last[j], row[j - 1]) + 1, last[j - 1] + (Same(a[i - 1], b[j - 1]) ? 0 : 1));
                if (i > 1 && j > 1 && Same(a[i - 1], b[j - 2]) && Same(a[i - 2], b[j - 1])) row[j] = Math.Min(row[j], beforeLast[j - 2] + 1);
            }
            var spare = beforeLast;
            beforeLast = last;
            last = row;
            row = spare;
        }
        return last[b.Length];
    }

    private static bool Same(char a, char b) => char.ToLowerInvariant(a) == char.ToLowerInvariant(b);
}
