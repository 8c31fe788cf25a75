using System.Text;
using System.Text.Json;

namespace CrossModel.Protocol;

internal static partial class ChatRequestReader
{
    // Scopes of SeenTexts that have a meaning of their own; every object with names that no table lists takes the next free one.
    private const int DeclaredFunctions = 1;
    private const int DeclaredCustomTools = 2;
    private const int DeclaredOldFunctions = 3;
    private const int FirstFreeScope = 4;

    /// <summary>The members of one object met so far: listed ones as bits, others in <see cref="SeenTexts"/> under a scope taken when first needed.</summary>
    private struct MemberNames
    {
        public ulong Listed;
        public int Scope;
        public readonly bool HasOthers => Scope > 0;
        public readonly bool Has(int index) => (Listed & (1UL << index)) != 0;
    }

    private ref partial struct Pass
    {
        private static MemberNames Members() => default;

        /// <summary>Moves to the next member's value. False at the object's end and after a refusal. A name met twice is a refusal.</summary>
        /// <param name="index">Its place in the table; -1: not listed there (skip the value).</param>
        private bool NextMember(NameTable table, ref MemberNames members, out int index)
        {
            index = -1;
            if (_refusal is not null) return false;
            _json.Read();
            if (_json.TokenType == JsonTokenType.EndObject) return false;
            _nameStart = (int)_json.TokenStartIndex;
            var name = Text();
            index = table.Find(name);
            bool isNew;
            if (index >= 0)
            {
                isNew = !members.Has(index);
                members.Listed |= 1UL << index;
            }
            else
            {
                if (!members.HasOthers) members.Scope = _scopes++;
                isNew = _seen.Add(members.Scope, name);
            }
            if (!isNew)
            {
                RefuseJson(_nameStart, $"the member \"{ApiErrors.Echo(Encoding.UTF8.GetString(name))}\" stands twice in one object");
                return false;
            }
            _json.Read();
            return true;
        }

        /// <summary>Moves to the next element of an array. False at its end and after a refusal.</summary>
        private bool NextElement() => _refusal is null && _json.Read() && _json.TokenType != JsonTokenType.EndArray;

        /// <summary>The string or name under the reader as UTF-8, escapes undone; a number as it stands.</summary>
        private readonly ReadOnlySpan<byte> Text()
        {
            if (_json.TokenType is not (JsonTokenType.String or JsonTokenType.PropertyName)) return _json.ValueSpan;
            var raw = Raw();
            if (!raw.Contains((byte)'\\')) return raw;
            var original = new Utf8JsonReader(_body[(int)_json.TokenStartIndex..], isFinalBlock: false, default);
            original.Read();
            var text = new byte[raw.Length];
            return text.AsSpan(0, original.CopyString(text));
        }

        /// <summary>The string or name under the reader as it was sent; the reader itself may see it masked.</summary>
        private readonly ReadOnlySpan<byte> Raw() => _body.Slice((int)_json.TokenStartIndex + 1, _json.ValueSpan.Length);

        /// <summary>UTF-8 length of the string under the reader, escapes undone.</summary>
        private readonly int TextLength() => _mask.LengthAt((int)_json.TokenStartIndex + 1) is var noted and >= 0 ? noted : JsonText.UnescapedLength(Raw());

        private readonly JsonSpan Span() => new((int)_json.TokenStartIndex, (int)(_json.BytesConsumed - _json.TokenStartIndex));

        private readonly string NameAt(int start)
        {
            var name = new Utf8JsonReader(_body[start..], isFinalBlock: false, default);
            name.Read();
            return name.GetString()!;
        }

        private readonly bool Is(JsonTokenType type) => _json.TokenType == type;

        private readonly bool IsNull => _json.TokenType == JsonTokenType.Null;

        private readonly bool IsBoolean => _json.TokenType is JsonTokenType.True or JsonTokenType.False;

        /// <summary>Remembers the first fault. Built by the caller once only, since the loops end with it.</summary>
        private void Refuse(ApiError refusal) => _refusal ??= refusal;

        private void RefuseJson(int offset, string what) => Refuse(JsonFaults.At(_body, offset, what));

        private void RefuseType(string param, string expected) =>
            Refuse(ApiErrors.InvalidType(param, $"{param} must be {expected}, not {Found()}."));

        private void RefuseMessages(string param, string expected) =>
            Refuse(ApiErrors.InvalidMessages(param, $"{param} must be {expected}, not {Found()}."));

        private readonly string Found() => _json.TokenType switch
        {
            JsonTokenType.StartObject => "an object",
            JsonTokenType.StartArray => "an array",
            JsonTokenType.String => "a string",
            JsonTokenType.Number => "a number",
            JsonTokenType.Null => "null",
            _ => "a boolean",
        };
    }
}
