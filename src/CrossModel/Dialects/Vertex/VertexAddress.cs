using CrossModel.Configuration;
using CrossModel.Dialects.Gemini;

namespace CrossModel.Dialects.Vertex;

/// <summary>Where a model is on Vertex AI: by project and location, or, in express mode, by an API key alone.</summary>
internal sealed class VertexAddress(UpstreamConfig config)
{
    private readonly string _location = config.Location ?? "global";

    /// <summary>The model is Claude, which speaks Anthropic's format here.</summary>
    public static bool IsClaude(string model) => model.StartsWith("claude", StringComparison.Ordinal) || model.StartsWith("publishers/anthropic/", StringComparison.Ordinal);

    /// <summary>The address was made for Claude.</summary>
    public static bool IsClaude(Uri address) => address.AbsolutePath.EndsWith("awPredict", StringComparison.Ordinal);

    /// <summary>Null: the model's name cannot stand in an address.</summary>
    public Uri? Of(string model, bool stream)
    {
        var isClaude = IsClaude(model);
        if (GeminiAddress.Path(model, isClaude ? "publishers/anthropic/models/" : "publishers/google/models/") is not { } path) return null;
        // v1 does not know what is still in preview; Claude's methods are the same in both.
        var root = (config.BaseUrl ?? "https://" + Host).TrimEnd('/') + (isClaude ? "/v1/" : "/v1beta1/");
        var full = path.StartsWith("projects/", StringComparison.Ordinal) || config.Project is null
            ? path
            : $"projects/{Uri.EscapeDataString(config.Project)}/locations/{Uri.EscapeDataString(_location)}/{path}";
        return isClaude ? new Uri(root + full + (stream ? ":streamRawPredict" : ":rawPredict")) : GeminiAddress.Of(root + full, stream);
    }

    private string Host => _location switch
    {
        "global" => "aiplatform.googleapis.com",
        "eu" or "us" => $"aiplatform.{_location}.rep.googleapis.com",
        _ => $"{_location}-aiplatform.googleapis.com",
    };
}
