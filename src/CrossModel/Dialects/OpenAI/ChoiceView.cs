using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Where the members of one choice are. "Text" spans are the inside of a JSON string, without quotes; an empty string leaves them absent.</summary>
internal struct ChoiceView
{
    /// <summary>The choice object, braces included.</summary>
    public JsonSpan Span;
    public JsonSpan Index, Logprobs, Finish, Usage;
    /// <summary><c>delta</c> or <c>message</c>.</summary>
    public JsonSpan Message;
    public JsonSpan Role, Content, ContentText, ReasoningText, Reasoning, ReasoningContent, ReasoningDetails, Refusal, RefusalText, ToolCalls, FunctionCall;
    /// <summary>What the choice says stands where another form of reply has it: in <c>message</c>, <c>delta</c> or <c>text</c> only.</summary>
    public readonly bool IsElsewhere => _saysOther && !Message.IsPresent;
    private bool _saysOther;
    /// <summary>The choice object has no members.</summary>
    public bool IsEmpty;
    /// <summary>The message object has no members.</summary>
    public bool IsMessageEmpty;
    /// <summary>The message has another member that says something: not null, empty, false or zero.</summary>
    public bool HasOthers;
    /// <summary>-1: none that is a number from 0.</summary>
    public int IndexNumber;
    public bool IsFunctionCallReal;
    /// <summary>The content is text that lacks its quotes.</summary>
    public readonly bool IsContentBare => ContentText.IsPresent && ContentText.Length == Content.Length;

    public void Read(ref Utf8JsonReader json, ReadOnlySpan<byte> messageName)
    {
        this = default;
        IndexNumber = -1;
        IsMessageEmpty = IsEmpty = true;
        var start = (int)json.TokenStartIndex;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            IsEmpty = false;
            var name = ReplyView.Name(ref json);
            if (name.SequenceEqual(messageName)) ReadMessage(ref json);
            else if (name.SequenceEqual("index"u8)) ReadIndex(ref json);
            else if (name.SequenceEqual("finish_reason"u8)) ReplyView.Value(ref json, ref Finish);
            else if (name.SequenceEqual("logprobs"u8)) ReplyView.Value(ref json, ref Logprobs);
            else if (name.SequenceEqual("usage"u8)) ReplyView.Value(ref json, ref Usage);
            else if (name.SequenceEqual("message"u8) || name.SequenceEqual("delta"u8) || name.SequenceEqual("text"u8)) ReadOther(ref json);
            else ReplyView.Skip(ref json);
        }
        Span = new JsonSpan(start, (int)json.BytesConsumed - start);
    }

    private void ReadOther(ref Utf8JsonReader json)
    {
        var other = default(JsonSpan);
        _saysOther |= Says(ref json, ref other);
    }

    private void ReadIndex(ref Utf8JsonReader json)
    {
        if (ReplyView.Value(ref json, ref Index) == JsonTokenType.Number && json.TryGetInt32(out var index) && index >= 0) IndexNumber = index;
    }

    private void ReadMessage(ref Utf8JsonReader json)
    {
        if (Message.IsPresent) throw new JsonException("a message twice");
        json.Read();
        var start = (int)json.TokenStartIndex;
        if (json.TokenType != JsonTokenType.StartObject)
        {
            if (json.TokenType != JsonTokenType.Null) throw new JsonException("a message that is no object");
            Message = new JsonSpan(start, (int)json.BytesConsumed - start);
            return;
        }
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            IsMessageEmpty = false;
            var name = ReplyView.Name(ref json);
            if (name.SequenceEqual("content"u8)) ReadContent(ref json);
            else if (name.SequenceEqual("role"u8)) ReplyView.Value(ref json, ref Role);
            else if (name.SequenceEqual("tool_calls"u8)) ReplyView.Value(ref json, ref ToolCalls);
            else if (name.SequenceEqual("reasoning_content"u8))
            {
                // NVIDIA's server sends it twice for some models. What counts is the last, as for parsers.
                ReasoningContent = ReasoningText = default;
                Text(ref json, ref ReasoningContent, ref ReasoningText);
            }
            else if (name.SequenceEqual("reasoning"u8)) ReplyView.Value(ref json, ref Reasoning);
            else if (name.SequenceEqual("refusal"u8)) ReadRefusal(ref json);
            else if (name.SequenceEqual("function_call"u8))
            {
                IsFunctionCallReal = Says(ref json, ref FunctionCall);
            }
            else if (name.SequenceEqual("reasoning_details"u8)) HasOthers |= Says(ref json, ref ReasoningDetails);
            else
            {
                var other = default(JsonSpan);
                HasOthers |= Says(ref json, ref other);
            }
        }
        Message = new JsonSpan(start, (int)json.BytesConsumed - start);
    }

    /// <summary>Cloudflare's server sends tokens such as 6 and true without quotes: they are text all the same.</summary>
    private void ReadContent(ref Utf8JsonReader json)
    {
        var kind = Text(ref json, ref Content, ref ContentText);
        if (kind is JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False) ContentText = Content;
        // An object where a caller reads text is none, and could not be counted.
        else if (kind == JsonTokenType.StartObject) throw new JsonException("content that is no text");
    }

    private void ReadRefusal(ref Utf8JsonReader json)
    {
        var kind = Text(ref json, ref Refusal, ref RefusalText);
        if (kind is JsonTokenType.Number or JsonTokenType.True || (kind is JsonTokenType.StartObject or JsonTokenType.StartArray && Refusal.Length > 2))
            throw new JsonException("a refusal that is no text");
    }

    private static JsonTokenType Text(ref Utf8JsonReader json, ref JsonSpan value, ref JsonSpan text)
    {
        var kind = ReplyView.Value(ref json, ref value);
        if (kind == JsonTokenType.String) text = new JsonSpan(value.Start + 1, value.Length - 2);
        return kind;
    }

    /// <summary>Reads a value and tells whether anything in it is more than null, empty, false or zero: some servers send every key they know, empty.</summary>
    private static bool Says(ref Utf8JsonReader json, ref JsonSpan span)
    {
        if (span.IsPresent) throw new JsonException("a member twice");
        json.Read();
        var start = (int)json.TokenStartIndex;
        var depth = json.CurrentDepth;
        var says = Leaf(ref json);
        if (json.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
        {
            while (json.Read() && json.CurrentDepth > depth) says |= Leaf(ref json);
        }
        span = new JsonSpan(start, (int)json.BytesConsumed - start);
        return says;
    }

    private static bool Leaf(ref Utf8JsonReader json) => json.TokenType switch
    {
        JsonTokenType.String => json.ValueSpan.Length > 0,
        JsonTokenType.True => true,
        JsonTokenType.Number => !json.ValueSpan.SequenceEqual("0"u8),
        _ => false,
    };
}
