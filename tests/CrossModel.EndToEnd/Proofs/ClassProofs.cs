using System.Globalization;
using CrossModel.Billing;
using CrossModel.EndToEnd.Support;
using CrossModel.Simulator;
using CrossModel.Usage;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>Every class of tokens that a provider can report, in its own words, through the whole program: counts, lines, price, the operator's cost, the meters.</summary>
public sealed class ClassProofs
{
    private const string Script = "cached=2;written=5;hour=3;audio=4;spoken=6;tokens=20";
    private static readonly string[] Classes = ["input", "cached_input", "cache_write", "cache_write_hour", "audio_input", "output", "reasoning", "audio_output"];

    private const string Prices =
        """{ "input": 1, "cachedInput": 2, "cacheWrite": 3, "cacheWriteHour": 5, "audioInput": 7, "output": 11, "reasoning": 13, "audioOutput": 17 }""";

    private static async Task<TestGateway> StartAsync(SimulatorHost simulator)
    {
        var at = simulator.Address.ToString().TrimEnd('/');
        var upstreams = $$"""
            , "anthropic": { "dialect": "anthropic", "baseUrl": "{{at}}", "apiKey": "k" }, "gemini": { "dialect": "gemini", "baseUrl": "{{at}}", "apiKey": "k" },
            "bedrock": { "dialect": "bedrock", "baseUrl": "{{at}}", "region": "eu-central-1", "apiKey": "k" }
            """;
        var models = new[] { ("openai", "up", "m"), ("anthropic", "anthropic", "claude-sonnet-4-5"), ("gemini", "gemini", "gemini-2.5-flash"), ("bedrock", "bedrock", "anthropic.claude-sonnet-4-5-v1:0") }
            .Select(m => $$"""
                "test/{{m.Item1}}": { "routes": [ { "upstream": "{{m.Item2}}", "model": "{{m.Item3}}", "cost": { "input": 0, "output": 0, "cacheWriteHour": 4, "audioInput": 6, "audioOutput": 16 } } ], "price": {{Prices}} }
                """);
        return await TestGateway.StartAsync(at + "/v1", string.Join(",", models), upstreams: upstreams);
    }

    // Cached, written, of it for an hour, heard, spoken, as far as the provider has words for them. The operator pays 4 for each hourly write, 6 and 16 for sound.
    [Theory]
    [InlineData("openai", false, 2, 5, 0, 4, 6, 4 * 6 + 6 * 16)]
    [InlineData("openai", true, 2, 5, 0, 4, 6, 4 * 6 + 6 * 16)]
    [InlineData("anthropic", false, 2, 5, 3, 0, 0, 3 * 4)]
    [InlineData("anthropic", true, 2, 5, 3, 0, 0, 3 * 4)]
    [InlineData("gemini", false, 2, 0, 0, 4, 6, 4 * 6 + 6 * 16)]
    [InlineData("gemini", true, 2, 0, 0, 4, 6, 4 * 6 + 6 * 16)]
    [InlineData("bedrock", false, 2, 5, 3, 0, 0, 3 * 4)]
    [InlineData("bedrock", true, 2, 5, 3, 0, 0, 3 * 4)]
    public async Task Usage_InTheProvidersWords_IsBilledByClass(string dialect, bool stream, long cached, long written, long hour, long heard, long spoken, long operatorMicros)
    {
        await using var simulator = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
        await using var gateway = await StartAsync(simulator);
        var words = string.Join(' ', Enumerable.Repeat("word", 40));
        var reply = await gateway.PostAsync($$"""{"model":"test/{{dialect}}","stream":{{(stream ? "true" : "false")}},"messages":[{"role":"user","content":"{{words}} [[simulate: {{Script}}]]"}]}""");
        Assert.True((int)reply.Status == 200, reply.Text);

        var id = reply.Header("x-request-id")!;
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + id, gateway.Key)).Json;
        var usage = receipt["usage"]!;
        long Tokens(string name) => (long)usage[name + "_tokens"]!;
        Assert.Equal((cached, written, hour, heard, spoken), (Tokens("cached"), Tokens("cache_write"), Tokens("cache_write_hour"), Tokens("audio_input"), Tokens("audio_output")));
        long[] counts = [Tokens("prompt") - cached - written - heard, cached, written - hour, hour, heard, Tokens("completion") - Tokens("reasoning") - spoken, Tokens("reasoning"), spoken];
        Assert.Equal(Classes.Zip(counts).Where(c => c.Second > 0), receipt["lines"]!.AsArray().Select(l => ((string)l!["class"]!, (long)l["tokens"]!)));
        var micros = counts.Zip(new long[] { 1, 2, 3, 5, 7, 11, 13, 17 }, (count, price) => count * price).Sum();
        Assert.Equal(micros / 1_000_000m, decimal.Parse((string)receipt["cost"]!, CultureInfo.InvariantCulture));
        Assert.Contains($"{cached} cached_input tokens × 2.00 USD per million", (string)receipt["arithmetic"]!, StringComparison.Ordinal);

        var stored = await new UsageQueries(gateway.Gateway.Database).FindAsync(id, TestContext.Current.CancellationToken);
        Assert.Equal((micros * 1000, operatorMicros * 1000), (stored!.Cost, stored.Record.OperatorCost!.Value));
        Assert.Empty((await new LedgerVerifier(gateway.Gateway.Database).RunAsync(TestContext.Current.CancellationToken)).Faults);

        var metrics = (await gateway.Http.GetAsync("/metrics")).Text.Split('\n');
        foreach (var (name, count) in Classes.Zip(counts))
            Assert.Equal(count.ToString(CultureInfo.InvariantCulture), Assert.Single(metrics, line => line.StartsWith("crossmodel_tokens_total{", StringComparison.Ordinal) && line.Contains($"class=\"{name}\"", StringComparison.Ordinal)).Split(' ')[^1]);
    }
}
