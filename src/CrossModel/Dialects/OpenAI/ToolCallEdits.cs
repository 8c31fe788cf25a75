using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>One call of a choice, as far as it has come.</summary>
internal sealed class CallState
{
    /// <summary>The index under which the upstream speaks of it; -1: it sends none.</summary>
    public int Key { get; init; }
    public byte[] Id { get; set; } = [];
    public bool IsNamed { get; set; }
    /// <summary>Our index, ascending without gaps; -1 while it waits for its name.</summary>
    public int Index { get; set; } = -1;
    public bool HasArguments { get; set; }
    /// <summary>Arguments that came before the name, escaped.</summary>
    public byte[] Held { get; set; } = [];
}

/// <summary>What of one choice must be remembered between chunks.</summary>
internal sealed class ChoiceState(int index)
{
    public int Index { get; } = index;
    public List<CallState> Calls { get; } = [];
    public int NamedCalls { get; set; }
    public bool HasFunctionCall { get; set; }
    /// <summary>Null until the upstream said why the choice ended.</summary>
    public FinishReason? Finish { get; set; }
    public bool HasCall => NamedCalls > 0 || HasFunctionCall;

    /// <summary>The choice of an index, added where it is new; null: it would be one more than <paramref name="most"/>.</summary>
    public static ChoiceState? Of(List<ChoiceState> choices, int index, int most)
    {
        foreach (var known in choices)
        {
            if (known.Index == index) return known;
        }
        if (choices.Count == most) return null;
        var choice = new ChoiceState(index);
        choices.Add(choice);
        return choice;
    }
}

/// <summary>
/// Brings <c>tool_calls</c> to OpenAI's form: in streams ascending indexes, id and name once, arguments as a string; in plain replies an id and
/// a type on every call. What is in that form already keeps its bytes.
/// </summary>
internal sealed class ToolCallEdits : IDisposable
{
    private readonly PooledBuffer _text = new();
    private readonly PooledBuffer _arguments = new();

    /// <summary>UTF-8 bytes of names and arguments that were read.</summary>
    public int TextBytes { get; private set; }

    /// <summary>The array to write instead; meaningful where Read answered Changed.</summary>
    public ReadOnlySpan<byte> Text => _text.Span;

    internal enum Outcome { None, Same, Changed }

    private static byte[] NewId() => System.Text.Encoding.ASCII.GetBytes(CallIds.New());

    /// <summary>Gives the memory for texts back until it is needed again.</summary>
    public void Dispose()
    {
        _text.Dispose();
        _arguments.Dispose();
    }

    /// <summary>Reads a delta's <c>tool_calls</c>. None: nothing of it is to be written (yet).</summary>
    public Outcome ReadDelta(ReadOnlySpan<byte> array, ChoiceState choice)
    {
        Begin();
        var (isSame, written) = (true, 0);
        var json = new Utf8JsonReader(array);
        json.Read();
        if (json.TokenType != JsonTokenType.StartArray) return Outcome.None;
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            var entry = Entry.Read(ref json, array);
            TextBytes += entry.TextBytes;
            var call = Find(choice, entry);
            var isFirst = call.Index < 0;
            call.HasArguments |= entry.ArgumentsText.Length > 0 || entry.HasObjectArguments || entry.IsOther;
            if (isFirst && entry.Name.IsEmpty && !entry.IsOther)
            {
                // Nameless so far: a client could do nothing with it. Its arguments wait.
                call.Held = [.. call.Held, .. ArgumentsOf(entry)];
                isSame = false;
                continue;
            }
            var isCanonical = isFirst
                ? entry.IsComplete && entry.Index == choice.NamedCalls && call.Held.Length == 0
                : entry.Index == call.Index && entry.Id.IsEmpty && !entry.HasId && entry.Name.IsEmpty && !entry.HasName && !entry.HasObjectArguments;
            isSame &= isCanonical;
            if (isFirst)
            {
                call.Index = choice.NamedCalls++;
                call.IsNamed = true;
                if (call.Id.Length == 0) call.Id = entry.Id.IsEmpty ? NewId() : entry.Id.ToArray();
            }
            _text.Write(written++ == 0 ? "["u8 : ","u8);
            Write(array, entry, call, isFirst, call.Index);
            call.Held = [];
        }
        _text.Write("]"u8);
        return written == 0 ? Outcome.None : isSame ? Outcome.Same : Outcome.Changed;
    }

    /// <summary>Reads a message's <c>tool_calls</c>. None: there is no call in it.</summary>
    public Outcome ReadMessage(ReadOnlySpan<byte> array)
    {
        Begin();
        var (isSame, written) = (true, 0);
        var json = new Utf8JsonReader(array);
        json.Read();
        if (json.TokenType != JsonTokenType.StartArray) return Outcome.None;
        while (json.Read() && json.TokenType == JsonTokenType.StartObject)
        {
            var entry = Entry.Read(ref json, array);
            TextBytes += entry.TextBytes;
            isSame &= entry.IsComplete && (entry.ArgumentsText.Length > 0 || entry.IsOther);
            var call = new CallState { Id = entry.Id.IsEmpty ? NewId() : entry.Id.ToArray() };
            if (entry.ArgumentsText.IsEmpty && !entry.HasObjectArguments) call.Held = "{}"u8.ToArray();
            _text.Write(written++ == 0 ? "["u8 : ","u8);
            Write(array, entry, call, isFirst: true, index: -1);
        }
        _text.Write("]"u8);
        return written == 0 ? Outcome.None : isSame ? Outcome.Same : Outcome.Changed;
    }

    private void Begin()
    {
        _text.Reset();
        TextBytes = 0;
    }

    private static CallState Find(ChoiceState choice, in Entry entry)
    {
        var calls = choice.Calls;
        CallState? found = null;
        if (entry.Index >= 0)
        {
            for (var i = calls.Count - 1; i >= 0 && found is null; i--)
            {
                if (calls[i].Key == entry.Index) found = calls[i];
            }
            // Some servers number every call 0: another id with a name of its own is another call.
            if (found is { IsNamed: true } && !entry.Id.IsEmpty && !entry.Name.IsEmpty && !entry.Id.SequenceEqual(found.Id)) found = null;
        }
        else if (!entry.Id.IsEmpty)
        {
            for (var i = calls.Count - 1; i >= 0 && found is null; i--)
            {
                if (entry.Id.SequenceEqual(calls[i].Id)) found = calls[i];
            }
        }
        else if (calls.Count > 0 && (entry.Name.IsEmpty || !calls[^1].IsNamed))
        {
            found = calls[^1];
        }
        if (found is null && calls.Count == CallIds.Most) throw new JsonException(CallIds.TooMany);
        if (found is null) calls.Add(found = new CallState { Key = entry.Index });
        if (found.Id.Length == 0 && !entry.Id.IsEmpty) found.Id = entry.Id.ToArray();
        return found;
    }

    private ReadOnlySpan<byte> ArgumentsOf(in Entry entry)
    {
        if (!entry.HasObjectArguments) return entry.ArgumentsText;
        _arguments.Reset();
        _arguments.Write(JsonText.Escape(entry.ArgumentsValue));
        return _arguments.Span;
    }

    private void Write(ReadOnlySpan<byte> array, in Entry entry, CallState call, bool isFirst, int index)
    {
        if (index >= 0)
        {
            _text.Write("{\"index\":"u8);
            JsonText.WriteNumber(_text, index);
        }
        if (isFirst)
        {
            _text.Write(index >= 0 ? ",\"id\":\""u8 : "{\"id\":\""u8);
            _text.Write(call.Id);
            _text.Write("\",\"type\":"u8);
            _text.Write(entry.Type.IsEmpty ? "\"function\""u8 : entry.Type);
        }
        if (!entry.IsOther || entry.Function.IsPresent)
        {
            _text.Write(",\"function\":{"u8);
            if (isFirst)
            {
                _text.Write("\"name\":\""u8);
                _text.Write(entry.Name);
                _text.Write("\","u8);
            }
            _text.Write("\"arguments\":\""u8);
            _text.Write(call.Held);
            _text.Write(ArgumentsOf(entry));
            _text.Write("\""u8);
            if (entry.Function.IsPresent) Members(entry.Function.In(array), isFunction: true, keepIndex: false);
            _text.Write("}"u8);
        }
        Members(entry.Span.In(array), isFunction: false, keepIndex: index < 0);
        _text.Write("}"u8);
    }

    /// <summary>The members that are not written from the entry, each with a comma before it.</summary>
    private void Members(ReadOnlySpan<byte> text, bool isFunction, bool keepIndex)
    {
        var json = new Utf8JsonReader(text);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var start = (int)json.TokenStartIndex;
            var name = json.ValueSpan;
            var isOurs = isFunction
                ? name.SequenceEqual("name"u8) || name.SequenceEqual("arguments"u8)
                : name.SequenceEqual("id"u8) || name.SequenceEqual("type"u8) || name.SequenceEqual("function"u8) || (!keepIndex && name.SequenceEqual("index"u8));
            ReplyView.Skip(ref json);
            if (isOurs) continue;
            _text.Write(","u8);
            _text.Write(text[start..(int)json.BytesConsumed]);
        }
    }

    /// <summary>One element of <c>tool_calls</c>.</summary>
    private ref struct Entry
    {
        public JsonSpan Span;
        public JsonSpan Function;
        public int Index;
        public ReadOnlySpan<byte> Id, Name, ArgumentsText, ArgumentsValue, Type;
        public bool HasId, HasName, HasArguments, HasObjectArguments;
        /// <summary>Another kind of call than a function's (custom tools): its own member holds name and input.</summary>
        public bool IsOther;

        public readonly bool IsComplete => !Id.IsEmpty && !Type.IsEmpty && (IsOther || (!Name.IsEmpty && HasArguments && !HasObjectArguments));
        public readonly int TextBytes => Name.Length + (HasObjectArguments ? ArgumentsValue.Length : JsonText.UnescapedLength(ArgumentsText)) + _otherBytes;
        private int _otherBytes;

        public static Entry Read(ref Utf8JsonReader json, ReadOnlySpan<byte> array)
        {
            var entry = new Entry { Index = -1 };
            var start = (int)json.TokenStartIndex;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var name = json.ValueSpan;
                if (name.SequenceEqual("function"u8)) entry.ReadFunction(ref json, array);
                else if (name.SequenceEqual("index"u8))
                {
                    json.Read();
                    if (json.TokenType == JsonTokenType.Number && json.TryGetInt32(out var index) && index >= 0) entry.Index = index;
                    json.Skip();
                }
                else if (name.SequenceEqual("id"u8))
                {
                    entry.HasId = true;
                    entry.Id = String(ref json).In(array);
                }
                else if (name.SequenceEqual("type"u8))
                {
                    json.Read();
                    if (json.TokenType == JsonTokenType.String && json.ValueSpan.Length > 0) entry.Type = array[(int)json.TokenStartIndex..(int)json.BytesConsumed];
                    json.Skip();
                }
                else
                {
                    var isCustom = name.SequenceEqual("custom"u8);
                    var value = default(JsonSpan);
                    ReplyView.Value(ref json, ref value);
                    if (!isCustom) continue;
                    entry.IsOther = true;
                    entry._otherBytes = JsonText.StringBytes(value.In(array));
                }
            }
            entry.Span = new JsonSpan(start, (int)json.BytesConsumed - start);
            return entry;
        }

        private void ReadFunction(ref Utf8JsonReader json, ReadOnlySpan<byte> array)
        {
            json.Read();
            var start = (int)json.TokenStartIndex;
            if (json.TokenType != JsonTokenType.StartObject)
            {
                json.Skip();
                return;
            }
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var name = json.ValueSpan;
                if (name.SequenceEqual("name"u8))
                {
                    HasName = true;
                    Name = String(ref json).In(array);
                }
                else if (name.SequenceEqual("arguments"u8)) ReadArguments(ref json, array);
                else ReplyView.Skip(ref json);
            }
            Function = new JsonSpan(start, (int)json.BytesConsumed - start);
        }

        private void ReadArguments(ref Utf8JsonReader json, ReadOnlySpan<byte> array)
        {
            json.Read();
            var start = (int)json.TokenStartIndex;
            if (json.TokenType == JsonTokenType.String) ArgumentsText = json.ValueSpan;
            HasArguments = json.TokenType == JsonTokenType.String;
            HasObjectArguments = json.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray;
            json.Skip();
            ArgumentsValue = array[start..(int)json.BytesConsumed];
        }

        /// <summary>Where the inside of a JSON string is; nowhere when the value is none.</summary>
        private static JsonSpan String(ref Utf8JsonReader json)
        {
            json.Read();
            var isString = json.TokenType == JsonTokenType.String;
            var start = (int)json.TokenStartIndex;
            json.Skip();
            return isString ? new JsonSpan(start + 1, (int)json.BytesConsumed - start - 2) : default;
        }
    }
}
