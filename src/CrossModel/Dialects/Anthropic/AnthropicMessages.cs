using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// Writes <c>system</c> and <c>messages</c>: system texts first, neighbours of one role merged, tool results in user messages, calls with
/// objects for arguments, signed thinking back where it came from. What is blank is left out, because the API refuses it.
/// </summary>
internal sealed class AnthropicMessages
{
    private const string Misplaced = "Claude takes images and files in user messages and tool results only. Move the block there.";

    private readonly Utf8JsonWriter _json;
    private readonly ContentBlocks _blocks;
    private readonly JsonElement[] _messages;
    private readonly ThinkingHistory? _thinking;
    private readonly HashSet<string> _hints;
    private readonly ToolIds _ids = new();
    /// <summary>There must be a message: where nobody else speaks, the instructions are the user's.</summary>
    private readonly bool _isSystemAlone;
    private string? _open;

    /// <param name="thinking">Signed thinking to put back; null: it is left out.</param>
    /// <param name="remote">Takes the files that must be fetched.</param>
    /// <param name="hints">Takes the names of what was left out.</param>
    public AnthropicMessages(Utf8JsonWriter json, AnthropicForm form, JsonElement[] messages, ThinkingHistory? thinking, RemoteLinks remote, HashSet<string> hints)
    {
        (_json, _messages, _thinking, _hints) = (json, messages, thinking, hints);
        _blocks = new ContentBlocks(json, form, remote, hints);
        _isSystemAlone = ChatMessage.LastTurn(messages) < 0;
    }

    /// <param name="last">One more instruction; null: none.</param>
    public ApiError? WriteSystem(string? last)
    {
        var isOpen = false;
        void Begin()
        {
            if (!isOpen) _json.WriteStartArray("system"u8);
            isOpen = true;
        }
        for (var i = 0; i < _messages.Length; i++)
        {
            var message = _messages[i];
            if (_isSystemAlone || !ChatMessage.IsSystem(message)) continue;
            NoteName(message);
            if (WriteContent(message, MarkOf(message), $"messages[{i}]", Begin, textOnly: true) is { } refusal) return refusal;
        }
        if (last is not null)
        {
            Begin();
            WriteText(last);
        }
        if (isOpen) _json.WriteEndArray();
        return null;
    }

    public ApiError? Write()
    {
        _json.WriteStartArray("messages"u8);
        var last = ChatMessage.LastTurn(_messages);
        for (var i = 0; i < _messages.Length; i++)
        {
            var message = _messages[i];
            var place = $"messages[{i}]";
            ApiError? refusal = null;
            if (ChatMessage.Is(message, "user"u8)) refusal = WriteContent(message, MarkOf(message), place, () => Open("user"), textOnly: false);
            else if (_isSystemAlone && ChatMessage.IsSystem(message)) refusal = WriteContent(message, MarkOf(message), place, () => Open("user"), textOnly: true);
            else if (ChatMessage.Is(message, "tool"u8)) refusal = WriteResult(message, place);
            else if (ChatMessage.Is(message, "assistant"u8)) refusal = WriteAssistant(message, place, i, isLast: i == last);
            else continue;
            if (refusal is not null) return refusal;
            NoteName(message);
        }
        Close();
        _json.WriteEndArray();
        return null;
    }

    private void NoteName(JsonElement message)
    {
        if (ChatMessage.Has(message, "name"u8, out _)) _hints.Add("name");
    }

    private void Open(string role)
    {
        if (_open == role) return;
        Close();
        _open = role;
        _json.WriteStartObject();
        _json.WriteString("role"u8, role);
        _json.WriteStartArray("content"u8);
    }

    private void Close()
    {
        if (_open is null) return;
        _json.WriteEndArray();
        _json.WriteEndObject();
        _open = null;
    }

    private void WriteText(string text)
    {
        _json.WriteStartObject();
        _json.WriteString("type"u8, "text"u8);
        _json.WriteString("text"u8, text);
        _json.WriteEndObject();
    }

    private static JsonElement MarkOf(JsonElement owner) => ChatMessage.HasMark(owner, out var mark) ? mark : default;

    /// <param name="mark">For the last block that is written.</param>
    private ApiError? WriteContent(JsonElement message, JsonElement mark, string place, Action begin, bool textOnly)
    {
        if (!ChatMessage.Has(message, "content"u8, out var content)) return null;
        if (content.ValueKind == JsonValueKind.String) return _blocks.WriteText(content, mark, begin);
        var (index, last) = (0, LastSaid(content));
        foreach (var block in content.EnumerateArray())
        {
            var at = $"{place}.content[{index}]";
            if (textOnly && !block.GetProperty("type"u8).ValueEquals("text"u8) && !block.GetProperty("type"u8).ValueEquals("refusal"u8))
                return ApiErrors.UnsupportedParameter(at, Misplaced);
            if (_blocks.Write(block, at, index++ == last ? mark : default, begin) is { } refusal) return refusal;
        }
        return null;
    }

    /// <summary>The last block that is not left out for being blank; where all are, the first.</summary>
    private static int LastSaid(JsonElement content)
    {
        var (index, last) = (0, 0);
        foreach (var block in content.EnumerateArray())
        {
            if (!ChatMessage.IsBlank(block)) last = index;
            index++;
        }
        return last;
    }

    private ApiError? WriteResult(JsonElement message, string place)
    {
        Open("user");
        _json.WriteStartObject();
        _json.WriteString("type"u8, "tool_result"u8);
        _json.WriteString("tool_use_id"u8, _ids.Answer(message.GetProperty("tool_call_id"u8).GetString()!));
        if (ChatMessage.Has(message, "content"u8, out var content))
        {
            var isOpen = false;
            void Begin()
            {
                if (!isOpen) _json.WriteStartArray("content"u8);
                isOpen = true;
            }
            if (content.ValueKind == JsonValueKind.String)
            {
                if (!content.IsBlank()) _json.WriteRaw("content"u8, content);
            }
            else
            {
                var index = 0;
                foreach (var block in content.EnumerateArray())
                {
                    if (_blocks.Write(block, $"{place}.content[{index++}]", default, Begin) is { } refusal) return refusal;
                }
            }
            if (isOpen) _json.WriteEndArray();
        }
        if (ChatMessage.HasMark(message, out var mark)) _json.WriteRaw("cache_control"u8, mark);
        _json.WriteEndObject();
        return null;
    }

    private ApiError? WriteAssistant(JsonElement message, string place, int index, bool isLast)
    {
        if (ChatMessage.RefuseAssistant(message, place, "Claude") is { } unfit) return unfit;
        foreach (var block in _thinking?.Of(index) ?? [])
        {
            Open("assistant");
            _json.WriteRaw(block);
        }
        var hasCalls = ChatMessage.HasCalls(message, out var calls);
        if (isLast && !hasCalls) return WritePrefill(message, place);
        // The message's mark stands at its end: on the last call, else on the refusal, else on the last block.
        var mark = MarkOf(message);
        var isRefused = ChatMessage.Has(message, "refusal"u8, out var refused);
        if (WriteContent(message, hasCalls || isRefused ? default : mark, place, () => Open("assistant"), textOnly: true) is { } refusal) return refusal;
        if (isRefused) _blocks.WriteText(refused, hasCalls ? default : mark, () => Open("assistant"));
        return hasCalls ? WriteCalls(calls, mark, place, index) : null;
    }

    private ApiError? WritePrefill(JsonElement message, string place)
    {
        if (ChatMessage.Prefill(message, place, Misplaced, _hints, out var texts) is { } refusal) return refusal;
        foreach (var text in texts)
        {
            Open("assistant");
            WriteText(text);
        }
        return null;
    }

    private ApiError? WriteCalls(JsonElement calls, JsonElement mark, string place, int message)
    {
        var (index, count) = (0, calls.GetArrayLength());
        foreach (var call in calls.EnumerateArray())
        {
            var at = $"{place}.tool_calls[{index++}]";
            if (ChatMessage.Call(call, at, "Claude calls functions only.", out var function, out var arguments) is { } refusal) return refusal;
            Open("assistant");
            foreach (var block in _thinking?.Between(message, index - 1) ?? []) _json.WriteRaw(block);
            _json.WriteStartObject();
            _json.WriteString("type"u8, "tool_use"u8);
            _json.WriteString("id"u8, _ids.Issue(call.GetProperty("id"u8).GetString()!));
            _json.WriteRaw("name"u8, function.GetProperty("name"u8));
            _json.WriteRaw("input"u8, arguments);
            if (ChatMessage.HasMark(call, out var own)) _json.WriteRaw("cache_control"u8, own);
            else if (index == count && mark.ValueKind == JsonValueKind.Object) _json.WriteRaw("cache_control"u8, mark);
            _json.WriteEndObject();
        }
        return null;
    }
}
