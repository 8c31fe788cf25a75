using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// The signed thinking blocks of earlier turns: what the caller sends back on the call, else what the memory holds. With thinking on the API
/// wants those of an open tool loop unmodified, and refuses the request without them.
/// </summary>
internal sealed class ThinkingHistory
{
    public const string Kind = "anthropic";

    private readonly Dictionary<int, List<byte[]>> _blocks = [];
    // By the message that theirs begins with where it is sent.
    private readonly Dictionary<int, List<byte[]>> _starts = [];
    // Of a message's further calls: what the model thought between it and the one before.
    private readonly Dictionary<(int Message, int Call), List<byte[]>> _between = [];
    private readonly RefusedThinking _refused;
    private long _put;

    /// <summary>Every assistant message of the open tool loop is accounted for: the first begins with thinking, and what the others had is known.</summary>
    public bool IsWhole { get; }

    /// <summary>Null: no thinking is asked for, so there is none to put back.</summary>
    /// <param name="ownThinking">The caller asks for it in Claude's own words.</param>
    /// <param name="refused">What the upstream does not take: a message that began with such is one whose thinking is lost.</param>
    public static ThinkingHistory? Of(
        ChatRequest request, ClaudeModel model, bool ownThinking, JsonElement[] messages, string account, ReasoningMemory memory, RefusedThinking refused) =>
        request.Features.HasFlag(ChatFeatures.ToolHistory) && (ownThinking || model.ThinksByDefault || request.ReasoningEffort is not (null or "none"))
            ? new ThinkingHistory(messages, account, memory, refused)
            : null;

    private ThinkingHistory(JsonElement[] messages, string account, ReasoningMemory memory, RefusedThinking refused)
    {
        _refused = refused;
        for (var i = 0; i < messages.Length; i++)
        {
            if (CallsOf(messages[i]) is not { } calls || Find(i, calls, account, memory) is not { } blocks) continue;
            _blocks[i] = blocks;
            if (!_starts.TryAdd(StartOf(messages, i), blocks)) _starts[i] = blocks;
        }
        var open = OpenLoop(messages);
        IsWhole = open.Count == 0 || (_blocks.TryGetValue(open[0], out var first) && first.Count > 0 && open.All(_blocks.ContainsKey));
    }

    /// <summary>The thinking that stands before the message.</summary>
    public IReadOnlyList<byte[]> Of(int message) => _starts.GetValueOrDefault(message) ?? [];

    /// <summary>The thinking that stands before a further call of the message.</summary>
    public IReadOnlyList<byte[]> Between(int message, int call) => _between.GetValueOrDefault((message, call)) ?? [];

    /// <summary>Some callers send what the model said and what it called as messages of their own. They go out as one, which must begin with its thinking.</summary>
    private static int StartOf(JsonElement[] messages, int calls)
    {
        var start = calls;
        for (var i = calls - 1; i >= 0; i--)
        {
            if (ChatMessage.StandsApart(messages[i])) continue;
            if (!ChatMessage.Is(messages[i], "assistant"u8)) break;
            start = i;
        }
        return start;
    }

    /// <summary>The assistant messages whose calls the model is still working on, in order.</summary>
    private static List<int> OpenLoop(JsonElement[] messages)
    {
        var open = new List<int>();
        var (isBeforeUser, isBeforeCalls) = (false, false);
        for (var i = messages.Length - 1; i >= 0; i--)
        {
            if (ChatMessage.StandsApart(messages[i])) continue;
            if (ChatMessage.Is(messages[i], "user"u8))
            {
                if (open.Count > 0) break;
                isBeforeUser = true;
            }
            var isAssistant = ChatMessage.Is(messages[i], "assistant"u8);
            var isCalling = isAssistant && CallsOf(messages[i]) is not null;
            // What is said before calls is one message with them.
            if (isAssistant && !isCalling && !isBeforeCalls) break;
            isBeforeCalls = isAssistant;
            if (!isCalling) continue;
            open.Add(i);
            // What a user said after the results is part of the same turn at Anthropic, but there the loop begins anew.
            if (isBeforeUser) break;
        }
        open.Reverse();
        return open;
    }

    private static JsonElement? CallsOf(JsonElement message) =>
        message.TryGetProperty("tool_calls"u8, out var calls) && calls.ValueKind == JsonValueKind.Array && calls.GetArrayLength() > 0 ? calls : null;

    /// <summary>What stands before the first call; null: nothing is known, or some of the message's is refused. What stands before the others goes between them.</summary>
    private List<byte[]>? Find(int message, JsonElement calls, string account, ReasoningMemory memory)
    {
        List<byte[]>? first = null;
        var between = new List<(int Call, List<byte[]> Blocks)>();
        var index = 0;
        foreach (var call in calls.EnumerateArray())
        {
            if (IsSaid(call, account, memory, out var blocks))
            {
                if (blocks is null) return null;
                if (index == 0) first = blocks;
                else between.Add((index, blocks));
            }
            index++;
        }
        // Some callers send calls in the order in which they were done: what is known of one begins the message then.
        if (first is null && between.Count > 0)
        {
            first = between[0].Blocks;
            between.RemoveAt(0);
        }
        if (first is not null) between.ForEach(one => _between[(message, one.Call)] = one.Blocks);
        return first;
    }

    /// <summary>It is known what was thought before the call.</summary>
    /// <param name="blocks">Null: the upstream has refused it.</param>
    private bool IsSaid(JsonElement call, string account, ReasoningMemory memory, out List<byte[]>? blocks)
    {
        blocks = null;
        if (Member(call, "extra_content"u8) is { } extra && Member(extra, "anthropic"u8) is { } ours && ours.TryGetProperty("thinking"u8, out var sent)
            && sent.ValueKind == JsonValueKind.Array)
        {
            blocks = Signed(sent);
            return true;
        }
        if (Member(call, "function"u8) is not { } function) return false;
        var state = memory.Find(Kind, account, call.GetProperty("id"u8).GetString()!, function.GetProperty("name"u8).GetString()!, ToolArguments.Of(function), ref _put);
        if (state is null) return false;
        if (state.Length == 0)
        {
            blocks = [];
            return true;
        }
        using var known = JsonDocument.Parse(state);
        blocks = Signed(known.RootElement);
        return true;
    }

    /// <summary>Only blocks that Anthropic signs: a caller's other blocks, or another provider's thinking, must not slip in.</summary>
    private List<byte[]>? Signed(JsonElement blocks) => blocks.EnumerateArray().Any(block => block.ValueKind == JsonValueKind.Object && _refused.Holds(block)) ? null :
    [
        .. from block in blocks.EnumerateArray()
           where block.ValueKind == JsonValueKind.Object
           let type = block.TextOf("type"u8)
           where (type == "thinking" && block.TextOf("thinking"u8) is not null && block.TextOf("signature"u8) is { Length: > 0 })
               || (type == "redacted_thinking" && block.TextOf("data"u8) is { Length: > 0 })
           select Encoding.UTF8.GetBytes(block.GetRawText()),
    ];

    private static JsonElement? Member(JsonElement json, ReadOnlySpan<byte> name) =>
        json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Object ? value : null;
}
