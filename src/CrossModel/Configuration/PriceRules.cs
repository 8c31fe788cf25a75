namespace CrossModel.Configuration;

/// <summary>When a price is whole. Amounts themselves (sign, decimals) are judged where they are read.</summary>
internal static class PriceRules
{
    // A line of a receipt has its price per million units, in nano-dollars: more would not fit.
    private const decimal MostForAUnit = 9_000;

    // The dearest models ask less than that for one token, the cheapest more for a million.
    private const decimal LeastForAMillion = 0.001m;

    public static void Check(PriceConfig price, string path, TimeProvider time, ConfigSource source, List<ConfigFault> faults)
    {
        if (price.IsFree)
            return;
        if (price.Versions.Count == 0)
            faults.Add(new ConfigFault(path, "the list has no price in it", FaultKind.MissingPrice) { Hint = "state one, or write \"free\"" });
        else if (price.Versions.All(version => version.From > time.GetUtcNow()))
            faults.Add(new ConfigFault(path,
                $"no price has begun yet: the first one holds from {price.Versions.Min(version => version.From):yyyy-MM-ddTHH:mm:ssZ}", FaultKind.MissingPrice)
            { Hint = "add the price that holds until then" });
        for (var i = 0; i < price.Versions.Count; i++)
        {
            var version = price.Versions[i];
            var at = source.Has($"{path}[{i}]") ? $"{path}[{i}]" : path;
            if (version.Input is null)
                faults.Add(new ConfigFault($"{at}.input", "a price needs an input price") { Hint = "USD per million tokens; 0 is a price" });
            if (version.Output is null)
                faults.Add(new ConfigFault($"{at}.output", "a price needs an output price") { Hint = "USD per million tokens; 0 is a price" });
            if (price.Versions.Take(i).Any(earlier => earlier.From == version.From))
                faults.Add(new ConfigFault($"{at}.from", "two prices hold from the same time") { Hint = "give each its own \"from\"" });
            if (Math.Max(Math.Max(version.Request ?? 0, version.Image ?? 0), version.AudioSecond ?? 0) > MostForAUnit)
                faults.Add(new ConfigFault(at, $"a request, an image or a second of audio costs {MostForAUnit} USD at most"));
            if (IsOfOneToken(version))
                faults.Add(new ConfigFault(at, "each of these prices is below 0.001 USD per million tokens", FaultKind.Warning)
                { Hint = "if they are the prices of one token, multiply them by 1000000" });
            CheckTiers(version.Tiers, $"{at}.tiers", faults);
        }
    }

    private static bool IsOfOneToken(PriceVersionConfig price)
    {
        var most = new[]
        {
            price.Input, price.CachedInput, price.CacheWrite, price.CacheWriteHour, price.AudioInput, price.Output, price.Reasoning, price.AudioOutput,
        }.Max() ?? 0;
        return most is > 0 and < LeastForAMillion;
    }

    private static void CheckTiers(IReadOnlyList<PriceTierConfig> tiers, string path, List<ConfigFault> faults)
    {
        for (var i = 0; i < tiers.Count; i++)
        {
            var tier = tiers[i];
            if (tiers.Take(i).Any(other => other.Above == tier.Above))
                faults.Add(new ConfigFault($"{path}[{i}].above", "two tiers begin above the same size"));
            if ((tier.Input ?? tier.CachedInput ?? tier.CacheWrite ?? tier.CacheWriteHour ?? tier.AudioInput ?? tier.Output ?? tier.Reasoning ?? tier.AudioOutput) is null)
                faults.Add(new ConfigFault($"{path}[{i}]", "the tier names no price")
                { Hint = "give it at least one of input, cachedInput, cacheWrite, cacheWriteHour, audioInput, output, reasoning, audioOutput" });
        }
    }
}
