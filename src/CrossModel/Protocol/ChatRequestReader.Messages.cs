using System.Text;
using System.Text.Json;

namespace CrossModel.Protocol;

internal static partial class ChatRequestReader
{
    private static readonly NameTable Roles = new("system", "developer", "user", "assistant", "tool");

    private enum Role { Missing = -1, System, Developer, User, Assistant, Tool }

    private static readonly NameTable MessageMembers = new(
        "role", "content", "name", "tool_calls", "tool_call_id", "refusal", "audio", "function_call",
        "reasoning_content", "reasoning", "reasoning_details", "cache_control", "prompt_cache_breakpoint", "extra_content", "annotations", "parsed");

    private enum MessageMember
    {
        Role, Content, Name, ToolCalls, ToolCallId, Refusal, Audio, FunctionCall,
        ReasoningContent, Reasoning, ReasoningDetails, CacheControl, PromptCacheBreakpoint, ExtraContent, Annotations, Parsed,
    }

    /// <summary>What is known of a message before all its members are: the role may come last.</summary>
    private struct Message
    {
        public int Index;
        public Role Role;
        public bool HasContent;
        /// <summary>tool_calls, function_call, refusal or audio: an assistant message with one of them needs no content.</summary>
        public bool HasOther;
        public bool HasReasoning;
        /// <summary>The first block that only an assistant message may have; -1: none.</summary>
        public int RefusalBlock;
        public int Calls;
        public int CallScope;
        public JsonSpan AnswerId;
        /// <summary>The issued call that tool_call_id names; -1: none of the open ones.</summary>
        public int AnswerTo;
    }

    private ref partial struct Pass
    {
        private void ReadMessages()
        {
            if (!Is(JsonTokenType.StartArray))
            {
                RefuseMessages("messages", "an array of messages");
                return;
            }
            var count = 0;
            while (NextElement()) ReadMessage(count++);
            if (_refusal is not null) return;
            if (count == 0) Refuse(ApiErrors.InvalidMessages("messages", "messages is empty. Send at least one message."));
            _request.Prompt.Messages = count;
            JudgeUnanswered();
        }

        private void ReadMessage(int index)
        {
            if (!Is(JsonTokenType.StartObject))
            {
                RefuseMessages($"messages[{index}]", "an object with a role and content");
                return;
            }
            var message = new Message { Index = index, Role = Role.Missing, RefusalBlock = -1, AnswerTo = -1 };
            var members = Members();
            while (NextMember(MessageMembers, ref members, out var member))
            {
                var name = _nameStart;
                if (member < 0) _json.Skip();
                else if (IsNull) NoteNull((MessageMember)member, ref message, name);
                else
                {
                    ReadMessageMember((MessageMember)member, ref message);
                    if ((MessageMember)member == MessageMember.Annotations) Note(LeftoverKind.Annotations, name);
                    else if ((MessageMember)member == MessageMember.Parsed) Note(LeftoverKind.FromSdk, name);
                    else if ((MessageMember)member == MessageMember.ToolCalls && message.Calls == 0) Note(LeftoverKind.NoCalls, name);
                }
            }
            if (_refusal is null) JudgeMessage(ref message);
        }

        private void NoteNull(MessageMember member, ref Message message, int name)
        {
            if (member is MessageMember.Refusal or MessageMember.Audio or MessageMember.FunctionCall or MessageMember.ToolCalls or MessageMember.Annotations)
                Note(LeftoverKind.Null, name);
            else if (member is MessageMember.Parsed) Note(LeftoverKind.FromSdk, name);
            else message.HasReasoning |= member is MessageMember.ReasoningContent or MessageMember.Reasoning or MessageMember.ReasoningDetails;
        }

        private readonly void Note(LeftoverKind kind, int name) => _request.AddLeftover(new Leftover(kind, new JsonSpan(name, (int)_json.BytesConsumed - name)));

        private void ReadMessageMember(MessageMember member, ref Message message)
        {
            switch (member)
            {
                case MessageMember.Role:
                    ReadRole(ref message);
                    break;
                case MessageMember.Content:
                    ReadContent(ref message);
                    break;
                case MessageMember.ToolCalls:
                    ReadToolCalls(ref message);
                    break;
                case MessageMember.ToolCallId:
                    ReadToolCallId(ref message);
                    break;
                case MessageMember.FunctionCall:
                    message.HasOther = true;
                    ReadCalledFunction($"messages[{message.Index}].function_call", FunctionMembers);
                    break;
                case MessageMember.Audio:
                    message.HasOther = true;
                    if (Is(JsonTokenType.StartObject)) _json.Skip();
                    else RefuseMessages($"messages[{message.Index}].audio", "an object with the id of an earlier audio reply");
                    break;
                case MessageMember.Refusal:
                    message.HasOther = true;
                    CountText(message.Index, "refusal");
                    break;
                case MessageMember.Name:
                    CountText(message.Index, "name");
                    break;
                case MessageMember.ReasoningContent or MessageMember.Reasoning or MessageMember.ReasoningDetails:
                    message.HasReasoning = true;
                    // Details hold opaque state besides text, so only plain text is counted for the hold.
                    if (Is(JsonTokenType.String)) _request.Prompt.TextBytes += TextLength();
                    else _json.Skip();
                    break;
                case MessageMember.CacheControl:
                    _request.Features |= ChatFeatures.CacheMarks;
                    _json.Skip();
                    break;
                case MessageMember.PromptCacheBreakpoint:
                    _request.Features |= ChatFeatures.CacheBreakpoints;
                    _json.Skip();
                    break;
                case MessageMember.ExtraContent:
                    _request.Features |= ChatFeatures.ExtraContent;
                    _json.Skip();
                    break;
                case MessageMember.Annotations or MessageMember.Parsed:
                    _json.Skip();
                    break;
            }
        }

        private void ReadRole(ref Message message)
        {
            if (!Is(JsonTokenType.String))
            {
                RefuseMessages($"messages[{message.Index}].role", $"one of {Roles}");
                return;
            }
            var text = Text();
            message.Role = (Role)Roles.Find(text);
            if (message.Role == Role.Missing)
                Refuse(ApiErrors.UnsupportedMessageRole($"messages[{message.Index}].role", Encoding.UTF8.GetString(text)));
        }

        private void CountText(int index, string member)
        {
            if (Is(JsonTokenType.String)) _request.Prompt.TextBytes += TextLength();
            else RefuseMessages($"messages[{index}].{member}", "a string");
        }

        private void JudgeMessage(ref Message message)
        {
            var index = message.Index;
            if (message.Role == Role.Missing)
            {
                Refuse(ApiErrors.InvalidMessages($"messages[{index}].role", $"messages[{index}] has no role. A role is one of {Roles}."));
                return;
            }
            var mayLackContent = message.Role == Role.Assistant && message.HasOther;
            if (!message.HasContent && !mayLackContent)
            {
                Refuse(ApiErrors.InvalidMessages($"messages[{index}].content", $"messages[{index}] has no content. "
                    + "Send a string or a non-empty array of content blocks; only an assistant message with tool_calls, function_call, refusal or audio may go without."));
                return;
            }
            if (message.RefusalBlock >= 0 && message.Role != Role.Assistant)
            {
                Refuse(ApiErrors.InvalidMessages($"messages[{index}].content[{message.RefusalBlock}].type",
                    "A block of type refusal stands only in an assistant message. Send it as text."));
                return;
            }
            if (message.Role == Role.Developer) _request.Features |= ChatFeatures.DeveloperRole;
            if (message.HasReasoning && message.Role == Role.Assistant) _request.Features |= ChatFeatures.ReasoningHistory;
            JudgeCalls(ref message);
        }
    }
}
