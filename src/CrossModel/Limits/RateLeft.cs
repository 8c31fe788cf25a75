using System.Globalization;

namespace CrossModel.Limits;

/// <summary>What is left of a limit per minute, as the x-ratelimit headers say it.</summary>
/// <param name="Reset">Ticks until a call would be admitted again; 0: now.</param>
internal readonly record struct RateLeft(long Limit, long Remaining, long Reset)
{
    /// <summary>Limit and remaining of the one that leaves less; the later reset, since a call has to pass both.</summary>
    public static RateLeft Tighter(RateLeft? a, RateLeft b)
    {
        if (a is not { } first) return b;
        var tighter = b.Remaining < first.Remaining ? b : first;
        return tighter with { Reset = Math.Max(first.Reset, b.Reset) };
    }

    public void Write(IHeaderDictionary headers, string what)
    {
        var (limit, remaining, reset) = what == "requests"
            ? ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests")
            : ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens");
        headers[limit] = Limit.ToString(CultureInfo.InvariantCulture);
        headers[remaining] = Remaining.ToString(CultureInfo.InvariantCulture);
        headers[reset] = Duration(Reset);
    }

    /// <summary><c>0s</c>, <c>12ms</c>, <c>6s</c>, <c>1m30s</c>; rounded up, so that whoever waits so long is not early.</summary>
    public static string Duration(long ticks)
    {
        if (ticks <= 0) return "0s";
        var ms = (ticks + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond;
        if (ms < 1000) return string.Create(CultureInfo.InvariantCulture, $"{ms}ms");
        var s = (ms + 999) / 1000;
        return s < 60 ? string.Create(CultureInfo.InvariantCulture, $"{s}s") : string.Create(CultureInfo.InvariantCulture, $"{s / 60}m{s % 60}s");
    }
}
