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
    public JsonSpan Id, Object, Created, Model, Choices, Usage, UsageMember, GroqUsage, Error, GroqError, BaseResp;
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
        Id = Object = Created = Model = Choices = Usage = UsageMember = GroqUsage = Error = GroqError = BaseResp = default;
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
            var name = Name(ref json);
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
                HasNews |= !(name.SequenceEqual("system_fingerprint"u8) || name.SequenceEqual("service_tier"u8)
                    || name.SequenceEqual("obfuscation"u8) || name.SequenceEqual("provider"u8));
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

    /// <summary>It is an error, or says that it is one.</summary>
    public bool IsError(ReadOnlySpan<byte> text)
    {
        if (Says(text, Error) || Says(text, GroqError)) return true;
        return (IsBareError && !Usage.IsPresent) || (BaseResp.IsPresent && !OpenAIErrors.IsSuccess(BaseResp.In(text)));
    }

    /// <summary>Of an error, what says it.</summary>
    public ReadOnlySpan<byte> ErrorIn(ReadOnlySpan<byte> text) => Says(text, GroqError) ? GroqError.In(text) : text;

    private static bool Says(ReadOnlySpan<byte> text, JsonSpan error) =>
        error.IsPresent && error.In(text) is var said && !said.SequenceEqual("null"u8) && !said.SequenceEqual("{}"u8) && !said.SequenceEqual("\"\""u8);

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
                if (ChoiceCount == ChunkWriter.MaxChoices) throw new JsonException("more choices than any reply has");
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
            var name = JsonText.Name(ref json);
            if (name.SequenceEqual("usage"u8)) Value(ref json, ref GroqUsage);
            // Why the stream ends before the reply does.
            else if (name.SequenceEqual("error"u8)) Value(ref json, ref GroqError);
            else Skip(ref json);
        }
    }

    /// <summary>
    /// The name that was just read. One that hides a letter behind an escape is an unreadable reply: to the caller's parser it may be the name of a
    /// member that we act on, which here it would pass for another.
    /// </summary>
    internal static ReadOnlySpan<byte> Name(ref Utf8JsonReader json) =>
        json.ValueIsEscaped && HidesALetter(json.ValueSpan) ? throw new JsonException("a name with a letter escaped") : json.ValueSpan;

    private static bool HidesALetter(ReadOnlySpan<byte> name)
    {
        // Step by step: a backslash that is escaped itself begins nothing. Beyond ASCII no name of ours has a letter.
        for (var at = name.IndexOf((byte)'\\'); at >= 0; at = name.IndexOf((byte)'\\'))
        {
            name = name[(at + 1)..];
            if (name is [(byte)'u', (byte)'0', (byte)'0', < (byte)'8', ..]) return true;
            name = name[1..];
        }
        return false;
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
