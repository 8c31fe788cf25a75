using System.Net;
using System.Text.RegularExpressions;
using CrossModel.Accounts;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Pages;

/// <summary>What a browser does at the console, but for showing it: cookies, forms with their hidden fields, Accept.</summary>
internal sealed partial class ConsoleBrowser(Uri gateway) : IDisposable
{
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, CookieContainer = new CookieContainer() });
    private string _token = "";

    /// <summary>The last page, as it was sent.</summary>
    public string Page { get; private set; } = "";

    /// <summary>The last cookie, as it was set.</summary>
    public string SetCookie { get; private set; } = "";

    /// <summary>Signed in by a new link.</summary>
    /// <param name="accountId">Null: the operator.</param>
    public static async Task<ConsoleBrowser> SignedInAsync(TestGateway gateway, string? accountId = null)
    {
        var browser = new ConsoleBrowser(gateway.Address);
        var link = await new SignIns(gateway.Gateway.Database).NewLinkAsync(accountId, TimeSpan.FromMinutes(1));
        Assert.Equal((303, "/console"), await browser.PostAsync("/console/sign-in", ("link", link)));
        await browser.GetAsync("/console/models");
        return browser;
    }

    /// <summary>Answers status and location.</summary>
    public Task<(int Status, string? Location)> GetAsync(string path) => SendAsync(HttpMethod.Get, path);

    /// <summary>Posts the fields with the form token, as the forms do.</summary>
    public Task<(int Status, string? Location)> PostAsync(string path, params (string Name, string Value)[] fields) =>
        SendAsync(HttpMethod.Post, path, Form([.. fields, ("token", _token)]));

    public static FormUrlEncodedContent Form(params (string Name, string Value)[] fields) => new(fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));

    public async Task<(int Status, string? Location)> SendAsync(HttpMethod method, string path, HttpContent? content = null, params (string Name, string Value)[] headers)
    {
        using var message = new HttpRequestMessage(method, new Uri(gateway, path)) { Content = content };
        message.Headers.Add("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        foreach (var (name, value) in headers) message.Headers.Add(name, value);
        using var response = await _http.SendAsync(message, TestContext.Current.CancellationToken);
        if (response.Headers.TryGetValues("Set-Cookie", out var cookies)) SetCookie = Assert.Single(cookies);
        Page = await response.Content.ReadAsStringAsync();
        if (FormToken().Match(Page) is { Success: true } match) _token = match.Groups[1].Value;
        return ((int)response.StatusCode, response.Headers.Location?.ToString());
    }

    public void Dispose() => _http.Dispose();

    [GeneratedRegex("""name="token" value="(\w+)" """)]
    private static partial Regex FormToken();
}
