using CrossModel.Accounts;
using CrossModel.Protocol;
using CrossModel.Storage;

namespace CrossModel.WebConsole;

/// <summary>Keys: made, changed, rotated. A key itself is shown once, where it is made.</summary>
internal sealed class KeyPages(Database database)
{
    /// <summary>Keys are rows for ever: a holder's script must not fill the database.</summary>
    private const int MostOfHolder = 1000;

    private readonly KeyStore _keys = new(database);

    public async Task<Outcome> CreateAsync(SignedIn who, string accountId, Fields fields)
    {
        if (!who.MaySee(accountId) || await new AccountStore(database).FindByIdAsync(accountId) is null) return AccountPages.NoAccount();
        var order = new KeyOrder(accountId, fields.Name("name"), database.Now + fields.Lasting("expires"), fields.Models("models"), fields.Terms());
        if ((fields.Fault ?? await FullAsync(who)) is { } fault) return fault;
        return Outcome.Show<NewKeyPage>(await _keys.CreateAsync(order));
    }

    /// <param name="change">enable, disable, revoke or rotate.</param>
    public async Task<Outcome> ChangeAsync(SignedIn who, string id, string change, Fields fields)
    {
        if ((await _keys.FindAsync(id)).Find(key => key.Entry.Id == id)?.Entry is not { } key || !who.MaySee(key.AccountId)) return ApiErrors.ConsoleHasNo("key");
        if (change == "rotate")
        {
            var grace = fields.Duration("grace") ?? 0;
            if ((fields.Fault ?? await FullAsync(who)) is { } fault) return fault;
            return await _keys.RotateAsync(id, TimeSpan.FromMilliseconds(grace)) is not { } made
                ? ApiErrors.InvalidValue("key", "The key is revoked or expired: there is nothing to carry over."
                    + " If this form was sent twice, a key of its name was made and cannot be shown again: rotate that one. Else make a new one.")
                : Outcome.Show<NewKeyPage>(made);
        }
        if (change is not ("enable" or "disable" or "revoke")) return ApiErrors.ConsoleHasNo("change of a key");
        // A key that somebody has revoked meanwhile stays so.
        await _keys.ChangeAsync(id, now => change == "revoke" ? now with { Revoked = true } : now with { Enabled = change == "enable" });
        return Outcome.GoTo(AccountPages.PathOf(key.AccountId));
    }

    private async Task<ApiError?> FullAsync(SignedIn who) => who.AccountId is { } own && await _keys.CountAsync(own) >= MostOfHolder
        ? ApiErrors.InvalidValue("key", $"This account has had {MostOfHolder} keys, the most that its holder can make. The operator can make more.")
        : null;
}
