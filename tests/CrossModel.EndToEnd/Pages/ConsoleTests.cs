using System.Text;
using System.Text.RegularExpressions;
using CrossModel.Accounts;
using CrossModel.EndToEnd.Rows;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;

namespace CrossModel.EndToEnd.Pages;

/// <summary>/console of the real program, without a browser's eyes: who may see and change what.</summary>
public sealed partial class ConsoleTests
{
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m", "cost": { "input": 0.5, "output": 1 } } ], "price": { "input": 1, "output": 2 } } """;
    private const string Ask = """{"model":"test/model","messages":[{"role":"user","content":"Hello"}]}""";
    private static readonly string[] Reads = ["/console", "/console/", "/console/accounts/acc_x", "/console/accounts/acc_x/requests", "/console/requests/req_x", "/console/models", "/console/margin"];
    private static readonly string[] Writes =
        ["/console/sign-out", "/console/accounts", "/console/accounts/acc_x/credit", "/console/accounts/acc_x/terms", "/console/accounts/acc_x/disable", "/console/accounts/acc_x/keys", "/console/keys/key_x/revoke"];

    private static Task<TestGateway> StartAsync(string upstream = "http://127.0.0.1:1/v1") => TestGateway.StartAsync(upstream, Priced);

    private static async Task<Account> AccountAsync(TestGateway gateway, string name)
    {
        await gateway.NewKeyAsync(name, 10m);
        return (await new AccountStore(gateway.Gateway.Database).FindAsync(name))!.Account;
    }

    private static Task<List<KeyListing>> KeysAsync(TestGateway gateway, Account account) => new KeyStore(gateway.Gateway.Database).ListAsync(account.Id);

    [Fact]
    public async Task Link_IsNotUsedUpByLookingAtIt_AndWorksOnce()
    {
        await using var gateway = await StartAsync();
        var link = await new SignIns(gateway.Gateway.Database).NewLinkAsync(null, TimeSpan.FromMinutes(1));
        using var browser = new ConsoleBrowser(gateway.Address);
        for (var i = 0; i < 2; i++) Assert.Equal((200, null), await browser.GetAsync("/console/sign-in?link=" + link));
        Assert.Contains($"value=\"{link}\"", browser.Page, StringComparison.Ordinal);

        Assert.Equal((303, "/console"), await browser.PostAsync("/console/sign-in", ("link", link)));
        Assert.Equal((200, null), await browser.GetAsync("/console"));

        using var second = new ConsoleBrowser(gateway.Address);
        Assert.Equal(401, (await second.PostAsync("/console/sign-in", ("link", link))).Status);
        Assert.Equal(401, (await second.GetAsync("/console")).Status);
    }

    [Fact]
    public async Task Link_TooOldOrMadeUp_SignsNobodyIn()
    {
        await using var gateway = await StartAsync();
        foreach (var link in new[] { await new SignIns(gateway.Gateway.Database).NewLinkAsync(null, TimeSpan.Zero), "made-up", "" })
        {
            using var browser = new ConsoleBrowser(gateway.Address);
            Assert.Equal(401, (await browser.PostAsync("/console/sign-in", ("link", link))).Status);
            Assert.Equal(401, (await browser.GetAsync("/console")).Status);
        }
    }

    [Fact]
    public async Task Session_SurvivesARestart_AndEndsWhenSignedOut()
    {
        var folder = TempFolder.New();
        var config = Path.Combine(folder, "crossmodel.json");
        await File.WriteAllTextAsync(config, """{ "urls": "http://127.0.0.1:0", "database": "sqlite:test.db" }""", TestContext.Current.CancellationToken);
        string? token;
        await using (var first = await Gateway.StartAsync(new GatewayOptions { ConfigFile = config, Environment = new Dictionary<string, string>() }, TestContext.Current.CancellationToken))
        {
            var signIns = new SignIns(first.Database);
            token = await signIns.OpenAsync(await signIns.NewLinkAsync(null, TimeSpan.FromMinutes(1)));
        }
        await using var second = await Gateway.StartAsync(new GatewayOptions { ConfigFile = config, Environment = new Dictionary<string, string>() }, TestContext.Current.CancellationToken);
        using var browser = new ConsoleBrowser(new Uri(second.Addresses[0]));
        var cookie = "crossmodel_console=" + token;
        Assert.Equal(200, (await browser.SendAsync(HttpMethod.Get, "/console", headers: ("Cookie", cookie))).Status);
        Assert.Equal((303, "/console/sign-in"), await browser.SendAsync(HttpMethod.Post, "/console/sign-out", ConsoleBrowser.Form(("token", new SignedIn(token!, null).FormToken)), ("Cookie", cookie)));
        Assert.Equal(401, (await browser.SendAsync(HttpMethod.Get, "/console", headers: ("Cookie", cookie))).Status);
    }

    [Fact]
    public async Task Session_EndsAfterTwelveHours()
    {
        var time = new FakeClock();
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:1/v1", Priced, time: time);
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        time.Advance(TimeSpan.FromHours(12) - TimeSpan.FromSeconds(1));
        Assert.Equal(200, (await browser.GetAsync("/console")).Status);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(401, (await browser.GetAsync("/console")).Status);
    }

    [Fact]
    [Row("error:sign_in_required")]
    public async Task Stranger_SeesAndChangesNothing_WhateverThePath()
    {
        await using var gateway = await StartAsync();
        foreach (var path in Reads)
        {
            var reply = await gateway.Http.GetAsync(path);
            Assert.Equal((401, "sign_in_required", "application/json"), ((int)reply.Status, reply.ErrorCode, reply.Header("content-type")));
            // A key is no session.
            Assert.Equal(401, (int)(await gateway.Http.GetAsync(path, gateway.Key)).Status);
            var page = await gateway.Http.GetAsync(path, null, ("Accept", "text/html"));
            Assert.Equal((401, "text/html; charset=utf-8"), ((int)page.Status, page.Header("content-type")));
            Assert.DoesNotContain("<table", page.Text, StringComparison.Ordinal);
        }
        using var browser = new ConsoleBrowser(gateway.Address);
        foreach (var path in Writes) Assert.Equal(401, (await browser.PostAsync(path, ("name", "x"), ("amount", "5"))).Status);
    }

    [Theory]
    [InlineData(null, "application/json")]
    [InlineData("*/*", "application/json")]
    [InlineData("application/json", "application/json")]
    [InlineData("text/html;q=0.5,application/json", "application/json")]
    [InlineData("text/html;q=0", "application/json")]
    [InlineData("no media type", "application/json")]
    [InlineData("text/html", "text/html; charset=utf-8")]
    [InlineData("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8")]
    public async Task Refusal_IsAPageOnlyWhereHtmlIsPreferred(string? accept, string type)
    {
        await using var gateway = await StartAsync();
        var reply = await gateway.Http.GetAsync("/console", null, accept is null ? [] : [("Accept", accept)]);
        Assert.Equal((401, type), ((int)reply.Status, reply.Header("content-type")));
        Assert.NotNull(reply.Header("x-request-id"));
    }

    [Fact]
    public async Task EveryAnswer_ForbidsScriptsFramesAndKeeping_AndIsForNoOtherPage()
    {
        await using var gateway = await StartAsync();
        foreach (var path in new[] { "/console", "/console/sign-in?link=x", "/console/style.css", "/console/nothing" })
        {
            var reply = await gateway.Http.GetAsync(path, null, ("Accept", "text/html"), ("Origin", "https://elsewhere.example"));
            Assert.Contains("default-src 'none'", reply.Header("content-security-policy"), StringComparison.Ordinal);
            Assert.Contains("frame-ancestors 'none'", reply.Header("content-security-policy"), StringComparison.Ordinal);
            Assert.Equal(("nosniff", "no-referrer", "no-store"), (reply.Header("x-content-type-options"), reply.Header("referrer-policy"), reply.Header("cache-control")));
            Assert.Null(reply.Header("access-control-allow-origin"));
        }
        Assert.Equal(405, (int)(await gateway.Http.SendAsync(HttpMethod.Options, "/console", null, null, ("Origin", "https://elsewhere.example"), ("Access-Control-Request-Method", "POST"))).Status);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData("https", true)]
    public async Task Cookie_IsForThisSiteAlone_AndSecureBehindTls(string? proto, bool secure)
    {
        await using var gateway = await StartAsync();
        var link = await new SignIns(gateway.Gateway.Database).NewLinkAsync(null, TimeSpan.FromMinutes(1));
        using var browser = new ConsoleBrowser(gateway.Address);
        await browser.SendAsync(HttpMethod.Post, "/console/sign-in", ConsoleBrowser.Form(("link", link)), proto is null ? [] : [("X-Forwarded-Proto", proto)]);
        Assert.Matches("path=/console; (secure; )?samesite=lax; httponly$", browser.SetCookie);
        Assert.Equal(secure, browser.SetCookie.Contains("secure", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Form_WithoutItsToken_ChangesNothing()
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway, "acme");
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        foreach (var token in new[] { "", new SignedIn("another", null).FormToken })
        {
            Assert.Equal(400, (await browser.SendAsync(HttpMethod.Post, $"/console/accounts/{account.Id}/credit", ConsoleBrowser.Form(("amount", "5"), ("token", token)))).Status);
        }
        Assert.Equal(10_000_000_000, (await new AccountStore(gateway.Gateway.Database).FindAsync("acme"))!.Balance);
    }

    [Fact]
    public async Task Holder_SeesAndChangesHisOwnAccountAlone()
    {
        await using var gateway = await StartAsync();
        var (own, other) = (await AccountAsync(gateway, "acme"), await AccountAsync(gateway, "globex"));
        var theirs = Assert.Single(await KeysAsync(gateway, other)).Entry;
        using var browser = await ConsoleBrowser.SignedInAsync(gateway, own.Id);

        Assert.Equal((303, $"/console/accounts/{own.Id}"), await browser.GetAsync("/console"));
        Assert.Equal(200, (await browser.GetAsync($"/console/accounts/{own.Id}")).Status);
        Assert.DoesNotContain("/credit", browser.Page, StringComparison.Ordinal);
        foreach (var path in new[] { $"/console/accounts/{other.Id}", $"/console/accounts/{other.Id}/requests", "/console/margin" })
            Assert.Equal(404, (await browser.GetAsync(path)).Status);

        await browser.GetAsync($"/console/accounts/{own.Id}");
        var shown = browser.Page;
        foreach (var path in new[]
        {
            "/console/accounts", $"/console/accounts/{own.Id}/credit", $"/console/accounts/{own.Id}/terms", $"/console/accounts/{own.Id}/disable",
            $"/console/accounts/{other.Id}/keys", $"/console/keys/{theirs.Id}/revoke", $"/console/keys/{theirs.Id}/rotate", $"/console/keys/{theirs.Prefix}/disable",
        })
        {
            Assert.Equal(404, (await browser.PostAsync(path, ("name", "evil"), ("amount", "5"), ("postpaid", "5"))).Status);
            await browser.GetAsync($"/console/accounts/{own.Id}");
        }
        // Each page has a number of its own.
        Assert.Equal(PageNumber().Replace(shown, ""), PageNumber().Replace(browser.Page, ""));
        Assert.Equal(theirs with { }, Assert.Single(await KeysAsync(gateway, other)).Entry);

        Assert.Equal(200, (await browser.PostAsync($"/console/accounts/{own.Id}/keys", ("name", "second"))).Status);
        Assert.Equal(["test", "second"], (await KeysAsync(gateway, own)).Select(k => k.Entry.Name));
    }

    [Fact]
    public async Task Key_IsMadeWithWhatTheFormSays_AndChanges()
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway, "acme");
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        Assert.Equal(200, (await browser.PostAsync($"/console/accounts/{account.Id}/keys", ("name", " laptop "), ("expires", "30d"), ("models", "a/b, c/*"),
            ("rpm", "1"), ("tpm", "2"), ("parallel", "3"), ("spend_day", "4"), ("spend_month", "5.5"), ("spend_total", "6"))).Status);
        var made = ShownKey().Match(browser.Page).Value;
        var key = Assert.Single(await new KeyStore(gateway.Gateway.Database).FindAsync(made)).Entry;
        Assert.Equal(("laptop", "a/b c/*"), (key.Name, string.Join(' ', key.Models!)));
        Assert.Equal(new Terms { RequestsPerMinute = 1, TokensPerMinute = 2, Parallel = 3, SpendDay = 4_000_000_000, SpendMonth = 5_500_000_000, SpendTotal = 6_000_000_000 }, key.Terms);
        Assert.InRange(key.Expires!.Value - gateway.Gateway.Database.Now, 29L * 86_400_000, 30L * 86_400_000);

        async Task<string> StatusAsync(string id) => Assert.Single(await new KeyStore(gateway.Gateway.Database).FindAsync(id)).Entry.StatusAt(gateway.Gateway.Database.Now);
        foreach (var (change, status) in new[] { ("disable", "disabled"), ("enable", "enabled") })
        {
            Assert.Equal((303, $"/console/accounts/{account.Id}"), await browser.PostAsync($"/console/keys/{key.Id}/{change}"));
            Assert.Equal(status, await StatusAsync(key.Id));
        }
        Assert.Equal(200, (await browser.PostAsync($"/console/keys/{key.Id}/rotate", ("grace", "1h"))).Status);
        var rotated = Assert.Single(await new KeyStore(gateway.Gateway.Database).FindAsync(ShownKey().Match(browser.Page).Value)).Entry;
        Assert.Equal((key.Line, key.Terms), (rotated.Line, rotated.Terms));
        Assert.Equal("enabled", await StatusAsync(key.Id));
        await browser.PostAsync($"/console/keys/{rotated.Id}/revoke");
        Assert.Equal(303, (await browser.PostAsync($"/console/keys/{rotated.Id}/revoke")).Status);
        await browser.PostAsync($"/console/keys/{rotated.Id}/enable");
        Assert.Equal("revoked", await StatusAsync(rotated.Id));
        Assert.Equal(400, (await browser.PostAsync($"/console/keys/{rotated.Id}/rotate")).Status);
    }

    /// <summary>To who hears the page, one "Change" of several is like the other.</summary>
    [Fact]
    public async Task Change_OfAKey_NamesTheKey()
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway, "acme");
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        foreach (var name in new[] { "laptop", "server" }) await browser.PostAsync($"/console/accounts/{account.Id}/keys", ("name", name));
        await browser.GetAsync($"/console/accounts/{account.Id}");
        foreach (var label in new[] { "Change laptop", "Disable laptop", "Rotate laptop", "Revoke for good: laptop", "Change server", "Revoke for good: server" })
            Assert.Contains($"aria-label=\"{label}\"", browser.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_ThatIsNone_LeadsToTheFirst()
    {
        await using var gateway = await StartAsync();
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        Assert.Equal(404, (await browser.GetAsync("/console/nothing")).Status);
        Assert.Contains("/console/nothing", browser.Page, StringComparison.Ordinal);
        Assert.Contains("It begins at /console.", browser.Page, StringComparison.Ordinal);
        Assert.DoesNotContain("/v1/chat/completions", browser.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credit_SentTwice_CreditsOnce()
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway, "acme");
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        await browser.GetAsync($"/console/accounts/{account.Id}");
        var payment = PaymentField().Match(browser.Page).Groups[1].Value;
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal((303, $"/console/accounts/{account.Id}"), await browser.PostAsync($"/console/accounts/{account.Id}/credit", ("amount", "2.5"), ("note", "invoice 7"), ("payment", payment)));
        }
        Assert.Equal(12_500_000_000, (await new AccountStore(gateway.Gateway.Database).FindAsync("acme"))!.Balance);
        await browser.GetAsync($"/console/accounts/{account.Id}");
        Assert.NotEqual(payment, PaymentField().Match(browser.Page).Groups[1].Value);
    }

    [Fact]
    public async Task Accounts_AreFoundByAPartOfTheirName_AndNotAllAreShownAtOnce()
    {
        await using var gateway = await StartAsync();
        await gateway.Gateway.Database.WriteAsync(async session =>
        {
            for (var i = 0; i < 250; i++) await AccountStore.CreateAsync(session, $"Shop {i}", TimeProvider.System);
        });
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        await browser.GetAsync("/console");
        Assert.Contains("251 accounts; the first 200 are shown.", browser.Page, StringComparison.Ordinal);
        await browser.GetAsync("/console?find=shop+24");
        Assert.Contains("11 accounts with &quot;shop 24&quot; in the name.", browser.Page, StringComparison.Ordinal);
        Assert.Equal(11, browser.Page.Split("/console/accounts/acc_").Length - 1);
    }

    [Fact]
    public async Task Account_IsMadeAndItsTermsAreSet()
    {
        await using var gateway = await StartAsync();
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        await browser.GetAsync("/console");
        var (status, location) = await browser.PostAsync("/console/accounts", ("name", "initech"), ("balance", "7"));
        var made = (await new AccountStore(gateway.Gateway.Database).FindAsync("initech"))!;
        Assert.Equal((303, $"/console/accounts/{made.Account.Id}", 7_000_000_000), (status, location, made.Balance));

        Assert.Equal(303, (await browser.PostAsync($"{location}/terms", ("rpm", "60"), ("spend_day", "1.5"), ("postpaid", "20"))).Status);
        var after = (await new AccountStore(gateway.Gateway.Database).FindAsync("initech"))!.Account;
        Assert.Equal((20_000_000_000, new Terms { RequestsPerMinute = 60, SpendDay = 1_500_000_000 }), (after.CreditLimit, after.Terms));
        // What was saved stands in the form again.
        await browser.GetAsync(location!);
        Assert.Contains("""name="rpm" inputmode="numeric" pattern="[0-9]*" value="60" """.TrimEnd(), browser.Page, StringComparison.Ordinal);

        await browser.PostAsync($"{location}/disable");
        Assert.False((await new AccountStore(gateway.Gateway.Database).FindAsync("initech"))!.Account.Enabled);
        await browser.PostAsync($"{location}/enable");
        Assert.Equal(303, (await browser.PostAsync($"{location}/terms")).Status);
        after = (await new AccountStore(gateway.Gateway.Database).FindAsync("initech"))!.Account;
        Assert.Equal((true, 0, Terms.None), (after.Enabled, after.CreditLimit, after.Terms));
    }

    [Theory]
    [InlineData("accounts", "name", "-x")]
    [InlineData("accounts", "name", "")]
    [InlineData("accounts", "name", "acme")]
    [InlineData("accounts", "balance", "1e3")]
    [InlineData("accounts/{id}/credit", "amount", "0")]
    [InlineData("accounts/{id}/credit", "amount", "-5")]
    [InlineData("accounts/{id}/credit", "amount", "99999999999")]
    [InlineData("accounts/{id}/terms", "rpm", "0")]
    [InlineData("accounts/{id}/terms", "parallel", "2147483648")]
    [InlineData("accounts/{id}/terms", "spend_day", "0.0000000001")]
    [InlineData("accounts/{id}/terms", "postpaid", "1000000001")]
    [InlineData("accounts/{id}/keys", "expires", "soon")]
    [InlineData("accounts/{id}/keys", "expires", "99999999d")]
    [InlineData("accounts/{id}/keys", "expires", "0s")]
    [InlineData("accounts/{id}/keys", "models", "a/*b")]
    [InlineData("accounts/{id}/keys", "models", "a/\u001b[2J")]
    [InlineData("accounts/{id}/keys", "name", "two\nlines")]
    public async Task Field_ThatCannotBeRead_IsNamedAndNothingChanges(string form, string field, string value)
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway, "acme");
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        await browser.GetAsync("/console");
        var fields = new Dictionary<string, string> { ["name"] = "x", ["amount"] = "5", [field] = value };
        Assert.Equal(400, (await browser.PostAsync("/console/" + form.Replace("{id}", account.Id, StringComparison.Ordinal), [.. fields.Select(f => (f.Key, f.Value))])).Status);
        Assert.Contains($"<code>{field}</code>", browser.Page, StringComparison.Ordinal);
        Assert.Equal(2, (await new AccountStore(gateway.Gateway.Database).ListAsync()).Count);
        var state = (await new AccountStore(gateway.Gateway.Database).FindAsync("acme"))!;
        Assert.Equal((10_000_000_000, 0, Terms.None), (state.Balance, state.Account.CreditLimit, state.Account.Terms));
        Assert.Single(await KeysAsync(gateway, account));
    }

    [Fact]
    public async Task Body_ThatIsNoForm_OrTooLarge_IsRefused()
    {
        await using var gateway = await StartAsync();
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        async Task<int> PostAsync(HttpContent content) => (await browser.SendAsync(HttpMethod.Post, "/console/accounts", content)).Status;
        var large = new string('x', 100_000);
        Assert.Equal(400, await PostAsync(new StringContent("{}", Encoding.UTF8, "application/json")));
        Assert.Equal(413, await PostAsync(ConsoleBrowser.Form(("name", large))));
        // Without a length before it.
        Assert.Equal(400, await PostAsync(new PushedContent($"name={large}")));
        Assert.Equal(400, await PostAsync(ConsoleBrowser.Form([.. Enumerable.Range(0, 500).Select(i => ("f" + i, "x"))])));
        Assert.Equal(405, (await browser.SendAsync(HttpMethod.Put, "/console/accounts")).Status);
    }

    [Fact]
    public async Task WhatPeopleWrite_IsTextInThePage_NeverMarkup()
    {
        await using var gateway = await StartAsync();
        const string Evil = "<script>alert('x')</script>\"&";
        var account = await AccountAsync(gateway, Evil);
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        await browser.PostAsync($"/console/accounts/{account.Id}/keys", ("name", Evil), ("models", "<b>"));
        foreach (var path in new[] { "/console", $"/console/accounts/{account.Id}", $"/console/accounts/{account.Id}/requests", $"/console/requests/<b>", "/console/sign-in?link=\"><script>" })
        {
            await browser.GetAsync(path);
            Assert.DoesNotContain("<script", browser.Page, StringComparison.Ordinal);
            Assert.DoesNotContain("<b>", browser.Page, StringComparison.Ordinal);
        }
        await browser.GetAsync($"/console/accounts/{account.Id}");
        Assert.Contains("&lt;script&gt;", browser.Page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Books_ShowRequestsReceiptModelsAndMargin()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await StartAsync(upstream.BaseUrl);
        var key = await gateway.NewKeyAsync("acme", 10m);
        var account = (await new AccountStore(gateway.Gateway.Database).FindAsync("acme"))!.Account;
        var call = await gateway.PostAsync(Ask, key);
        Assert.Equal(200, (int)call.Status);
        var (id, receipt) = (call.Header("x-request-id")!, (await gateway.Http.GetAsync($"/v1/requests/{call.Header("x-request-id")}", key)).Json);

        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        await browser.GetAsync($"/console/accounts/{account.Id}/requests");
        Assert.Contains($"href=\"/console/requests/{id}\"", browser.Page, StringComparison.Ordinal);
        await browser.GetAsync($"/console/requests/{id}");
        Assert.Contains((string)receipt["cost"]! + " USD", browser.Page, StringComparison.Ordinal);
        Assert.Contains("up/m", browser.Page, StringComparison.Ordinal);
        await browser.GetAsync("/console/margin");
        Assert.Contains("<td>up/m</td>", browser.Page, StringComparison.Ordinal);
        Assert.Contains($"<td class=\"n\">{receipt["cost"]}</td>", browser.Page, StringComparison.Ordinal);
        await browser.GetAsync("/console/models");
        Assert.Contains("<td class=\"n\">1.00</td><td class=\"n\">1.00</td><td class=\"n\">2.00</td>", browser.Page, StringComparison.Ordinal);
        Assert.Contains("up/m", browser.Page, StringComparison.Ordinal);

        // An account's holder reads his receipts, but not whom the operator asks.
        using var holder = await ConsoleBrowser.SignedInAsync(gateway, account.Id);
        Assert.Equal(200, (await holder.GetAsync($"/console/requests/{id}")).Status);
        Assert.DoesNotContain("up/m", holder.Page, StringComparison.Ordinal);
        Assert.Equal(200, (await holder.GetAsync("/console/models")).Status);
        Assert.DoesNotContain("up/m", holder.Page, StringComparison.Ordinal);
        var stranger = await AccountAsync(gateway, "globex");
        using var other = await ConsoleBrowser.SignedInAsync(gateway, stranger.Id);
        Assert.Equal(404, (await other.GetAsync($"/console/requests/{id}")).Status);
    }

    [Fact]
    public async Task FileAtFault_IsToldToTheOperatorAlone_UntilItIsMended()
    {
        await using var gateway = await StartAsync();
        var account = await AccountAsync(gateway, "acme");
        using var browser = await ConsoleBrowser.SignedInAsync(gateway);
        using var holder = await ConsoleBrowser.SignedInAsync(gateway, account.Id);
        var good = await File.ReadAllTextAsync(gateway.ConfigFile, TestContext.Current.CancellationToken);
        async Task<bool> IsToldAsync()
        {
            await browser.GetAsync("/console");
            return browser.Page.Contains("last good configuration", StringComparison.Ordinal) && browser.Page.Contains("nonsense:", StringComparison.Ordinal);
        }
        Assert.False(await IsToldAsync());
        await File.WriteAllTextAsync(gateway.ConfigFile, good.Replace("\"urls\"", "\"nonsense\": 1, \"urls\"", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        await Until.TrueAsync(IsToldAsync);
        await holder.GetAsync($"/console/accounts/{account.Id}");
        Assert.DoesNotContain("nonsense", holder.Page, StringComparison.Ordinal);
        await File.WriteAllTextAsync(gateway.ConfigFile, good, TestContext.Current.CancellationToken);
        await Until.TrueAsync(async () => !await IsToldAsync());
    }

    private sealed class PushedContent(string form) : HttpContent
    {
        protected override bool TryComputeLength(out long length)
        {
            Headers.ContentType = new("application/x-www-form-urlencoded");
            length = 0;
            return false;
        }

        protected override Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context) => stream.WriteAsync(Encoding.ASCII.GetBytes(form)).AsTask();
    }

    [GeneratedRegex(@"\bcm-\w{43}\b")]
    private static partial Regex ShownKey();

    [GeneratedRegex("""name="page" value="\w{22}" """)]
    private static partial Regex PageNumber();

    [GeneratedRegex("""name="payment" value="(\w+)" """)]
    private static partial Regex PaymentField();
}
