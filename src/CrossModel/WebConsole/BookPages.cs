using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Storage;
using CrossModel.Usage;

namespace CrossModel.WebConsole;

internal sealed record RequestsView(Account Account, IReadOnlyList<StoredRequest> Requests);

/// <param name="ShowsUpstreams">To the operator, and where callers may see them.</param>
internal sealed record RequestView(StoredRequest Request, bool ShowsUpstreams);

internal sealed record ModelsView(IReadOnlyList<Model> Models, bool ShowsRoutes, DateTimeOffset Now);

/// <param name="Rows">The newest day first.</param>
internal sealed record MarginView(IReadOnlyList<MarginRow> Rows);

/// <summary>What happened and what it cost: requests, receipts, models with their prices, margin.</summary>
internal sealed class BookPages(Database database, Snapshots snapshots)
{
    private const long MostRequests = 200;
    public const int MostRows = 1000;
    private const long ThirtyDays = 30L * 86_400_000;

    private readonly UsageQueries _queries = new(database);

    public async Task<Outcome> RequestsAsync(SignedIn who, string accountId)
    {
        if (!who.MaySee(accountId) || await new AccountStore(database).FindByIdAsync(accountId) is not { } state) return AccountPages.NoAccount();
        return Outcome.Show<RequestsPage>(new RequestsView(state.Account, await _queries.ListAsync(accountId, null, MostRequests)));
    }

    public async Task<Outcome> RequestAsync(SignedIn who, string id)
    {
        var request = who.AccountId is { } own ? await _queries.FindAsync(own, id) : await _queries.FindAsync(id);
        return request is null ? ApiErrors.RequestNotFound(id) : Outcome.Show<RequestPage>(new RequestView(request, who.IsOperator || snapshots.Current.Config.ExposeUpstream));
    }

    public Outcome Models(SignedIn who) => Outcome.Show<ModelsPage>(new ModelsView(snapshots.Current.Catalog.All, who.IsOperator, database.Time.GetUtcNow()));

    public async Task<Outcome> MarginAsync()
    {
        var rows = await MarginReport.ReadAsync(database, database.Now - ThirtyDays, database.Now + 1);
        rows.Reverse();
        return Outcome.Show<MarginPage>(new MarginView(rows));
    }
}
