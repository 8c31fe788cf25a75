namespace CrossModel.Configuration;

/// <summary>The name that was probably meant.</summary>
internal static class Nearest
{
    /// <summary><c>did you mean "local"?</c>, or null when nothing is near.</summary>
    public static string? Hint(string word, IEnumerable<string> known)
    {
        string? best = null;
        int furthest = Math.Max(2, word.Length / 3);
        int bestDistance = furthest + 1;
        foreach (string candidate in known)
        {
            int distance = Distance(word, candidate);
            // "output" for "out": a long enough beginning is near whatever its length.
            if (distance > furthest && word.Length >= 3 && candidate.StartsWith(word, StringComparison.OrdinalIgnoreCase))
                distance = furthest;
            if (distance < bestDistance)
                (best, bestDistance) = (candidate, distance);
        }
        return best is null ? null : $"did you mean \"{best}\"?";
    }

    /// <summary>Edits of one character (Levenshtein), case not counted.</summary>
    private static int Distance(string a, string b)
    {
        if (a.Length > 200 || b.Length > 200)
            return int.MaxValue;
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                int cost = char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1;
                int edit = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + cost);
                diagonal = row[j];
                row[j] = edit;
            }
        }
        return row[b.Length];
    }
}
