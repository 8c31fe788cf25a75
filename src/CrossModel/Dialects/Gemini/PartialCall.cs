using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>A call whose arguments come in pieces, each with the path of its place, e.g. <c>$.stops[0].city</c>. Put together here and given out whole.</summary>
internal sealed partial class PartialCall(string name, string? id, string? signature)
{
    private const int LongestArray = 10_000;
    private const int Deepest = 60;

    private readonly JsonObject _arguments = [];
    private readonly Dictionary<string, StringBuilder> _texts = [];

    public string Name => name;
    public string? Id => id;
    public string? Signature => signature;

    public void Add(JsonElement pieces)
    {
        foreach (var piece in pieces.EnumerateArray())
        {
            if (piece.ValueKind != JsonValueKind.Object || !piece.TryGetProperty("jsonPath"u8, out var path) || path.ValueKind != JsonValueKind.String)
                throw new JsonException("an argument without a path");
            Put(path.GetString()!, piece);
        }
    }

    public byte[] Arguments()
    {
        foreach (var (path, text) in _texts) Set(path, JsonValue.Create(text.ToString()));
        _texts.Clear();
        return Encoding.UTF8.GetBytes(_arguments.ToJsonString(new JsonSerializerOptions { Encoder = JsonText.Encoder }));
    }

    private void Put(string path, JsonElement piece)
    {
        if (piece.TryGetProperty("stringValue"u8, out var text) && text.ValueKind == JsonValueKind.String)
        {
            if (!_texts.TryGetValue(path, out var known))
            {
                _texts[path] = known = new StringBuilder();
                // Members keep the order in which they began.
                Set(path, JsonValue.Create(""));
            }
            known.Append(text.GetString());
        }
        else if (piece.TryGetProperty("numberValue"u8, out var number)) Set(path, Value(number));
        else if (piece.TryGetProperty("boolValue"u8, out var truth)) Set(path, Value(truth));
        else if (piece.TryGetProperty("nullValue"u8, out _)) Set(path, null);
    }

    private static JsonNode? Value(JsonElement value) =>
        value.ValueKind is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False
            ? JsonNode.Parse(value.GetRawText())
            : throw new JsonException("no value");

    private void Set(string path, JsonNode? value)
    {
        if (!path.StartsWith('$')) throw new JsonException("an argument's path cannot be read");
        var steps = Step().Matches(path, 1);
        if (steps.Count == 0 || steps.Count > Deepest || steps.Sum(s => s.Length) != path.Length - 1) throw new JsonException("an argument's path cannot be read");
        JsonNode node = _arguments;
        for (var i = 0; i < steps.Count; i++)
        {
            JsonNode? next = i == steps.Count - 1 ? value : IsIndex(steps[i + 1]) ? new JsonArray() : new JsonObject();
            var isLast = i == steps.Count - 1;
            if (IsIndex(steps[i]) && node is JsonArray array)
            {
                var index = int.Parse(steps[i].Groups[2].ValueSpan, CultureInfo.InvariantCulture);
                if (index >= LongestArray) throw new JsonException("an array is too long");
                while (array.Count <= index) array.Add(null);
                if (isLast || array[index] is null) array[index] = next;
                if (!isLast) node = array[index]!;
            }
            else if (!IsIndex(steps[i]) && node is JsonObject members)
            {
                var member = steps[i].Groups[1].Success ? steps[i].Groups[1].Value : steps[i].Groups[3].Value;
                if (isLast || !members.TryGetPropertyValue(member, out var there) || there is null) members[member] = next;
                if (!isLast) node = members[member]!;
            }
            else
            {
                throw new JsonException("an argument's path does not fit the others");
            }
        }
    }

    private static bool IsIndex(Match step) => step.Groups[2].Success;

    [GeneratedRegex(@"\G(?:\.([^.\[\]]+)|\[(\d{1,6})\]|\[['""]([^'""\]]+)['""]\])", RegexOptions.CultureInvariant)]
    private static partial Regex Step();
}
