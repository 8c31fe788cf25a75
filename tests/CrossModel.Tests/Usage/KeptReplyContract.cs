using System.Text;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Tests.Billing;
using CrossModel.Tests.Support;
using CrossModel.Usage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Usage;

/// <summary>A reply is kept for its repeats by the transaction that charges it: both are on the books, or neither.</summary>
public abstract class KeptReplyContract(bool postgres)
{
    private static readonly byte[] BodyHash = new byte[32];

    private static ReplyToKeep Reply(string account, string request, long cost, string key = "k") => new(account, key,
        new KeptReply(request, "application/json", Encoding.UTF8.GetBytes($$$"""{"id":"x","usage":{"prompt_tokens":1,"cost":{{{cost / 1_000_000_000m:0.#########}}}}}""")), cost);

    private static async Task<string?> KeptAsync(ReplyStore store, Account account)
    {
        var claim = await store.ClaimAsync(account.Id, "k", BodyHash, "req_repeat");
        return claim.Kept is { } kept ? Encoding.UTF8.GetString(kept.Body) : null;
    }

    [Fact]
    public async Task Charge_Committed_KeepsItsReply()
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var store = new ReplyStore(till.Database, till.Books.Node, NullLogger.Instance);
        var account = await till.NewAccountAsync(1_000_000);
        var record = Till.Record(account.Id, 2000);
        Assert.Equal(default, await store.ClaimAsync(account.Id, "k", BodyHash, record.Id));
        Assert.True((await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 5000), new Beside(false, Reply(account.Id, record.Id, 2000)))).Committed);
        // A restart frees what was cut, not what was kept.
        await store.FreeAllRunningAsync();
        Assert.Equal("""{"id":"x","usage":{"prompt_tokens":1,"cost":0.000002}}""", await KeptAsync(store, account));
        Assert.Equal(record.Id, (await store.ClaimAsync(account.Id, "k", BodyHash, "req_repeat")).Kept!.RequestId);
    }

    /// <summary>Who reads the database has the hash of the key alone; what opens a reply is the key itself, with its account.</summary>
    [Fact]
    public async Task Reply_UnderAnotherKeyOrAccount_CannotBeOpened()
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var store = new ReplyStore(till.Database, till.Books.Node, NullLogger.Instance);
        var (account, other) = (await till.NewAccountAsync(1_000_000), await till.NewAccountAsync(1_000_000));
        var record = Till.Record(account.Id, 2000);
        await store.ClaimAsync(account.Id, "k", BodyHash, record.Id);
        await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 5000), new Beside(false, Reply(account.Id, record.Id, 2000)));
        foreach (var (whose, key) in new[] { (account.Id, "another"), (other.Id, "k") })
        {
            await till.Database.WriteAsync(session => session.ExecuteAsync("UPDATE stored_reply SET account_id = @account, key_hash = @key", ("@account", whose), ("@key", ReplyStore.HashOf(key))));
            Assert.Equal(new Claim(Damaged: record.Id), await store.ClaimAsync(whose, key, BodyHash, "req_repeat"));
        }
        Assert.NotEqual(ReplyStore.Seal("acc_1", "k", [1]), ReplyStore.Seal("acc_1", "k", [1]));
    }

    [Fact]
    public async Task Charge_PartlyUncovered_KeepsTheCostThatLeftTheBalance()
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var store = new ReplyStore(till.Database, till.Books.Node, NullLogger.Instance);
        var account = await till.NewAccountAsync(1000);
        var record = Till.Record(account.Id, 2000);
        await store.ClaimAsync(account.Id, "k", BodyHash, record.Id);
        var settled = await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 1000), new Beside(false, Reply(account.Id, record.Id, 2000)));
        Assert.Equal(1000, settled.Charged);
        Assert.Equal("""{"id":"x","usage":{"prompt_tokens":1,"cost":0.000001}}""", await KeptAsync(store, account));
    }

    [Fact]
    public async Task Charge_ThatFails_KeepsNothing()
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var store = new ReplyStore(till.Database, till.Books.Node, NullLogger.Instance);
        var account = await till.NewAccountAsync(1_000_000);
        var record = Till.Record("acc_nobody", 2000);
        await store.ClaimAsync(account.Id, "k", BodyHash, record.Id);
        var settled = await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 5000), new Beside(false, Reply(account.Id, record.Id, 2000)));
        Assert.False(settled.Committed);
        Assert.True((await store.ClaimAsync(account.Id, "k", BodyHash, "req_repeat")).RunsElsewhere);
        await store.FreeAsync(account.Id, "k", record.Id);
        Assert.Equal(default, await store.ClaimAsync(account.Id, "k", BodyHash, "req_repeat"));
    }

    [Fact]
    public async Task Charge_GivenBack_TakesItsReplyAlong()
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var store = new ReplyStore(till.Database, till.Books.Node, NullLogger.Instance);
        var account = await till.NewAccountAsync(1_000_000);
        var record = Till.Record(account.Id, 2000);
        await store.ClaimAsync(account.Id, "k", BodyHash, record.Id);
        var beside = new Beside(true, Reply(account.Id, record.Id, 2000));
        await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 5000), beside);
        // As if nobody had seen that commit, and the caller had been told that it is not charged.
        var unseen = new Charge(record, await till.HoldAsync(account, 5000), till.Settlements, staysQueued: false, beside);
        unseen.WaitedTooLong();
        till.Books.Add(unseen);
        await Till.UntilAsync(async () => await till.BalanceAsync(account) == 1_000_000);
        Assert.Equal(default, await store.ClaimAsync(account.Id, "k", BodyHash, "req_repeat"));
        var day = SpendStore.DayOf(till.Database.Now);
        Assert.Equal(0, (await till.Database.ReadAsync(s => SpendStore.ReadModelAsync(s, account.Id, record.Model, day), TestContext.Current.CancellationToken)).Total);
        await till.AssertSoundAsync();
    }

    [Fact]
    public async Task Charge_OfAStreamToldThatItFailed_KeepsNothing()
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var store = new ReplyStore(till.Database, till.Books.Node, NullLogger.Instance);
        var account = await till.NewAccountAsync(1_000_000);
        var record = Till.Record(account.Id, 2000);
        await store.ClaimAsync(account.Id, "k", BodyHash, record.Id);
        var queued = new Charge(record, await till.HoldAsync(account, 5000), till.Settlements, staysQueued: true, new Beside(false, Reply(account.Id, record.Id, 2000)));
        queued.WaitedTooLong();
        till.Books.Add(queued);
        await Till.UntilAsync(async () => await till.BalanceAsync(account) == 998_000);
        Assert.Null(await KeptAsync(store, account));
    }

    [Fact]
    public async Task Key_AfterADay_IsFreeAgain()
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenNewAsync(postgres, clock);
        var store = new ReplyStore(database, "node_1", NullLogger.Instance);
        Assert.Equal(default, await store.ClaimAsync("acc_1", "k", BodyHash, "req_1"));
        clock.Advance(TimeSpan.FromHours(24));
        Assert.True((await store.ClaimAsync("acc_1", "k", BodyHash, "req_2")).RunsElsewhere);
        clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(default, await store.ClaimAsync("acc_1", "k", BodyHash, "req_2"));
    }

    /// <summary>Both are charged, whichever the cache has.</summary>
    [Fact]
    public async Task CachedReplies_OfOneCommit_UnderOneKey_AreOne()
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var store = new ReplyStore(till.Database, till.Books.Node, NullLogger.Instance);
        var account = await till.NewAccountAsync(1_000_000);
        for (var round = 0; round < 2; round++)
        {
            var records = new[] { Till.Record(account.Id, 2000), Till.Record(account.Id, 2000), Till.Record(account.Id, 2000) };
            var settled = await Task.WhenAll(records.Select(async (record, i) => await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 5000),
                new Beside(false, new ReplyToKeep(account.Id, i < 2 ? "one body" : "other body", new KeptReply(record.Id, "application/json", "{}"u8.ToArray()), 2000) { CacheFor = TimeSpan.FromMinutes(1) }))));
            Assert.All(settled, one => Assert.Equal((true, 2000), (one.Committed, one.Charged)));
            Assert.Contains((await store.FindAsync(account.Id, "one body", TimeSpan.FromSeconds(30)))!.RequestId, records[..2].Select(r => r.Id));
            Assert.Equal(records[2].Id, (await store.FindAsync(account.Id, "other body", TimeSpan.FromSeconds(30)))!.RequestId);
        }
        Assert.Null(await store.FindAsync(account.Id, "another", TimeSpan.FromSeconds(30)));
        Assert.Equal(1_000_000 - (6 * 2000), await till.BalanceAsync(account));
        await till.AssertSoundAsync();
    }

    /// <summary>Also where nobody ever asks for the same again.</summary>
    [Fact]
    public async Task CachedReplies_ThatAreTooOld_LeaveTheDatabase()
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenNewAsync(postgres, clock);
        var store = new ReplyStore(database, "node_1", NullLogger.Instance);
        await database.WriteAsync(session => ReplyStore.WriteAsync(session,
            [(new ReplyToKeep("acc_1", "a body", new KeptReply("req_1", "application/json", "{}"u8.ToArray()), 5) { CacheFor = TimeSpan.FromHours(1) }, 5)], database.Now).AsTask());
        clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(TimeSpan.FromHours(1), (await store.FindAsync("acc_1", "a body", TimeSpan.FromHours(2)))!.Age);
        clock.Advance(TimeSpan.FromMinutes(2));
        Assert.Null(await store.FindAsync("acc_1", "another body", TimeSpan.FromHours(2)));
        Assert.Equal(0, await database.ReadAsync(s => s.FirstAsync("SELECT count(*) FROM stored_reply", row => row.GetInt64(0)), TestContext.Current.CancellationToken));
    }

    /// <summary>Charges wait for what deletes them: a thousand large ones at once took so long that replies were not delivered.</summary>
    [Fact]
    public async Task Replies_ThatAreTooOld_LeaveAFewAtATime_AndTheirKeysAreFree()
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenNewAsync(postgres, clock);
        var store = new ReplyStore(database, "node_1", NullLogger.Instance);
        for (var i = 0; i < 100; i++) await store.ClaimAsync("acc_1", $"k{i}", BodyHash, $"req_{i}");
        clock.Advance(TimeSpan.FromHours(25));
        async Task<long> LeftAsync() => await database.ReadAsync(s => s.FirstAsync("SELECT count(*) FROM stored_reply WHERE request_id <> 'req_new'", row => row.GetInt64(0)), TestContext.Current.CancellationToken);

        Assert.Equal(default, await store.ClaimAsync("acc_1", "k99", BodyHash, "req_new"));
        Assert.InRange(await LeftAsync(), 70, 99);
        Assert.Null(await store.FindAsync("acc_1", "a body", TimeSpan.FromHours(2)));
        Assert.InRange(await LeftAsync(), 40, 79);
        for (var i = 0; i < 10; i++) await store.FindAsync("acc_1", "a body", TimeSpan.FromHours(2));
        Assert.Equal(0, await LeftAsync());
    }

    /// <summary>A call may be served from what its node has leased: it waited half a minute for a cache that is no condition of it.</summary>
    [Fact]
    public async Task Cache_InADatabaseThatDoesNotAnswer_IsNotWaitedForLong()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var store = new ReplyStore(database, "node_1", NullLogger.Instance);
        await database.WriteAsync(async session =>
        {
            if (postgres) await session.ExecuteAsync("LOCK TABLE stored_reply IN ACCESS EXCLUSIVE MODE");
            Assert.Null(await store.FindAsync("acc_1", "a body", TimeSpan.FromHours(1)).WaitAsync(TimeSpan.FromSeconds(10)));
        });
    }

    /// <summary>A call that freed its key late must not take it from the one that has it now.</summary>
    [Fact]
    public async Task Key_FreedByAnEarlierCall_StaysWithTheLater()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var store = new ReplyStore(database, "node_1", NullLogger.Instance);
        Assert.Equal(default, await store.ClaimAsync("acc_1", "k", BodyHash, "req_2"));
        await store.FreeAsync("acc_1", "k", "req_1");
        Assert.True((await store.ClaimAsync("acc_1", "k", BodyHash, "req_3")).RunsElsewhere);
    }

    /// <summary>Alone on its database a server knows that whatever ran before it was cut; among others it does not.</summary>
    [Fact]
    public async Task Server_ThatStarts_FreesWhatRanBeforeWhereItIsAlone()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var store = new ReplyStore(database, "node_1", NullLogger.Instance);
        Assert.Equal(default, await store.ClaimAsync("acc_1", "k", BodyHash, "req_1"));
        await store.FreeAllRunningAsync();
        Assert.Equal(postgres, (await store.ClaimAsync("acc_1", "k", BodyHash, "req_2")).RunsElsewhere);
    }

    [Fact]
    public async Task Charges_OfAModelWhoseSpendIsLimited_AreCountedByAccountAndModel()
    {
        await using var till = await Till.OpenNewAsync(postgres);
        var (account, other) = (await till.NewAccountAsync(1_000_000), await till.NewAccountAsync(1_000_000));
        var day = SpendStore.DayOf(till.Database.Now);
        await Task.WhenAll(new[] { 10, 20, 30 }.Select(async price =>
            await till.Settlements.SettleAsync(Till.Record(account.Id, price), await till.HoldAsync(account, 100), new Beside(CountsForModel: true, null))));
        await till.ChargeAsync(other, 100, 50);
        Assert.Equal(new Spent(60, 60, 60), await ReadAsync(account));
        Assert.Equal(default, await ReadAsync(other));
        Task<Spent> ReadAsync(Account whose) => till.Database.ReadAsync(s => SpendStore.ReadModelAsync(s, whose.Id, "a/b", day));
    }
}

public sealed class SqliteKeptReplyTests() : KeptReplyContract(postgres: false);

public sealed class PostgresKeptReplyTests() : KeptReplyContract(postgres: true)
{
    [Fact]
    public async Task Key_OfANodeThatDied_IsFreeForTheOthers()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres: true);
        await database.WriteAsync(session => Nodes.EnsureAliveAsync(session, "node_1"));
        Assert.Equal(default, await new ReplyStore(database, "node_1", NullLogger.Instance).ClaimAsync("acc_1", "k", new byte[32], "req_1"));
        var other = new ReplyStore(database, "node_2", NullLogger.Instance);
        Assert.True((await other.ClaimAsync("acc_1", "k", new byte[32], "req_2")).RunsElsewhere);
        await database.WriteAsync(session => session.ExecuteAsync("DELETE FROM node WHERE id = 'node_1'"));
        Assert.Equal(default, await other.ClaimAsync("acc_1", "k", new byte[32], "req_2"));
    }

    [Fact]
    public async Task Reply_OfANodeThatDied_IsStillKept()
    {
        await using var till = await Till.OpenNewAsync(postgres: true);
        var account = await till.NewAccountAsync(1_000_000);
        var record = Till.Record(account.Id, 2000);
        await new ReplyStore(till.Database, "node_dead", NullLogger.Instance).ClaimAsync(account.Id, "k", new byte[32], record.Id);
        await till.Settlements.SettleAsync(record, await till.HoldAsync(account, 5000), new Beside(false, new ReplyToKeep(account.Id, "k", new KeptReply(record.Id, "application/json", "{}"u8.ToArray()), 2000)));
        Assert.NotNull((await new ReplyStore(till.Database, till.Books.Node, NullLogger.Instance).ClaimAsync(account.Id, "k", new byte[32], "req_2")).Kept);
    }
}
