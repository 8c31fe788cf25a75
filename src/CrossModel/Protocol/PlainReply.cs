namespace CrossModel.Protocol;

/// <summary>A plain reply read from an upstream: OpenAI's shape, ready to be spliced into the caller's.</summary>
internal sealed class PlainReply : IDisposable
{
    public void Dispose() { }
}
