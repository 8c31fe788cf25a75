using CrossModel.Accounts;
using CrossModel.Chat;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Storage;
using CrossModel.Usage;
using CrossModel.WebConsole;
using Microsoft.AspNetCore.Http.Features;

namespace CrossModel;

/// <summary>Every path that the program answers, and the shared error shape for every path that it does not. Each response carries x-request-id.</summary>
internal sealed partial class FrontDoor(
    ChatEndpoint chat, AccountEndpoints accounts, KeyRing keys, Snapshots snapshots, Readiness readiness,
    MetricsEndpoint metrics, ConsoleEndpoint console, TimeProvider time, ILogger<FrontDoor> log,
    CancellationToken stopping)
{
    public const string MetricsPath = "/metrics";
    private const string ModelPrefix = "/v1/models/";
    private const string RequestPrefix = "/v1/requests/";

    public async Task HandleAsync(HttpContext http)
    {
        var requestId = RequestIds.NewRequest(time);
        http.Response.Headers["x-request-id"] = requestId;
        // Who comes again comes on a new connection, which a balancer takes to another server.
        if (readiness.IsStopping) http.Response.Headers.Connection = "close";
        if (CrossOrigin.Answer(http)) return;
        try
        {
            if (http.Request.Path.Value == "/v1/chat/completions" && HttpMethods.IsPost(http.Request.Method)) await chat.HandleAsync(http, requestId, stopping);
            else await AnswerElsewhereAsync(http);
        }
        catch (Exception e) when (Departure.Told(http, e))
        {
            // Nobody is left to be told.
        }
        catch (Exception e)
        {
            Broke(log, e, requestId);
            if (http.Response.HasStarted) http.Abort();
            else await ReplyHeaders.RefuseAsync(http, ApiErrors.Internal());
        }
    }

    /// <summary>Lists, sums and what is read from the database: no turn of a thread that reads sockets.</summary>
    private async Task AnswerElsewhereAsync(HttpContext http)
    {
        await SocketTurn.End();
        if (await AnswerAsync(http) is { } refusal) await ReplyHeaders.RefuseAsync(http, refusal);
    }

    private async ValueTask<ApiError?> AnswerAsync(HttpContext http)
    {
        var path = http.Request.Path.Value ?? "";
        switch (path)
        {
            case "/v1/chat/completions":
                return Methods.NotAllowed(http, "POST");
            case "/healthz":
                return Methods.IsRead(http) ? await WriteAsync(http, StatusCodes.Status200OK, """{"status":"ok"}"""u8.ToArray()) : Methods.NotAllowed(http, Methods.Read);
            case "/readyz":
                return Methods.IsRead(http) ? await readiness.AnswerAsync(http) : Methods.NotAllowed(http, Methods.Read);
            case MetricsPath:
                return Methods.IsRead(http) ? await metrics.AnswerAsync(http) : Methods.NotAllowed(http, Methods.Read);
            case "/v1/models" or "/v1/account":
            case var _ when path.StartsWith(ModelPrefix, StringComparison.Ordinal) || path.StartsWith(RequestPrefix, StringComparison.Ordinal):
                if (!Methods.IsRead(http)) return Methods.NotAllowed(http, Methods.Read);
                var answer = await keys.FindAsync(http.Request.Headers.Authorization);
                return answer.Refusal ?? await ReadAsync(http, path, answer.Caller!);
            default:
                return ConsoleEndpoint.IsOn(path) ? await console.AnswerAsync(http) : ApiErrors.NotFound(path);
        }
    }

    private async ValueTask<ApiError?> ReadAsync(HttpContext http, string path, Caller caller)
    {
        if (path == "/v1/account" || path.StartsWith(RequestPrefix, StringComparison.Ordinal))
            return await accounts.AnswerAsync(http, caller, path == "/v1/account" ? null : path[RequestPrefix.Length..]);
        using var body = new PooledBuffer();
        var models = snapshots.Current.Models;
        if (path == "/v1/models") models.WriteList(body, caller.Key.Allows);
        else if (models.Write(ModelId(http, path), body, caller.Key.Allows) is { } refusal) return refusal;
        return await WriteAsync(http, StatusCodes.Status200OK, body.Memory);
    }

    /// <summary>Decoded once: the web server decodes all but <c>%2F</c>, so that of its path nobody can tell a slash from a <c>%2F</c> in an id (<c>%252F</c>).</summary>
    private static string ModelId(HttpContext http, string path)
    {
        var raw = http.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        var start = raw.IndexOf(ModelPrefix, StringComparison.Ordinal);
        return start < 0 ? path[ModelPrefix.Length..] : Uri.UnescapeDataString(raw[(start + ModelPrefix.Length)..].Split('?')[0]);
    }

    public static async ValueTask<ApiError?> WriteAsync(HttpContext http, int status, ReadOnlyMemory<byte> json)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = ReplyHeaders.Json;
        http.Response.ContentLength = json.Length;
        if (!HttpMethods.IsHead(http.Request.Method)) await http.Response.Body.WriteAsync(json);
        return null;
    }

    [LoggerMessage(EventId = 100, Level = LogLevel.Error, Message = "request {RequestId} broke inside the gateway")]
    private static partial void Broke(ILogger log, Exception exception, string requestId);
}
