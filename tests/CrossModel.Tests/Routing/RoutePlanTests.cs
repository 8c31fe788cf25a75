using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;
using static CrossModel.Tests.Routing.RoutingBench;

namespace CrossModel.Tests.Routing;

public sealed class RoutePlanTests
{
    private readonly RoutingBench _bench = new();

    [Fact]
    public void Plan_OfThreeRoutes_IsTheConfigurationsOrder() => Assert.Equal(["a", "b", "c"], Plan(Config("x/m", To("a"), To("b"), To("c"))));

    [Fact]
    public void Plan_OfTwentyRoutes_HasThemAll() => Assert.Equal(20, Plan(Config("x/m", [.. Enumerable.Range(0, 20).Select(i => To($"u{i}"))])).Count);

    [Fact]
    public void Plan_WithPriorities_PutsTheLowerFirst() => Assert.Equal(["c", "b", "a"], Plan(Config("x/m", To("a", 3), To("b", 2), To("c", 1))));

    [Fact]
    public void Plan_WithEqualPriorities_SharesByWeight()
    {
        var catalog = _bench.Build(Config("x/m", To("a", 1, 3), To("b", 1, 1)));
        var random = new Random(7);
        var first = Enumerable.Range(0, 4000).Count(_ => Names(Made(catalog, null, random))[0] == "a");
        Assert.InRange(first, 2850, 3150);
    }

    [Fact]
    public void Plan_OfASingleRoute_AllocatesNothing()
    {
        var catalog = _bench.Build(Config("x/m", To("a")));
        var (model, now) = (new ModelChoice(catalog.Find("x/m")!), _bench.Now);
        RoutePlan.Make(model, null, now, out _);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++) RoutePlan.Make(model, null, now, out _);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Plan_AfterAFailure_PutsTheRestingRouteLast_UntilItHasRested()
    {
        var catalog = _bench.Build(Config("x/m", To("a"), To("b")));
        catalog.Find("x/m")!.Routes[0].Failed(new UpstreamFault(UpstreamFailure.ServerError, 500));
        Assert.Equal(["b", "a"], Names(Made(catalog)));
        _bench.Clock.Advance(TimeSpan.FromSeconds(2.1));
        Assert.Equal(["a", "b"], Names(Made(catalog)));
    }

    [Fact]
    public void Plan_WhenAllRest_PutsTheLeastRestingFirst()
    {
        var catalog = _bench.Build(Config("x/m", To("a"), To("b")));
        var routes = catalog.Find("x/m")!.Routes;
        routes[0].Failed(new UpstreamFault(UpstreamFailure.RateLimited, 429, RetryAfter: TimeSpan.FromSeconds(60)));
        routes[1].Failed(new UpstreamFault(UpstreamFailure.RateLimited, 429, RetryAfter: TimeSpan.FromSeconds(5)));
        Assert.Equal(["b", "a"], Names(Made(catalog)));
    }

    [Fact]
    public void Plan_OfTwoRoutesOfOneRestingUpstream_KeepsTheirPriority()
    {
        var catalog = _bench.Build(Config("x/m", To("a"), To("a") with { Model = "other" }));
        catalog.Find("x/m")!.Routes[1].Failed(new UpstreamFault(UpstreamFailure.Connect));
        Assert.Equal("m", Made(catalog)[0].Model.UpstreamModel);
    }

    [Fact]
    public void Plan_AfterAnUpstreamRefusedItsKey_PutsItsOtherModelsLastToo()
    {
        var catalog = _bench.Build(Config(new() { ["x/m"] = Priced(To("a"), To("b")), ["x/other"] = Priced(To("a") with { Model = "other" }) }));
        catalog.Find("x/other")!.Routes[0].Failed(new UpstreamFault(UpstreamFailure.Operator, 401));
        Assert.Equal(["b", "a"], Names(Made(catalog)));
    }

    [Fact]
    public void Plan_OfALoneRestingRoute_StillHasIt()
    {
        var catalog = _bench.Build(Config("x/m", To("a")));
        catalog.Find("x/m")!.Routes[0].Failed(new UpstreamFault(UpstreamFailure.Operator, 401));
        Assert.Equal(["a"], Names(Made(catalog)));
    }

    [Fact]
    public void Plan_OfSeveralModels_TriesThemInTheCallersOrder()
    {
        var catalog = _bench.Build(Config(new() { ["x/1"] = Priced(To("a"), To("b")), ["x/2"] = Priced(To("c")) }));
        Assert.Null(catalog.Resolve("x/2", ["nobody/knows", "x/1", "x/1", "x/2"], null, _bench.Now, out var choice));
        Assert.Null(RoutePlan.Make(choice, null, _bench.Now, out var plan));
        Assert.Equal(["c", "a", "b"], Names(plan));
        Assert.Equal("x/1", plan[2].Owner.Id);
    }

    [Fact]
    public void Order_OfTheCaller_GoesBeforeHealthAndPriority_AndTheRestFollow()
    {
        var catalog = _bench.Build(Config("x/m", To("a"), To("b"), To("c")));
        catalog.Find("x/m")!.Routes[2].Failed(new UpstreamFault(UpstreamFailure.ServerError, 500));
        var wishes = new RoutePreferences { Order = ["c", "unknown", "b"] };
        Assert.Null(RouteWishes.Check(wishes, catalog));
        Assert.Equal(["c", "b", "a"], Names(Made(catalog, wishes)));
    }

    [Fact]
    public void Order_WithoutFallbacks_LeavesOnlyWhatItNames() =>
        Assert.Equal(["c", "a"], Plan(Three(), new RoutePreferences { Order = ["c", "a"], AllowFallbacks = false }));

    [Fact]
    public void NoFallbacks_WithoutAnOrder_LeavesTheBestRouteAlone() =>
        Assert.Equal(["a"], Plan(Three(), new RoutePreferences { AllowFallbacks = false }));

    [Fact]
    public void OnlyAndIgnore_Together_LeaveWhatBothAllow() =>
        Assert.Equal(["b"], Plan(Three(), new RoutePreferences { Only = ["a", "b"], Ignore = ["a"] }));

    [Fact]
    public void SortByPrice_OfTheRoutes_PutsTheCheapestFirst()
    {
        var config = Config("x/m", To("a", cost: 0.5m), To("b", cost: 0.9m), To("c", cost: 0.1m), To("d") with { Cost = Price(0.1m, 3) });
        Assert.Equal(["c", "a", "b", "d"], Plan(config, new RoutePreferences { Sort = "price" }));
        Assert.Equal(["a", "b", "c", "d"], Plan(config, new RoutePreferences { RequireParameters = true }));
    }

    [Fact]
    public void RequireParameters_OfTheCaller_IsOnThePlan() =>
        Assert.True(Made(_bench.Build(Three()), new RoutePreferences { RequireParameters = true }).RequiresAllParameters);

    public static TheoryData<string, string> Unobeyable() => new()
    {
        { "order", "provider.order" },
        { "only", "provider.only" },
        { "ignore", "provider.ignore" },
        { "input", "provider.max_price" },
        { "output", "provider.max_price" },
    };

    [Theory]
    [MemberData(nameof(Unobeyable))]
    public void Wish_ThatCannotBeObeyed_Is400NamingIt(string wish, string param)
    {
        var refusal = Refused(Three(), wish switch
        {
            "order" => new RoutePreferences { Order = ["unknown"], AllowFallbacks = false },
            "only" => new RoutePreferences { Only = ["unknown"] },
            "ignore" => new RoutePreferences { Ignore = ["a", "b", "c"] },
            "input" => new RoutePreferences { MaxInputPrice = 0.99m },
            _ => new RoutePreferences { MaxOutputPrice = 1.99m },
        });
        Assert.Equal((400, "unsupported_parameter", param), (refusal.Status, refusal.Code, refusal.Param));
    }

    [Fact]
    public void MaxPrice_ThatTheModelMeets_IsObeyed() =>
        Assert.Equal(3, Plan(Three(), new RoutePreferences { MaxInputPrice = 1, MaxOutputPrice = 2 }).Count);

    [Fact]
    public void Names_WhereUpstreamsAreHidden_AreRefusedAndTheRestObeyed()
    {
        var hidden = Three() with { ExposeUpstream = false };
        Assert.Equal("provider.order", Refused(hidden, new RoutePreferences { Order = ["a"] }).Param);
        Assert.Equal("provider.only", Refused(hidden, new RoutePreferences { Only = ["a"] }).Param);
        Assert.Equal("provider.ignore", Refused(hidden, new RoutePreferences { Ignore = ["a"] }).Param);
        Assert.Equal(["a"], Plan(hidden, new RoutePreferences { AllowFallbacks = false, Sort = "price" }));
    }

    [Fact]
    public void Seats_OfAFullRoute_AreRefused_AndFreedOnLeave()
    {
        var catalog = _bench.Build(Config("x/m", To("a", maxParallel: 1), To("b")));
        var route = catalog.Find("x/m")!.Routes[0];
        Assert.True(route.TryEnter());
        Assert.False(route.TryEnter());
        route.Leave();
        Assert.True(route.TryEnter());
        Assert.Equal((503, TimeSpan.FromSeconds(1)), (RoutePlan.AllFull().Status, RoutePlan.AllFull().RetryAfter));
    }

    [Fact]
    public void Seats_OfARouteWhoseUpstreamIsFull_AreNotTaken()
    {
        var config = Config(new() { ["x/1"] = Priced(To("a", maxParallel: 1)), ["x/2"] = Priced(To("a")) });
        var catalog = _bench.Build(config with { Upstreams = new Dictionary<string, UpstreamConfig> { ["a"] = config.Upstreams["a"] with { MaxParallel = 1 } } });
        var (route, other) = (catalog.Find("x/1")!.Routes[0], catalog.Find("x/2")!.Routes[0]);
        Assert.True(other.TryEnter());
        Assert.False(route.TryEnter());
        other.Leave();
        Assert.True(route.TryEnter());
    }

    private static GatewayConfig Three() => Config("x/m", To("a"), To("b"), To("c"));

    private List<string> Plan(GatewayConfig config, RoutePreferences? wishes = null) => Names(Made(_bench.Build(config), wishes));

    private RoutePlan Made(ModelCatalog catalog, RoutePreferences? wishes = null, Random? random = null)
    {
        Assert.Null(RoutePlan.Make(new ModelChoice(catalog.All[0]), wishes, _bench.Now, out var plan, random));
        return plan;
    }

    private ApiError Refused(GatewayConfig config, RoutePreferences wishes)
    {
        var catalog = _bench.Build(config);
        var refusal = RouteWishes.Check(wishes, catalog) ?? RoutePlan.Make(new ModelChoice(catalog.All[0]), wishes, _bench.Now, out _);
        Assert.NotNull(refusal);
        return refusal;
    }
}
