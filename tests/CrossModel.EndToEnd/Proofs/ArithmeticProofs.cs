using System.Globalization;
using System.Text;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>
/// Real recorded replies with their real usage, through the whole program, charged by prices as catalogues state them. Every number on the right was computed
/// by hand (the sums stand beside it); fifteen of them are what the provider itself charged for that very reply.
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

    // OpenAI, a spoken question: 59 read, of which 43 sound, 123 generated.
    private const string Heard = "openai/openai-03-json-audio-in";

    [Theory]
    // 16 × 2.50 + 43 × 40.00 + 123 × 10.00 = 40 + 1,720 + 1,230 = 2,990
    [InlineData(Heard, "openai", """{ "input": 2.50, "audioInput": 40.00, "output": 10.00, "audioOutput": 80.00 }""", "0.00299")]
    // Sound without a price of its own costs what text costs: 59 × 2.50 + 1,230 = 1,377.5
    [InlineData(Heard, "openai", """{ "input": 2.50, "output": 10.00 }""", "0.0013775")]
    // Above 50 tokens of prompt all of it costs the tier's: 16 × 2.50 + 43 × 100.00 + 1,230 = 5,570
    [InlineData(Heard, "openai", """{ "input": 2.50, "audioInput": 40.00, "output": 10.00, "tiers": [ { "above": 50, "audioInput": 100.00 } ] }""", "0.00557")]
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
    // xAI's own bills, in ticks of 1e-10 USD. 284 × 0.20 + 152 × 0.05 + 216 × 0.50 = 56.8 + 7.6 + 108 = 172.4: 1,724,000 ticks
    [InlineData("openai-compatible/xai-01-json-parallel-cached", "xai", """{ "input": 0.20, "cachedInput": 0.05, "output": 0.50 }""", "0.0001724")]
    // 48 × 0.30 + 283 × 0.075 + 343 × 0.50 = 14.4 + 21.225 + 171.5 = 207.125: 2,071,250 ticks
    [InlineData("openai-compatible/xai-02-json-reasoning-cached-tool-result-in", "xai", """{ "input": 0.30, "cachedInput": 0.075, "output": 0.50 }""", "0.000207125")]
    // 48 × 0.20 + 448 × 0.02 + 198 × 1.50 = 9.6 + 8.96 + 297 = 315.56: 3,155,600 ticks
    [InlineData("openai-compatible/xai-03-stream-tools-reasoning-cached", "xai", """{ "input": 0.20, "cachedInput": 0.02, "output": 1.50 }""", "0.00031556")]
    // 58 × 0.20 + 448 × 0.02 + 50 × 1.50 = 11.6 + 8.96 + 75 = 95.56: 955,600 ticks
    [InlineData("openai-compatible/xai-05-stream-reasoning-cached-tool-result-in", "xai", """{ "input": 0.20, "cachedInput": 0.02, "output": 1.50 }""", "0.00009556")]
    // 1 × 0.30 + 11 × 0.075 + 291 × 0.50 = 0.3 + 0.825 + 145.5 = 146.625: 1,466,250 ticks
    [InlineData("openai-compatible/xai-vercel-xai-text", "xai", """{ "input": 0.30, "cachedInput": 0.075, "output": 0.50 }""", "0.000146625")]
    // OpenRouter's own bills. 519 × 0.30 + 68 × 2.50 = 155.7 + 170 = 325.7
    [InlineData("openai-compatible/openrouter-02-json-image-in-document-in", "openrouter", """{ "input": 0.30, "output": 2.50 }""", "0.0003257")]
    // 174 × 1.00 + 12 × 5.00 = 234
    [InlineData("openai-compatible/openrouter-03-json-structured-output", "openrouter", """{ "input": 1.00, "output": 5.00 }""", "0.000234")]
    // 83 × 1.20 + 192 × 0.24 + 76 × 4.00 = 99.6 + 46.08 + 304 = 449.68
    [InlineData("openai-compatible/openrouter-04-stream-parallel-reasoning-cached", "openrouter", """{ "input": 1.20, "cachedInput": 0.24, "output": 4.00 }""", "0.00044968")]
    // 633 × 1.00 + 75 × 5.00 = 633 + 375 = 1,008
    [InlineData("openai-compatible/openrouter-05-stream-parallel", "openrouter", """{ "input": 1.00, "output": 5.00 }""", "0.001008")]
    // A search at 0.007 USD beside 2,317 × 0.2574 + 53 × 1.0287 = 596.3958 + 54.5211 = 650.9169: 7,650.9169 millionths, to the nano-dollar
    [InlineData("openai-compatible/openrouter-07-stream", "openrouter", """{ "input": 0.2574, "output": 1.0287, "request": 0.007 }""", "0.007650917")]
    // Perplexity's own bill: a request at 0.006 USD, 9 × 2.00 + 9 × 8.00 = 90
    [InlineData("openai-compatible/perplexity-01-json", "perplexity", """{ "input": 2.00, "output": 8.00, "request": 0.006 }""", "0.00609")]
    // Another: 0.005 USD, 8 × 1.00 + 5 × 1.00 = 13. It rounds each part to 0.00001 USD and says 0.00501.
    [InlineData("openai-compatible/perplexity-02-stream", "perplexity", """{ "input": 1.00, "output": 1.00, "request": 0.005 }""", "0.005013")]
    // Avian's own bill: 12 × 0.45 + 64 × 0.225 + 47 × 2.20 = 5.4 + 14.4 + 103.4 = 123.2
    [InlineData("openai-compatible/avian-01-stream-parallel-reasoning-cached", "openai", """{ "input": 0.45, "cachedInput": 0.225, "output": 2.20 }""", "0.0001232")]
    // Vercel's own bill: 28 × 2.00 + 70 × 12.00 = 56 + 840 = 896
    [InlineData("openai-compatible/vercel-gateway-02-stream-parallel-reasoning", "openai", """{ "input": 2.00, "output": 12.00 }""", "0.000896")]
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
