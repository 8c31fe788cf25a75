using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Usage;

namespace CrossModel.Tests.Billing;

public sealed class LedgerVerifierTests
{
    /// <summary>Two accounts with credits, charges, an uncovered one, a waived one, a refund and a correction.</summary>
    private static async Task<Till> BusyAsync()
    {
        var till = await Till.OpenNewAsync(postgres: false);
        foreach (var money in new[] { 10_000, 5_000 })
        {
            var account = await till.NewAccountAsync(money);
            await till.Ledger.CreditAsync(account.Id, 100, "ref-" + account.Id, "invoice 7");
            for (var i = 1; i <= 5; i++) await till.ChargeAsync(account, 100, 10 * i);
            await till.Settlements.SettleAsync(Till.Record(account.Id, 0, Basis.Waived), await till.HoldAsync(account, 50));
            await till.Ledger.CorrectAsync(account.Id, -7, "", "typing error");
            await till.RefundAsync(account, 3, "req_x");
            await till.ChargeAsync(account, 100, 1_000_000);
        }
        return till;
    }

    [Fact]
    public async Task Verify_NothingTouched_FindsNothingAndNamesTheHeads()
    {
        await using var till = await BusyAsync();
        var report = await till.VerifyAsync();
        Assert.Empty(report.Faults);
        Assert.Equal((22L, 14L), (report.Entries, report.Records));
        Assert.All(report.Heads, head => Assert.Equal((11L, 64, 0L), (head.Seq, head.Hash.Length, head.Balance)));
    }

    public static TheoryData<string> Tamperings =>
    [
        "UPDATE ledger_entry SET amount = amount + 1 WHERE seq = 4",
        "UPDATE ledger_entry SET amount = -11, balance = balance - 1 WHERE seq = 3",
        "UPDATE ledger_entry SET at = at - 86400000 WHERE seq = 5",
        "UPDATE ledger_entry SET at = 9000000000000000000 WHERE seq = 5",
        "UPDATE ledger_entry SET at = -9000000000000000000 WHERE seq = 5",
        "UPDATE ledger_entry SET note = 'invoice 8' WHERE seq = 2",
        "UPDATE ledger_entry SET kind = 'correction' WHERE seq = 8",
        "UPDATE ledger_entry SET reference = 'req_y' WHERE kind = 'refund'",
        "UPDATE ledger_entry SET record_hash = hash WHERE seq = 5",
        "DELETE FROM ledger_entry WHERE seq = 4",
        "DELETE FROM ledger_entry WHERE seq = 11",
        "DELETE FROM ledger_entry WHERE seq = 1",
        "DELETE FROM ledger_entry",
        "UPDATE ledger_entry SET seq = CASE seq WHEN 4 THEN -1 ELSE 4 END WHERE seq IN (4, 5); UPDATE ledger_entry SET seq = 5 WHERE seq = -1",
        "UPDATE ledger_entry SET account_id = account_id || 'x' WHERE seq = 4",
        "INSERT INTO ledger_entry SELECT place, account_id, 12, place, 'credit', 5, balance + 5, at, '', '', '', hash FROM ledger_entry WHERE seq = 11",
        "UPDATE ledger_entry SET place = place + 1 WHERE seq = 11",
        "UPDATE ledger_entry SET place = place - 1 WHERE seq = 1",
        "UPDATE ledger_entry SET previous = previous - 1 WHERE seq = 4",
        "DELETE FROM request_record WHERE seq = 4",
        "DELETE FROM request_record WHERE detail LIKE '%waived%'",
        "DELETE FROM request_record",
        "UPDATE request_record SET cost = cost + 1 WHERE seq = 4",
        "UPDATE request_record SET created = created - 1 WHERE seq = 4",
        "UPDATE request_record SET seq = 5 WHERE seq = 4",
        "UPDATE request_record SET place = place + 1 WHERE seq = 4",
        "UPDATE request_record SET detail = replace(detail, 'reported', 'counted') WHERE seq = 4",
        "UPDATE request_record SET detail = replace(detail, '\"input\":20', '\"input\":21') WHERE seq = 4",
        "UPDATE request_record SET detail = replace(detail, '\"price\":1000000', '\"price\":9000') WHERE seq = 11",
        "UPDATE request_record SET detail = 'x' WHERE seq = 4",
        "INSERT INTO request_record SELECT 'req_zzz', account_id, created, 4, cost, detail, place FROM request_record WHERE seq = 4 LIMIT 1",
        "UPDATE account SET balance = balance + 1",
        "UPDATE account SET leased = leased + 1",
        "UPDATE account SET ledger_seq = ledger_seq - 1",
        "UPDATE account SET ledger_head = ''",
        "UPDATE account SET ledger_place = ledger_place - 1",
        "UPDATE account SET spent_total = 0",
        "UPDATE account SET spent_day = 0",
        "UPDATE account SET spent_month = spent_month - 1",
        "UPDATE account SET spent_on = spent_on - 1",
        "DELETE FROM spend",
        "UPDATE spend SET amount = amount - 1",
        "UPDATE spend SET day = day - 1",
        "INSERT INTO spend SELECT account_id, 'key_2', day, 5 FROM spend",
        "DELETE FROM credit_reference",
        "UPDATE credit_reference SET amount = 101",
        "INSERT INTO lease VALUES ('node_x', 'acc_x', 5)",
        "INSERT INTO lease SELECT 'node_x', id, 9000000000000000000 FROM account; INSERT INTO lease SELECT 'node_y', id, 9000000000000000000 FROM account",
    ];

    [Theory]
    [MemberData(nameof(Tamperings))]
    public async Task Verify_PlantedTampering_IsFound(string sql)
    {
        await using var till = await BusyAsync();
        await till.ExecuteAsync(sql);
        Assert.NotEmpty((await till.VerifyAsync()).Faults);
    }

    // Not tampered with: as a program with a fault would write it, each hash in order.
    [Fact]
    public async Task Verify_WrittenWrong_IsFoundByWhatItSays()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1000);
        (string Kind, long Cost, RequestRecord Record, string Fault)[] wrong =
        [
            (EntryKind.Charge, 31, Till.Record(account.Id, 30), "is not within its price"),
            (EntryKind.Charge, -1, Till.Record(account.Id, 30), "is not within its price"),
            (EntryKind.Waived, 0, Till.Record(account.Id, 30, Basis.Waived), "only a failed or empty reply is waived"),
            (EntryKind.Charge, 0, Till.Record(account.Id, 0, Basis.Waived), "only a failed or empty reply is waived"),
            (EntryKind.Waived, 0, Till.Record(account.Id, 0), "only a failed or empty reply is waived"),
            (EntryKind.Charge, 20, Till.Record(account.Id, 30) with { Price = 29 }, "its lines make"),
            (EntryKind.Charge, 30, Till.Record("acc_other", 30), "does not fit its row"),
        ];
        foreach (var (kind, cost, record, _) in wrong)
        {
            await till.Database.WriteAsync(async session =>
            {
                var posting = await Posting.OpenAsync(till.Database, session, "", [account.Id]);
                var (detail, hash) = RecordText.Write(record);
                var entry = posting.Post(posting.Find(account.Id)!, kind, -cost, record.Id, "", hash);
                posting.SpendByKey(account.Id, record.KeyId, cost);
                posting.Keep(new RecordRow(account.Id, record.Id, record.Created, entry.Place, entry.Seq, cost, detail));
                await posting.SaveAsync();
            });
        }
        var faults = (await till.VerifyAsync()).Faults;
        Assert.Equal(wrong.Length, faults.Count);
        foreach (var (index, (_, _, _, fault)) in wrong.Index())
        {
            Assert.Equal(index + 2, faults[index].Seq);
            Assert.Contains(fault, faults[index].What, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Verify_CheckpointOfEntriesToCome_HidesNoLoss()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1000);
        await till.Database.WriteAsync(async session =>
        {
            var posting = await Posting.OpenAsync(till.Database, session, "", [account.Id]);
            posting.Post(posting.Find(account.Id)!, EntryKind.Checkpoint, 0, "9", "9 request records were taken out");
            await posting.SaveAsync();
        });
        await till.ChargeAsync(account, 10, 10);
        await till.ExecuteAsync("DELETE FROM request_record");
        Assert.Contains((await till.VerifyAsync()).Faults, fault => fault.What.EndsWith("is missing", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Verify_BesideARunningServer_FindsNothing()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1_000_000);
        using var enough = new CancellationTokenSource();
        var traffic = Task.WhenAll(Enumerable.Range(0, 4).Select(async _ =>
        {
            while (!enough.IsCancellationRequested) await till.ChargeAsync(account, 100, 10);
        }));
        for (var i = 0; i < 20; i++) await till.AssertSoundAsync();
        await enough.CancelAsync();
        await traffic;
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Prune_OldRecords_StillVerifiesAndHidesNoOtherLoss()
    {
        await using var till = await BusyAsync();
        var before = till.Database.Now + 1;
        await Task.Delay(5, TestContext.Current.CancellationToken);
        Assert.Equal(14, await new Pruning(till.Database).RunAsync(before));
        Assert.Equal(0, await new Pruning(till.Database).RunAsync(before));
        await till.AssertSoundAsync();
        var account = new Account((await till.Database.ReadAsync(s => s.FirstAsync("SELECT id FROM account", row => row.GetString(0))))!, "", true, 0, Terms.None);
        await till.Ledger.CreditAsync(account.Id, 1000, null, null);
        await till.ChargeAsync(account, 10, 10);
        await till.AssertSoundAsync();
        await till.ExecuteAsync("DELETE FROM request_record");
        Assert.NotEmpty((await till.VerifyAsync()).Faults);
    }

    [Fact]
    public async Task Rerate_WrongPrice_IsMendedOnce()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(100_000);
        await till.ChargeAsync(account, 1000, 1000); // 1,000 tokens at a nano-dollar each
        await till.ChargeAsync(account, 1000, 600);
        await till.ChargeAsync(account, 100, 200_000); // 98,400 paid, the rest uncovered
        Assert.Equal(0, await till.BalanceAsync(account));
        await till.Settlements.SettleAsync(Till.Record(account.Id, 0, Basis.Waived), await till.HoldAsync(account, 0));
        var order = new RerateOrder("a/b", 0, long.MaxValue, new PriceList([new PriceVersion { Input = 500_000, Output = 0 }]));
        var rerating = new Rerating(till.Database);
        var preview = await rerating.PreviewAsync(order);
        Assert.Equal([300, 500], preview.Select(r => r.Amount).Order());
        Assert.Equal(0, await till.BalanceAsync(account));
        Assert.Equal(preview.OrderBy(r => r.RequestId), (await rerating.ApplyAsync(order, "price list of July")).OrderBy(r => r.RequestId));
        Assert.Equal(800, await till.BalanceAsync(account));
        Assert.Empty(await rerating.PreviewAsync(order));
        await till.AssertSoundAsync();
        // The right price was another one after all: the first correction is taken into account, and only free money is taken.
        var dearer = order with { Price = new PriceList([new PriceVersion { Input = 2_000_000, Output = 0 }]) };
        Assert.Equal([-200_000, -1500, -900], (await rerating.PreviewAsync(dearer)).Select(r => r.Amount).Order());
        Assert.Equal(-800, (await rerating.ApplyAsync(dearer, "again")).Sum(r => r.Amount));
        Assert.Equal(0, await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Rerate_AReplyWhoseChargeWasGivenBack_IsLeftAlone()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(100_000);
        var record = Till.Record(account.Id, 1000);
        await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 1000));
        await till.RefundAsync(account, 1000, record.Id);
        foreach (var input in new[] { 500_000, 1_000_000, 2_000_000 })
            Assert.Empty(await new Rerating(till.Database).PreviewAsync(new RerateOrder("a/b", 0, long.MaxValue, new PriceList([new PriceVersion { Input = input, Output = 0 }]))));
    }

    [Fact]
    public async Task Rerate_AWaivedReply_StaysFree()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(1000);
        await till.Settlements.SettleAsync(Till.Record(account.Id, 0, Basis.Waived), await till.HoldAsync(account, 10));
        Assert.Empty(await new Rerating(till.Database).PreviewAsync(new RerateOrder("a/b", 0, long.MaxValue, new PriceList([new PriceVersion { Input = 0, Output = 0, Request = 7 }]))));
    }

    // At the price of the time there was no line for a call, an image or a second, and nothing to tell their number from.
    [Fact]
    public async Task Rerate_CallsImagesAndSecondsThatHadNoPrice_AreComputedAnew()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(100_000);
        var record = Till.Record(account.Id, 1200) with { Calls = 2, Images = 3, AudioSeconds = 5 };
        await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 2000));
        var rerating = new Rerating(till.Database);
        // Two calls of 600 tokens: neither is above the tier.
        var tiered = new PriceVersion { Input = 1_000_000, Output = 0, Tiers = [new PriceTier(1000, Input: 2_000_000)] };
        Assert.Empty(await rerating.PreviewAsync(new RerateOrder("a/b", 0, long.MaxValue, new PriceList([tiered]))));
        var units = new PriceVersion { Input = 1_000_000, Output = 0, Request = 7, Image = 11, AudioSecond = 13 };
        Assert.Equal(1200 + 2 * (7 + 3 * 11 + 5 * 13), Assert.Single(await rerating.PreviewAsync(new RerateOrder("a/b", 0, long.MaxValue, new PriceList([units])))).RightPrice);
    }

    [Fact]
    public async Task Rerate_TwiceAtTheSameTime_MovesTheDifferenceOnce()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(100_000);
        for (var i = 0; i < 40; i++) await till.ChargeAsync(account, 1000, 1000);
        var order = new RerateOrder("a/b", 0, long.MaxValue, new PriceList([new PriceVersion { Input = 500_000, Output = 0 }]));

        var moved = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => new Rerating(till.Database).ApplyAsync(order, "by somebody")));

        Assert.Equal(40 * 500, moved.Sum(m => m.Sum(r => r.Amount)));
        Assert.Equal(100_000 - 40 * 500, await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    // Two calls of one reply; no count can be halved. At the price of the time it is right to the nano-dollar; at the right one each class costs its own.
    [Fact]
    public async Task Rerate_EveryClassOfSeveralCalls_IsComputedAnew()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(100_000);
        var usage = new TokenUsage
        {
            InputTokens = 101,
            CachedInputTokens = 11,
            CacheWriteTokens = 31,
            CacheWriteHourTokens = 15,
            AudioInputTokens = 59,
            OutputTokens = 51,
            ReasoningTokens = 21,
            AudioOutputTokens = 29,
        };
        CostLine[] lines = [new("cached_input", 11, 1_000_000), new("cache_write", 16, 2_000_000), new("cache_write_hour", 15, 3_000_000), new("audio_input", 59, 4_000_000),
            new("output", 1, 5_000_000), new("reasoning", 21, 6_000_000), new("audio_output", 29, 7_000_000), new("request", 2, 8_000_000)];
        var paid = 11 + 16 * 2 + 15 * 3 + 59 * 4 + 5 + 21 * 6 + 29 * 7 + 2 * 8;
        await till.Settlements.SettleAsync(Till.Record(account.Id, paid) with { Usage = usage, Lines = lines }, await till.HoldAsync(account, 1000));
        await till.AssertSoundAsync();
        var price = new PriceVersion
        {
            Input = 500_000,
            CachedInput = 1_000_000,
            CacheWrite = 2_000_000,
            CacheWriteHour = 3_000_000,
            AudioInput = 4_000_000,
            Output = 5_000_000,
            Reasoning = 6_000_000,
            AudioOutput = 7_000_000,
            Request = 8,
        };
        var rerating = new Rerating(till.Database);
        Assert.Empty(await rerating.PreviewAsync(new RerateOrder("a/b", 0, long.MaxValue, new PriceList([price]))));
        var bare = new PriceVersion { Input = 500_000, Output = 5_000_000 };
        var right = (101 * 500_000L + 51 * 5_000_000L + 500_000) / 1_000_000;
        Assert.Equal(right, Assert.Single(await rerating.PreviewAsync(new RerateOrder("a/b", 0, long.MaxValue, new PriceList([bare])))).RightPrice);
    }

    [Fact]
    public async Task Margin_ByModelRouteAccountAndDay_Sums()
    {
        await using var till = await Till.OpenNewAsync(postgres: false);
        var account = await till.NewAccountAsync(100_000);
        async Task SettleAsync(string upstream, long price, long? cost) => await till.Settlements.SettleAsync(
            Till.Record(account.Id, price) with { OperatorCost = cost, Attempts = [new AttemptRecord(upstream, "m", "ok", 200, 1, 2, 3)] }, await till.HoldAsync(account, price));
        await SettleAsync("one", 1000, 700);
        await SettleAsync("one", 500, null);
        await SettleAsync("two", 300, 400);
        // Given back: no income.
        var refunded = Till.Record(account.Id, 90) with { OperatorCost = 0, Attempts = [new AttemptRecord("three", "m", "ok", 200, 1, 2, 3)] };
        await till.Settlements.SettleAsync(refunded, await till.HoldAsync(account, 90));
        await till.RefundAsync(account, 90, refunded.Id);
        // What one that was tried before cost is known, what the one that served costs is not.
        await till.Settlements.SettleAsync(Till.Record(account.Id, 5) with { OperatorCost = 3, OperatorCostIsPartial = true, Attempts = [new AttemptRecord("two", "m", "ok", 200, 1, 2, 3)] },
            await till.HoldAsync(account, 5));
        var rows = await MarginReport.ReadAsync(till.Database, 0, long.MaxValue);
        Assert.Equal([("one/m", 2L, 1500L, 700L, 800L, 1L), ("three/m", 1, 0, 0, 0, 0), ("two/m", 2, 305, 403, -98, 1)],
            rows.Select(r => (r.Route, r.Requests, r.Income, r.Cost, r.Margin, r.UnknownCost)));
        Assert.Empty(await MarginReport.ReadAsync(till.Database, 0, 1));
    }
}
