using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using CrossModel.Configuration;

namespace CrossModel.Tests.Configuration;

/// <summary>Writes crossmodel.schema.json (JSON Schema 2020-12, for editors) from the same shapes that the loader goes by.</summary>
internal static class ConfigSchema
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string Generate()
    {
        var definitions = new JsonObject
        {
            ["expansion"] = new JsonObject { ["type"] = "string", ["pattern"] = @"\$\{", ["description"] = "${ENV}, ${ENV:-default} or ${file:PATH}; $${ is a literal ${." },
        };
        JsonObject root = Record(Shape.Of(typeof(GatewayConfig)), definitions);
        var schema = new JsonObject
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["title"] = "CrossModel configuration",
        };
        root["properties"]!.AsObject().Insert(0, "$schema", new JsonObject { ["type"] = "string", ["description"] = "Where this schema is, for editors." });
        foreach ((string name, JsonNode? value) in root.ToList())
            schema[name] = value!.DeepClone();
        schema["$defs"] = definitions;
        return schema.ToJsonString(Indented) + "\n";
    }

    private static JsonObject Record(Shape shape, JsonObject definitions)
    {
        object defaults = Activator.CreateInstance(shape.Type)!;
        var properties = new JsonObject();
        foreach (var setting in shape.Settings)
        {
            JsonObject form = Form(setting.Shape, setting, definitions);
            form["description"] = Description(shape, setting);
            if (Default(setting, defaults) is { } value)
                form["default"] = value;
            properties[setting.JsonName] = OrNull(form);
        }
        return new JsonObject { ["type"] = "object", ["additionalProperties"] = false, ["description"] = SettingComments.Of(shape.Type.Name), ["properties"] = properties };
    }

    /// <summary>Null is the same as leaving a setting out.</summary>
    private static JsonObject OrNull(JsonObject form)
    {
        if (form["anyOf"] is JsonArray forms) forms.Add(new JsonObject { ["type"] = "null" });
        else if (form["type"] is { } type) form["type"] = new JsonArray(type.DeepClone(), "null");
        else
        {
            form["anyOf"] = new JsonArray(new JsonObject { ["$ref"] = form["$ref"]!.DeepClone() }, new JsonObject { ["type"] = "null" });
            form.Remove("$ref");
        }
        return form;
    }

    public static string Description(Shape shape, Setting setting) =>
        SettingComments.Of($"{shape.Type.Name}.{setting.Name}") + (setting.NeedsRestart ? " A change needs a restart." : "");

    /// <summary>Null: none, or an object or list, which speaks for itself.</summary>
    public static JsonNode? Default(Setting setting, object defaults) => setting.Get(defaults) switch
    {
        string { Length: > 0 } text => text,
        bool flag => flag,
        int whole => whole,
        long whole => whole,
        double real => real,
        decimal usd => usd,
        TimeSpan duration => Durations.Format(duration),
        Enum choice => JsonNamingPolicy.CamelCase.ConvertName(choice.ToString()),
        _ => null,
    };

    private static JsonObject Form(Shape shape, Setting setting, JsonObject definitions)
    {
        switch (shape.Kind)
        {
            case ShapeKind.Record:
                return Reference(shape, definitions);
            case ShapeKind.Map:
                return new JsonObject { ["type"] = "object", ["additionalProperties"] = Form(shape.Item!, setting, definitions) };
            case ShapeKind.List:
                return new JsonObject { ["type"] = "array", ["items"] = Form(shape.Item!, setting, definitions) };
            case ShapeKind.Price:
                return new JsonObject
                {
                    ["anyOf"] = new JsonArray(Reference(shape.Item!, definitions), new JsonObject { ["type"] = "array", ["items"] = Reference(shape.Item!, definitions) },
                        new JsonObject { ["const"] = "free" }, Expansion()),
                };
            case ShapeKind.Text when setting.OneOf.Count == 0:
                return new JsonObject { ["type"] = "string" };
        }
        JsonObject literal = shape.Kind switch
        {
            ShapeKind.Text => Choice(setting.OneOf),
            ShapeKind.Choice => Choice(shape.Choices),
            ShapeKind.Flag => new JsonObject { ["type"] = "boolean" },
            ShapeKind.Duration => new JsonObject { ["type"] = "string", ["pattern"] = "^[0-9]+(ms|s|m|h|d)$" },
            ShapeKind.Instant => new JsonObject { ["type"] = "string", ["format"] = "date-time" },
            _ => Number(shape, setting),
        };
        return new JsonObject { ["anyOf"] = new JsonArray(literal, Expansion()) };
    }

    private static JsonObject Number(Shape shape, Setting setting)
    {
        var number = new JsonObject { ["type"] = shape.Kind == ShapeKind.Whole ? "integer" : "number" };
        // The widest bounds only repeat the size of the field.
        if (setting.Minimum > int.MinValue)
            number["minimum"] = setting.Minimum;
        if (setting.Maximum < int.MaxValue)
            number["maximum"] = setting.Maximum;
        return number;
    }

    private static JsonObject Choice(IReadOnlyList<string> choices) => new() { ["enum"] = new JsonArray([.. choices.Select(choice => (JsonNode)choice)]) };

    private static JsonObject Expansion() => new() { ["$ref"] = "#/$defs/expansion" };

    private static JsonObject Reference(Shape shape, JsonObject definitions)
    {
        var name = JsonNamingPolicy.CamelCase.ConvertName(shape.Type.Name.Replace("Config", "", StringComparison.Ordinal));
        if (!definitions.ContainsKey(name))
        {
            definitions[name] = null;
            definitions[name] = Record(shape, definitions);
        }
        return new JsonObject { ["$ref"] = $"#/$defs/{name}" };
    }
}
