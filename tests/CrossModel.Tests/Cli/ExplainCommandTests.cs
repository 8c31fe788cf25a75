namespace CrossModel.Tests.Cli;

/// <summary>explain: without a server, a database or a connection.</summary>
public sealed class ExplainCommandTests
{
    private const string Ask = """{"model":"a/b","messages":[{"role":"user","content":"Hello"}],"temperature":1.0}""";
    private readonly CommandRun _run = new();

    private async Task WriteAsync(string request, string config = """{"upstreams":{"up":{"baseUrl":"http://secret.internal/v1","apiKey":"${UNSET}","headers":{"x-secret":"sk-header"}}},"models":{"a/b":{"routes":[{"upstream":"up","model":"m"},{"upstream":"up","model":"n","priority":5}],"price":{"input":1,"output":2}}}}""")
    {
        await File.WriteAllTextAsync(Path.Combine(_run.Folder, "crossmodel.json"), config);
        await File.WriteAllTextAsync(Path.Combine(_run.Folder, "request.json"), request);
    }

    [Fact]
    public async Task Explain_ShowsRoutesWithReasonsBodiesAndCosts()
    {
        await WriteAsync(Ask);
        var shown = await _run.JsonAsync("explain", "request.json");
        var routes = shown.GetProperty("routes").EnumerateArray().ToList();
        Assert.Equal(["up m m", "up n n"], routes.Select(r => $"{r.GetProperty("upstream")} {r.GetProperty("upstream_model")} {r.GetProperty("body").GetProperty("model")}"));
        Assert.Contains("priority 5", routes[1].GetProperty("reasons")[0].GetString(), StringComparison.Ordinal);
        // "Hello" is 2 tokens by 3 bytes each, and 8 a message; no cap: 8,192 of output.
        Assert.Equal((10, 8192), (shown.GetProperty("estimate").GetProperty("prompt_tokens").GetInt32(), shown.GetProperty("estimate").GetProperty("output_tokens").GetInt32()));
        Assert.Equal(("0.000004", "0.016394"), (shown.GetProperty("cost").GetProperty("lowest").GetString(), shown.GetProperty("cost").GetProperty("highest").GetString()));
        Assert.False(File.Exists(_run.DatabaseFile));
        foreach (var secret in new[] { "secret.internal", "sk-header" }) Assert.DoesNotContain(secret, _run.Out, StringComparison.Ordinal);
    }

    // 24,000 bytes of sound are 2 seconds of 50 tokens; "Hello" and the message are 2 + 8 of text. A hold for a spoken answer is all at the price of sound.
    [Theory]
    [InlineData("", "0.00621")] // 10 × 1 + 100 × 42 + 1,000 × 2 = 6,210 millionths
    [InlineData(",\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"alloy\",\"format\":\"mp3\"}", "0.08421")] // 4,210 + 1,000 × 80
    public async Task Explain_OfSound_HoldsItsPrice(string more, string highest)
    {
        var sound = Convert.ToBase64String(new byte[24_000]);
        await WriteAsync(
            $$$"""{"model":"a/b","max_tokens":1000,"messages":[{"role":"user","content":[{"type":"text","text":"Hello"},{"type":"input_audio","input_audio":{"data":"{{{sound}}}","format":"mp3"}}]}]{{{more}}}}""",
            """{"upstreams":{"up":{"baseUrl":"http://127.0.0.1:1/v1","apiKey":"k"}},"models":{"a/b":{"routes":[{"upstream":"up"}],"price":{"input":1,"audioInput":42,"output":2,"audioOutput":80}}}}""");
        Assert.Equal(highest, (await _run.JsonAsync("explain", "request.json")).GetProperty("cost").GetProperty("highest").GetString());
    }

    // Z.ai gives one reply at a time, and knows neither seed nor logprobs.
    private const string TwoModels = """
        {"upstreams":{"up":{"baseUrl":"http://127.0.0.1:1/v1","apiKey":"k"},"zai":{"baseUrl":"https://api.z.ai/api/paas/v4","apiKey":"k"}},"models":{
        "a/b":{"routes":[{"upstream":"up","model":"m","priority":0,"weight":3},{"upstream":"up","model":"n","priority":0}],"price":{"input":1,"output":2}},
        "c/d":{"routes":[{"upstream":"zai","model":"a-glm"}],"price":{"input":10,"cachedInput":5,"output":20,"image":0.001}}}}
        """;

    [Fact]
    public async Task Explain_OfSeveralModels_SaysOfEachRouteWhyItIsThere_WhatItIgnores_AndHowManyCallsItTakes()
    {
        await WriteAsync("""{"model":"a/b","models":["c/d"],"provider":{"allow_fallbacks":true},"n":2,"seed":7,"messages":[{"role":"user","content":"Hello"}]}""", TwoModels);
        var shown = await _run.JsonAsync("explain", "request.json");
        var routes = shown.GetProperty("routes").EnumerateArray().OrderBy(r => r.GetProperty("upstream_model").GetString(), StringComparer.Ordinal).ToList();
        static string Texts(System.Text.Json.JsonElement array) => string.Join(" | ", array.EnumerateArray().Select(t => t.GetString()));
        Assert.Equal(
            [
                "serves c/d, which the request names in models | ordered by the request's provider object first | the only route of its model",
                "ordered by the request's provider object first | priority 0: lower ones are tried first | weight 3 of 4 among 2 of this priority: chance decides anew for each call",
                "ordered by the request's provider object first | priority 0: lower ones are tried first | weight 1 of 4 among 2 of this priority: chance decides anew for each call",
            ], routes.Select(r => Texts(r.GetProperty("reasons"))));
        Assert.Equal(["2 seed", "1 ", "1 "], routes.Select(r => $"{r.GetProperty("calls")} {Texts(r.GetProperty("ignored"))}"));
        // The cheapest route: 2 tokens of prompt, and one of each candidate at 2. The dearest: twice 10 tokens at 10, and 8,192 of each candidate at 20.
        Assert.Equal(("0.000006", "0.32788"), (shown.GetProperty("cost").GetProperty("lowest").GetString(), shown.GetProperty("cost").GetProperty("highest").GetString()));
    }

    [Fact]
    public async Task Explain_OfSeveralCalls_CountsThePromptOfEachWithItsImage()
    {
        await WriteAsync("""{"model":"c/d","n":2,"messages":[{"role":"user","content":[{"type":"text","text":"Hello"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}""", TwoModels);
        var cost = (await _run.JsonAsync("explain", "request.json")).GetProperty("cost");
        // Twice 2 tokens at 5, one at 20 and an image for 1,000; at most 2,010 tokens at 10, 8,192 at 20 and the image.
        Assert.Equal(("0.00206", "0.36988"), (cost.GetProperty("lowest").GetString(), cost.GetProperty("highest").GetString()));
    }

    [Fact]
    public async Task Explain_WhereOneRouteCannot_SaysWhy_AndShowsTheOthers()
    {
        await WriteAsync("""{"model":"c/d","models":["a/b"],"logprobs":true,"messages":[{"role":"user","content":"Hello"}]}""", TwoModels);
        var routes = (await _run.JsonAsync("explain", "request.json")).GetProperty("routes");
        Assert.Contains("logprobs", routes[0].GetProperty("refusal").GetString(), StringComparison.Ordinal);
        Assert.Equal((System.Text.Json.JsonValueKind.Null, System.Text.Json.JsonValueKind.Object), (routes[0].GetProperty("body").ValueKind, routes[1].GetProperty("body").ValueKind));
    }

    [Fact]
    public async Task Explain_WhatWouldBeRefused_EndsWithOneAndTheError()
    {
        await WriteAsync("""{"model":"c/d","messages":[{"role":"user","content":"Hello"}]}""");
        Assert.Equal(1, await _run.RunAsync("explain", "request.json"));
        Assert.Contains("model_not_found", _run.Out, StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("explain", "missing.json"));
        Assert.Equal("", _run.Out);
    }

    [Fact]
    public async Task Explain_ForAKey_KnowsOnlyTheModelsOfThatKey()
    {
        await WriteAsync(Ask);
        await _run.GoodAsync("accounts", "create", "acme");
        var allowed = await _run.GoodAsync("keys", "create", "--account", "acme", "--name", "one", "--models", "a/*");
        var other = await _run.GoodAsync("keys", "create", "--account", "acme", "--name", "two", "--models", "x/*");
        Assert.DoesNotContain(allowed, await _run.GoodAsync("explain", "request.json", "--key", allowed), StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("explain", "request.json", "--key", other));
        Assert.Contains("model_not_found", _run.Out, StringComparison.Ordinal);
    }
}
