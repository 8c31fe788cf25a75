using CrossModel.Accounts;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Cli;

/// <summary>crossmodel console</summary>
public sealed class ConsoleCommandTests
{
    private static async Task<CommandRun> WithAccountAsync(TimeProvider? time = null)
    {
        var run = new CommandRun(time);
        await run.GoodAsync("accounts", "create", "acme");
        return run;
    }

    private static async Task<SignedIn?> SignInAsync(CommandRun run, string link, TimeProvider? time = null)
    {
        await using var database = await TestDatabase.OpenAsync("sqlite:" + run.DatabaseFile, time);
        var signIns = new SignIns(database);
        return await signIns.OpenAsync(link[(link.IndexOf('=') + 1)..]) is { } session ? await signIns.FindAsync(session, TestContext.Current.CancellationToken) : null;
    }

    [Fact]
    public async Task Console_PrintsALinkAlone_ForTheOperatorOrAnAccount()
    {
        var run = await WithAccountAsync();
        var link = await run.GoodAsync("console");
        Assert.Matches("^http://127.0.0.1:8080/console/sign-in\\?link=[A-Za-z0-9]{43}$", link);
        Assert.True((await SignInAsync(run, link))!.IsOperator);

        var answer = await run.JsonAsync("console", "--account", "acme");
        Assert.Equal("acme", answer.GetProperty("account").GetString());
        var own = (await run.JsonAsync("accounts", "show", "acme")).GetProperty("id").GetString();
        Assert.Equal(own, (await SignInAsync(run, answer.GetProperty("link").GetString()!))!.AccountId);
    }

    [Theory]
    [InlineData("http://*:9000", "http://localhost:9000")]
    [InlineData("http://0.0.0.0:9000", "http://localhost:9000")]
    [InlineData("http://[::]:9000/", "http://localhost:9000")]
    [InlineData("http://10.0.0.7:9000;http://127.0.0.1:8080", "http://10.0.0.7:9000")]
    public async Task Link_NamesAnAddressThatCanBeGoneTo(string urls, string begins)
    {
        var run = await WithAccountAsync();
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "crossmodel.json"), $$"""{ "urls": "{{urls}}", "database": "sqlite:data/crossmodel.db" }""", TestContext.Current.CancellationToken);
        Assert.StartsWith(begins + "/console/sign-in?link=", await run.GoodAsync("console"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Link_WorksForAQuarterOfAnHour_OrAsLongAsItIsTold()
    {
        var time = new FakeClock();
        var run = await WithAccountAsync(time);
        var (usual, longer) = (await run.GoodAsync("console"), await run.GoodAsync("console", "--valid", "2h"));
        time.Advance(TimeSpan.FromMinutes(15));
        Assert.Null(await SignInAsync(run, usual, time));
        Assert.NotNull(await SignInAsync(run, longer, time));
        Assert.Equal(2, await run.RunAsync("console", "--valid", "soon"));
        Assert.Equal(1, await run.RunAsync("console", "--account", "nobody"));
    }
}
