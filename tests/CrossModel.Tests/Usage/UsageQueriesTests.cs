using System.Text;
using System.Text.Json;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Storage;
using CrossModel.Tests.Billing;
using CrossModel.Tests.Support;
using CrossModel.Usage;

namespace CrossModel.Tests.Usage;

public sealed class UsageQueriesTests
{
    private static JsonElement Json(Action<PooledBuffer> write)
    {
        using var buffer = new PooledBuffer();
        write(buffer);
        return JsonDocument.Parse(Encoding.UTF8.GetString(buffer.Span)).RootElement;
    }

    private static RequestRecord Detailed(string account) => Till.Record(account, 0) with
    {
        Model = "a/served",
        ModelAsked = "a/asked",
        Usage = new TokenUsage { InputTokens = 30, CachedInputTokens = 10, CacheWriteTokens = 5, CacheWriteHourTokens = 3, AudioInputTokens = 2, OutputTokens = 9, ReasoningTokens = 4, AudioOutputTokens = 1 },
        Lines = [new CostLine("input", 15, 1_500_000), new CostLine("request", 1, 2_000_000)],
        Price = 25, // 22.5 + 2 = 24.5, half up
        OperatorCost = 21,
        Ignored = ["seed"],
        Attempts = [new AttemptRecord("hidden", "m", "rate_limited", 429, 100, null, 7), new AttemptRecord("hidden", "m", "ok", 200, 107, 20, 50)],
    };

    [Fact]
    public async Task Receipt_Charged_HasEveryMember()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(20);
        var record = Detailed(account.Id);
        await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 20));
        var stored = await new UsageQueries(till.Database).FindAsync(account.Id, record.Id);
        var json = Json(b => Receipt.Write(b, stored!, showsUpstream: false));
        Assert.Equal(["request_id", "model", "model_asked", "created", "status", "stream", "basis", "usage", "price_version", "lines", "arithmetic", "cost", "uncovered", "ignored",
            "attempts", "duration_ms", "error", "client_request_id", "balance_after", "entry", "entry_hash"], json.EnumerateObject().Select(m => m.Name));
        Assert.Equal((record.Id, "a/served", "a/asked", record.Created / 1000), (json.GetProperty("request_id").GetString(), json.GetProperty("model").GetString(),
            json.GetProperty("model_asked").GetString(), json.GetProperty("created").GetInt64()));
        Assert.Equal("""{"prompt_tokens":30,"cached_tokens":10,"cache_write_tokens":5,"cache_write_hour_tokens":3,"audio_input_tokens":2,"completion_tokens":9,"reasoning_tokens":4,"audio_output_tokens":1}""", json.GetProperty("usage").GetRawText());
        Assert.Equal("""[{"class":"input","tokens":15,"price":"0.0015","amount":"0.0000000225"},{"class":"request","tokens":1,"price":"0.000000002","amount":"0.000000002"}]""",
            json.GetProperty("lines").GetRawText());
        Assert.Equal(("0.00000002", "0.000000005", "0.00", $"{account.Id}:2", 64), (json.GetProperty("cost").GetString(), json.GetProperty("uncovered").GetString(),
            json.GetProperty("balance_after").GetString(), json.GetProperty("entry").GetString(), json.GetProperty("entry_hash").GetString()!.Length));
        Assert.Equal("""[{"outcome":"rate_limited","status":429,"started":100,"first_token_ms":null,"duration_ms":7},{"outcome":"ok","status":200,"started":107,"first_token_ms":20,"duration_ms":50}]""",
            json.GetProperty("attempts").GetRawText());
        Assert.Equal("15 input tokens × 0.0015 USD per million + 1 request × 0.000000002 USD = 0.0000000245 USD, rounded half up to a nano-dollar 0.000000025 USD; 0.00000002 USD charged, 0.000000005 USD uncovered",
            json.GetProperty("arithmetic").GetString());
        Assert.DoesNotContain("hidden", json.GetRawText(), StringComparison.Ordinal);
        var exposed = Json(b => Receipt.Write(b, stored!, showsUpstream: true));
        Assert.Contains("hidden", exposed.GetRawText(), StringComparison.Ordinal);
        // What the operator pays is nobody's who pays him, whatever else is shown.
        Assert.Equal(json.EnumerateObject().Select(m => m.Name), exposed.EnumerateObject().Select(m => m.Name));
    }

    [Fact]
    public async Task Receipt_Waived_NamesNoEntry()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(20);
        var record = Till.Record(account.Id, 0, Basis.Waived) with { Status = 502, ErrorCode = "provider_error" };
        await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 20));
        var json = Json(b => Receipt.Write(b, new UsageQueries(till.Database).FindAsync(record.Id).Result!, showsUpstream: false));
        Assert.Equal(("waived", 502, "0.00", JsonValueKind.Null, JsonValueKind.Null, JsonValueKind.Null), (json.GetProperty("basis").GetString(), json.GetProperty("status").GetInt32(),
            json.GetProperty("cost").GetString(), json.GetProperty("balance_after").ValueKind, json.GetProperty("entry").ValueKind, json.GetProperty("entry_hash").ValueKind));
    }

    [Fact]
    public async Task Find_AnotherAccountsRequest_IsNotThere()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var (mine, theirs) = (await till.NewAccountAsync(100), await till.NewAccountAsync(100));
        var record = Till.Record(theirs.Id, 1);
        await till.Settlements.SettleAsync(record, await till.HoldAsync(theirs, 1));
        var queries = new UsageQueries(till.Database);
        Assert.Null(await queries.FindAsync(mine.Id, record.Id));
        Assert.NotNull(await queries.FindAsync(theirs.Id, record.Id));
        Assert.NotNull(await queries.FindAsync(record.Id));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task List_SinceAndLimit_NewestFirst(bool postgres)
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var account = await till.NewAccountAsync(100);
        var other = await till.NewAccountAsync(100);
        var clock = new FakeClock();
        var start = clock.GetUtcNow().ToUnixTimeMilliseconds();
        for (var hour = 0; hour < 5; hour++, clock.Advance(TimeSpan.FromHours(1)))
            foreach (var who in new[] { account, other })
                await till.Settlements.SettleAsync(Till.Record(who.Id, hour) with { Id = RequestIds.NewRequest(clock), Created = clock.GetUtcNow().ToUnixTimeMilliseconds() },
                    await till.HoldAsync(who, hour));
        var queries = new UsageQueries(till.Database);
        Assert.Equal([4, 3, 2, 1, 0], (await queries.ListAsync(account.Id, null, null)).Select(r => r.Cost));
        Assert.Equal([4, 3], (await queries.ListAsync(account.Id, null, 2)).Select(r => r.Cost));
        Assert.Equal([4, 3], (await queries.ListAsync(account.Id, start + 3 * 3_600_000, null)).Select(r => r.Cost));
        Assert.Equal([4, 3, 2], (await queries.ListAsync(account.Id, start + 3 * 3_600_000 - 1000, 9)).Select(r => r.Cost).Concat([2L]));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task List_LongChainsThatLieBetweenEachOther_IsWholeAndInOrder(bool postgres)
    {
        await using var till = await Till.OpenNewAsync(postgres);
        Account[] accounts = [await till.NewAccountAsync(1_000_000), await till.NewAccountAsync(1_000_000)];
        // A chain begins with its credit: one ends within a portion, the other with it.
        foreach (var (count, account) in new[] { 300, 255 }.Zip(accounts))
            for (var i = 0; i < count; i += 15)
                await Task.WhenAll(Enumerable.Range(i, 15).Select(n => till.ChargeAsync(account, 100, n)));
        var queries = new UsageQueries(till.Database);
        foreach (var (count, account) in new[] { 300, 255 }.Zip(accounts))
        {
            var all = await queries.ListAsync(account.Id, null, null);
            Assert.Equal(Enumerable.Range(0, count).Select(n => (long)n), all.Select(r => r.Cost).Order());
            Assert.Equal(Enumerable.Range(2, count).Reverse().Select(n => (long)n), all.Select(r => r.Seq));
            Assert.Equal(all.Take(200).Select(r => r.Record.Id), (await queries.ListAsync(account.Id, null, 200)).Select(r => r.Record.Id));
            Assert.Empty(await queries.ListAsync(account.Id, null, 0));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task List_ChainWithAGap_SaysSo(bool postgres)
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var account = await till.NewAccountAsync(1_000_000);
        for (var i = 1; i <= 5; i++) await till.ChargeAsync(account, 100, i);
        var queries = new UsageQueries(till.Database);
        await till.ExecuteAsync("DELETE FROM ledger_entry WHERE seq = 3");
        Assert.Equal([5, 4], (await queries.ListAsync(account.Id, null, 2)).Select(r => r.Cost));
        var gap = await Assert.ThrowsAsync<DatabaseException>(() => queries.ListAsync(account.Id, null, null));
        Assert.Contains("before entry 4", gap.Message, StringComparison.Ordinal);
        Assert.Contains("ledger verify", gap.Message, StringComparison.Ordinal);
    }

    public static TheoryData<string> WaysBack => [UsageQueries.RequestsBack, Ledger.EntriesBack];

    [Theory]
    [MemberData(nameof(WaysBack))]
    public async Task Chain_OnSqlite_IsWalkedByKeyAndNeverReadWhole(string statement)
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1_000_000);
        for (var i = 0; i < 50; i++) await till.ChargeAsync(account, 100, 1);
        foreach (var preparation in new[] { "SELECT 1", "ANALYZE" })
        {
            await till.ExecuteAsync(preparation);
            var plan = await till.Database.ReadAsync(s => s.QueryAsync("EXPLAIN QUERY PLAN " + statement, row => row.GetString(3),
                ("@place", 0L), ("@account", account.Id), ("@seq", 1L), ("@portion", 128L)));
            var ofEntries = plan.Where(step => step.Contains(" e ", StringComparison.Ordinal) || step.EndsWith(" e", StringComparison.Ordinal) || step.Contains("ledger_entry", StringComparison.Ordinal)).ToList();
            Assert.Equal(3, ofEntries.Count);
            Assert.All(ofEntries, step => Assert.Contains("USING PRIMARY KEY (place=? AND account_id=? AND seq=?)", step, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task Account_Spend_IsByUtcDayAndMonth()
    {
        var clock = new FakeClock();
        clock.SetUtcNow(new DateTimeOffset(2026, 7, 30, 23, 0, 0, TimeSpan.Zero));
        await using var till = await Till.OpenNewAsync(postgres: false, clock);
        var account = await till.NewAccountAsync(Usd.Nano);
        async Task<(long, long, long)> SpentAsync()
        {
            var s = (await till.Purses.StandingAsync(account.Id))!.Value;
            return (s.Spent.Day, s.Spent.Month, s.Spent.Total);
        }
        await till.ChargeAsync(account, 10, 10);
        Assert.Equal((10, 10, 10), await SpentAsync());
        clock.SetUtcNow(new DateTimeOffset(2026, 7, 31, 23, 0, 0, TimeSpan.Zero));
        Assert.Equal((0, 10, 10), await SpentAsync());
        await till.ChargeAsync(account, 10, 5);
        Assert.Equal((5, 15, 15), await SpentAsync());
        // A clock set back counts for the newest day seen.
        clock.SetUtcNow(new DateTimeOffset(2026, 7, 30, 23, 0, 0, TimeSpan.Zero));
        await till.ChargeAsync(account, 10, 1);
        clock.SetUtcNow(new DateTimeOffset(2026, 7, 31, 23, 0, 0, TimeSpan.Zero));
        Assert.Equal((6, 16, 16), await SpentAsync());
        clock.SetUtcNow(new DateTimeOffset(2026, 8, 1, 0, 0, 0, TimeSpan.Zero));
        Assert.Equal((0, 0, 16), await SpentAsync());
        await till.AssertSoundAsync();
    }

    [Fact]
    public void AccountReport_HasEveryMember()
    {
        var account = new Account("acc_1", "shop", true, 0, Terms.None with { RequestsPerMinute = 60, SpendDay = 5 * Usd.Nano });
        var key = new KeyEntry("key_1", "acc_1", "laptop", "hash", "cm-a1b2…wxyz", 1_785_000_000_000, true, false, null, Terms.None with { Parallel = 3 }) { CacheFor = 3_600_000 };
        var json = Json(b => AccountReport.Write(b, new Caller(key, account), new Standing(10 * Usd.Nano, 0, Usd.Nano, new Spent(1, 2, 3)), new Spent(4, 5, 6)));
        Assert.Equal("""
            {"account":"shop","status":"enabled","balance":"10.00","held":"1.00","available":"9.00","credit_limit":"0.00",
            "limits":{"rpm":60,"tpm":null,"parallel":null,"spend_day":"5.00","spend_month":null,"spend_total":null},
            "spend":{"day":"0.000000001","month":"0.000000002","total":"0.000000003"},
            "key":{"name":"laptop","prefix":"cm-a1b2…wxyz","expires":1785000000,"cache":3600,
            "limits":{"rpm":null,"tpm":null,"parallel":3,"spend_day":null,"spend_month":null,"spend_total":null},
            "spend":{"day":"0.000000004","month":"0.000000005","total":"0.000000006"}}}
            """.ReplaceLineEndings(""), json.GetRawText());
    }
}
