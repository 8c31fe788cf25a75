using System.Globalization;

namespace CrossModel.Configuration;

/// <summary>Durations as people write them: a whole number and one of ms, s, m, h, d.</summary>
internal static class Durations
{
    private static readonly (string Unit, long Milliseconds)[] Units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

    /// <summary>Null: not a duration, or longer than a hundred years.</summary>
    public static TimeSpan? Parse(string text)
    {
        foreach ((string unit, long milliseconds) in Units)
        {
            // "ms" is tried first and "s" second, so a digit before the unit tells 5ms from 5s.
            if (text.Length <= unit.Length || !text.EndsWith(unit, StringComparison.Ordinal) || !char.IsAsciiDigit(text[^(unit.Length + 1)]))
                continue;
            if (!long.TryParse(text.AsSpan(0, text.Length - unit.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var count))
                return null;
            return count <= 36_525L * 86_400_000 / milliseconds ? TimeSpan.FromMilliseconds(count * milliseconds) : null;
        }
        return null;
    }

    /// <summary>It has the form of a duration and is longer than a hundred years.</summary>
    public static bool IsTooLong(string text)
    {
        var unit = text.TrimStart([.. "0123456789"]);
        return unit.Length < text.Length && Units.Any(known => known.Unit == unit) && Parse(text) is null;
    }

    /// <summary>The shortest spelling that is exact to the millisecond: 90 s is "90s", 10 min is "10m".</summary>
    public static string Format(TimeSpan duration)
    {
        long total = (long)duration.TotalMilliseconds;
        (string unit, long milliseconds) = total == 0 ? ("s", 1000) : Units.Last(candidate => total % candidate.Milliseconds == 0);
        return string.Create(CultureInfo.InvariantCulture, $"{total / milliseconds}{unit}");
    }
}
