using CrossModel.Billing;
using CrossModel.Chat;
using CrossModel.Routing;
using CrossModel.Storage;

namespace CrossModel;

/// <summary>/readyz: may this node be sent traffic? Configuration and database are good and it is not stopping. Never asks upstreams.</summary>
internal sealed class Readiness(Capacity capacity, ChangeFeed changes, Purses purses, Snapshots snapshots)
{
    public bool IsStopping => capacity.IsDraining;

    public async ValueTask<Protocol.ApiError?> AnswerAsync(HttpContext http)
    {
        var reason = IsStopping ? "stopping"
            : changes.IsStale(snapshots.Current.Config.Limits.StaleAfter) ? "the database does not answer"
            : purses.IsAway ? "the database takes no writes"
            : null;
        return reason is null
            ? await FrontDoor.WriteAsync(http, StatusCodes.Status200OK, """{"status":"ready"}"""u8.ToArray())
            : await FrontDoor.WriteAsync(http, StatusCodes.Status503ServiceUnavailable, System.Text.Encoding.UTF8.GetBytes($$"""{"status":"not ready","reason":"{{reason}}"}"""));
    }
}
