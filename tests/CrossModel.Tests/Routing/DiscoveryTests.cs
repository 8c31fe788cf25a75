using System.Net;
using System.Net.Sockets;
using System.Text;
using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.Protocol;
using CrossModel.Routing;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace CrossModel.Tests.Routing;

public sealed class DiscoveryTests
{
    private static readonly HashSet<int> None = [];

    [Fact]
    public void Keys_InAnEmptyEnvironment_LeaveTheSimulationAlone()
    {
        var found = KeyDiscovery.Find(new Dictionary<string, string> { ["OPENAI_API_KEY"] = " " });
        Assert.Equal(["crossmodel/simulated"], found.Models.Keys);
        Assert.True(found.Models["crossmodel/simulated"].Price!.IsFree);
        Assert.Equal("simulated", found.Upstreams["crossmodel"].Dialect);
    }

    [Fact]
    public void Keys_OfProviders_BringTheirPricedModels_UnderTheirNames()
    {
        var found = KeyDiscovery.Find(new Dictionary<string, string> { ["OPENAI_API_KEY"] = "k1", ["GOOGLE_API_KEY"] = "k2", ["DEEPSEEK_API_KEY"] = "k3" });
        Assert.Equal(["crossmodel", "openai", "google", "deepseek"], found.Sources.Select(s => s.Upstream));
        Assert.Equal(("k1", "https://api.openai.com/v1", "openai"), (found.Upstreams["openai"].ApiKey, found.Upstreams["openai"].BaseUrl, found.Upstreams["openai"].Dialect));
        Assert.Equal("gemini", found.Upstreams["google"].Dialect);
        var mini = found.Models["openai/gpt-4.1-mini"];
        Assert.Equal((0.4m, 0.1m, 1.6m), (mini.Price!.Versions[0].Input, mini.Price.Versions[0].CachedInput, mini.Price.Versions[0].Output));
        Assert.Contains("2026-07-02", found.Sources[1].Price, StringComparison.Ordinal);
        Assert.All(found.Models.Values, m => Assert.NotNull(m.Price));
        Assert.DoesNotContain("k1", string.Join(' ', found.Sources), StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_OfEveryProvider_BringNoModelThatIsRetiredOrHasNoPrice()
    {
        var leftOut = 0;
        foreach (var vendor in Vendor.All.Where(v => v.Keys.Count > 0))
        {
            var found = KeyDiscovery.Find(new Dictionary<string, string> { [vendor.Keys[0]] = " k\n" });
            Assert.Equal("k", found.Upstreams[vendor.Name].ApiKey);
            foreach (var model in BuiltInCatalogue.All(vendor.Name))
            {
                var isOffered = model is { Price: not null, Retired: false };
                Assert.Equal(isOffered, found.Models.ContainsKey($"{vendor.Name}/{model.Id}"));
                if (!isOffered) leftOut++;
            }
        }
        Assert.True(leftOut > 0);
    }

    [Fact]
    public void Catalogue_OfEveryVendor_IsFound_WithPricesThatCanBeBilled()
    {
        foreach (var vendor in Vendor.All)
        {
            var models = BuiltInCatalogue.All(vendor.Name).ToList();
            Assert.NotEmpty(models);
            foreach (var price in models.SelectMany(m => m.Price?.Versions ?? []))
            {
                Assert.True(price is { Input: >= 0, Output: >= 0 });
                Assert.All(price.Tiers, t => Assert.True(t.Above > 0 && t.Input > 0));
            }
        }
    }

    // A recorded reply to a spoken question: 6 tokens of text at 0.30, 139 of sound at 1.00, 34 of reply at 2.50: 1.8 + 139 + 85 = 225.8 millionths.
    [Fact]
    public void Catalogue_PriceOfSound_IsBilled()
    {
        var price = Prices.From(BuiltInCatalogue.Find("google", "gemini-2.5-flash")!.Price!).At(DateTimeOffset.UnixEpoch)!;
        Assert.Equal(225_800, price.Compute(new CallUsage(new TokenUsage { InputTokens = 145, AudioInputTokens = 139, OutputTokens = 34, ReasoningTokens = 24 })).Total);
        Assert.Equal((4.44m, 8.89m), (BuiltInCatalogue.Find("alibaba", "qwen-omni-turbo")!.Price!.Versions[0].AudioInput, BuiltInCatalogue.Find("alibaba", "qwen-omni-turbo")!.Price!.Versions[0].AudioOutput));
    }

    [Theory]
    [InlineData("anthropic", "claude-sonnet-4-5")]
    [InlineData("google-vertex", "claude-opus-4-6@default")]
    [InlineData("amazon-bedrock", "us.anthropic.claude-opus-4-5-20251101-v1:0")]
    public void Catalogue_OfClaude_AsksTwiceTheInputForAnHourInTheCache(string vendor, string model)
    {
        var price = BuiltInCatalogue.Find(vendor, model)!.Price!.Versions[0];
        Assert.Equal((price.Input * 1.25m, price.Input * 2), (price.CacheWrite, price.CacheWriteHour));
        Assert.All(price.Tiers, tier => Assert.Equal(tier.Input * 2, tier.CacheWriteHour));
    }

    [Fact]
    public void Catalogue_OfAModelPricedPerSearch_StatesNoPrice() =>
        Assert.Null(BuiltInCatalogue.Find("perplexity", "sonar-deep-research")!.Price);

    [Theory]
    [InlineData("openai", "https://api.mistral.ai/v1", "mistral")]
    [InlineData("openai", "https://api.openai.com.evil.example/v1", null)]
    [InlineData("openai", "http://127.0.0.1:11434/v1", null)]
    [InlineData("openai", null, "openai")]
    [InlineData("simulated", null, null)]
    [InlineData("azure", "https://mine.openai.azure.com", "azure")]
    [InlineData("vertex", "https://europe-west1-aiplatform.googleapis.com", "google-vertex")]
    [InlineData("bedrock", null, "amazon-bedrock")]
    [InlineData("anthropic", "http://127.0.0.1:9100", "anthropic")]
    public void Vendor_OfAnUpstream_IsToldByItsAddress(string dialect, string? baseUrl, string? vendor) =>
        Assert.Equal(vendor, Vendor.Of(new UpstreamConfig { Dialect = dialect, BaseUrl = baseUrl })?.Name);

    [Fact]
    public async Task Probe_OfARunningServer_BringsItsModels_FreeOfCharge()
    {
        await using var server = await ServeAsync("""{"object":"list","data":[{"id":"llama3.2:1b"},{"id":"/models/tiny.gguf"},{"id":"/other/tiny.gguf"},{"id":"nomic-embed-text"},{"id":7},7]}""");
        using var servers = new LoopbackServers([new LoopbackServer("ollama", "Ollama", Port(server), "ollama")], None, TimeProvider.System);
        var found = await FirstAsync(servers);
        Assert.Equal(["ollama/llama3.2:1b", "ollama/tiny"], found.Models.Keys);
        Assert.Equal("/models/tiny.gguf", found.Models["ollama/tiny"].Routes[0].Model);
        Assert.Equal(2, Assert.Single(found.Sources).Models);
        Assert.All(found.Models.Values, m => Assert.True(m.Price!.IsFree));
        Assert.Equal(("ollama", $"http://127.0.0.1:{Port(server)}/v1"), (found.Upstreams["ollama"].Preset, found.Upstreams["ollama"].BaseUrl));
    }

    [Theory]
    [InlineData("<html>hello</html>")]
    [InlineData("[]")]
    [InlineData("""{"data":{}}""")]
    [InlineData("""{"data":[{"id":"\ud800"}]}""")]
    [InlineData("""{"data":[{"id":"crossmodel/simulated"},{"id":"openai/gpt-4o"}]}""")]
    public async Task Probe_OfSomethingElseOrOfAnotherGateway_BringsNothing(string answer)
    {
        await using var server = await ServeAsync(answer);
        using var servers = new LoopbackServers([new LoopbackServer("vllm", "vLLM", Port(server), "vllm")], None, TimeProvider.System);
        Assert.Empty((await FirstAsync(servers)).Models);
    }

    /// <summary>Whatever answers at such a port must not fill the catalogue.</summary>
    [Theory]
    [InlineData(600, 500)]
    [InlineData(100_000, 0)]
    public async Task Probe_OfAListWithoutEnd_BringsFiveHundredModelsAtMost(int listed, int brought)
    {
        await using var server = await ServeAsync($$"""{"data":[{{string.Join(',', Enumerable.Range(0, listed).Select(i => $$"""{"id":"m{{i}}"}"""))}}]}""");
        using var servers = new LoopbackServers([new LoopbackServer("vllm", "vLLM", Port(server), "vllm")], None, TimeProvider.System);
        Assert.Equal(brought, (await FirstAsync(servers)).Models.Count);
    }

    [Fact]
    public async Task Probe_OfOurOwnPortOrOfNobody_BringsNothing()
    {
        await using var server = await ServeAsync("""{"data":[{"id":"m"}]}""");
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var nobody = ((IPEndPoint)closed.LocalEndpoint).Port;
        closed.Stop();
        using var servers = new LoopbackServers(
            [new LoopbackServer("a", "A", Port(server), "vllm"), new LoopbackServer("b", "B", nobody, "vllm")], new HashSet<int> { Port(server) }, TimeProvider.System);
        Assert.Empty((await FirstAsync(servers)).Models);
    }

    [Fact]
    public async Task Watch_OfAServerThatStops_TellsOfEachChangeOnce()
    {
        var server = await ServeAsync("""{"data":[{"id":"m"}]}""");
        var clock = new Support.FakeClock();
        using var servers = new LoopbackServers([new LoopbackServer("a", "A", Port(server), "vllm")], None, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var told = System.Threading.Channels.Channel.CreateUnbounded<int>();
        var watch = servers.WatchAsync(found => told.Writer.WriteAsync(found.Models.Count), stop.Token);
        Assert.Equal(1, await told.Reader.ReadAsync(stop.Token));
        await server.DisposeAsync();
        var next = told.Reader.ReadAsync(stop.Token).AsTask();
        while (!next.IsCompleted)
        {
            clock.Advance(TimeSpan.FromSeconds(30));
            await Task.Yield();
        }
        Assert.Equal(0, await next);
        await stop.CancelAsync();
        await watch;
    }

    /// <summary>A server at its limit is silent for once: its models stay, and callers are not told that there are none.</summary>
    [Fact]
    public async Task Watch_OfAServerThatIsSilentOnce_KeepsItsModels()
    {
        var asked = 0;
        await using var server = await ServeAsync("""{"data":[{"id":"m"}]}""", () => Interlocked.Increment(ref asked) != 2);
        var clock = new Support.FakeClock();
        using var servers = new LoopbackServers([new LoopbackServer("a", "A", Port(server), "vllm")], None, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var told = new System.Collections.Concurrent.ConcurrentQueue<int>();
        var watch = servers.WatchAsync(found =>
        {
            told.Enqueue(found.Models.Count);
            return ValueTask.CompletedTask;
        }, stop.Token);
        // A step, then real time for the answer: a question under way has a second of the clock's.
        var steps = 0;
        async Task StepAsync(int seconds, int until)
        {
            for (steps = 0; Volatile.Read(ref asked) < until; steps++)
            {
                clock.Advance(TimeSpan.FromSeconds(seconds));
                await Task.Delay(400, stop.Token);
            }
        }
        while (told.IsEmpty) await Task.Delay(20, stop.Token);
        await StepAsync(30, until: 2);
        // Asked again soon, not after half a minute.
        await StepAsync(2, until: 3);
        Assert.InRange(steps, 1, 10);
        await stop.CancelAsync();
        await watch;
        Assert.Equal([1], told);
    }

    [Fact]
    public async Task Watch_OfAServerThatStaysSilent_ForgetsItAtTheThirdTime()
    {
        var asked = 0;
        await using var server = await ServeAsync("""{"data":[{"id":"m"}]}""", () => Interlocked.Increment(ref asked) == 1);
        var clock = new Support.FakeClock();
        using var servers = new LoopbackServers([new LoopbackServer("a", "A", Port(server), "vllm")], None, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var told = System.Threading.Channels.Channel.CreateUnbounded<int>();
        var watch = servers.WatchAsync(found => told.Writer.WriteAsync(found.Models.Count), stop.Token);
        Assert.Equal(1, await told.Reader.ReadAsync(stop.Token));
        var next = told.Reader.ReadAsync(stop.Token).AsTask();
        while (!next.IsCompleted)
        {
            clock.Advance(TimeSpan.FromSeconds(30));
            await Task.WhenAny(next, Task.Delay(400, stop.Token));
        }
        Assert.Equal(0, await next);
        // Fewer where the clock went on before an answer came: that is a silence, too.
        Assert.InRange(asked, 2, 4);
        await stop.CancelAsync();
        await watch;
    }

    /// <summary>A value from the environment must not send a local server's prompts elsewhere.</summary>
    [Fact]
    public void Found_WithOneValueSet_StaysWhereItIs()
    {
        var found = new DiscoveredModels(new Dictionary<string, UpstreamConfig> { ["llamacpp"] = new() { BaseUrl = "http://127.0.0.1:8080/v1", Preset = "llama.cpp" } }, new Dictionary<string, ModelConfig>(), []);
        var upstream = found.AddTo(new GatewayConfig { Upstreams = new Dictionary<string, UpstreamConfig> { ["llamacpp"] = new() { ApiKey = "sk-local" } } }).Upstreams["llamacpp"];
        Assert.Equal(("http://127.0.0.1:8080/v1", "llama.cpp", "sk-local"), (upstream.BaseUrl, upstream.Preset, upstream.ApiKey));
        var provider = new DiscoveredModels(new Dictionary<string, UpstreamConfig> { ["openai"] = new() { ApiKey = "sk-found" } }, new Dictionary<string, ModelConfig>(), []);
        Assert.Equal("sk-found", provider.AddTo(new GatewayConfig { Upstreams = new Dictionary<string, UpstreamConfig> { ["openai"] = new() { MaxParallel = 2 } } }).Upstreams["openai"].ApiKey);
        // An address of its own has a dialect of its own.
        var elsewhere = new UpstreamConfig { BaseUrl = "https://models.example", Dialect = "anthropic" };
        var moved = found.AddTo(new GatewayConfig { Upstreams = new Dictionary<string, UpstreamConfig> { ["llamacpp"] = elsewhere } }).Upstreams["llamacpp"];
        Assert.Equal(("https://models.example", "anthropic"), (moved.BaseUrl, moved.Dialect));
    }

    [Fact]
    public void Found_AddedToAConfiguration_LeavesItsOwnNamesAlone()
    {
        var own = new ModelConfig { Name = "mine" };
        var config = KeyDiscovery.Find(new Dictionary<string, string>()).AddTo(new GatewayConfig { Models = new Dictionary<string, ModelConfig> { ["crossmodel/simulated"] = own, ["x/y"] = own } });
        Assert.Same(own, config.Models["crossmodel/simulated"]);
        Assert.Equal(2, config.Models.Count);
        Assert.Single(config.Upstreams);
    }

    /// <summary>What a watch tells first.</summary>
    private static async Task<DiscoveredModels> FirstAsync(LoopbackServers servers)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        DiscoveredModels? first = null;
        await servers.WatchAsync(found =>
        {
            first = found;
            stop.Cancel();
            return ValueTask.CompletedTask;
        }, stop.Token);
        return first!;
    }

    private static int Port(WebApplication server) => new Uri(server.Urls.First()).Port;

    /// <param name="answers">Asked at each request: false answers it with 503. Null: all are answered.</param>
    private static async Task<WebApplication> ServeAsync(string models, Func<bool>? answers = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var server = builder.Build();
        server.MapGet("/v1/models", (HttpContext http) =>
        {
            if (answers?.Invoke() is false) http.Response.StatusCode = 503;
            return http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(models)).AsTask();
        });
        await server.StartAsync();
        return server;
    }
}
