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

    /// <summary>The caller's names by those that are sent in their place; null: all are sent as they are.</summary>
    public IReadOnlyDictionary<string, string>? Callers => _callers.Count > 0 ? _callers : null;

    /// <summary>The name to send.</summary>
    public string Of(string name)
    {
        if (!noHyphens || !name.Contains('-', StringComparison.Ordinal)) return name;
        var alias = name.Replace('-', '_');
        while (_own.Contains(alias) || (_callers.TryGetValue(alias, out var known) && known != name)) alias += "_";
        _callers[alias] = name;
        return alias;
    }

    private static string NameOf(JsonElement tool) => tool.TryGetProperty("function"u8, out var function) ? function.TextOf("name"u8) ?? "" : "";
}
