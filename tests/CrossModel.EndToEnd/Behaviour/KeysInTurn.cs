using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>An upstream with several keys, of which some are refused or held back: no caller notices while one is good.</summary>
public sealed class KeysInTurn
{
    private const string Plain = """{"model":"keys/model","messages":[{"role":"user","content":"Hi"}]}""";
    private const string Stream = """{"model":"keys/model","messages":[{"role":"user","content":"Hi"}],"stream":true}""";

    private static Task<TestGateway> StartAsync(ScriptedUpstream upstream, string keys, string more = "") => TestGateway.StartAsync(upstream.BaseUrl,
        """
        "keys/model": { "routes": [ { "upstream": "keys", "model": "m" } ], "price": { "input": 1, "output": 1 } },
        "keys/other": { "routes": [ { "upstream": "keys", "model": "other" } ], "price": { "input": 1, "output": 1 } }
        """,
        upstreams: $$""", "keys": { "dialect": "openai", "baseUrl": "{{upstream.BaseUrl}}", "apiKeys": {{keys}}{{more}} } """);

    private static Task<ScriptedUpstream> AnsweringAsync(int status) => ScriptedUpstream.StartAsync((http, received) =>
        received.Headers["authorization"].EndsWith("good", StringComparison.Ordinal) ? UsualReply.AnswerAsync(http, received) : UsualReply.JsonAsync(http, """{"error":{"message":"not with this key"}}""", status));

    private static IEnumerable<string> KeysOf(ScriptedUpstream upstream) => upstream.Received.Select(r => r.Headers["authorization"]["Bearer ".Length..]);

    [Theory]
    [InlineData(401, Plain)]
    [InlineData(402, Stream)]
    [InlineData(429, Plain)]
    [InlineData(429, Stream)]
    public async Task Key_ThatIsRefusedOrHeldBack_IsSeenByNoCaller_AndAskedOnce(int status, string body)
    {
        await using var upstream = await AnsweringAsync(status);
        await using var gateway = await StartAsync(upstream, """["bad", "good"]""");

        var replies = new List<HttpReply>();
        for (var i = 0; i < 5; i++) replies.Add(await gateway.PostAsync(body));

        Assert.All(replies, reply => Assert.Equal(200, (int)reply.Status));
        Assert.All(replies, reply => Assert.Contains("lo!", reply.Text, StringComparison.Ordinal));
        Assert.Equal(["bad", "good", "good", "good", "good", "good"], KeysOf(upstream));
        Assert.Equal(["2", "1", "1", "1", "1"], replies.Select(reply => reply.Header("x-crossmodel-attempts")));
        var attempts = (await gateway.Http.GetAsync("/v1/requests/" + replies[0].Header("x-request-id"), gateway.Key)).Json["attempts"]!.AsArray();
        Assert.Equal([status == 429 ? "rate_limited" : "operator", "ok"], attempts.Select(a => (string?)a!["outcome"]));
        // The operator is told which one it is, and never what it is.
        var line = Assert.Single(gateway.Log.All, l => l.Contains("attempt failed", StringComparison.Ordinal));
        Assert.Contains("key 1 of 2", line, StringComparison.Ordinal);
        Assert.Contains(status == 429 ? "alarm=False" : "alarm=True", line, StringComparison.Ordinal);
        Assert.DoesNotContain("bad", line, StringComparison.Ordinal);
    }

    /// <summary>Of candidates side by side each is tried again by itself.</summary>
    [Theory]
    [InlineData(Plain)]
    [InlineData(Stream)]
    public async Task Key_ThatIsRefusedToCandidates_IsToldToTheOperator(string body)
    {
        await using var upstream = await AnsweringAsync(401);
        await using var gateway = await StartAsync(upstream, """["bad", "good"]""", """, "preset": "groq" """);

        var reply = await gateway.PostAsync(body.Replace("}]", "}],\"n\":2", StringComparison.Ordinal));

        Assert.Equal(200, (int)reply.Status);
        var refused = KeysOf(upstream).Count(key => key == "bad");
        Assert.InRange(refused, 1, 2);
        var lines = gateway.Log.All.Where(l => l.Contains("attempt failed", StringComparison.Ordinal)).ToList();
        Assert.Equal(refused, lines.Count);
        Assert.All(lines, line => Assert.Contains("key 1 of 2", line, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Keys_ThatAreRefusedInARow_AreAllPassedOver()
    {
        await using var upstream = await AnsweringAsync(403);
        await using var gateway = await StartAsync(upstream, """["bad1", "bad2", "bad3", "good"]""");

        Assert.Equal((200, 200), ((int)(await gateway.PostAsync(Plain)).Status, (int)(await gateway.PostAsync(Plain)).Status));
        Assert.Equal(["bad1", "bad2", "bad3"], KeysOf(upstream).Take(3).Order());
        Assert.Equal(["good", "good"], KeysOf(upstream).Skip(3));
    }

    [Fact]
    public async Task Keys_ThatAreAllRefused_AreTheOperatorsFault_AndTriedAgainByTheNextCall()
    {
        await using var upstream = await AnsweringAsync(401);
        await using var gateway = await StartAsync(upstream, """["bad1", "bad2"]""");

        var (first, second) = (await gateway.PostAsync(Plain), await gateway.PostAsync(Plain));

        Assert.Equal((502, "provider_error"), ((int)first.Status, first.ErrorCode));
        Assert.Equal(502, (int)second.Status);
        Assert.Equal(["bad1", "bad2", "bad1"], KeysOf(upstream));
    }

    /// <summary>"At once" is no reason to ask the same keys again and again.</summary>
    [Fact]
    public async Task Keys_ThatAreHeldBackForNoTime_AreAskedOnceEach()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, _) =>
        {
            http.Response.Headers.RetryAfter = "0";
            return UsualReply.JsonAsync(http, """{"error":{"message":"slow down"}}""", 429);
        });
        await using var gateway = await StartAsync(upstream, """["a", "b"]""");

        Assert.Equal(429, (int)(await gateway.PostAsync(Plain)).Status);
        Assert.Equal(["a", "b"], KeysOf(upstream));
    }

    /// <summary>One is held back for a model and the other is refused: that is no word on the first one's other models.</summary>
    [Fact]
    public async Task Key_ThatIsHeldBackForAModel_ServesTheOthers()
    {
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) =>
        {
            if (!received.Headers["authorization"].EndsWith("good", StringComparison.Ordinal)) return UsualReply.JsonAsync(http, """{"error":{"message":"not with this key"}}""", 401);
            if ((string?)received.Json["model"] == "other") return UsualReply.AnswerAsync(http, received);
            http.Response.Headers.RetryAfter = "600";
            return UsualReply.JsonAsync(http, """{"error":{"message":"slow down"}}""", 429);
        });
        await using var gateway = await StartAsync(upstream, """["good", "bad"]""");
        await gateway.PostAsync(Plain);

        var again = await gateway.PostAsync(Plain);
        var other = await gateway.PostAsync(Plain.Replace("keys/model", "keys/other", StringComparison.Ordinal));

        Assert.Equal((429, 200), ((int)again.Status, (int)other.Status));
        Assert.Equal(["good", "bad", "good", "good"], KeysOf(upstream));
    }

    /// <summary>The second try that the last route has is not used up by a key.</summary>
    [Fact]
    public async Task Key_ThatIsRefused_UsesUpNoSecondTry()
    {
        var hiccups = 1;
        await using var upstream = await ScriptedUpstream.StartAsync((http, received) =>
        {
            var isGood = received.Headers["authorization"].EndsWith("good", StringComparison.Ordinal);
            return isGood && Interlocked.Decrement(ref hiccups) < 0
                ? UsualReply.AnswerAsync(http, received)
                : UsualReply.JsonAsync(http, """{"error":{"message":"no"}}""", isGood ? 503 : 401);
        });
        await using var gateway = await StartAsync(upstream, """["bad1", "bad2", "good"]""");

        var first = await gateway.PostAsync(Plain);
        Assert.Equal((200, "4"), ((int)first.Status, first.Header("x-crossmodel-attempts")));
        Assert.Equal(["bad1", "good", "good"], KeysOf(upstream).Where(key => key != "bad2"));
    }
}
