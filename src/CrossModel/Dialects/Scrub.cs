using System.Text;
using System.Text.RegularExpressions;
using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects;

/// <summary>Takes out of a provider's words what is the operator's: keys, addresses, organisations, accounts, stack traces.</summary>
internal static partial class Scrub
{
    private const int LongestMessage = 1000;

    /// <summary>Fit for the caller and for logs; null becomes a sentence that says there was none.</summary>
    public static string Message(string? message)
    {
        // Before anything is searched: a provider may quote megabytes.
        if (message?.Length > 4 * LongestMessage) message = message[..(4 * LongestMessage)];
        if (message is not null && Trace().Match(message) is { Success: true } trace) message = message[..trace.Index].TrimEnd(' ', '\n', '\r', '\t', ':');
        if (string.IsNullOrWhiteSpace(message)) return "The model's provider refused the request and gave no reason.";
        if (message.Length > LongestMessage) message = message[..(char.IsHighSurrogate(message[LongestMessage - 1]) ? LongestMessage - 1 : LongestMessage)] + "…";
        message = Url().Replace(message, "[address]");
        message = Host().Replace(message, "[address]");
        message = Ip6().Replace(message, "[address]");
        message = Key().Replace(message, "[key]");
        return Account().Replace(message, "[account]");
    }

    /// <summary>
    /// The last word on a failure, whatever the upstream said: no upstream's keys in whatever form they were configured, not where one is, and in what
    /// is logged none of the caller's own words, on one line.
    /// </summary>
    /// <param name="upstream">The one that said it.</param>
    /// <param name="all">All of the configuration: one server may speak of another behind it.</param>
    public static UpstreamFault Fault(UpstreamFault fault, UpstreamConfig upstream, IEnumerable<UpstreamConfig> all, ReadOnlySpan<byte> request) => fault with
    {
        Message = WithoutSecrets(fault.Message, upstream, all),
        Param = WithoutSecrets(fault.Param, upstream, all),
        Detail = fault.Detail is null ? null : Unseen.Blank(WithoutQuotes(Message(WithoutSecrets(fault.Detail, upstream, all)), request)),
    };

    private static string? WithoutSecrets(string? text, UpstreamConfig speaker, IEnumerable<UpstreamConfig> all)
    {
        if (text is null) return null;
        text = WithoutSecrets(text, speaker, isSpeaker: true);
        foreach (var upstream in all) text = WithoutSecrets(text, upstream, isSpeaker: false);
        return text;
    }

    private static string WithoutSecrets(string text, UpstreamConfig upstream, bool isSpeaker)
    {
        // Of another upstream only what can be no word of this sentence: "EMPTY" and the like stand for no key.
        var (shortest, comparison) = isSpeaker ? (4, StringComparison.OrdinalIgnoreCase) : (12, StringComparison.Ordinal);
        foreach (var secret in (IEnumerable<string?>)
            [upstream.ApiKey, .. upstream.ApiKeys, upstream.SecretAccessKey, upstream.AccessKeyId, upstream.SessionToken, upstream.ClientSecret, .. isSpeaker ? upstream.Headers.Values : []])
        {
            if (secret?.Length >= shortest) text = text.Replace(secret, "[key]", comparison);
        }
        // Another's host of one word, as in a network of containers, may be a word of this sentence.
        if (!Uri.TryCreate(upstream.BaseUrl, UriKind.Absolute, out var address) || !(isSpeaker || address.Host.Contains('.', StringComparison.Ordinal))) return text;
        return text.Replace(address.Authority, "[address]", StringComparison.OrdinalIgnoreCase).Replace(address.Host, "[address]", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Stretches of text that stand in the request too are cut out; of a large request nothing is searched and nothing told.</summary>
    private static string WithoutQuotes(string text, ReadOnlySpan<byte> request)
    {
        const int shortest = 12;
        if (request.Length > 256 * 1024) return "(a large request: what was said of it is not logged)";
        var said = Encoding.UTF8.GetBytes(text);
        var kept = new List<byte>(said.Length);
        for (var i = 0; i < said.Length;)
        {
            var length = Math.Min(shortest, said.Length - i);
            if (length < shortest || request.IndexOf(said.AsSpan(i, length)) < 0)
            {
                kept.Add(said[i++]);
                continue;
            }
            while (i + length < said.Length && request.IndexOf(said.AsSpan(i, length + 1)) >= 0) length++;
            kept.AddRange("[…]"u8);
            i += length;
        }
        return Encoding.UTF8.GetString([.. kept]);
    }

    public static string? Param(string? param) => string.IsNullOrEmpty(param) ? null : Message(param);

    [GeneratedRegex(@"\b[a-z][a-z0-9+.-]*://[^\s""'<>\)\]]+", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Url();

    [GeneratedRegex(@"\b(?:\d{1,3}(?:\.\d{1,3}){3}|localhost"
        + @"|(?:[a-z0-9-]+\.)+(?:com|net|org|io|ai|dev|app|cloud|local|internal|lan|cn|mistral|azure|corp|intra|home|svc)(?:\.[a-z0-9-]+)*(?![\w-])"
        + @"|(?:[a-z0-9-]+\.)+[a-z][a-z0-9-]*(?=:\d{2,5}\b))"
        + @"(?::\d+)?(?:/[^\s""'<>\)\]]*)?", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Host();

    // Full, or with one gap of zeros; a time of day and C++'s :: are none.
    [GeneratedRegex(@"(?<![\w:])\[?(?=[0-9a-f:]*\d)"
        + @"(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){7}"
        + @"|[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6}::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?"
        + @"|::[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})"
        + @"(?![\w:])(?:\](?::\d+)?)?", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Ip6();

    /// <summary>Where a program's account of its own calls begins: of Python, .NET, Java, JavaScript, Go, Rust.</summary>
    [GeneratedRegex(@"Traceback \(most recent call last\)|goroutine \d+ \[|stack backtrace:"
        + @"|\n[ \t]*(?:at [\w.$<>`\[\]]+\(|at [^\n]*:\d+\)?(?:\n|$)|File ""[^""\n]*"", line \d)", RegexOptions.CultureInvariant)]
    private static partial Regex Trace();

    // A word with asterisks in it is a key that the provider itself has shortened.
    [GeneratedRegex(@"\b(?:sk|pk|gsk|xai|nvapi|hf|csk|pplx|fw|r8|cm)[-_][A-Za-z0-9_*.-]{4,}"
        + @"|\bBearer +[^\s""']+|\bAIza[A-Za-z0-9_-]{10,}"
        + @"|[A-Za-z0-9_-]*\*{3,}[A-Za-z0-9_*-]*", RegexOptions.CultureInvariant)]
    private static partial Regex Key();

    [GeneratedRegex(@"\b(?:org|proj|user|acct|team)[-_][A-Za-z0-9]{6,}|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", RegexOptions.CultureInvariant)]
    private static partial Regex Account();
}
