using System.Text;
using CrossModel.Simulator;

namespace CrossModel.Tests.Simulator;

/// <summary>Rubbish is refused, never a crash: bodies with bytes replaced, removed and doubled, on every wire, from fixed seeds.</summary>
public sealed class MutationTests
{
    private const string Schema = """{"type":"object","properties":{"a":{"type":"array","items":{"$ref":"#/properties/a"}}},"required":["a"]}""";

    [Theory]
    [InlineData("/v1/chat/completions", """{"model":"m","stream":true,"n":2,"stop":["x"],"tools":[{"type":"function","function":{"name":"f","parameters":SCHEMA}}],"tool_choice":"required","messages":[{"role":"user","content":[{"type":"text","text":"f \ud83d\ude00"}]},{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"r"}]}""")]
    [InlineData("/v1/messages", """{"model":"m","max_tokens":99,"tools":[{"name":"f","input_schema":SCHEMA}],"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":"f \ud83d\ude00"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"r"}]}]}]}""")]
    [InlineData("/v1beta/models/gemini-3:generateContent", """{"contents":[{"role":"user","parts":[{"text":"f \ud83d\ude00"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"r":1}}}]}],"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":SCHEMA}]}],"generationConfig":{"maxOutputTokens":50,"thinkingConfig":{"thinkingLevel":"low"}}}""")]
    [InlineData("/model/anthropic.x/converse", """{"system":[{"text":"s"}],"inferenceConfig":{"maxTokens":50},"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":SCHEMA}}}]},"messages":[{"role":"user","content":[{"text":"f \ud83d\ude00"}]},{"role":"assistant","content":[{"toolUse":{"toolUseId":"a","name":"f","input":{}}}]},{"role":"user","content":[{"toolResult":{"toolUseId":"a","content":[{"json":{"r":1}}]}}]}]}""")]
    [InlineData("/model/anthropic.claude-x/invoke-with-response-stream", """{"anthropic_version":"bedrock-2023-05-31","max_tokens":99,"tools":[{"name":"f","input_schema":SCHEMA}],"messages":[{"role":"user","content":"f \ud83d\ude00"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"r"}]}]}]}""")]
    public async Task Body_Mutated_IsAnsweredOrRefused(string path, string template)
    {
        await using var simulator = await SimulatorClient.StartAsync(new SimulatorOptions { KeepRequests = 0 });
        var body = template.Replace("SCHEMA", Schema, StringComparison.Ordinal);
        Assert.InRange((await SendAsync(body)).Status, 200, 400);
        var random = new Random(4711);
        for (var round = 0; round < 300; round++)
        {
            var mutated = new StringBuilder(body);
            for (var change = random.Next(1, 4); change > 0; change--)
            {
                var at = random.Next(mutated.Length - 8);
                _ = random.Next(5) switch
                {
                    0 => mutated.Remove(at, random.Next(1, 8)),
                    1 => mutated.Insert(at, mutated.ToString(at, random.Next(1, 8))),
                    2 => mutated.Replace("\"f\"", random.Next(2) == 0 ? "7" : "null", at, mutated.Length - at),
                    3 => mutated.Replace("[{", "[[],{", at, Math.Min(60, mutated.Length - at)),
                    _ => mutated.Insert(at, "\\ud800{}[]\",:1"[random.Next(14)]),
                };
            }
            var answer = await SendAsync(mutated.ToString());
            Assert.True(answer.Status is 200 or 400, $"{answer.Status} for {mutated}");
        }

        Task<SimulatorClient.Answer> SendAsync(string text) =>
            simulator.SendAsync(HttpMethod.Post, path, text, ("Authorization", "Bearer k"), ("anthropic-version", "2023-06-01"));
    }

    [Theory]
    [InlineData("""{"type":"object","required":["self"],"properties":{"self":{"$ref":"#"},"n":{"type":"number","exclusiveMinimum":0,"maximum":0.25}}}""")]
    [InlineData("""{"$ref":"#"}""")]
    [InlineData("""{"anyOf":[{"type":"object","properties":{"next":{"$ref":"#"}},"required":["next"]},{"type":"null"}]}""")]
    [InlineData("""{"type":["string","null"],"minLength":40,"maxLength":41}""")]
    [InlineData("""{"type":"array","prefixItems":[{"const":1},{"enum":["a"]}],"maxItems":2}""")]
    [InlineData("""{"type":"integer","multipleOf":0}""")]
    [InlineData("""{"type":"integer","exclusiveMinimum":79228162514264337593543950335}""")]
    [InlineData("""{"type":"number","exclusiveMaximum":-79228162514264337593543950335}""")]
    [InlineData("""{"type":"number","minimum":79228162514264337593543950330}""")]
    [InlineData("""{"type":"number","minimum":79228162514264337593543950330,"multipleOf":0.001}""")]
    [InlineData("""{"type":"string","maxLength":11}""")]
    [InlineData("""{"properties":{"😀":{"type":"string","maxLength":11}}}""")]
    [InlineData("true")]
    public void Sample_OfAnAwkwardSchema_IsJsonAndEnds(string schema)
    {
        using var document = System.Text.Json.JsonDocument.Parse(schema);
        for (var seed = 0ul; seed < 50; seed++)
            System.Text.Json.JsonDocument.Parse(SchemaSample.Of(document.RootElement, seed, 1 << 20), new() { MaxDepth = 256 }).Dispose();
    }

    /// <summary>A few lines that ask for more than any machine holds, or for years.</summary>
    [Theory]
    [InlineData("""{"type":"array","minItems":1000,"items":{"$ref":"#"}}""")]
    [InlineData("""{"type":"object","required":["a","b","c","d"],"properties":{"a":{"$ref":"#"},"b":{"$ref":"#"},"c":{"$ref":"#"},"d":{"$ref":"#"}}}""")]
    [InlineData("""{"allOf":[{"$ref":"#"},{"$ref":"#"},{"$ref":"#"},{"$ref":"#"},{"$ref":"#"},{"$ref":"#"},{"$ref":"#"},{"$ref":"#"}]}""")]
    [InlineData("""{"type":"array","minItems":1000,"items":{"type":"array","minItems":1000,"items":{"type":"string","minLength":100000}}}""")]
    public void Sample_OfASchemaThatAsksForTooMuch_EndsInTime(string schema)
    {
        using var document = System.Text.Json.JsonDocument.Parse(schema);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var sample = SchemaSample.Of(document.RootElement, 1, 16 << 20);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        Assert.InRange(sample.Length, 1, 64 << 20);
        System.Text.Json.JsonDocument.Parse(sample, new() { MaxDepth = 256 }).Dispose();
    }
}
