using CrossModel.Accounts;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Rows;

/// <summary>The rows of a plain reply: its members, its usage, its headers.</summary>
public sealed class ReplyRowTests(RowBench bench) : IClassFixture<RowBench>, IAsyncLifetime
{
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync()
    {
        bench.Answer = null;
        return ValueTask.CompletedTask;
    }

    private Task<HttpReply> Ask(string members = "", string model = "test/model", string? key = null) =>
        bench.Gateway.PostAsync($$"""{"model":"{{model}}","messages":[{"role":"user","content":"Hi"}]{{members}}}""", key);

    private void Answer(string json) => bench.Answer = (http, _) => UsualReply.JsonAsync(http, json);

    [Fact]
    [Row("reply:id")]
    [Row("reply:object")]
    [Row("reply:created")]
    [Row("reply:model")]
    public async Task Reply_BelongsToUs()
    {
        var before = DateTimeOffset.FromUnixTimeSeconds(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds());
        var (first, second) = ((await Ask()).Json, (await Ask()).Json);

        Assert.Matches("^chatcmpl_[0-9A-Za-z]{24}$", (string?)first["id"]);
        Assert.NotEqual((string?)first["id"], (string?)second["id"]);
        Assert.Equal("chat.completion", (string?)first["object"]);
        Assert.InRange((long)first["created"]!, before.ToUnixTimeSeconds(), TimeProvider.System.GetUtcNow().ToUnixTimeSeconds());
        Assert.Equal("test/model", (string?)first["model"]);
    }

    [Fact]
    [Row("reply:choices")]
    [Row("choice:index")]
    [Row("choice:message")]
    [Row("reply.message:role")]
    [Row("reply.message:content")]
    public async Task Choices_OfThreeCandidates_AreThree()
    {
        var choices = (await Ask(",\"n\":3")).Json["choices"]!.AsArray();

        Assert.Equal(3, choices.Count);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(i, (int)choices[i]!["index"]!);
            Assert.Equal("assistant", (string?)choices[i]!["message"]!["role"]);
            Assert.Equal("Hello!", (string?)choices[i]!["message"]!["content"]);
            Assert.True(choices[i]!["message"]!.AsObject().ContainsKey("refusal"));
            Assert.True(choices[i]!.AsObject().ContainsKey("logprobs"));
        }
    }

    [Theory]
    [Row("choice:finish_reason")]
    [InlineData("stop", "stop")]
    [InlineData("length", "length")]
    [InlineData("content_filter", "content_filter")]
    [InlineData("eos", "stop")]
    [InlineData("model_length", "length")]
    public async Task FinishReason_WhateverTheProviderSays_IsOneOfFour(string said, string told)
    {
        Answer(UsualReply.Plain().Replace("\"stop\"", $"\"{said}\"", StringComparison.Ordinal));

        Assert.Equal(told, (string?)(await Ask()).Json["choices"]![0]!["finish_reason"]);
    }

    [Fact]
    [Row("reply.message:content")]
    [Row("reply.message:tool_calls")]
    [Row("choice:finish_reason")]
    public async Task ToolCalls_Alone_HaveNullContentAndTextArguments()
    {
        Answer("""{"choices":[{"index":0,"message":{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":{"a":1}}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}""");

        var choice = (await Ask(",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\"}}]")).Json["choices"]![0]!;

        Assert.True(choice["message"]!.AsObject().ContainsKey("content"));
        Assert.Null(choice["message"]!["content"]);
        Assert.Equal("""{"a":1}""", (string?)choice["message"]!["tool_calls"]![0]!["function"]!["arguments"]);
        Assert.Equal("tool_calls", (string?)choice["finish_reason"]);
    }

    [Fact]
    [Row("reply.message:content")]
    public async Task Content_NullWithoutCalls_IsAnEmptyString()
    {
        Answer("""{"choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"hm"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}""");

        var message = (await Ask()).Json["choices"]![0]!["message"]!;

        Assert.Equal("", (string?)message["content"]);
        Assert.Equal("hm", (string?)message["reasoning_content"]);
    }

    [Fact]
    [Row("reply:usage")]
    [Row("usage:prompt_tokens")]
    [Row("usage:completion_tokens")]
    [Row("usage:total_tokens")]
    [Row("usage:cached_tokens")]
    [Row("usage:reasoning_tokens")]
    public async Task Usage_IsWholeAndAddsUp()
    {
        var usage = (await Ask()).Json["usage"]!;
        Answer(UsualReply.Plain(usage: """{"prompt_tokens":5,"completion_tokens":2}"""));
        var bare = (await Ask()).Json["usage"]!;

        Assert.Equal((9, 3, 12, 4, 1), ((int)usage["prompt_tokens"]!, (int)usage["completion_tokens"]!, (int)usage["total_tokens"]!,
            (int)usage["prompt_tokens_details"]!["cached_tokens"]!, (int)usage["completion_tokens_details"]!["reasoning_tokens"]!));
        Assert.Equal((5, 2, 7, 0, 0), ((int)bare["prompt_tokens"]!, (int)bare["completion_tokens"]!, (int)bare["total_tokens"]!,
            (int)bare["prompt_tokens_details"]!["cached_tokens"]!, (int)bare["completion_tokens_details"]!["reasoning_tokens"]!));
    }

    [Fact]
    [Row("reply.header:x-request-id")]
    [Row("reply.header:x-crossmodel-attempts")]
    [Row("reply.header:x-crossmodel-overhead-ms")]
    [Row("reply.header:x-crossmodel-upstream")]
    public async Task Headers_ExplainTheReply()
    {
        var reply = await Ask();

        Assert.Matches("^req_[0-9A-Za-z]+$", reply.Header("x-request-id"));
        Assert.Equal("1", reply.Header("x-crossmodel-attempts"));
        Assert.InRange(double.Parse(reply.Header("x-crossmodel-overhead-ms")!, System.Globalization.CultureInfo.InvariantCulture), 0, 10_000);
        Assert.Equal("up", reply.Header("x-crossmodel-upstream"));
    }

    [Fact]
    [Row("reply.header:x-crossmodel-cost")]
    public async Task Cost_OfAPricedModel_IsInTheHeaderAndTheUsage()
    {
        // 5 fresh tokens at 1, 4 cached at 0.5, 3 out at 2 USD a million.
        var reply = await Ask(model: "priced/model");

        Assert.Equal("0.000013", reply.Header("x-crossmodel-cost"));
        Assert.Equal(0.000013m, (decimal)reply.Json["usage"]!["cost"]!);
    }

    [Fact]
    [Row("reply.header:x-crossmodel-ignored")]
    public async Task Ignored_NamesAllThatWasDroppedOrLowered()
    {
        var reply = await Ask(",\"seed\":1,\"temperature\":2,\"verbosity\":\"low\"", "zai/model");

        Assert.Equal(["seed", "temperature=1", "verbosity"], reply.Header("x-crossmodel-ignored")!.Split(", ").Order(StringComparer.Ordinal));
    }

    [Fact]
    [Row("reply.header:x-ratelimit")]
    [Row("reply.header:retry-after")]
    [Row("error:rate_limit_exceeded")]
    public async Task RateLimits_AreShownAndThenKept()
    {
        var key = await bench.Gateway.NewKeyAsync("limited", 1, accountTerms: new Terms { RequestsPerMinute = 5, TokensPerMinute = 1_000_000 }, keyTerms: new Terms { RequestsPerMinute = 1 });

        var first = await Ask(key: key);
        var second = await Ask(key: key);

        Assert.Equal(200, (int)first.Status);
        Assert.Equal("1", first.Header("x-ratelimit-limit-requests"));
        Assert.Equal("0", first.Header("x-ratelimit-remaining-requests"));
        Assert.NotNull(first.Header("x-ratelimit-reset-requests"));
        Assert.Equal("1000000", first.Header("x-ratelimit-limit-tokens"));
        Assert.NotNull(first.Header("x-ratelimit-remaining-tokens"));
        Assert.NotNull(first.Header("x-ratelimit-reset-tokens"));
        Assert.Equal((429, "rate_limit_exceeded"), ((int)second.Status, second.ErrorCode));
        Assert.InRange(int.Parse(second.Header("retry-after")!, System.Globalization.CultureInfo.InvariantCulture), 1, 60);
        Assert.Equal("1", second.Header("x-ratelimit-limit-requests"));
        Assert.Null((await Ask()).Header("x-ratelimit-limit-requests"));
    }
}
