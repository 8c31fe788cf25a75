namespace CrossModel.Tests.Cli;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("accounts")]
    [InlineData("accounts create")]
    [InlineData("accounts create a b")]
    [InlineData("accounts frobnicate")]
    [InlineData("frobnicate")]
    [InlineData("--frobnicate")]
    [InlineData("accounts list --frobnicate")]
    [InlineData("accounts set a --rpm")]
    [InlineData("accounts set a --rpm 0")]
    [InlineData("accounts set a --rpm -1")]
    [InlineData("accounts set a --rpm 1.5")]
    [InlineData("accounts set a --rpm many")]
    [InlineData("accounts set a --parallel 99999999999")]
    [InlineData("accounts set a --spend-day 0")]
    [InlineData("accounts set a --spend-day 1e3")]
    [InlineData("accounts set a --postpaid 0.0000000001")]
    [InlineData("accounts set a --postpaid 1000000000.01")]
    [InlineData("keys create --account a")]
    [InlineData("keys create --name b")]
    [InlineData("keys create --account a --name b --expires soon")]
    [InlineData("keys create --account a --name b --models a/b,,c")]
    [InlineData("keys create --account a --name b --models a*b")]
    [InlineData("keys rotate x --grace 1w")]
    [InlineData("keys rotate x --grace none")]
    public async Task Usage_Wrong_EndsWithTwoAndTouchesNothing(string line)
    {
        var run = new CommandRun();
        Assert.Equal(2, await run.RunAsync(line.Split(' ')));
        Assert.Equal("", run.Out);
        Assert.Contains("--help", run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(run.DatabaseFile));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("accounts --help")]
    [InlineData("accounts set --help")]
    [InlineData("keys create --help")]
    [InlineData("--version")]
    public async Task Help_IsAnAnswerAndEndsWithZero(string line)
    {
        var run = new CommandRun();
        Assert.NotEqual("", await run.GoodAsync(line.Split(' ')));
        Assert.Equal("", run.Error);
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("serve", null)]
    [InlineData("--urls http://127.0.0.1:1", "http://127.0.0.1:1")]
    [InlineData("serve --urls http://127.0.0.1:1", "http://127.0.0.1:1")]
    public async Task Serve_IsTheDefaultCommand(string line, string? urls)
    {
        var run = new CommandRun();
        await run.GoodAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(urls, Assert.Single(run.Served).Urls);
    }

    [Theory]
    [InlineData("--urls", "nope")]
    [InlineData("serve", "--urls", ";")]
    [InlineData("serve", "--urls", "https://127.0.0.1:1")]
    [InlineData("simulate", "--urls", "http://myhost.example:1")]
    public async Task AddressThatIsNone_IsWrongUsage(params string[] words)
    {
        var run = new CommandRun();
        Assert.Equal(2, await run.RunAsync(words));
        Assert.Contains(words[^1], run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Served);
    }

    [Fact]
    public async Task Config_NamesTheDatabaseRelativeToItselfAndNeedsNoSecret()
    {
        var run = new CommandRun();
        var folder = Directory.CreateDirectory(Path.Combine(run.Folder, "etc")).FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "own.json"),
            """{ "database": "sqlite:books.db", "upstreams": { "u": { "baseUrl": "http://127.0.0.1:1/v1", "apiKey": "${NO_SUCH_VARIABLE}" } } }""");
        await run.GoodAsync("accounts", "create", "acme", "--config", "etc/own.json");
        Assert.True(File.Exists(Path.Combine(folder, "books.db")));
        Assert.Single((await run.JsonAsync("accounts", "list", "--config", "etc/own.json")).EnumerateArray());
    }

    [Fact]
    public async Task Config_AtFaultElsewhere_StillLetsAKeyBeRevoked()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        var key = await run.GoodAsync("keys", "create", "--account", "acme", "--name", "laptop");
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "crossmodel.json"), """{ "database": "sqlite:data/crossmodel.db", "modles": {} }""");
        await run.GoodAsync("keys", "revoke", key);
    }

    [Fact]
    public async Task Config_Missing_IsRefusedInWords()
    {
        var run = new CommandRun();
        Assert.Equal(1, await run.RunAsync("accounts", "list", "--config", "nowhere.json"));
        Assert.Contains("does not exist", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_NamesFaultsWithTheirPathAndEndsWithOne()
    {
        var run = new CommandRun();
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "crossmodel.json"),
            """{ "models": { "a/b": { "routes": [ { "upstream": "locl" } ], "price": "free" } }, "upstreams": { "local": { "baseUrl": "http://127.0.0.1:1/v1" } } }""");
        Assert.Equal(1, await run.RunAsync("check"));
        Assert.Contains("""models["a/b"].routes[0].upstream""", run.Out, StringComparison.Ordinal);
        Assert.Equal(1, await run.RunAsync("check", "--json"));
        Assert.StartsWith("{", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_UnsetVariable_IsAFaultHereAlone()
    {
        var run = new CommandRun();
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "crossmodel.json"), """{ "upstreams": { "u": { "baseUrl": "http://127.0.0.1:1/v1", "apiKey": "${NO_SUCH_VARIABLE}" } } }""");
        Assert.Equal(1, await run.RunAsync("check"));
        run.Variables["NO_SUCH_VARIABLE"] = "secret";
        Assert.DoesNotContain("secret", await run.GoodAsync("check"), StringComparison.Ordinal);
    }
}
