using System.Globalization;
using System.Text.Json;
using CrossModel.Protocol;

namespace CrossModel.Configuration;

/// <summary>
/// Single values from the environment: <c>CROSSMODEL__UPSTREAMS__local__APIKEY</c> sets <c>upstreams.local.apiKey</c>. Names are matched
/// whatever their case; in a list the part is an index. They beat the file and work without one.
/// </summary>
internal static class EnvironmentOverrides
{
    private const string Prefix = "CROSSMODEL__";

    public static void Apply(ConfigNode root, IReadOnlyDictionary<string, string> environment, List<ConfigFault> faults)
    {
        foreach ((string variable, string value) in environment.OrderBy(entry => entry.Key, StringComparer.Ordinal))
        {
            if (!variable.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase))
                continue;
            if (Set(root, Shape.Of(typeof(GatewayConfig)), variable[Prefix.Length..].Split("__"),
                new ConfigNode(JsonValueKind.String, null) { Text = value, Variable = variable }) is { } fault)
            {
                faults.Add(fault with { Path = variable });
            }
        }
    }

    private static ConfigFault? Set(ConfigNode node, Shape shape, ReadOnlySpan<string> parts, ConfigNode value)
    {
        Shape? part = null;
        var name = parts[0];
        if (shape.Kind == ShapeKind.Price)
            shape = node.Kind == JsonValueKind.Array ? Shape.Of(typeof(IReadOnlyList<PriceVersionConfig>)) : shape.Item!;
        switch (shape.Kind)
        {
            case ShapeKind.Record:
                var setting = shape.Settings.FirstOrDefault(candidate => candidate.JsonName.Equals(name, StringComparison.OrdinalIgnoreCase));
                if (setting is null)
                    return Unknown(name, shape);
                (name, part) = (setting.JsonName, setting.Shape);
                break;
            case ShapeKind.Map when name.Length > 0:
                name = node.Members.Find(member => member.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Key ?? name;
                part = shape.Item!;
                break;
            case ShapeKind.List when node.Kind == JsonValueKind.Array:
                return SetItem(node, shape.Item!, parts, value);
        }
        if (part is null || node.Kind != JsonValueKind.Object)
            return new ConfigFault("", $"there is nothing inside to set by the name {ConfigNode.Quote(name)}");
        if (parts.Length == 1)
        {
            node.Set(name, value);
            return null;
        }
        if (part.Kind is not (ShapeKind.Record or ShapeKind.Map or ShapeKind.List or ShapeKind.Price))
            return new ConfigFault("", $"{name} is a single value: there is nothing inside to set");
        var inner = node.Find(name);
        if (inner is null || inner.Kind is not (JsonValueKind.Object or JsonValueKind.Array))
        {
            inner = part.Kind == ShapeKind.List ? new ConfigNode(JsonValueKind.Array, null) : ConfigNode.NewObject();
            node.Set(name, inner);
        }
        return Set(inner, part, parts[1..], value);
    }

    private static ConfigFault? SetItem(ConfigNode list, Shape item, ReadOnlySpan<string> parts, ConfigNode value)
    {
        if (!int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var index) || index > list.Items.Count)
            return new ConfigFault("", $"a position from 0 to {list.Items.Count} is expected where {ConfigNode.Quote(parts[0])} stands");
        var whole = parts.Length == 1;
        if (index == list.Items.Count)
            list.Items.Add(whole ? value : ConfigNode.NewObject());
        else if (whole)
            list.Items[index] = value;
        return whole ? null : Set(list.Items[index], item, parts[1..], value);
    }

    private static ConfigFault Unknown(string name, Shape shape) =>
        new("", $"there is no setting named {ConfigNode.Quote(name)}") { Hint = NearestName.Question(name, shape.Settings.Select(setting => setting.JsonName)) };
}
