using CrossModel.EndToEnd.Rows;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Pages in a browser that call the gateway: what it must say so that the browser lets them.</summary>
public sealed class Browsers
{
    private const string Chat = "/v1/chat/completions";
    private const string Body = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]""";
    private static readonly (string, string) Page = ("Origin", "https://app.example");

    /// <summary>Paths that are none too: else a page with a wrong base URL is told nothing but that it may not.</summary>
    [Theory]
    [Row("endpoint:preflight")]
    [InlineData(Chat)]
    [InlineData("/v1/models")]
    [InlineData("/chat/completions")]
    public async Task Preflight_IsAllowedToEveryPage_WithoutAKey(string path)
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        var reply = await gateway.Http.SendAsync(HttpMethod.Options, path, null, null, Page, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization,content-type,x-stainless-os"));

        Assert.Equal((204, "*", "GET, POST", "authorization, *"),
            ((int)reply.Status, reply.Header("access-control-allow-origin"), reply.Header("access-control-allow-methods"), reply.Header("access-control-allow-headers")));
        Assert.Equal("7200", reply.Header("access-control-max-age"));
        Assert.Empty(reply.Body);
    }

    [Fact]
    [Row("reply.header:access-control")]
    public async Task Reply_OfEveryKind_MayBeReadByThePage()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        HttpReply[] replies =
        [
            await gateway.PostAsync(Body + "}", null, Page),
            await gateway.PostAsync(Body + ",\"stream\":true}", null, Page),
            await gateway.PostAsync("{", null, Page),
            await gateway.PostAsync(Body + "}", "cm-nope", Page),
            await gateway.Http.GetAsync("/v1/models", gateway.Key, Page),
            await gateway.Http.GetAsync("/nowhere", null, Page),
        ];

        Assert.Equal([200, 200, 400, 401, 200, 404], replies.Select(r => (int)r.Status));
        Assert.All(replies, r => Assert.Equal(("*", "*"), (r.Header("access-control-allow-origin"), r.Header("access-control-expose-headers"))));
    }

    [Fact]
    public async Task Caller_WhoIsNoPage_IsAnsweredAsEver()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);

        Assert.DoesNotContain((await gateway.PostAsync(Body + "}")).Headers.Keys, k => k.StartsWith("access-control", StringComparison.OrdinalIgnoreCase));
        // OPTIONS that is no browser's question.
        Assert.Equal(405, (int)(await gateway.Http.SendAsync(HttpMethod.Options, Chat, null, gateway.Key, Page)).Status);
        Assert.Equal(405, (int)(await gateway.Http.SendAsync(HttpMethod.Options, Chat, null, gateway.Key, ("Access-Control-Request-Method", "POST"))).Status);
    }

    /// <summary>A stranger's page that is open on this machine calls from it.</summary>
    [Fact]
    public async Task Metrics_AreNoPagesToRead()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        HttpReply[] replies =
        [
            await gateway.Http.GetAsync("/metrics", null, Page),
            await gateway.Http.SendAsync(HttpMethod.Options, "/metrics", null, null, Page, ("Access-Control-Request-Method", "GET")),
        ];

        Assert.Equal([200, 405], replies.Select(r => (int)r.Status));
        Assert.All(replies, r => Assert.Null(r.Header("access-control-allow-origin")));
    }
}
