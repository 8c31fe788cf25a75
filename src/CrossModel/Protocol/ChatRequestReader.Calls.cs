using System.Text;
using System.Text.Json;

namespace CrossModel.Protocol;

internal static partial class ChatRequestReader
{
    private static readonly NameTable CallMembers = new("id", "type", "function", "custom", "extra_content", "cache_control", "index");
    private static readonly NameTable FunctionMembers = new("name", "arguments", "parsed_arguments");
    private static readonly NameTable CustomCallMembers = new("name", "input");
    private static readonly NameTable ToolTypes = new("function", "custom");

    private enum CallMember { Id, Type, Function, Custom, ExtraContent, CacheControl, Index }

    private ref partial struct Pass
    {
        private void ReadToolCalls(ref Message message)
        {
            if (!Is(JsonTokenType.StartArray))
            {
                RefuseMessages($"messages[{message.Index}].tool_calls", "an array of tool calls");
                return;
            }
            message.CallScope = _scopes++;
            while (NextElement()) ReadToolCall(message.Index, message.Calls++, message.CallScope);
            message.HasOther |= message.Calls > 0;
        }

        private void ReadToolCall(int message, int call, int scope)
        {
            var place = new CallPlace(message, call);
            if (!Is(JsonTokenType.StartObject))
            {
                RefuseMessages(place.Of(""), "an object with id, type and function");
                return;
            }
            var (type, hasId, present) = (0, false, 0);
            var members = Members();
            while (NextMember(CallMembers, ref members, out var member))
            {
                var name = _nameStart;
                if (member < 0) _json.Skip();
                else if ((CallMember)member == CallMember.Index)
                {
                    _json.Skip();
                    Note(LeftoverKind.FromSdk, name);
                }
                else if (IsNull) continue;
                else switch ((CallMember)member)
                    {
                        case CallMember.Id:
                            hasId = ReadCallId(place, scope);
                            break;
                        case CallMember.Type:
                            type = ToolTypes.Find(Is(JsonTokenType.String) ? Text() : []);
                            if (type < 0) Refuse(ApiErrors.InvalidMessages(place.Of(".type"), $"{place.Of(".type")} must be one of {ToolTypes}."));
                            break;
                        case CallMember.Function:
                            present |= 1;
                            ReadCalledFunction(place.Of(".function"), FunctionMembers);
                            break;
                        case CallMember.Custom:
                            present |= 2;
                            ReadCalledFunction(place.Of(".custom"), CustomCallMembers);
                            break;
                        case CallMember.ExtraContent:
                            _request.Features |= ChatFeatures.ExtraContent;
                            _json.Skip();
                            break;
                        case CallMember.CacheControl:
                            _request.Features |= ChatFeatures.CacheMarks;
                            _json.Skip();
                            break;
                    }
            }
            if (_refusal is not null) return;
            if (!hasId) RefuseLack(place, ".id", "the id that the reply gave the call");
            else if ((present & (1 << type)) == 0) RefuseLack(place, "." + ToolTypes.Names[type], "an object with the name that was called");
        }

        private bool ReadCallId(CallPlace place, int scope)
        {
            if (!Is(JsonTokenType.String)) RefuseMessages(place.Of(".id"), "a string");
            else if (_json.ValueSpan.Length == 0) return false;
            else if (!_seen.Add(scope, Text(), place.Call))
                Refuse(ApiErrors.ToolCallIdMismatch(place.Of(".id"), $"Two tool calls of one message have the id \"{Shown(Text())}\". Give each its own."));
            return true;
        }

        /// <summary>The function of a call: <c>{name, arguments}</c>, or <c>{name, input}</c> of a custom tool.
        /// Arguments are text; whether they are JSON only some dialects ask.</summary>
        private void ReadCalledFunction(string place, NameTable table)
        {
            if (!Is(JsonTokenType.StartObject))
            {
                RefuseMessages(place, $"an object with {table.Names[0]}, {table.Names[1]}");
                return;
            }
            var present = 0;
            var members = Members();
            while (NextMember(table, ref members, out var member))
            {
                var name = _nameStart;
                if (member is < 0 or 2) _json.Skip();
                else if (IsNull) continue;
                else if (!Is(JsonTokenType.String)) RefuseMessages($"{place}.{table.Names[member]}", "a string");
                else
                {
                    _request.Prompt.TextBytes += TextLength();
                    if (member > 0 || _json.ValueSpan.Length > 0) present |= 1 << member;
                }
                if (member == 2) Note(LeftoverKind.FromSdk, name);
            }
            if (_refusal is not null || present == 3) return;
            var lacking = $"{place}.{table.Names[(present & 1) == 0 ? 0 : 1]}";
            Refuse(ApiErrors.InvalidMessages(lacking, $"{lacking} is missing. A call is sent back as it came, with {table.Names[0]}, {table.Names[1]}."));
        }

        private void ReadToolCallId(ref Message message)
        {
            if (!Is(JsonTokenType.String))
            {
                RefuseMessages($"messages[{message.Index}].tool_call_id", "a string");
                return;
            }
            message.AnswerId = Span();
            message.AnswerTo = _openScope > 0 ? _seen.Find(_openScope, Text()) : -1;
        }

        private void JudgeCalls(ref Message message)
        {
            if (message.Role == Role.Tool)
            {
                JudgeAnswer(ref message);
                return;
            }
            if (message.Calls > 0 && message.Role != Role.Assistant)
            {
                Refuse(ApiErrors.InvalidMessages($"messages[{message.Index}].tool_calls",
                    "Only an assistant message has tool_calls. Set its role to assistant, or leave them out."));
                return;
            }
            // System and developer messages may stand between a call and its answer.
            if (message.Role is Role.User or Role.Assistant) JudgeUnanswered();
            if (message.Calls == 0) return;
            _request.Features |= ChatFeatures.ToolHistory;
            (_openScope, _openCalls, _openMessage) = (message.CallScope, message.Calls, message.Index);
        }

        private void JudgeAnswer(ref Message message)
        {
            var param = $"messages[{message.Index}].tool_call_id";
            if (!message.AnswerId.IsPresent)
            {
                Refuse(ApiErrors.ToolCallIdMismatch(param, $"messages[{message.Index}] has the role tool but no tool_call_id. Send the id of the tool call that it answers."));
                return;
            }
            var entry = message.AnswerTo;
            if (entry >= 0 && !_seen.IsMarked(entry))
            {
                _seen.Mark(entry);
                _openCalls--;
                return;
            }
            var id = ApiErrors.Echo(NameAt(message.AnswerId.Start));
            Refuse(ApiErrors.ToolCallIdMismatch(param, entry >= 0
                ? $"The tool call \"{id}\" is answered twice. Send one tool message for each call."
                : _openScope == 0
                ? $"tool_call_id \"{id}\" answers nothing: no assistant message before it has tool_calls."
                : $"tool_call_id \"{id}\" is not one of the ids in messages[{_openMessage}].tool_calls, the nearest calls before it."));
        }

        private void JudgeUnanswered()
        {
            if (_openCalls == 0) return;
            for (var entry = 0; entry < _seen.Count; entry++)
            {
                if (_seen.Scope(entry) != _openScope || _seen.IsMarked(entry)) continue;
                var place = new CallPlace(_openMessage, _seen.Tag(entry));
                Refuse(ApiErrors.ToolCallIdMismatch(place.Of(".id"), $"The tool call \"{Shown(_seen.Text(entry))}\" has no answer. "
                    + "Send a tool message with its id right after the calls, before the next user or assistant message."));
                return;
            }
        }

        private void RefuseLack(CallPlace place, string member, string what) =>
            Refuse(ApiErrors.InvalidMessages(place.Of(member), $"{place.Of(member)} is missing. Send {what}."));
    }

    /// <summary>Where a call stands; its path is built only for a refusal.</summary>
    private readonly record struct CallPlace(int Message, int Call)
    {
        public string Of(string member) => $"messages[{Message}].tool_calls[{Call}]{member}";
    }

    private static string Shown(ReadOnlySpan<byte> text) => ApiErrors.Echo(Encoding.UTF8.GetString(text));
}
