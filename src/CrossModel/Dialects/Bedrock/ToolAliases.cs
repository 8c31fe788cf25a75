using System.Text.Json;

namespace CrossModel.Dialects.Bedrock;

/// <summary>
/// Names of functions as a model can say them. Nova cannot say a hyphen: its call fails with "invalid sequence as part of ToolUse", however often
/// it is asked. It gets underscores, and the caller the names that he gave.
/// </summary>
/// <param name="tools">The caller's; no other name may become one of theirs.</param>
internal sealed class ToolAliases(bool noHyphens, JsonElement tools)
{
    private readonly HashSet<string> _own = noHyphens && tools.ValueKind == JsonValueKind.Array ? [.. tools.EnumerateArray().Select(NameOf)] : [];
    private readonly Dictionary<string, string> _callers = [];
    private readonly Dictionary<string, string> _sent = [];

    /// <summary>How many underscores more than its own the next of a name needs: a thousand that differ in hyphens only are told apart at once.</summary>
    private readonly Dictionary<string, int> _more = [];

    /// <summary>The caller's names by those that are sent in their place; null: all are sent as they are.</summary>
    public IReadOnlyDictionary<string, string>? Callers => _callers.Count > 0 ? _callers : null;

    /// <summary>The name to send.</summary>
    public string Of(string name)
    {
        if (!noHyphens || !name.Contains('-', StringComparison.Ordinal)) return name;
        if (_sent.TryGetValue(name, out var alias)) return alias;
        var plain = name.Replace('-', '_');
        var more = _more.GetValueOrDefault(plain);
        while (_own.Contains(alias = plain + new string('_', more)) || _callers.ContainsKey(alias)) more++;
        (_more[plain], _callers[alias], _sent[name]) = (more + 1, name, alias);
        return alias;
    }

    private static string NameOf(JsonElement tool) => tool.TryGetProperty("function"u8, out var function) ? function.TextOf("name"u8) ?? "" : "";
}
