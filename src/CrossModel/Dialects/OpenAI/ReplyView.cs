using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// Where in a chunk or a plain reply the members are that we act on. Filled anew by <see cref="Read"/> and reused from event to event, so that
/// relaying one allocates nothing. A member that we act on and that occurs twice is an unreadable reply: two readers would take it differently.
/// </summary>
internal sealed class ReplyView
{
    private ChoiceView[] _choices = new ChoiceView[1];

    public int ObjectStart { get; private set; }
    public JsonSpan Id, Object, Created, Model, Choices, Usage, UsageMember, GroqUsage, Error, BaseResp;
    /// <summary>The places of the root members that are not named above.</summary>
    public List<JsonSpan> Others { get; } = [];
    /// <summary>One of the others is not what every chunk of some servers carries.</summary>
    public bool HasNews { get; private set; }
    /// <summary>The root says that it is an error without an <c>error</c> member: <c>"object":"error"</c>, or only detail or message.</summary>
    public bool IsBareError { get; private set; }
    public int ChoiceCount { get; private set; }

    public ref ChoiceView Choice(int i) => ref _choices[i];

    /// <summary>False: the text is JSON but no object. Throws JsonException where it is not JSON.</summary>
    public bool Read(ReadOnlySpan<byte> text, ReadOnlySpan<byte> messageName)
    {
        Id = Object = Created = Model = Choices = Usage = UsageMember = GroqUsage = Error = BaseResp = default;
        Others.Clear();
        ChoiceCount = 0;
        HasNews = false;
        var hasMessage = false;
        var json = new Utf8JsonReader(text);
        json.Read();
        if (json.TokenType != JsonTokenType.StartObject)
        {
            json.Skip();
            return false;
        }
        ObjectStart = (int)json.TokenStartIndex;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var start = (int)json.TokenStartIndex;
            var name = json.ValueSpan;
            if (name.SequenceEqual("choices"u8)) ReadChoices(ref json, messageName);
            else if (name.SequenceEqual("id"u8)) Value(ref json, ref Id);
            else if (name.SequenceEqual("object"u8)) Value(ref json, ref Object);
            else if (name.SequenceEqual("created"u8)) Value(ref json, ref Created);
            else if (name.SequenceEqual("model"u8)) Value(ref json, ref Model);
            else if (name.SequenceEqual("usage"u8))
            {
                Value(ref json, ref Usage);
                UsageMember = new JsonSpan(start, Usage.End - start);
            }
            else if (name.SequenceEqual("error"u8)) Value(ref json, ref Error);
            else if (name.SequenceEqual("base_resp"u8)) Value(ref json, ref BaseResp);
            else
            {
                HasNews |= !(name.SequenceEqual("system_fingerprint"u8) || name.SequenceEqual("service_tier"u8) || name.SequenceEqual("obfuscation"u8) || name.SequenceEqual("provider"u8));
                hasMessage |= name.SequenceEqual("message"u8) || name.SequenceEqual("detail"u8);
                if (name.SequenceEqual("x_groq"u8)) ReadGroq(ref json);
                else Skip(ref json);
                Others.Add(new JsonSpan(start, (int)json.BytesConsumed - start));
            }
        }
        json.Read();
        IsBareError = !Choices.IsPresent && (hasMessage || (Object.IsPresent && Object.In(text).SequenceEqual("\"error\""u8)));
        return true;
    }

    private void ReadChoices(ref Utf8JsonReader json, ReadOnlySpan<byte> messageName)
    {
        if (Choices.IsPresent) throw new JsonException("choices twice");
        json.Read();
        var start = (int)json.TokenStartIndex;
        if (json.TokenType == JsonTokenType.StartArray)
        {
            while (json.Read() && json.TokenType != JsonTokenType.EndArray)
            {
                if (json.TokenType != JsonTokenType.StartObject) throw new JsonException("a choice that is no object");
                if (ChoiceCount == _choices.Length) Array.Resize(ref _choices, ChoiceCount * 2);
                _choices[ChoiceCount++].Read(ref json, messageName);
            }
        }
        else if (json.TokenType != JsonTokenType.Null) throw new JsonException("choices is no array");
        Choices = new JsonSpan(start, (int)json.BytesConsumed - start);
    }

    private void ReadGroq(ref Utf8JsonReader json)
    {
        json.Read();
        if (json.TokenType != JsonTokenType.StartObject)
        {
            json.Skip();
            return;
        }
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            if (json.ValueSpan.SequenceEqual("usage"u8)) Value(ref json, ref GroqUsage);
            else Skip(ref json);
        }
    }

    internal static void Skip(ref Utf8JsonReader json)
    {
        json.Read();
        json.Skip();
    }

    /// <summary>The value of the member whose name was just read; null counts as a value here.</summary>
    internal static JsonTokenType Value(ref Utf8JsonReader json, ref JsonSpan span)
    {
        if (span.IsPresent) throw new JsonException("a member twice");
        json.Read();
        var kind = json.TokenType;
        var start = (int)json.TokenStartIndex;
        json.Skip();
        span = new JsonSpan(start, (int)json.BytesConsumed - start);
        return kind;
    }
}

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

    public void Read(ref Utf8JsonReader json, ReadOnlySpan<byte> messageName)
    {
        this = default;
        IndexNumber = -1;
        IsMessageEmpty = IsEmpty = true;
        var start = (int)json.TokenStartIndex;
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            IsEmpty = false;
            var name = json.ValueSpan;
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
            var name = json.ValueSpan;
            if (name.SequenceEqual("content"u8)) Text(ref json, ref Content, ref ContentText);
            else if (name.SequenceEqual("role"u8)) ReplyView.Value(ref json, ref Role);
            else if (name.SequenceEqual("tool_calls"u8)) ReplyView.Value(ref json, ref ToolCalls);
            else if (name.SequenceEqual("reasoning_content"u8)) Text(ref json, ref ReasoningContent, ref ReasoningText);
            else if (name.SequenceEqual("reasoning"u8)) ReplyView.Value(ref json, ref Reasoning);
            else if (name.SequenceEqual("refusal"u8)) Text(ref json, ref Refusal, ref RefusalText);
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

    private static void Text(ref Utf8JsonReader json, ref JsonSpan value, ref JsonSpan text)
    {
        if (ReplyView.Value(ref json, ref value) == JsonTokenType.String) text = new JsonSpan(value.Start + 1, value.Length - 2);
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
