using CrossModel.Protocol;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Protocol;

/// <summary>Requests that other programs really sent to OpenAI and to servers that speak its dialect.</summary>
public sealed class RecordedRequestTests
{
    // What a recording holds that nobody lists: refused unless the model forwards unknown parameters.
    private static readonly Dictionary<string, string> RefusedByDefault = new()
    {
        ["deepseek-01-json-reasoning"] = "unsupported_parameter thinking",
        ["ollama-04-stream-tools-reasoning"] = "unsupported_parameter enable_thinking",
        ["openrouter-01-json-parallel-reasoning-cached"] = "unsupported_parameter usage",
        ["openrouter-04-stream-parallel-reasoning-cached"] = "unsupported_parameter usage",
        ["openrouter-07-stream"] = "invalid_value tools[0].type",
        ["snowflake-02-stream"] = "unsupported_parameter reasoning",
        ["vercel-gateway-01-json-reasoning-tool-result-in"] = "unsupported_parameter reasoning",
        ["vercel-gateway-02-stream-parallel-reasoning"] = "unsupported_parameter reasoning",
        ["zai-04-stream-reasoning"] = "unsupported_parameter thinking",
    };

    [Fact]
    public void Reader_EveryRecordedRequest_IsAcceptedOrRefusedForAStatedReason()
    {
        var files = Directory.GetFiles(Fixtures.Require(), "*.request.json", SearchOption.AllDirectories)
            .Where(f => Path.GetFileName(Path.GetDirectoryName(f))!.StartsWith("openai", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(files);
        var surprises = new List<string>();
        foreach (var file in files)
        {
            var name = Path.GetFileName(file)[..^".request.json".Length];
            var refusal = Requests.Read(File.ReadAllBytes(file), out var request)
                ?? UnknownParameterRule.Check(request!, reject: true, new HashSet<string>());
            request?.Dispose();
            var said = refusal is null ? null : $"{refusal.Code} {refusal.Param}";
            if (said != RefusedByDefault.GetValueOrDefault(name)) surprises.Add($"{name}: {said} {refusal?.Message}");
        }
        Assert.Empty(surprises);
    }
}
