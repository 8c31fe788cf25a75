using System.Buffers.Text;
using System.Text;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Routing;
using CrossModel.Upstreams;

namespace CrossModel.Chat;

/// <summary>
/// Puts what callers name by address into their own request, as if they had sent it inline, where a route's provider does not fetch it by itself.
/// Only after admission: who cannot pay makes the gateway fetch nothing.
/// </summary>
internal sealed class RemoteInputs(RemoteFiles files, TimeProvider time)
{
    /// <summary>Fetches what the prepared request wants. Null: it is in <see cref="ChatCall.Inlined"/>, for every later try and route of the call too.</summary>
    public async ValueTask<ApiError?> FetchAsync(ChatCall call)
    {
        // A file that could not be had is not asked for again by the next route: the caller would wait as long once more.
        if (call.NotFetched is not null) return call.NotFetched;
        var request = call.Inlined ?? call.Request;
        var links = call.Prepared!.Remote.Wanted;
        var limit = call.Snapshot.Config.Limits.BodyBytes;
        var left = (limit - request.Body.Length) / 4 * 3;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(call.Aborted, call.Stopping);
        var started = time.GetTimestamp();
        try
        {
            var (fetched, refusal) = await files.FetchAsync(links, count => Interlocked.Add(ref left, -count) < 0 ? ApiErrors.RequestTooLarge(limit) : call.Take(count), ending.Token);
            call.Waited(time.GetElapsedTime(started));
            await SocketTurn.End();
            return call.NotFetched = refusal ?? Inline(call, request, links, fetched);
        }
        catch (OperationCanceledException)
        {
            return call.NotFetched = FailureRules.ToCaller(new UpstreamFault(call.Stopping.IsCancellationRequested ? UpstreamFailure.Stopping : UpstreamFailure.ClientGone));
        }
    }

    private static ApiError? Inline(ChatCall call, ChatRequest request, IReadOnlyList<RemoteLink> links, IReadOnlyList<RemoteFile> fetched)
    {
        var body = new PooledBuffer();
        ChatRequest? inlined = null;
        try
        {
            Write(request.Body.Span, links, fetched, body);
            if ((call.Take(body.Length) ?? ChatRequestReader.Read(body, out inlined)) is { } refusal) return refusal;
        }
        finally
        {
            if (inlined is null) body.Dispose();
            foreach (var file in fetched) file.Dispose();
        }
        call.Inlined?.Dispose();
        call.Inlined = inlined;
        return null;
    }

    /// <summary>The body with a data URL in the place of each address; all else keeps its bytes.</summary>
    private static void Write(ReadOnlySpan<byte> body, IReadOnlyList<RemoteLink> links, IReadOnlyList<RemoteFile> fetched, PooledBuffer target)
    {
        var edits = new List<(JsonSpan Place, RemoteFile File)>(links.Count);
        for (var i = 0; i < links.Count; i++) edits.Add((JsonPlace.Find(body, links[i].Place), fetched[i]));
        // Dialects note them in the order in which they write them.
        edits.Sort((a, b) => a.Place.Start.CompareTo(b.Place.Start));
        var done = 0;
        foreach (var (place, file) in edits)
        {
            target.Write(body[done..place.Start]);
            target.Write(Encoding.ASCII.GetBytes($"\"data:{file.MediaType};base64,"));
            Base64.EncodeToUtf8(file.Bytes.Span, target.GetSpan(Base64.GetMaxEncodedToUtf8Length(file.Bytes.Length)), out _, out var written);
            target.Advance(written);
            target.Write("\""u8);
            done = place.End;
        }
        target.Write(body[done..]);
    }
}
