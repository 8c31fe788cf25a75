using System.Text.RegularExpressions;

namespace CrossModel.Dialects;

/// <summary>Takes out of a provider's words what is the operator's: keys, addresses, organisations, accounts.</summary>
internal static partial class Scrub
{
    private const int LongestMessage = 1000;

    /// <summary>Fit for the caller and for logs; null becomes a sentence that says there was none.</summary>
    public static string Message(string? message)
    {
        if (string.IsNullOrWhiteSpace(message)) return "The model's provider refused the request and gave no reason.";
        if (message.Length > LongestMessage) message = message[..(char.IsHighSurrogate(message[LongestMessage - 1]) ? LongestMessage - 1 : LongestMessage)] + "…";
        message = Url().Replace(message, "[address]");
        message = Host().Replace(message, "[address]");
        message = Key().Replace(message, "[key]");
        return Account().Replace(message, "[account]");
    }

    public static string? Param(string? param) => string.IsNullOrEmpty(param) ? null : Message(param);

    [GeneratedRegex(@"\b[a-z][a-z0-9+.-]*://[^\s""'<>\)\]]+", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Url();

    [GeneratedRegex(@"\b(?:\d{1,3}(?:\.\d{1,3}){3}|localhost|(?:[a-z0-9-]+\.)+(?:com|net|org|io|ai|dev|app|cloud|local|internal|lan|cn|mistral|azure))(?::\d+)?(?:/[^\s""'<>\)\]]*)?", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Host();

    // A word with asterisks in it is a key that the provider itself has shortened.
    [GeneratedRegex(@"\b(?:sk|pk|gsk|xai|nvapi|hf|csk|pplx|fw|r8|cm)[-_][A-Za-z0-9_*.-]{4,}|\bBearer +[^\s""']+|\bAIza[A-Za-z0-9_-]{10,}|[A-Za-z0-9_-]*\*{3,}[A-Za-z0-9_*-]*", RegexOptions.CultureInvariant)]
    private static partial Regex Key();

    [GeneratedRegex(@"\b(?:org|proj|user|acct|team)[-_][A-Za-z0-9]{6,}|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", RegexOptions.CultureInvariant)]
    private static partial Regex Account();
}
