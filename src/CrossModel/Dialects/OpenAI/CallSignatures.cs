using System.Text;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>
/// The state that Google's models have thought a call from, at Google's endpoint in OpenAI's form: it comes in <c>extra_content</c>, is kept for
/// callers who drop it, and is put back. Where there is none, Google's documented marker that skips the check.
/// </summary>
internal sealed class CallSignatures(ReasoningMemory memory, string account)
{
    private long _put;

    /// <summary>Of a call or of a delta of one; null: it has none.</summary>
    public static string? Of(JsonElement call) =>
        call.ValueKind == JsonValueKind.Object && call.TryGetProperty("extra_content"u8, out var extra) ? InExtra(extra) : null;

    /// <summary>Those of a choice that was streamed.</summary>
    public void Keep(ChoiceState choice)
    {
        foreach (var call in choice.Calls)
        {
            if (call.Notes is { Signature: { } signature } notes) Keep(Unescaped(call.OwnId), Unescaped(notes.Name), Unescaped(notes.Arguments.WrittenSpan), signature);
        }
    }

    /// <summary>Those of a plain reply.</summary>
    /// <param name="choices">Its choices, as the caller gets them, joined by commas.</param>
    public void Keep(ReadOnlySpan<byte> choices)
    {
        if (choices.IndexOf("thought_signature"u8) < 0) return;
        using var json = JsonDocument.Parse((byte[])[(byte)'[', .. choices, (byte)']']);
        foreach (var choice in json.RootElement.EnumerateArray())
        {
            if (!choice.GetProperty("message"u8).TryGetProperty("tool_calls"u8, out var calls) || calls.ValueKind != JsonValueKind.Array) continue;
            foreach (var call in calls.EnumerateArray())
            {
                if (Of(call) is { } signature && call.TryGetProperty("function"u8, out var function))
                    Keep(call.TextOf("id"u8)!, function.TextOf("name"u8) ?? "", Encoding.UTF8.GetString(ToolArguments.Of(function)), signature);
            }
        }
    }

    /// <summary>Puts them back on the calls of one message that lack them.</summary>
    /// <param name="calls">A message's <c>tool_calls</c>, judged already.</param>
    /// <param name="isRequired">The model refuses calls without; of those of one message the first carries it.</param>
    public void Restore(ReadOnlySpan<byte> body, JsonSpan calls, bool isRequired, BodySplice splice)
    {
        var json = new Utf8JsonReader(calls.In(body));
        json.Read();
        for (var isFirst = true; json.Read() && json.TokenType == JsonTokenType.StartObject; isFirst = false)
        {
            var start = calls.Start + (int)json.TokenStartIndex;
            var (id, name, arguments, extra, isSigned) = ("", "", Array.Empty<byte>(), default(JsonSpan), false);
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                var at = calls.Start + (int)json.TokenStartIndex;
                var (isId, isFunction, isExtra) = (json.ValueTextEquals("id"u8), json.ValueTextEquals("function"u8), json.ValueTextEquals("extra_content"u8));
                json.Read();
                if (!isId && !isFunction && !isExtra)
                {
                    json.Skip();
                    continue;
                }
                using var value = JsonDocument.ParseValue(ref json);
                if (isId) id = value.RootElement.GetString()!;
                else if (isFunction && value.RootElement.ValueKind == JsonValueKind.Object)
                    (name, arguments) = (value.RootElement.TextOf("name"u8) ?? "", ToolArguments.Of(value.RootElement));
                else if (isExtra) (extra, isSigned) = (new JsonSpan(at, calls.Start + (int)json.BytesConsumed - at), InExtra(value.RootElement) is not null);
            }
            if (isSigned || (memory.Find(GoogleState.Kind, account, id, name, arguments, ref _put) ?? (isRequired && isFirst ? GoogleState.SkipMarker.ToArray() : null)) is not { Length: > 0 } state) continue;
            byte[] member = [.. "\"extra_content\":{\"google\":{\"thought_signature\":\""u8, .. JsonText.Escape(Encoding.UTF8.GetString(state)), .. "\"}}"u8];
            if (extra.IsPresent) splice.Replace(extra, member);
            else splice.InsertFirst(start, member);
        }
    }

    private static string? InExtra(JsonElement extra) =>
        extra.ValueKind == JsonValueKind.Object && extra.TryGetProperty("google"u8, out var google) && google.ValueKind == JsonValueKind.Object
            && google.TextOf("thought_signature"u8) is { Length: > 0 } signature ? signature : null;

    private void Keep(string id, string name, string arguments, string signature) =>
        memory.Remember(GoogleState.Kind, account, id, name, Encoding.UTF8.GetBytes(arguments), Encoding.UTF8.GetBytes(signature));

    private static string Unescaped(ReadOnlySpan<byte> inside)
    {
        var json = new Utf8JsonReader([(byte)'"', .. inside, (byte)'"']);
        json.Read();
        return json.GetString()!;
    }
}
