using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Storage;

namespace CrossModel.WebConsole;

/// <param name="Keys">Without those that are revoked; the last made where there are more than a page holds.</param>
/// <param name="Payment">A new reference for the credit form: sent twice, it credits once.</param>
internal sealed record AccountView(AccountState State, Spent Spent, IReadOnlyList<KeyListing> Keys, long Now, string Payment);

/// <param name="Find">What the names must have in them; empty: nothing.</param>
/// <param name="Found">How many there are; shown are the first.</param>
internal sealed record AccountsView(IReadOnlyList<AccountState> Accounts, string Find, int Found);

/// <summary>The accounts, and one of them with its money, terms and keys.</summary>
internal sealed class AccountPages(Database database)
{
    private const int MostAccounts = 200;
    public const int MostKeys = 200;

    private readonly AccountStore _accounts = new(database);
    private readonly KeyStore _keys = new(database);

    public async Task<Outcome> ListAsync(string find)
    {
        var found = (await _accounts.ListAsync()).Where(state => state.Account.Name.Contains(find, StringComparison.OrdinalIgnoreCase)).ToList();
        return Outcome.Show<AccountsPage>(new AccountsView([.. found.Take(MostAccounts)], find, found.Count));
    }

    public async Task<Outcome> ShowAsync(SignedIn who, string id)
    {
        if (!who.MaySee(id) || await _accounts.FindByIdAsync(id) is not { } state) return NoAccount();
        var standing = await database.ReadAsync(session => AccountMoney.ReadAsync(session, database.Now, id)) ?? default;
        return Outcome.Show<AccountPage>(new AccountView(state, standing.Spent, await _keys.NewestAsync(id, MostKeys), database.Now, Ids.New("console", database.Time)));
    }

    public async Task<Outcome> CreateAsync(Fields fields)
    {
        var (name, balance) = (fields.Name("name"), fields.Amount("balance"));
        if (fields.Fault is { } fault) return fault;
        var made = await database.WriteAsync(async session =>
        {
            var account = await AccountStore.CreateAsync(session, name, database.Time);
            if (account is not null && balance > 0) await new Ledger(database).CreditAsync(session, account.Id, balance, reference: null, "starting balance");
            return account;
        });
        return made is null ? ApiErrors.InvalidValue("name", "There is an account of that name already.") : Outcome.GoTo(PathOf(made.Id));
    }

    public async Task<Outcome> CreditAsync(string id, Fields fields)
    {
        var amount = fields.Amount("amount");
        if (fields.Fault is { } fault) return fault;
        if (amount == 0) return ApiErrors.InvalidValue("amount", "Write how many USD to add, like 10.00.");
        if (await _accounts.FindByIdAsync(id) is null) return NoAccount();
        var note = fields.Text("note");
        var answer = await new Ledger(database).CreditAsync(id, amount, fields.Text("payment") is { Length: > 0 } payment ? payment : null, note.Length == 0 ? null : note);
        return answer.Outcome == CreditOutcome.ReferenceTaken
            ? ApiErrors.InvalidValue("amount", "This form was sent before with another amount, which was credited."
                + " Nothing more was added: open the account's page anew to add more.")
            : Outcome.GoTo(PathOf(id));
    }

    public async Task<Outcome> SetTermsAsync(string id, Fields fields)
    {
        var (terms, postpaid, shown) = (fields.Terms(), fields.Term("postpaid") ?? 0, fields.Text("shown"));
        if (fields.Fault is { } fault) return fault;
        var stale = false;
        var outcome = await ChangeAsync(id, account =>
        {
            var changed = account with { Terms = terms, CreditLimit = postpaid };
            // What is so already was this very form, sent twice.
            stale = shown.Length > 0 && shown != Shown(account) && changed != account;
            return stale ? account : changed;
        });
        return stale ? ApiErrors.InvalidValue("terms", "Somebody has changed the terms since the page was shown. Nothing was changed: open the page anew.") : outcome;
    }

    /// <summary>The terms that a page shows, in its form: all of them are written at once, and what somebody else has changed meanwhile must not be undone.</summary>
    public static string Shown(Account account) => $"{Usd.Format(account.CreditLimit)} USD postpaid, {DisplayText.Limits(account.Terms)}";

    public Task<Outcome> EnableAsync(string id, bool enabled) => ChangeAsync(id, account => account with { Enabled = enabled });

    private async Task<Outcome> ChangeAsync(string id, Func<Account, Account> change) =>
        await _accounts.FindByIdAsync(id) is { } found && await _accounts.ChangeAsync(found.Account.Name, change) is not null ? Outcome.GoTo(PathOf(id)) : NoAccount();

    public static string PathOf(string id) => $"{ConsoleEndpoint.Root}/accounts/{id}";

    public static ApiError NoAccount() => ApiErrors.ConsoleHasNo("account");
}
