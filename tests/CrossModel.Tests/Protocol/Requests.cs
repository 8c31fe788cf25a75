using System.Text;
using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

/// <summary>Bodies for the reader's tests.</summary>
internal static class Requests
{
    public static PooledBuffer Buffer(ReadOnlySpan<byte> body)
    {
        var buffer = new PooledBuffer();
        buffer.Write(body);
        return buffer;
    }

    public static ApiError? Read(ReadOnlySpan<byte> body, out ChatRequest? request)
    {
        var buffer = Buffer(body);
        var refusal = ChatRequestReader.Read(buffer, out request);
        if (refusal is not null) buffer.Dispose();
        return refusal;
    }

    public static ApiError? Refusal(string body)
    {
        var refusal = Read(Encoding.UTF8.GetBytes(body), out var request);
        request?.Dispose();
        return refusal;
    }

    /// <summary>The request of a body that must be accepted.</summary>
    public static ChatRequest Accepted(string body)
    {
        var refusal = Read(Encoding.UTF8.GetBytes(body), out var request);
        Assert.Null(refusal);
        return request!;
    }

    /// <summary>A body with one user message and these members behind it, e.g. <c>"n":2</c>.</summary>
    public static string With(string members) => $$"""{"model":"a/b","messages":[{"role":"user","content":"Hi"}],{{members}}}""";

    /// <summary>A body with these messages, without the brackets.</summary>
    public static string Messages(string messages) => $$"""{"model":"a/b","messages":[{{messages}}]}""";
}
