using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Content and reasoning of a delta or message, in the places where callers look: <c>content</c> a string, reasoning in <c>reasoning_content</c>.</summary>
internal static class ReplyText
{
    /// <summary>Adds the edits and answers the UTF-8 bytes of text, reasoning and refusal. The message object must not be empty.</summary>
    /// <param name="scratch">Overwritten.</param>
    /// <param name="inDetails">The server gives reasoning in <c>reasoning_details</c> only.</param>
    public static int Edit(ReadOnlySpan<byte> text, in ChoiceView view, JsonEdits edits, PooledBuffer scratch, bool inDetails)
    {
        var bytes = JsonText.UnescapedLength(view.ContentText.In(text))
            + JsonText.UnescapedLength(view.RefusalText.In(text))
            + JsonText.UnescapedLength(view.ReasoningText.In(text));
        if (view.IsContentBare)
        {
            edits.Insert(view.Content.Start, "\""u8);
            edits.Insert(view.Content.End, "\""u8);
        }
        scratch.Reset();
        scratch.Write("\""u8);
        if (view.Content.IsPresent && view.Content.In(text)[0] == (byte)'[')
        {
            // Mistral's blocks: thinking first, then text, each already a JSON string. Databricks' of reasoning are a type of their own.
            Blocks(view.Content.In(text), ofReasoning: false, scratch);
            scratch.Write("\""u8);
            edits.Replace(view.Content, scratch.Span);
            bytes += JsonText.UnescapedLength(scratch.Span[1..^1]);
            scratch.Reset();
            scratch.Write("\""u8);
            Blocks(view.Content.In(text), ofReasoning: true, scratch);
        }
        if (view.ReasoningText.IsPresent) return bytes;
        if (scratch.Length == 1 && view.Reasoning.IsPresent && view.Reasoning.In(text) is [(byte)'"', _, _, ..] reasoning) scratch.Write(reasoning[1..^1]);
        if (scratch.Length == 1 && inDetails && view.ReasoningDetails.IsPresent && view.ReasoningDetails.In(text)[0] == (byte)'[')
            Strings(view.ReasoningDetails.In(text), "text"u8, default, scratch);
        if (scratch.Length == 1) return bytes;
        scratch.Write("\""u8);
        if (view.ReasoningContent.IsPresent) edits.Replace(view.ReasoningContent, scratch.Span);
        else
        {
            edits.Insert(view.Message.End - 1, ",\"reasoning_content\":"u8);
            edits.Insert(view.Message.End - 1, scratch.Span);
        }
        return bytes + JsonText.UnescapedLength(scratch.Span[1..^1]);
    }

    private static void Blocks(ReadOnlySpan<byte> blocks, bool ofReasoning, PooledBuffer target)
    {
        var json = new Utf8JsonReader(blocks);
        json.Read();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
        {
            var start = (int)json.TokenStartIndex;
            json.Skip();
            var block = blocks[start..(int)json.BytesConsumed];
            if (IsReasoning(block))
            {
                if (ofReasoning) Strings(block, "text"u8, default, target);
            }
            else if (ofReasoning) Strings(block, "thinking"u8, default, target);
            else Strings(block, "text"u8, "thinking"u8, target);
        }
    }

    private static bool IsReasoning(ReadOnlySpan<byte> block)
    {
        var json = new Utf8JsonReader(block);
        json.Read();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            var isType = json.ValueTextEquals("type"u8);
            json.Read();
            if (isType) return json.TokenType == JsonTokenType.String && json.ValueTextEquals("reasoning"u8);
            json.Skip();
        }
        return false;
    }

    /// <summary>The strings of the members of that name, at any depth outside members called <paramref name="except"/>; below an array member of that name, its texts.</summary>
    private static void Strings(ReadOnlySpan<byte> blocks, ReadOnlySpan<byte> name, ReadOnlySpan<byte> except, PooledBuffer target)
    {
        var json = new Utf8JsonReader(blocks);
        while (json.Read())
        {
            if (json.TokenType != JsonTokenType.PropertyName) continue;
            var member = JsonText.Name(ref json);
            var isName = member.SequenceEqual(name);
            var isExcepted = !except.IsEmpty && member.SequenceEqual(except);
            json.Read();
            var start = (int)json.TokenStartIndex;
            if (isExcepted) json.Skip();
            else if (isName && json.TokenType == JsonTokenType.String) target.Write(json.ValueSpan);
            else if (isName && json.TokenType == JsonTokenType.StartArray)
            {
                json.Skip();
                Strings(blocks[start..(int)json.BytesConsumed], "text"u8, default, target);
            }
        }
    }
}
