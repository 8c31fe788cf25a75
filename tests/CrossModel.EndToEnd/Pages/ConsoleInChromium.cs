using CrossModel.Accounts;
using CrossModel.EndToEnd.Support;
using CrossModel.Protocol;
using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;
using OpenQA.Selenium.Interactions;

namespace CrossModel.EndToEnd.Pages;

/// <summary>The console as people use it: a link, a browser, links and buttons by their words.</summary>
public sealed class ConsoleInChromium
{
    private const string Priced = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 2 } } """;
    private const string Ask = """{"model":"test/model","messages":[{"role":"user","content":"Hello"}]}""";

    private static async Task<string> LinkAsync(TestGateway gateway, string? accountId = null) =>
        new Uri(gateway.Address, "/console/sign-in?link=" + await new SignIns(gateway.Gateway.Database).NewLinkAsync(accountId, TimeSpan.FromMinutes(1))).ToString();

    /// <summary>Ends on a thread of the pool: the browser's driver waits on the thread that it is called on, which must not be one that reads sockets.</summary>
    private static async Task<HttpReply> AskAsync(TestGateway gateway, string key)
    {
        var reply = await gateway.PostAsync(Ask, key);
        await SocketTurn.End();
        return reply;
    }

    /// <summary>
    /// The page may be on its way still: it is looked at until it shows what it should. A page that goes while it is looked at has more than one name in the driver
    /// (a stale element, an error of its inspector), so any of its errors counts as not yet; the last one is thrown when the time is up.
    /// </summary>
    private static async Task<string> WhenAsync(ChromeDriver page, By where, Func<string, bool> met)
    {
        var begun = TimeProvider.System.GetTimestamp();
        bool InTime() => TimeProvider.System.GetElapsedTime(begun) < TimeSpan.FromSeconds(20);
        while (true)
        {
            try
            {
                var shown = page.FindElement(where).Text;
                if (met(shown) || !InTime()) return shown;
            }
            catch (WebDriverException) when (InTime())
            {
                // The next page has come.
            }
            await Task.Delay(20);
        }
    }

    private static async Task ShowsAsync(ChromeDriver page, By where, string text) => Assert.Equal(text, await WhenAsync(page, where, shown => shown == text));

    private static readonly By Heading = By.TagName("h1");
    private static readonly By Main = By.TagName("main");

    private static void Press(ChromeDriver page, string words) => page.FindElement(By.XPath($"//button[normalize-space()='{words}']")).Click();

    private static async Task SignInAsync(ChromeDriver page, TestGateway gateway)
    {
        page.Navigate().GoToUrl(await LinkAsync(gateway));
        Press(page, "Sign in");
        await ShowsAsync(page, Heading, "Accounts");
    }

    /// <summary>As those do who press every button so: the browser sends the form twice and shows the second answer.</summary>
    private static void DoubleClick(ChromeDriver page, string words) => new Actions(page).DoubleClick(page.FindElement(By.XPath($"//button[normalize-space()='{words}']"))).Perform();

    private static void Fill(ChromeDriver page, string label, string text) => page.FindElement(By.XPath($"//label[starts-with(normalize-space(), '{label}')]/input")).SendKeys(text);

    [Fact]
    public async Task Operator_MakesAnAccountAndAKey_SeesItsRequest_RevokesIt_AndSignsOut()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        using var page = Chromium.Start();
        await SignInAsync(page, gateway);

        Fill(page, "Name", "acme");
        Press(page, "Make account");
        await ShowsAsync(page, Heading, "acme");
        Fill(page, "USD to add", "5.00");
        Fill(page, "Note", "first payment");
        Press(page, "Add credit");
        await ShowsAsync(page, By.XPath("//dt[.='Balance']/following-sibling::dd"), "5.00 USD");

        page.FindElement(By.XPath("//h3[.='New key']/following-sibling::form//input[@name='name']")).SendKeys("laptop");
        Press(page, "Make key");
        await ShowsAsync(page, Heading, "Key laptop");
        var key = page.FindElement(By.CssSelector("pre.key")).Text;
        var call = await AskAsync(gateway, key);
        Assert.Equal(200, (int)call.Status);

        async Task FollowAsync(By link, string heading)
        {
            page.FindElement(link).Click();
            await ShowsAsync(page, Heading, heading);
        }
        await FollowAsync(By.LinkText("Back to the account"), "acme");
        await FollowAsync(By.LinkText("Requests"), "Requests of acme");
        await FollowAsync(By.CssSelector("tbody a"), call.Header("x-request-id")!);
        await FollowAsync(By.LinkText("All requests of the account"), "Requests of acme");
        await FollowAsync(By.LinkText("Back to the account"), "acme");

        Assert.Contains("laptop", page.FindElement(Main).Text, StringComparison.Ordinal);
        page.FindElement(By.XPath("//summary[.='Change']")).Click();
        Press(page, "Revoke for good");
        var left = await WhenAsync(page, Main, shown => !shown.Contains("laptop", StringComparison.Ordinal));
        Assert.DoesNotContain("laptop", left, StringComparison.Ordinal);
        await Until.TrueAsync(async () => (int)(await AskAsync(gateway, key)).Status == 401);
        Press(page, "Sign out");
        await ShowsAsync(page, Heading, "Sign in");
        page.Navigate().GoToUrl(new Uri(gateway.Address, "/console"));
        await ShowsAsync(page, Heading, "Sign in");
    }

    [Fact]
    public async Task Button_PressedTwice_DoesItOnce()
    {
        await using var gateway = await TestGateway.StartAsync("http://127.0.0.1:1/v1", Priced);
        var keys = new KeyStore(gateway.Gateway.Database);
        using var page = Chromium.Start();
        await SignInAsync(page, gateway);

        Fill(page, "Name", "acme");
        Fill(page, "Prepaid", "5");
        DoubleClick(page, "Make account");
        await ShowsAsync(page, Heading, "acme");
        var account = (await new AccountStore(gateway.Gateway.Database).FindAsync("acme"))!;
        Assert.Equal(5_000_000_000, account.Balance);

        page.FindElement(By.XPath("//label[starts-with(normalize-space(), 'Postpaid')]/input")).SendKeys("7");
        DoubleClick(page, "Save terms");
        await ShowsAsync(page, By.XPath("//dt[.='Postpaid up to']/following-sibling::dd"), "7.00 USD");
        await ShowsAsync(page, Heading, "acme");

        Fill(page, "USD to add", "2");
        DoubleClick(page, "Add credit");
        await ShowsAsync(page, By.XPath("//dt[.='Balance']/following-sibling::dd"), "7.00 USD");

        page.FindElement(By.XPath("//h3[.='New key']/following-sibling::form//input[@name='name']")).SendKeys("laptop");
        DoubleClick(page, "Make key");
        await ShowsAsync(page, Heading, "Key laptop");
        var made = Assert.Single(await keys.ListAsync(account.Account.Id)).Entry;
        Assert.Equal(made.Id, Assert.Single(await keys.FindAsync(page.FindElement(By.CssSelector("pre.key")).Text)).Entry.Id);

        page.FindElement(By.LinkText("Back to the account")).Click();
        await ShowsAsync(page, Heading, "acme");
        page.FindElement(By.XPath("//summary[.='Change']")).Click();
        DoubleClick(page, "Rotate");
        await ShowsAsync(page, Heading, "Key laptop");
        var rotated = Assert.Single(await keys.FindAsync(page.FindElement(By.CssSelector("pre.key")).Text)).Entry;
        Assert.Equal(rotated.Id, Assert.Single(await keys.NewestAsync(account.Account.Id, 10)).Entry.Id);
        Assert.Equal(2, await keys.CountAsync(account.Account.Id));
    }

    /// <summary>The policy lets the page have what it needs, and no page is wider than a telephone.</summary>
    [Fact]
    public async Task EveryPage_IsStyled_FitsANarrowScreen_AndBreaksNoRuleOfItsOwn()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, Priced);
        var call = await AskAsync(gateway, gateway.Key);
        var account = Assert.Single(await new AccountStore(gateway.Gateway.Database).ListAsync()).Account;
        using var page = Chromium.Start();
        page.Manage().Window.Size = new System.Drawing.Size(500, 900);
        await SignInAsync(page, gateway);
        foreach (var path in new[] { "", $"/accounts/{account.Id}", $"/accounts/{account.Id}/requests", $"/requests/{call.Header("x-request-id")}", "/models", "/margin", "/nothing" })
        {
            page.Navigate().GoToUrl(new Uri(gateway.Address, "/console" + path));
            Assert.NotEqual("", page.FindElement(By.TagName("h1")).Text);
            Assert.Equal("solid", page.ExecuteScript("return getComputedStyle(document.querySelector('header')).borderBottomStyle"));
            Assert.Equal(true, page.ExecuteScript("return document.documentElement.scrollWidth <= document.documentElement.clientWidth"));
        }
        Assert.DoesNotContain(page.Manage().Logs.GetLog(LogType.Browser), line => line.Message.Contains("Content Security Policy", StringComparison.Ordinal));
    }
}
