using System.Data.Common;
using CrossModel.Protocol;
using CrossModel.Storage;

namespace CrossModel.Accounts;

/// <summary>An account with its money, as the books have it at one moment. Nano-dollars.</summary>
/// <param name="Leased">Held by the nodes for calls in flight.</param>
/// <param name="Created">Unix milliseconds.</param>
internal sealed record AccountState(Account Account, long Balance, long Leased, long Created)
{
    public long Available => Balance + Account.CreditLimit - Leased;
}

/// <summary>The accounts' names, status and terms. Money moves in the ledger alone; here it is only read.</summary>
internal sealed class AccountStore(Database database)
{
    /// <summary>The accounts' kind in the change feed.</summary>
    public const string Kind = "accounts";

    private const int LongestName = 100;

    internal const string Columns =
        "a.id, a.name, a.enabled, a.credit_limit, a.rpm, a.tpm, a.parallel, a.spend_day, a.spend_month, a.spend_total";

    private const string StateColumns = Columns + ", a.balance, a.leased, a.created";

    /// <summary>Null: good. Else what is wrong with the name.</summary>
    public static string? FaultOfName(string name) =>
        name.Length is 0 or > LongestName ? $"A name has 1 to {LongestName} characters."
        : Unseen.IsIn(name) || name.Trim() != name ? "A name holds no control or formatting characters and neither begins nor ends with a blank."
        // A mistyped option would else become an account.
        : name[0] == '-' ? "A name does not begin with a hyphen, as options do."
        : null;

    /// <summary>Inside a transaction of the caller's, so that the first credit is part of it. Null: the name is taken.</summary>
    public static async Task<Account?> CreateAsync(Session session, string name, TimeProvider time)
    {
        var account = new Account(Ids.New("acc", time), name, Enabled: true, CreditLimit: 0, Terms.None);
        var made = await session.ExecuteAsync(
            """
            INSERT INTO account (id, name, enabled, balance, leased, credit_limit, created, changed)
            VALUES (@id, @name, 1, 0, 0, 0, @created, @changed) ON CONFLICT (name) DO NOTHING
            """,
            ("@id", account.Id), ("@name", name), ("@created", time.GetUtcNow().ToUnixTimeMilliseconds()),
            ("@changed", await ChangeFeed.NextAsync(session, Kind)));
        return made == 0 ? null : account;
    }

    public Task<AccountState?> FindAsync(string name) => database.ReadAsync(session => FindAsync(session, name));

    private static Task<AccountState?> FindAsync(Session session, string name) =>
        session.FirstAsync($"SELECT {StateColumns} FROM account a WHERE a.name = @name", ReadState, ("@name", name));

    public Task<AccountState?> FindByIdAsync(string id) =>
        database.ReadAsync(session => session.FirstAsync($"SELECT {StateColumns} FROM account a WHERE a.id = @id", ReadState, ("@id", id)));

    /// <summary>In the order of names.</summary>
    public Task<List<AccountState>> ListAsync() =>
        database.ReadAsync(session => session.QueryAsync($"SELECT {StateColumns} FROM account a ORDER BY a.name, a.id", ReadState));

    public Task<bool> AnyAsync() => database.ReadAsync(async session =>
        await session.FirstAsync<long?>("SELECT 1 FROM account", row => 1L) is not null);

    /// <summary>Changes status, credit limit or terms; the running nodes see it within a second. Null: no such account.</summary>
    public Task<Account?> ChangeAsync(string name, Func<Account, Account> change) => database.WriteAsync(async session =>
    {
        // First the number: its row is locked from here on, so nobody else changes what is read next.
        var number = await ChangeFeed.NextAsync(session, Kind);
        if (await FindAsync(session, name) is not { } found) return null;
        var after = change(found.Account);
        await session.ExecuteAsync(
            $"UPDATE account SET enabled = @enabled, credit_limit = @credit_limit, {TermsColumns.Assignments}, changed = @changed WHERE id = @id",
            [("@enabled", after.Enabled), ("@credit_limit", after.CreditLimit), .. TermsColumns.Parameters(after.Terms), ("@changed", number), ("@id", after.Id)]);
        return after;
    });

    /// <summary>Those changed after the number <paramref name="before"/> of the change feed.</summary>
    public Task<List<Account>> ChangedAsync(long before) => database.ReadAsync(session => session.QueryAsync(
        $"SELECT {Columns} FROM account a WHERE a.changed > @before", row => Read(row, 0), ("@before", before)));

    /// <summary>Reads <see cref="Columns"/> from the given column on.</summary>
    internal static Account Read(DbDataReader row, int first) =>
        new(row.GetString(first), row.GetString(first + 1), row.Flag(first + 2), row.GetInt64(first + 3), TermsColumns.Read(row, first + 4));

    private static AccountState ReadState(DbDataReader row) => new(Read(row, 0), row.GetInt64(10), row.GetInt64(11), row.GetInt64(12));
}
