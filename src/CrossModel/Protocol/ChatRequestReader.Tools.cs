using System.Text.Json;

namespace CrossModel.Protocol;

internal static partial class ChatRequestReader
{
    private static readonly NameTable ToolMembers = new("type", "function", "custom", "cache_control");
    private static readonly NameTable DeclarationMembers = new("name", "description", "parameters", "strict", "format");

    private enum DeclarationMember { Name, Description, Parameters, Strict, Format }

    private const int LongestName = 64;

    private ref partial struct Pass
    {
        private void ReadTools()
        {
            if (!EnterArray("tools")) return;
            var count = 0;
            while (NextElement()) ReadTool(count++);
            if (count > 0) _request.Features |= ChatFeatures.Tools;
        }

        private void ReadTool(int index)
        {
            if (!Is(JsonTokenType.StartObject))
            {
                RefuseType($"tools[{index}]", "an object with type and function");
                return;
            }
            // Which declarations are there is only judged once the type is known; it may come last.
            var (type, declared, unlisted) = (-1, 0, false);
            var members = Members();
            while (NextMember(ToolMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else if (member == 0)
                {
                    if (!IsString("tools", index, ".type")) return;
                    type = ToolTypes.Find(Text());
                    unlisted = type < 0;
                    if (unlisted) NoteUnlisted(index);
                }
                else if (member == 3)
                {
                    _request.Features |= ChatFeatures.CacheMarks;
                    _json.Skip();
                }
                else
                {
                    declared |= 1 << (member - 1);
                    ReadDeclaration("tools", index, member == 1 ? ".function" : ".custom", member == 1 ? DeclaredFunctions : DeclaredCustomTools);
                }
            }
            if (_refusal is not null || unlisted) return;
            if (type < 0) Refuse(ApiErrors.MissingRequiredParameter($"tools[{index}].type"));
            else if ((declared & (1 << type)) == 0) Refuse(ApiErrors.MissingRequiredParameter($"tools[{index}].{ToolTypes.Names[type]}"));
            else if (type == 1) _request.Features |= ChatFeatures.CustomTool;
        }

        // Some servers have tool types of their own: whether they pass is the model's setting, as with unknown parameters.
        private void NoteUnlisted(int index)
        {
            _request.Features |= ChatFeatures.UnlistedTool;
            _request.UnlistedTool ??= ApiErrors.InvalidValue($"tools[{index}].type", $"Unknown tool type \"{Shown(Text())}\". It is one of {ToolTypes}.");
        }

        /// <summary>One declared tool, also an element of the older <c>functions</c>. Its schema is the caller's own and not judged.</summary>
        private void ReadDeclaration(string list, int index, string field, int scope)
        {
            if (!Is(JsonTokenType.StartObject))
            {
                RefuseType($"{list}[{index}]{field}", "an object");
                return;
            }
            var hasName = false;
            var members = Members();
            while (NextMember(DeclarationMembers, ref members, out var member))
            {
                if (member < 0) _json.Skip();
                else if (IsNull) continue;
                else switch ((DeclarationMember)member)
                    {
                        case DeclarationMember.Name:
                            hasName = ReadDeclaredName(list, index, field, scope);
                            break;
                        case DeclarationMember.Description:
                            IsString(list, index, field + ".description");
                            break;
                        case DeclarationMember.Strict:
                            if (!IsBoolean) RefuseType($"{list}[{index}]{field}.strict", "a boolean");
                            else if (Is(JsonTokenType.True)) _request.Features |= ChatFeatures.StrictTool;
                            break;
                        default:
                            if (Is(JsonTokenType.StartObject)) _json.Skip();
                            else RefuseType($"{list}[{index}]{field}.{DeclarationMembers.Names[member]}", "an object");
                            break;
                    }
            }
            if (_refusal is null && !hasName) Refuse(ApiErrors.MissingRequiredParameter($"{list}[{index}]{field}.name"));
        }

        private bool ReadDeclaredName(string list, int index, string field, int scope)
        {
            if (!IsString(list, index, field + ".name")) return true;
            var name = Text();
            if (name.Length == 0) return false;
            if (!IsName(name))
                Refuse(ApiErrors.InvalidValue($"{list}[{index}]{field}.name", $"The name \"{Shown(name)}\" is not allowed: 1 to {LongestName} of the characters A-Z a-z 0-9 _ -."));
            else if (!_seen.Add(scope, name))
                Refuse(ApiErrors.InvalidValue($"{list}[{index}]{field}.name", $"The name \"{Shown(name)}\" is declared twice. Give each its own."));
            return true;
        }

        private void ReadFunctions()
        {
            if (!EnterArray("functions")) return;
            var index = 0;
            while (NextElement()) ReadDeclaration("functions", index++, "", DeclaredOldFunctions);
        }

        private bool EnterArray(string param)
        {
            if (Is(JsonTokenType.StartArray)) return true;
            RefuseType(param, "an array");
            return false;
        }

        private bool IsString(string list, int index, string member)
        {
            if (Is(JsonTokenType.String)) return true;
            RefuseType($"{list}[{index}]{member}", "a string");
            return false;
        }
    }

    private static readonly System.Buffers.SearchValues<byte> NameBytes =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"u8);

    private static bool IsName(ReadOnlySpan<byte> name) => name.Length is > 0 and <= LongestName && !name.ContainsAnyExcept(NameBytes);
}
