using System.Text.Json;
using CrossModel.Tests.Billing;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Cli;

/// <summary>requests, ledger and margin, over books that a server has written.</summary>
public sealed class BooksCommandTests
{
    private readonly CommandRun _run = new();

    /// <summary>Three charges on an account of 10 USD; answers the account's name.</summary>
    private async Task<string> ChargeAsync()
    {
        await using var till = await Till.OpenAsync("sqlite:" + _run.DatabaseFile);
        var account = await till.NewAccountAsync(10_000_000_000);
        foreach (var price in new[] { 30, 2_000_000, 0 }) await till.ChargeAsync(account, hold: 5_000_000, price);
        return account.Name;
    }

    [Fact]
    public async Task RequestsList_HasOneRowARequestWithCountsAndPlainDecimals()
    {
        var account = await ChargeAsync();
        var rows = (await _run.JsonAsync("requests", "list", "--account", account)).EnumerateArray().ToList();
        Assert.Equal(["0.00", "0.00000003", "0.002"], rows.Select(row => row.GetProperty("cost").GetString()).Order(StringComparer.Ordinal));
        Assert.All(rows, row =>
        {
            Assert.StartsWith("req_", row.GetProperty("request_id").GetString(), StringComparison.Ordinal);
            Assert.Equal(("a/b", "reported", 200), (row.GetProperty("model").GetString(), row.GetProperty("basis").GetString(), row.GetProperty("status").GetInt32()));
            foreach (var count in new[] { "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cache_write_tokens", "cache_write_hour_tokens", "audio_input_tokens", "audio_output_tokens" })
                Assert.True(row.GetProperty(count).TryGetInt64(out _));
        });
        Assert.Single((await _run.JsonAsync("requests", "list", "--account", account, "--limit", "1", "--since", "1h")).EnumerateArray());
    }

    [Fact]
    public async Task RequestsShow_HasTheRowAndTheReceipt()
    {
        var account = await ChargeAsync();
        var id = (await _run.JsonAsync("requests", "list", "--account", account))[0].GetProperty("request_id").GetString()!;
        var shown = await _run.JsonAsync("requests", "show", id);
        Assert.Equal(id, shown.GetProperty("request_id").GetString());
        foreach (var member in new[] { "prompt_tokens", "cost", "attempts", "lines", "usage", "price_version", "balance_after" }) Assert.True(shown.TryGetProperty(member, out _), member);
        Assert.Contains(id, await _run.GoodAsync("requests", "show", id), StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("requests", "show", "req_unknown"));
        Assert.Equal("", _run.Out);
    }

    [Fact]
    public async Task LedgerVerify_SoundBooks_EndWithZeroAndTamperedOnesWithOne()
    {
        var account = await ChargeAsync();
        var sound = await _run.JsonAsync("ledger", "verify");
        Assert.True(sound.GetProperty("ok").GetBoolean());
        Assert.Equal("9.99799997", Assert.Single(sound.GetProperty("heads").EnumerateArray()).GetProperty("balance").GetString());
        await using (var database = await TestDatabase.OpenAsync("sqlite:" + _run.DatabaseFile))
            await database.WriteAsync(session => session.ExecuteAsync("UPDATE account SET balance = balance + 1"));
        Assert.Equal(1, await _run.RunAsync("ledger", "verify"));
        Assert.Contains(account, _run.Out, StringComparison.Ordinal);
        Assert.Equal(1, await _run.RunAsync("ledger", "verify", "--json"));
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(_run.Out).RootElement.ValueKind);
    }

    [Fact]
    public async Task RequestsPrune_TakesRecordsOutAndTheBooksStillVerify()
    {
        var account = await ChargeAsync();
        Assert.Equal(0, (await _run.JsonAsync("requests", "prune", "--before", "90d")).GetProperty("pruned").GetInt64());
        var tomorrow = new FakeClock();
        tomorrow.SetUtcNow(TimeProvider.System.GetUtcNow().AddDays(1));
        Assert.Equal(3, (await new CommandRun(tomorrow, _run.Folder).JsonAsync("requests", "prune", "--before", "1h")).GetProperty("pruned").GetInt64());
        Assert.Empty((await _run.JsonAsync("requests", "list", "--account", account)).EnumerateArray());
        await _run.GoodAsync("ledger", "verify");
    }

    [Fact]
    public async Task Margin_SumsIncomeByModelAndAccount()
    {
        var account = await ChargeAsync();
        var row = Assert.Single((await _run.JsonAsync("margin")).EnumerateArray());
        Assert.Equal((account, "a/b", 3, "0.00200003"), (row.GetProperty("account").GetString(), row.GetProperty("model").GetString(), row.GetProperty("requests").GetInt32(), row.GetProperty("income").GetString()));
    }
}
