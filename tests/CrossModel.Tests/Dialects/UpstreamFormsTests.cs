using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Tests.Configuration;

namespace CrossModel.Tests.Dialects;

public sealed class UpstreamFormsTests
{
    private static readonly ConfigRules Rules = Given.Rules with { CheckUpstream = UpstreamForms.Check, CheckRoute = UpstreamForms.CheckRoute };

    private static IEnumerable<string> Members(string upstream)
    {
        using var given = new Given(Given.Upstream(upstream));
        return [.. given.Load(rules: Rules).Faults.Select(fault => fault.Path.Replace("upstreams.local.", "", StringComparison.Ordinal) + (fault.Kind == FaultKind.Warning ? "?" : ""))];
    }

    [Theory]
    [InlineData("\"dialect\": \"openai\"")]
    [InlineData("\"dialect\": \"openai\", \"baseUrl\": \"http://127.0.0.1:1/v1/\"")]
    [InlineData("\"dialect\": \"openai\", \"baseUrl\": \"https://api.deepseek.com\"")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com/openai/v1/\", \"tenantId\": \"contoso-1.onmicrosoft.com\", \"clientId\": \"c\", \"clientSecret\": \"s\"")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com\", \"apiVersion\": \"2024-10-21\"")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com/openai/v1\", \"apiVersion\": \"preview\"")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://apim.example.com/llm\", \"apiVersion\": \"preview\"")]
    [InlineData("\"dialect\": \"anthropic\", \"baseUrl\": \"https://api.anthropic.com\"")]
    [InlineData("\"dialect\": \"anthropic\", \"baseUrl\": \"https://api.anthropic.com/v1\"")]
    [InlineData("\"dialect\": \"gemini\"")]
    [InlineData("\"dialect\": \"vertex\", \"project\": \"p\", \"location\": \"global\"")]
    [InlineData("\"dialect\": \"bedrock\", \"region\": \"eu-central-1\", \"apiKey\": \"k\"")]
    [InlineData("\"dialect\": \"bedrock\", \"region\": \"eu-central-1\", \"apiKey\": \"k\", \"api\": \"converse\"")]
    [InlineData("\"dialect\": \"bedrock\", \"region\": \"a b\", \"baseUrl\": \"http://127.0.0.1:1\"")]
    [InlineData("\"dialect\": \"simulated\"")]
    public void Upstream_InItsDialectsForm_IsGood(string upstream) => Assert.Empty(Members(upstream));

    [Theory]
    [InlineData("\"dialect\": \"openai\", \"baseUrl\": \"http://127.0.0.1:11434\"", "baseUrl?")]
    [InlineData("\"dialect\": \"azure\"", "baseUrl")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com\"", "apiVersion")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com/openai/v1\", \"apiVersion\": \"2024-10-21\"", "apiVersion")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com/openai/v1\", \"apiVersion\": \"nonsense\"", "apiVersion")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com/openai/v1\", \"clientId\": \"c\"", "tenantId")]
    [InlineData("\"dialect\": \"azure\", \"baseUrl\": \"https://x.openai.azure.com/openai/v1\", \"tenantId\": \"t \", \"clientId\": \"c\", \"clientSecret\": \"s\"", "tenantId")]
    [InlineData("\"dialect\": \"gemini\", \"baseUrl\": \"https://generativelanguage.googleapis.com/v1beta/\"", "baseUrl")]
    [InlineData("\"dialect\": \"vertex\"", "project,location")]
    [InlineData("\"dialect\": \"bedrock\", \"accessKeyId\": \"k\"", "region,secretAccessKey")]
    [InlineData("\"dialect\": \"bedrock\", \"region\": \"eu-central-1\", \"api\": \"messages\"", "api")]
    [InlineData("\"dialect\": \"bedrock\", \"region\": \"eu-central-1 \"", "region")]
    [InlineData("\"dialect\": \"bedrock\", \"region\": \"\"", "region")]
    [InlineData("\"dialect\": \"vertex\", \"project\": \"p\", \"location\": \"europe west1\"", "location")]
    public void Upstream_AgainstItsDialectsForm_IsReported(string upstream, string members) => Assert.Equal(members, string.Join(',', Members(upstream)));

    [Theory]
    [InlineData("invoke", "us.amazon.nova-2-lite-v1:0", "a/nova", "models[\"a/nova\"].routes[0].model")]
    [InlineData("invoke", "arn:aws:bedrock:us-east-1:1:application-inference-profile/x", "a/assistant", "models[\"a/assistant\"].routes[0].model")]
    [InlineData("invoke", "arn:aws:bedrock:us-east-1:1:application-inference-profile/x", "a/claude-opus-4-6", null)]
    [InlineData("invoke", "us.anthropic.claude-opus-4-6-v1", "a/b", null)]
    [InlineData("converse", "us.amazon.nova-2-lite-v1:0", "a/nova", null)]
    public void Route_ToAnApiThatItsModelDoesNotSpeak_IsAWarning(string api, string model, string id, string? path)
    {
        using var given = new Given($$"""
            { "upstreams": { "aws": { "dialect": "bedrock", "region": "eu-central-1", "apiKey": "k", "api": "{{api}}" } },
              "models": { "{{id}}": { "routes": [ { "upstream": "aws", "model": "{{model}}" } ], "price": "free" } } }
            """);
        var loaded = given.Load(rules: Rules);
        Assert.NotNull(loaded.Config);
        Assert.Equal(path, loaded.Faults.SingleOrDefault()?.Path);
        Assert.All(loaded.Faults, fault => Assert.Equal(FaultKind.Warning, fault.Kind));
    }
}
