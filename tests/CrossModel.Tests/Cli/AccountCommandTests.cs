using CrossModel.Tests.Support;

namespace CrossModel.Tests.Cli;

public sealed class AccountCommandTests
{
    [Fact]
    public async Task Create_SaysHowAKeyIsMade_InWordsThatAShellTakes()
    {
        var run = new CommandRun();
        Assert.EndsWith("crossmodel keys create --account acme --name LABEL", await run.GoodAsync("accounts", "create", "acme"), StringComparison.Ordinal);
        Assert.EndsWith("crossmodel keys create --account 'two words' --name LABEL", await run.GoodAsync("accounts", "create", "two words"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Create_TwiceTheSameName_IsRefusedWithOne()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        Assert.Equal(1, await run.RunAsync("accounts", "create", "acme"));
        Assert.Equal("", run.Out);
        Assert.Contains("already", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" acme")]
    [InlineData("ac\nme")]
    [InlineData("ac\u202eme")]
    [InlineData("ac\u2066me")]
    [InlineData("acme\u200b")]
    [InlineData("\ufeffacme")]
    [InlineData("ac\u2028me")]
    [InlineData("ac\U000e0061me")]
    public async Task Create_BadName_IsWrongUsage(string name) => Assert.Equal(2, await new CommandRun().RunAsync("accounts", "create", name));

    [Fact]
    public async Task Create_NameBeginningWithAt_IsANameAndNoFile()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "@acme");
        Assert.Equal("0.00", await run.GoodAsync("accounts", "balance", "@acme"));
    }

    [Theory]
    [InlineData("accounts balance acne")]
    [InlineData("accounts show acne")]
    [InlineData("accounts disable acne")]
    [InlineData("accounts set acne --rpm 5")]
    [InlineData("keys create --account acne --name x")]
    [InlineData("keys list --account acne")]
    public async Task Account_Unknown_IsRefusedWithTheNearestName(string line)
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        Assert.Equal(1, await run.RunAsync(line.Split(' ')));
        Assert.Contains("did you mean \"acme\"?", run.Error, StringComparison.Ordinal);
        Assert.Contains("crossmodel accounts list", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Set_LimitsThenNone_ShowsAndTakesAway()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        await run.GoodAsync("accounts", "set", "acme", "--postpaid", "5", "--rpm", "60", "--spend-day", "1.5");
        var shown = await run.JsonAsync("accounts", "show", "acme");
        var limits = shown.GetProperty("limits");
        Assert.Equal(("5.00", 60, "1.50"), (shown.GetProperty("credit_limit").GetString(), limits.GetProperty("rpm").GetInt64(), limits.GetProperty("spend_day").GetString()));
        Assert.Equal(("0.00", "0.00", "5.00"), (shown.GetProperty("balance").GetString(), shown.GetProperty("held").GetString(), shown.GetProperty("available").GetString()));
        await run.GoodAsync("accounts", "set", "acme", "--rpm", "none", "--tpm", "1000");
        limits = (await run.JsonAsync("accounts", "show", "acme")).GetProperty("limits");
        Assert.Equal((null, 1000, "1.50"), (limits.GetProperty("rpm").GetRawText() == "null" ? null : "some", limits.GetProperty("tpm").GetInt64(), limits.GetProperty("spend_day").GetString()));
        await run.GoodAsync("accounts", "set", "acme", "--postpaid", "none");
        Assert.Equal("0.00", (await run.JsonAsync("accounts", "show", "acme")).GetProperty("credit_limit").GetString());
    }

    [Fact]
    public async Task DisableAndEnable_AreShownInTheList()
    {
        var run = new CommandRun(new FakeClock());
        await run.GoodAsync("accounts", "create", "b");
        await run.GoodAsync("accounts", "create", "a");
        await run.GoodAsync("accounts", "disable", "b");
        var rows = (await run.JsonAsync("accounts", "list")).EnumerateArray().Select(row => (row.GetProperty("name").GetString(), row.GetProperty("status").GetString()));
        Assert.Equal([("a", "enabled"), ("b", "disabled")], rows);
        await run.GoodAsync("accounts", "enable", "b");
        Assert.DoesNotContain("disabled", await run.GoodAsync("accounts", "list"), StringComparison.Ordinal);
        Assert.Contains("2026-07-14 12:00:00Z", run.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task List_NothingThere_IsAnEmptyArray()
    {
        var run = new CommandRun();
        await using (await TestDatabase.OpenAsync("sqlite:" + run.DatabaseFile)) { }
        Assert.Equal("[]", (await run.JsonAsync("accounts", "list")).GetRawText());
    }

    [Fact]
    public async Task Create_WithABalance_PrintsItAloneAsAPlainDecimal()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme", "--balance", "10.00");
        await run.GoodAsync("accounts", "create", "poor", "--balance", "0");
        Assert.Equal("10.00", await run.GoodAsync("accounts", "balance", "acme"));
        Assert.Equal("0.00", await run.GoodAsync("accounts", "balance", "poor"));
        Assert.Equal("10.00", (await run.JsonAsync("accounts", "balance", "acme")).GetProperty("balance").GetString());
        Assert.Equal("10.00", (await run.JsonAsync("accounts", "show", "acme")).GetProperty("available").GetString());
    }

    [Fact]
    public async Task Credit_AddsExactlyEachTime()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme", "--balance", "0.1");
        await run.GoodAsync("accounts", "credit", "acme", "0.000000001", "--note", "a gift");
        await run.GoodAsync("accounts", "credit", "acme", "0.2");
        Assert.Equal("0.300000001", await run.GoodAsync("accounts", "balance", "acme"));
        Assert.Equal("0.00", (await run.JsonAsync("accounts", "show", "acme")).GetProperty("spend").GetProperty("total").GetString());
    }

    [Fact]
    public async Task Credit_SameReferenceAgain_AddsNothingAndAnythingElseUnderItIsRefused()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        await run.GoodAsync("accounts", "create", "other");
        await run.GoodAsync("accounts", "credit", "acme", "5", "--ref", "payment-1");
        Assert.False((await run.JsonAsync("accounts", "credit", "acme", "5.00", "--ref", "payment-1")).GetProperty("added").GetBoolean());
        Assert.Equal(1, await run.RunAsync("accounts", "credit", "acme", "6", "--ref", "payment-1"));
        Assert.Equal(1, await run.RunAsync("accounts", "credit", "other", "5", "--ref", "payment-1"));
        Assert.Equal(("5.00", "0.00"), (await run.GoodAsync("accounts", "balance", "acme"), await run.GoodAsync("accounts", "balance", "other")));
    }

    [Fact]
    public async Task Credit_BeyondWhatABalanceCanHold_IsRefusedAndChangesNothing()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme", "--balance", "9000000000");
        Assert.Equal(1, await run.RunAsync("accounts", "credit", "acme", "9000000000"));
        Assert.Equal("9000000000.00", await run.GoodAsync("accounts", "balance", "acme"));
    }

    [Fact]
    public async Task Credit_EmptyReference_IsWrongUsage()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        Assert.Equal(2, await run.RunAsync("accounts", "credit", "acme", "5", "--ref", ""));
        Assert.Equal("0.00", await run.GoodAsync("accounts", "balance", "acme"));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-5")]
    [InlineData("1e3")]
    [InlineData("1,5")]
    [InlineData("0.0000000001")]
    [InlineData("99999999999999999999")]
    [InlineData("ten")]
    public async Task Credit_BadAmount_IsWrongUsageAndChangesNothing(string amount)
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme", "--balance", "1");
        Assert.Equal(2, await run.RunAsync("accounts", "credit", "acme", amount));
        Assert.Equal("1.00", await run.GoodAsync("accounts", "balance", "acme"));
    }
}
