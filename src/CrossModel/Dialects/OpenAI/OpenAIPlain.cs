using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Splices a plain reply: completes what strict schemas want, maps finish reasons, leaves holes for what is ours.</summary>
internal readonly struct OpenAIPlain(ReplyTools tools, Preset preset)
{
    /// <summary>Null: a choice ended in a way that is a failure, <paramref name="failed"/> is the word; or its index is out of all range.</summary>
    public PlainReply? Build(ReadOnlySpan<byte> text, int offset, out string? failed)
    {
        failed = null;
        var reply = new PlainReply();
        for (var i = 0; i < tools.View.ChoiceCount; i++)
        {
            ref var choice = ref tools.View.Choice(i);
            tools.Edits.Clear();
            var index = choice.IndexNumber < 0 ? i : choice.IndexNumber;
            if (index >= ChunkWriter.MaxChoices - offset || !EditChoice(text, choice, index + offset, reply))
            {
                failed = System.Text.Encoding.UTF8.GetString(choice.Finish.In(text));
                reply.Dispose();
                return null;
            }
            if (i > 0) reply.Choices.Write(","u8);
            tools.Edits.Write(text, choice.Span.Start, choice.Span.End, reply.Choices);
        }
        WriteRoot(text, reply);
        return reply;
    }

    private bool EditChoice(ReadOnlySpan<byte> text, in ChoiceView choice, int index, PlainReply reply)
    {
        var hasCall = choice.IsFunctionCallReal;
        var counted = choice.IsFunctionCallReal ? JsonText.StringBytes(choice.FunctionCall.In(text)) : 0;
        var before = "{"u8.Length + choice.Span.Start;
        if (choice.IndexNumber != index)
        {
            var number = System.Text.Encoding.ASCII.GetBytes(index.ToString(System.Globalization.CultureInfo.InvariantCulture));
            if (choice.Index.IsPresent) tools.Edits.Replace(choice.Index, number);
            else tools.Edits.Insert(before, [.. "\"index\":"u8, .. number, .. ","u8]);
        }
        if (!choice.Message.IsPresent || choice.IsMessageEmpty)
        {
            var message = "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}"u8;
            if (choice.Message.IsPresent) tools.Edits.Replace(choice.Message, message);
            else tools.Edits.Insert(before, [.. "\"message\":"u8, .. message, .. ","u8]);
        }
        else
        {
            counted += EditMessage(text, choice, ref hasCall);
            reply.HasContent |= choice.HasOthers;
        }
        reply.HasContent |= counted > 0 || hasCall;
        reply.TextBytes += counted;
        if (FinishMap.Read(choice.Finish.In(text), hasCall, out var reason) == FinishMap.Said.Failed) return false;
        reply.IsBlocked |= reason == FinishReason.ContentFilter;
        if (!choice.Logprobs.IsPresent) tools.Edits.Insert(before, "\"logprobs\":null,"u8);
        if (choice.Finish.IsPresent) tools.Edits.Replace(choice.Finish, reason.Json());
        else tools.Edits.Insert(before, [.. "\"finish_reason\":"u8, .. reason.Json(), .. choice.IsEmpty ? ""u8 : ","u8]);
        return true;
    }

    private int EditMessage(ReadOnlySpan<byte> text, in ChoiceView choice, ref bool hasCall)
    {
        var first = choice.Message.Start + 1;
        if (!choice.Role.IsPresent) tools.Edits.Insert(first, "\"role\":\"assistant\","u8);
        else if (!choice.Role.In(text).SequenceEqual("\"assistant\""u8)) tools.Edits.Replace(choice.Role, "\"assistant\""u8);
        var counted = ReplyText.Edit(text, choice, tools.Edits, tools.Text, preset.ReasoningInDetails);
        if (choice.ToolCalls.IsPresent && !choice.ToolCalls.In(text).SequenceEqual("[]"u8))
        {
            var outcome = tools.Calls.ReadMessage(choice.ToolCalls.In(text));
            counted += tools.Calls.TextBytes;
            hasCall |= outcome != ToolCallEdits.Outcome.None;
            if (outcome == ToolCallEdits.Outcome.Changed) tools.Edits.Replace(choice.ToolCalls, tools.Calls.Text);
            else if (outcome == ToolCallEdits.Outcome.None && !choice.ToolCalls.In(text).SequenceEqual("null"u8)) tools.Edits.Replace(choice.ToolCalls, "null"u8);
        }
        // Beside a call an empty text is no text, and without a call or a refusal null is an empty one.
        var isNull = !choice.Content.IsPresent || choice.Content.In(text).SequenceEqual("null"u8);
        var isEmpty = choice.Content.IsPresent && choice.Content.In(text).SequenceEqual("\"\""u8);
        if (isNull && !hasCall && !choice.RefusalText.IsPresent) SetContent(choice, first, "\"\""u8);
        else if ((isNull && !choice.Content.IsPresent) || (isEmpty && hasCall)) SetContent(choice, first, "null"u8);
        if (!choice.Refusal.IsPresent) tools.Edits.Insert(first, "\"refusal\":null,"u8);
        return counted;
    }

    private void SetContent(in ChoiceView choice, int first, ReadOnlySpan<byte> value)
    {
        if (choice.Content.IsPresent) tools.Edits.Replace(choice.Content, value);
        else tools.Edits.Insert(first, [.. "\"content\":"u8, .. value, .. ","u8]);
    }

    private void WriteRoot(ReadOnlySpan<byte> text, PlainReply reply)
    {
        tools.Edits.Clear();
        tools.Holes.Clear();
        Hole(tools.View.Id, PlainReply.Hole.Id);
        Hole(tools.View.Created, PlainReply.Hole.Created);
        Hole(tools.View.Model, PlainReply.Hole.Model);
        Hole(tools.View.Choices, PlainReply.Hole.Choices);
        Hole(tools.View.Usage, PlainReply.Hole.Usage);
        var at = tools.View.ObjectStart + 1;
        reply.Root.Write("{"u8);
        if (!tools.View.Id.IsPresent) Member(reply, "\"id\":"u8, PlainReply.Hole.Id);
        if (!tools.View.Object.IsPresent) reply.Root.Write("\"object\":\"chat.completion\","u8);
        else if (!tools.View.Object.In(text).SequenceEqual("\"chat.completion\""u8)) tools.Edits.Replace(tools.View.Object, "\"chat.completion\""u8);
        if (!tools.View.Created.IsPresent) Member(reply, "\"created\":"u8, PlainReply.Hole.Created);
        if (!tools.View.Model.IsPresent) Member(reply, "\"model\":"u8, PlainReply.Hole.Model);
        if (!tools.View.Usage.IsPresent) Member(reply, "\"usage\":"u8, PlainReply.Hole.Usage);
        foreach (var (span, hole) in tools.Holes)
        {
            tools.Edits.Write(text, at, span.Start, reply.Root);
            reply.Append(default, hole);
            at = span.End;
        }
        tools.Edits.Write(text, at, text.Length, reply.Root);
    }

    /// <summary>Notes a hole, in the order of the text.</summary>
    private void Hole(JsonSpan span, PlainReply.Hole hole)
    {
        if (!span.IsPresent) return;
        var at = tools.Holes.Count;
        while (at > 0 && tools.Holes[at - 1].Span.Start > span.Start) at--;
        tools.Holes.Insert(at, (span, hole));
    }

    private static void Member(PlainReply reply, ReadOnlySpan<byte> name, PlainReply.Hole hole)
    {
        reply.Append(name, hole);
        reply.Root.Write(","u8);
    }
}
