using System.Globalization;
using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Endings that cost nothing, and the one that money itself brings about.</summary>
public sealed class MoneyAtTheEnd
{
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } """;
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";

    [Theory]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}}""", "waived", "0.00")]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}""", "reported", "0.000014")]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}""", "reported", "0.00")]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello!"},"finish_reason":"stop"}],"usage":{"prompt_tokens":-9,"completion_tokens":1.5}}""", "counted", "0.000011")]
    public async Task Reply_EmptyOrNot_IsChargedByTheRule(string json, string basis, string cost)
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(json);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal(200, (int)reply.Status);
        Assert.Equal(cost, reply.Header("x-crossmodel-cost"));
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal((basis, cost), ((string?)receipt["basis"], (string?)receipt["cost"]));
    }

    [Fact]
    public async Task Stream_OutgrowsTheBalance_EndsThereWithLengthWhereTheModelSaysSo()
    {
        var gone = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            using var left = http.RequestAborted.Register(() => gone.TrySetResult());
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 1000 && !gone.Task.IsCompleted; i++) await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('x', 40))));
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(20));
        });
        // 0.001 USD a token: the balance pays some 500.
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1000 }, "stopAtBalance": true } """, balance: 0.5m);

        var reply = await gateway.PostAsync(Plain[..^1] + ",\"stream\":true,\"max_tokens\":100}");

        Assert.Equal("length", (string?)reply.Chunks[^1]["choices"]![0]!["finish_reason"]);
        Assert.Equal("[DONE]", reply.Events[^1]);
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(5));
        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal("counted", (string?)receipt["basis"]);
        Assert.InRange(Amount(receipt["cost"]), 0.2m, 0.5m);
        var account = (await gateway.Http.GetAsync("/v1/account", gateway.Key)).Json;
        Assert.Equal(0.5m - Amount(receipt["cost"]), Amount(account["balance"]));
        Assert.Equal(0, Amount(account["held"]));
    }

    [Fact]
    public async Task StreamOfGemini_CutAfterAUsageObjectOfThePromptAlone_IsCounted()
    {
        static string Event(string parts, string usage) => $$"""data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{{parts}}] } }]{{usage}} }""" + "\n\n";
        var read = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, Event("""{"text":"a"}""", ",\"usageMetadata\":{\"promptTokenCount\":50,\"totalTokenCount\":50}") + Event($$"""{"text":"{{new string('x', 3999)}}"}""", ""));
            await read.Task;
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "g", "model": "gemini-2.5-flash" } ], "price": { "input": 1, "output": 1 } } """,
            upstreams: $$""", "g": { "dialect": "gemini", "baseUrl": "{{upstream.BaseUrl.Replace("/v1", "", StringComparison.Ordinal)}}", "apiKey": "k" } """);

        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain[..^1] + ",\"stream\":true}"), gateway.Key);
        read.SetResult();
        var reply = await Http.ReadAsync(response);

        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal(("counted", 1000), ((string?)receipt["basis"], (int)receipt["usage"]!["completion_tokens"]!));
    }

    [Theory]
    // Of the prompt alone, before the text: what was delivered is counted.
    [InlineData("""{"prompt_tokens":50,"completion_tokens":0,"total_tokens":50}""", null, "counted", 1000)]
    // With each event: the last one told of all that was delivered.
    [InlineData("""{"prompt_tokens":50,"completion_tokens":0,"total_tokens":50}""", """{"prompt_tokens":50,"completion_tokens":777,"total_tokens":827}""", "reported", 777)]
    public async Task Stream_CutAfterAUsageObject_IsChargedByWhatThatCounts(string first, string? second, string basis, int tokens)
    {
        static string Chunk(string text, string? usage) =>
            $$"""data: {"choices":[{"index":0,"delta":{"content":"{{text}}"},"finish_reason":null}]{{(usage is null ? "" : ",\"usage\":" + usage)}}}""" + "\n\n";
        var read = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, Chunk("", first) + Chunk(new string('x', 4000), second));
            await read.Task;
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain[..^1] + ",\"stream\":true}"), gateway.Key);
        read.SetResult();
        var reply = await Http.ReadAsync(response);

        var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), gateway.Key)).Json;
        Assert.Equal((basis, tokens), ((string?)receipt["basis"], (int)receipt["usage"]!["completion_tokens"]!));
    }

    [Fact]
    public async Task Caller_WithoutACapAndLittleMoney_GetsTheAffordableOne()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1000 } } """, balance: 0.5m);

        var reply = await gateway.PostAsync(Plain);
        var capped = await gateway.PostAsync(Plain[..^1] + ",\"max_tokens\":8000}");

        Assert.Equal("max_tokens=500", reply.Header("x-crossmodel-ignored"));
        Assert.Equal(500, (int)upstream.Received[0].Json["max_tokens"]!);
        Assert.Equal((402, "insufficient_balance"), ((int)capped.Status, capped.ErrorCode));
    }

    private static decimal Amount(JsonNode? amount) => decimal.Parse((string)amount!, CultureInfo.InvariantCulture);
}
