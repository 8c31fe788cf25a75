using System.Text;
using CrossModel.Configuration;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Configuration;

public sealed class ConfigFaultTests
{
    [Fact]
    public void Faults_OfEveryKind_AreReportedAtOnce()
    {
        var loaded = Given.LoadText("""
            {
              "urlz": "http://127.0.0.1:8080",
              "shutdownTimeout": "30",
              "upstreams": { "local": { "baseUrl": "ftp://x", "dialect": "opanai" } },
              "models": {
                "a/b": { "routes": [ { "upstream": "locl" } ], "price": { "input": -1, "output": 1 } },
                "a/c": { "routes": [ { "upstream": "local" } ] }
              }
            }
            """);
        Assert.Null(loaded.Config);
        Assert.Equal(
        [
            "urlz: there is no such setting; did you mean \"urls\"? (line 2)",
            "shutdownTimeout: a duration such as \"300ms\", \"30s\", \"5m\", \"24h\" or \"90d\" is expected, not \"30\" (line 3)",
            "upstreams.local.dialect: there is no such dialect; did you mean \"openai\"? (line 4)",
            "upstreams.local.baseUrl: this is not an http or https address; write \"https://host/v1\" (line 4)",
            "models[\"a/b\"].price.input: 0 is the least (line 6)",
            "models[\"a/b\"].routes[0].upstream: no upstream is named \"locl\"; did you mean \"local\"? (line 6)",
            "models[\"a/c\"].price: the model has no price and is off until it has one; state { \"input\": …, \"output\": … } in USD per million tokens, or \"free\" (line 7)",
        ], loaded.Faults.Select(fault => fault.ToString()));
    }

    [Theory]
    [InlineData("{ \"urls\": 5 }", "urls", "a text in quotes is expected, not a number")]
    [InlineData("{ \"upstreams\": [] }", "upstreams", "an object { … } is expected, not a list")]
    [InlineData("{ \"trustedProxies\": \"10.0.0.1\" }", "trustedProxies", "a list [ … ] is expected, not this text")]
    [InlineData("{ \"exposeUpstream\": \"yes\" }", "exposeUpstream", "true or false is expected, not this text")]
    [InlineData("{ \"limits\": { \"fanOut\": \"5\" } }", "limits.fanOut", "a whole number is expected, not this text")]
    [InlineData("{ \"limits\": { \"fanOut\": 1.5 } }", "limits.fanOut", "a whole number is expected, not 1.5")]
    [InlineData("{ \"limits\": { \"fanOut\": 0 } }", "limits.fanOut", "1 is the least")]
    [InlineData("{ \"limits\": { \"bodyBytes\": 3000000000 } }", "limits.bodyBytes", "2147483647 is the most")]
    [InlineData("{ \"limits\": { \"keepAlive\": \"0s\" } }", "limits.keepAlive", "1ms is the least")]
    [InlineData("{ \"limits\": { \"keepAlive\": \"90d\" } }", "limits.keepAlive", "24d is the most")]
    [InlineData("{ \"unknownParameters\": \"rejct\" }", "unknownParameters", "\"reject\", \"ignore\", \"forward\" is expected, not \"rejct\"")]
    [InlineData("{ \"storage\": { \"synchronous\": \"none\" } }", "storage.synchronous", "\"full\", \"normal\" is expected, not \"none\"")]
    [InlineData("{ \"urls\": \"localhost:8080\" }", "urls", "an address to listen on is expected")]
    [InlineData("{ \"urls\": \"http://127.0.0.1:1;http://x/path\" }", "urls", "an address to listen on is expected")]
    [InlineData("{ \"models\": { \"a\": { \"routes\": [{ \"upstream\": \"x\" }], \"price\": { \"input\": 1, \"output\": 1, \"image\": 9001 } } }, \"upstreams\": { \"x\": {} } }", "models.a.price", "a request, an image or a second of audio costs 9000 USD at most")]
    [InlineData("{ \"models\": { \"a\": { \"routes\": [{ \"upstream\": \"x\" }], \"price\": \"free\", \"mediaTokens\": { \"image\": 5000000000000000000 } } }, \"upstreams\": { \"x\": {} } }", "models.a.mediaTokens.image", "100000000 is the most")]
    [InlineData("{ \"urls\": \"\" }", "urls", "an address to listen on is expected")]
    [InlineData("{ \"urls\": \"http://127.0.0.1:99999\" }", "urls", "an address to listen on is expected")]
    [InlineData("{ \"urls\": \"http://@127.0.0.1:1\" }", "urls", "a host name is no address to listen on")]
    [InlineData("{ \"urls\": \"http://127.0.0.1:\" }", "urls", "a host name is no address to listen on")]
    [InlineData("{ \"urls\": \"http://127.0.0.1:1/.\" }", "urls", "an address to listen on is expected")]
    [InlineData("{ \"urls\": \"http:\\\\127.0.0.1:1\" }", "urls", "an address to listen on is expected")]
    [InlineData("{ \"urls\": \"http://localhost:0\" }", "urls", "localhost is two addresses, which cannot be given one free port")]
    [InlineData("{ \"urls\": \"https://127.0.0.1:1\" }", "urls", "TLS is not spoken here")]
    [InlineData("{ \"urls\": \"http://127.0.0.1:1;http://myhost.example:1\" }", "urls", "a host name is no address to listen on")]
    [InlineData("{ \"metrics\": { \"urls\": \"https://127.0.0.1:1\" } }", "metrics.urls", "TLS is not spoken here")]
    [InlineData("{ \"urls\": \"http://127.0.0.1:1; http://127.0.0.1:1/\" }", "urls", "an address stands here twice")]
    [InlineData("{ \"metrics\": { \"urls\": \"http://127.0.0.1:0;http://localhost:2;http://localhost:2\" } }", "metrics.urls", "an address stands here twice")]
    [InlineData("{ \"database\": \"sqlite:/\" }", "database", "this is a folder, not a file")]
    [InlineData("{ \"database\": \"sqlite:../\" }", "database", "this is a folder, not a file")]
    [InlineData("{ \"upstreams\": [], \"models\": { \"a\": { \"routes\": [{ \"upstream\": \"x\" }], \"price\": \"free\" } } }", "upstreams", "an object { … } is expected, not a list")]
    [InlineData("{ \"upstreams\": { \"x\": \"openai\" }, \"models\": { \"a\": { \"routes\": [{ \"upstream\": \"x\" }], \"price\": \"free\" } } }", "upstreams.x", "an object { … } is expected, not this text")]
    [InlineData("{ \"database\": \"sqlite:\" }", "database", "the database file is not named")]
    [InlineData("{ \"database\": \"crossmodel.db\" }", "database", "this is not the address of a database")]
    [InlineData("{ \"database\": \"postgresql://host\" }", "database", "the server or the database is not named")]
    [InlineData("{ \"metrics\": { \"token\": \"scrape-me \" } }", "metrics.token", "a token cannot begin or end with a blank, nor have line breaks in it")]
    [InlineData("{ \"metrics\": { \"token\": \"\\tscrape-me\" } }", "metrics.token", "a token cannot begin or end with a blank, nor have line breaks in it")]
    [InlineData("{ \"metrics\": { \"token\": \"scrape\\nme\" } }", "metrics.token", "a token cannot begin or end with a blank, nor have line breaks in it")]
    [InlineData("{ \"trustedProxies\": [\"10.0.0.0/8\", \"::1\", \"nearby\"] }", "trustedProxies[2]", "this is neither an IP address nor a network")]
    [InlineData("{ \"alerts\": { \"webhook\": \"x\", \"secret\": \"s\", \"below\": 5 } }", "alerts.webhook", "this is not an http or https address")]
    [InlineData("{ \"alerts\": { \"below\": 0.0000000001 } }", "alerts.below", "an amount has at most 9 decimal places")]
    [InlineData("{ \"passthrough\": [null] }", "passthrough[0]", "null cannot stand in a list")]
    [InlineData("{ \"models\": { \"a/b\": null } }", "models[\"a/b\"]", "null cannot stand here")]
    [InlineData("[]", "$", "the configuration must be a JSON object")]
    [InlineData("", "$", "this is not valid JSON from line 1, byte 1 on")]
    [InlineData("{ \"urls\": \"http://127.0.0.1:1\"\n  \"database\": 1 }", "$", "this is not valid JSON from line 2, byte 3 on")]
    public void Setting_AtFault_IsNamedWithItsPath(string json, string path, string message)
    {
        var fault = Given.Fault(json);
        Assert.Equal((path, message, FaultKind.Fault), (fault.Path, fault.Message, fault.Kind));
    }

    /// <summary>Texts are quoted up to their 64th character, which may be the first half of a letter.</summary>
    [Fact]
    public void Text_WhoseCutFallsIntoALetter_IsQuotedWithoutIt()
    {
        var letters = new string('x', 63);
        Assert.Equal($"[\"{letters}…\"]", Given.Fault($"{{ \"{letters}😀\": 1 }}").Path);
        Assert.EndsWith($"is expected, not \"{letters}…\"", Given.Fault($"{{ \"unknownParameters\": \"{letters}😀\" }}").Message, StringComparison.Ordinal);
        Assert.EndsWith($"\"{letters}…\"", Given.Fault("{}", ($"CROSSMODEL__{letters}😀", "1")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://x.openai.azure.com/openai/v1?api-version=preview", "the version belongs into apiVersion")]
    [InlineData("https://host/v1?key=x", "keys belong into apiKey, extra headers into headers")]
    public void BaseUrl_WithAQuery_IsToldWhereItBelongs(string url, string hint) => Assert.Equal(hint, Given.Fault(Given.Upstream($"\"baseUrl\": \"{url}\"")).Hint);

    [Theory]
    [InlineData("{ \"urls\": \"http://127.0.0.1:0;http://127.0.0.1:0\", \"metrics\": { \"urls\": \"http://127.0.0.1:0\" } }")]
    [InlineData("{ \"urls\": \"http://127.0.0.1:1;http://[::1]:1;http://localhost:2\", \"metrics\": { \"urls\": \"http://127.0.0.1:3\" } }")]
    public void Addresses_ThatDiffer_AreNoFault(string json) => Given.Good(json);

    /// <summary>A warning, since --urls may be what the servers go by.</summary>
    [Theory]
    [InlineData("{ \"urls\": \"http://127.0.0.1:1;http://127.0.0.1:2\", \"metrics\": { \"urls\": \"http://127.0.0.1:2\" } }")]
    [InlineData("{ \"metrics\": { \"urls\": \"http://127.0.0.1:8080/\" } }")]
    public void MetricsAddress_ThatIsTheMainOne_IsAWarning(string json)
    {
        var fault = Given.Fault(json);
        Assert.Equal(("metrics.urls", FaultKind.Warning), (fault.Path, fault.Kind));
        Assert.Contains("urls has this address too", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void File_InUtf16_IsToldSo(bool bigEndian)
    {
        Encoding utf16 = new UnicodeEncoding(bigEndian, byteOrderMark: true);
        var loaded = ConfigLoader.LoadText([.. utf16.GetPreamble(), .. utf16.GetBytes("{ }")], "/etc/crossmodel/crossmodel.json", new Dictionary<string, string>(), expandSecrets: true, Given.Rules);
        Assert.Equal("the file is in UTF-16: save it as UTF-8", Assert.Single(loaded.Faults).Hint);
    }

    [Theory]
    [InlineData("\"baseUrl\": \"http://user:pw@host/v1\"", "baseUrl", "without user, query and fragment")]
    [InlineData("\"baseUrl\": \"http://host/v1/chat/completions\"", "baseUrl", "one operation")]
    [InlineData("\"preset\": \"olama\"", "preset", "no such preset")]
    [InlineData("\"apiKey\": \"a\", \"apiKeys\": [\"b\"]", "apiKeys", "both given")]
    [InlineData("\"apiKeys\": [\"a b\"]", "apiKeys[0]", "cannot have blanks")]
    [InlineData("\"accessKeyId\": \"a\\n\"", "accessKeyId", "cannot have blanks")]
    [InlineData("\"secretAccessKey\": \"a \"", "secretAccessKey", "cannot have blanks")]
    [InlineData("\"sessionToken\": \"a\\nb\"", "sessionToken", "cannot have blanks")]
    [InlineData("\"clientSecret\": \" a\"", "clientSecret", "cannot have blanks")]
    [InlineData("\"headers\": { \"Host\": \"x\" }", "headers.Host", "written by the gateway itself")]
    [InlineData("\"headers\": { \"a b\": \"x\" }", "headers[\"a b\"]", "not the name of a header")]
    [InlineData("\"headers\": { \"a\": \"x\\ny\" }", "headers.a", "line breaks")]
    [InlineData("\"serviceAccount\": \"nowhere.json\"", "serviceAccount", "does not exist")]
    [InlineData("\"timeouts\": { \"idle\": \"1h30m\" }", "timeouts.idle", "a duration")]
    [InlineData("\"apikey\": \"x\"", "apikey", "no such setting")]
    public void Upstream_AtFault_IsNamedWithItsPath(string members, string member, string message)
    {
        var fault = Given.Fault(Given.Upstream(members));
        Assert.Equal("upstreams.local." + member, fault.Path);
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"cheap\"", "price", "a price object, a list of price versions or \"free\" is expected", "Fault")]
    [InlineData("{ \"input\": 1 }", "price.output", "needs an output price", "Fault")]
    [InlineData("[{ \"output\": 1 }]", "price[0].input", "needs an input price", "Fault")]
    [InlineData("{ \"input\": 1, \"output\": 0.0000000001 }", "price.output", "at most 9 decimal places", "Fault")]
    [InlineData("{ \"input\": 1, \"output\": \"2\" }", "price.output", "an amount in USD", "Fault")]
    [InlineData("{ \"input\": 1, \"output\": 2, \"tiers\": [{ \"above\": 5 }] }", "price.tiers[0]", "names no price", "Fault")]
    [InlineData("{ \"input\": 1, \"output\": 2, \"tiers\": [{ \"above\": 5, \"input\": 1 }, { \"above\": 5, \"input\": 2 }] }", "price.tiers[1].above", "same size", "Fault")]
    [InlineData("[{ \"input\": 1, \"output\": 2 }, { \"input\": 3, \"output\": 4 }]", "price[1].from", "same time", "Fault")]
    [InlineData("{ \"input\": 0.00000025, \"cachedInput\": 0, \"output\": 0.000075 }", "price", "below 0.001 USD per million tokens", "Warning")]
    [InlineData("[]", "price", "no price in it", "MissingPrice")]
    [InlineData("[{ \"from\": \"2999-01-01T00:00:00Z\", \"input\": 3, \"output\": 4 }]", "price", "no price has begun yet", "MissingPrice")]
    public void Price_AtFault_IsNamedWithItsPath(string price, string member, string message, string kind)
    {
        var fault = Given.Fault(Given.Model("", price: price));
        Assert.Equal(($"models[\"a/b\"].{member}", kind), (fault.Path, fault.Kind.ToString()));
        Assert.Contains(message, fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ \"input\": 0, \"output\": 0, \"request\": 0.0001 }")]
    [InlineData("{ \"input\": 0.00000025, \"output\": 0.01 }")]
    [InlineData("{ \"input\": 0.001, \"output\": 0.001 }")]
    public void Price_ThatIsLowOrNothing_IsNoFault(string price) => Given.Good(Given.Model("", price: price));

    [Fact]
    public void Price_OfTheFuture_HoldsOnceItHasBegun()
    {
        using var given = new Given(Given.Model("", price: """[{ "from": "2999-01-01T00:00:00Z", "input": 3, "output": 4 }]"""));
        Assert.Equal(FaultKind.MissingPrice, Assert.Single(given.Load().Faults).Kind);
        var clock = new FakeClock();
        clock.SetUtcNow(new DateTimeOffset(2999, 1, 1, 0, 0, 0, TimeSpan.Zero));
        Assert.Empty(given.Load(rules: Given.Rules with { Time = clock }).Faults);
    }

    [Fact]
    public void Model_WithoutPrice_IsNoReasonToRejectTheFile()
    {
        var loaded = Given.LoadText("""{ "upstreams": { "x": {} }, "models": { "a/b": { "routes": [{ "upstream": "x" }] } } }""");
        Assert.Equal(("models[\"a/b\"].price", FaultKind.MissingPrice), (loaded.Faults[0].Path, Assert.Single(loaded.Faults).Kind));
        Assert.NotNull(loaded.Config);
        Assert.True(ConfigReport.HasErrors(loaded));
    }

    [Fact]
    public void Model_WithoutRoute_IsAFault() => Assert.Equal("models[\"a/b\"].routes", Given.Fault(Given.Model("", routes: "[]")).Path);

    [Fact]
    public void Webhook_WithoutASecret_IsAWarning()
    {
        var loaded = Given.LoadText("""{ "alerts": { "webhook": "https://a.example/", "below": 5 } }""");
        Assert.Equal(FaultKind.Warning, Assert.Single(loaded.Faults).Kind);
        Assert.NotNull(loaded.Config);
        Assert.False(ConfigReport.HasErrors(loaded));
    }

    [Fact]
    public void Webhook_WithoutAThreshold_IsAWarning()
    {
        var fault = Assert.Single(Given.LoadText("""{ "alerts": { "webhook": "https://a.example/", "secret": "s" } }""").Faults);
        Assert.Equal(("alerts.below", FaultKind.Warning), (fault.Path, fault.Kind));
        Assert.Empty(Given.LoadText("""{ "alerts": { "webhook": "https://a.example/", "secret": "s", "below": 0 } }""").Faults);
        Assert.Empty(Given.LoadText("""{ "alerts": { "secret": "s" } }""").Faults);
    }

    [Theory]
    [InlineData("$OPENAI_API_KEY")]
    [InlineData("\\\"sk-hunter2\\\"")]
    [InlineData("'sk-hunter2'")]
    public void Key_ThatAShellWouldHaveChanged_IsAWarning(string key)
    {
        var loaded = Given.LoadText($$"""{ "upstreams": { "x": { "baseUrl": "https://a.example/v1", "apiKey": "{{key}}" } } }""");
        var fault = Assert.Single(loaded.Faults);
        Assert.Equal(("upstreams.x.apiKey", FaultKind.Warning), (fault.Path, fault.Kind));
        Assert.NotNull(loaded.Config);
        Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("apikey", "apiKey")]
    [InlineData("api_key", "apiKey")]
    [InlineData("maxparallel", "maxParallel")]
    [InlineData("head", "headers")]
    public void Setting_Misspelt_IsToldTheNearestName(string written, string meant) =>
        Assert.Equal($"did you mean \"{meant}\"?", Given.Fault($$"""{ "upstreams": { "x": { "{{written}}": 1 } } }""").Hint);

    [Fact]
    public void Name_WrittenTwice_IsAFaultWithTheSecondsLine()
    {
        var fault = Given.Fault("{ \"upstreams\": { \"x\": {},\n\"x\": {} } }");
        Assert.Equal(("upstreams.x", 2), (fault.Path, fault.Line));
        Assert.Contains("twice", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void DialectsDemands_OnAnUpstream_AreReportedAtItsMember()
    {
        using var given = new Given(Given.Upstream("\"dialect\": \"openai\""));
        var rules = Given.Rules with { CheckUpstream = upstream => upstream.BaseUrl is null ? [new UpstreamRemark("baseUrl", "an address is needed")] : [] };
        Assert.Equal("upstreams.local.baseUrl: an address is needed (line 1)", Assert.Single(given.Load(rules: rules).Faults).ToString());
    }

    [Theory]
    [InlineData("\"dialect\": \"${SECRET}\"")]
    [InlineData("\"baseUrl\": \"${SECRET}\"")]
    [InlineData("\"preset\": \"${SECRET}\"")]
    [InlineData("\"apiKey\": \"${SECRET} ${SECRET}\"")]
    [InlineData("\"unknownParameters\": \"${SECRET}\"")]
    [InlineData("\"maxParallel\": \"${SECRET}\"")]
    [InlineData("\"fetchRemote\": \"${SECRET}\"")]
    [InlineData("\"timeouts\": { \"idle\": \"${SECRET}\" }")]
    [InlineData("\"headers\": { \"x\": \"${SECRET}\\n\" }")]
    public void Secret_InAnUpstreamAtFault_IsNotInTheMessage(string members)
    {
        var fault = Given.Fault(Given.Upstream(members), ("SECRET", "hunter2"));
        Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ \"metrics\": { \"token\": \"${TOKEN}\" } }", "metrics.token")]
    [InlineData("{ \"alerts\": { \"secret\": \"${TOKEN}\" } }", "alerts.secret")]
    [InlineData("{ \"upstreams\": { \"x\": { \"apiKey\": \"${TOKEN}\" } } }", "upstreams.x.apiKey")]
    [InlineData("{ \"upstreams\": { \"x\": { \"apiKeys\": [\"a\", \"${TOKEN}\"] } } }", "upstreams.x.apiKeys[1]")]
    [InlineData("{ \"upstreams\": { \"x\": { \"apiKeys\": [\"${TOKEN:-}\"] } } }", "upstreams.x.apiKeys[0]")]
    [InlineData("{ \"upstreams\": { \"x\": { \"secretAccessKey\": \"${TOKEN}\" } } }", "upstreams.x.secretAccessKey")]
    public void Credential_SetButEmpty_IsAFault(string json, string path) => Assert.Equal(path, Given.Fault(json, ("TOKEN", "")).Path);

    [Fact]
    public void Credential_ThatMayBeEmpty_IsLeftOut()
    {
        Assert.Null(Given.Good("{ \"metrics\": { \"token\": \"${TOKEN:-}\" } }", ("TOKEN", "")).Metrics.Token);
        Assert.Null(Given.Good(Given.Upstream("\"baseUrl\": \"${URL}\""), ("URL", "")).Upstreams["local"].BaseUrl);
    }

    [Fact]
    public void SecretFile_ThatIsEmpty_IsAFaultWhereSecretsAreNeeded()
    {
        using var given = new Given(Given.Upstream("\"apiKey\": \"${file:key}\""));
        File.WriteAllText(Path.Combine(given.Folder, "key"), "\n");
        Assert.Equal("upstreams.local.apiKey: the secret file key is empty; put the secret into it (line 1)", Assert.Single(given.Load().Faults).ToString());
        Assert.Empty(given.Load(expandSecrets: false).Faults);
    }

    [Theory]
    [InlineData("postgresql://u:hunter2@h/d?sslmod=require", "sslmod")]
    [InlineData("postgresql://u:hunter2@h/d?sslmode=sometimes", "sslmode")]
    [InlineData("postgresql://u:hunter2@h/d?connect_timeout=soon", "connect_timeout")]
    [InlineData("postgresql://u:hunter2@h/d?sslmode=verify-full&sslrootcert=/nowhere/ca.pem", "sslrootcert")]
    public void Database_WithAParameterThatIsNone_IsAFault(string address, string named)
    {
        using var given = new Given($$"""{ "database": "{{address}}" }""");
        var loaded = given.Load(rules: Gateway.Rules(TimeProvider.System));
        var fault = Assert.Single(loaded.Faults);
        Assert.Equal(("database", 1), (fault.Path, fault.Line));
        Assert.Contains($"\"{named}\"", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", fault.ToString(), StringComparison.Ordinal);
        if (named == "sslmod")
            Assert.All(["sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name", "target_session_attrs"], known => Assert.Contains(known, fault.Message, StringComparison.Ordinal));
        given.Write($$"""{ "database": "postgresql://u:p@h/d?sslmode=verify-full&sslrootcert={{given.File}}&connect_timeout=3&Maximum Pool Size=9" }""");
        Assert.Empty(given.Load(rules: Gateway.Rules(TimeProvider.System)).Faults);
    }

    [Fact]
    public void Secret_InARouteAtFault_IsQuotedAsWritten()
    {
        var fault = Given.Fault(Given.Model("", routes: "[{ \"upstream\": \"${SECRET}\" }]"), ("SECRET", "hunter2"));
        Assert.Equal("no upstream is named \"${SECRET}\"", fault.Message);
    }

    [Fact]
    public void Secret_ThatLostItsQuotes_IsNotInTheMessage() =>
        Assert.DoesNotContain("hunter2", Given.Fault("{ \"apiKey\": thunter2 }").ToString(), StringComparison.Ordinal);

    [Fact]
    public void Report_AsText_EndsWithASummary()
    {
        var loaded = Given.LoadText("""{ "urlz": 1, "alerts": { "webhook": "https://a.example/", "below": 5 } }""");
        Assert.Equal("urlz: there is no such setting; did you mean \"urls\"? (line 1)\n"
            + "alerts.secret: warning: without a secret the webhook's receiver cannot tell our calls from others (line 1)\n"
            + "/etc/crossmodel/crossmodel.json: 1 error, 1 warning\n", ConfigReport.Text(loaded));
        Assert.Equal("/etc/crossmodel/crossmodel.json: good\n", ConfigReport.Text(Given.LoadText("{}")));
    }

    [Fact]
    public void Report_AsJson_HasEveryFault() => Assert.Equal(
        """{"file":"/etc/crossmodel/crossmodel.json","ok":false,"faults":[{"path":"urlz","kind":"fault","message":"there is no such setting","hint":"did you mean \u0022urls\u0022?","line":1,"variable":null}]}""",
        ConfigReport.Json(Given.LoadText("{ \"urlz\": 1 }"), ok: false));
}
