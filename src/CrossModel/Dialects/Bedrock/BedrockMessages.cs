using System.Text.Json;
using CrossModel.Dialects.Anthropic;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Bedrock;

/// <summary>
/// Writes <c>messages</c> and <c>system</c>: neighbours of one role merged, tool results in user messages, calls with objects for arguments,
/// signed thinking back where it came from. What is blank is left out, because the API refuses it.
/// </summary>
internal sealed class BedrockMessages
{
    private const string Misplaced = "Bedrock takes media in user messages and tool results only. Move the block there.";
    private const string AboutDocuments = "Use the attached document.";

    private readonly Utf8JsonWriter _json;
    private readonly BedrockBlocks _blocks;
    private readonly BedrockFamily _family;
    private readonly ToolAliases _aliases;
    private readonly JsonElement[] _messages;
    private readonly ThinkingHistory? _thinking;
    private readonly HashSet<string> _hints;
    private readonly ToolIds _ids;
    private readonly OrderedDictionary<string, bool> _called = [];
    /// <summary>There must be a message: where nobody else speaks, the instructions are the user's.</summary>
    private readonly bool _isSystemAlone;
    private string? _open;
    private bool _hasSystem;

    /// <param name="thinking">Signed thinking to put back; null: it is left out.</param>
    /// <param name="hints">Takes the names of what was left out.</param>
    public BedrockMessages(
        Utf8JsonWriter json, BedrockFamily family, ToolAliases aliases, JsonElement[] messages, ThinkingHistory? thinking, RemoteLinks remote, HashSet<string> hints)
    {
        (_json, _family, _aliases, _messages, _thinking, _hints) = (json, family, aliases, messages, thinking, hints);
        _ids = new ToolIds(family.NineCharacterIds);
        _isSystemAlone = ChatMessage.LastTurn(messages) < 0;
        _blocks = new BedrockBlocks(json, remote, hints);
    }

    /// <summary>Names of the tools that assistant messages call, each once.</summary>
    public IReadOnlyCollection<string> CalledTools => _called.Keys;

    public ApiError? Write()
    {
        _json.WriteStartArray("messages"u8);
        var last = ChatMessage.LastTurn(_messages);
        for (var i = 0; i < _messages.Length; i++)
        {
            var message = _messages[i];
            var place = $"messages[{i}]";
            ApiError? refusal = null;
            if (ChatMessage.IsSystem(message) && _isSystemAlone) refusal = WriteMarked(message, place, () => Open("user"), textOnly: true);
            else if (ChatMessage.IsSystem(message)) _hasSystem = true;
            else if (ChatMessage.Is(message, "user"u8)) refusal = WriteMarked(message, place, () => Open("user"), textOnly: false);
            else if (ChatMessage.Is(message, "tool"u8)) refusal = WriteResult(message, place);
            else if (ChatMessage.Is(message, "assistant"u8)) refusal = WriteAssistant(message, place, i, isLast: i == last);
            if (refusal is not null) return refusal;
            if (ChatMessage.Has(message, "name"u8, out _)) _hints.Add("name");
        }
        Close();
        _json.WriteEndArray();
        return null;
    }

    /// <param name="last">One more instruction; null: none.</param>
    public ApiError? WriteSystem(string? last)
    {
        if (!_hasSystem && last is null) return null;
        _blocks.BeginMessage();
        var isOpen = false;
        void Begin()
        {
            if (!isOpen) _json.WriteStartArray("system"u8);
            isOpen = true;
        }
        for (var i = 0; i < _messages.Length; i++)
        {
            if (_hasSystem && ChatMessage.IsSystem(_messages[i]) && WriteMarked(_messages[i], $"messages[{i}]", Begin, textOnly: true) is { } refusal) return refusal;
        }
        if (last is not null)
        {
            Begin();
            _blocks.WriteText(last);
        }
        if (isOpen) _json.WriteEndArray();
        return null;
    }

    private void Open(string role)
    {
        if (_open == role) return;
        Close();
        _open = role;
        _blocks.BeginMessage();
        _json.WriteStartObject();
        _json.WriteString("role"u8, role);
        _json.WriteStartArray("content"u8);
    }

    private void Close()
    {
        if (_open is null) return;
        if (_blocks.NeedsText) _blocks.WriteText(AboutDocuments);
        _json.WriteEndArray();
        _json.WriteEndObject();
        _open = null;
    }

    private ApiError? WriteMarked(JsonElement message, string place, Action begin, bool textOnly)
    {
        if (WriteContent(message, place, begin, textOnly) is { } refusal) return refusal;
        Mark(message);
        return null;
    }

    private ApiError? WriteContent(JsonElement message, string place, Action begin, bool textOnly)
    {
        if (!ChatMessage.Has(message, "content"u8, out var content)) return null;
        if (content.ValueKind == JsonValueKind.String) WriteText(content, begin);
        else
        {
            var index = 0;
            foreach (var block in content.EnumerateArray())
            {
                var at = $"{place}.content[{index++}]";
                var type = block.GetProperty("type"u8);
                if (type.ValueEquals("text"u8) || type.ValueEquals("refusal"u8)) WriteText(block.GetProperty(type.GetString()!), begin);
                else if (textOnly) return ApiErrors.UnsupportedParameter(at, Misplaced);
                else if (_blocks.Write(block, at, begin) is { } refusal) return refusal;
                Mark(block);
            }
        }
        return null;
    }

    /// <summary>Behind a message, block or call that the caller marked.</summary>
    private void Mark(JsonElement owner)
    {
        if (ChatMessage.HasMark(owner, out var mark)) _blocks.WriteMark(_family, mark);
    }

    private void WriteText(JsonElement text, Action begin)
    {
        if (text.IsBlank()) return;
        begin();
        _blocks.WriteText(text);
    }

    private ApiError? WriteResult(JsonElement message, string place)
    {
        Open("user");
        _json.WriteStartObject();
        _json.WriteStartObject("toolResult"u8);
        _json.WriteString("toolUseId"u8, _ids.Answer(message.GetProperty("tool_call_id"u8).GetString()!));
        _json.WriteStartArray("content"u8);
        var isEmpty = true;
        // Inside a result nothing counts towards the message's own text and documents.
        if (ChatMessage.Has(message, "content"u8, out var content))
        {
            if (content.ValueKind == JsonValueKind.String) WriteText(content, () => isEmpty = false);
            else
            {
                var index = 0;
                foreach (var block in content.EnumerateArray())
                {
                    var type = block.GetProperty("type"u8);
                    if (type.ValueEquals("text"u8)) WriteText(block.GetProperty("text"u8), () => isEmpty = false);
                    else if (_blocks.Write(block, $"{place}.content[{index}]", () => isEmpty = false) is { } refusal) return refusal;
                    index++;
                }
            }
        }
        if (isEmpty) _blocks.WriteText("(nothing)");
        _json.WriteEndArray();
        _json.WriteEndObject();
        _json.WriteEndObject();
        // Nothing can be marked inside a result: a block's mark moves to its end.
        _blocks.BeginMessage();
        _blocks.NoteBlock();
        if (ChatMessage.FirstMarked(message) is { } marked) Mark(marked);
        return null;
    }

    private ApiError? WriteAssistant(JsonElement message, string place, int index, bool isLast)
    {
        if (ChatMessage.RefuseAssistant(message, place, "Bedrock") is { } unfit) return unfit;
        var hasCalls = ChatMessage.HasCalls(message, out var calls);
        if (isLast && !hasCalls) return WritePrefill(message, place);
        foreach (var block in _thinking?.Of(index) ?? []) WriteThinking(block);
        if (WriteContent(message, place, () => Open("assistant"), textOnly: true) is { } refusal) return refusal;
        if (ChatMessage.Has(message, "refusal"u8, out var refused)) WriteText(refused, () => Open("assistant"));
        if (hasCalls && WriteCalls(calls, place, index) is { } wrong) return wrong;
        Mark(message);
        return null;
    }

    /// <summary>A block as Anthropic writes it, which is how it travels, in Converse's form.</summary>
    private void WriteThinking(byte[] block)
    {
        using var known = JsonDocument.Parse(block);
        Open("assistant");
        _json.WriteStartObject();
        _json.WriteStartObject("reasoningContent"u8);
        if (known.RootElement.TryGetProperty("thinking"u8, out var text))
        {
            _json.WriteStartObject("reasoningText"u8);
            _json.WriteRaw("text"u8, text);
            _json.WriteRaw("signature"u8, known.RootElement.GetProperty("signature"u8));
            _json.WriteEndObject();
        }
        else _json.WriteRaw("redactedContent"u8, known.RootElement.GetProperty("data"u8));
        _json.WriteEndObject();
        _json.WriteEndObject();
        _blocks.NoteBlock();
    }

    private ApiError? WritePrefill(JsonElement message, string place)
    {
        if (ChatMessage.Prefill(message, place, Misplaced, _hints, out var texts) is { } refusal) return refusal;
        foreach (var text in texts)
        {
            Open("assistant");
            _blocks.WriteText(text);
        }
        return null;
    }

    private ApiError? WriteCalls(JsonElement calls, string place, int message)
    {
        var index = 0;
        foreach (var call in calls.EnumerateArray())
        {
            var at = $"{place}.tool_calls[{index++}]";
            if (ChatMessage.Call(call, at, "Models on Bedrock call functions only.", out var function, out var arguments) is { } refusal) return refusal;
            var name = function.GetProperty("name"u8).GetString()!;
            _called.TryAdd(name, true);
            foreach (var block in _thinking?.Between(message, index - 1) ?? []) WriteThinking(block);
            Open("assistant");
            _json.WriteStartObject();
            _json.WriteStartObject("toolUse"u8);
            _json.WriteString("toolUseId"u8, _ids.Issue(call.GetProperty("id"u8).GetString()!));
            _json.WriteString("name"u8, _aliases.Of(name));
            _json.WriteRaw("input"u8, arguments);
            _json.WriteEndObject();
            _json.WriteEndObject();
            _blocks.NoteBlock();
            Mark(call);
        }
        return null;
    }
}
