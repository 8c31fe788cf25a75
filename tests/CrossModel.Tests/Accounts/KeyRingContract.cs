using System.Diagnostics;
using CrossModel.Accounts;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Accounts;

/// <summary>Whose claims are of wall-clock time: nothing else of this program runs beside them.</summary>
[CollectionDefinition(nameof(OnTheClock), DisableParallelization = true)]
public sealed class OnTheClock;

[Collection(nameof(OnTheClock))]
public sealed class KeyRingOnSqlite() : KeyRingContract(postgres: false);

[Collection(nameof(OnTheClock))]
public sealed class KeyRingOnPostgres() : KeyRingContract(postgres: true);

public abstract class KeyRingContract(bool postgres)
{
    /// <summary>One node: its own connections, feed and ring on a database that others share.</summary>
    private sealed class Node(Database database) : IAsyncDisposable
    {
        public Database Database => database;
        public ChangeFeed Feed { get; } = new(database, NullLogger.Instance);
        public KeyStore Keys { get; } = new(database);
        public AccountStore Accounts { get; } = new(database);
        public KeyRing Ring { get; private set; } = null!;

        public static async Task<Node> StartAsync(string address, TimeProvider? time = null, bool polls = false)
        {
            var node = new Node(await TestDatabase.OpenAsync(address, time));
            node.Ring = new KeyRing(node.Database, node.Feed, () => TimeSpan.FromSeconds(5));
            if (polls) await node.Feed.StartAsync();
            else await node.Feed.PollAsync();
            return node;
        }

        public async Task<Account> AccountAsync(string name = "acme") =>
            (await Database.WriteAsync(session => AccountStore.CreateAsync(session, name, Database.Time)))!;

        public async Task<NewKey> KeyAsync(Account account, long? expires = null) =>
            await Keys.CreateAsync(new KeyOrder(account.Id, "label", expires, null, Terms.None));

        public async Task<int> StatusAsync(string key) => (await Ring.FindAsync($"Bearer {key}")).Refusal?.Status ?? 200;

        public async ValueTask DisposeAsync()
        {
            await Feed.DisposeAsync();
            Ring.Dispose();
            await Database.DisposeAsync();
        }
    }

    private async Task<Node> StartAsync(TimeProvider? time = null) => await Node.StartAsync(await TestDatabase.NewAddressAsync(postgres), time);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("   ")]
    [InlineData("Bearer")]
    [InlineData("Bearer ")]
    [InlineData("Bearer    ")]
    [InlineData("Basic YTpi")]
    [InlineData("Bearercm-x")]
    public async Task Header_MissingEmptyOrOtherScheme_IsMissingApiKey(string? header)
    {
        await using var node = await StartAsync();
        var refusal = (await node.Ring.FindAsync(header)).Refusal;
        Assert.Equal((401, "missing_api_key"), (refusal!.Status, refusal.Code));
    }

    [Theory]
    [InlineData("Bearer ")]
    [InlineData("bearer ")]
    [InlineData("BEARER   ")]
    public async Task Header_SchemeInAnyCase_FindsTheCaller(string start)
    {
        await using var node = await StartAsync();
        var account = await node.AccountAsync();
        var key = await node.KeyAsync(account);
        var answer = await node.Ring.FindAsync(start + key.Key + " ");
        Assert.Null(answer.Refusal);
        Assert.Equal((key.Entry.Id, account.Id), (answer.Caller!.Key.Id, answer.Caller.Account.Id));
    }

    [Fact]
    public async Task Key_Mistyped_IsRefusedWithoutALookUp()
    {
        await using var node = await StartAsync();
        var key = (await node.KeyAsync(await node.AccountAsync())).Key;
        Assert.Equal(401, await node.StatusAsync(key[..^1] + (key[^1] == 'a' ? 'b' : 'a')));
        Assert.Equal((0, 0), (node.Ring.Known, node.Ring.Missed));
    }

    [Fact]
    public async Task Key_KnownAlready_AnswersAtOnceWithoutAllocating()
    {
        await using var node = await StartAsync();
        var header = "Bearer " + (await node.KeyAsync(await node.AccountAsync())).Key;
        for (var i = 0; i < 100; i++) await node.Ring.FindAsync(header);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var allAtOnce = true;
        for (var i = 0; i < 100; i++) allAtOnce &= node.Ring.FindAsync(header).IsCompletedSuccessfully;
        Assert.True(allAtOnce);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public async Task Connection_RemembersTheHeaderThatItRepeats_AndNoOther()
    {
        await using var node = await StartAsync();
        var (mine, other) = ("Bearer " + (await node.KeyAsync(await node.AccountAsync())).Key, await node.KeyAsync(await node.AccountAsync("other")));
        var connection = new Dictionary<object, object?>();
        var first = (await node.Ring.FindAsync(mine, connection)).Caller;
        var noted = Assert.Single(connection).Value;

        Assert.Same(first, (await node.Ring.FindAsync(mine, connection)).Caller);
        Assert.Same(noted, Assert.Single(connection).Value);

        Assert.Equal(other.Entry.Id, (await node.Ring.FindAsync("Bearer " + other.Key, connection)).Caller!.Key.Id);
        Assert.Equal("missing_api_key", (await node.Ring.FindAsync(null, connection)).Refusal!.Code);
        Assert.Equal("invalid_api_key", (await node.Ring.FindAsync(mine[..^1], connection)).Refusal!.Code);

        Assert.Same(first, (await node.Ring.FindAsync(mine, connection)).Caller);
        noted = Assert.Single(connection).Value;
        // The same characters in another string are worked out anew.
        Assert.Same(first, (await node.Ring.FindAsync(new string(mine), connection)).Caller);
        Assert.NotSame(noted, Assert.Single(connection).Value);
    }

    [Fact]
    public async Task Key_UnknownRevokedExpiredDisabledOrOfADisabledAccount_AllReadTheSame()
    {
        var clock = new FakeClock();
        await using var node = await StartAsync(clock);
        var account = await node.AccountAsync();
        var keys = new List<string> { ApiKey.New() };
        foreach (var change in new Func<KeyEntry, KeyEntry>[]
        {
            key => key with { Revoked = true }, key => key with { Enabled = false }, key => key with { Expires = node.Database.Now },
        })
        {
            var key = await node.KeyAsync(account);
            await node.Keys.ChangeAsync(key.Entry.Id, change);
            keys.Add(key.Key);
        }
        var closed = await node.AccountAsync("closed");
        keys.Add((await node.KeyAsync(closed)).Key);
        await node.Accounts.ChangeAsync("closed", a => a with { Enabled = false });
        foreach (var key in keys)
        {
            var refusal = (await node.Ring.FindAsync("Bearer " + key)).Refusal;
            Assert.Equal(CrossModel.Protocol.ApiErrors.InvalidApiKey(), refusal);
        }
    }

    [Fact]
    public async Task Key_ExpiryPasses_IsRefusedFromThenOn()
    {
        var clock = new FakeClock();
        await using var node = await StartAsync(clock);
        var key = (await node.KeyAsync(await node.AccountAsync(), clock.GetUtcNow().AddSeconds(3).ToUnixTimeMilliseconds())).Key;
        Assert.Equal(200, await node.StatusAsync(key));
        clock.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal(200, await node.StatusAsync(key));
        clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal(401, await node.StatusAsync(key));
    }

    [Fact]
    public async Task Key_RevokedOnAnotherNode_IsRefusedWithinASecond()
    {
        var address = await TestDatabase.NewAddressAsync(postgres);
        await using var serving = await Node.StartAsync(address, polls: true);
        await using var other = await Node.StartAsync(address, polls: true);
        var key = await other.KeyAsync(await other.AccountAsync());
        Assert.Equal(200, await serving.StatusAsync(key.Key));
        await other.Keys.ChangeAsync(key.Entry.Id, k => k with { Revoked = true });
        var watch = Stopwatch.StartNew();
        while (await serving.StatusAsync(key.Key) == 200 && watch.Elapsed < TimeSpan.FromSeconds(5))
            await Task.Delay(10, TestContext.Current.CancellationToken);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Key_MadeOnAnotherNode_WorksOnTheNextRequest()
    {
        var address = await TestDatabase.NewAddressAsync(postgres);
        await using var serving = await Node.StartAsync(address);
        await using var other = await Node.StartAsync(address);
        Assert.Equal(200, await serving.StatusAsync((await other.KeyAsync(await other.AccountAsync())).Key));
    }

    [Fact]
    public async Task Key_Changed_KeepsWorkingWithItsNewTerms()
    {
        await using var node = await StartAsync();
        var key = await node.KeyAsync(await node.AccountAsync());
        Assert.Equal(200, await node.StatusAsync(key.Key));
        await node.Keys.ChangeAsync(key.Entry.Id, k => k with { Models = ["a/*", "b/c"], Terms = new Terms { Parallel = 3, SpendDay = 7 } });
        await node.Accounts.ChangeAsync("acme", a => a with { CreditLimit = 5, Terms = new Terms { TokensPerMinute = 9 } });
        await node.Feed.PollAsync();
        var caller = (await node.Ring.FindAsync("Bearer " + key.Key)).Caller!;
        Assert.Equal(new Terms { Parallel = 3, SpendDay = 7 }, caller.Key.Terms);
        Assert.True(caller.Key.Allows("a/x") && caller.Key.Allows("b/c") && !caller.Key.Allows("b/d"));
        Assert.Equal((5, 9), (caller.Account.CreditLimit, caller.Account.Terms.TokensPerMinute));
    }

    [Fact]
    public async Task Node_ThatCouldNotAskForFiveSeconds_RefusesEvenKnownKeysUntilItCan()
    {
        var clock = new FakeClock();
        await using var node = await StartAsync(clock);
        var key = (await node.KeyAsync(await node.AccountAsync())).Key;
        Assert.Equal(200, await node.StatusAsync(key));
        clock.Advance(TimeSpan.FromSeconds(5.1));
        var refusal = (await node.Ring.FindAsync("Bearer " + key)).Refusal;
        Assert.Equal((503, "model_unavailable"), (refusal!.Status, refusal.Code));
        Assert.NotNull(refusal.RetryAfter);
        await node.Feed.PollAsync();
        Assert.Equal(200, await node.StatusAsync(key));
    }

    [Fact]
    public async Task Keys_UnknownInAFlood_AreForgottenBeyondABoundAndHurtNoKnownKey()
    {
        await using var node = await StartAsync(new FakeClock());
        var key = (await node.KeyAsync(await node.AccountAsync())).Key;
        Assert.Equal(200, await node.StatusAsync(key));
        const int Flood = 10_000;
        for (var i = 0; i < Flood; i++) Assert.Equal(401, await node.StatusAsync(ApiKey.New()));
        Assert.InRange(node.Ring.Missed, 1, Flood - 1);
        Assert.Equal(1, node.Ring.Known);
        Assert.Equal(200, await node.StatusAsync(key));
    }

    [Fact]
    public async Task Keys_ThatHaveEnded_AreForgottenAtTheNextChangeOfAnyKey()
    {
        var clock = new FakeClock();
        await using var node = await StartAsync(clock);
        var account = await node.AccountAsync();
        var (good, revoked) = (await node.KeyAsync(account), await node.KeyAsync(account));
        var expired = await node.KeyAsync(account, clock.GetUtcNow().AddSeconds(3).ToUnixTimeMilliseconds());
        foreach (var key in new[] { good, revoked, expired }) Assert.Equal(200, await node.StatusAsync(key.Key));
        Assert.Equal(3, node.Ring.Known);

        clock.Advance(TimeSpan.FromSeconds(3));
        await node.Keys.ChangeAsync(revoked.Entry.Id, key => key with { Revoked = true });
        await node.Feed.PollAsync();

        Assert.Equal(1, node.Ring.Known);
        foreach (var key in new[] { revoked, expired }) Assert.Equal(401, await node.StatusAsync(key.Key));
        Assert.Equal(200, await node.StatusAsync(good.Key));
    }

    [Fact]
    public async Task Keys_UnknownAllAtOnce_AreRefusedAndTheRingServesOn()
    {
        await using var node = await StartAsync();
        var before = SynchronizationContext.Current;
        var held = new HeldContext();
        SynchronizationContext.SetSynchronizationContext(held);
        var asked = new List<Task<KeyAnswer>>();
        for (var i = 0; i < 2000; i++) asked.Add(node.Ring.FindAsync("Bearer " + ApiKey.New()).AsTask());
        SynchronizationContext.SetSynchronizationContext(before);
        held.Release();

        var answers = await Task.WhenAll(asked);

        // So many wait for a look-up; the others are told to come again, and cost the database nothing.
        Assert.Equal((512, 1488), (answers.Count(a => a.Refusal!.Status == 401), answers.Count(a => a.Refusal!.Status == 503)));
        Assert.Equal(512, node.Ring.Missed);
        Assert.Equal(200, await node.StatusAsync((await node.KeyAsync(await node.AccountAsync())).Key));
    }

    [Fact]
    public async Task Key_NewInAThousandCallsAtOnce_IsLookedUpOnceForAll()
    {
        await using var node = await StartAsync();
        var key = await node.KeyAsync(await node.AccountAsync());

        var answers = await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => node.Ring.FindAsync("Bearer " + key.Key).AsTask()));

        Assert.All(answers, answer => Assert.Null(answer.Refusal));
        // Each look-up makes a caller of its own.
        Assert.Single(answers.Select(answer => answer.Caller).Distinct(ReferenceEqualityComparer.Instance));
    }

    /// <summary>Holds back what goes on later, so that all have asked before the first is looked up.</summary>
    private sealed class HeldContext : SynchronizationContext
    {
        private readonly List<Action> _held = [];

        public override void Post(SendOrPostCallback d, object? state) => _held.Add(() => d(state));

        public void Release() => _held.ForEach(go => ThreadPool.QueueUserWorkItem(_ => go()));
    }

    [Fact]
    public async Task Key_RememberedAsUnknownThenMade_WorksAfterTheNextPoll()
    {
        await using var node = await StartAsync();
        var made = await node.KeyAsync(await node.AccountAsync());
        await node.Database.WriteAsync(session => session.ExecuteAsync("UPDATE api_key SET hash = 'hidden'"));
        Assert.Equal(401, await node.StatusAsync(made.Key));
        await node.Database.WriteAsync(session => session.ExecuteAsync("UPDATE api_key SET hash = @hash", ("@hash", made.Entry.Hash)));
        Assert.Equal(401, await node.StatusAsync(made.Key));
        await node.Database.WriteAsync(session => ChangeFeed.NextAsync(session, KeyStore.Kind));
        await node.Feed.PollAsync();
        Assert.Equal(200, await node.StatusAsync(made.Key));
    }
}
