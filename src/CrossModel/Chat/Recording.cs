using System.Buffers;
using CrossModel.Usage;

namespace CrossModel.Chat;

/// <summary>The bytes that a call's caller was sent, to be kept by the transaction that charges it: for its repeats, or in the cache.</summary>
/// <param name="cacheFor">How long the cache holds it; null: it is kept under its Idempotency-Key.</param>
internal sealed class Recording(string account, string key, string requestId, TimeSpan? cacheFor = null)
{
    /// <summary>Bytes of a stream that are kept without being counted: a call in flight is reckoned at that anyway.</summary>
    private const int Step = 256 * 1024;

    private ArrayBufferWriter<byte> _sent = new();
    private int _counted;

    /// <summary>False: there was no room for what its caller was sent, and none of it is kept.</summary>
    public bool IsWhole { get; private set; } = true;

    /// <summary>By one at a time. What is kept until the stream's end is held like everything else that is large.</summary>
    public void Add(ReadOnlySpan<byte> sent, ChatCall call)
    {
        if (!IsWhole) return;
        if (_sent.WrittenCount + sent.Length - _counted >= Step)
        {
            IsWhole = call.Take(_sent.WrittenCount + sent.Length - _counted) is null;
            if (!IsWhole)
            {
                _sent = new();
                return;
            }
            _counted = _sent.WrittenCount + sent.Length;
        }
        _sent.Write(sent);
    }

    /// <summary>The whole reply: what was sent, and what is sent once it is charged.</summary>
    /// <param name="cost">Nano-dollars that stand in it.</param>
    public ReplyToKeep Whole(string contentType, ReadOnlySpan<byte> rest, long cost) =>
        new(account, key, new KeptReply(requestId, contentType, [.. _sent.WrittenSpan, .. rest]), cost) { CacheFor = cacheFor };
}
