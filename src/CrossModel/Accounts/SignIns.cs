using System.Security.Cryptography;
using System.Text;
using CrossModel.Storage;

namespace CrossModel.Accounts;

/// <summary>Who uses the console.</summary>
/// <param name="Token">What the browser's cookie holds.</param>
/// <param name="AccountId">The account whose console it is; null: the operator's, which shows all.</param>
internal sealed record SignedIn(string Token, string? AccountId)
{
    public bool IsOperator => AccountId is null;

    public bool MaySee(string accountId) => IsOperator || AccountId == accountId;

    /// <summary>Stands in every form: a page of another origin, which cannot read the cookie, cannot write it.</summary>
    public string FormToken => SignIns.Hash("form " + Token);

    public bool IsFormToken(string text) => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(text), Encoding.UTF8.GetBytes(FormToken));
}

/// <summary>The console's links, which work once, and the sessions that they open. Of both the database has hashes alone.</summary>
internal sealed class SignIns(Database database)
{
    public static readonly TimeSpan SessionLasts = TimeSpan.FromHours(12);

    private const int TokenLength = 43;

    /// <summary>A new link's token.</summary>
    /// <param name="accountId">Null: the operator's.</param>
    public Task<string> NewLinkAsync(string? accountId, TimeSpan lasts) => database.WriteAsync(session => InsertAsync(session, "link", accountId, lasts));

    /// <summary>Takes a link and opens a session. Null: there is no such link, it was taken before, or its time is over.</summary>
    public Task<string?> OpenAsync(string link) => database.WriteAsync<string?>(async session =>
    {
        await session.ExecuteAsync("DELETE FROM sign_in WHERE expires <= @now", ("@now", database.Now));
        var taken = await session.QueryAsync("DELETE FROM sign_in WHERE hash = @hash AND kind = 'link' RETURNING account_id", row => row.TextOrNull(0), ("@hash", Hash(link)));
        return taken.Count == 0 ? null : await InsertAsync(session, "session", taken[0], SessionLasts);
    });

    /// <summary>Null: no such session, or its time is over.</summary>
    public async Task<SignedIn?> FindAsync(string token, CancellationToken ct) => await database.ReadAsync(session => session.FirstAsync(
        "SELECT account_id FROM sign_in WHERE hash = @hash AND kind = 'session' AND expires > @now",
        row => new SignedIn(token, row.TextOrNull(0)), ("@hash", Hash(token)), ("@now", database.Now)), ct);

    public Task EndAsync(string token) =>
        database.WriteAsync(session => session.ExecuteAsync("DELETE FROM sign_in WHERE hash = @hash AND kind = 'session'", ("@hash", Hash(token))));

    internal static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private async Task<string> InsertAsync(Session session, string kind, string? accountId, TimeSpan lasts)
    {
        var token = string.Create(TokenLength, 0, static (text, _) => RandomText.Fill(text, RandomText.Base62));
        await session.ExecuteAsync("INSERT INTO sign_in (hash, kind, account_id, expires) VALUES (@hash, @kind, @account, @expires)",
            ("@hash", Hash(token)), ("@kind", kind), ("@account", accountId), ("@expires", database.Now + (long)lasts.TotalMilliseconds));
        return token;
    }
}
