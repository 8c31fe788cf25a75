using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// What reading an event or a plain reply needs while it is read: one set a thread, since sets made for each reply were a tenth of what a small call
/// allocates. Disposing gives their memory back; they are borrowed again by the next.
/// </summary>
internal sealed class ReplyTools : IDisposable
{
    [ThreadStatic] private static ReplyTools? _ofThread;

    public ReplyView View { get; } = new();
    public JsonEdits Edits { get; } = new();
    public ToolCallEdits Calls { get; } = new();
    public PooledBuffer Text { get; } = new();
    public PooledBuffer Line { get; } = new();
    public PooledBuffer Stripped { get; } = new();

    /// <summary>Where in a plain reply's root what is ours goes, in order.</summary>
    public List<(JsonSpan Span, PlainReply.Hole Hole)> Holes { get; } = new(5);

    /// <summary>For who does not wait before disposing it.</summary>
    public static ReplyTools Borrow() => _ofThread ??= new ReplyTools();

    public void Dispose()
    {
        Edits.Dispose();
        Calls.Dispose();
        Text.Dispose();
        Line.Dispose();
        Stripped.Dispose();
    }
}
