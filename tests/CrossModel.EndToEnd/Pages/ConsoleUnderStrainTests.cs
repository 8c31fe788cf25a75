using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;
using CrossModel.WebConsole;

namespace CrossModel.EndToEnd.Pages;

/// <summary>/console against those who mean it ill, and against two people at once.</summary>
public sealed partial class ConsoleUnderStrainTests
{
    private static async Task<Account> AccountAsync(TestGateway gateway)
    {
        await gateway.NewKeyAsync("acme", 10m);
        return (await new AccountStore(gateway.Gateway.Database).FindAsync("acme"))!.Account;
    }

    private static Task<TestGateway> StartAsync(string? models = null) => TestGateway.StartAsync("http://127.0.0.1:1/v1", models);

    /// <summary>The form that signs in has no token: a page elsewhere that holds a link of its own would put its visitor into another's account.</summary>
    [Theory]
    [InlineData("cross-site", 400)]
    [InlineData("same-site", 400)]
    [InlineData("same-origin", 303)]
    [InlineData("none", 303)]
    public async Task SignIn_SentByAnotherSitesPage_SignsNobodyIn(string site, int status)
    {
        await using var gateway = await StartAsync();
        var link = await new SignIns(gateway.Gateway.Database).NewLinkAsync(null, TimeSpan.FromMinutes(1));
        using var browser = new ConsoleBrowser(gateway.Address);
        Assert.Equal(status, (await browser.SendAsync(HttpMethod.Post, "/console/sign-in", ConsoleBrowser.Form(("link", link)), ("Sec-Fetch-Site", site))).Status);
        Assert.Equal(status == 303 ? 200 : 401, (await browser.GetAsync("/console")).Status);
    }

    [Theory]
    [InlineData("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"link\"\r\n\r\nabc", 400)]
    [InlineData("application/x-www-form-urlencoded; charset=utf-7", "link=abc", 401)]
    [InlineData("application/x-www-form-urlencoded", "link=%00", 400)]
    [InlineData("application/x-www-form-urlencoded", "link=%ff%ed%a0%80", 401)]
    public async Task Form_OfAnOddKind_IsRefused_AndIsNoDefect(string type, string body, int status)
    {
        await using var gateway = await StartAsync();
        using var browser = new ConsoleBrowser(gateway.Address);
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        Assert.Equal(status, (await browser.SendAsync(HttpMethod.Post, "/console/sign-in", content)).Status);
    }

    [Fact]
    public async Task Credit_OfAnotherAmountInTheSameForm_IsNotShownAsDone()
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway);
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        Assert.Equal(303, (await browser.PostAsync($"/console/accounts/{account.Id}/credit", ("amount", "1"), ("payment", "p"))).Status);
        Assert.Equal(400, (await browser.PostAsync($"/console/accounts/{account.Id}/credit", ("amount", "2"), ("payment", "p"))).Status);
        Assert.Contains("Nothing more was added", browser.Page, StringComparison.Ordinal);
        Assert.Equal(11 * Usd.Nano, (await new AccountStore(gateway.Gateway.Database).FindAsync("acme"))!.Balance);
    }

    [Fact]
    public async Task Terms_ThatSomebodyChangedMeanwhile_AreNotOverwritten()
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway);
        var store = new AccountStore(gateway.Gateway.Database);
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        await browser.GetAsync($"/console/accounts/{account.Id}");
        var shown = ShownField().Match(browser.Page).Groups[1].Value;
        Assert.NotEqual("", shown);
        await store.ChangeAsync("acme", now => now with { CreditLimit = Usd.Nano, Terms = new Terms { SpendDay = 5 * Usd.Nano } });

        Assert.Equal(400, (await browser.PostAsync($"/console/accounts/{account.Id}/terms", ("rpm", "60"), ("shown", shown))).Status);
        Assert.Contains("Nothing was changed", browser.Page, StringComparison.Ordinal);
        var after = (await store.FindAsync("acme"))!.Account;
        Assert.Equal((Usd.Nano, new Terms { SpendDay = 5 * Usd.Nano }), (after.CreditLimit, after.Terms));

        await browser.GetAsync($"/console/accounts/{account.Id}");
        Assert.Equal(303, (await browser.PostAsync($"/console/accounts/{account.Id}/terms", ("rpm", "60"), ("shown", ShownField().Match(browser.Page).Groups[1].Value))).Status);
        Assert.Equal(new Terms { RequestsPerMinute = 60 }, (await store.FindAsync("acme"))!.Account.Terms);
    }

    [Fact]
    public async Task Holder_MakesNoKeysWithoutEnd_AndAPageHoldsTheNewestAlone()
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway);
        var made = new List<NewKey>();
        await gateway.Gateway.Database.WriteAsync(async session =>
        {
            for (var i = 1; i < 1000; i++) made.Add(await KeyStore.CreateAsync(session, new KeyOrder(account.Id, $"k{i}.", null, null, Terms.None), TimeProvider.System));
        });
        var (keys, last) = (new KeyStore(gateway.Gateway.Database), made[^1].Entry.Id);
        using var holder = await ConsoleBrowser.SignedInAsync(gateway, account.Id);
        await holder.GetAsync($"/console/accounts/{account.Id}");
        Assert.Equal(200, holder.Page.Split("/revoke\"").Length - 1);
        Assert.Contains("k999.", holder.Page, StringComparison.Ordinal);
        Assert.Contains("the last 200 made", holder.Page, StringComparison.Ordinal);

        Assert.Equal(400, (await holder.PostAsync($"/console/accounts/{account.Id}/keys", ("name", "x"))).Status);
        Assert.Equal(400, (await holder.PostAsync($"/console/keys/{last}/rotate")).Status);
        // Rows stay: to revoke one makes no room.
        Assert.Equal(303, (await holder.PostAsync($"/console/keys/{made[0].Entry.Id}/revoke")).Status);
        Assert.Equal(400, (await holder.PostAsync($"/console/accounts/{account.Id}/keys", ("name", "x"))).Status);
        Assert.Equal(1000, await keys.CountAsync(account.Id));
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        Assert.Equal(200, (await browser.PostAsync($"/console/accounts/{account.Id}/keys", ("name", "x"))).Status);
        Assert.Equal(200, (await browser.PostAsync($"/console/keys/{last}/rotate")).Status);
    }

    /// <summary>A double click: the page that stays is the second answer's, whose key must not be dead.</summary>
    [Fact]
    public async Task Rotation_SentTwiceAtOnce_ShowsNoKeyThatIsRevoked()
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway);
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        await browser.GetAsync($"/console/accounts/{account.Id}");
        var (keys, id) = (new KeyStore(gateway.Gateway.Database), Assert.Single(await new KeyStore(gateway.Gateway.Database).ListAsync(account.Id)).Entry.Id);
        var made = (await keys.RotateAsync(id, TimeSpan.Zero))!;
        Assert.Equal(400, (await browser.PostAsync($"/console/keys/{id}/rotate")).Status);
        Assert.Contains("rotate that one", browser.Page, StringComparison.Ordinal);
        Assert.Equal(made.Entry.Id, Assert.Single(await keys.NewestAsync(account.Id, 10)).Entry.Id);
    }

    [Fact]
    public async Task Form_SentTwiceAtOnce_MakesOneKey_AndShowsItBothTimes()
    {
        var time = new FakeClock();
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:1/v1", time: time);
        var account = await AccountAsync(gateway);
        var keys = new KeyStore(gateway.Gateway.Database);
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        using var other = await ConsoleBrowser.SignedInAsync(gateway);
        async Task<string> KeyAsync(ConsoleBrowser whose, string name, string page)
        {
            Assert.Equal(200, (await whose.PostAsync($"/console/accounts/{account.Id}/keys", ("name", name), ("page", page))).Status);
            return ShownKey().Match(whose.Page).Value;
        }
        var key = await KeyAsync(browser, "laptop", "1");
        Assert.Equal(key, await KeyAsync(browser, "laptop", "1"));
        Assert.Equal("laptop", Assert.Single(await keys.FindAsync(key)).Entry.Name);
        Assert.Equal(2, await keys.CountAsync(account.Id));
        // Another page, other words, another's session: another key.
        var differing = new[] { key, await KeyAsync(browser, "laptop", "2"), await KeyAsync(browser, "server", "1"), await KeyAsync(other, "laptop", "1") };
        Assert.Equal(4, differing.Distinct().Count());
        // It is not remembered for long, and what was refused not at all.
        time.Advance(TimeSpan.FromMinutes(1));
        await Until.TrueAsync(async () => await KeyAsync(browser, "laptop", "1") != key);
        Assert.Equal(400, (await browser.PostAsync("/console/accounts", ("name", "acme"), ("page", "1"))).Status);
        Assert.Equal(400, (await browser.PostAsync("/console/accounts", ("name", "acme"), ("page", "1"))).Status);
    }

    [Fact]
    public async Task Models_LeaveOutNoPartOfAPrice()
    {
        await using var gateway = await StartAsync("""
            "test/model": { "routes": [ { "upstream": "up", "model": "m" } ],
              "price": { "input": 1, "output": 2, "cacheWrite": 1.25, "reasoning": 3, "request": 0.05, "image": 0.01, "tiers": [ { "above": 200000, "input": 4, "output": 6 } ] } }
            """);
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        Assert.Contains("<td>cache writes 1.25, reasoning 3.00, 0.05 a request, 0.01 an image, above 200000 prompt tokens: input 4.00, cached 4.00, output 6.00, cache writes 1.25, reasoning 3.00</td>",
            browser.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Margin_OfVeryManyRows_ShowsTheNewest_AndTheSumOfAll()
    {
        var rows = Enumerable.Range(0, 1001).Select(i => new MarginRow("m", "r", $"account {i}", 20_000, 1, Usd.Nano, 0, 0, 0)).ToList();
        var page = Encoding.UTF8.GetString(await PageWriter.RenderAsync(typeof(MarginPage), new Frame(null, []), new MarginView(rows)));
        Assert.Contains("The newest 1000 of 1001 rows", page, StringComparison.Ordinal);
        Assert.Contains("account 999<", page, StringComparison.Ordinal);
        Assert.DoesNotContain("account 1000<", page, StringComparison.Ordinal);
        Assert.Contains("<td class=\"n\">1001.00</td>", page, StringComparison.Ordinal);
    }

    /// <summary>Look-ups of made-up cookies that never end leave the callers their connections to the database.</summary>
    [Fact]
    public async Task Strangers_DoNotTakeTheDatabaseFromCallers()
    {
        var server = await PostgresServer.Shared();
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 2 } } """, database: await server.CreateDatabaseAsync());
        var locked = new TaskCompletionSource();
        var held = new TaskCompletionSource();
        var locking = gateway.Gateway.Database.WriteAsync(async session =>
        {
            await session.ExecuteAsync("LOCK TABLE sign_in IN ACCESS EXCLUSIVE MODE");
            locked.TrySetResult();
            await held.Task;
        });
        await locked.Task;
        var strangers = Enumerable.Range(0, 60).Select(i => gateway.Http.GetAsync("/console", null, ("Cookie", $"crossmodel_console={i}"))).ToList();
        try
        {
            await Task.Delay(300, TestContext.Current.CancellationToken);
            Assert.Equal(200, (int)(await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":"Hello"}]}""", await gateway.NewKeyAsync("acme", 1m))).Status);
        }
        finally
        {
            held.SetResult();
            await locking;
            Assert.All(await Task.WhenAll(strangers), reply => Assert.Equal(401, (int)reply.Status));
        }
    }

    [GeneratedRegex(@"\bcm-\w{43}\b")]
    private static partial Regex ShownKey();

    [GeneratedRegex("""name="shown" value="([^"]*)" """)]
    private static partial Regex ShownField();
}
