using System.Globalization;
using CrossModel.Accounts;
using CrossModel.Protocol;

namespace CrossModel.Billing;

/// <summary>Moments and limits as people read them, on the command line and in the console.</summary>
internal static class Words
{
    /// <summary>Unix milliseconds: <c>2026-07-14 12:00:00Z</c>.</summary>
    public static string Time(long? milliseconds) => milliseconds is { } ms
        ? DateTimeOffset.FromUnixTimeMilliseconds(ms).UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture)
        : "never";

    /// <summary><c>60 requests/min, 5.00 USD a day</c>.</summary>
    public static string Limits(Terms terms)
    {
        var parts = new List<string>();
        void Add(long? limit, Func<long, string> words)
        {
            if (limit is { } value) parts.Add(words(value));
        }
        Add(terms.RequestsPerMinute, n => Counted.Of(n, "request") + "/min");
        Add(terms.TokensPerMinute, n => Counted.Of(n, "token") + "/min");
        Add(terms.Parallel, n => $"{n} in parallel");
        Add(terms.SpendDay, n => $"{Usd.Format(n)} USD a day");
        Add(terms.SpendMonth, n => $"{Usd.Format(n)} USD a month");
        Add(terms.SpendTotal, n => $"{Usd.Format(n)} USD in all");
        return parts.Count == 0 ? "no limits" : string.Join(", ", parts);
    }
}
