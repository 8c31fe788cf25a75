using System.Text;
using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>What a provider says instead of an answer; each wire gives it its own shape.</summary>
/// <param name="Unknown">It refuses a member that nobody knows: what <c>lenient</c> forgives.</param>
/// <param name="Behind">What would be said if the unknown member were not there.</param>
internal sealed record WireError(int Status, string Message, string? Code = null, string? Type = null, string? Param = null, bool Unknown = false, WireError? Behind = null);

internal enum EventKind { Open, Content, Finish, Usage, End }

/// <summary>An event of a stream, framed: these bytes go out as they are. <c>Tokens</c>: how long it takes at the pace.</summary>
internal readonly record struct WireEvent(EventKind Kind, byte[] Bytes, int Tokens = 0);

/// <summary>How one provider speaks. An object serves one request: it reads the question, then writes the answer.</summary>
internal abstract class SimulatedWire
{
    public Prompt Prompt { get; } = new();
    public FaultScript Script { get; set; } = FaultScript.None;
    public required TimeProvider Time { get; init; }
    public virtual string StreamType => "text/event-stream; charset=utf-8";
    /// <summary>The status that an error inside a stream stands for.</summary>
    public virtual int StreamFault => 500;
    protected virtual bool Crlf => Script.Crlf;

    /// <summary>Judges path and headers: the key where the provider wants one, the version.</summary>
    public virtual WireError? CheckHead(HttpRequest request, ReadOnlySpan<byte> body) => null;

    /// <summary>Fills the prompt (its user text and model even when it refuses) and judges the request as the provider would.</summary>
    public abstract WireError? Read(JsonElement body);
    public abstract byte[] Plain(IReadOnlyList<SimulatedReply> replies);
    public abstract IEnumerable<WireEvent> Stream(IReadOnlyList<SimulatedReply> replies);
    /// <summary>What the provider says when its filter stops the question; null where it answers 200 and says so there.</summary>
    public virtual WireError? PromptBlocked() => new(400, "The prompt was stopped by the content filter.", "content_filter");
    public abstract byte[] ErrorBody(WireError error);
    public virtual WireEvent ErrorEvent(WireError error) => Event(EventKind.Content, null, ErrorBody(error));
    public virtual void AddHeaders(IHeaderDictionary headers, WireError? error) { }
    public virtual WireEvent Comment() => new(EventKind.Open, Encoding.UTF8.GetBytes(Crlf ? ": simulated keep-alive\r\n\r\n" : ": simulated keep-alive\n\n"));
    public virtual WireEvent Unknown() => Event(EventKind.Open, "simulated.novelty", """{"type":"simulated.novelty","note":"an event that no reader knows"}"""u8);
    public virtual WireEvent Garbage() => Event(EventKind.Content, null, "{\"id\":\"simulated\",\"choices\":[{<garbage>"u8);

    /// <summary>A server-sent event.</summary>
    protected WireEvent Event(EventKind kind, string? name, ReadOnlySpan<byte> json, int tokens = 0)
    {
        var end = Crlf ? "\r\n"u8 : "\n"u8;
        var head = name is null ? "" : $"event: {name}{(Crlf ? "\r\n" : "\n")}";
        var bytes = new byte[head.Length + 6 + json.Length + 2 * end.Length];
        var length = Encoding.ASCII.GetBytes(head, bytes);
        "data: "u8.CopyTo(bytes.AsSpan(length));
        json.CopyTo(bytes.AsSpan(length + 6));
        end.CopyTo(bytes.AsSpan(length + 6 + json.Length));
        end.CopyTo(bytes.AsSpan(length + 6 + json.Length + end.Length));
        return new WireEvent(kind, bytes, tokens);
    }
}
