using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.Dialects;

namespace CrossModel.Routing;

/// <summary>One public model as it is in force: who serves it, what is known of it, what it costs.</summary>
internal sealed class Model(string id, ModelConfig config, ModelFacts facts, PriceList price, DateTimeOffset? released)
{
    /// <summary>What callers write in <c>model</c>.</summary>
    public string Id => id;
    public ModelConfig Config => config;

    /// <summary>The configuration over the catalogue's facts of the first route that has some.</summary>
    public ModelFacts Facts => facts;

    /// <summary>Has at least one version. While the first lies in the future <see cref="PriceList.At"/> is null and the model is off.</summary>
    public PriceList Price => price;

    /// <summary>Null: the catalogue does not know it.</summary>
    public DateTimeOffset? Released => released;

    /// <summary>Tokens held for media of unknown size.</summary>
    public MediaTokens Media { get; } = MediaOf(config.MediaTokens ?? new MediaTokensConfig());

    /// <summary>What each account may take of it; null: it has no limits.</summary>
    public ModelTerms? Limits { get; } = LimitsOf(id, config.Limits);

    /// <summary>At least one, in the configuration's order. An array: a plan needs no enumerator.</summary>
    public Route[] Routes { get; init; } = [];

    private static MediaTokens MediaOf(MediaTokensConfig tokens) => new(tokens.Image, tokens.Page, tokens.AudioSecond, tokens.Video);

    private static ModelTerms? LimitsOf(string id, ModelLimitsConfig? limits)
    {
        if (limits is null) return null;
        var terms = new Terms
        {
            RequestsPerMinute = limits.Rpm,
            TokensPerMinute = limits.Tpm,
            Parallel = limits.Parallel,
            SpendDay = Prices.Nano(limits.SpendDay),
            SpendMonth = Prices.Nano(limits.SpendMonth),
            SpendTotal = Prices.Nano(limits.SpendTotal),
        };
        return terms.IsNone ? null : new ModelTerms(id, terms);
    }
}

/// <summary>One way to serve a model.</summary>
internal sealed class Route(Model owner, Upstream upstream, RouteConfig config, RouteModel model, int priority, Seats? seats, PriceList? cost)
{
    private readonly UpstreamHealth _health = upstream.HealthOf(model.UpstreamModel);

    /// <summary>The public model that this route serves.</summary>
    public Model Owner => owner;
    public Upstream Upstream => upstream;
    public RouteConfig Config => config;
    public RouteModel Model => model;

    /// <summary>Lower is tried first.</summary>
    public int Priority => priority;

    /// <summary>Share of the traffic among equal priorities; above zero.</summary>
    public double Weight => config.Weight;

    /// <summary>Null: the route has no limit of its own.</summary>
    public Seats? Seats => seats;

    /// <summary>What the operator pays; null: unknown.</summary>
    public PriceList? Cost => cost;

    /// <summary>The clock's timestamp until which this route or its upstream rests; 0: it is well.</summary>
    public long RestsUntil => Math.Max(_health.RestsUntil, upstream.Health.RestsUntil);

    /// <summary>Time it still rests, for people; zero when it is well.</summary>
    public TimeSpan Cooling => _health.Cooling > upstream.Health.Cooling ? _health.Cooling : upstream.Health.Cooling;

    /// <summary>False: the route or its upstream is at its limit of parallel calls, skip it. True: <see cref="Leave"/> when the call has ended, its stream included.</summary>
    public bool TryEnter()
    {
        if (seats is not null && !seats.TryTake()) return false;
        if (upstream.Seats.TryTake()) return true;
        seats?.Free();
        return false;
    }

    public void Leave()
    {
        upstream.Seats.Free();
        seats?.Free();
    }

    /// <summary>Notes a failure as the failure table says.</summary>
    public void Failed(UpstreamFault fault)
    {
        var rule = FailureRules.Of(fault);
        if (rule.Cools == Cools.Model) _health.Failed(rule.Rest, fault.RetryAfter);
        else if (rule.Cools == Cools.Upstream) upstream.Health.Failed(rule.Rest, fault.RetryAfter);
    }

    /// <summary>A reply was read to its end.</summary>
    /// <param name="begun">The clock's timestamp at which it was asked for.</param>
    public void Succeeded(long begun)
    {
        _health.Succeeded(begun);
        upstream.Health.Succeeded(begun);
    }
}
