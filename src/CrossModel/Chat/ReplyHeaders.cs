using System.Globalization;
using CrossModel.Billing;
using CrossModel.Protocol;

namespace CrossModel.Chat;

/// <summary>The headers of every chat reply, and refusals in the shared shape.</summary>
internal static class ReplyHeaders
{
    public static void WriteStream(ChatCall call)
    {
        var response = call.Http.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        response.Headers["x-accel-buffering"] = "no";
        WriteExplaining(call);
    }

    public static void WritePlain(ChatCall call, long cost, long length)
    {
        var response = call.Http.Response;
        response.StatusCode = StatusCodes.Status200OK;
        response.ContentType = "application/json";
        response.ContentLength = length;
        response.Headers["x-crossmodel-cost"] = Usd.Format(cost);
        WriteExplaining(call);
    }

    /// <summary>x-ratelimit and x-crossmodel headers.</summary>
    private static void WriteExplaining(ChatCall call)
    {
        call.WriteLimits();
        var headers = call.Http.Response.Headers;
        headers["x-crossmodel-attempts"] = call.AttemptCount.ToString(CultureInfo.InvariantCulture);
        headers["x-crossmodel-overhead-ms"] = Math.Max(0, (call.Elapsed - call.UpstreamWait).TotalMilliseconds).ToString("0.###", CultureInfo.InvariantCulture);
        if (call.Ignored.Count > 0) headers["x-crossmodel-ignored"] = string.Join(", ", call.Ignored);
        if (call.Snapshot.Config.ExposeUpstream && call.Served is { } route) headers["x-crossmodel-upstream"] = route.Upstream.Name;
    }

    /// <summary>Answers with an error, or with an error event when a stream has begun.</summary>
    public static async ValueTask RefuseAsync(ChatCall call, ApiError error)
    {
        call.ErrorCode = error.Code;
        if (call.Output is { Started: true } output)
        {
            using var events = new PooledBuffer();
            events.Write("data: "u8);
            error.WriteJson(events);
            events.Write("\n\n"u8);
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
        response.ContentType = "application/json";
        if (error.RetryAfter is { } wait)
            response.Headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        using var body = new PooledBuffer();
        error.WriteJson(body);
        response.ContentLength = body.Length;
        await response.Body.WriteAsync(body.Memory);
    }
}
