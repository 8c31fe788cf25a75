using System.Buffers;

namespace CrossModel.Protocol;

/// <summary>The four ways a reply ends.</summary>
internal enum FinishReason { Stop, Length, ToolCalls, ContentFilter }

/// <summary>
/// Writes the caller's stream: <c>data: {chat.completion.chunk}\n\n</c>. Finish chunks are withheld (<see cref="ReleaseFinish"/>) because the
/// last one must wait for the charge; a withheld one goes out as soon as another choice's content follows it.
/// Text given as raw JSON is the inside of a JSON string, escapes kept, so that string bytes survive.
/// </summary>
internal sealed class ChunkWriter(IBufferWriter<byte> target, string id, long created, string model, bool includeUsage) : IDisposable
{
    private readonly PooledBuffer _finish = new();

    /// <summary>Where events go; the relay swaps it once content has begun.</summary>
    public IBufferWriter<byte> Target { get; set; } = target;
    public string Id { get; } = id;
    public long Created { get; } = created;
    public string Model { get; } = model;
    /// <summary>The caller asked for usage: every chunk but the last then says usage null, as OpenAI's do.</summary>
    public bool IncludeUsage { get; } = includeUsage;

    /// <summary>Something that the caller can use was written: text, reasoning, a refusal, a tool call. A role alone is not content.</summary>
    public bool HasContent { get; set; }

    /// <summary>UTF-8 bytes of text, reasoning, refusals, tool names and arguments written: what is counted when the upstream reports no usage.</summary>
    public long TextBytes { get; set; }

    public void Dispose() => _finish.Dispose();
}
