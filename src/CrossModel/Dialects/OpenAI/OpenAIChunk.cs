using System.Buffers;
using System.Buffers.Text;
using CrossModel.Protocol;

namespace CrossModel.Dialects.OpenAI;

/// <summary>Splices the chunks of a stream, where <see cref="OpenAIPlain"/> does a plain reply: what the tools' view shows of one event goes out.</summary>
/// <param name="pattern">Taught what the event shows; null: it came changed, and another one like it would not.</param>
internal readonly struct OpenAIChunk(ReplyTools tools, Preset preset, ContentPattern? pattern)
{
    /// <summary>Relays what is about no choice.</summary>
    public void RelayAside(ReadOnlySpan<byte> text, ChunkWriter client)
    {
        EditRoot(text, client);
        Write(text, client.OpenTail());
    }

    /// <summary>Relays what is said of one choice, and withholds its finish. False: it has failed.</summary>
    /// <param name="isStripped">Something was left out of the event.</param>
    public bool Relay(ReadOnlySpan<byte> text, in ChoiceView view, ChoiceState choice, ChunkWriter client, bool isStripped)
    {
        var goesOn = client.HasBegun(choice.Index);
        Begin(text, view, choice.Index, client);
        var says = EditDelta(text, view, choice, client);
        var said = FinishMap.Read(view.Finish.In(text), choice.HasCall, out var reason);
        if (said == FinishMap.Said.Failed) return false;
        choice.IsAtEnd = !says && (choice.IsAtEnd || said == FinishMap.Said.Reason);
        // A second finish is passed over, and results that an asynchronous filter sends on their own leave nothing behind.
        if (!says && (choice.Finish is not null || (said == FinishMap.Said.Nothing && isStripped && goesOn))) return true;
        if (said == FinishMap.Said.Reason && !says)
        {
            FinishSpliced(text, view, choice, reason, client);
            return true;
        }
        EditFinish(view, "null"u8);
        Write(text, client.Open(choice.Index));
        if (said == FinishMap.Said.Reason) Finish(choice, choice.Finish ?? reason, client);
        else if (choice.Finish == FinishReason.Stop && choice.HasCall) Finish(choice, FinishReason.ToolCalls, client);
        else if (goesOn && pattern is { WantsLesson: true } && IsTextAlone(text, view, choice))
            pattern.Learn(text, view.ContentText, tools.Edits, tools.Text, client, choice, choice.Index);
        return true;
    }

    public static void Finish(ChoiceState choice, FinishReason reason, ChunkWriter client)
    {
        choice.End(reason, client);
        client.Finish(choice.Index, reason);
    }

    /// <summary>A finish that says nothing else goes out in the upstream's own chunk.</summary>
    private void FinishSpliced(ReadOnlySpan<byte> text, in ChoiceView view, ChoiceState choice, FinishReason reason, ChunkWriter client)
    {
        client.Role(choice.Index);
        choice.End(reason, client);
        client.IsBlocked |= reason == FinishReason.ContentFilter;
        if (client.OpenFinish(choice.Index) is not { } target) return;
        Begin(text, view, choice.Index, client);
        if (view.Message.IsPresent) tools.Edits.Replace(view.Message, "{}"u8);
        else tools.Edits.Insert(view.Span.End - 1, ",\"delta\":{}"u8);
        EditFinish(view, reason.Json());
        Write(text, target);
    }

    /// <summary>Nothing in the event but its content has been counted, remembered or changed: another one like it would fare the same.</summary>
    private bool IsTextAlone(ReadOnlySpan<byte> text, in ChoiceView view, ChoiceState choice) =>
        tools.View.ChoiceCount == 1 && choice.Finish is null && view.ContentText.IsPresent && !view.IsContentBare && !view.HasOthers
        && !view.ReasoningText.IsPresent && !view.RefusalText.IsPresent && !view.ReasoningDetails.IsPresent && !tools.View.GroqUsage.IsPresent
        && IsNull(text, view.Reasoning) && IsNull(text, view.ToolCalls) && IsNull(text, view.FunctionCall) && IsNull(text, view.Usage)
        && IsNull(text, tools.View.Usage) && IsNull(text, tools.View.Error) && IsNull(text, tools.View.BaseResp);

    private static bool IsNull(ReadOnlySpan<byte> text, JsonSpan span) => !span.IsPresent || span.In(text).SequenceEqual("null"u8);

    /// <summary>Each choice goes out in a chunk of its own, so that one's finish can wait.</summary>
    private void Begin(ReadOnlySpan<byte> text, in ChoiceView view, int index, ChunkWriter client)
    {
        EditRoot(text, client);
        if (tools.View.ChoiceCount > 1)
        {
            tools.Edits.Replace(tools.View.Choices.Start, view.Span.Start, "["u8);
            tools.Edits.Replace(view.Span.End, tools.View.Choices.End, "]"u8);
        }
        if (view.IndexNumber != index) EditIndex(view, index);
    }

    private void EditRoot(ReadOnlySpan<byte> text, ChunkWriter client)
    {
        tools.Edits.Clear();
        var first = tools.View.ObjectStart + 1;
        if (tools.View.Id.IsPresent) tools.Edits.Replace(tools.View.Id, client.IdJson);
        else Insert(first, "\"id\":"u8, client.IdJson);
        if (!tools.View.Object.IsPresent) tools.Edits.Insert(first, "\"object\":\"chat.completion.chunk\","u8);
        else if (!tools.View.Object.In(text).SequenceEqual("\"chat.completion.chunk\""u8)) tools.Edits.Replace(tools.View.Object, "\"chat.completion.chunk\""u8);
        if (tools.View.Created.IsPresent) tools.Edits.Replace(tools.View.Created, client.CreatedJson);
        else Insert(first, "\"created\":"u8, client.CreatedJson);
        if (tools.View.Model.IsPresent) tools.Edits.Replace(tools.View.Model, client.ModelJson);
        else Insert(first, "\"model\":"u8, client.ModelJson);
        if (!tools.View.Usage.IsPresent)
        {
            if (client.IncludeUsage) tools.Edits.Insert(first, "\"usage\":null,"u8);
        }
        else if (client.IncludeUsage) tools.Edits.Replace(tools.View.Usage, "null"u8);
        else tools.Edits.Remove(text, tools.View.UsageMember);
    }

    private void Insert(int at, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        tools.Edits.Insert(at, name);
        tools.Edits.Insert(at, value);
        tools.Edits.Insert(at, ","u8);
    }

    private void EditIndex(in ChoiceView view, int index)
    {
        Span<byte> number = stackalloc byte[4];
        Utf8Formatter.TryFormat(index, number, out var length);
        if (view.Index.IsPresent) tools.Edits.Replace(view.Index, number[..length]);
        else
        {
            tools.Edits.Insert(view.Span.Start + 1, "\"index\":"u8);
            tools.Edits.Insert(view.Span.Start + 1, number[..length]);
            if (!view.IsEmpty) tools.Edits.Insert(view.Span.Start + 1, ","u8);
        }
    }

    private void EditFinish(in ChoiceView view, ReadOnlySpan<byte> reason)
    {
        if (view.Finish.IsPresent) tools.Edits.Replace(view.Finish, reason);
        else
        {
            tools.Edits.Insert(view.Span.End - 1, ",\"finish_reason\":"u8);
            tools.Edits.Insert(view.Span.End - 1, reason);
        }
        if (!view.Logprobs.IsPresent) tools.Edits.Insert(view.Span.End - 1, ",\"logprobs\":null"u8);
    }

    /// <summary>Brings a delta into form. Answers whether it says anything: text, a call, or another member that is not empty.</summary>
    private bool EditDelta(ReadOnlySpan<byte> text, in ChoiceView view, ChoiceState choice, ChunkWriter client)
    {
        var says = view.HasOthers;
        if (!view.Message.IsPresent || view.IsMessageEmpty)
        {
            var delta = client.HasBegun(choice.Index) ? "{}"u8 : "{\"role\":\"assistant\"}"u8;
            if (view.Message.IsPresent) tools.Edits.Replace(view.Message, delta);
            else
            {
                tools.Edits.Insert(view.Span.End - 1, ",\"delta\":"u8);
                tools.Edits.Insert(view.Span.End - 1, delta);
            }
            return false;
        }
        var first = view.Message.Start + 1;
        if (!client.HasBegun(choice.Index))
        {
            if (!view.Role.IsPresent) tools.Edits.Insert(first, "\"role\":\"assistant\","u8);
            else if (!view.Role.In(text).SequenceEqual("\"assistant\""u8)) tools.Edits.Replace(view.Role, "\"assistant\""u8);
        }
        var counted = ReplyText.Edit(text, view, tools.Edits, tools.Text, preset.ReasoningInDetails);
        if (view.IsFunctionCallReal)
        {
            choice.HasFunctionCall = true;
            counted += JsonText.StringBytes(view.FunctionCall.In(text));
        }
        if (view.ToolCalls.IsPresent && !view.ToolCalls.In(text).SequenceEqual("[]"u8))
        {
            var outcome = tools.Calls.ReadDelta(view.ToolCalls.In(text), choice);
            counted += tools.Calls.TextBytes;
            says |= outcome != ToolCallEdits.Outcome.None;
            if (outcome == ToolCallEdits.Outcome.Changed) tools.Edits.Replace(view.ToolCalls, tools.Calls.Text);
            else if (outcome == ToolCallEdits.Outcome.None && !view.ToolCalls.In(text).SequenceEqual("null"u8)) tools.Edits.Replace(view.ToolCalls, "null"u8);
        }
        says |= counted > 0;
        client.TextBytes += counted;
        client.HasContent |= says;
        return says;
    }

    private void Write(ReadOnlySpan<byte> text, IBufferWriter<byte> target)
    {
        target.Write("data: "u8);
        tools.Edits.Write(text, 0, text.Length, target);
        target.Write("\n\n"u8);
    }
}
