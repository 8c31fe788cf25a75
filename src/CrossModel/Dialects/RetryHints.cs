using System.Globalization;
using System.Net.Http.Headers;

namespace CrossModel.Dialects;

/// <summary>When a provider says to ask again: <c>retry-after-ms</c> (0 says nothing: Azure sends it beside a real <c>retry-after</c>),
/// else <c>retry-after</c> in seconds (fractions too) or as a date.</summary>
internal static class RetryHints
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(1);

    public static TimeSpan? Read(HttpResponseHeaders headers, DateTimeOffset now)
    {
        if (First(headers, "retry-after-ms") is { } ms && Number(ms) is > 0 and var milliseconds) return Bounded(milliseconds / 1000);
        if (First(headers, "retry-after") is not { } text) return null;
        if (Number(text) is { } seconds) return Bounded(seconds);
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date) ? Bounded((date - now).TotalSeconds) : null;
    }

    /// <summary><c>x-should-retry: false</c>, as OpenAI and Anthropic tell their own SDKs.</summary>
    public static bool SaysNotAgain(HttpResponseHeaders headers) => First(headers, "x-should-retry") is "false";

    private static string? First(HttpResponseHeaders headers, string name) =>
        headers.NonValidated.TryGetValues(name, out var values) && values.Count > 0 ? values.ToString() : null;

    private static double? Number(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? number : null;

    private static TimeSpan? Bounded(double seconds) => seconds < 0 ? TimeSpan.Zero : seconds > Longest.TotalSeconds ? Longest : TimeSpan.FromSeconds(seconds);
}
