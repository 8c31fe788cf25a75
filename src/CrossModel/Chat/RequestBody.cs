using CrossModel.Protocol;
using Microsoft.AspNetCore.Connections;

namespace CrossModel.Chat;

/// <summary>Reads a caller's body into one pooled buffer, within the limits.</summary>
internal static class RequestBody
{
    private const int Step = 16 * 1024;

    /// <summary>What is announced is room taken from others, and costs whoever announces it nothing: beyond this only what has come counts.</summary>
    private const int MostUnseen = 1024 * 1024;

    /// <summary>Answers 413, 415, 503 or 400; null when the whole body is in <paramref name="body"/>.</summary>
    public static async ValueTask<ApiError?> ReadAsync(ChatCall call, PooledBuffer body, long limit)
    {
        var request = call.Http.Request;
        if (request.Headers.ContentEncoding.Count > 0 && !request.Headers.ContentEncoding.All(static e => string.IsNullOrEmpty(e) || e.Equals("identity", StringComparison.OrdinalIgnoreCase)))
            return ApiErrors.UnsupportedContentEncoding(request.Headers.ContentEncoding.ToString());
        var announced = request.ContentLength;
        if (announced > limit) return ApiErrors.RequestTooLarge(limit);

        var taken = Math.Clamp(announced ?? Step, 1, MostUnseen);
        if (call.Take(taken) is { } full) return full;
        try
        {
            // Room for all of it, where it is no giant: one that grows is copied each time.
            _ = body.GetMemory((int)taken);
            while (true)
            {
                var reading = request.BodyReader.ReadAsync(call.Aborted);
                var since = reading.IsCompleted ? (TimeSpan?)null : call.Elapsed;
                var read = await reading;
                // The caller's time, not the gateway's.
                if (since is { } start) call.Waited(call.Elapsed - start);
                call.WasSlow |= since is not null;
                var length = body.Length + read.Buffer.Length;
                if (length > SocketTurn.MostBytes) await SocketTurn.End();
                ApiError? refusal = null;
                if (length > limit) refusal = ApiErrors.RequestTooLarge(limit);
                else if (length > taken)
                {
                    var more = Math.Min(length, (announced ?? long.MaxValue) - taken);
                    refusal = call.Take(more);
                    taken += more;
                }
                if (refusal is null)
                    foreach (var part in read.Buffer) body.Write(part.Span);
                request.BodyReader.AdvanceTo(read.Buffer.End);
                if (refusal is not null || read.IsCompleted) return refusal;
            }
        }
        catch (Exception e) when (Departure.Told(call.Http, e))
        {
            // The web server may not know it yet: it would go on to read the body, and log as an error that it cannot.
            call.Http.Abort();
            throw;
        }
        // To the web server a chunk size beyond all numbers is no BadHttpRequestException, and a NUL in a trailer not even an IOException.
        catch (Exception e) when (e is IOException and not ConnectionResetException or InvalidOperationException)
        {
            return e is BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }
                ? ApiErrors.RequestTooLarge(limit)
                : ApiErrors.InvalidJson("The request body could not be read to its end: it arrived too slowly or broken. Send it again.");
        }
    }
}
