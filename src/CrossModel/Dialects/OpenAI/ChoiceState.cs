using System.Buffers;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>What of one choice must be remembered between chunks.</summary>
internal sealed class ChoiceState(int index)
{
    /// <summary>What waits for a name is memory that nobody has asked for: all calls of a choice together get so much.</summary>
    private const int MostHeld = 1024 * 1024;

    private int _held;

    public int Index { get; } = index;
    public List<CallState> Calls { get; } = [];
    public int NamedCalls { get; set; }
    public bool HasFunctionCall { get; set; }
    /// <summary>Null until the upstream said why the choice ended.</summary>
    public FinishReason? Finish { get; set; }
    /// <summary>A finish has come by itself, and nothing since: some servers give each piece of a text one.</summary>
    public bool IsAtEnd { get; set; }
    /// <summary>Of its calls it is noted what they are known by when they come back.</summary>
    public bool NotesCalls { get; init; }
    public bool HasCall => NamedCalls > 0 || HasFunctionCall;

    /// <summary>Keeps arguments of a call without a name until it has one.</summary>
    public void Hold(CallState call, ReadOnlySpan<byte> arguments)
    {
        if (arguments.IsEmpty) return;
        _held += arguments.Length;
        if (_held > MostHeld) throw new JsonException("arguments without end of calls without a name");
        (call.Held ??= new ArrayBufferWriter<byte>()).Write(arguments);
    }

    public void Release(CallState call)
    {
        _held -= call.Held?.WrittenCount ?? 0;
        call.Held = null;
    }

    /// <summary>The choice of an index, added where it is new; null: it would be one more than <paramref name="most"/>.</summary>
    public static ChoiceState? Of(List<ChoiceState> choices, int index, int most, bool notesCalls = false)
    {
        foreach (var known in choices)
        {
            if (known.Index == index) return known;
        }
        if (choices.Count == most) return null;
        var choice = new ChoiceState(index) { NotesCalls = notesCalls };
        choices.Add(choice);
        return choice;
    }

    /// <summary>The upstream has said why it ends. A call without arguments has the arguments {}: a caller parses what it got.</summary>
    public void End(FinishReason reason, ChunkWriter client)
    {
        if (reason is not (FinishReason.Length or FinishReason.ContentFilter)) CloseCalls(reason, client);
        Finish = reason;
    }

    private void CloseCalls(FinishReason reason, ChunkWriter client)
    {
        if (reason == FinishReason.ToolCalls && !HasCall && Calls.Count > 0) throw new JsonException("a call without a name");
        CallState? open = null;
        foreach (var call in Calls)
        {
            if (call.Index >= 0) open = call;
            // Some servers number the rest of a call's arguments otherwise than its beginning.
            else if (open is not null && call.Held is { WrittenCount: > 0 } rest && (!open.HasArguments || rest.WrittenSpan[0] != (byte)'{'))
            {
                open.HasArguments = true;
                client.ToolArguments(Index, open.Index, rest.WrittenSpan);
                Release(call);
            }
        }
        foreach (var call in Calls)
        {
            if (call.Index < 0 || call.HasArguments) continue;
            call.HasArguments = true;
            client.ToolArguments(Index, call.Index, "{}"u8);
        }
    }
}

/// <summary>One call of a choice, as far as it has come.</summary>
internal sealed class CallState
{
    /// <summary>The index under which the upstream speaks of it; -1: it sends none.</summary>
    public int Key { get; init; }
    /// <summary>What the upstream calls it; empty: nothing so far.</summary>
    public byte[] Id { get; set; } = [];
    /// <summary>What the caller knows it by: no two calls of a choice by the same. Empty until it has its name.</summary>
    public byte[] OwnId { get; set; } = [];
    public bool IsNamed { get; set; }
    /// <summary>Our index, ascending without gaps; -1 while it waits for its name.</summary>
    public int Index { get; set; } = -1;
    public bool HasArguments { get; set; }
    /// <summary>Arguments that came before the name, escaped; null: none did.</summary>
    public ArrayBufferWriter<byte>? Held { get; set; }
    /// <summary>Null: nobody wants any.</summary>
    public CallNotes? Notes { get; set; }
}

/// <summary>What one call is known by when it comes back; escaped, as it came.</summary>
internal sealed class CallNotes
{
    /// <summary>Of a call whose arguments are longer nothing is kept.</summary>
    private const int MostArguments = 1024 * 1024;

    public byte[] Name { get; private set; } = [];
    public ArrayBufferWriter<byte> Arguments { get; } = new();
    /// <summary>Null: it has come without, or nothing is kept.</summary>
    public string? Signature { get; private set; }

    private bool _isLost;

    public void Add(ReadOnlySpan<byte> name, ReadOnlySpan<byte> arguments, string? signature)
    {
        _isLost |= arguments.Length > MostArguments - Arguments.WrittenCount;
        if (!name.IsEmpty) Name = name.ToArray();
        if (!_isLost) Arguments.Write(arguments);
        Signature = _isLost ? null : signature ?? Signature;
    }
}
