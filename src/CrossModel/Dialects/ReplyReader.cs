using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects;

/// <summary>
/// Reads one reply of an upstream and writes what the caller gets. One pipeline for pass-through and translation: the same-dialect
/// reader splices, the others write chunks of their own; the relay sees no difference.
/// </summary>
internal abstract class ReplyReader : IDisposable
{
    /// <summary>Null until the upstream said it, then normalised. Hostile counts (negative, fractional, above 2^31) leave it null.</summary>
    public TokenUsage? Usage { get; protected set; }

    /// <summary>What was said of the prompt before anything of the reply could be counted; null: nothing, or it is in <see cref="Usage"/>.</summary>
    public virtual TokenUsage? PromptUsage => null;

    /// <summary>UTF-8 bytes of the client's text that <see cref="Usage"/> is known to count. A reply that breaks off with more than that is not told by it.</summary>
    public long CountedTextBytes { get; protected set; } = long.MaxValue;

    /// <summary>Set once the reply has failed (an error inside a 200, garbage, the end before a finish). Nothing more is read then.</summary>
    public UpstreamFault? Fault { get; protected set; }

    /// <summary>The upstream has said that the reply is whole (finish reason for every choice and usage, or the protocol's end mark):
    /// the rest of the body need not be awaited.</summary>
    public bool Ended { get; protected set; }

    /// <summary>Every choice has its finish reason and has said nothing with it or since: only usage and the end mark are missing, which some servers do not send.</summary>
    public virtual bool HasFinished => false;

    /// <summary>Reads what is whole of a stream's bytes and writes the caller's events. Answers how many bytes were used; the rest comes again with more behind it.</summary>
    public abstract int Read(ReadOnlySpan<byte> unread, ChunkWriter client);

    /// <summary>The end of the upstream's body, with what was not used: reads a last event without its blank line, and judges whether the reply is whole (else Fault).</summary>
    public abstract void Complete(ReadOnlySpan<byte> unread, ChunkWriter client);

    /// <summary>Reads a plain reply (also one whose upstream ignored stream:true). Null with <see cref="Fault"/> set when it is none.</summary>
    public abstract PlainReply? ReadPlain(ReadOnlyMemory<byte> body);

    public virtual void Dispose() { }

    /// <summary>One plain reply of what <paramref name="read"/> writes from the body's text, without what may stand around JSON.</summary>
    /// <param name="take">Takes over what the reader's state machine knows, also of a text that cannot be read.</param>
    protected PlainReply? CollectPlain(ReadOnlyMemory<byte> body, Action<ReadOnlySpan<byte>, ChunkWriter> read, Action take, string unreadable)
    {
        using var collector = new ChunkCollector();
        try
        {
            read(body.Span.TrimStart("\uFEFF"u8).Trim(" \r\n\t"u8), collector.Writer);
        }
        catch (Exception fault) when (IsUnreadable(fault))
        {
            Fail(UpstreamFailure.BadReply, unreadable);
        }
        take();
        return Fault is null ? collector.Collect(Usage) : null;
    }

    /// <summary>The first failure is the one that tells.</summary>
    protected void Fail(UpstreamFailure failure, string detail) => Fault ??= new UpstreamFault(failure, Detail: detail);

    /// <summary>What readers throw at a reply: not JSON, JSON of another shape, or half a surrogate pair in a name or word that is looked at.</summary>
    public static bool IsUnreadable(Exception fault) => fault is JsonException or (InvalidOperationException and not ObjectDisposedException);

    /// <summary>
    /// A server may answer a stream with a plain body and the reverse, under any content type: the first byte that says something tells. Null: none
    /// has come yet.
    /// </summary>
    protected static bool? LooksLikeEvents(ReadOnlySpan<byte> unread)
    {
        if (unread.StartsWith("\uFEFF"u8)) unread = unread[3..];
        var first = unread.IndexOfAnyExcept(" \r\n\t"u8);
        return first < 0 ? null : unread[first] is not ((byte)'{' or (byte)'<' or (byte)'[');
    }
}
