using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>Addresses of models.</summary>
internal static class GeminiAddress
{
    /// <summary>The model's path below the version; null: the name cannot stand in an address.</summary>
    /// <param name="folder">Put before a bare name, e.g. <c>models/</c>; a name with a slash is a whole path of its own.</param>
    public static string? Path(string model, string folder)
    {
        var segments = model.Split('/');
        // A segment of dots would climb out of the path.
        if (segments.Any(segment => segment.Trim('.').Length == 0)) return null;
        var path = string.Join('/', segments.Select(Uri.EscapeDataString));
        return segments.Length == 1 ? folder + path : path;
    }

    public static Uri Of(string model, bool stream) => new(model + (stream ? ":streamGenerateContent?alt=sse" : ":generateContent"));

    /// <summary>What of an address names the model, whatever is asked of it.</summary>
    public static string ModelOf(Uri address) => address.AbsolutePath[..address.AbsolutePath.LastIndexOf(':')];

    public static ApiError Unusable() => ApiErrors.ModelUnavailable("The model's name at its provider cannot stand in an address. The operator must mend the route.");
}
