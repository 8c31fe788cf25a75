using System.Globalization;

namespace CrossModel.Billing;

/// <summary>US dollars as whole nano-dollars (1e-9 USD) in a long: exact, up to about 9.2 billion USD.</summary>
internal static class Usd
{
    /// <summary>Nano-dollars in a dollar.</summary>
    public const long Nano = 1_000_000_000;

    /// <summary>The most of a limit or a credit line: they are added to balances and to each other, which must leave room.</summary>
    public const long MostOfTerm = 1_000_000_000 * Nano;

    private const int Places = 9;

    /// <summary>A plain decimal without sign or exponent and with at most 9 places ("10", "0.0123"), as nano-dollars; null for anything else.</summary>
    public static long? Parse(string? text)
    {
        if (string.IsNullOrEmpty(text)) return null;
        var point = text.IndexOf('.');
        var whole = point < 0 ? text : text[..point];
        var fraction = point < 0 ? "" : text[(point + 1)..];
        if (whole.Length == 0 || (point >= 0 && fraction.Length == 0) || fraction.Length > Places) return null;
        if (!whole.All(char.IsAsciiDigit) || !fraction.All(char.IsAsciiDigit)) return null;
        if (!Int128.TryParse(whole + fraction.PadRight(Places, '0'), NumberStyles.None, CultureInfo.InvariantCulture, out var nano)) return null;
        return nano <= long.MaxValue ? (long)nano : null;
    }

    /// <summary>Nano-dollars of a decimal that has at most 9 places; null when it has more, is negative or too large.</summary>
    public static long? FromDecimal(decimal usd)
    {
        if (usd is < 0 or > 9_000_000_000m) return null;
        var nano = usd * Nano;
        return nano == decimal.Truncate(nano) ? (long)nano : null;
    }

    /// <summary>A plain decimal with 2 to 9 places and never an exponent: "10.00", "0.0123", "-1.50".</summary>
    public static string Format(long nano)
    {
        var magnitude = nano < 0 ? (ulong)-(nano + 1) + 1 : (ulong)nano;
        Span<char> text = stackalloc char[32];
        text.TryWrite(CultureInfo.InvariantCulture, $"{(nano < 0 ? "-" : "")}{magnitude / Nano}.{magnitude % Nano:D9}", out var length);
        var shortest = length - Places + 2;
        while (length > shortest && text[length - 1] == '0') length--;
        return new string(text[..length]);
    }

    /// <summary>An exact line amount (nano-dollars × 1,000,000) as a plain decimal with 2 to 15 places.</summary>
    public static string FormatExact(Int128 amount)
    {
        var unit = (Int128)Nano * 1_000_000;
        var sign = amount < 0 ? "-" : "";
        if (amount < 0) amount = -amount;
        var fraction = (amount % unit).ToString("D15", CultureInfo.InvariantCulture).TrimEnd('0').PadRight(2, '0');
        return $"{sign}{(amount / unit).ToString(CultureInfo.InvariantCulture)}.{fraction}";
    }

    /// <summary>An exact amount (nano-dollars × 1,000,000, not negative) in whole nano-dollars, half a one rounded up. Past a long it stays at its end.</summary>
    public static long Round(Int128 amount)
    {
        var nano = (amount + 500_000) / 1_000_000;
        return nano > long.MaxValue ? long.MaxValue : (long)nano;
    }
}
