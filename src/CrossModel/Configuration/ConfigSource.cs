using System.Text.Encodings.Web;
using System.Text.Json;

namespace CrossModel.Configuration;

/// <summary>What the records no longer show: where a setting was written, how, and which ones were written but gave no value.</summary>
internal sealed class ConfigSource
{
    private readonly Dictionary<string, ConfigNode> _nodes = [];
    private readonly HashSet<string> _misfits = [];

    public void Saw(string path, ConfigNode node) => _nodes.TryAdd(path, node);

    /// <summary>The setting is written, but it has no value: it was at fault, or names an environment variable that may be unset.</summary>
    public void NoteMisfit(string path) => _misfits.Add(path);

    public bool Has(string path) => _nodes.ContainsKey(path);

    /// <summary>The setting or something around it had no value: what is missing there has been said, or must not be said.</summary>
    public bool IsMisfit(string path) => Outwards(path).Any(_misfits.Contains);

    /// <summary>The line of the setting, or of the nearest thing around it that is written; null: it is not in the file.</summary>
    public int? LineOf(string path) => Nearest(path)?.Line;

    /// <summary>The environment variable that set it, or the nearest thing around it that is written; null: none did.</summary>
    public string? VariableOf(string path) => Nearest(path)?.Variable;

    private ConfigNode? Nearest(string path) => Outwards(path).Select(at => _nodes.GetValueOrDefault(at)).FirstOrDefault(node => node is not null);

    /// <summary>As written: <c>"${NAME}"</c> is quoted, what it stands for never is.</summary>
    public string Quote(string path, string value) => _nodes.TryGetValue(path, out ConfigNode? node) ? node.Quote() : ConfigNode.Quote(value);

    /// <summary>The path itself, then what is around it.</summary>
    private static IEnumerable<string> Outwards(string path)
    {
        for (var end = path.Length; end > 0; end = path.LastIndexOfAny(['.', '['], end - 1))
            yield return path[..end];
    }
}

/// <summary>Paths as people read them: <c>models["a/b"].routes[0].upstream</c>.</summary>
internal static class ConfigPath
{
    public static string Member(string path, string name)
    {
        var plain = name.Length is > 0 and <= 64 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '$' or '-');
        if (!plain)
            return $"{path}[{ConfigNode.Quote(name)}]";
        return path.Length == 0 ? name : $"{path}.{name}";
    }

    public static string Escape(string text) => JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString();
}
