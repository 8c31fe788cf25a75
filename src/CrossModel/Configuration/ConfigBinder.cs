using System.Collections;
using System.Globalization;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Configuration;

/// <summary>Makes the records from the tree and notes everything that does not fit. A setting at fault keeps its default, so that the rest can be judged too.</summary>
internal sealed class ConfigBinder(Expansion expansion, string baseFolder, List<ConfigFault> faults)
{
    public ConfigSource Source { get; } = new();

    public GatewayConfig Bind(ConfigNode root) => (GatewayConfig)BindRecord(root, Shape.Of(typeof(GatewayConfig)), "");

    private object BindRecord(ConfigNode node, Shape shape, string path)
    {
        object record = Activator.CreateInstance(shape.Type)!;
        foreach ((string name, ConfigNode value) in Distinct(node, path))
        {
            var at = ConfigPath.Member(path, name);
            if (shape.Find(name) is { } setting)
            {
                if (Bind(value, setting.Shape, setting, at) is { } bound)
                    setting.Set(record, bound);
            }
            else if (at != "$schema")
                Add(value, at, "there is no such setting", NearestName.Question(name, shape.Settings.Select(known => known.JsonName))
                    ?? "known here: " + string.Join(", ", shape.Settings.Select(known => known.JsonName)));
        }
        return record;
    }

    /// <summary>Null: a fault was added, or nothing was given.</summary>
    private object? Bind(ConfigNode node, Shape shape, Setting setting, string path)
    {
        Source.Saw(path, node);
        if (node.Kind == JsonValueKind.Null)
            return null;
        switch (shape.Kind)
        {
            case ShapeKind.Record when node.Kind == JsonValueKind.Object:
                return BindRecord(node, shape, path);
            case ShapeKind.Map when node.Kind == JsonValueKind.Object:
                var map = (IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(typeof(string), shape.Item!.Type))!;
                foreach ((string name, ConfigNode value) in Distinct(node, path))
                    if (Bind(value, shape.Item, setting, ConfigPath.Member(path, name)) is { } bound)
                        map[name] = bound;
                    else if (value.Kind == JsonValueKind.Null)
                        Add(value, ConfigPath.Member(path, name), "null cannot stand here", "take the name out too");
                return map;
            case ShapeKind.List when node.Kind == JsonValueKind.Array:
                return BindList(node, shape, setting, path);
            case ShapeKind.Price when node.Kind == JsonValueKind.Object:
                return new PriceConfig { Versions = [(PriceVersionConfig)BindRecord(node, shape.Item!, path)] };
            case ShapeKind.Price when node.Kind == JsonValueKind.Array:
                return new PriceConfig { Versions = (IReadOnlyList<PriceVersionConfig>)BindList(node, Shape.Of(typeof(IReadOnlyList<PriceVersionConfig>)), setting, path) };
            case ShapeKind.Record or ShapeKind.Map or ShapeKind.List:
                return Misfit(node, path, $"{Expected(shape, setting)} is expected, not {Name(node)}", null);
            default:
                return BindScalar(node, shape, setting, path);
        }
    }

    private IList BindList(ConfigNode node, Shape shape, Setting setting, string path)
    {
        var list = (IList)Activator.CreateInstance(typeof(List<>).MakeGenericType(shape.Item!.Type))!;
        for (var i = 0; i < node.Items.Count; i++)
            if (Bind(node.Items[i], shape.Item, setting, $"{path}[{i}]") is { } bound)
                list.Add(bound);
            else if (node.Items[i].Kind == JsonValueKind.Null)
                Add(node.Items[i], $"{path}[{i}]", "null cannot stand in a list", "take it out");
            // The paths of later faults count by position: a place must not be lost.
            else if (shape.Item.Kind == ShapeKind.Record)
                list.Add(Activator.CreateInstance(shape.Item.Type));
        return list;
    }

    private object? BindScalar(ConfigNode node, Shape shape, Setting setting, string path)
    {
        var text = node.Text;
        var anyScalar = node.FromEnvironment;
        if (node.Kind == JsonValueKind.String && !node.FromEnvironment)
        {
            if (expansion.Expand(text, path, node.Line, setting.IsCredential, faults) is not { } expanded)
            {
                Source.NoteMisfit(path);
                return null;
            }
            // "${PORT}" may stand for a number, "5" may not: that is a slip of the pen.
            anyScalar = text.Contains("${", StringComparison.Ordinal);
            text = expanded;
        }
        if (node.FromEnvironment && text.Length == 0 && setting.IsCredential && expansion.IsNeeded)
            return Misfit(node, path, "the environment variable is empty", "set it, or take it away");
        if (text.Contains('\0', StringComparison.Ordinal))
            return Misfit(node, path, "no text can contain the character U+0000", null);
        var isText = node.Kind == JsonValueKind.String;
        object? value = shape.Kind switch
        {
            ShapeKind.Text when isText => text,
            ShapeKind.Choice when isText && IndexOf(shape.Choices, text) is >= 0 and var index => Enum.GetValues(shape.Type).GetValue(index),
            ShapeKind.Duration when isText => Durations.Parse(text),
            ShapeKind.Instant when isText => DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var instant) ? instant : null,
            ShapeKind.Price when isText && text == "free" => new PriceConfig { IsFree = true },
            ShapeKind.Flag when node.Kind is JsonValueKind.True or JsonValueKind.False || anyScalar => bool.TryParse(text, out var flag) ? flag : null,
            ShapeKind.Whole when node.Kind == JsonValueKind.Number || anyScalar => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) ? whole : null,
            ShapeKind.Real when node.Kind == JsonValueKind.Number || anyScalar => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) ? real : null,
            ShapeKind.Usd when node.Kind == JsonValueKind.Number || anyScalar => decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var usd) ? usd : null,
            _ => null,
        };
        if (value is null)
        {
            // Only what cannot be a key is quoted, even as written.
            var quotable = node.Kind == JsonValueKind.Number ? shape.Kind is ShapeKind.Whole
                : isText && (shape.Kind is ShapeKind.Choice or ShapeKind.Duration or ShapeKind.Instant);
            return Misfit(node, path, $"{Expected(shape, setting)} is expected, not {(quotable ? node.Quote() : Name(node))}",
                isText && !node.FromEnvironment ? NearestName.Question(node.Text, shape.Choices) : null);
        }
        return Within(node, setting, value, path) ? Fit(shape, setting, value) : null;
    }

    private bool Within(ConfigNode node, Setting setting, object value, string path)
    {
        if (value is string text)
        {
            if (setting.OneOf.Count == 0 || setting.OneOf.Contains(text))
                return true;
            Misfit(node, path, $"{string.Join(", ", setting.OneOf.Select(known => $"\"{known}\""))} is expected, not {node.Quote()}",
                NearestName.Question(node.Text, setting.OneOf));
            return false;
        }
        if (value is decimal usd && decimal.Round(usd, 9) != usd)
        {
            Misfit(node, path, "an amount has at most 9 decimal places", "money is counted in billionths of a dollar");
            return false;
        }
        double? measure = value switch { long whole => whole, double real => real, decimal amount => (double)amount, TimeSpan duration => duration.TotalMilliseconds, _ => null };
        if (measure is null || (measure >= setting.Minimum && measure <= setting.Maximum))
            return true;
        string Bound(double bound) => value is TimeSpan ? Durations.Format(TimeSpan.FromMilliseconds(bound)) : bound.ToString("0.##", CultureInfo.InvariantCulture);
        Misfit(node, path, measure < setting.Minimum ? $"{Bound(setting.Minimum)} is the least" : $"{Bound(setting.Maximum)} is the most", null);
        return false;
    }

    private object? Fit(Shape shape, Setting setting, object value) => value switch
    {
        long whole when shape.Type == typeof(int) => (int)whole,
        "" when setting.CanBeNull => null,
        string path when setting.IsFilePath => Path.GetFullPath(path, baseFolder),
        _ => value,
    };

    private IEnumerable<KeyValuePair<string, ConfigNode>> Distinct(ConfigNode node, string path)
    {
        var seen = new HashSet<string>();
        foreach (KeyValuePair<string, ConfigNode> member in node.Members)
            if (seen.Add(member.Key))
                yield return member;
            else
                Add(member.Value, ConfigPath.Member(path, member.Key), "this name stands here twice", "take one of them out");
    }

    private object? Misfit(ConfigNode node, string path, string message, string? hint)
    {
        Source.NoteMisfit(path);
        return Add(node, path, message, hint);
    }

    private object? Add(ConfigNode node, string path, string message, string? hint)
    {
        faults.Add(new ConfigFault(path, message) { Hint = hint, Line = node.Line });
        return null;
    }

    private static int IndexOf(IReadOnlyList<string> choices, string text) =>
        choices.TakeWhile(choice => choice != text).Count() is var index && index < choices.Count ? index : -1;

    private static string Expected(Shape shape, Setting setting) => shape.Kind switch
    {
        ShapeKind.Record or ShapeKind.Map => "an object { … }",
        ShapeKind.List => "a list [ … ]",
        ShapeKind.Price => "a price object, a list of price versions or \"free\"",
        ShapeKind.Flag => "true or false",
        ShapeKind.Whole => "a whole number",
        ShapeKind.Real => "a number",
        ShapeKind.Usd => "an amount in USD (a number)",
        ShapeKind.Duration => "a duration such as \"300ms\", \"30s\", \"5m\", \"24h\" or \"90d\"",
        ShapeKind.Instant => "a time such as \"2026-12-01T00:00:00Z\"",
        ShapeKind.Choice => string.Join(", ", shape.Choices.Select(choice => $"\"{choice}\"")),
        _ => setting.OneOf.Count == 0 ? "a text in quotes" : string.Join(", ", setting.OneOf.Select(known => $"\"{known}\"")),
    };

    private static string Name(ConfigNode node) => node.Kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "true or false",
        _ => "this text",
    };
}
