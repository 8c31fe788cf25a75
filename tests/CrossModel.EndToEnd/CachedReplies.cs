using System.Globalization;
using System.Text;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.EndToEnd.Rows;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd;

/// <summary>Calls with x-crossmodel-cache, by keys that allow it: the bytes of an earlier call with the same body, free of charge.</summary>
public sealed class CachedReplies
{
    private const string Ask = """{"model":"test/model","max_tokens":2000,"messages":[{"role":"user","content":"hi"}]}""";
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } """;

    /// <summary>Says how many calls there were, so that each reply is another.</summary>
    private static Task<ScriptedUpstream> CountingAsync()
    {
        var calls = 0;
        return ScriptedUpstream.StartAsync(async (http, received) =>
        {
            var text = "secret words " + Interlocked.Increment(ref calls).ToString(CultureInfo.InvariantCulture);
            if (received.Text.Contains("\"stream\":true", StringComparison.Ordinal))
            {
                await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text(text)) + UsualReply.Chunk("{}", "\"stop\"") + UsualReply.UsageChunk + UsualReply.Done);
                return;
            }
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync($$$"""{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"{{{text}}}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":1000,"total_tokens":2000}}""");
        });
    }

    private static async Task<string> KeyAsync(TestGateway gateway, string name = "cached", decimal balance = 1m, IReadOnlyList<string>? models = null, Terms? terms = null) =>
        await AllowAsync(gateway, await gateway.NewKeyAsync(name, balance, keyTerms: terms, models: models));

    private static async Task<string> AllowAsync(TestGateway gateway, string key)
    {
        var keys = new KeyStore(gateway.Gateway.Database);
        await keys.ChangeAsync(Assert.Single(await keys.FindAsync(key)).Entry.Id, entry => entry with { CacheFor = 3_600_000 });
        return key;
    }

    private static async Task<decimal> BalanceAsync(TestGateway gateway, string key) =>
        decimal.Parse((string)(await gateway.Http.GetAsync("/v1/account", key)).Json["balance"]!, CultureInfo.InvariantCulture);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    [Row("header:x-crossmodel-cache")]
    [Row("reply.header:x-crossmodel-cache")]
    [Row("reply.header:age")]
    public async Task SameBody_GetsTheSameBytes_ForOneCharge(bool stream)
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway);
        var ask = stream ? Ask.Replace("{\"model\"", "{\"stream\":true,\"model\"", StringComparison.Ordinal) : Ask;

        var first = await gateway.PostAsync(ask, key, ("x-crossmodel-cache", "3600"));
        var paid = await BalanceAsync(gateway, key);
        var again = await gateway.PostAsync(ask, key, ("x-crossmodel-cache", "3600"));
        var other = await gateway.PostAsync(ask.Replace("hi", "ho", StringComparison.Ordinal), key, ("x-crossmodel-cache", "3600"));

        Assert.Contains("secret words 1", first.Text, StringComparison.Ordinal);
        Assert.Equal(("miss", null, null), (first.Header("x-crossmodel-cache"), first.Header("age"), first.Header("x-crossmodel-replayed")));
        Assert.True(paid < 1m);
        Assert.Equal(first.Text, again.Text);
        Assert.Equal(("hit", first.Header("x-request-id"), first.Header("content-type")), (again.Header("x-crossmodel-cache"), again.Header("x-crossmodel-replayed"), again.Header("content-type")));
        Assert.InRange(int.Parse(again.Header("age")!, CultureInfo.InvariantCulture), 0, 20);
        Assert.NotEqual(first.Header("x-request-id"), again.Header("x-request-id"));
        Assert.Equal("miss", other.Header("x-crossmodel-cache"));
        Assert.Contains("secret words 2", other.Text, StringComparison.Ordinal);
        Assert.Equal(2, upstream.Received.Count);
        Assert.Equal(1m - (2 * (1m - paid)), await BalanceAsync(gateway, key));
    }

    [Fact]
    public async Task Refresh_ReplacesWhatIsKept_OffNeitherLooksNorKeeps()
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway);
        async Task<(string? Cache, char Call)> AskAsync(string? cache)
        {
            var reply = cache is null ? await gateway.PostAsync(Ask, key) : await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", cache));
            Assert.Null(reply.Header("x-crossmodel-ignored"));
            return (reply.Header("x-crossmodel-cache"), reply.Text[reply.Text.IndexOf("secret words ", StringComparison.Ordinal) + 13]);
        }

        Assert.Equal(("miss", '1'), await AskAsync("refresh"));
        Assert.Equal(("hit", '1'), await AskAsync("60"));
        Assert.Equal((null, '2'), await AskAsync("off"));
        Assert.Equal((null, '3'), await AskAsync(null));
        Assert.Equal(("hit", '1'), await AskAsync("60"));
        Assert.Equal(("miss", '4'), await AskAsync("refresh"));
        Assert.Equal(("hit", '4'), await AskAsync("60"));
    }

    /// <summary>Whoever always calls anew brings a reply each time: the database grew without end.</summary>
    [Fact]
    public async Task Refresh_LetsWhatIsTooOldLeave_AsALookDoes()
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway);
        var database = gateway.Gateway.Database;
        await database.WriteAsync(session => session.ExecuteAsync(
            "INSERT INTO stored_reply (account_id, key_hash, body_hash, node, request_id, content_type, reply, kept, expires) VALUES ('acc_1', 'old', '', '', 'req_old', 'a/b', '', 1, 2)"));

        Assert.Equal("miss", (await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "refresh"))).Header("x-crossmodel-cache"));

        Assert.Equal((1, 0), await database.ReadAsync(session => session.FirstAsync(
            "SELECT count(*), count(CASE WHEN key_hash = 'old' THEN 1 END) FROM stored_reply", row => (row.GetInt64(0), row.GetInt64(1))), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Reply_OlderThanAskedFor_OrThanItsKeyKeepsIt_IsNoHit()
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway);
        async Task<(string?, string?)> AskAsync(string cache)
        {
            var reply = await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", cache));
            return (reply.Header("x-crossmodel-cache"), reply.Header("age")?[..2]);
        }
        Task AgeAsync(int seconds) => gateway.Gateway.Database.WriteAsync(session => session.ExecuteAsync("UPDATE stored_reply SET kept = kept - @by, expires = expires - @by", ("@by", seconds * 1000L)));

        await AskAsync("2000");
        await AgeAsync(1000);
        Assert.Equal(("hit", "10"), await AskAsync("2000"));
        Assert.Equal(("miss", null), await AskAsync("900"));
        await AgeAsync(3601);
        Assert.Equal(("miss", null), await AskAsync("100000"));
    }

    [Fact]
    public async Task Reply_OlderThanTheAskingKeyKeepsIt_IsNoHit()
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway);
        await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"));
        await gateway.Gateway.Database.WriteAsync(session => session.ExecuteAsync("UPDATE stored_reply SET kept = kept - 1000000"));
        var keys = new KeyStore(gateway.Gateway.Database);
        var account = Assert.Single(await keys.FindAsync(key)).Entry.AccountId;
        async Task<string?> AskAsync(int allowed)
        {
            var other = await keys.CreateAsync(new KeyOrder(account, "other", null, null, Terms.None) { CacheFor = allowed });
            return (await gateway.PostAsync(Ask, other.Key, ("x-crossmodel-cache", "3600"))).Header("x-crossmodel-cache");
        }

        Assert.Equal("hit", await AskAsync(2_000_000));
        Assert.Equal("miss", await AskAsync(900_000));
    }

    /// <summary>What the key does not allow is named, and costs what it costs.</summary>
    [Fact]
    public async Task KeyWithoutCaching_NeitherGetsNorKeeps_AndIsTold()
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await gateway.NewKeyAsync("plain", 1m);
        for (var i = 1; i <= 2; i++)
        {
            var reply = await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"));
            Assert.Equal((null, "x-crossmodel-cache"), (reply.Header("x-crossmodel-cache"), reply.Header("x-crossmodel-ignored")));
            var receipt = (await gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), key)).Json;
            Assert.Equal("x-crossmodel-cache", (string)receipt["ignored"]![0]!);
        }
        await AllowAsync(gateway, key);
        await Until.TrueAsync(async () => (await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"))).Header("x-crossmodel-cache") == "miss");
        Assert.Equal(3600, (int)(await gateway.Http.GetAsync("/v1/account", key)).Json["key"]!["cache"]!);
    }

    /// <summary>Its own key decides, also of what others find.</summary>
    [Fact]
    public async Task CallWithAnIdempotencyKey_IsNotCached()
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway);
        var first = await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"), ("Idempotency-Key", "k1"));
        var again = await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"), ("Idempotency-Key", "k1"));
        var other = await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"));
        Assert.Equal((null, "x-crossmodel-cache"), (first.Header("x-crossmodel-cache"), first.Header("x-crossmodel-ignored")));
        Assert.Equal((null, null, first.Text), (again.Header("x-crossmodel-cache"), again.Header("age"), again.Text));
        Assert.Equal("miss", other.Header("x-crossmodel-cache"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("-5")]
    [InlineData("1h")]
    [InlineData("3600.5")]
    [InlineData("99999999999")]
    [InlineData("Refresh")]
    public async Task Wish_ThatIsNone_IsRefused(string wish)
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var refused = await gateway.PostAsync(Ask, null, ("x-crossmodel-cache", wish));
        Assert.Equal((400, "invalid_value", "x-crossmodel-cache"), ((int)refused.Status, refused.ErrorCode, (string?)refused.Json["error"]!["param"]));
        Assert.Empty(upstream.Received);
    }

    /// <summary>Another account, and a key that may not call the same models: theirs is no reply of this one's.</summary>
    [Fact]
    public async Task Replies_AreOfOneAccount_AndOfKeysThatMayCallTheSame()
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway);
        await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"));
        var keys = new KeyStore(gateway.Gateway.Database);
        var account = Assert.Single(await keys.FindAsync(key)).Entry.AccountId;
        async Task<string?> AskAsync(string by) => (await gateway.PostAsync(Ask, by, ("x-crossmodel-cache", "3600"))).Header("x-crossmodel-cache");

        Assert.Equal("miss", await AskAsync(await KeyAsync(gateway, "other")));
        Assert.Equal("miss", await AskAsync((await keys.CreateAsync(new KeyOrder(account, "narrow", null, ["test/*"], Terms.None) { CacheFor = 1000 })).Key));
        Assert.Equal("hit", await AskAsync((await keys.CreateAsync(new KeyOrder(account, "alike", null, null, Terms.None) { CacheFor = 3_600_000 })).Key));
    }

    /// <summary>What comes from the cache takes nothing of a limit, and needs no money.</summary>
    [Fact]
    public async Task Hit_CountsForNoLimit_AndIsFree()
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway, balance: 0.0025m, terms: new Terms { RequestsPerMinute = 1 });
        Assert.Equal(200, (int)(await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"))).Status);
        for (var i = 0; i < 3; i++) Assert.Equal("hit", (await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"))).Header("x-crossmodel-cache"));
        Assert.Equal(429, (int)(await gateway.PostAsync(Ask, key)).Status);
        Assert.Equal(0.0005m, await BalanceAsync(gateway, key));
    }

    /// <summary>A failure, a reply without content, one cut to what its caller could pay, and one too large: none of them is anybody else's answer.</summary>
    [Theory]
    [InlineData("failed")]
    [InlineData("empty")]
    [InlineData("capped")]
    [InlineData("large")]
    public async Task Reply_ThatIsNobodyElses_IsNotKept(string kind)
    {
        await using var upstream = kind switch
        {
            "failed" => await ScriptedUpstream.JsonAsync("""{"error":{"message":"no","type":"server_error"}}""", 500),
            "empty" => await ScriptedUpstream.JsonAsync("""{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":0,"total_tokens":5}}"""),
            "large" => await ScriptedUpstream.JsonAsync($$$"""{"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"{{{new string('a', 1_100_000)}}}"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10}}"""),
            _ => await CountingAsync(),
        };
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway, balance: kind == "capped" ? 0.004m : 1m);
        var ask = kind == "capped" ? Ask.Replace("\"max_tokens\":2000,", "", StringComparison.Ordinal) : Ask;
        var first = await gateway.PostAsync(ask, key, ("x-crossmodel-cache", "3600"));
        Assert.Equal(kind == "failed" ? 502 : 200, (int)first.Status);
        if (kind == "capped") Assert.StartsWith("max_tokens=", first.Header("x-crossmodel-ignored"), StringComparison.Ordinal);
        Assert.Equal("miss", (await gateway.PostAsync(ask, key, ("x-crossmodel-cache", "3600"))).Header("x-crossmodel-cache"));
    }

    /// <summary>The balance was exhausted in it, and the model is set to end there: who has money gets a whole one.</summary>
    [Fact]
    public async Task Stream_ThatEndsWithTheMoney_IsNotKept()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role));
            for (var i = 0; i < 100; i++) await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text(new string('x', 40))));
            await UsualReply.SendAsync(http, UsualReply.Chunk("{}", "\"stop\"") + UsualReply.Done);
        });
        // 0.001 USD a token: the balance pays some 500 of 1,000.
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl,
            """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0, "output": 1000 }, "stopAtBalance": true } """);
        var key = await KeyAsync(gateway, balance: 0.5m);
        var ask = Ask.Replace("2000", "100,\"stream\":true", StringComparison.Ordinal);
        var cut = await gateway.PostAsync(ask, key, ("x-crossmodel-cache", "3600"));
        Assert.Equal("length", (string?)cut.Chunks[^1]["choices"]![0]!["finish_reason"]);

        await new Ledger(gateway.Gateway.Database).CreditAsync(Assert.Single(await new KeyStore(gateway.Gateway.Database).FindAsync(key)).Entry.AccountId, 10_000_000_000, null, null);

        var whole = await gateway.PostAsync(ask, key, ("x-crossmodel-cache", "3600"));
        Assert.Equal("miss", whole.Header("x-crossmodel-cache"));
        Assert.Equal("stop", (string?)whole.Chunks[^1]["choices"]![0]!["finish_reason"]);
    }

    /// <summary>A call may well be served without it.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("no base64")]
    [InlineData("AAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public async Task CachedReply_ThatCannotBeRead_IsAMiss_AndReplaced(string damaged)
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var key = await KeyAsync(gateway);
        var first = await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"));
        await gateway.Gateway.Database.WriteAsync(session => session.ExecuteAsync("UPDATE stored_reply SET reply = @damaged", ("@damaged", damaged)));

        var missed = await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"));
        var again = await gateway.PostAsync(Ask, key, ("x-crossmodel-cache", "3600"));

        Assert.Equal((200, "miss"), ((int)missed.Status, missed.Header("x-crossmodel-cache")));
        Assert.Contains("secret words 2", missed.Text, StringComparison.Ordinal);
        Assert.Equal(("hit", missed.Text), (again.Header("x-crossmodel-cache"), again.Text));
        Assert.Contains(first.Header("x-request-id")!, Assert.Single(gateway.Log.All, line => line.Contains("cannot be read", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    /// <summary>The database has neither the reply nor the request that it could be guessed by.</summary>
    [Fact]
    public async Task CachedReply_IsNotReadableInTheDatabase()
    {
        await using var upstream = await CountingAsync();
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        await gateway.PostAsync(Ask, await KeyAsync(gateway), ("x-crossmodel-cache", "3600"));
        var row = Assert.Single(await gateway.Gateway.Database.ReadAsync(s => s.QueryAsync("SELECT body_hash, reply FROM stored_reply", r => (Hash: r.GetString(0), Reply: r.GetString(1)))));
        Assert.Equal("", row.Hash);
        Assert.DoesNotContain("secret words", Encoding.Latin1.GetString(Convert.FromBase64String(row.Reply)), StringComparison.Ordinal);
    }
}
