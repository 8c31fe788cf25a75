using CrossModel.Configuration;

namespace CrossModel.Tests.Configuration;

public sealed class EnvironmentOverrideTests
{
    [Fact]
    public void Override_WithoutAFile_SetsSingleValues()
    {
        var environment = new Dictionary<string, string> { ["CROSSMODEL__URLS"] = "http://127.0.0.1:1", ["CROSSMODEL__DATABASE"] = "postgresql://u:p@h/d", ["CROSSMODEL__LIMITS__FANOUT"] = "3" };
        var config = ConfigLoader.Load(null, environment, expandSecrets: true, Given.Rules).Config!;
        Assert.Equal(("http://127.0.0.1:1", "postgresql://u:p@h/d", 3), (config.Urls, config.Database, config.Limits.FanOut));
    }

    [Fact]
    public void Override_OfExistingNames_MatchesWhateverTheCase()
    {
        var config = Given.Good(Given.Model(""), ("crossmodel__UPSTREAMS__LOCAL__APIKEY", "sk-${not-expanded}"), ("CROSSMODEL__Models__A/B__Routes__0__MAXPARALLEL", "7"),
            ("CROSSMODEL__MODELS__A/B__PRICE", "free"));
        Assert.Equal("sk-${not-expanded}", config.Upstreams["local"].ApiKey);
        Assert.Equal(7, config.Models["a/b"].Routes[0].MaxParallel);
    }

    [Fact]
    public void Override_OfAPriceMember_ReachesIntoTheObjectAndTheList()
    {
        (string, string) input = ("CROSSMODEL__MODELS__a/b__PRICE__INPUT", "9.5");
        Assert.Equal(9.5m, Given.Good(Given.Model("", price: """{ "input": 1, "output": 2 }"""), input).Models["a/b"].Price!.Versions[0].Input);
        Assert.Equal(8m, Given.Good(Given.Model("", price: """[{ "input": 1, "output": 2 }]"""), ("CROSSMODEL__MODELS__a/b__PRICE__0__INPUT", "8")).Models["a/b"].Price!.Versions[0].Input);
    }

    [Fact]
    public void Override_BuildsANewUpstream()
    {
        var config = Given.Good("{}", ("CROSSMODEL__UPSTREAMS__new__BASEURL", "http://127.0.0.1/v1"), ("CROSSMODEL__UPSTREAMS__new__APIKEYS__0", "k"));
        Assert.Equal(["k"], config.Upstreams["new"].ApiKeys);
        Assert.Equal("http://127.0.0.1/v1", config.Upstreams["new"].BaseUrl);
    }

    [Theory]
    [InlineData("CROSSMODEL__URLZ", "did you mean \"urls\"?")]
    [InlineData("CROSSMODEL__LIMITS__FANOUTS", "did you mean \"fanOut\"?")]
    [InlineData("CROSSMODEL__URLS__0", null)]
    [InlineData("CROSSMODEL__TRUSTEDPROXIES__3", null)]
    [InlineData("CROSSMODEL__", null)]
    public void Override_OfNothingKnown_IsAFault(string variable, string? hint)
    {
        var fault = Given.Fault("{}", (variable, "1"));
        Assert.Equal((variable, null), (fault.Path, fault.Line));
        if (hint is not null)
            Assert.Equal(hint, fault.Hint);
    }

    [Theory]
    [InlineData("CROSSMODEL__URLS", "nonsense", "urls")]
    [InlineData("CROSSMODEL__LIMITS__FANOUT", "many", "limits.fanOut")]
    [InlineData("CROSSMODEL__UPSTREAMS__LOCAL__APIKEY", "", "upstreams.local.apiKey")]
    [InlineData("CROSSMODEL__TRUSTEDPROXIES__0", "nearby", "trustedProxies[0]")]
    public void Override_AtFault_IsBlamedOnItsVariable(string variable, string value, string path)
    {
        var fault = Given.Fault(Given.Upstream("\"baseUrl\": \"http://127.0.0.1/v1\""), (variable, value));
        Assert.Equal((path, variable, null), (fault.Path, fault.Variable, fault.Line));
        Assert.EndsWith($" (set by {variable})", fault.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("CROSSMODEL__DATABASE", "mysql://root:hunter2@db/x")]
    [InlineData("CROSSMODEL__SHUTDOWNTIMEOUT", "hunter2")]
    [InlineData("CROSSMODEL__UPSTREAMS__x__DIALECT", "hunter2")]
    [InlineData("CROSSMODEL__UNKNOWNPARAMETERS", "hunter2")]
    [InlineData("CROSSMODEL__STORAGE__SYNCHRONOUS", "hunter2")]
    [InlineData("CROSSMODEL__LIMITS__FANOUT", "hunter2")]
    [InlineData("CROSSMODEL__METRICS__URLS", "http://hunter2@x/")]
    public void Override_AtFault_IsNotQuoted(string variable, string value) =>
        Assert.DoesNotContain("hunter2", Given.Fault("{}", (variable, value)).ToString(), StringComparison.Ordinal);
}
