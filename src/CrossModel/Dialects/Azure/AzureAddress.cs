using CrossModel.Configuration;

namespace CrossModel.Dialects.Azure;

/// <summary>The three forms of an Azure address.</summary>
internal enum AzureStyle
{
    /// <summary><c>…/openai/v1/chat/completions</c>: the deployment stands in the body.</summary>
    Versionless,
    /// <summary><c>…/openai/deployments/NAME/chat/completions?api-version=…</c>.</summary>
    Deployment,
    /// <summary><c>…/models/chat/completions?api-version=…</c>: models of other makers, named in the body.</summary>
    Models,
}

/// <summary>Where a deployment is asked, from the upstream's base URL and API version. Hosts differ by cloud and age: none is ever built here.</summary>
internal sealed class AzureAddress
{
    private readonly UriBuilder _root;
    private readonly string _path;

    public AzureAddress(UpstreamConfig config)
    {
        _root = new UriBuilder(config.BaseUrl ?? throw new InvalidOperationException("an azure upstream needs baseUrl"));
        _path = _root.Path.TrimEnd('/');
        Version = config.ApiVersion;
        Style = _path.EndsWith("/openai/v1", StringComparison.Ordinal) ? AzureStyle.Versionless
            : _path.EndsWith("/models", StringComparison.Ordinal) ? AzureStyle.Models
            : AzureStyle.Deployment;
        if (Style == AzureStyle.Deployment && _path.EndsWith("/openai", StringComparison.Ordinal)) _path = _path[..^"/openai".Length];
    }

    public AzureStyle Style { get; }

    /// <summary>E.g. <c>2024-10-21</c>; null or <c>preview</c> for the versionless form.</summary>
    public string? Version { get; }

    /// <summary>A dated version from before the one that brought <c>stream_options</c> and <c>max_completion_tokens</c>.</summary>
    public bool IsOld => Style == AzureStyle.Deployment && Version is ['2', '0', ..] && string.CompareOrdinal(Version, "2024-09-01") < 0;

    public Uri Of(string deployment)
    {
        var path = Style == AzureStyle.Deployment ? $"{_path}/openai/deployments/{Uri.EscapeDataString(deployment)}" : _path;
        // Assembled as text: a builder would undo the encoding of the deployment's name.
        var query = Version is null ? "" : "?api-version=" + Uri.EscapeDataString(Version);
        return new Uri($"{_root.Scheme}://{_root.Uri.Authority}{path}/chat/completions{query}");
    }

    /// <summary>What an Entra ID token must be for; national clouds have their own.</summary>
    public string Scope => $"https://cognitiveservices.azure.{Cloud}/.default";

    /// <summary>The last part of the host name that tells the cloud: com, us or cn.</summary>
    public string Cloud =>
        _root.Host.EndsWith(".azure.us", StringComparison.OrdinalIgnoreCase) ? "us"
        : _root.Host.EndsWith(".azure.cn", StringComparison.OrdinalIgnoreCase) ? "cn"
        : "com";
}
