using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Dialects;

/// <summary>n = 3 of Gemini: one call where the model gives several candidates, else three, and what each costs.</summary>
public sealed class GeminiCandidates
{
    private const string Ask = """{"model":"test/gemini","messages":[{"role":"user","content":"Hi"}],"n":3}""";

    /// <param name="most">Candidates that the model gives in one call; more are refused, or, if it says nothing, not given.</param>
    /// <param name="refusal">How it refuses more; null: it does not say.</param>
    private static Task<ScriptedUpstream> GoogleAsync(int most, string? refusal) => ScriptedUpstream.StartAsync((http, received) =>
    {
        var asked = (int?)received.Json["generationConfig"]?["candidateCount"] ?? 1;
        if (asked > most && refusal is not null)
            return UsualReply.JsonAsync(http, $$$"""{"error":{"code":400,"message":"{{{refusal}}}","status":"INVALID_ARGUMENT"}}""", 400);
        var candidates = string.Join(',', Enumerable.Range(0, Math.Min(asked, most)).Select(i => $$$"""{"content":{"role":"model","parts":[{"text":"Hello!"}]},"finishReason":"STOP","index":{{{i}}}}"""));
        var reply = $$$"""{"candidates":[{{{candidates}}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":{{{3 * Math.Min(asked, most)}}},"totalTokenCount":{{{9 + 3 * Math.Min(asked, most)}}}}}""";
        return received.Path.Contains(":stream", StringComparison.Ordinal) ? UsualReply.BeginAsync(http, "data: " + reply + "\r\n\r\n") : UsualReply.JsonAsync(http, reply);
    });

    private static Task<TestGateway> GatewayAsync(ScriptedUpstream google, string more = "", decimal balance = 100m) => TestGateway.StartAsync(google.BaseUrl,
        """ "test/gemini": { "routes": [ { "upstream": "google", "model": "gemini-2.5-flash" } ], "price": { "input": 1, "output": 1 } } """, more,
        upstreams: $$""", "google": { "dialect": "gemini", "baseUrl": "{{google.Address.ToString().TrimEnd('/')}}", "apiKey": "AIza" } """, balance: balance);

    private static async Task<string?> AssertWholeAsync(TestGateway gateway, HttpReply reply, int prompt, int attempts)
    {
        Assert.Equal(200, (int)reply.Status);
        Assert.Equal([0, 1, 2], reply.Json["choices"]!.AsArray().Select(c => (int)c!["index"]!));
        Assert.All(reply.Json["choices"]!.AsArray(), c => Assert.Equal("Hello! stop", $"{c!["message"]!["content"]} {c["finish_reason"]}"));
        Assert.Equal((prompt, 9, prompt + 9), ((int)reply.Json["usage"]!["prompt_tokens"]!, (int)reply.Json["usage"]!["completion_tokens"]!, (int)reply.Json["usage"]!["total_tokens"]!));
        Assert.Equal(attempts, int.Parse(reply.Header("x-crossmodel-attempts")!, System.Globalization.CultureInfo.InvariantCulture));
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal((attempts, "reported", "0.00"), (receipt["attempts"]!.AsArray().Count, (string?)receipt["basis"], (string?)receipt["uncovered"] ?? "0.00"));
        Assert.Equal(prompt, (int)receipt["usage"]!["prompt_tokens"]!);
        return (string?)receipt["cost"];
    }

    private static async Task<string?> HighestAsync(TestGateway gateway) =>
        (string?)(await gateway.PostAsync(Ask, null, ("x-crossmodel-dry-run", "1"))).Json["cost"]!["highest"];

    [Fact]
    public async Task Plain_OfAModelThatGivesSeveral_IsOneCallAndThePromptIsPaidOnce()
    {
        await using var google = await GoogleAsync(8, null);
        await using var gateway = await GatewayAsync(google);
        var before = await HighestAsync(gateway);

        Assert.Equal("0.000018", await AssertWholeAsync(gateway, await gateway.PostAsync(Ask), prompt: 9, attempts: 1));

        Assert.Equal(3, (int)Assert.Single(google.Received).Json["generationConfig"]!["candidateCount"]!);
        // Held for three readings of the prompt (1 + 8 tokens each) while nobody knew, for one since then.
        Assert.Equal(("0.024603", "0.024585"), (before, await HighestAsync(gateway)));
    }

    [Theory]
    [InlineData("Multiple candidates is not enabled for this model")]
    [InlineData(null)]
    public async Task Plain_OfAModelThatRefusesOrGivesFewer_IsAskedThreeTimesAtOnceAndFromThenOn(string? refusal)
    {
        await using var google = await GoogleAsync(1, refusal);
        await using var gateway = await GatewayAsync(google);

        // The refused call costs nothing, the others each read the prompt.
        Assert.Equal("0.000036", await AssertWholeAsync(gateway, await gateway.PostAsync(Ask), prompt: 27, attempts: 4));
        Assert.Equal("0.000036", await AssertWholeAsync(gateway, await gateway.PostAsync(Ask), prompt: 27, attempts: 3));

        Assert.Equal([3, 1, 1, 1, 1, 1, 1], google.Received.Select(r => (int?)r.Json["generationConfig"]!["candidateCount"] ?? 1));
        Assert.Equal("0.024603", await HighestAsync(gateway));
    }

    [Fact]
    public async Task Plain_OfAModelThatTurnsOutToRefuse_WasHeldForAllItsCalls()
    {
        await using var google = await GoogleAsync(1, "Multiple candidates is not enabled for this model");
        // Three prompts of 9 tokens and 30 of output are 57 micro-dollars: with less nothing is sent.
        var body = Ask.Replace("\"n\":3", "\"n\":3,\"max_tokens\":10", StringComparison.Ordinal);
        await using (var poor = await GatewayAsync(google, balance: 0.000056m))
            Assert.Equal("insufficient_balance", (await poor.PostAsync(body)).ErrorCode);
        Assert.Empty(google.Received);
        await using var gateway = await GatewayAsync(google, balance: 0.000057m);
        Assert.Equal("0.000036", await AssertWholeAsync(gateway, await gateway.PostAsync(body), prompt: 27, attempts: 4));
    }

    [Fact]
    public async Task Plain_RefusedBeyondTheFanOutOfTheOperator_IsTheProvidersRefusalThenOurs()
    {
        await using var google = await GoogleAsync(1, "Multiple candidates is not enabled for this model");
        await using var gateway = await GatewayAsync(google, """ "limits": { "fanOut": 2 }, """);
        foreach (var _ in new int[2])
        {
            var reply = await gateway.PostAsync(Ask);
            Assert.Equal((400, "unsupported_parameter", "n"), ((int)reply.Status, reply.ErrorCode, (string?)reply.Json["error"]!["param"]));
        }
        Assert.Single(google.Received);
    }

    [Fact]
    public async Task Stream_IsAskedThreeTimes_WhateverTheModelGives()
    {
        await using var google = await GoogleAsync(8, null);
        await using var gateway = await GatewayAsync(google);

        var reply = await gateway.PostAsync(Ask.Replace("\"n\":3", "\"n\":3,\"stream\":true,\"stream_options\":{\"include_usage\":true}", StringComparison.Ordinal));

        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.Equal(27, (int)reply.Chunks[^1]["usage"]!["prompt_tokens"]!);
        Assert.Equal([1, 1, 1], google.Received.Select(r => (int?)r.Json["generationConfig"]!["candidateCount"] ?? 1));
    }

    [Fact]
    public async Task Refusals_OfOneThingAfterAnother_AreAllLearnedInOneCall()
    {
        await using var google = await ScriptedUpstream.StartAsync((http, received) =>
        {
            var config = received.Json["generationConfig"]!.AsObject();
            string? refusal = config.ContainsKey("presencePenalty") ? "Penalty is not enabled for this model" : config.ContainsKey("candidateCount") ? "Multiple candidates is not enabled for this model" : null;
            return refusal is not null
                ? UsualReply.JsonAsync(http, $$$"""{"error":{"code":400,"message":"{{{refusal}}}","status":"INVALID_ARGUMENT"}}""", 400)
                : UsualReply.JsonAsync(http, """{"candidates":[{"content":{"parts":[{"text":"Hello!"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12}}""");
        });
        await using var gateway = await GatewayAsync(google);

        var reply = await gateway.PostAsync(Ask.Replace("\"n\":3", "\"n\":3,\"presence_penalty\":1", StringComparison.Ordinal));

        Assert.Equal("presence_penalty", reply.Header("x-crossmodel-ignored"));
        Assert.Equal("0.000036", await AssertWholeAsync(gateway, reply, prompt: 27, attempts: 5));
    }
}
