using CrossModel.Configuration;
using CrossModel.Dialects.Bedrock;

namespace CrossModel.Dialects;

/// <summary>What each dialect demands of its upstream's settings, so that <c>check</c> says it before the first call fails.
/// Given to the configuration by the composition.</summary>
internal static class UpstreamForms
{
    private static readonly Dictionary<string, Func<UpstreamConfig, IEnumerable<UpstreamRemark>>> Forms = new()
    {
        ["openai"] = OpenAI,
        ["azure"] = Azure,
        ["gemini"] = AtTheRoot,
        ["vertex"] = Vertex,
        ["bedrock"] = Bedrock,
    };

    // Their addresses are right as they are.
    private static readonly HashSet<string> WithoutVersion = ["api.deepseek.com", "api.perplexity.ai"];

    /// <summary>Nothing for a dialect without demands.</summary>
    public static IEnumerable<UpstreamRemark> Check(UpstreamConfig upstream) =>
        Forms.TryGetValue(upstream.Dialect, out Func<UpstreamConfig, IEnumerable<UpstreamRemark>>? form) ? form(upstream) : [];

    /// <summary>What a dialect has to say of one route to one of its upstreams.</summary>
    /// <param name="id">The model's public id.</param>
    public static IEnumerable<UpstreamRemark> CheckRoute(UpstreamConfig upstream, string id, RouteConfig route)
    {
        if (upstream is { Dialect: "bedrock", Api: "invoke" } && !BedrockFamily.Of(route.Model ?? id, id).IsClaude)
            yield return new("model", "neither its name nor the public id says Claude: it is asked through Converse, though the upstream's api is invoke", IsWarning: true);
    }

    private static IEnumerable<UpstreamRemark> OpenAI(UpstreamConfig upstream)
    {
        if (PathOf(upstream) == "" && !(Uri.TryCreate(upstream.BaseUrl, UriKind.Absolute, out Uri? address) && WithoutVersion.Contains(address.Host)))
            yield return new("baseUrl", "the address names no version; most servers want one that ends in /v1", IsWarning: true);
    }

    private static IEnumerable<UpstreamRemark> AtTheRoot(UpstreamConfig upstream)
    {
        if (PathOf(upstream) is { } path && (path.EndsWith("/v1", StringComparison.Ordinal) || path.EndsWith("/v1beta", StringComparison.Ordinal)))
            yield return new("baseUrl", "the root is expected here: leave the version out");
    }

    private static IEnumerable<UpstreamRemark> Azure(UpstreamConfig upstream)
    {
        if (upstream.BaseUrl is null)
            yield return new("baseUrl", "the resource's address is needed, such as https://NAME.openai.azure.com/openai/v1");
        // The versionless form takes a few words all the same.
        else if (PathOf(upstream) is { } path
            && (path.EndsWith("/openai/v1", StringComparison.Ordinal)
                ? upstream.ApiVersion is not (null or "v1" or "preview" or "latest")
                : upstream.ApiVersion is null))
        {
            yield return new("apiVersion", "give a dated apiVersion with the root, or with a base URL that ends in /openai/v1 none (or \"preview\")");
        }
        int entra = new[] { upstream.TenantId, upstream.ClientId, upstream.ClientSecret }.Count(part => part is not null);
        if (entra is 1 or 2)
            yield return new("tenantId", "tenantId, clientId and clientSecret belong together");
        // Azure's library takes no other, and says so before there is a server.
        else if (entra == 3 && !upstream.TenantId!.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-'))
            yield return new("tenantId", "a tenant is an id or a domain: letters, digits, dots and hyphens");
    }

    private static IEnumerable<UpstreamRemark> Vertex(UpstreamConfig upstream)
    {
        // An API key alone is Google's express mode: no project, no location.
        if (upstream.Project is null && (upstream.ApiKey is not null || upstream.ApiKeys.Count > 0)) yield break;
        if (upstream.Project is null)
            yield return new("project", "the Google Cloud project is needed");
        if (upstream.Location is null)
            yield return new("location", "the region is needed, such as europe-west1, or global");
        else if (!IsPlace(upstream, upstream.Location))
            yield return new("location", "a region has letters, digits and hyphens, such as europe-west1");
    }

    private static IEnumerable<UpstreamRemark> Bedrock(UpstreamConfig upstream)
    {
        if (upstream.Region is null)
            yield return new("region", "the AWS region is needed, such as eu-central-1");
        else if (!IsPlace(upstream, upstream.Region))
            yield return new("region", "a region has letters, digits and hyphens, such as eu-central-1");
        if (upstream.AccessKeyId is null != upstream.SecretAccessKey is null)
            yield return new("secretAccessKey", "accessKeyId and secretAccessKey belong together");
    }

    /// <summary>It can stand in the address that the dialect makes of it where none is given.</summary>
    private static bool IsPlace(UpstreamConfig upstream, string name) =>
        upstream.BaseUrl is not null || (name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '-'));

    /// <summary>Without slashes at the end; null: no address, or none that can be judged.</summary>
    private static string? PathOf(UpstreamConfig upstream) =>
        Uri.TryCreate(upstream.BaseUrl, UriKind.Absolute, out Uri? uri) ? uri.AbsolutePath.TrimEnd('/') : null;
}
