using Microsoft.Data.Sqlite;

namespace CrossModel.Tests.Cli;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("accounts")]
    [InlineData("accounts create")]
    [InlineData("accounts create a b")]
    [InlineData("accounts create --blance")]
    [InlineData("accounts create -x")]
    [InlineData("accounts frobnicate")]
    [InlineData("frobnicate")]
    [InlineData("--frobnicate")]
    [InlineData("accounts list --frobnicate")]
    [InlineData("accounts credit a")]
    [InlineData("accounts list --config ")]
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
    [InlineData("keys create --account a --name b --models a/\u001b[2J")]
    [InlineData("keys create --account a --name b --models a/\u202eb")]
    [InlineData("keys create --account a --name b --expires 0s")]
    [InlineData("keys create --account a --name b --expires -5m")]
    [InlineData("keys create --account a --name b --cache 0s")]
    [InlineData("keys set x --expires 0ms")]
    [InlineData("console --valid 0s")]
    [InlineData("console --valid -5m")]
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
    [InlineData("accounts credit a 99999999999999", "9223372036 USD is the most")]
    [InlineData("accounts create a --balance 99999999999999", "9223372036 USD is the most")]
    [InlineData("accounts set a --parallel 99999999999", "2147483647 is the most")]
    [InlineData("accounts set a --rpm 99999999999999999999", "9223372036854775807 is the most")]
    [InlineData("requests list --account a --limit 99999999999999999999", "9223372036854775807 is the most")]
    [InlineData("margin --since 99999d", "36525d (a hundred years) is the most")]
    [InlineData("keys rotate x --grace 99999d", "36525d (a hundred years) is the most")]
    [InlineData("ledger rerate --model a --since 99999d", "36525d (a hundred years) is the most")]
    public async Task Value_TooLarge_IsCalledSo(string line, string most)
    {
        var run = new CommandRun();
        Assert.Equal(2, await run.RunAsync(line.Split(' ')));
        Assert.Contains("is too large: " + most, run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("accounts list")]
    [InlineData("accounts show a")]
    [InlineData("keys list")]
    [InlineData("requests list --account a")]
    [InlineData("requests prune --before 1d")]
    [InlineData("ledger verify")]
    [InlineData("margin")]
    [InlineData("backup copy.db")]
    public async Task Database_Missing_IsRefusedAndNotMade(string line)
    {
        var run = new CommandRun();
        Assert.Equal(1, await run.RunAsync(line.Split(' ')));
        Assert.Contains($"There is no database at {run.DatabaseFile}", run.Error, StringComparison.Ordinal);
        Assert.Contains("crossmodel accounts create", run.Error, StringComparison.Ordinal);
        Assert.Equal("", run.Out);
        Assert.Empty(Directory.EnumerateFileSystemEntries(run.Folder));
    }

    [Fact]
    public async Task Write_ThatBreaks_SaysThatNothingWasChanged()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        await using var other = new SqliteConnection($"Data Source={run.DatabaseFile};Pooling=false");
        await other.OpenAsync(TestContext.Current.CancellationToken);
        await using var hold = other.CreateCommand();
        // Breaks the command's own write alone, after the database was opened.
        hold.CommandText = "CREATE TRIGGER full BEFORE UPDATE ON account BEGIN SELECT RAISE(ABORT, 'no room'); END";
        await hold.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        Assert.Equal(1, await run.RunAsync("accounts", "disable", "acme"));
        Assert.Contains($"The database file {run.DatabaseFile} cannot be used", run.Error, StringComparison.Ordinal);
        Assert.Contains("Nothing was changed", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("accounts list")]
    [InlineData("accounts credit acme 1")]
    [InlineData("check")]
    [InlineData("--help")]
    public async Task Answer_ThatCannotBeWritten_EndsInWords(string line)
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        var full = new CommandRun(folder: run.Folder) { Stdout = new Broken(() => new IOException("No space left on device")) };
        Assert.Equal(1, await full.RunAsync(line.Split(' ')));
        Assert.Contains("The answer could not be written: No space left", full.Error, StringComparison.Ordinal);
        // As .NET tells of a stream that is closed.
        var closed = new CommandRun(folder: run.Folder) { Stdout = new Broken(() => new UnauthorizedAccessException("Access to the path is denied.", new IOException("Bad file descriptor"))) };
        Assert.Equal(1, await closed.RunAsync(line.Split(' ')));
        Assert.Contains("The answer could not be written: Bad file descriptor", closed.Error, StringComparison.Ordinal);
    }

    private sealed class Broken(Func<Exception> fault) : StringWriter
    {
        public override void Write(char value) => throw fault();
        public override void Write(string? value) => throw fault();
        public override void Write(char[] buffer, int index, int count) => throw fault();
        public override void WriteLine(string? value) => throw fault();
        public override Task WriteAsync(string? value) => throw fault();
        public override Task WriteLineAsync(string? value) => throw fault();
    }

    [Fact]
    public async Task File_Lost_IsStillTheOneThatIsMeant()
    {
        var run = new CommandRun();
        var copy = Path.Combine(Directory.CreateDirectory(Path.Combine(run.Folder, "data")).FullName, "crossmodel.last-good.json");
        await File.WriteAllTextAsync(copy, "{}", TestContext.Current.CancellationToken);
        await run.GoodAsync("serve");
        Assert.Equal(Path.Combine(run.Folder, "crossmodel.json"), Assert.Single(run.Served).ConfigFile);
        Assert.Equal(1, await run.RunAsync("accounts", "create", "acme"));
        Assert.Contains(copy, run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(run.DatabaseFile));
    }

    /// <summary>A container makes one of what it is told to mount and cannot find: the defaults would serve instead of what was meant.</summary>
    [Fact]
    public async Task File_ThatIsAFolder_IsStillTheOneThatIsMeant()
    {
        var run = new CommandRun();
        Directory.CreateDirectory(Path.Combine(run.Folder, "crossmodel.json"));
        await run.GoodAsync("serve");
        Assert.Equal(Path.Combine(run.Folder, "crossmodel.json"), Assert.Single(run.Served).ConfigFile);
        Assert.Equal(1, await run.RunAsync("check"));
        Assert.Contains("a folder stands in the configuration file's place", run.Out, StringComparison.Ordinal);
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
    public async Task Simulate_WhereThePortIsTaken_SaysHowToNameAnother()
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        var run = new CommandRun();
        Assert.Equal(1, await run.RunAsync("simulate", "--urls", $"http://{taken.LocalEndpoint}"));
        Assert.Contains("Name another with --urls", run.Error, StringComparison.Ordinal);
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

    /// <summary>Pasted without it, the other command would work on another database.</summary>
    [Fact]
    public async Task Config_IsNamedAgainInWhatIsToBeTypedNext()
    {
        var run = new CommandRun();
        var file = Path.Combine(run.Folder, "my own.json");
        await File.WriteAllTextAsync(file, """{ "database": "sqlite:books.db" }""", TestContext.Current.CancellationToken);
        string[] config = ["--config", "my own.json"];
        async Task<string> RefusedAsync(params string[] words)
        {
            Assert.Equal(1, await run.RunAsync([.. words, .. config]));
            return run.Error.TrimEnd('\n');
        }
        Assert.EndsWith("crossmodel accounts create NAME --config 'my own.json' makes a new database.", await RefusedAsync("accounts", "list"), StringComparison.Ordinal);
        Assert.EndsWith("crossmodel keys create --account acme --name LABEL --config 'my own.json'", await run.GoodAsync(["accounts", "create", "acme", .. config]), StringComparison.Ordinal);
        Assert.Contains("crossmodel accounts credit --config 'my own.json' adds", await RefusedAsync("accounts", "create", "acme"), StringComparison.Ordinal);
        Assert.EndsWith("crossmodel accounts list --config 'my own.json' shows all, crossmodel accounts create nobody --config 'my own.json' makes it.", await RefusedAsync("accounts", "show", "nobody"), StringComparison.Ordinal);
        Assert.EndsWith("crossmodel keys list --config 'my own.json' shows all keys with their ids.", await RefusedAsync("keys", "revoke", "x"), StringComparison.Ordinal);
        Assert.EndsWith("crossmodel requests list --account NAME --config 'my own.json' shows an account's.", await RefusedAsync("requests", "show", "req_x"), StringComparison.Ordinal);
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
