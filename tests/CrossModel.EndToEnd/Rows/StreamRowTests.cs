using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Rows;

/// <summary>The rows of a stream.</summary>
public sealed class StreamRowTests(RowBench bench) : IClassFixture<RowBench>, IAsyncLifetime
{
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync()
    {
        bench.Answer = null;
        return ValueTask.CompletedTask;
    }

    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"stream":true}""";

    private Task<HttpReply> Ask(string members = "") => bench.Gateway.PostAsync(Plain[..^1] + members + "}");

    [Fact]
    [Row("stream:headers")]
    public async Task Headers_AreThoseOfAnEventStreamThatNobodyBuffers()
    {
        var reply = await Ask();

        Assert.Equal("text/event-stream; charset=utf-8", reply.Header("content-type"));
        Assert.Equal("no-cache", reply.Header("cache-control"));
        Assert.Equal("no", reply.Header("x-accel-buffering"));
    }

    [Fact]
    [Row("stream:chunk")]
    [Row("reply:id")]
    public async Task Chunks_AreFramedAndAllUnderOneId()
    {
        var reply = await Ask();

        Assert.All(reply.Text.Split("\n\n")[..^1], e => Assert.Matches("^data: [^\n]+$", e));
        Assert.EndsWith("\n\n", reply.Text, StringComparison.Ordinal);
        var id = Assert.Single(reply.Chunks.Select(c => (string?)c["id"]).Distinct());
        Assert.Matches("^chatcmpl_[0-9A-Za-z]{24}$", id);
        Assert.All(reply.Chunks, c => Assert.Equal(("chat.completion.chunk", "test/model"), ((string?)c["object"], (string?)c["model"])));
        Assert.Single(reply.Chunks.Select(c => (long)c["created"]!).Distinct());
    }

    [Fact]
    [Row("stream:role")]
    [Row("stream:content")]
    [Row("stream:finish")]
    [Row("stream:done")]
    public async Task Deltas_BeginWithTheRoleJoinToTheReplyAndEndEmpty()
    {
        var reply = await Ask();
        var choices = reply.Chunks.Select(c => c["choices"]![0]!).ToList();

        Assert.Equal("assistant", (string?)choices[0]["delta"]!["role"]);
        Assert.All(choices.Skip(1), c => Assert.Null(c["delta"]!["role"]));
        Assert.Equal("Hello!", string.Concat(choices.Select(c => (string?)c["delta"]!["content"])));
        Assert.All(choices.SkipLast(1), c => Assert.True(c.AsObject().ContainsKey("finish_reason") && c["finish_reason"] is null));
        Assert.Equal("{}", choices[^1]["delta"]!.ToJsonString());
        Assert.Equal("stop", (string?)choices[^1]["finish_reason"]);
        Assert.Equal("[DONE]", reply.Events[^1]);
    }

    [Fact]
    [Row("stream:finish")]
    public async Task Finish_WithTextOnIt_BecomesTwoChunks()
    {
        bench.Answer = (http, _) => UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hello!"), "\"stop\"") + UsualReply.UsageChunk + UsualReply.Done);

        var chunks = (await Ask()).Chunks;

        Assert.Equal("Hello!", (string?)chunks[^2]["choices"]![0]!["delta"]!["content"]);
        Assert.Null(chunks[^2]["choices"]![0]!["finish_reason"]);
        Assert.Equal("{}", chunks[^1]["choices"]![0]!["delta"]!.ToJsonString());
    }

    [Fact]
    [Row("stream:usage")]
    public async Task Usage_OnlyWhenAsked_IsTheLastChunk()
    {
        var asked = await Ask(",\"stream_options\":{\"include_usage\":true}");
        var unasked = await Ask();
        var declined = await Ask(",\"stream_options\":{\"include_usage\":false}");

        var last = asked.Chunks[^1];
        Assert.Empty(last["choices"]!.AsArray());
        Assert.Equal(12, (int)last["usage"]!["total_tokens"]!);
        Assert.NotNull(last["usage"]!["prompt_tokens_details"]);
        Assert.NotNull(last["usage"]!["completion_tokens_details"]);
        Assert.All(((HttpReply[])[unasked, declined]).SelectMany(r => r.Chunks), c =>
        {
            Assert.NotEmpty(c["choices"]!.AsArray());
            Assert.Null(c["usage"]);
        });
    }

    [Fact]
    [Row("stream:keep-alive")]
    public async Task Silence_OfTheUpstream_IsBridgedByComments()
    {
        var read = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            await read.Task;
            await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text("Hello!")) + UsualReply.Chunk("{}", "\"stop\"") + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"keepAlive\": \"50ms\" },");

        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain), gateway.Key);
        using var body = new StreamReader(await response.Content.ReadAsStreamAsync());
        // One after another, as long as it is silent.
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(": keep-alive", await body.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
            Assert.Equal("", await body.ReadLineAsync());
        }
        read.SetResult();
        var events = (await body.ReadToEndAsync()).Split("\n\n").Where(e => e.StartsWith("data: {", StringComparison.Ordinal));
        Assert.Equal("Hello!", string.Concat(events.Select(e => (string?)JsonNode.Parse(e["data: ".Length..])!["choices"]![0]!["delta"]!["content"])));
    }

    [Fact]
    [Row("stream:keep-alive")]
    public async Task Silence_OfAnUpstreamThatHasNotAnsweredYet_IsBridgedToo()
    {
        var read = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await read.Task;
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hello!")) + UsualReply.Chunk("{}", "\"stop\"") + UsualReply.Done);
        });
        // A server that does not take seed.
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"keepAlive\": \"300ms\" },", upstreamMore: ", \"preset\": \"perplexity\"");

        // Headers are here before the upstream has said a word.
        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain[..^1] + ",\"seed\":5}"), gateway.Key);
        read.SetResult();
        var reply = await Http.ReadAsync(response);

        Assert.Equal("seed", reply.Header("x-crossmodel-ignored"));
        // The silence is the upstream's.
        Assert.InRange(double.Parse(reply.Header("x-crossmodel-overhead-ms")!, System.Globalization.CultureInfo.InvariantCulture), 0, 250);

        Assert.StartsWith(": keep-alive\n\n", reply.Text, StringComparison.Ordinal);
        Assert.Equal("Hello!", string.Concat(reply.Chunks.Select(c => (string?)c["choices"]![0]!["delta"]!["content"])));
        Assert.Equal("[DONE]", reply.Events[^1]);
    }

    /// <summary>However long a stream lasts: where the upstream is never silent for the whole time nothing is bridged.</summary>
    [Fact]
    [Row("stream:keep-alive")]
    public async Task Events_ThatComeInTime_AreAllThatIsSent()
    {
        var clock = new FakeClock();
        using var next = new SemaphoreSlim(0);
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 4; i++)
            {
                await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text("a")));
                await next.WaitAsync();
            }
            await UsualReply.SendAsync(http, UsualReply.Chunk("{}", "\"stop\"") + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, time: clock);

        using var response = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain), gateway.Key);
        using var body = new StreamReader(await response.Content.ReadAsStreamAsync());
        var lines = new List<string>();
        while (await body.ReadLineAsync() is { } line)
        {
            lines.Add(line);
            if (!line.Contains("\"content\":\"a\"", StringComparison.Ordinal)) continue;
            clock.Advance(TimeSpan.FromSeconds(10));
            next.Release();
        }

        Assert.DoesNotContain(": keep-alive", lines);
        Assert.Contains("data: [DONE]", lines);
    }

    [Fact]
    [Row("stream:error")]
    public async Task Failure_AfterContent_IsOneEventAndAnOrderlyEndWithoutDone()
    {
        var read = new TaskCompletionSource();
        bench.Answer = async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            await read.Task;
            http.Abort();
        };

        // An abort discards what was not read yet, so it waits until the content has come through.
        using var response = await bench.Gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain), bench.Gateway.Key);
        read.SetResult();
        var reply = await Http.ReadAsync(response);

        Assert.Equal(200, (int)reply.Status);
        Assert.Equal("Hel", string.Concat(reply.Chunks.SkipLast(1).Select(c => (string?)c["choices"]![0]!["delta"]!["content"])));
        var error = JsonNode.Parse(reply.Events[^1])!["error"]!;
        Assert.Equal(("provider_error", "provider_error"), ((string?)error["type"], (string?)error["code"]));
        Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    [Row("stream:cancel")]
    public async Task Caller_Leaves_TheUpstreamIsCancelled()
    {
        var gone = new TaskCompletionSource();
        bench.Answer = async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            using var _1 = http.RequestAborted.Register(gone.SetResult);
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(10));
        };

        using (var response = await bench.Gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetBytes(Plain), bench.Gateway.Key))
        {
            var stream = await response.Content.ReadAsStreamAsync();
            await stream.ReadExactlyAsync(new byte[10]);
        }

        await gone.Task.WaitAsync(TimeSpan.FromSeconds(5));
    }
}
