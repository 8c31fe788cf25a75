using CrossModel.Tests.Billing;

namespace CrossModel.Tests.Cli;

/// <summary>A period computed anew after a wrong price.</summary>
public sealed class RerateCommandTests
{
    private readonly CommandRun _run = new();

    /// <summary>A charge of 0.002 USD for 2,000,000 prompt tokens, and a configuration by which they cost 0.001.</summary>
    private async Task<string> ChargeTooMuchAsync()
    {
        await File.WriteAllTextAsync(Path.Combine(_run.Folder, "crossmodel.json"),
            """{"upstreams":{"up":{"baseUrl":"http://127.0.0.1:1/v1","apiKey":"${UNSET}"}},"models":{"a/b":{"routes":[{"upstream":"up"}],"price":{"input":0.0005,"output":0}}}}""");
        await using var till = await Till.OpenAsync("sqlite:" + _run.DatabaseFile);
        var account = await till.NewAccountAsync(10_000_000_000);
        await till.ChargeAsync(account, hold: 5_000_000, price: 2_000_000);
        return account.Name;
    }

    [Fact]
    public async Task Rerate_WithoutApply_ShowsTheCorrectionAndWritesNothing()
    {
        var account = await ChargeTooMuchAsync();
        var row = Assert.Single((await _run.JsonAsync("ledger", "rerate", "--model", "a/b", "--since", "1h")).EnumerateArray());
        Assert.Equal((account, "0.002", "0.001", "0.001"),
            (row.GetProperty("account").GetString(), row.GetProperty("charged").GetString(), row.GetProperty("right").GetString(), row.GetProperty("correction").GetString()));
        Assert.Equal("9.998", await _run.GoodAsync("accounts", "balance", account));
    }

    [Fact]
    public async Task Rerate_WithApply_MovesTheDifferenceOnceAndTheBooksVerify()
    {
        var account = await ChargeTooMuchAsync();
        Assert.Contains("0.001", await _run.GoodAsync("ledger", "rerate", "--model", "a/b", "--since", "2020-01-01", "--account", account, "--apply", "--note", "wrong price"), StringComparison.Ordinal);
        Assert.Equal("9.999", await _run.GoodAsync("accounts", "balance", account));
        Assert.Empty((await _run.JsonAsync("ledger", "rerate", "--model", "a/b", "--since", "1h", "--apply")).EnumerateArray());
        Assert.Equal("9.999", await _run.GoodAsync("accounts", "balance", account));
        await _run.GoodAsync("ledger", "verify");
    }

    /// <summary>What went back is no income, what was taken is.</summary>
    [Theory]
    [InlineData("0.0005", "0.001")]
    [InlineData("0.002", "0.004")]
    public async Task Margin_OfRequestsComputedAnew_IsOfWhatTheyCostInTheEnd(string price, string income)
    {
        await ChargeTooMuchAsync();
        var config = Path.Combine(_run.Folder, "crossmodel.json");
        await File.WriteAllTextAsync(config, (await File.ReadAllTextAsync(config)).Replace("0.0005", price, StringComparison.Ordinal));
        await _run.GoodAsync("ledger", "rerate", "--model", "a/b", "--since", "1h", "--apply");
        var row = Assert.Single((await _run.JsonAsync("margin")).EnumerateArray());
        Assert.Equal((income, income), (row.GetProperty("income").GetString(), row.GetProperty("margin").GetString()));
    }

    [Fact]
    public async Task Rerate_OwedByAnAccountWithNothingFree_IsNotCalledWritten()
    {
        var account = await ChargeTooMuchAsync();
        var config = Path.Combine(_run.Folder, "crossmodel.json");
        await File.WriteAllTextAsync(config, (await File.ReadAllTextAsync(config)).Replace("0.0005", "9", StringComparison.Ordinal));
        await _run.GoodAsync("ledger", "rerate", "--model", "a/b", "--since", "1h", "--apply");
        Assert.Equal("0.00", await _run.GoodAsync("accounts", "balance", account));
        Assert.Empty((await _run.JsonAsync("ledger", "rerate", "--model", "a/b", "--since", "1h", "--apply")).EnumerateArray());
        await _run.GoodAsync("ledger", "rerate", "--model", "a/b", "--since", "1h", "--apply");
        Assert.Contains("0 corrections, 0.00 USD written", _run.Error, StringComparison.Ordinal);
        Assert.Contains("1 more", _run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rerate_OutsideThePeriod_FindsNothing()
    {
        await ChargeTooMuchAsync();
        Assert.Empty((await _run.JsonAsync("ledger", "rerate", "--model", "a/b", "--since", "2020-01-01", "--until", "2020-02-01T00:00:00Z")).EnumerateArray());
    }

    [Theory]
    [InlineData(1, "--model", "c/d", "--since", "1h")]
    [InlineData(1, "--model", "a/b", "--since", "1h", "--account", "nobody")]
    [InlineData(1, "--model", "a/b", "--since", "1h", "--until", "2h")]
    [InlineData(2, "--model", "a/b")]
    [InlineData(2, "--since", "1h")]
    [InlineData(2, "--model", "a/b", "--since", "yesterday")]
    public async Task Rerate_WhatCannotBeMeant_IsRefused(int code, params string[] words)
    {
        await ChargeTooMuchAsync();
        Assert.Equal(code, await _run.RunAsync(["ledger", "rerate", .. words]));
        Assert.Equal("", _run.Out);
        Assert.NotEqual("", _run.Error);
    }
}
