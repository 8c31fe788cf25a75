using CrossModel.Billing;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using CrossModel.Usage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Billing;

public sealed class MoneyOnSqlite() : MoneyContract(false)
{
    [Fact]
    public async Task Restart_AfterAKill_LeasesReturn()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: false);
        var killed = await Till.OpenAsync(address);
        var account = await killed.NewAccountAsync(1000);
        await killed.HoldAsync(account, 400);
        Assert.Equal(400, await killed.LeasedAsync(account));
        await killed.AbandonAsync();
        await using var till = await Till.OpenAsync(address);
        Assert.Equal(0, await till.LeasedAsync(account));
        await till.HoldAsync(account, 1000);
    }
}

public sealed class MoneyOnPostgres() : MoneyContract(true)
{
    /// <summary>As somebody does who looks at an account by hand and forgets to end his transaction.</summary>
    [Fact]
    public async Task Settlement_OfARowThatIsLocked_BeyondTheServersTimeLimit_ComesLater_AndWithholdsNoOther()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: true);
        await using var other = await TestDatabase.OpenAsync(address);
        await using var till = await Till.OpenAsync(address + "?Options=-c statement_timeout=500");
        var (locked, free) = (await till.NewAccountAsync(1000), await till.NewAccountAsync(1000));
        var holds = new List<Hold>();
        for (var i = 0; i < 8; i++) holds.Add(await till.HoldAsync(locked, 100));
        List<Task<Settled>> late = [];
        await other.WriteAsync(async session =>
        {
            await session.ExecuteAsync("UPDATE account SET name = name WHERE id = @id", ("@id", locked.Id));
            foreach (var hold in holds) late.Add(till.Settlements.SettleOrQueueAsync(Till.Record(locked.Id, 30), hold));
            await Task.Delay(800);
            Assert.True((await till.ChargeAsync(free, hold: 100, price: 30).WaitAsync(TimeSpan.FromSeconds(10))).Committed);
            Assert.False(till.Books.IsAway);
            Assert.DoesNotContain(late, l => l.IsCompletedSuccessfully && l.Result.Committed);
        });
        await Till.UntilAsync(async () => await till.BalanceAsync(locked) == 760);
        Assert.Equal((760, 970), (await till.BalanceAsync(locked), await till.BalanceAsync(free)));
        await till.AssertSoundAsync();
    }
}

public abstract class MoneyContract(bool postgres)
{
    private Task<Till> OpenAsync(TimeProvider? time = null) => Till.OpenNewAsync(postgres, time);

    [Fact]
    public async Task Settlement_CostUnderItsHold_TakesTheCost()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000);
        Assert.Equal(new Settled(true, 30, 0, 970), await till.ChargeAsync(account, hold: 100, price: 30));
        Assert.Equal(970, await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Settlement_CostOverItsHold_TakesFreeMoneyAndNoMore()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000);
        Assert.Equal(new Settled(true, 700, 0, 300), await till.ChargeAsync(account, hold: 100, price: 700));
        var other = await till.HoldAsync(account, 250);
        Assert.Equal(new Settled(true, 50, 150, 250), await till.ChargeAsync(account, hold: 10, price: 200));
        Assert.Equal(new Settled(true, 250, 0, 0), await till.Settlements.SettleAsync(Till.Record(account.Id, 250), other));
        Assert.Equal(150, till.Settlements.Uncovered);
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Settlement_Repeated_ChargesOnce()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000);
        var record = Till.Record(account.Id, 30);
        var hold = await till.HoldAsync(account, 100);
        var first = await till.Settlements.SettleAsync(record, hold);
        Assert.Equal(first, await till.Settlements.SettleAsync(record, hold));
        // As a process would that does not remember: a new hold, the same request.
        var again = await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 100));
        Assert.Equal((true, 30L), (again.Committed, again.Charged));
        Assert.Equal(970, await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Settlement_SameRequestTwiceAtOnce_ChargesOnceAndSparesTheOthers()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(100_000);
        var record = Till.Record(account.Id, 30);
        var all = new List<Task<Settled>>();
        for (var i = 0; i < 20; i++) all.Add(till.Settlements.SettleAsync(i is 3 or 11 ? record : Till.Record(account.Id, 30), await till.HoldAsync(account, 100)));
        Assert.All(await Task.WhenAll(all), s => Assert.True(s.Committed));
        Assert.Equal(100_000 - 19 * 30, await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Settlement_OneAtFault_WithholdsNoOther()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(100_000);
        var all = new List<Task<Settled>>();
        for (var i = 0; i < 20; i++)
            all.Add(till.Settlements.SettleAsync(Till.Record(i == 7 ? "acc_nobody" : account.Id, 30), await till.HoldAsync(account, 100)));
        var settled = await Task.WhenAll(all);
        Assert.Equal([7], settled.Index().Where(s => !s.Item.Committed).Select(s => s.Index));
        // Its hold is free again.
        await Till.UntilAsync(async () => (await till.Purses.StandingAsync(account.Id))!.Value.Held == 0);
        await till.AssertSoundAsync();
    }

    /// <summary>Its caller was told that it is not charged: what is on the books goes back once, and what is not there yet never comes.</summary>
    [Fact]
    public async Task Settlement_ThatWasGivenUp_IsGivenBackOnce()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1_000_000);
        var (there, never) = (Till.Record(account.Id, 2000), Till.Record(account.Id, 2000));
        Assert.True((await till.Settlements.SettleAsync(there, await till.HoldAsync(account, 5000))).Committed);
        foreach (var record in new[] { there, there, never })
        {
            var charge = new Charge(record, await till.HoldAsync(account, 5000), till.Settlements, staysQueued: false, null);
            charge.WaitedTooLong();
            till.Books.Add(charge);
            await Till.UntilAsync(async () => (await till.Purses.StandingAsync(account.Id))!.Value.Held == 0);
            Assert.Equal(1_000_000, await till.BalanceAsync(account));
        }
        Assert.Equal(3, await EntriesAsync(till)); // the credit, the charge and its refund
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Settlement_GivenUpWhileItCommits_IsGivenBack_AndItsHoldEndsOnce()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1_000_000);
        var hold = await till.HoldAsync(account, 5000);
        var goesOn = await HoldUpAsync(till);
        var charge = new Charge(Till.Record(account.Id, 2000), hold, till.Settlements, staysQueued: false, null);
        till.Books.Add(charge);
        till.Books.Add(new Meanwhile(account.Id, charge.WaitedTooLong));
        goesOn.SetResult();

        Assert.False((await charge.Task).Committed);
        await Till.UntilAsync(async () => await till.NumberAsync("spent_total", account) == 0 && await till.BalanceAsync(account) == 1_000_000 && await EntriesAsync(till) == 3);
        await Till.UntilAsync(async () => (await till.Purses.StandingAsync(account.Id))!.Value.Held == 0);
        await till.AssertSoundAsync();
        // And with that it is over: nothing of it is queued again. This test's own charge went past the count.
        await Till.UntilAsync(() => Task.FromResult(till.Settlements.Queued == -1));
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal(-1, till.Settlements.Queued);
            await Task.Delay(1, TestContext.Current.CancellationToken);
        }
    }

    private static Task<long> EntriesAsync(Till till) => till.Database.ReadAsync(s => s.FirstAsync("SELECT COUNT(*) FROM ledger_entry", row => row.GetInt64(0)));

    /// <summary>Something that happens while a commit runs.</summary>
    private sealed class Meanwhile(string accountId, Action what) : BookItem
    {
        public override string AccountId => accountId;
        public override bool OutlivesOutage => false;
        public override void Apply(Posting posting, AccountRow row) => what();
        public override void Committed() { }
        public override void Failed(bool away) { }
    }

    /// <summary>Whoever still comes when the server has stopped is told so at once.</summary>
    [Fact]
    public async Task Books_ThatAreClosed_KeepNobodyWaiting()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1_000_000);
        var hold = await till.HoldAsync(account, 1000);
        await till.Books.DisposeAsync();

        Assert.False((await till.Settlements.SettleAsync(Till.Record(account.Id, 10), hold).WaitAsync(TimeSpan.FromSeconds(3))).Committed);
        Assert.True((await till.Purses.HoldAsync(account, 1_000_000).AsTask().WaitAsync(TimeSpan.FromSeconds(3))).DatabaseAway);
    }

    [Fact]
    public async Task Hold_ReleasedAndSettled_FirstOneWins()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000);
        var released = await till.HoldAsync(account, 100);
        released.Release();
        released.Release();
        Assert.False((await till.Settlements.SettleAsync(Till.Record(account.Id, 30), released)).Committed);
        var settled = await till.HoldAsync(account, 1000);
        await till.Settlements.SettleAsync(Till.Record(account.Id, 30), settled);
        settled.Release();
        await till.HoldAsync(account, 970);
        Assert.Null((await till.Purses.HoldAsync(account, 1)).Hold);
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Hold_OutgrownByItsStream_TakesMoreWhileThereIsMore()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000);
        var hold = await till.HoldAsync(account, 100);
        Assert.Equal(Extension.Covered, await hold.ExtendToAsync(600));
        Assert.Equal(Extension.Covered, await hold.ExtendToAsync(500));
        Assert.Equal(600, hold.Amount);
        Assert.Equal(Extension.NoMoney, await hold.ExtendToAsync(1001));
        Assert.Equal(Extension.Covered, await hold.ExtendToAsync(1000));
        hold.Release();
        Assert.Equal(Extension.NoMoney, await hold.ExtendToAsync(1000));
        await till.HoldAsync(account, 1000);
    }

    [Fact]
    public async Task Hold_WhoseCallEndsWhileItGrows_GivesAllOfItBack()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000);
        var hold = await till.HoldAsync(account, 100);
        var goesOn = await HoldUpAsync(till);
        var growing = hold.ExtendToAsync(600);
        hold.Release();
        goesOn.SetResult();
        Assert.Equal(Extension.NoMoney, await growing);
        await till.HoldAsync(account, 1000);
    }

    [Fact]
    public async Task Hold_WhoseCallerLeavesMeanwhile_GoesStraightBack()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000);
        using var leaves = new CancellationTokenSource();
        var goesOn = await HoldUpAsync(till);
        var waiting = till.Purses.HoldAsync(account, 600, leaves.Token).AsTask();
        await leaves.CancelAsync();
        try
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        }
        finally
        {
            goesOn.SetResult(); // else the database is never closed
        }
        await Till.UntilAsync(async () => (await till.Purses.HoldAsync(account, 1000)).Hold is not null);
    }

    /// <summary>Nothing of an account is written until the answer is set.</summary>
    private static async Task<TaskCompletionSource> HoldUpAsync(Till till)
    {
        var (entered, goesOn) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var writing = Task.Run(() => till.Database.WriteAsync(async session =>
        {
            await session.ExecuteAsync("UPDATE account SET changed = changed");
            entered.TrySetResult();
            await goesOn.Task;
        }));
        await await Task.WhenAny(entered.Task, writing);
        return goesOn;
    }

    [Fact]
    public async Task Hold_NotAffordable_SaysWhatIsThere()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000, creditLimit: 50);
        await till.HoldAsync(account, 900);
        Assert.Equal(new HoldAnswer(null, 151, 900, 150, false), await till.Purses.HoldAsync(account, 151));
        var standing = await till.Purses.StandingAsync(account.Id);
        Assert.Equal((1000L, 900L, 150L), (standing!.Value.Balance, standing.Value.Held, standing.Value.Available));
    }

    [Fact]
    public async Task Postpaid_GoesDownToItsLimit()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(0, creditLimit: 500);
        Assert.Equal(new Settled(true, 500, 100, -500), await till.ChargeAsync(account, hold: 100, price: 600));
        Assert.Null((await till.Purses.HoldAsync(account, 1)).Hold);
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Settlement_AfterTheCreditLimitWasLowered_TakesItsHoldAndNoMoreThanTheBalance()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(250, creditLimit: 200);
        var (first, second) = (await till.HoldAsync(account, 100), await till.HoldAsync(account, 300));
        await till.ExecuteAsync("UPDATE account SET credit_limit = 0");
        // 400 are held of 250: what is lacking is not given to the first one, and the last one's rest is the operator's loss.
        Assert.Equal(new Settled(true, 100, 0, 150), await till.Settlements.SettleAsync(Till.Record(account.Id, 100), first));
        Assert.Equal(new Settled(true, 150, 150, 0), await till.Settlements.SettleAsync(Till.Record(account.Id, 300), second));
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Free_WithoutAnyMoney_IsRecorded()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(0);
        Assert.Equal(new Settled(true, 0, 0, 0), await till.ChargeAsync(account, hold: 0, price: 0));
        await till.Settlements.SettleAsync(Till.Record(account.Id, 0, Basis.Waived), await till.HoldAsync(account, 0));
        var report = await till.VerifyAsync();
        Assert.Empty(report.Faults);
        Assert.Equal(2, report.Records);
    }

    [Fact]
    public async Task ParallelHolds_MoreThanTheMoney_AreGrantedToTheLastCent()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(100 * 1000);
        var answers = await Task.WhenAll(Enumerable.Range(0, 2000).Select(async _ => await till.Purses.HoldAsync(account, 1000)));
        Assert.Equal(100, answers.Count(a => a.Hold is not null));
        Assert.Equal(100_000, await till.LeasedAsync(account));
        await Task.WhenAll(answers.Where(a => a.Hold is not null).Select(a => till.Settlements.SettleAsync(Till.Record(account.Id, 1000), a.Hold!)));
        Assert.Equal(0, await till.BalanceAsync(account));
        Assert.Equal(0, till.Settlements.Uncovered);
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task ParallelCalls_CheaperThanTheirHolds_SpendNearlyAllTheMoney()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(100 * 1000);
        long spent = 0;
        var refusedAt = long.MaxValue;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async worker =>
        {
            for (var i = 0; i < 100; i++)
            {
                var answer = await till.Purses.HoldAsync(account, 1000);
                if (answer.Hold is null)
                {
                    refusedAt = Math.Min(refusedAt, Volatile.Read(ref spent));
                    return;
                }
                Interlocked.Add(ref spent, (await till.Settlements.SettleAsync(Till.Record(account.Id, 400), answer.Hold)).Charged);
            }
        }));
        // Eight calls in flight hold 8,000; less than that is all that may lie unused.
        Assert.InRange(refusedAt, 91_000, 100_000);
        Assert.True(await till.BalanceAsync(account) < 1000);
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Purse_RichAccount_AsksTheDatabaseSeldom()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1_000_000_000);
        (await till.HoldAsync(account, 1000)).Release();
        var inMemory = 0;
        for (var i = 0; i < 1000; i++)
        {
            var hold = till.Purses.HoldAsync(account, 1000);
            if (hold.IsCompleted) inMemory++;
            (await hold).Hold!.Release();
        }
        Assert.Equal(1000, inMemory);
    }

    [Fact]
    public async Task Purse_RichAccount_KeepsItsLeaseOverCharges()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1_000_000_000);
        await till.ChargeAsync(account, 1000, 800);
        var leased = await till.LeasedAsync(account);
        Assert.True(leased > 1000);
        for (var i = 0; i < 100; i++) await till.ChargeAsync(account, 1000, 800);
        Assert.Equal(leased, await till.LeasedAsync(account));
        Assert.Equal(1_000_000_000 - 101 * 800, await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    /// <param name="last">The last of the steps that the database has seen.</param>
    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public async Task Open_BooksOfASchemaBefore_AreAllThere(int last)
    {
        var clock = new FakeClock();
        await using var till = await OpenAsync(clock);
        var (one, other) = (await till.NewAccountAsync(1_000_000), await till.NewAccountAsync(1_000_000));
        // The clock goes back once: the entries after it lie beside the one before.
        foreach (var (i, seconds) in new[] { 1, 1, -30, 40, 1 }.Index())
        {
            await till.ChargeAsync(i % 2 == 0 ? one : other, 1000, 100 + i);
            clock.SetUtcNow(clock.GetUtcNow().AddSeconds(seconds));
        }
        await till.AssertSoundAsync();
        var places = await PlacesAsync(till);
        await till.Database.WriteAsync(async session =>
        {
            async Task RebuildAsync(string table, string columns, string definition)
            {
                await session.ExecuteAsync($"ALTER TABLE {table} RENAME TO newer");
                await session.ExecuteAsync(till.Database.Flavored($"CREATE TABLE {table} ({definition}) /*sqlite WITHOUT ROWID*/"));
                await session.ExecuteAsync($"INSERT INTO {table} SELECT {columns} FROM newer");
                await session.ExecuteAsync("DROP TABLE newer");
            }

            await RebuildAsync("ledger_entry", "account_id, seq, kind, amount, balance, at, reference, note, record_hash, hash",
                "account_id TEXT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, amount BIGINT NOT NULL, balance BIGINT NOT NULL, at BIGINT NOT NULL, "
                + "reference TEXT NOT NULL, note TEXT NOT NULL, record_hash TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (account_id, seq)");
            await session.ExecuteAsync("DROP TABLE sign_in");
            await session.ExecuteAsync("ALTER TABLE api_key DROP COLUMN cache");
            await session.ExecuteAsync("ALTER TABLE stored_reply DROP COLUMN kept");
            await session.ExecuteAsync("ALTER TABLE account DROP COLUMN ledger_place");
            await session.ExecuteAsync("ALTER TABLE request_record DROP COLUMN place");
            if (last < 5)
                await RebuildAsync("request_record", "account_id, id, created, seq, cost, detail",
                    "account_id TEXT NOT NULL, id TEXT NOT NULL, created BIGINT NOT NULL, seq BIGINT NOT NULL, cost BIGINT NOT NULL, detail TEXT NOT NULL, PRIMARY KEY (account_id, id)");
            await session.ExecuteAsync("DELETE FROM migration WHERE number > @last", ("@last", last));
        });
        await Migrations.ApplyAsync(till.Database, Migrations.Embedded, NullLogger.Instance, TestContext.Current.CancellationToken);
        Assert.Equal([104, 102, 100], (await new UsageQueries(till.Database).ListAsync(one.Id, null, null)).Select(r => r.Cost));
        Assert.Equal(places, await PlacesAsync(till));
        await till.AssertSoundAsync();
        await till.ChargeAsync(one, 1000, 105);
        await till.AssertSoundAsync();
    }

    private static Task<List<(string, long, long, long)>> PlacesAsync(Till till) => till.Database.ReadAsync(s => s.QueryAsync(
        "SELECT account_id, seq, place, previous FROM ledger_entry ORDER BY account_id, seq", row => (row.GetString(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3))));

    [Fact]
    public async Task Posting_ThatWaitedForItsAccount_SeesTheLeaseOfAfter()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1_000_000);
        Task<Posting> Open(Session session) => Posting.OpenAsync(till.Database, session, "node_other", [account.Id]);
        var (entered, goesOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var first = Task.Run(() => till.Database.WriteAsync(async session =>
        {
            var posting = await Open(session);
            posting.Find(account.Id)!.MoveLease(500);
            await posting.SaveAsync();
            entered.TrySetResult();
            await goesOn.Task;
        }));
        await entered.Task;
        var second = Task.Run(() => till.Database.WriteAsync(async session => (await Open(session)).Find(account.Id)!.Lease));
        await Task.Delay(300, TestContext.Current.CancellationToken);
        Assert.False(second.IsCompleted);
        goesOn.SetResult();
        await first;
        Assert.Equal(500, await second);
    }

    [Fact]
    public async Task Purse_Idle_GivesBack()
    {
        var clock = new FakeClock();
        await using var till = await OpenAsync(clock);
        var account = await till.NewAccountAsync(1_000_000);
        (await till.HoldAsync(account, 1000)).Release();
        Assert.True(await till.LeasedAsync(account) > 1000);
        // A node that is alone keeps it longer: nobody else waits for it.
        if (!till.Database.IsShared) clock.Advance(TimeSpan.FromSeconds(30));
        await Till.UntilAsync(async () => await till.LeasedAsync(account) == 0, clock);
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Held_WhileIdleMoneyGoesBack_IsWhatCallsHold()
    {
        await using var till = await OpenAsync();
        var purse = new Purse("acc_1", till.Books);
        static AccountRow Row(long lease) => RowOf(1000, lease);
        purse.Committed(Row(300));
        Assert.True(purse.TryTake(50));
        var (change, row) = (new LeaseChange(purse, returnsAll: true), Row(300));
        change.Apply(null!, row);
        Assert.Equal((250, 50), (change.Returning, purse.Held));
        Assert.False(purse.TryTake(1));
        change.Committed();
        Assert.Equal((0, 50), (change.Returning, purse.Held));

        // What did not go back after all can be held again.
        purse.Committed(Row(300));
        change = new LeaseChange(purse, returnsAll: true);
        change.Apply(null!, Row(300));
        change.Failed(away: true);
        Assert.Equal((0, 50), (change.Returning, purse.Held));
        Assert.True(purse.TryTake(250));
    }

    private static AccountRow RowOf(long balance, long lease)
    {
        var row = new AccountRow { Id = "acc_1", Balance = balance, Leased = 0, CreditLimit = 0, Seq = 1, Head = "", Place = 0, Spent = default };
        row.MoveLease(lease);
        return row;
    }

    /// <summary>Its lease went back to the account meanwhile, or is not durable yet: nothing is held from money that is not this node's.</summary>
    [Fact]
    public async Task Purse_WhoseLeaseIsAnotherThanItKnows_HoldsNothingFromIt()
    {
        await using var till = await OpenAsync();
        var purse = new Purse("acc_1", till.Books);
        static AccountRow Row(long lease) => RowOf(100_000, lease);
        purse.Committed(Row(300));
        Assert.True(purse.TryTake(50));
        var (more, grown) = (new LeaseChange(purse, returnsAll: false), Row(300));
        more.Apply(null!, grown);
        Assert.True(grown.Lease > 300);
        Assert.Equal((0, false), (more.Returning, purse.TryTake(251)));

        // Taken for dead: the lease covers what calls hold again, and no more.
        var (change, row) = (new LeaseChange(purse, returnsAll: true), Row(0));
        change.Apply(null!, row);
        Assert.Equal(50, row.Lease);
        purse.Lost();
        Assert.False(purse.TryTake(1));
    }

    [Fact]
    public async Task Stop_InOrder_ReturnsEveryLease()
    {
        var address = await TestDatabase.NewAddressAsync(postgres);
        long balance;
        await using (var till = await Till.OpenAsync(address))
        {
            var account = await till.NewAccountAsync(1_000_000);
            await till.ChargeAsync(account, hold: 1000, price: 10);
            await till.HoldAsync(account, 1000);
            balance = await till.BalanceAsync(account);
        }
        await using var database = await TestDatabase.OpenAsync(address);
        Assert.Equal((999_990L, 0L), (balance, await database.ReadAsync(s => s.FirstAsync("SELECT leased FROM account", row => row.GetInt64(0)))));
    }

    [Fact]
    public async Task Credit_SameReferenceManyTimes_CreditsOnce()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(0);
        var other = await till.NewAccountAsync(0);
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => till.Ledger.CreditAsync(account.Id, 500, "pay-1", "card")));
        Assert.Equal(1, answers.Count(a => a.Outcome == CreditOutcome.Added));
        Assert.Equal(9, answers.Count(a => a.Outcome == CreditOutcome.AlreadyThere));
        Assert.Equal(CreditOutcome.ReferenceTaken, (await till.Ledger.CreditAsync(account.Id, 501, "pay-1", null)).Outcome);
        Assert.Equal(CreditOutcome.ReferenceTaken, (await till.Ledger.CreditAsync(other.Id, 500, "pay-1", null)).Outcome);
        Assert.Equal(CreditOutcome.NoSuchAccount, (await till.Ledger.CreditAsync("acc_nobody", 500, null, null)).Outcome);
        Assert.Equal((500L, 0L), (await till.BalanceAsync(account), await till.BalanceAsync(other)));
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Correction_MoreThanIsFree_TakesWhatIsFree()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000);
        await till.HoldAsync(account, 700);
        Assert.Equal(-300, await till.Ledger.CorrectAsync(account.Id, -500, "", "mistake"));
        Assert.Equal(700, await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Balance_CrossingAThreshold_IsTold()
    {
        await using var till = await OpenAsync();
        var account = await till.NewAccountAsync(1000);
        var told = new List<(long, long)>();
        till.Settlements.BalanceChanged = (_, before, after) => told.Add((before, after));
        await till.ChargeAsync(account, 100, 100);
        await till.ChargeAsync(account, 100, 0);
        await till.ChargeAsync(account, 100, 50);
        Assert.Equal([(1000, 900), (900, 850)], told);
    }
}
