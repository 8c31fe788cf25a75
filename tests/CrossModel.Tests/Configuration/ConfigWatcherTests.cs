using CrossModel.Configuration;
using CrossModel.Tests.Support;
using Microsoft.Extensions.Logging;

namespace CrossModel.Tests.Configuration;

public sealed class ConfigWatcherTests
{
    private readonly FakeClock _clock = new();
    private readonly LogLines _log = new();
    private readonly List<GatewayConfig> _applied = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The clock stands still: these tests look by themselves, whenever they want to.</summary>
    private ConfigWatcher Open(Given given)
    {
        var watcher = ConfigWatcher.Open(given.File, given.Environment, Given.Rules with { Time = _clock }, _log, out var loaded);
        Assert.True(watcher is not null, ConfigReport.Text(loaded));
        watcher.Start(config =>
        {
            _applied.Add(config);
            return Task.CompletedTask;
        });
        return watcher;
    }

    private async Task StartAndStopAsync(Given given) => await Open(given).DisposeAsync();

    [Fact]
    public async Task File_WithAGoodChange_IsAppliedAtTheFirstLook()
    {
        using var given = new Given("{}");
        await using var watcher = Open(given);
        await watcher.LookAsync(Cancellation);
        Assert.Empty(_applied);
        given.Write(Given.Model(""));
        await watcher.LookAsync(Cancellation);
        Assert.Same(Assert.Single(_applied), watcher.Current);
        Assert.Contains("a/b", watcher.Current.Models.Keys);
        await watcher.LookAsync(Cancellation);
        Assert.Single(_applied);
    }

    [Fact]
    public async Task File_WithABadChangeThenAGoodOne_KeepsTheFirstAndTakesTheLast()
    {
        using var given = new Given(Given.Model(""));
        await using var watcher = Open(given);
        var first = watcher.Current;

        given.Write("{ \"urlz\": 1 }");
        await watcher.LookAsync(Cancellation);
        Assert.Empty(_log.Lines);
        for (var i = 0; i < 4; i++)
            await watcher.LookAsync(Cancellation);
        Assert.Same(first, watcher.Current);
        Assert.Equal([$"Error {given.File} was changed and is at fault: the configuration before stays in force",
            "Error Configuration: urlz: there is no such setting; did you mean \"urls\"? (line 1)"], _log.Lines);

        given.Write("{ \"exposeUpstream\": true }");
        await watcher.LookAsync(Cancellation);
        Assert.True(watcher.Current.ExposeUpstream);
    }

    [Fact]
    public async Task File_SeenHalfWrittenOnce_IsNotReported()
    {
        using var given = new Given("{}");
        await using var watcher = Open(given);
        foreach (var half in new[] { "{ \"exposeUpstream\": ", "{ \"exposeUpstream\": tr" })
        {
            given.Write(half);
            await watcher.LookAsync(Cancellation);
        }
        given.Write("{ \"exposeUpstream\": true }");
        await watcher.LookAsync(Cancellation);
        Assert.True(watcher.Current.ExposeUpstream);
        Assert.DoesNotContain(_log.Lines, line => line.StartsWith("Error", StringComparison.Ordinal));
    }

    /// <summary>Saved twice as it was, by an editor that empties it first, and seen empty both times: no two looks in a row saw a fault.</summary>
    [Fact]
    public async Task File_SeenEmptyWheneverItIsSaved_IsNotReported()
    {
        using var given = new Given("{}");
        await using var watcher = Open(given);
        for (var i = 0; i < 3; i++)
        {
            given.Write("");
            await watcher.LookAsync(Cancellation);
            given.Write("{}");
            await watcher.LookAsync(Cancellation);
        }
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public async Task File_SeenEmptyBeforeEachOfItsChanges_IsNotReported()
    {
        using var given = new Given("{}");
        await using var watcher = Open(given);
        foreach (var change in new[] { "{ \"exposeUpstream\": true }", "{ }" })
        {
            given.Write("");
            await watcher.LookAsync(Cancellation);
            given.Write(change);
            await watcher.LookAsync(Cancellation);
        }
        Assert.Equal(2, _applied.Count);
        Assert.DoesNotContain(_log.Lines, line => line.StartsWith("Error", StringComparison.Ordinal));
    }

    [Fact]
    public async Task File_WithAModelWithoutPrice_IsAppliedAndWarnedOf()
    {
        using var given = new Given("{}");
        await using var watcher = Open(given);
        given.Write("""{ "upstreams": { "x": {} }, "models": { "a/b": { "routes": [{ "upstream": "x" }] } } }""");
        await watcher.LookAsync(Cancellation);
        Assert.Single(_applied);
        Assert.Contains(_log.Lines, line => line.StartsWith("Warning Configuration: models[\"a/b\"].price", StringComparison.Ordinal));
    }

    [Fact]
    public async Task SecretFile_ThatChanges_IsAppliedToo()
    {
        using var given = new Given(Given.Upstream("\"apiKey\": \"${file:key}\""));
        var key = Path.Combine(given.Folder, "key");
        File.WriteAllText(key, "one\n");
        await using var watcher = Open(given);
        Assert.Equal("one", watcher.Current.Upstreams["local"].ApiKey);
        File.WriteAllText(key, "two\n");
        await watcher.LookAsync(Cancellation);
        Assert.Equal("two", watcher.Current.Upstreams["local"].ApiKey);

        File.Delete(key);
        await watcher.LookAsync(Cancellation);
        await watcher.LookAsync(Cancellation);
        Assert.Equal("two", watcher.Current.Upstreams["local"].ApiKey);
        Assert.Contains($"Error {given.File} was changed and is at fault: the configuration before stays in force", _log.Lines);
        File.WriteAllText(key, "three\n");
        await watcher.LookAsync(Cancellation);
        Assert.Equal("three", watcher.Current.Upstreams["local"].ApiKey);
    }

    [Fact]
    public async Task File_ThatDisappears_LeavesTheConfigurationInForce()
    {
        using var given = new Given(Given.Model(""));
        await using var watcher = Open(given);
        File.Delete(given.File);
        await watcher.LookAsync(Cancellation);
        await watcher.LookAsync(Cancellation);
        Assert.Contains("a/b", watcher.Current.Models.Keys);
        Assert.Contains($"Error {given.File} was changed and is at fault: the configuration before stays in force", _log.Lines);
    }

    [Fact]
    public async Task UrlsAndDatabase_ThatChange_AreReportedToNeedARestart()
    {
        using var given = new Given("{}");
        await using var watcher = Open(given);
        given.Write("{ \"urls\": \"http://127.0.0.1:1\", \"database\": \"sqlite:y.db\", \"storage\": { \"synchronous\": \"normal\" }, \"exposeUpstream\": true }");
        await watcher.LookAsync(Cancellation);
        string[] reported = [.. _log.Lines.Where(line => line.EndsWith("needs a restart", StringComparison.Ordinal))];
        Assert.Equal(["Warning urls was changed and needs a restart", "Warning database was changed and needs a restart", "Warning storage.synchronous was changed and needs a restart"], reported);
        given.Write("{ \"exposeUpstream\": true }");
        await watcher.LookAsync(Cancellation);
        Assert.Equal(reported.Length, _log.Lines.Count(line => line.EndsWith("needs a restart", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Change_ThatCannotBeApplied_LeavesTheConfigurationInForce()
    {
        using var given = new Given("{}");
        await using var watcher = ConfigWatcher.Open(given.File, given.Environment, Given.Rules with { Time = _clock }, _log, out _)!;
        watcher.Start(_ => throw new InvalidOperationException("no"));
        given.Write("{ \"exposeUpstream\": true }");
        await watcher.LookAsync(Cancellation);
        Assert.False(watcher.Current.ExposeUpstream);
        Assert.Contains($"Error {given.File} was changed and could not be applied: the configuration before stays in force", _log.Lines);
        var told = _log.Lines.Count;
        await watcher.LookAsync(Cancellation);
        Assert.Equal(told, _log.Lines.Count);
        Assert.DoesNotContain("exposeUpstream", File.ReadAllText(Path.Combine(given.Folder, "data/crossmodel.last-good.json")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restart_WithAFaultyFile_ComesUpWithTheLastGoodOne()
    {
        using var given = new Given(Given.Model("\"name\": \"${NAME}\""));
        given.Environment["NAME"] = "secret-name";
        await StartAndStopAsync(given);
        var kept = Path.Combine(given.Folder, "data/crossmodel.last-good.json");
        Assert.DoesNotContain("secret-name", File.ReadAllText(kept), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(kept));

        given.Write("{ \"models\": ");
        await using var watcher = Open(given);
        Assert.Equal("secret-name", watcher.Current.Models["a/b"].Name);
        Assert.NotEmpty(watcher.Faults);
        Assert.Contains($"Error {given.File} is at fault: the last good configuration is in force until it is mended", _log.Lines);
        await watcher.LookAsync(Cancellation);
        Assert.Empty(_applied);

        given.Write("{ \"exposeUpstream\": true }");
        await watcher.LookAsync(Cancellation);
        Assert.True(watcher.Current.ExposeUpstream);
        Assert.Empty(watcher.Faults);
    }

    [Fact]
    public async Task Restart_AfterAGoodChangeAndABadOne_ComesUpWithTheGoodOne()
    {
        using var given = new Given("{}");
        await using (var running = Open(given))
        {
            given.Write("{ \"exposeUpstream\": true }");
            await running.LookAsync(Cancellation);
        }
        given.Write("{ \"exposeUpstream\": ");
        await using var watcher = Open(given);
        Assert.True(watcher.Current.ExposeUpstream);
    }

    [Fact]
    public async Task Restart_WithADatabaseElsewhere_FindsTheCopyBesideIt()
    {
        using var given = new Given("{ \"database\": \"sqlite:state/x.db\", \"exposeUpstream\": true }");
        await StartAndStopAsync(given);
        Assert.True(File.Exists(Path.Combine(given.Folder, "state/crossmodel.last-good.json")));
        given.Write("{ \"database\": \"sqlite:state/x.db\", \"models\": { ");
        await using var watcher = Open(given);
        Assert.True(watcher.Current.ExposeUpstream);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{ \"models\": { \"a\": 1 \"b\": 2 }, \"database\": \"sqlite:state/x.db\" }")]
    [InlineData("{ \"database\": \"sqlit:state/x.db\" }")]
    [InlineData(null)]
    public async Task Restart_WithATextThatDoesNotTellTheDatabase_FindsACopyAllTheSame(string? text)
    {
        using var given = new Given("{ \"database\": \"sqlite:state/x.db\", \"exposeUpstream\": true }");
        await StartAndStopAsync(given);
        if (text is null)
            File.Delete(given.File);
        else
            given.Write(text);
        await using var watcher = Open(given);
        Assert.True(watcher.Current.ExposeUpstream);
    }

    [Fact]
    public async Task Restart_WhereDataCannotBeWrittenBesideTheFile_FindsTheCopyOfADatabaseBehindTheFault()
    {
        using var given = new Given("{ \"database\": \"sqlite:state/x.db\", \"exposeUpstream\": true }");
        File.WriteAllText(Path.Combine(given.Folder, "data"), "a file, so no folder of that name can be made");
        await StartAndStopAsync(given);
        given.Write("{ \"models\": { \"a\": 1 \"b\": 2 },\n // \"database\": \"sqlite:old/x.db\"\n \"database\": \"sqlite:state/x.db\" }");
        await using var watcher = Open(given);
        Assert.True(watcher.Current.ExposeUpstream);
        Assert.DoesNotContain(_log.Lines, line => line.Contains("No copy", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Restart_AfterTheDatabaseWasMoved_NeverTakesTheOlderCopy()
    {
        using var given = new Given(Given.Model(""));
        await StartAndStopAsync(given);
        given.Write("{ \"database\": \"sqlite:new/x.db\", \"exposeUpstream\": true }");
        await StartAndStopAsync(given);
        given.Write("");
        await using var watcher = Open(given);
        Assert.True(watcher.Current.ExposeUpstream);
        Assert.EndsWith("/new/x.db", watcher.Current.Database, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restart_WhereTheFaultyTextNamesAnEarlierDatabase_TakesTheNewerCopy()
    {
        using var given = new Given("{ \"database\": \"sqlite:d/x.db\" }");
        await StartAndStopAsync(given);
        given.Write("{ \"database\": \"sqlite:e/x.db\", \"exposeUpstream\": true }");
        await StartAndStopAsync(given);
        var older = Path.Combine(given.Folder, "d/crossmodel.last-good.json");
        File.SetLastWriteTimeUtc(older, File.GetLastWriteTimeUtc(older).AddMinutes(-1));
        given.Write("{ \"database\": \"sqlite:d/x.db\" ");
        await using var watcher = Open(given);
        Assert.True(watcher.Current.ExposeUpstream);
        Assert.EndsWith("/e/x.db", watcher.Current.Database, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Restart_WhereOneCopyCouldNotBeRenewed_TakesTheOtherAndNotTheOlder()
    {
        using var given = new Given("{ \"database\": \"sqlite:d/x.db\" }");
        await StartAndStopAsync(given);
        // Nothing can be written beside the older copy any more.
        Directory.CreateDirectory(Path.Combine(given.Folder, "data/crossmodel.last-good.json.new"));
        given.Write("{ \"database\": \"sqlite:d/x.db\", \"exposeUpstream\": true }");
        await StartAndStopAsync(given);
        given.Write("{ \"database\": \"sqlite:d/x.db\" ");
        await using var watcher = Open(given);
        Assert.True(watcher.Current.ExposeUpstream);
    }

    [Fact]
    public void Start_WithAFaultyFileAndNoLastGoodOne_IsRefusedWithEveryFault()
    {
        using var given = new Given("{ \"urlz\": 1, \"modelz\": {} }");
        Assert.Null(ConfigWatcher.Open(given.File, given.Environment, Given.Rules, _log, out var loaded));
        Assert.Equal(["urlz", "modelz"], loaded.Faults.Select(fault => fault.Path));
    }

    [Fact]
    public async Task Restart_WhereTheLastGoodOneIsAtFaultToday_IsRefused()
    {
        using var given = new Given(Given.Model("\"name\": \"${NAME}\""));
        given.Environment["NAME"] = "x";
        await StartAndStopAsync(given);
        given.Environment.Clear();
        given.Write("{ \"urlz\": 1 }");
        Assert.Null(ConfigWatcher.Open(given.File, given.Environment, Given.Rules, _log, out _));
    }

    [Fact]
    public async Task Loop_WithinTwoSeconds_AppliesAChange()
    {
        using var given = new Given("{}");
        var applied = new TaskCompletionSource<GatewayConfig>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var watcher = ConfigWatcher.Open(given.File, given.Environment, Given.Rules with { Time = _clock }, _log, out _)!;
        watcher.Start(config =>
        {
            applied.SetResult(config);
            return Task.CompletedTask;
        });
        given.Write("{ \"exposeUpstream\": true }");
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.True((await applied.Task.WaitAsync(TimeSpan.FromSeconds(30), Cancellation)).ExposeUpstream);
    }

    [Fact]
    public async Task Loop_AfterALookThatWentWrong_AppliesTheNextChange()
    {
        using var given = new Given("{}");
        var applied = System.Threading.Channels.Channel.CreateUnbounded<GatewayConfig>();
        _log.Fails = 1;
        await using var watcher = ConfigWatcher.Open(given.File, given.Environment, Given.Rules with { Time = _clock }, _log, out _)!;
        watcher.Start(config => applied.Writer.WriteAsync(config).AsTask());
        foreach (var expose in new[] { true, false })
        {
            given.Write(expose ? "{ \"exposeUpstream\": true }" : "{ }");
            _clock.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(expose, (await applied.Reader.ReadAsync(Cancellation).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Cancellation)).ExposeUpstream);
        }
    }

    [Fact]
    public async Task Start_WhereNoCopyCanBeKept_WarnsAndRuns()
    {
        using var given = new Given("{ \"database\": \"sqlite:state/x.db\" }");
        foreach (var folder in new[] { "data", "state" })
            File.WriteAllText(Path.Combine(given.Folder, folder), "a file, so no folder of that name can be made");
        await using var watcher = Open(given);
        Assert.Contains(_log.Lines, line => line.StartsWith("Warning No copy of the last good configuration could be kept", StringComparison.Ordinal));
    }

    private sealed class LogLines : ILogger
    {
        public List<string> Lines { get; } = [];
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;
        public bool IsEnabled(LogLevel logLevel) => true;

        /// <summary>So many of the first lines meet a full disk.</summary>
        public int Fails { get; set; }

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (Fails-- > 0)
                throw new IOException("no space left");
            Lines.Add($"{logLevel} {formatter(state, exception)}");
        }
    }
}
