using System.Net;
using System.Net.Sockets;
using CrossModel.Tests.Cli;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace CrossModel.Tests.Upstreams;

/// <summary><c>check --online</c> against servers that answer as a test says.</summary>
public sealed class UpstreamProbeTests : IAsyncLifetime
{
    private readonly CommandRun _run = new();
    private readonly List<string> _seen = [];
    private string _list = "";
    private WebApplication _server = null!;

    /// <summary>Answers with the status that its path begins with; 200 only to the right key.</summary>
    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        _server = builder.Build();
        _server.Urls.Add("http://127.0.0.1:0");
        _server.Run(http =>
        {
            lock (_seen) _seen.Add($"{http.Request.Method} {http.Request.Path}");
            var status = int.Parse(http.Request.Path.Value!.Split('/')[1], System.Globalization.CultureInfo.InvariantCulture);
            http.Response.StatusCode = status == 200 && http.Request.Headers.Authorization != "Bearer sk-right" ? 401 : status;
            return http.Response.WriteAsync(_list);
        });
        await _server.StartAsync();
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task ConfigureAsync(params (string Name, string BaseUrl, string Key)[] upstreams)
    {
        var members = upstreams.Select(u => $$""" "{{u.Name}}": { "baseUrl": "{{u.BaseUrl}}", "apiKey": "{{u.Key}}", "timeouts": { "connect": "2s" } } """);
        await File.WriteAllTextAsync(Path.Combine(_run.Folder, "crossmodel.json"), $$"""{"upstreams": { {{string.Join(',', members)}} } }""");
    }

    private string At(int status) => $"{_server.Urls.First()}/{status}";

    [Fact]
    public async Task Check_Online_AllReached_EndsWithZero()
    {
        await ConfigureAsync(("one", At(200), "sk-right"), ("two", At(404), "sk-right"));
        var shown = await _run.JsonAsync("check", "--online");
        Assert.Equal(["one reached 200", "two reached 404"], shown.GetProperty("upstreams").EnumerateArray().Select(u => $"{u.GetProperty("name")} {u.GetProperty("reach")} {u.GetProperty("status")}"));
        Assert.Equal(["GET /200/models", "GET /404/models"], _seen.Order());
    }

    [Theory]
    [InlineData(200, "refused credentials (401")]
    [InlineData(403, "refused credentials (403")]
    [InlineData(402, "refused credentials (402")]
    [InlineData(301, "never followed")]
    [InlineData(503, "reached, but failing (503")]
    public async Task Check_Online_ThatWouldFail_SaysHowAndEndsWithOne(int status, string words)
    {
        await ConfigureAsync(("up", At(status), "sk-wrong"));
        Assert.Equal(1, await _run.RunAsync("check", "--online"));
        Assert.Contains(words, _run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("sk-wrong", _run.Out + _run.Error, StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("check", "--online", "--json"));
        Assert.False(System.Text.Json.JsonDocument.Parse(_run.Out).RootElement.GetProperty("ok").GetBoolean());
    }

    [Fact]
    public async Task Check_Online_OfSeveralKeys_NamesThoseThatAreRefused()
    {
        await File.WriteAllTextAsync(Path.Combine(_run.Folder, "crossmodel.json"),
            $$"""{"upstreams": { "up": { "baseUrl": "{{At(200)}}", "apiKeys": ["sk-right", "sk-old", "sk-right", "sk-older"] } } }""", TestContext.Current.CancellationToken);
        Assert.Equal(1, await _run.RunAsync("check", "--online"));
        Assert.Contains("refused credentials (401", _run.Out, StringComparison.Ordinal);
        Assert.Contains("key 2 and 4 of 4: ", _run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("sk-", _run.Out, StringComparison.Ordinal);
        Assert.Equal(4, _seen.Count);
    }

    [Fact]
    public async Task Check_Online_NobodyThere_SaysSoAndStillTriesTheOthers()
    {
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var port = ((IPEndPoint)closed.LocalEndpoint).Port;
        closed.Stop();
        await ConfigureAsync(("gone", $"http://127.0.0.1:{port}/v1", "k"), ("tls", At(200).Replace("http:", "https:", StringComparison.Ordinal), "k"), ("there", At(200), "sk-right"));
        Assert.Equal(1, await _run.RunAsync("check", "--online"));
        Assert.Contains("""upstreams["gone"]: not reached: nothing listens there""", _run.Out, StringComparison.Ordinal);
        Assert.Contains("""upstreams["tls"]: not reached: no TLS connection""", _run.Out, StringComparison.Ordinal);
        Assert.Contains("""upstreams["there"]: reached (200""", _run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("anthropic", "x-api-key", "/200/v1/models")]
    [InlineData("gemini", "x-goog-api-key", "/200/v1beta/models")]
    public async Task Check_Online_OfAnotherDialect_AsksItsListWithItsCredential(string dialect, string header, string path)
    {
        using var list = new CrossModel.Dialects.UpstreamRequest();
        using var made = CrossModel.Dialects.DialectSet.Create(new CrossModel.Configuration.UpstreamConfig { Dialect = dialect, BaseUrl = At(200), ApiKey = "sk-right" }, TimeProvider.System);
        Assert.True(made.WriteModelList(list));
        using var message = new HttpRequestMessage(HttpMethod.Get, list.Uri);
        await made.AuthorizeAsync(message, list, TestContext.Current.CancellationToken);
        Assert.Equal((path, "sk-right"), (list.Uri.AbsolutePath, message.Headers.GetValues(header).Single()));
    }

    [Theory]
    [InlineData("llamacpp", "llama.cpp")]
    [InlineData("vllm", "vllm")]
    [InlineData("sglang", "sglang")]
    [InlineData("gpustack", "gpustack")]
    [InlineData("openai", null)]
    [InlineData("ollama", null)]
    public async Task Check_Online_OfAServerThatNamesItself_SaysWhichPresetIsMissing(string owner, string? preset)
    {
        _list = $$"""{"object":"list","data":[{"id":"m","object":"model","owned_by":"{{owner}}"}]}""";
        await ConfigureAsync(("up", At(200), "sk-right"));
        await _run.GoodAsync("check", "--online");
        if (preset is null) Assert.DoesNotContain("preset", _run.Out, StringComparison.Ordinal);
        else Assert.Contains($"add \"preset\": \"{preset}\"", _run.Out, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{\"data\":[1,{\"owned_by\":2},{}]}")]
    [InlineData("<html>")]
    [InlineData("{\"data\":[]}")]
    [InlineData("{\"data\":[{\"owned_by\":\"vllm\"},{\"owned_by\":\"openai\"}]}")]
    [InlineData("{\"data\":[{\"owned_by\":\"\\ud800\"}]}")]
    public async Task Check_Online_OfAListOfAnotherForm_IsReached(string list)
    {
        _list = list;
        await ConfigureAsync(("up", At(200), "sk-right"));
        await _run.GoodAsync("check", "--online");
        Assert.DoesNotContain("preset", _run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_Offline_AsksNobody()
    {
        await ConfigureAsync(("up", At(503), "k"));
        await _run.GoodAsync("check");
        Assert.Empty(_seen);
    }
}
