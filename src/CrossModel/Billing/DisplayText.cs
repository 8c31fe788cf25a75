using System.Globalization;
using CrossModel.Accounts;
using CrossModel.Protocol;

namespace CrossModel.Billing;

/// <summary>Moments, limits and prices as people read them, on the command line and in the console: both know this room, which has the prices.</summary>
internal static class DisplayText
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

    /// <summary>What a price says besides input, cached input and output: <c>cache writes 3.75, 0.05 a request, above 200000 prompt tokens: input 2.50, …</c></summary>
    public static string Besides(PriceVersion price)
    {
        var parts = Besides(price.For(0));
        if (price.Request > 0) parts.Add($"{Usd.Format(price.Request)} a request");
        if (price.Image > 0) parts.Add($"{Usd.Format(price.Image)} an image");
        if (price.AudioSecond > 0) parts.Add($"{Usd.Format(price.AudioSecond)} a second of audio");
        foreach (var tier in price.Tiers.OrderBy(tier => tier.Above))
        {
            var prices = price.For(tier.Above + 1);
            parts.Add($"above {tier.Above} prompt tokens: input {Usd.Format(prices.Input)}, cached {Usd.Format(prices.CachedInput)}, output {Usd.Format(prices.Output)}");
            parts.AddRange(Besides(prices));
        }
        return string.Join(", ", parts);
    }

    private static List<string> Besides(TokenPrices prices)
    {
        var parts = new List<string>();
        void Add(string what, long amount, long usual)
        {
            if (amount != usual) parts.Add($"{what} {Usd.Format(amount)}");
        }
        Add("cache writes", prices.CacheWrite, prices.Input);
        Add("cache writes for an hour", prices.CacheWriteHour, prices.CacheWrite);
        Add("audio input", prices.AudioInput, prices.Input);
        Add("reasoning", prices.Reasoning, prices.Output);
        Add("audio output", prices.AudioOutput, prices.Output);
        return parts;
    }
}
