using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Tests.Configuration;

namespace CrossModel.Tests.Dialects;

public sealed class UpstreamFormsTests
{
    private static readonly ConfigRules Rules = Given.Rules with { CheckUpstream = UpstreamForms.Check, BuiltDialects = Given.Rules.KnownDialects };

    private static IEnumerable<string> Members(string upstream)
    {
        using var given = new Given(Given.Upstream(upstream));
        return [.. given.Load(rules: Rules).Faults.Select(fault => fault.Path.Replace("upstreams.local.", "", StringComparison.Ordinal) + (fault.Kind == FaultKind.Warning ? "?" : ""))];
    }

    [Theory]
    [InlineData("\"dialect\": \"openai\"")]
    [InlineData("\"dialect\": \"openai\", \"baseUrl\": \"http://127.0.0.1:1/v1/\"")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com/openai/v1/\", \"tenantId\": \"t\", \"clientId\": \"c\", \"clientSecret\": \"s\"")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com\", \"apiVersion\": \"2024-10-21\"")]
    [InlineData("\"dialect\": \"anthropic\", \"baseUrl\": \"https://api.anthropic.com\"")]
    [InlineData("\"dialect\": \"anthropic\", \"baseUrl\": \"https://api.anthropic.com/v1\"")]
    [InlineData("\"dialect\": \"gemini\"")]
    [InlineData("\"dialect\": \"vertex\", \"project\": \"p\", \"location\": \"global\"")]
    [InlineData("\"dialect\": \"bedrock\", \"region\": \"eu-central-1\", \"apiKey\": \"k\"")]
    [InlineData("\"dialect\": \"simulated\"")]
    public void Upstream_InItsDialectsForm_IsGood(string upstream) => Assert.Empty(Members(upstream));

    [Theory]
    [InlineData("\"dialect\": \"openai\", \"baseUrl\": \"http://127.0.0.1:11434\"", "baseUrl?")]
    [InlineData("\"dialect\": \"azure\"", "baseUrl")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com\"", "apiVersion")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com/openai/v1\", \"apiVersion\": \"2024-10-21\"", "apiVersion")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com/openai/v1\", \"clientId\": \"c\"", "tenantId")]
    [InlineData("\"dialect\": \"gemini\", \"baseUrl\": \"https://generativelanguage.googleapis.com/v1beta/\"", "baseUrl")]
    [InlineData("\"dialect\": \"vertex\"", "project,location")]
    [InlineData("\"dialect\": \"bedrock\", \"accessKeyId\": \"k\"", "region,secretAccessKey")]
    public void Upstream_AgainstItsDialectsForm_IsReported(string upstream, string members) => Assert.Equal(members, string.Join(',', Members(upstream)));
}
