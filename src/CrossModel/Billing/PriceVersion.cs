using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using CrossModel.Protocol;
using CrossModel.Usage;

namespace CrossModel.Billing;

/// <summary>One upstream call of a reply that the caller pays for.</summary>
/// <param name="Images">Images in its prompt.</param>
/// <param name="AudioSeconds">Seconds of audio in its prompt, rounded up.</param>
internal readonly record struct CallUsage(TokenUsage Usage, int Images = 0, long AudioSeconds = 0);

/// <summary>What a reply costs and why.</summary>
/// <param name="Total">Nano-dollars: the lines' exact sum, rounded once, half up.</param>
/// <param name="Lines">One a class and price; none with a count of 0, none at all when free.</param>
internal sealed record Bill(long Total, IReadOnlyList<CostLine> Lines)
{
    public static Bill Nothing { get; } = new(0, []);
}

/// <summary>Prices of one call by class, nano-dollars per million tokens.</summary>
internal readonly record struct TokenPrices(long Input, long CachedInput, long CacheWrite, long CacheWriteHour, long AudioInput, long Output, long Reasoning, long AudioOutput);

/// <summary>Prices for the whole call when its prompt has more than Above tokens. Nano-dollars per million tokens; null: the base price's.</summary>
internal sealed record PriceTier(long Above, long? Input = null, long? CachedInput = null, long? CacheWrite = null, long? Output = null, long? Reasoning = null,
    long? CacheWriteHour = null, long? AudioInput = null, long? AudioOutput = null);

/// <summary>A price from one date on. Token prices are nano-dollars per million tokens, the others nano-dollars a unit.</summary>
internal sealed class PriceVersion
{
    private const long MostHeld = long.MaxValue / 8;

    private string? _name;

    public static PriceVersion Free { get; } = new() { Input = 0, Output = 0, IsFree = true };

    /// <summary>From when it holds; null: always has.</summary>
    public DateTimeOffset? From { get; init; }
    public required long Input { get; init; }
    /// <summary>Null: input's.</summary>
    public long? CachedInput { get; init; }
    /// <summary>Null: input's.</summary>
    public long? CacheWrite { get; init; }
    /// <summary>Null: cache write's.</summary>
    public long? CacheWriteHour { get; init; }
    /// <summary>Null: input's.</summary>
    public long? AudioInput { get; init; }
    public required long Output { get; init; }
    /// <summary>Null: output's.</summary>
    public long? Reasoning { get; init; }
    /// <summary>Null: output's.</summary>
    public long? AudioOutput { get; init; }
    /// <summary>Nano-dollars a call.</summary>
    public long Request { get; init; }
    /// <summary>Nano-dollars an image in the prompt.</summary>
    public long Image { get; init; }
    /// <summary>Nano-dollars a second of audio in the prompt.</summary>
    public long AudioSecond { get; init; }
    public IReadOnlyList<PriceTier> Tiers { get; init; } = [];
    /// <summary>The configuration says "free".</summary>
    public bool IsFree { get; init; }

    /// <summary>What a charge calls it: "free", its From in RFC 3339, else a short hash of the price.</summary>
    public string Name => _name ??= IsFree ? "free"
        : From is { } from ? from.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture)
        : Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Spelled())).AsSpan(0, 6));

    /// <summary>The token prices for a prompt of this size: of the tiers it exceeds, the highest; what that does not name comes from the base.</summary>
    public TokenPrices For(long promptTokens)
    {
        PriceTier? tier = null;
        foreach (var t in Tiers)
            if (promptTokens > t.Above && (tier is null || t.Above > tier.Above)) tier = t;
        var input = tier?.Input ?? Input;
        var output = tier?.Output ?? Output;
        // The defaults come last: a class that nobody names costs what input or output cost in the same tier.
        var written = tier?.CacheWrite ?? CacheWrite ?? input;
        return new TokenPrices(input, tier?.CachedInput ?? CachedInput ?? input, written, tier?.CacheWriteHour ?? CacheWriteHour ?? written,
            tier?.AudioInput ?? AudioInput ?? input, output, tier?.Reasoning ?? Reasoning ?? output, tier?.AudioOutput ?? AudioOutput ?? output);
    }

    /// <summary>The cost of a reply made of these calls. Each call's own prompt decides its tier; there is one rounding, at the end.</summary>
    public Bill Compute(params ReadOnlySpan<CallUsage> calls)
    {
        if (IsFree) return Bill.Nothing;
        var lines = new List<CostLine>(4);
        foreach (var call in calls)
        {
            var usage = call.Usage;
            var prices = For(usage.InputTokens);
            var cached = Math.Min(usage.CachedInputTokens, usage.InputTokens);
            var written = Math.Min(usage.CacheWriteTokens, usage.InputTokens - cached);
            var hour = Math.Min(usage.CacheWriteHourTokens, written);
            var heard = Math.Min(usage.AudioInputTokens, usage.InputTokens - cached - written);
            var reasoning = Math.Min(usage.ReasoningTokens, usage.OutputTokens);
            var spoken = Math.Min(usage.AudioOutputTokens, usage.OutputTokens - reasoning);
            Add(lines, "input", usage.InputTokens - cached - written - heard, prices.Input);
            Add(lines, "cached_input", cached, prices.CachedInput);
            Add(lines, "cache_write", written - hour, prices.CacheWrite);
            Add(lines, "cache_write_hour", hour, prices.CacheWriteHour);
            Add(lines, "audio_input", heard, prices.AudioInput);
            Add(lines, "output", usage.OutputTokens - reasoning - spoken, prices.Output);
            Add(lines, "reasoning", reasoning, prices.Reasoning);
            Add(lines, "audio_output", spoken, prices.AudioOutput);
            AddUnits(lines, "request", 1, Request);
            AddUnits(lines, "image", call.Images, Image);
            AddUnits(lines, "audio_second", call.AudioSeconds, AudioSecond);
        }
        return new Bill(Usd.Round(Sum(lines)), lines);
    }

    /// <summary>The exact sum of lines: nano-dollars × 1,000,000.</summary>
    public static Int128 Sum(IReadOnlyList<CostLine> lines)
    {
        Int128 sum = 0;
        for (var i = 0; i < lines.Count; i++) sum += lines[i].Amount;
        return sum;
    }

    /// <summary>Nano-dollars held for a request of this size. More than a billion dollars is never asked for: sums of holds must stay numbers.</summary>
    public long Hold(in HoldSize size) => IsFree ? 0 : Math.Min(MostHeld, Usd.Round(Fixed(size) + (Int128)OutputPrice(size) * size.OutputTokens * size.Candidates));

    /// <summary>The largest output cap, in tokens for each candidate, whose hold is at most <paramref name="available"/> nano-dollars; 0 when not even the prompt is affordable.</summary>
    public long AffordableOutput(long available, in HoldSize size)
    {
        var perToken = (Int128)OutputPrice(size) * size.Candidates;
        // The largest exact sum that still rounds to `available`.
        var left = (Int128)available * 1_000_000 + 499_999 - Fixed(size);
        if (IsFree || (perToken == 0 && left >= 0)) return long.MaxValue;
        if (left < 0) return 0;
        var tokens = left / perToken;
        return tokens > long.MaxValue ? long.MaxValue : (long)tokens;
    }

    /// <summary>Everything of a hold but the output: exact, nano-dollars × 1,000,000.</summary>
    private Int128 Fixed(in HoldSize size)
    {
        var prices = For(size.PromptTokens);
        return size.Calls * ((Int128)prices.Input * (size.PromptTokens - size.AudioTokens) + (Int128)prices.AudioInput * size.AudioTokens
            + 1_000_000 * ((Int128)Request + (Int128)Image * size.Images + (Int128)AudioSecond * size.AudioSeconds));
    }

    /// <summary>How much of a reply is thinking, and of a spoken one sound, is not known beforehand: all of it is held at the dearest price.</summary>
    private long OutputPrice(in HoldSize size)
    {
        var prices = For(size.PromptTokens);
        var written = Math.Max(prices.Output, prices.Reasoning);
        return size.Speaks ? Math.Max(written, prices.AudioOutput) : written;
    }

    private static void AddUnits(List<CostLine> lines, string name, long count, long price)
    {
        // A line's price is per million units. 9,000 USD a unit is the most that a price may state.
        if (price > 0) Add(lines, name, count, checked(price * 1_000_000));
    }

    private static void Add(List<CostLine> lines, string name, long count, long price)
    {
        if (count <= 0) return;
        for (var i = 0; i < lines.Count; i++)
        {
            if (lines[i].Class != name || lines[i].Price != price) continue;
            lines[i] = lines[i] with { Count = lines[i].Count + count };
            return;
        }
        lines.Add(new CostLine(name, count, price));
    }

    private string Spelled()
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture,
            $"{Input}/{CachedInput}/{CacheWrite}/{Output}/{Reasoning}/{Request}/{Image}/{AudioSecond}");
        Further(text, CacheWriteHour, AudioInput, AudioOutput);
        foreach (var t in Tiers.OrderBy(t => t.Above))
        {
            text.Append(CultureInfo.InvariantCulture, $";{t.Above}:{t.Input}/{t.CachedInput}/{t.CacheWrite}/{t.Output}/{t.Reasoning}");
            Further(text, t.CacheWriteHour, t.AudioInput, t.AudioOutput);
        }
        return text.ToString();
    }

    // Only where they are stated: a price that has none of them keeps the name that it had before there were such classes.
    private static void Further(StringBuilder text, long? hour, long? heard, long? spoken)
    {
        if ((hour ?? heard ?? spoken) is not null) text.Append(CultureInfo.InvariantCulture, $"+{hour}/{heard}/{spoken}");
    }
}
