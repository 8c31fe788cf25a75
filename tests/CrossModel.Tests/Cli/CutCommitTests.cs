using CrossModel.Tests.Support;

namespace CrossModel.Tests.Cli;

/// <summary>A command whose connection is cut between a commit and its answer does not say that nothing was changed.</summary>
public sealed class CutCommitTests
{
    [Theory]
    [InlineData("crossmodel accounts show acme --config cut.json before you repeat it")]
    [InlineData("the same --ref pay-1", "--ref", "pay-1")]
    public async Task Credit_CutAtTheCommit_SaysThatNobodyKnows(string advice, params string[] more)
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        var run = new CommandRun();
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "whole.json"), $$"""{ "database": "{{address}}" }""");
        await run.GoodAsync("accounts", "create", "acme", "--config", "whole.json");
        using var wire = CutWire.Of(address, "INSERT INTO ledger_entry", out var cut);
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "cut.json"), $$"""{ "database": "{{cut}}" }""");

        Assert.Equal(1, await run.RunAsync(["accounts", "credit", "acme", "5", .. more, "--config", "cut.json"]));

        Assert.Contains("It is not known whether it was done", run.Error, StringComparison.Ordinal);
        Assert.Contains(advice, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("othing was changed", run.Error, StringComparison.Ordinal);
        Assert.Equal("5.00", await run.GoodAsync("accounts", "balance", "acme", "--config", "whole.json"));
    }
}
