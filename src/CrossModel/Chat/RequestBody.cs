using CrossModel.Protocol;

namespace CrossModel.Chat;

/// <summary>Reads a caller's body into one pooled buffer, within the limits.</summary>
internal static class RequestBody
{
    private const int Step = 16 * 1024;

    /// <summary>Answers 413, 415, 503 or 400; null when the whole body is in <paramref name="body"/>.</summary>
    public static async ValueTask<ApiError?> ReadAsync(ChatCall call, PooledBuffer body, long limit)
    {
        var request = call.Http.Request;
        if (request.Headers.ContentEncoding.Count > 0)
            return ApiErrors.UnsupportedContentEncoding(request.Headers.ContentEncoding.ToString());
        var announced = request.ContentLength;
        if (announced > limit) return ApiErrors.RequestTooLarge(limit);

        var taken = Math.Max(announced ?? Step, 1);
        if (call.Take(taken) is { } full) return full;
        try
        {
            // One byte more than announced: the read that finds the end then needs no larger buffer.
            var next = (int)taken + 1;
            while (true)
            {
                var count = await request.Body.ReadAsync(body.GetMemory(next), call.Aborted);
                if (body.Length + count > SocketTurn.MostBytes) await SocketTurn.End();
                if (count == 0) return null;
                body.Advance(count);
                if (body.Length > limit) return ApiErrors.RequestTooLarge(limit);
                if (body.Length > taken)
                {
                    if (call.Take(body.Length) is { } over) return over;
                    taken += body.Length;
                }
                next = announced is null ? Step : 1;
            }
        }
        catch (BadHttpRequestException e)
        {
            return e.StatusCode == StatusCodes.Status413PayloadTooLarge
                ? ApiErrors.RequestTooLarge(limit)
                : ApiErrors.InvalidJson("The request body could not be read to its end: it arrived too slowly or broken. Send it again.");
        }
    }
}
