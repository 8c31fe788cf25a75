using System.Buffers;

namespace CrossModel.Protocol;

/// <summary>
/// Writes the caller's stream: <c>data: {chat.completion.chunk}\n\n</c>. Finish chunks are withheld (<see cref="ReleaseFinish"/>) because the
/// last one must wait for the charge; a withheld one goes out as soon as another choice's content follows it.
/// Text is the inside of a JSON string, escapes kept, so that string bytes survive.
/// Choices are 0 to <see cref="MaxChoices"/> − 1; the caller of this class checks.
/// </summary>
internal sealed class ChunkWriter : IDisposable
{
    /// <summary>OpenAI's largest n.</summary>
    public const int MaxChoices = 128;

    private readonly PooledBuffer _finish = new();
    private readonly PooledBuffer _upstreamUsage = new();
    private readonly PooledBuffer _upstreamMembers = new();
    private byte[]? _front;
    private byte[]? _idJson;
    private byte[]? _modelJson;
    private byte[]? _createdJson;
    private UInt128 _begun;
    private UInt128 _finished;
    private int _withheld = -1;

    public ChunkWriter(IBufferWriter<byte> target, string id, long created, string model, bool includeUsage)
    {
        Target = target;
        Id = id;
        Created = created;
        Model = model;
        IncludeUsage = includeUsage;
    }

    /// <summary>Where events go; the relay swaps it for a moment, to keep what the caller will get.</summary>
    public IBufferWriter<byte> Target { get; set; }
    private string Id { get; }
    private long Created { get; }
    private string Model { get; }
    /// <summary>The caller asked for usage: every chunk but the last then says usage null, as OpenAI's do.</summary>
    public bool IncludeUsage { get; }

    /// <summary>Id, model and created as JSON values, for readers that splice.</summary>
    public byte[] IdJson => _idJson ??= JsonText.Quoted(Id);
    public byte[] ModelJson => _modelJson ??= JsonText.Quoted(Model);
    public byte[] CreatedJson => _createdJson ??= System.Text.Encoding.ASCII.GetBytes(Created.ToString(System.Globalization.CultureInfo.InvariantCulture));

    // Made when first needed: a plain reply, and most spliced ones, never do.
    private byte[] Front => _front ??=
        [.. "data: {\"id\":"u8, .. IdJson, .. ",\"object\":\"chat.completion.chunk\",\"created\":"u8, .. CreatedJson, .. ",\"model\":"u8, .. ModelJson, .. ",\"choices\":["u8];

    private ReadOnlySpan<byte> Back => IncludeUsage ? "],\"usage\":null}\n\n"u8 : "]}\n\n"u8;

    /// <summary>Something that the caller can use was written: text, reasoning, a refusal, a tool call. A role alone is not content.</summary>
    public bool HasContent { get; set; }

    /// <summary>A choice ended as content_filter: a reply without content is then blocked, not empty.</summary>
    public bool IsBlocked { get; set; }

    /// <summary>UTF-8 bytes of text, reasoning, refusals, tool names and arguments written: what is counted when the upstream reports no usage.</summary>
    public long TextBytes { get; set; }

    /// <summary>What waits behind a withheld finish, and that itself.</summary>
    public int WithheldBytes => _finish.Length;

    public bool HasBegun(int choice) => (_begun >> choice & 1) != 0;

    private bool HasFinished(int choice) => (_finished >> choice & 1) != 0;

    /// <summary>The choice's first chunk: the role alone. The content members do it by themselves.</summary>
    public void Role(int choice)
    {
        if (HasBegun(choice)) return;
        Delta(choice, "\"role\":\"assistant\",\"content\":\"\""u8);
    }

    public void Content(int choice, ReadOnlySpan<byte> escaped) => Text(choice, "\"content\":\""u8, escaped);

    public void Reasoning(int choice, ReadOnlySpan<byte> escaped) => Text(choice, "\"reasoning_content\":\""u8, escaped);

    public void Refusal(int choice, ReadOnlySpan<byte> escaped) => Text(choice, "\"refusal\":\""u8, escaped);

    /// <summary>A tool call begins.</summary>
    /// <param name="call">0 for the choice's first call, then ascending without gaps.</param>
    /// <param name="arguments">What of the arguments is there already, escaped; more may follow.</param>
    /// <param name="members">Further members of the call, e.g. <c>"extra_content":{…}</c>, without braces or commas around; empty: none.</param>
    public void ToolCall(int choice, int call, ReadOnlySpan<byte> id, ReadOnlySpan<byte> name, ReadOnlySpan<byte> arguments = default, ReadOnlySpan<byte> members = default)
    {
        Role(choice);
        var target = Open(choice);
        ToolHead(target, choice, call);
        target.Write(",\"id\":\""u8);
        target.Write(id);
        target.Write("\",\"type\":\"function\",\"function\":{\"name\":\""u8);
        target.Write(name);
        target.Write("\",\"arguments\":\""u8);
        target.Write(arguments);
        target.Write("\"}"u8);
        if (!members.IsEmpty)
        {
            target.Write(","u8);
            target.Write(members);
        }
        Close(target, "}]}"u8);
        Count(JsonText.UnescapedLength(name) + JsonText.UnescapedLength(arguments));
    }

    /// <summary>More of a call's arguments, escaped as the inside of a JSON string.</summary>
    public void ToolArguments(int choice, int call, ReadOnlySpan<byte> escaped)
    {
        var target = Open(choice);
        ToolHead(target, choice, call);
        target.Write(",\"function\":{\"arguments\":\""u8);
        target.Write(escaped);
        Close(target, "\"}}]}"u8);
        Count(JsonText.UnescapedLength(escaped));
    }

    /// <summary>A delta of other members, e.g. <c>"annotations":[…]</c>, without braces. Does not count as content.</summary>
    public void Delta(int choice, ReadOnlySpan<byte> members)
    {
        var target = Open(choice);
        Head(target, choice);
        target.Write(members);
        Close(target, "}"u8);
    }

    /// <summary>An empty delta that carries the JSON of <c>logprobs</c>.</summary>
    public void Logprobs(int choice, ReadOnlySpan<byte> json)
    {
        var target = Open(choice);
        Head(target, choice);
        target.Write("},\"logprobs\":"u8);
        target.Write(json);
        target.Write(",\"finish_reason\":null}"u8);
        target.Write(Back);
    }

    /// <summary>The choice's end, withheld. A second one is ignored unless the first still waits: then it takes its place.</summary>
    public void Finish(int choice, FinishReason reason)
    {
        Role(choice);
        IsBlocked |= reason == FinishReason.ContentFilter;
        if (OpenFinish(choice) is not { } target) return;
        Head(target, choice);
        target.Write("},\"logprobs\":null,\"finish_reason\":"u8);
        target.Write(reason.Json());
        target.Write("}"u8);
        target.Write(Back);
    }

    /// <summary>Finishes every choice that has begun and not finished: the reply ends here by our own decision.</summary>
    public void FinishOpen(FinishReason reason)
    {
        for (var choice = 0; choice < MaxChoices; choice++)
        {
            if (HasBegun(choice) && !HasFinished(choice)) Finish(choice, reason);
        }
    }

    /// <summary>Where a whole event of this choice's content is to be written. Lets go of another choice's withheld finish: it is not the last.</summary>
    public IBufferWriter<byte> Open(int choice)
    {
        _begun |= UInt128.One << choice;
        if (_withheld >= 0 && _withheld != choice) ReleaseFinish();
        return Target;
    }

    /// <summary>Where the choice's finish event is to be written, withheld; null when its finish is already with the caller.</summary>
    public IBufferWriter<byte>? OpenFinish(int choice)
    {
        if (HasFinished(choice) && _withheld != choice) return null;
        if (_withheld == choice) _finish.Reset();
        else ReleaseFinish();
        _finished |= UInt128.One << choice;
        _withheld = choice;
        return _finish;
    }

    /// <summary>Where an event about no choice is to be written: behind the withheld finish, if one waits.</summary>
    public IBufferWriter<byte> OpenTail() => _withheld >= 0 ? _finish : Target;

    public void ReleaseFinish()
    {
        if (_withheld >= 0) Target.Write(_finish.Span);
        _withheld = -1;
        _finish.Clear();
    }

    /// <summary>Remembers what the upstream itself said of usage, for the usage chunk: its further members are kept there.</summary>
    /// <param name="usage">The upstream's usage object.</param>
    /// <param name="members">Further members of the upstream's usage chunk, joined by commas.</param>
    public void RememberUsage(ReadOnlySpan<byte> usage, ReadOnlySpan<byte> members)
    {
        if (!IncludeUsage) return;
        _upstreamUsage.Reset();
        _upstreamMembers.Reset();
        _upstreamUsage.Write(usage);
        _upstreamMembers.Write(members);
    }

    public void ForgetUpstreamUsage()
    {
        _upstreamUsage.Reset();
        _upstreamMembers.Reset();
    }

    /// <summary>What <see cref="RememberUsage"/> was told last; empty: nothing.</summary>
    public ReadOnlySpan<byte> UpstreamUsage => _upstreamUsage.Span;

    /// <summary>The usage chunk, if the caller asked for it.</summary>
    /// <param name="cost">Nano-dollars; null: not shown.</param>
    public void Usage(in TokenUsage usage, long? cost)
    {
        if (!IncludeUsage) return;
        Target.Write(Front);
        Target.Write("],\"usage\":"u8);
        UsageJson.Write(Target, usage, cost, _upstreamUsage.Span);
        if (_upstreamMembers.Length > 0)
        {
            Target.Write(","u8);
            Target.Write(_upstreamMembers.Span);
        }
        Target.Write("}\n\n"u8);
    }

    public void Done() => Target.Write("data: [DONE]\n\n"u8);

    public void Dispose()
    {
        _finish.Dispose();
        _upstreamUsage.Dispose();
        _upstreamMembers.Dispose();
    }

    private void Text(int choice, ReadOnlySpan<byte> member, ReadOnlySpan<byte> escaped)
    {
        Role(choice);
        var target = Open(choice);
        Head(target, choice);
        target.Write(member);
        target.Write(escaped);
        Close(target, "\"}"u8);
        Count(JsonText.UnescapedLength(escaped));
    }

    private void Head(IBufferWriter<byte> target, int choice)
    {
        target.Write(Front);
        target.Write("{\"index\":"u8);
        JsonText.WriteNumber(target, choice);
        target.Write(",\"delta\":{"u8);
    }

    private void ToolHead(IBufferWriter<byte> target, int choice, int call)
    {
        Head(target, choice);
        target.Write("\"tool_calls\":[{\"index\":"u8);
        JsonText.WriteNumber(target, call);
        HasContent = true;
    }

    private void Close(IBufferWriter<byte> target, ReadOnlySpan<byte> delta)
    {
        target.Write(delta);
        target.Write(",\"logprobs\":null,\"finish_reason\":null}"u8);
        target.Write(Back);
    }

    private void Count(int bytes)
    {
        TextBytes += bytes;
        HasContent |= bytes > 0;
    }
}
