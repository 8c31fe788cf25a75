using System.Globalization;
using System.Text;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>
/// Real recorded replies with their real usage, through the whole program, charged by prices as catalogues state them. Every number on the right was computed
/// by hand (the sums stand beside it); two of them are what the provider itself charged for that very reply.
/// </summary>
public sealed class ArithmeticProofs
{
    // OpenAI: 4,020 read, of which 4,012 written to the cache, 4 generated.
    private const string CacheWrite = "openai/openai-07-json-cache-write";
    // DeepSeek: 339 read, of which 320 cached, 83 generated, of which 39 reasoning.
    private const string Cached = "openai-compatible/deepseek-vercel-deepseek-tool-call";
    // Groq: 336 read, of which 256 cached, 96 generated, of which 59 reasoning.
    private const string Reasoned = "openai-compatible/groq-02-json-reasoning-cached-tool-result-in";
    // xAI: 466 read, of which 192 cached, 68 generated beside 266 of reasoning; billed by xAI at 5,596,400 ticks of 1e-10 USD.
    private const string ReasoningBeside = "openai-compatible/xai-04-stream-parallel-reasoning-cached";
    // OpenRouter: 445 read, of which 151 cached, 278 generated; billed by it at 0.00020535 USD.
    private const string Billed = "openai-compatible/openrouter-01-json-parallel-reasoning-cached";
    // Mistral: 159 read, of which 128 cached, 28 generated.
    private const string Small = "openai-compatible/mistral-04-stream-tools-cached";

    [Theory]
    // 8 × 5.00 + 4,012 × 6.25 + 4 × 30.00 = 40 + 25,075 + 120 = 25,235
    [InlineData(CacheWrite, "openai", """{ "input": 5.00, "cachedInput": 0.50, "cacheWrite": 6.25, "output": 30.00 }""", "0.025235")]
    // Written tokens without a price of their own cost what input costs: 4,020 × 5.00 + 120 = 20,220
    [InlineData(CacheWrite, "openai", """{ "input": 5.00, "output": 30.00 }""", "0.02022")]
    // Above 4,000 tokens of prompt all of it costs the tier's: 8 × 10.00 + 4,012 × 12.50 + 4 × 45.00 = 80 + 50,150 + 180 = 50,410
    [InlineData(CacheWrite, "openai", """{ "input": 5.00, "cacheWrite": 6.25, "output": 30.00, "tiers": [ { "above": 4000, "input": 10.00, "cacheWrite": 12.50, "output": 45.00 } ] }""", "0.05041")]
    // What the tier does not name costs as before: 80 + 4,012 × 6.25 + 180 = 25,335
    [InlineData(CacheWrite, "openai", """{ "input": 5.00, "cacheWrite": 6.25, "output": 30.00, "tiers": [ { "above": 4000, "input": 10.00, "output": 45.00 } ] }""", "0.025335")]
    // 4,020 are not above 4,020.
    [InlineData(CacheWrite, "openai", """{ "input": 5.00, "cacheWrite": 6.25, "output": 30.00, "tiers": [ { "above": 4020, "input": 10.00 } ] }""", "0.025235")]
    // 19 × 0.28 + 320 × 0.028 + 83 × 0.42 = 5.32 + 8.96 + 34.86 = 49.14
    [InlineData(Cached, "deepseek", """{ "input": 0.28, "cachedInput": 0.028, "output": 0.42 }""", "0.00004914")]
    // Reasoning at a price of its own: 5.32 + 8.96 + 44 × 0.42 + 39 × 1.00 = 5.32 + 8.96 + 18.48 + 39 = 71.76
    [InlineData(Cached, "deepseek", """{ "input": 0.28, "cachedInput": 0.028, "output": 0.42, "reasoning": 1.00 }""", "0.00007176")]
    // 80 × 0.15 + 256 × 0.075 + 96 × 0.60 = 12 + 19.2 + 57.6 = 88.8
    [InlineData(Reasoned, "groq", """{ "input": 0.15, "cachedInput": 0.075, "output": 0.60 }""", "0.0000888")]
    // With 0.002 USD a request: 2,000 + 88.8
    [InlineData(Reasoned, "groq", """{ "input": 0.15, "cachedInput": 0.075, "output": 0.60, "request": 0.002 }""", "0.0020888")]
    // 274 × 0.20 + 192 × 0.02 + 334 × 1.50 = 54.8 + 3.84 + 501 = 559.64: xAI's own bill
    [InlineData(ReasoningBeside, "xai", """{ "input": 0.20, "cachedInput": 0.02, "output": 1.50 }""", "0.00055964")]
    // 294 × 0.20 + 151 × 0.05 + 278 × 0.50 = 58.8 + 7.55 + 139 = 205.35: OpenRouter's own bill
    [InlineData(Billed, "openrouter", """{ "input": 0.20, "cachedInput": 0.05, "output": 0.50 }""", "0.00020535")]
    // 31 × 0.0125 + 128 × 0.00125 + 28 × 0.0375 = 0.3875 + 0.16 + 1.05 = 1.5975 millionths = 1,597.5 nano-dollars, half up
    [InlineData(Small, "mistral", """{ "input": 0.0125, "cachedInput": 0.00125, "output": 0.0375 }""", "0.000001598")]
    [InlineData(Small, "mistral", "\"free\"", "0.00")]
    public async Task RecordedUsage_AtAPrice_CostsWhatAHandComputes(string recording, string preset, string price, string cost)
    {
        var stem = Path.Combine(Fixtures.Require(), recording.Replace('/', Path.DirectorySeparatorChar));
        var stream = !File.Exists(stem + ".response.json");
        var body = File.Exists(stem + ".response.chunks.txt")
            ? string.Concat(File.ReadAllLines(stem + ".response.chunks.txt").Where(l => l.Length > 0).Select(l => $"data: {l}\n\n"))
            : await File.ReadAllTextAsync(stem + (stream ? ".response.sse" : ".response.json"), Encoding.UTF8);
        await using var site = await EndingSite.TextAsync(stream ? "text/event-stream" : "application/json", body, upstreamMore: $", \"preset\": \"{preset}\"", price: price);

        var reply = await site.AskAsync(stream);

        Assert.True((int)reply.Status == 200, reply.Text);
        var receipt = await site.ReceiptAsync(reply.Header("x-request-id")!);
        Assert.Equal(cost, (string?)receipt["cost"]);
        Assert.Equal("reported", (string?)receipt["basis"]);
        // The lines' amounts are exact; their sum is the cost but for the one rounding.
        var lines = receipt["lines"]!.AsArray().Sum(line => decimal.Parse((string)line!["amount"]!, CultureInfo.InvariantCulture));
        var charged = decimal.Parse(cost, CultureInfo.InvariantCulture);
        Assert.InRange(charged - lines, 0, 0.0000000005m);
        // The caller was shown the same.
        var usage = stream ? reply.Chunks[^1]["usage"]! : reply.Json["usage"]!;
        Assert.Equal(charged, (decimal)usage["cost"]!);
        if (!stream) Assert.Equal(cost, reply.Header("x-crossmodel-cost"));
        Assert.Equal(1m - charged, decimal.Parse((string)(await site.AccountAsync())["balance"]!, CultureInfo.InvariantCulture));
    }
}
