using System.Diagnostics;
using System.Text;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Replies that change their form on the way, that never come to a word, or whose error breaks off: an honest status, no charge for nothing, bounded memory.</summary>
public sealed class OddReplies
{
    private const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";
    private const string Stream = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"stream":true}""";

    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1000, "output": 2000 } } """;

    private static string Events(params IEnumerable<string> deltas) =>
        UsualReply.Chunk(UsualReply.Role) + string.Concat(deltas.Select(d => UsualReply.Chunk(d))) + UsualReply.Chunk("{}", "\"stop\"") + UsualReply.UsageChunk + UsualReply.Done;

    /// <summary>What nobody looks at while a reply keeps its form is looked at when it changes it.</summary>
    [Theory]
    [InlineData("\"\\ud800\":1", "")]
    [InlineData("\"\\ud800\":1", "\uFEFF")]
    [InlineData("\"\\ud800\":1", "data: ")]
    [InlineData("\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"},\"\\udc00\":1}]", "")]
    public async Task Reply_UnreadableInAnotherForm_IsTheProvidersFaultAndFree(string member, string before)
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) => received.Text.Contains("\"stream\":true", StringComparison.Ordinal)
            ? UsualReply.BeginAsync(http, $$"""{{before}}{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello",{{member}}},"finish_reason":"stop"}],"usage":{{UsualReply.Usage}}}""" + "\n\n")
            : UsualReply.BeginAsync(http, Events($$"""{"content":"Hello",{{member}}}""")));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var streamed = await gateway.PostAsync(Stream);
        var plain = await gateway.PostAsync(Plain);

        Assert.Equal((502, "provider_error"), ((int)streamed.Status, streamed.ErrorCode));
        Assert.Equal((502, "provider_error"), ((int)plain.Status, plain.ErrorCode));
        Assert.Equal("100.00", (string?)(await gateway.Http.GetAsync("/v1/account", gateway.Key)).Json["balance"]);
    }

    /// <summary>vLLM and SGLang say so of a call that their engine has dropped, Groq of a stream that it ends early: what there is of it is no whole reply.</summary>
    [Theory]
    [InlineData("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"abort\"}]")]
    [InlineData("\"choices\":[],\"x_groq\":{\"id\":\"req_1\",\"error\":\"over_capacity\"}")]
    public async Task Reply_ThatItsServerHasBrokenOff_IsAFailure(string last)
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) => UsualReply.BeginAsync(http,
            UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hello")) + $$"""data: {"id":"up-1","object":"chat.completion.chunk","created":1,"model":"m",{{last}}}""" + "\n\n" + UsualReply.Done));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var streamed = await gateway.PostAsync(Stream);
        var plain = await gateway.PostAsync(Plain);

        Assert.Contains("Hello", streamed.Text, StringComparison.Ordinal);
        Assert.Contains("data: {\"error\":", streamed.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("[DONE]", streamed.Text, StringComparison.Ordinal);
        Assert.Equal((502, "provider_error"), ((int)plain.Status, plain.ErrorCode));
    }

    /// <summary>Some servers send their headers before the model has begun: until the first byte of the body it is no silence amid a reply.</summary>
    [Fact]
    public async Task Reply_WhoseHeadersCameEarly_MayComeAsLateAsAPlainOne()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            http.Response.ContentType = "application/json";
            await http.Response.Body.FlushAsync();
            await Task.Delay(700);
            await http.Response.WriteAsync(UsualReply.Plain());
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, upstreamMore: """, "timeouts": { "firstByte": "200ms", "idle": "200ms" } """);

        Assert.Equal(200, (int)(await gateway.PostAsync(Plain)).Status);
    }

    [Fact]
    public async Task Arguments_NullInAStreamThatIsGathered_AddNothing()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) => UsualReply.BeginAsync(http, Events(
            """{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}""",
            """{"tool_calls":[{"index":0,"function":{"arguments":null}}]}""",
            """{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}""")));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal("{}", (string?)reply.Json["choices"]![0]!["message"]!["tool_calls"]![0]!["function"]!["arguments"]);
    }

    /// <summary>They wait for a word, or for the charge: an upstream that sends them without end must not fill the memory.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Events_ThatWaitWithoutEnd_AreNoReply(bool afterFinish)
    {
        var silent = string.Concat(Enumerable.Repeat(afterFinish ? "data: {\"choices\":[],\"x\":1}\n\n" : "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n", 100_000));
        var text = UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hello"));
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) => UsualReply.BeginAsync(http, (afterFinish ? text + UsualReply.Chunk("{}", "\"stop\"") : "") + silent + (afterFinish ? "" : text) + UsualReply.Done));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"bufferedBytes\": 4000000 },");

        var reply = await gateway.PostAsync(Stream);

        if (afterFinish) Assert.Contains("\"provider_error\"", reply.Events[^1], StringComparison.Ordinal);
        else Assert.Equal((502, "provider_error"), ((int)reply.Status, reply.ErrorCode));
    }

    /// <summary>No reply is that long: neither a body nor a single event is gathered beyond 64 MiB, whatever room there is.</summary>
    [Theory]
    [InlineData(Plain, 63, 200)]
    [InlineData(Plain, 65, 502)]
    [InlineData(Stream, 65, 502)]
    public async Task Reply_OfMoreThan64MiB_IsNone(string body, int mebibytes, int status)
    {
        var piece = Encoding.UTF8.GetBytes(new string('a', 1024 * 1024));
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.SendAsync(http, (body == Stream ? "data: " : "") + """"{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"delta":{"content":"Hello"},"finish_reason":"stop"}],"x":"a"""");
            for (var i = 0; i < mebibytes; i++) await http.Response.Body.WriteAsync(piece);
            await UsualReply.SendAsync(http, "\"}\n\n");
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, more: "\"limits\": { \"bufferedBytes\": 1000000000 },");

        var reply = await gateway.PostAsync(body);

        Assert.Equal(status, (int)reply.Status);
        if (status == 502) Assert.Equal("provider_error", reply.ErrorCode);
    }

    /// <summary>What is packed cannot be read, and its bytes are nothing to show to anyone: the operator is told why.</summary>
    [Theory]
    [InlineData(Plain, 200, 502, "provider_error")]
    [InlineData(Stream, 200, 502, "provider_error")]
    [InlineData(Plain, 400, 502, "provider_error")]
    [InlineData(Plain, 422, 400, "upstream_rejected")]
    [InlineData(Plain, 429, 429, "provider_rate_limited")]
    public async Task Reply_ThatIsCompressedUnasked_IsNamedInTheLog(string body, int status, int told, string code)
    {
        using var packed = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(packed, System.IO.Compression.CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(Encoding.UTF8.GetBytes(UsualReply.Plain()));
        await using var upstream = await ScriptedUpstream.AlwaysAsync(status, "application/json", packed.ToArray(), ("Content-Encoding", "gzip"));
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);

        var reply = await gateway.PostAsync(body);

        Assert.Equal((told, code), ((int)reply.Status, reply.ErrorCode));
        Assert.All((string)reply.Json["error"]!["message"]!, c => Assert.InRange(c, ' ', '~'));
        Assert.Contains(gateway.Log.All, line => line.Contains("encoded (gzip)", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(429, 429, "provider_rate_limited")]
    [InlineData(400, 502, "provider_error")]
    [InlineData(404, 503, "model_unavailable")]
    public async Task Error_ThatBreaksOff_IsToldByItsStatus(int status, int told, string code)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            http.Response.StatusCode = status;
            http.Response.ContentLength = 500;
            http.Response.Headers.RetryAfter = "7";
            await UsualReply.SendAsync(http, "{\"error\":{\"message\":\"slow do");
            // So that what was sent is read before the connection breaks.
            await Task.Delay(100);
            http.Abort();
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal((told, code), ((int)reply.Status, reply.ErrorCode));
        if (status == 429) Assert.Equal("7", reply.Header("retry-after"));
        Assert.DoesNotContain("slow do", reply.Text, StringComparison.Ordinal);
    }

    /// <summary>Whoever waits for its words keeps the caller from his answer, or from another route.</summary>
    [Theory]
    [InlineData(429, "provider_rate_limited")]
    [InlineData(400, "provider_error")]
    public async Task Error_WhoseBodyNeverEnds_IsToldWithinSeconds(int status, string code)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            http.Response.StatusCode = status;
            http.Response.ContentLength = 500;
            for (var i = 0; i < 100; i++)
            {
                await UsualReply.SendAsync(http, " ");
                await Task.Delay(300, http.RequestAborted);
            }
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        var clock = Stopwatch.StartNew();

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal(code, reply.ErrorCode);
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 15);
        Assert.DoesNotContain("idle", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Error_WhoseBodyIsWithoutEnd_IsReadNoFurtherThanWordsGo()
    {
        long sent = 0;
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            http.Response.StatusCode = 429;
            var blank = Encoding.UTF8.GetBytes(new string(' ', 1024 * 1024));
            for (; sent < 256 * blank.Length; sent += blank.Length)
            {
                await http.Response.Body.WriteAsync(blank, http.RequestAborted);
                // What is written to a connection that has ended goes nowhere at once: a moment to be told of that.
                await Task.Delay(5, http.RequestAborted);
            }
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.PostAsync(Plain);

        Assert.Equal("provider_rate_limited", reply.ErrorCode);
        Assert.InRange(sent, 0, 32 * 1024 * 1024);
    }
}
