using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>The signed thinking blocks of one reply, gathered for the next turn from one call to the next. Texts are escaped as they came, so they go back unmodified.</summary>
internal sealed class ThinkingState : IDisposable
{
    private readonly PooledBuffer _blocks = new();
    private readonly PooledBuffer _text = new();
    private readonly PooledBuffer _signature = new();

    /// <summary>It was more than anyone keeps: none of it is sent on.</summary>
    public bool IsLost { get; private set; }

    public void Begin()
    {
        _text.Reset();
        _signature.Reset();
    }

    public void Add(ReadOnlySpan<byte> text) => Append(_text, text);

    public void Sign(ReadOnlySpan<byte> signature) => Append(_signature, signature);

    /// <summary>Unsigned thinking is of no use to the provider.</summary>
    public void End()
    {
        if (_signature.Length == 0) return;
        Open();
        Append(_blocks, "{\"type\":\"thinking\",\"thinking\":\""u8);
        Append(_blocks, _text.Span);
        Append(_blocks, "\",\"signature\":\""u8);
        Append(_blocks, _signature.Span);
        Append(_blocks, "\"}"u8);
        Begin();
    }

    public void AddRedacted(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty) return;
        Open();
        Append(_blocks, "{\"type\":\"redacted_thinking\",\"data\":\""u8);
        Append(_blocks, data);
        Append(_blocks, "\"}"u8);
    }

    /// <summary>Those since the last call: a JSON array; empty when there was no thinking.</summary>
    public byte[] Take()
    {
        byte[] blocks = _blocks.Length == 0 || IsLost ? [] : [.. _blocks.Span, (byte)']'];
        _blocks.Reset();
        return blocks;
    }

    /// <summary>The member of a call that carries what was thought before it; empty when there is none.</summary>
    public static byte[] ExtraContent(byte[] blocks) => blocks.Length > 0 ? [.. "\"extra_content\":{\"anthropic\":{\"thinking\":"u8, .. blocks, .. "}}"u8] : [];

    public void Dispose()
    {
        _blocks.Dispose();
        _text.Dispose();
        _signature.Dispose();
    }

    private void Open() => Append(_blocks, _blocks.Length == 0 ? "["u8 : ","u8);

    private void Append(PooledBuffer target, ReadOnlySpan<byte> bytes)
    {
        if (_blocks.Length + _text.Length + _signature.Length + bytes.Length > ReasoningMemory.LargestState) IsLost = true;
        if (!IsLost) target.Write(bytes);
    }
}
