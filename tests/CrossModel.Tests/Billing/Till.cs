using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Storage;
using CrossModel.Tests.Support;
using CrossModel.Usage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Billing;

/// <summary>A node's money rooms over a database, as the gateway composes them.</summary>
internal sealed class Till : IAsyncDisposable
{
    private static int s_accounts;

    private Till(Database database, Books books, Purses purses) =>
        (Database, Books, Purses, Settlements, Ledger) = (database, books, purses, new Settlements(books), new Ledger(database));

    public Database Database { get; }
    public Books Books { get; }
    public Purses Purses { get; }
    public Settlements Settlements { get; }
    public Ledger Ledger { get; }

    public static async Task<Till> OpenAsync(string address, TimeProvider? time = null)
    {
        var database = await TestDatabase.OpenAsync(address, time, server: true);
        var books = new Books(database, NullLogger.Instance);
        return new Till(database, books, await Purses.StartAsync(books));
    }

    public static async Task<Till> OpenNewAsync(bool postgres, TimeProvider? time = null) => await OpenAsync(await TestDatabase.NewAddressAsync(postgres), time);

    public async Task<Account> NewAccountAsync(long balance, long creditLimit = 0)
    {
        var id = $"acc_{Interlocked.Increment(ref s_accounts)}";
        await Database.WriteAsync(session => session.ExecuteAsync(
            "INSERT INTO account (id, name, enabled, balance, leased, credit_limit, created, changed) VALUES (@id, @id, 1, 0, 0, @limit, 0, 0)",
            ("@id", id), ("@limit", creditLimit)));
        if (balance > 0) await Ledger.CreditAsync(id, balance, null, null);
        return new Account(id, id, true, creditLimit, Terms.None);
    }

    public async Task<Hold> HoldAsync(Account account, long amount)
    {
        var answer = await Purses.HoldAsync(account, amount);
        Assert.NotNull(answer.Hold);
        return answer.Hold;
    }

    public async Task<Settled> ChargeAsync(Account account, long hold, long price) =>
        await Settlements.SettleAsync(Record(account.Id, price), await HoldAsync(account, hold));

    /// <summary>Gives back, as the books do for a reply that was not delivered.</summary>
    public Task RefundAsync(Account account, long amount, string requestId) => Database.WriteAsync(async session =>
    {
        var posting = await Posting.OpenAsync(Database, session, "", [account.Id]);
        posting.Post(posting.Find(account.Id)!, EntryKind.Refund, amount, requestId, "the database was away: the reply was not delivered");
        await posting.SaveAsync();
    });

    public static RequestRecord Record(string accountId, long price, Basis basis = Basis.Reported) => new()
    {
        Id = RequestIds.NewRequest(TimeProvider.System),
        AccountId = accountId,
        KeyId = "key_1",
        Model = "a/b",
        ModelAsked = "a/b",
        Created = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(),
        Status = 200,
        Stream = false,
        Basis = basis,
        Usage = new TokenUsage { InputTokens = price },
        PriceVersion = "v1",
        Lines = price == 0 ? [] : [new CostLine("input", price, 1_000_000)],
        Price = price,
    };

    public Task<long> BalanceAsync(Account account) => NumberAsync("balance", account);

    public Task<long> LeasedAsync(Account account) => NumberAsync("leased", account);

    public Task<long> NumberAsync(string column, Account account) => Database.ReadAsync(s => s.FirstAsync(
        "SELECT balance, leased, spent_total FROM account WHERE id = @id",
        row => row.GetInt64(column switch { "balance" => 0, "leased" => 1, _ => 2 }), ("@id", account.Id)));

    public Task ExecuteAsync(string sql) => Database.WriteAsync(s => s.ExecuteAsync(sql));

    public Task<LedgerReport> VerifyAsync() => new LedgerVerifier(Database).RunAsync();

    public async Task AssertSoundAsync()
    {
        var report = await VerifyAsync();
        Assert.Empty(report.Faults);
    }

    /// <summary>Waits, for at most ten seconds of real time, until something is true.</summary>
    public static async Task UntilAsync(Func<Task<bool>> isTrue, FakeClock? clock = null)
    {
        // The question itself may wait for the clock: it is never awaited without letting time pass.
        Task<bool>? asked = null;
        for (var i = 0; i < 500; i++)
        {
            asked ??= isTrue();
            if (asked.IsCompleted)
            {
                if (await asked) return;
                asked = null;
            }
            clock?.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(20);
        }
        Assert.Fail("It did not become true within ten seconds.");
    }

    /// <summary>As a killed process leaves things: nothing is given back.</summary>
    public async Task AbandonAsync()
    {
        await Books.DisposeAsync();
        await Database.DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Purses.DisposeAsync();
        await Database.DisposeAsync();
    }
}
