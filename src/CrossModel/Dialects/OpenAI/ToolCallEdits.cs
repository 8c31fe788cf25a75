using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

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
        var (isSame, written) = (true, 0);
        var json = new Utf8JsonReader(array);
        if (!Begin(ref json)) return Outcome.None;
        while (IsAtCall(ref json, ref isSame))
        {
            var entry = CallEntry.Read(ref json, array);
            TextBytes += entry.TextBytes;
            var call = Find(choice, entry);
            if (choice.NotesCalls) Note(array, entry, call);
            var isFirst = call.Index < 0;
            call.HasArguments |= entry.ArgumentsText.Length > 0 || entry.HasObjectArguments || entry.IsOther;
            if (isFirst && entry.Name.IsEmpty && !entry.IsOther)
            {
                // Nameless so far: a client could do nothing with it. Its arguments wait.
                choice.Hold(call, ArgumentsOf(entry));
                isSame = false;
                continue;
            }
            if (isFirst) call.OwnId = call.Id.Length == 0 || IsTaken(choice.Calls, call.Id) ? NewId() : call.Id;
            var isCanonical = isFirst
                ? entry.IsComplete && entry.Index == choice.NamedCalls && call.Held is null && call.OwnId == call.Id
                : entry.Index == call.Index && entry.Id.IsEmpty && !entry.HasId && entry.Name.IsEmpty && !entry.HasName && !entry.HasObjectArguments && !entry.HasNullFunction;
            isSame &= isCanonical;
            if (isFirst)
            {
                call.Index = choice.NamedCalls++;
                call.IsNamed = true;
            }
            _text.Write(written++ == 0 ? "["u8 : ","u8);
            Write(array, entry, call, isFirst, call.Index);
            choice.Release(call);
        }
        return End(written, isSame);
    }

    /// <summary>Reads a message's <c>tool_calls</c>. None: there is no call in it.</summary>
    public Outcome ReadMessage(ReadOnlySpan<byte> array)
    {
        var (isSame, written) = (true, 0);
        var ids = new HashSet<string>();
        var json = new Utf8JsonReader(array);
        if (!Begin(ref json)) return Outcome.None;
        while (IsAtCall(ref json, ref isSame))
        {
            var entry = CallEntry.Read(ref json, array);
            TextBytes += entry.TextBytes;
            var hasOwn = !entry.Id.IsEmpty && ids.Add(System.Text.Encoding.UTF8.GetString(entry.Id));
            isSame &= hasOwn && entry.IsComplete && (entry.ArgumentsText.Length > 0 || entry.IsOther);
            var call = new CallState { OwnId = hasOwn ? entry.Id.ToArray() : NewId() };
            _text.Write(written++ == 0 ? "["u8 : ","u8);
            Write(array, entry, call, isFirst: true, index: -1);
        }
        return End(written, isSame);
    }

    /// <summary>False: it says nothing. Some servers send every key they know, empty.</summary>
    private bool Begin(ref Utf8JsonReader json)
    {
        _text.Reset();
        TextBytes = 0;
        json.Read();
        if (json.TokenType == JsonTokenType.StartArray) return true;
        var saysNothing = json.TokenType is JsonTokenType.Null or JsonTokenType.False || (json.TokenType == JsonTokenType.String && json.ValueSpan.IsEmpty)
            || (json.TokenType == JsonTokenType.StartObject && json.Read() && json.TokenType == JsonTokenType.EndObject);
        return saysNothing ? false : throw new JsonException("tool_calls is no array");
    }

    private static bool IsAtCall(ref Utf8JsonReader json, ref bool isSame)
    {
        while (json.Read() && json.TokenType == JsonTokenType.Null) isSame = false;
        if (json.TokenType is JsonTokenType.StartObject or JsonTokenType.EndArray) return json.TokenType == JsonTokenType.StartObject;
        throw new JsonException("a call that is no object");
    }

    private Outcome End(int written, bool isSame)
    {
        _text.Write("]"u8);
        return written == 0 ? Outcome.None : isSame ? Outcome.Same : Outcome.Changed;
    }

    /// <summary>Some servers give one id to two calls. Results are matched by it: a caller could not answer both.</summary>
    private static bool IsTaken(List<CallState> calls, ReadOnlySpan<byte> id)
    {
        foreach (var other in calls)
        {
            if (id.SequenceEqual(other.OwnId)) return true;
        }
        return false;
    }

    private static CallState Find(ChoiceState choice, in CallEntry entry)
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

    private void Note(ReadOnlySpan<byte> array, in CallEntry entry, CallState call)
    {
        var text = entry.Span.In(array);
        using var json = text.IndexOf("thought_signature"u8) < 0 ? null : JsonDocument.Parse(text.ToArray());
        (call.Notes ??= new CallNotes()).Add(entry.Name, ArgumentsOf(entry), json is null ? null : CallSignatures.Of(json.RootElement));
    }

    private ReadOnlySpan<byte> ArgumentsOf(in CallEntry entry)
    {
        if (!entry.HasObjectArguments) return entry.ArgumentsText;
        _arguments.Reset();
        _arguments.Write(JsonText.Escape(entry.ArgumentsValue));
        return _arguments.Span;
    }

    private void Write(ReadOnlySpan<byte> array, in CallEntry entry, CallState call, bool isFirst, int index)
    {
        if (index >= 0)
        {
            _text.Write("{\"index\":"u8);
            JsonText.WriteNumber(_text, index);
        }
        if (isFirst)
        {
            _text.Write(index >= 0 ? ",\"id\":\""u8 : "{\"id\":\""u8);
            _text.Write(call.OwnId);
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
            if (call.Held is { } held) _text.Write(held.WrittenSpan);
            if (index < 0 && entry.ArgumentsText.IsEmpty && !entry.HasObjectArguments) _text.Write("{}"u8);
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
}
