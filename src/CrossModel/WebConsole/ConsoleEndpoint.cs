using CrossModel.Accounts;
using CrossModel.Configuration;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Storage;
using Microsoft.Net.Http.Headers;

namespace CrossModel.WebConsole;

/// <summary>
/// <c>/console</c>: plain pages and plain forms. Who comes has a link from <c>crossmodel console</c>; a cookie keeps him signed in. What a form changes is
/// changed by the same methods as from the command line.
/// </summary>
/// <param name="faults">Why the configuration file is not in force; empty: it is.</param>
internal sealed class ConsoleEndpoint(Database database, Snapshots snapshots, Func<IReadOnlyList<ConfigFault>> faults) : IAsyncDisposable
{
    public const string Root = "/console";
    private const string Cookie = "crossmodel_console";

    /// <summary>Pages and forms at once, and those that may wait: whoever floods the console must take neither the database nor the memory from those who call.</summary>
    private const int AtOnce = 4;
    private const int MostHere = 512;

    // No script, nothing from elsewhere, in no other page's frame; the address of a link must not reach other sites.
    private const string Policy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

    private readonly SemaphoreSlim _turns = new(AtOnce);
    private readonly SignIns _signIns = new(database);
    private readonly AccountPages _accounts = new(database);
    private readonly KeyPages _keys = new(database);
    private readonly SentForms _sent = new(database.Time);
    private readonly BookPages _books = new(database, snapshots);
    private int _here;

    /// <param name="address">Where the server is, without a slash at its end.</param>
    public static string LinkAt(string address, string token) => $"{address}{Root}/sign-in?link={token}";

    public static bool IsOn(string path) => path == Root || path.StartsWith(Root + "/", StringComparison.Ordinal);

    /// <summary>Answers, or says what a program is to be told: pages are for those who prefer HTML.</summary>
    public async ValueTask<ApiError?> AnswerAsync(HttpContext http)
    {
        var headers = http.Response.Headers;
        headers.ContentSecurityPolicy = Policy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        headers.CacheControl = "no-store";
        var path = (http.Request.Path.Value ?? "")[Root.Length..].Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (path is ["style.css"]) return Methods.IsRead(http) ? await StyleSheet.WriteAsync(http) : Methods.NotAllowed(http, Methods.Read);
        // Before its turn and after it: who sends or takes slowly keeps nobody waiting.
        var form = HttpMethods.IsPost(http.Request.Method) ? await Fields.ReadAsync(http.Request) : default;
        byte[]? html;
        ApiError? refusal;
        try
        {
            if (Interlocked.Increment(ref _here) > MostHere)
                return ApiErrors.ModelUnavailable("Too many pages are asked for at the moment. Nothing was changed: try again shortly.");
            await _turns.WaitAsync(http.RequestAborted);
            try
            {
                (html, refusal) = await AnswerAsync(http, path, form.Fields, form.Fault);
            }
            finally
            {
                _turns.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _here);
        }
        if (html is not null) await PageWriter.WriteAsync(http, html);
        return refusal;
    }

    public ValueTask DisposeAsync()
    {
        _turns.Dispose();
        return default;
    }

    private async Task<(byte[]? Html, ApiError? Refusal)> AnswerAsync(HttpContext http, string[] path, Fields? form, ApiError? fault)
    {
        SignedIn? who = null;
        Outcome outcome;
        try
        {
            who = http.Request.Cookies[Cookie] is { Length: > 0 } token ? await _signIns.FindAsync(token, http.RequestAborted) : null;
            outcome = fault is not null ? fault
                : form is not null ? await PostAsync(http, path, who, form)
                : Methods.IsRead(http) ? await ShowAsync(http, path, who)
                : Methods.NotAllowed(http, Methods.Read + ", POST");
        }
        catch (Exception e) when (database.IsAway(e))
        {
            outcome = ApiErrors.ModelUnavailable("The database does not answer. " + (form is null ? "Try again shortly." : "Look whether it was done before you try again."));
        }
        if (outcome.Location is { } location)
        {
            http.Response.StatusCode = StatusCodes.Status303SeeOther;
            http.Response.Headers.Location = location;
            return default;
        }
        var frame = new Frame(who, who is { IsOperator: true } ? [.. faults().Select(at => at.ToString())] : []);
        if (outcome.Refusal is not { } refusal) return (await PageWriter.RenderAsync(outcome.Page!, frame, outcome.Model!), null);
        if (!PrefersHtml(http)) return (null, refusal);
        http.Response.StatusCode = refusal.Status;
        return (await PageWriter.RenderAsync(refusal.Status == StatusCodes.Status401Unauthorized ? typeof(SignInPage) : typeof(RefusalPage), frame, refusal, new Link("")), null);
    }

    private async Task<Outcome> ShowAsync(HttpContext http, string[] path, SignedIn? who)
    {
        // The link shows a button first: what looks at links before people do (mail filters, previews) must not use it up.
        if (path is ["sign-in"]) return Outcome.Show<SignInPage>(new Link(http.Request.Query["link"].ToString()));
        if (who is null) return ApiErrors.ConsoleWantsSignIn();
        return path switch
        {
            [] when who.AccountId is { } own => Outcome.GoTo($"{Root}/accounts/{own}"),
            [] => await _accounts.ListAsync(http.Request.Query["find"].ToString().Trim()),
            ["accounts", var id] => await _accounts.ShowAsync(who, id),
            ["accounts", var id, "requests"] => await _books.RequestsAsync(who, id),
            ["requests", var id] => await _books.RequestAsync(who, id),
            ["models"] => _books.Models(who),
            ["margin"] when who.IsOperator => await _books.MarginAsync(),
            _ => ApiErrors.ConsoleHasNoPage(http.Request.Path.Value!),
        };
    }

    private async Task<Outcome> PostAsync(HttpContext http, string[] path, SignedIn? who, Fields fields)
    {
        // The form that signs in has no token: another site could sign its visitor in as somebody else.
        if (http.Request.Headers["Sec-Fetch-Site"].ToString() is "cross-site" or "same-site") return ApiErrors.ConsoleFormIsStale();
        if (path is ["sign-in"]) return await SignInAsync(http, fields.Text("link"));
        if (who is null) return ApiErrors.ConsoleWantsSignIn();
        if (!who.IsFormToken(fields.Text("token"))) return ApiErrors.ConsoleFormIsStale();
        var form = fields.Form(http.Request.Path.Value!);
        return path switch
        {
            ["sign-out"] => await SignOutAsync(http, who),
            ["accounts"] when who.IsOperator => await _sent.OnceAsync(form, () => _accounts.CreateAsync(fields)),
            ["accounts", var id, "credit"] when who.IsOperator => await _accounts.CreditAsync(id, fields),
            ["accounts", var id, "terms"] when who.IsOperator => await _accounts.SetTermsAsync(id, fields),
            ["accounts", var id, "enable" or "disable"] when who.IsOperator => await _accounts.EnableAsync(id, path[2] == "enable"),
            ["accounts", var id, "keys"] => await _sent.OnceAsync(form, () => _keys.CreateAsync(who, id, fields)),
            ["keys", var id, "rotate"] => await _sent.OnceAsync(form, () => _keys.ChangeAsync(who, id, "rotate", fields)),
            ["keys", var id, var change] => await _keys.ChangeAsync(who, id, change, fields),
            _ => ApiErrors.ConsoleHasNoPage(http.Request.Path.Value!),
        };
    }

    private async Task<Outcome> SignInAsync(HttpContext http, string link)
    {
        if (await _signIns.OpenAsync(link) is not { } token) return ApiErrors.ConsoleWantsSignIn();
        http.Response.Cookies.Append(Cookie, token, Options(http, SignIns.SessionLasts));
        return Outcome.GoTo(Root);
    }

    private async Task<Outcome> SignOutAsync(HttpContext http, SignedIn who)
    {
        await _signIns.EndAsync(who.Token);
        http.Response.Cookies.Delete(Cookie, Options(http, null));
        return Outcome.GoTo(Root + "/sign-in");
    }

    // A proxy in front that speaks TLS is told by its header: to believe it can only make the cookie stricter.
    private static CookieOptions Options(HttpContext http, TimeSpan? lasts) => new()
    {
        HttpOnly = true,
        SameSite = Microsoft.AspNetCore.Http.SameSiteMode.Lax,
        Path = Root,
        MaxAge = lasts,
        Secure = http.Request.IsHttps || http.Request.Headers["X-Forwarded-Proto"].ToString().Equals("https", StringComparison.OrdinalIgnoreCase),
    };

    /// <summary>A browser names it first; a program that names nothing, or takes all alike, gets JSON.</summary>
    private static bool PrefersHtml(HttpContext http)
    {
        if (!MediaTypeHeaderValue.TryParseList(http.Request.Headers.Accept, out var accepted)) return false;
        double Quality(string type) => accepted.Where(a => a.MediaType.Equals(type, StringComparison.OrdinalIgnoreCase)).Select(a => a.Quality ?? 1).DefaultIfEmpty().Max();
        return Quality("text/html") is > 0 and var html && html >= Quality("application/json");
    }
}

/// <summary>What a link of <c>crossmodel console</c> holds; empty: none was followed.</summary>
internal sealed record Link(string Token);
