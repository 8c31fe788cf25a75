using System.Runtime.InteropServices;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Upstreams;

namespace CrossModel.Tests.Upstreams;

public sealed class RequestContentTests
{
    private static UpstreamRequest Request()
    {
        var request = new UpstreamRequest();
        request.Body.Write(Enumerable.Repeat((byte)'a', 700).ToArray());
        return request;
    }

    /// <summary>Takes what is written only when it is let go on, as an upstream that does not read.</summary>
    private sealed class SlowStream : MemoryStream
    {
        public TaskCompletionSource Reads { get; } = new();
        public ReadOnlyMemory<byte> Offered { get; private set; }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Offered = buffer;
            await Reads.Task;
            await base.WriteAsync(buffer, cancellationToken);
        }
    }

    [Fact]
    public async Task Send_CallEndsMeanwhile_SendsNoBytesOfTheNextCalls()
    {
        var request = Request();
        var stream = new SlowStream();
        var sending = new RequestContent(request).CopyToAsync(stream, TestContext.Current.CancellationToken);
        Assert.Equal(700, stream.Offered.Length);
        request.Dispose();
        for (var i = 0; i < 20; i++) ByteArrays.Rent(700).AsSpan().Fill((byte)'b');
        stream.Reads.SetResult();
        await sending;
        Assert.Equal(Enumerable.Repeat((byte)'a', 700), stream.ToArray());
        request.Dispose();
    }

    [Fact]
    public async Task Send_Whole_GivesTheBodyBackOnce()
    {
        var request = Request();
        Assert.True(MemoryMarshal.TryGetArray(request.Body.Memory, out var array));
        var sent = new MemoryStream();
        var content = new RequestContent(request);
        await content.CopyToAsync(sent, TestContext.Current.CancellationToken);
        await content.CopyToAsync(sent, TestContext.Current.CancellationToken);
        Assert.Equal((1400L, 700L), (sent.Length, content.Headers.ContentLength));
        request.ReleaseBody();
        request.Dispose();
        Assert.Same(array.Array, ByteArrays.Rent(700));
        Assert.NotSame(array.Array, ByteArrays.Rent(700));
    }

    [Fact]
    public async Task Send_AfterTheEnd_IsRefused()
    {
        var request = Request();
        var content = new RequestContent(request);
        request.Dispose();
        await Assert.ThrowsAsync<InvalidOperationException>(() => content.CopyToAsync(new MemoryStream(), TestContext.Current.CancellationToken));
    }
}
