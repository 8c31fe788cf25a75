using CrossModel.Accounts;
using CrossModel.Storage;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Accounts;

public sealed class StoresOnSqlite() : StoresContract(postgres: false);

public sealed class StoresOnPostgres() : StoresContract(postgres: true);

public abstract class StoresContract(bool postgres)
{
    private static readonly Terms s_terms = new()
    {
        RequestsPerMinute = 1,
        TokensPerMinute = 2,
        Parallel = 3,
        SpendDay = 4,
        SpendMonth = 5,
        SpendTotal = long.MaxValue,
    };

    private static Task<Account?> CreateAsync(Database database, string name) =>
        database.WriteAsync(session => AccountStore.CreateAsync(session, name, database.Time));

    [Fact]
    public async Task Account_CreatedThenChanged_IsReadBackWhole()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var accounts = new AccountStore(database);
        Assert.False(await accounts.AnyAsync());
        var made = await CreateAsync(database, "acme");
        Assert.True(await accounts.AnyAsync());
        Assert.Equal(new AccountState(made!, 0, 0, (await accounts.FindAsync("acme"))!.Created), await accounts.FindAsync("acme"));
        var changed = await accounts.ChangeAsync("acme", a => a with { Enabled = false, CreditLimit = 12, Terms = s_terms });
        Assert.Equal(changed, (await accounts.FindAsync("acme"))!.Account);
        Assert.Equal(s_terms, changed!.Terms);
        Assert.Null(await accounts.FindAsync("other"));
        Assert.Null(await accounts.ChangeAsync("other", a => a));
    }

    [Fact]
    public async Task Account_NameTakenAlready_IsNotMadeTwiceWhoeverIsFirst()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var made = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => CreateAsync(database, "acme")));
        Assert.Single(made, account => account is not null);
        Assert.Single(await new AccountStore(database).ListAsync());
    }

    [Fact]
    public async Task Account_ChangedByManyAtOnce_LosesNoChange()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var accounts = new AccountStore(database);
        await CreateAsync(database, "acme");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => accounts.ChangeAsync("acme", a => a with { CreditLimit = a.CreditLimit + 1 })));
        Assert.Equal(20, (await accounts.FindAsync("acme"))!.Account.CreditLimit);
    }

    [Fact]
    public async Task Link_OpenedByManyAtOnce_OpensOneSession_OfItsAccount()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var signIns = new SignIns(database);
        foreach (var account in new[] { (await CreateAsync(database, "acme"))!.Id, null })
        {
            var link = await signIns.NewLinkAsync(account, TimeSpan.FromMinutes(1));
            var opened = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => signIns.OpenAsync(link)));
            var session = Assert.Single(opened, token => token is not null)!;
            Assert.Equal(new SignedIn(session, account), await signIns.FindAsync(session, TestContext.Current.CancellationToken));
            // Neither is the other.
            Assert.Null(await signIns.FindAsync(link, TestContext.Current.CancellationToken));
            Assert.Null(await signIns.OpenAsync(session));
            await signIns.EndAsync(session);
            Assert.Null(await signIns.FindAsync(session, TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task Key_ByIdWholeKeyOrPrefix_IsFound()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var account = (await CreateAsync(database, "acme"))!;
        var keys = new KeyStore(database);
        var made = await keys.CreateAsync(new KeyOrder(account.Id, "label", 77, ["a/b", "c/*"], s_terms));
        await keys.CreateAsync(new KeyOrder(account.Id, "another", null, null, Terms.None));
        foreach (var name in new[] { made.Entry.Id, made.Key, made.Entry.Prefix, made.Entry.Prefix.Replace("…", "...", StringComparison.Ordinal), made.Key[..7] })
        {
            var found = Assert.Single(await keys.FindAsync(name));
            Assert.Equal("acme", found.Account);
            Assert.Equivalent(made.Entry, found.Entry, strict: true);
        }
        Assert.Empty(await keys.FindAsync(ApiKey.New()));
        Assert.Equal(2, (await keys.ListAsync(account.Id)).Count);
        Assert.Equal(2, (await keys.ListAsync(null)).Count);
        Assert.Empty(await keys.ListAsync("acc_none"));
    }

    [Fact]
    public async Task Key_OnTheBooks_IsAHashAndNeverTheKey()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var made = await new KeyStore(database).CreateAsync(new KeyOrder((await CreateAsync(database, "acme"))!.Id, "label", null, null, Terms.None));
        var row = await database.ReadAsync(session => session.FirstAsync("SELECT * FROM api_key", r =>
            string.Join('|', Enumerable.Range(0, r.FieldCount).Select(i => r.GetValue(i)))));
        Assert.Contains(ApiKey.Hash(made.Key), row, StringComparison.Ordinal);
        Assert.DoesNotContain(made.Key[7..42], row, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rotate_WithGrace_CarriesAllOverAndEndsTheOldKeyLater()
    {
        var clock = new FakeClock();
        await using var database = await TestDatabase.OpenNewAsync(postgres, clock);
        var keys = new KeyStore(database);
        var first = await keys.CreateAsync(new KeyOrder((await CreateAsync(database, "acme"))!.Id, "label", database.Now + 999_999_999, ["a/*"], s_terms));
        var second = (await keys.RotateAsync(first.Entry.Id, TimeSpan.FromHours(24)))!;
        var third = (await keys.RotateAsync(second.Entry.Id, TimeSpan.Zero))!;
        Assert.Equal(3, new[] { first.Key, second.Key, third.Key }.Distinct().Count());
        Assert.Equivalent(first.Entry with { Id = third.Entry.Id, Hash = ApiKey.Hash(third.Key), Prefix = ApiKey.Prefix(third.Key), Line = first.Entry.Id },
            Assert.Single(await keys.FindAsync(third.Key)).Entry, strict: true);
        var old = Assert.Single(await keys.FindAsync(first.Key)).Entry;
        Assert.Equal((database.Now + 86_400_000, false), (old.Expires!.Value, old.Revoked));
        Assert.True(Assert.Single(await keys.FindAsync(second.Key)).Entry.Revoked);
        Assert.Null(await keys.RotateAsync("key_none", TimeSpan.Zero));
        // Two who rotate one key at once: the second's new key would be revoked as the old one is.
        Assert.Null(await keys.RotateAsync(second.Entry.Id, TimeSpan.Zero));
    }

    [Fact]
    public async Task Rotate_OfAKeyThatExpiresWithinTheGrace_LetsItLiveNoLonger()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres);
        var keys = new KeyStore(database);
        var old = await keys.CreateAsync(new KeyOrder((await CreateAsync(database, "acme"))!.Id, "label", database.Now + 60_000, null, Terms.None));
        await keys.RotateAsync(old.Entry.Id, TimeSpan.FromHours(24));
        Assert.Equal(old.Entry.Expires, Assert.Single(await keys.FindAsync(old.Key)).Entry.Expires);
    }
}
