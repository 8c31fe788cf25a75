using CrossModel.Billing;
using CrossModel.Configuration;

namespace CrossModel.Routing;

/// <summary>From a configured price to the room that computes with it. The validator has seen to it that input and output are there and every amount fits.</summary>
internal static class Prices
{
    public static PriceList From(PriceConfig price) => price.IsFree ? PriceList.Free : new PriceList([.. price.Versions.Select(Version)]);

    /// <summary>The version that holds at <paramref name="now"/>, the newest begun, in the configuration's own decimals; null: free, or none has begun.</summary>
    public static PriceVersionConfig? InForce(PriceConfig price, DateTimeOffset now)
    {
        PriceVersionConfig? newest = null;
        for (var i = 0; i < price.Versions.Count; i++)
        {
            var version = price.Versions[i];
            var from = version.From ?? DateTimeOffset.MinValue;
            if (from <= now && (newest is null || from > (newest.From ?? DateTimeOffset.MinValue))) newest = version;
        }
        return newest;
    }

    private static PriceVersion Version(PriceVersionConfig v) => new()
    {
        From = v.From,
        Input = Nano(v.Input ?? 0),
        CachedInput = Nano(v.CachedInput),
        CacheWrite = Nano(v.CacheWrite),
        CacheWriteHour = Nano(v.CacheWriteHour),
        AudioInput = Nano(v.AudioInput),
        Output = Nano(v.Output ?? 0),
        Reasoning = Nano(v.Reasoning),
        AudioOutput = Nano(v.AudioOutput),
        Request = Nano(v.Request ?? 0),
        Image = Nano(v.Image ?? 0),
        AudioSecond = Nano(v.AudioSecond ?? 0),
        Tiers = [.. v.Tiers.Select(t => new PriceTier(t.Above, Nano(t.Input), Nano(t.CachedInput), Nano(t.CacheWrite), Nano(t.Output), Nano(t.Reasoning),
            Nano(t.CacheWriteHour), Nano(t.AudioInput), Nano(t.AudioOutput)))],
    };

    public static long? Nano(decimal? usd) => usd is { } amount ? Nano(amount) : null;

    private static long Nano(decimal usd) =>
        Usd.FromDecimal(usd) ?? throw new ArgumentOutOfRangeException(nameof(usd), usd, "An amount is at least 0 and has at most 9 decimal places.");
}
