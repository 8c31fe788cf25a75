using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Storage;
using CrossModel.Usage;

namespace CrossModel;

/// <summary>What a key may ask of its own account: <c>GET /v1/account</c>, and <c>GET /v1/requests/{id}</c>, the receipt.</summary>
internal sealed class AccountEndpoints(Database database, Purses purses, Snapshots snapshots)
{
    private readonly UsageQueries _queries = new(database);

    /// <param name="requestId">Whose receipt is asked for; null: the account is.</param>
    public async ValueTask<ApiError?> AnswerAsync(HttpContext http, Caller caller, string? requestId)
    {
        try
        {
            return requestId is null ? await AccountAsync(http, caller) : await RequestAsync(http, caller, requestId);
        }
        catch (Exception e) when (database.IsAway(e) && !http.Response.HasStarted)
        {
            return ApiErrors.ModelUnavailable("The books cannot be read at the moment: the gateway's database does not answer. Try again shortly.");
        }
    }

    private async ValueTask<ApiError?> AccountAsync(HttpContext http, Caller caller)
    {
        if (await purses.StandingAsync(caller.Account.Id, http.RequestAborted) is not { } standing) return ApiErrors.InvalidApiKey();
        var today = SpendStore.DayOf(database.Now);
        var spent = await database.ReadAsync(session => SpendStore.ReadAsync(session, caller.Account.Id, caller.Key.Line, today), http.RequestAborted);
        using var body = new PooledBuffer();
        AccountReport.Write(body, caller, standing, spent);
        return await FrontDoor.WriteAsync(http, StatusCodes.Status200OK, body.Memory);
    }

    private async ValueTask<ApiError?> RequestAsync(HttpContext http, Caller caller, string id)
    {
        if (await _queries.FindAsync(caller.Account.Id, id, http.RequestAborted) is not { } request) return ApiErrors.RequestNotFound(id);
        using var body = new PooledBuffer();
        Receipt.Write(body, request, snapshots.Current.Config.ExposeUpstream);
        return await FrontDoor.WriteAsync(http, StatusCodes.Status200OK, body.Memory);
    }
}
