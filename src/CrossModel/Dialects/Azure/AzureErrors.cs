using System.Globalization;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using CrossModel.Dialects.OpenAI;

namespace CrossModel.Dialects.Azure;

/// <summary>Where Azure's errors mean something else than OpenAI's; the table is docs/dialects/azure.md's.</summary>
internal static partial class AzureErrors
{
    private const int ShortestName = 3;

    /// <param name="deployment">Its name is the operator's: it is taken out of what the caller reads.</param>
    public static UpstreamFault Read(int status, HttpResponseHeaders headers, ReadOnlySpan<byte> body, DateTimeOffset now, string? deployment)
    {
        var fault = OpenAIErrors.Read(status, headers, body, now);
        var said = status == 400 ? fault.Message ?? "" : "";
        return status switch
        {
            // The version is the configuration's.
            400 when said.StartsWith("API version not supported", StringComparison.OrdinalIgnoreCase) =>
                fault with { Failure = UpstreamFailure.Operator, Message = null, Code = null },
            // The deployment is of a model that does not chat, or not at this version.
            400 when NoChat().IsMatch(said)
                || (said.StartsWith("Model ", StringComparison.Ordinal) && said.Contains("is enabled only for api versions", StringComparison.OrdinalIgnoreCase)) =>
                new UpstreamFault(UpstreamFailure.ModelMissing, status, Detail: fault.Detail),
            // Nothing a caller sends leads to a 404 here: the deployment, the address or the version is wrong.
            404 => new UpstreamFault(UpstreamFailure.ModelMissing, status, Detail: fault.Detail, RetryAfter: fault.RetryAfter),
            429 when fault.RetryAfter is null && Wait().Match(System.Text.Encoding.UTF8.GetString(body)) is { Success: true } wait
                && int.TryParse(wait.Groups[1].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) =>
                    fault with { RetryAfter = TimeSpan.FromSeconds(seconds) },
            _ when deployment is { Length: >= ShortestName } && fault.Message is { } message =>
                fault with { Message = message.Replace(deployment, "[deployment]", StringComparison.OrdinalIgnoreCase) },
            _ => fault,
        };
    }

    /// <summary>In the first words: further on it may be the caller's that are quoted.</summary>
    [GeneratedRegex(@"^The \w+ operation does not work with the specified model", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex NoChat();

    [GeneratedRegex("retry after ([0-9]{1,5}) second", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Wait();
}
