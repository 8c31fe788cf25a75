using CrossModel.Configuration;

namespace CrossModel.Tests.Configuration;

public sealed class ConfigLoaderTests
{
    [Fact]
    public void File_WithCommentsTrailingCommasAndByteOrderMark_IsRead()
    {
        var config = Given.Good("\uFEFF// first\n{ \"$schema\": \"./crossmodel.schema.json\", /* two */ \"exposeUpstream\": true, \"passthrough\": [\"a\", \"b\",], }");
        Assert.True(config.ExposeUpstream);
        Assert.Equal(["a", "b"], config.Passthrough);
    }

    [Fact]
    public void File_OfTheInterface_GivesItsValuesAndDefaults()
    {
        var config = Given.Good("""
            { "urls": "http://127.0.0.1:8080", "database": "sqlite:crossmodel.db",
              "upstreams": { "local": { "dialect": "openai", "baseUrl": "http://127.0.0.1:9001/v1", "apiKey": "${UPSTREAM_KEY}",
                "timeouts": { "connect": "300ms", "firstByte": "100s", "total": "20m" } } },
              "models": { "local/test-model": { "routes": [ { "upstream": "local", "model": "test-model" } ],
                "price": { "input": 1.00, "cachedInput": 0.10, "output": 2.00 } } } }
            """, ("UPSTREAM_KEY", "sk-1"));
        var upstream = config.Upstreams["local"];
        Assert.Equal(("openai", "http://127.0.0.1:9001/v1", "sk-1"), (upstream.Dialect, upstream.BaseUrl, upstream.ApiKey));
        Assert.Equal(TimeSpan.FromMilliseconds(300), upstream.Timeouts.Connect);
        Assert.Equal(TimeSpan.FromSeconds(100), upstream.Timeouts.Idle);
        var model = config.Models["local/test-model"];
        Assert.Equal(("local", "test-model", 1.0), (model.Routes[0].Upstream, model.Routes[0].Model, model.Routes[0].Weight));
        var price = Assert.Single(model.Price!.Versions);
        Assert.Equal((1.00m, 0.10m, 2.00m, null), (price.Input, price.CachedInput, price.Output, price.Reasoning));
        Assert.Equal("sqlite:/etc/crossmodel/crossmodel.db", config.Database);
        Assert.Equal(TimeSpan.FromSeconds(30), config.ShutdownTimeout);
    }

    [Fact]
    public void Price_FreeObjectOrVersions_IsReadInEachForm()
    {
        Assert.True(Given.Good(Given.Model("", price: "\"free\"")).Models["a/b"].Price!.IsFree);
        var versions = Given.Good(Given.Model("", price: """
            [{ "input": 1, "output": 2, "tiers": [{ "above": 200000, "input": 2 }] }, { "from": "2026-12-01T00:00:00Z", "input": 3e-1, "output": 4, "request": 0.000000001 }]
            """)).Models["a/b"].Price!;
        Assert.Equal(2, versions.Versions.Count);
        Assert.Equal((200000, 2m), (versions.Versions[0].Tiers[0].Above, versions.Versions[0].Tiers[0].Input));
        Assert.Equal(new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero), versions.Versions[1].From);
        Assert.Equal((0.3m, 0.000000001m), (versions.Versions[1].Input, versions.Versions[1].Request));
    }

    [Fact]
    public void NoFile_Defaults_AreGoodAndRelativeToTheWorkingFolder()
    {
        var loaded = ConfigLoader.Load(null, new Dictionary<string, string>(), expandSecrets: true, Given.Rules);
        Assert.Empty(loaded.Faults);
        Assert.Null(loaded.File);
        Assert.Equal("sqlite:" + Path.GetFullPath("data/crossmodel.db"), loaded.Config!.Database);
    }

    [Fact]
    public void File_ThatIsNotThere_IsAFault()
    {
        using var given = new Given();
        File.Delete(given.File);
        var loaded = given.Load();
        Assert.Null(loaded.Config);
        Assert.Contains("does not exist", Assert.Single(loaded.Faults).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void RelativePaths_StartAtTheFilesFolder()
    {
        using var given = new Given("""{ "database": "sqlite:data/x.db", "upstreams": { "v": { "dialect": "vertex", "serviceAccount": "keys/sa.json", "apiKey": "${file:key.txt}" } } }""");
        Directory.CreateDirectory(Path.Combine(given.Folder, "keys"));
        File.WriteAllText(Path.Combine(given.Folder, "keys/sa.json"), "{}");
        File.WriteAllText(Path.Combine(given.Folder, "key.txt"), "secret-1\r\n");
        var loaded = given.Load();
        Assert.Equal("sqlite:" + Path.Combine(given.Folder, "data/x.db"), loaded.Config!.Database);
        Assert.Equal(Path.Combine(given.Folder, "keys/sa.json"), loaded.Config.Upstreams["v"].ServiceAccount);
        Assert.Equal("secret-1", loaded.Config.Upstreams["v"].ApiKey);
        Assert.Equal([Path.Combine(given.Folder, "key.txt")], loaded.SecretFiles.Keys);
    }

    [Theory]
    [InlineData("${A}", "one")]
    [InlineData("${A}-${A}", "one-one")]
    [InlineData("${NONE:-x:y}", "x:y")]
    [InlineData("${EMPTY:-x}", "x")]
    [InlineData("${A:-x}", "one")]
    [InlineData("$${A}", "${A}")]
    [InlineData("a$b{c}", "a$b{c}")]
    [InlineData("$${A}${A}", "${A}one")]
    public void Text_WithExpansions_IsExpanded(string written, string expected) =>
        Assert.Equal(expected, Given.Good(Given.Upstream($"\"project\": \"{written}\""), ("A", "one"), ("EMPTY", "")).Upstreams["local"].Project);

    [Theory]
    [InlineData("${NONE}", "NONE is not set")]
    [InlineData("${A", "not closed")]
    [InlineData("${}", "not the name")]
    [InlineData("${1A}", "not the name")]
    [InlineData("${file:/nowhere/at/all}", "does not exist")]
    public void Text_WithABrokenExpansion_IsAFault(string written, string message)
    {
        var fault = Given.Fault(Given.Upstream($"\"apiKey\": \"{written}\""));
        Assert.Equal("upstreams.local.apiKey", fault.Path);
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Expansion_OfScalars_MayStandForNumbersFlagsAndDurations()
    {
        var config = Given.Good("""{ "exposeUpstream": "${FLAG}", "shutdownTimeout": "${TIME:-5s}", "limits": { "fanOut": "${N}" } }""", ("FLAG", "true"), ("N", "4"));
        Assert.Equal((true, TimeSpan.FromSeconds(5), 4), (config.ExposeUpstream, config.ShutdownTimeout, config.Limits.FanOut));
    }

    [Fact]
    public void UnsetVariable_WhereSecretsAreNotNeeded_IsNoFaultButTheDatabasesIs()
    {
        using var given = new Given("""
            { "upstreams": { "x": { "baseUrl": "${URL}", "apiKeys": ["${KEY}"] } },
              "models": { "a/b": { "routes": [{ "upstream": "${UP}" }], "price": { "input": "${P}", "output": 1 } } } }
            """);
        Assert.Empty(given.Load(expandSecrets: false).Faults);
        Assert.Equal(4, given.Load(expandSecrets: true).Faults.Count);
        given.Write("""{ "database": "${DB}" }""");
        var loaded = given.Load(expandSecrets: false);
        Assert.Equal("database", Assert.Single(loaded.Faults).Path);
        Assert.Null(loaded.Database);
    }

    [Fact]
    public void EmptyText_OfAnOptionalSetting_CountsAsNotGiven() =>
        Assert.Null(Given.Good(Given.Upstream("\"preset\": \"${NAME}\""), ("NAME", "")).Upstreams["local"].Preset);

    [Fact]
    public void Database_IsKnown_ThoughOtherThingsAreAtFault()
    {
        Assert.Equal("sqlite:/etc/crossmodel/x.db", Given.LoadText("""{ "database": "sqlite:x.db", "shutdownTimeout": "soon" }""").Database);
        Assert.Equal("sqlite:/etc/crossmodel/x.db", Given.LoadText("""{ "database": "sqlite:x.db", "models": { """).Database);
        Assert.Null(Given.LoadText("{ \"models\": { ").Database);
        Assert.Null(Given.LoadText("""{ "database": "mysql://x" }""").Database);
    }
}
