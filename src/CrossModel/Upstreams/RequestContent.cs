using System.Net;
using CrossModel.Dialects;

namespace CrossModel.Upstreams;

/// <summary>Sends an upstream request's body. With HTTP/2 a reply may come whole, and the call end, while its body is still being sent.</summary>
internal sealed class RequestContent(UpstreamRequest request) : HttpContent
{
    private readonly long _length = request.Body.Length;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (!request.BeginSending()) throw new InvalidOperationException("The call has ended.");
        try
        {
            await stream.WriteAsync(request.Body.Memory, cancellationToken);
        }
        finally
        {
            request.EndSending();
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _length;
        return true;
    }
}
