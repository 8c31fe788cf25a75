using System.Text.Json;

namespace CrossModel.Protocol;

internal static partial class ChatRequestReader
{
    private static readonly NameTable ToolChoices = new("none", "auto", "required");
    private static readonly NameTable ChoiceMembers = new("type", "function", "custom", "allowed_tools");
    private static readonly NameTable ChoiceTypes = new("function", "custom", "allowed_tools");
    private static readonly NameTable AllowedMembers = new("mode", "tools");
    private static readonly NameTable AllowedModes = new("auto", "required");
    private static readonly NameTable NameMember = new("name");

    private ref partial struct Pass
    {
        private void ReadToolChoice()
        {
            if (Is(JsonTokenType.String))
            {
                var choice = ToolChoices.Find(Text());
                if (choice < 0) Refuse(ApiErrors.InvalidValue("tool_choice", $"Unknown tool_choice \"{Shown(Text())}\". It is one of {ToolChoices}, or an object naming a tool."));
                else if (choice == 2) ForceTool();
                return;
            }
            if (!Is(JsonTokenType.StartObject))
            {
                RefuseType("tool_choice", "a string or an object");
                return;
            }
            var (type, present) = (-1, 0);
            var members = Members();
            while (NextMember(ChoiceMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else if (member == 0) type = ReadChoiceType();
                else
                {
                    present |= 1 << (member - 1);
                    if (member == 3) ReadAllowedTools();
                    else ReadToolName("tool_choice." + ChoiceMembers.Names[member], member == 1 ? DeclaredFunctions : DeclaredCustomTools);
                }
            }
            if (_refusal is not null) return;
            if (type < 0) Refuse(ApiErrors.MissingRequiredParameter("tool_choice.type"));
            else if ((present & (1 << type)) == 0) Refuse(ApiErrors.MissingRequiredParameter("tool_choice." + ChoiceTypes.Names[type]));
            else if (type < 2) ForceTool();
            if (type == 1) _request.Features |= ChatFeatures.CustomTool;
        }

        private void ForceTool()
        {
            _mustCall = true;
            _request.Features |= ChatFeatures.ForcedTool;
        }

        private int ReadChoiceType()
        {
            if (!Is(JsonTokenType.String))
            {
                RefuseType("tool_choice.type", "a string");
                return -1;
            }
            var type = ChoiceTypes.Find(Text());
            if (type < 0) Refuse(ApiErrors.InvalidValue("tool_choice.type", $"Unknown tool_choice type \"{Shown(Text())}\". It is one of {ChoiceTypes}."));
            return type;
        }

        private void ReadAllowedTools()
        {
            if (!EnterObject("tool_choice.allowed_tools")) return;
            var (hasMode, hasTools) = (false, false);
            var members = Members();
            while (NextMember(AllowedMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else if (member == 0)
                {
                    hasMode = true;
                    if (!Is(JsonTokenType.String)) RefuseType("tool_choice.allowed_tools.mode", "a string");
                    else if (AllowedModes.Find(Text()) is var mode && mode < 0)
                        Refuse(ApiErrors.InvalidValue("tool_choice.allowed_tools.mode", $"Unknown mode \"{Shown(Text())}\". It is one of {AllowedModes}."));
                    else if (mode == 1) ForceTool();
                }
                else if (EnterArray("tool_choice.allowed_tools.tools"))
                {
                    hasTools = true;
                    var count = 0;
                    while (NextElement()) ReadAllowedTool($"tool_choice.allowed_tools.tools[{count++}]");
                }
            }
            if (_refusal is not null) return;
            _mustCall = true;
            _request.Features |= ChatFeatures.AllowedTools;
            if (!hasMode) Refuse(ApiErrors.MissingRequiredParameter("tool_choice.allowed_tools.mode"));
            else if (!hasTools) Refuse(ApiErrors.MissingRequiredParameter("tool_choice.allowed_tools.tools"));
        }

        private void ReadAllowedTool(string place)
        {
            if (!EnterObject(place)) return;
            var hasTool = false;
            var members = Members();
            while (NextMember(ChoiceMembers, ref members, out var member))
            {
                if (member is 1 or 2 && !IsNull)
                {
                    hasTool = true;
                    ReadToolName($"{place}.{ChoiceMembers.Names[member]}", member == 1 ? DeclaredFunctions : DeclaredCustomTools);
                }
                else _json.Skip();
            }
            if (_refusal is null && !hasTool) Refuse(ApiErrors.MissingRequiredParameter(place + ".function"));
        }

        private void ReadToolName(string place, int scope)
        {
            if (!EnterObject(place)) return;
            var name = default(JsonSpan);
            var members = Members();
            while (NextMember(NameMember, ref members, out var member))
            {
                if (member < 0 || IsNull) _json.Skip();
                else if (Is(JsonTokenType.String)) name = Span();
                else RefuseType(place + ".name", "a string");
            }
            if (_refusal is not null) return;
            if (!name.IsPresent) Refuse(ApiErrors.MissingRequiredParameter(place + ".name"));
            else (_named ??= []).Add(new ToolReference(place + ".name", name.Start, scope));
        }

        private void ReadFunctionCall()
        {
            if (Is(JsonTokenType.String))
            {
                if (ToolChoices.Find(Text()) is < 0 or 2)
                    Refuse(ApiErrors.InvalidValue("function_call", $"Unknown function_call \"{Shown(Text())}\". It is none, auto, or an object with a name."));
                return;
            }
            if (Is(JsonTokenType.StartObject)) ReadToolName("function_call", DeclaredOldFunctions);
            else RefuseType("function_call", "a string or an object");
        }

        private void JudgeToolChoice()
        {
            if (_mustCall && (_request.Features & ChatFeatures.Tools) == 0)
            {
                Refuse(ApiErrors.InvalidValue("tool_choice", "tool_choice asks for a tool, but the request declares none. Send tools, or tool_choice auto or none."));
                return;
            }
            foreach (var named in _named ?? [])
            {
                var name = NameAt(named.NameStart);
                if (_seen.Find(named.Scope, System.Text.Encoding.UTF8.GetBytes(name)) >= 0) continue;
                var list = named.Scope == DeclaredOldFunctions ? "functions" : "tools";
                Refuse(ApiErrors.InvalidValue(named.Param, $"\"{ApiErrors.Echo(name)}\" is not a name declared in {list}."));
                return;
            }
        }

        private bool EnterObject(string param)
        {
            if (Is(JsonTokenType.StartObject)) return true;
            RefuseType(param, "an object");
            return false;
        }
    }

    /// <summary>A tool that the caller's choice names.</summary>
    private readonly record struct ToolReference(string Param, int NameStart, int Scope);
}
