using System.Globalization;
using CrossModel.Billing;
using CrossModel.Protocol;

namespace CrossModel.Chat;

/// <summary>The headers of every chat reply, and refusals in the shared shape.</summary>
internal static class ReplyHeaders
{
    public const string Json = "application/json";
    public const string EventStream = "text/event-stream; charset=utf-8";

    public static void WriteStream(ChatCall call)
    {
        call.Http.Response.StatusCode = StatusCodes.Status200OK;
        WriteType(call.Http.Response, EventStream);
        WriteExplaining(call);
    }

    private static void WriteType(HttpResponse response, string contentType)
    {
        response.ContentType = contentType;
        if (contentType != EventStream) return;
        response.Headers.CacheControl = "no-cache";
        response.Headers["x-accel-buffering"] = "no";
    }

    public static void WritePlain(ChatCall call, long cost, long length)
    {
        var response = call.Http.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = Json;
        response.ContentLength = length;
        response.Headers["x-crossmodel-cost"] = Usd.Format(cost);
        WriteExplaining(call);
    }

    /// <summary>The answer to x-crossmodel-dry-run.</summary>
    public static async ValueTask<ApiError?> ExplainAsync(ChatCall call)
    {
        if (call.DryRun is not ("1" or "true")) return ApiErrors.InvalidValue("x-crossmodel-dry-run", $"x-crossmodel-dry-run is 1, or left out, not \"{ApiErrors.Echo(call.DryRun)}\".");
        if ((Repeats.Read(call.Http.Request.Headers, out _) ?? ReplyCache.Read(call.Http.Request.Headers, out _)) is { } fault) return fault;
        // Every route's request is written.
        await SocketTurn.End();
        using var body = new PooledBuffer();
        if (Explanation.Write(body, call.Request, call.Snapshot, call.Plan, call.Caller.Key.Models is null ? null : call.Caller.Key.Allows, call.Caller.Account.Id, call.Created, call.Snapshot.Config.ExposeUpstream) is { } refusal) return refusal;
        if (call.Take(body.Length) is { } full) return full;
        var response = call.Http.Response;
        response.StatusCode = call.Status = StatusCodes.Status200OK;
        response.ContentType = Json;
        response.ContentLength = body.Length;
        call.WriteLimits();
        await response.Body.WriteAsync(body.Memory);
        return null;
    }

    /// <summary>x-ratelimit and x-crossmodel headers.</summary>
    private static void WriteExplaining(ChatCall call)
    {
        call.WriteLimits();
        var headers = call.Http.Response.Headers;
        headers["x-crossmodel-attempts"] = call.AttemptCount == 1 ? "1" : call.AttemptCount.ToString(CultureInfo.InvariantCulture);
        headers["x-crossmodel-overhead-ms"] = Milliseconds(call.Overhead);
        if (call.MissedCache) headers[ReplyCache.Header] = "miss";
        if (call.Ignored.Count > 0) headers["x-crossmodel-ignored"] = string.Join(", ", call.Ignored);
        if (call.Snapshot.Config.ExposeUpstream && call.Served is { } route) headers["x-crossmodel-upstream"] = route.Upstream.Name;
    }

    /// <summary>With three places: whole microseconds.</summary>
    private static string Milliseconds(TimeSpan time)
    {
        var (ms, micro) = Math.DivRem(Math.Max(0, time.Ticks / TimeSpan.TicksPerMicrosecond), 1000);
        return string.Create(CultureInfo.InvariantCulture, $"{ms}.{micro:D3}");
    }

    /// <summary>The same bytes again, under a request id of their own; whose receipt it is stands beside it.</summary>
    public static async ValueTask ReplayAsync(ChatCall call, Usage.KeptReply kept)
    {
        var response = call.Http.Response;
        call.Status = response.StatusCode = StatusCodes.Status200OK;
        WriteType(response, kept.ContentType);
        response.ContentLength = kept.Body.Length;
        response.Headers["x-crossmodel-replayed"] = kept.RequestId;
        if (kept.Age is { } age)
        {
            response.Headers[ReplyCache.Header] = "hit";
            response.Headers.Age = ((long)age.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        }
        call.WriteLimits();
        await response.Body.WriteAsync(kept.Body, call.Aborted);
    }

    /// <summary>Answers with an error, or with an error event when a stream has begun.</summary>
    public static async ValueTask RefuseAsync(ChatCall call, ApiError error)
    {
        call.Refusal = error;
        // A refusal is a last byte, too: whoever tries again at once finds the seat free.
        call.Seat?.Dispose();
        call.Run?.Fail(error);
        if (call.Http.RequestAborted.IsCancellationRequested)
        {
            // Nobody is left to be told.
            call.Status = StatusCodes.Status499ClientClosedRequest;
            return;
        }
        call.ErrorCode = error.Code;
        if (call.Output is { } output && !await output.TryCloseAsync())
        {
            using var events = new PooledBuffer();
            events.Write("data: "u8);
            error.WriteJson(events);
            events.Write("\n\n"u8);
            // At once, not with the end: the key of a repeated call is freed before that, in a database that may be away.
            await output.WriteAsync(events);
            return;
        }
        call.Status = error.Status;
        if (call.AttemptCount > 0) WriteExplaining(call);
        else call.WriteLimits();
        await RefuseAsync(call.Http, error);
    }

    public static async ValueTask RefuseAsync(HttpContext http, ApiError error)
    {
        var response = http.Response;
        response.StatusCode = error.Status;
        response.ContentType = Json;
        if (error.RetryAfter is { } wait)
            response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        using var body = new PooledBuffer();
        error.WriteJson(body);
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body.Memory);
    }
}
