using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Routing;
using static CrossModel.Tests.Routing.RoutingBench;

namespace CrossModel.Tests.Routing;

public sealed class ModelCatalogTests
{
    private readonly RoutingBench _bench = new();

    [Fact]
    public void Model_WithoutPriceOrRoute_IsAbsent()
    {
        var catalog = _bench.Build(Config(new()
        {
            ["x/unpriced"] = new ModelConfig { Routes = [To("a")] },
            ["x/nowhere"] = Priced(),
            ["x/drained"] = Priced(To("a", weight: 0)),
            ["x/free"] = new ModelConfig { Routes = [To("a")], Price = new PriceConfig { IsFree = true } },
        }));
        Assert.Equal(["x/free"], catalog.All.Select(m => m.Id));
    }

    [Fact]
    public void Model_WhosePriceBeginsLater_IsOffUntilThen()
    {
        var from = _bench.Now.AddHours(1);
        var catalog = _bench.Build(Config(new() { ["x/m"] = new ModelConfig { Routes = [To("a")], Price = Price(1, 2, from) } }));
        Assert.Equal(404, catalog.Resolve("x/m", [], null, _bench.Now, out _)!.Status);
        Assert.Null(catalog.Resolve("x/m", [], null, from, out _));
    }

    [Fact]
    public void Resolve_OfWhatTheKeyMayNotCall_Is404_AndSkippedInAList()
    {
        var catalog = _bench.Build(Config(new() { ["x/1"] = Priced(To("a")), ["x/2"] = Priced(To("a")) }));
        Assert.Equal("model_not_found", catalog.Resolve("x/1", [], id => id == "x/2", _bench.Now, out _)!.Code);
        Assert.Null(catalog.Resolve("x/1", ["x/2"], id => id == "x/2", _bench.Now, out var choice));
        Assert.Equal(("x/2", 0), (choice.First.Id, choice.Further.Count));
        Assert.Equal(404, catalog.Resolve("x/1", ["x/3"], id => id == "x/2", _bench.Now, out _)!.Status);
    }

    [Fact]
    public void Facts_OfAKnownProvider_ComeFromTheCatalogue_AndTheConfigurationWins()
    {
        var config = Config(new() { ["my/name"] = Priced(new RouteConfig { Upstream = "u", Model = "gpt-4.1-mini" }) with { MaxOutputTokens = 99, Name = "Mine" } });
        config = config with { Upstreams = new Dictionary<string, UpstreamConfig> { ["u"] = new() { BaseUrl = "https://api.openai.com/v1" } } };
        var facts = _bench.Build(config).Find("my/name")!.Facts;
        Assert.Equal(("Mine", 99, 1047576), (facts.Name, facts.MaxOutputTokens, facts.ContextWindow));
        Assert.True(facts.Tools);
    }

    [Fact]
    public void UnknownParameters_OfARoute_AreTheModelsThenTheUpstreamsThenTheGateways()
    {
        Assert.Equal(UnknownParameters.Ignore, Effective(UnknownParameters.Ignore, UnknownParameters.Forward));
        Assert.Equal(UnknownParameters.Forward, Effective(null, UnknownParameters.Forward));
        Assert.Equal(UnknownParameters.Reject, Effective(null, null));
    }

    [Fact]
    public void Passthrough_OfARoute_IsTheModelsAndTheGateways()
    {
        var config = Config(new() { ["x/m"] = Priced(To("a")) with { Passthrough = ["top_k"] } }) with { Passthrough = ["min_p"] };
        Assert.Equal(["min_p", "top_k"], _bench.Build(config).Find("x/m")!.Routes[0].Model.Passthrough.Order());
    }

    [Fact]
    public void Limits_AndTokensOfMedia_AreTheConfigurations()
    {
        var catalog = _bench.Build(Config(new()
        {
            ["x/limited"] = Priced(To("a")) with
            {
                Limits = new ModelLimitsConfig { Rpm = 1, Tpm = 2, Parallel = 3, SpendDay = 4, SpendMonth = 5, SpendTotal = 6 },
                MediaTokens = new MediaTokensConfig { Image = 7, Page = 8, AudioSecond = 9, Video = 10 },
            },
            ["x/open"] = Priced(To("a")) with { Limits = new ModelLimitsConfig() },
        }));
        var model = catalog.Find("x/limited")!;
        var terms = new Terms { RequestsPerMinute = 1, TokensPerMinute = 2, Parallel = 3, SpendDay = 4 * Usd.Nano, SpendMonth = 5 * Usd.Nano, SpendTotal = 6 * Usd.Nano };
        Assert.Equal(new ModelTerms("x/limited", terms), model.Limits);
        Assert.Null(catalog.Find("x/open")!.Limits);
        Assert.Equal(new MediaTokens(7, 8, 9, 10), model.Media);
        Assert.Equal(new MediaTokens(2000, 300, 50, 20_000), catalog.Find("x/open")!.Media);
    }

    [Fact]
    public void Reload_ThatLeavesAnUpstreamAlone_KeepsItWithHealthAndSeats()
    {
        var first = _bench.Build(Config("x/m", To("a", maxParallel: 1)));
        var route = first.Find("x/m")!.Routes[0];
        Assert.True(route.TryEnter());
        route.Failed(new UpstreamFault(UpstreamFailure.Connect));
        var second = _bench.Build(Config("x/m", To("a", maxParallel: 2), To("b")), first).Find("x/m")!.Routes;
        Assert.Same(route.Upstream, second[0].Upstream);
        Assert.True(second[0].Cooling > TimeSpan.Zero);
        Assert.True(second[0].TryEnter());
        Assert.False(second[0].TryEnter());
        Assert.Equal(["a", "b"], _bench.Created);
    }

    [Fact]
    public void Reload_ThatChangesAKey_MakesTheUpstreamAnew()
    {
        var config = Config("x/m", To("a"));
        var first = _bench.Build(config);
        var second = _bench.Build(config with { Upstreams = new Dictionary<string, UpstreamConfig> { ["a"] = config.Upstreams["a"] with { ApiKeys = ["k"] } } }, first);
        Assert.NotSame(first.Find("x/m")!.Routes[0].Upstream, second.Find("x/m")!.Routes[0].Upstream);
    }

    /// <summary>A call may have the old one and not have sent yet.</summary>
    [Fact]
    public async Task Reload_ThatChangesAnUpstreamWithoutCalls_ClosesTheOldOneAMinuteLater()
    {
        var config = Config("x/m", To("a"));
        _bench.Build(config);
        _bench.Build(config with { Upstreams = new Dictionary<string, UpstreamConfig> { ["a"] = config.Upstreams["a"] with { ApiKey = "k" } } });
        _bench.Clock.Advance(TimeSpan.FromSeconds(59));
        await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.False(_bench.Closed.Task.IsCompleted);
        _bench.Clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("a", await _bench.Closed.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
    }

    /// <summary>A call that took longer than that on its first route goes on to another one, and does not break on what is closed.</summary>
    [Fact]
    public async Task Route_ToAnUpstreamThatWasClosed_IsEnteredNoMore()
    {
        var config = Config("x/m", To("a"));
        var old = _bench.Build(config).Find("x/m")!.Routes[0];
        _bench.Build(config with { Upstreams = new Dictionary<string, UpstreamConfig> { ["a"] = config.Upstreams["a"] with { ApiKey = "k" } } });
        Assert.True(old.TryEnter());
        old.Leave();
        _bench.Clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal("a", await _bench.Closed.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        Assert.False(old.TryEnter());
    }

    [Fact]
    public async Task Reload_ThatDropsAnUpstream_ClosesItOnlyAfterItsLastCall()
    {
        var route = _bench.Build(Config("x/m", To("a"))).Find("x/m")!.Routes[0];
        Assert.True(route.TryEnter());
        _bench.Build(Config("x/m", To("b")));
        _bench.Clock.Advance(TimeSpan.FromMinutes(3));
        await Task.Yield();
        Assert.False(_bench.Closed.Task.IsCompleted);
        route.Leave();
        while (!_bench.Closed.Task.IsCompleted)
        {
            _bench.Clock.Advance(TimeSpan.FromMinutes(1));
            await Task.Yield();
        }
        Assert.Equal("a", await _bench.Closed.Task);
    }

    [Fact]
    public void Sameness_OfUpstreams_LooksIntoListsAndHeaders()
    {
        static UpstreamConfig Make(string header) => new() { BaseUrl = "http://x", ApiKeys = ["a", "b"], Headers = new Dictionary<string, string> { ["h"] = header } };
        Assert.True(UpstreamSet.IsSame(Make("1"), Make("1")));
        Assert.False(UpstreamSet.IsSame(Make("1"), Make("2")));
        Assert.False(UpstreamSet.IsSame(Make("1"), Make("1") with { Timeouts = new TimeoutsConfig { Idle = TimeSpan.FromSeconds(1) } }));
    }

    [Fact]
    public void Health_AfterFailuresInARow_RestsLonger_AndForgetsOnSuccess()
    {
        var health = new UpstreamHealth(_bench.Clock);
        health.Failed(TimeSpan.FromSeconds(2));
        Assert.InRange(health.Cooling.TotalSeconds, 1.99, 2.01);
        health.Failed(TimeSpan.FromSeconds(2));
        Assert.InRange(health.Cooling.TotalSeconds, 3.99, 4.01);
        for (var failures = 3; failures < 80; failures++)
        {
            // Each rest for itself: of several at once only the longest shows.
            _bench.Clock.Advance(TimeSpan.FromMinutes(1));
            Assert.Equal((0, TimeSpan.Zero), (health.RestsUntil, health.Cooling));
            health.Failed(TimeSpan.FromSeconds(2));
            Assert.InRange(health.Cooling.TotalSeconds, Math.Min(60, Math.Pow(2, failures)) - 0.01, 60.01);
        }
        health.Succeeded(_bench.Clock.GetTimestamp());
        Assert.Equal(TimeSpan.Zero, health.Cooling);
        health.Failed(TimeSpan.FromSeconds(2));
        Assert.InRange(health.Cooling.TotalSeconds, 1.99, 2.01);
    }

    [Fact]
    public void Health_AfterALateFailureOfAnOlderCall_RestsAsLongAsTheNewerOneAsked()
    {
        var health = new UpstreamHealth(_bench.Clock);
        health.Failed(TimeSpan.FromSeconds(2), asked: TimeSpan.FromSeconds(50));
        health.Failed(TimeSpan.FromSeconds(2), asked: TimeSpan.FromSeconds(1));
        Assert.InRange(health.Cooling.TotalSeconds, 49.9, 50.1);
    }

    /// <summary>A stream that was begun before and ends well now says nothing of what the provider has asked for since.</summary>
    [Theory]
    [InlineData(nameof(UpstreamFailure.RateLimited))]
    [InlineData(nameof(UpstreamFailure.Operator))]
    public void Health_AfterALateSuccessOfAnOlderCall_RestsAsTheProviderAsked(string failure)
    {
        var route = _bench.Build(Config("x/m", To("a"))).Find("x/m")!.Routes[0];
        var older = _bench.Clock.GetTimestamp();
        _bench.Clock.Advance(TimeSpan.FromSeconds(1));
        route.Failed(new UpstreamFault(Enum.Parse<UpstreamFailure>(failure), RetryAfter: TimeSpan.FromSeconds(50)));
        _bench.Clock.Advance(TimeSpan.FromSeconds(10));
        route.Succeeded(older);
        Assert.InRange(route.Cooling.TotalSeconds, 39.9, 40.1);
        route.Succeeded(_bench.Clock.GetTimestamp());
        Assert.Equal(TimeSpan.Zero, route.Cooling);
    }

    [Fact]
    public void Health_AskedToRestForADay_RestsTenMinutes()
    {
        var health = new UpstreamHealth(_bench.Clock);
        health.Failed(TimeSpan.FromSeconds(2), asked: TimeSpan.FromDays(1));
        Assert.InRange(health.Cooling.TotalMinutes, 9.99, 10.01);
    }

    [Fact]
    public void Health_OfOneModelsRateLimit_LeavesTheUpstreamsOthersAlone()
    {
        var catalog = _bench.Build(Config(new()
        {
            ["x/1"] = Priced(new RouteConfig { Upstream = "a", Model = "one" }),
            ["x/2"] = Priced(new RouteConfig { Upstream = "a", Model = "two" }),
        }));
        catalog.Find("x/1")!.Routes[0].Failed(new UpstreamFault(UpstreamFailure.RateLimited, 429));
        Assert.Equal(TimeSpan.Zero, catalog.Find("x/2")!.Routes[0].Cooling);
        catalog.Find("x/1")!.Routes[0].Failed(new UpstreamFault(UpstreamFailure.Operator, 401));
        Assert.True(catalog.Find("x/2")!.Routes[0].Cooling > TimeSpan.Zero);
    }

    [Fact]
    public void Health_OfAnUpstreamThatSaysHowLong_IsAsItSays()
    {
        var route = _bench.Build(Config("x/m", To("a"))).Find("x/m")!.Routes[0];
        route.Failed(new UpstreamFault(UpstreamFailure.Operator, 403, RetryAfter: TimeSpan.FromSeconds(90)));
        Assert.InRange(route.Cooling.TotalSeconds, 89.9, 90.1);
        // Of the model's rest and the upstream's the longer one shows.
        route.Failed(new UpstreamFault(UpstreamFailure.RateLimited, 429, RetryAfter: TimeSpan.FromSeconds(200)));
        Assert.InRange(route.Cooling.TotalSeconds, 199.9, 200.1);
    }

    [Theory]
    [InlineData(nameof(UpstreamFailure.ServerError))]
    [InlineData(nameof(UpstreamFailure.Connect))]
    public void Health_OfARouteThatAnswers_IsGoodAgain(string failure)
    {
        var route = _bench.Build(Config("x/m", To("a"))).Find("x/m")!.Routes[0];
        route.Failed(new UpstreamFault(Enum.Parse<UpstreamFailure>(failure)));
        Assert.True(route.Cooling > TimeSpan.Zero);
        route.Succeeded(_bench.Clock.GetTimestamp());
        Assert.Equal(TimeSpan.Zero, route.Cooling);
    }

    [Fact]
    public void Name_AtTheUpstream_IsWhatFollowsTheFirstSlash() =>
        Assert.Equal("vendor/model", ModelCatalog.UpstreamModel("gate/vendor/model", new RouteConfig { Upstream = "gate" }));

    private UnknownParameters Effective(UnknownParameters? model, UnknownParameters? upstream)
    {
        var config = Config(new() { ["x/m"] = Priced(To("a")) with { UnknownParameters = model } });
        config = config with { Upstreams = new Dictionary<string, UpstreamConfig> { ["a"] = config.Upstreams["a"] with { UnknownParameters = upstream } } };
        return _bench.Build(config).Find("x/m")!.Routes[0].Model.UnknownParameters;
    }
}
