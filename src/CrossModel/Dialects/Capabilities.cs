using CrossModel.Configuration;
using CrossModel.Protocol;

namespace CrossModel.Dialects;

/// <summary>What is known of the model against what the request needs. Known to be missing: refused; unknown: tried. The same for every dialect.</summary>
internal static class Capabilities
{
    public static ApiError? Check(ChatRequest request, ModelFacts facts)
    {
        var asks = request.Features;
        if (facts.Tools is false && asks.HasFlag(ChatFeatures.Tools)) return Lacks("tools", "does not call tools");
        if (facts.Tools is false && request.Has(ChatParameter.Functions)) return Lacks("functions", "does not call functions");
        if (facts.StructuredOutput is false && asks.HasFlag(ChatFeatures.JsonSchema)) return Lacks("response_format", "does not follow a JSON schema");
        if (facts.InputModalities is { } input)
        {
            if (asks.HasFlag(ChatFeatures.Images) && !input.Contains("image")) return Lacks("messages", "does not read images");
            if (asks.HasFlag(ChatFeatures.AudioInput) && !input.Contains("audio")) return Lacks("messages", "does not read audio");
            if (asks.HasFlag(ChatFeatures.Video) && !input.Contains("video")) return Lacks("messages", "does not read video");
            if (asks.HasFlag(ChatFeatures.Files) && !input.Contains("pdf") && !input.Contains("file")) return Lacks("messages", "does not read files");
        }
        if (facts.OutputModalities is { } output && asks.HasFlag(ChatFeatures.OtherModalities) && output.All(m => m == "text"))
            return Lacks("modalities", "answers with text only");
        return null;
    }

    /// <summary>The effort to ask for: the asked one if known, else the nearest lower, else the lowest; none only for none.</summary>
    public static string Nearest(string asked, IReadOnlyList<string> known)
    {
        if (known.Count == 0 || known.Contains(asked)) return asked;
        var limit = Rank(asked);
        var lower = known.Where(k => Rank(k) >= 0 && Rank(k) <= limit && (k != "none" || asked == "none")).MaxBy(Rank);
        return lower ?? known.Where(k => Rank(k) > 0).MinBy(Rank) ?? asked;
    }

    private static int Rank(string effort) => Array.IndexOf(["none", "minimal", "low", "medium", "high", "xhigh", "max"], effort);

    private static ApiError Lacks(string param, string what) =>
        ApiErrors.UnsupportedParameter(param,
            $"This model {what}. Leave {param switch { "messages" => "such content blocks", _ => param }} out, or choose a model that does (GET /v1/models shows abilities).");
}
