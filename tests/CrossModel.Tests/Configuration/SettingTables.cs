using System.Text;
using CrossModel.Configuration;

namespace CrossModel.Tests.Configuration;

/// <summary>Writes the tables of docs/configuration.md: every setting with its form, default and meaning.</summary>
internal static class SettingTables
{
    public static string Generate()
    {
        var text = new StringBuilder();
        Table(Shape.Of(typeof(GatewayConfig)), "", text, []);
        return text.ToString();
    }

    private static void Table(Shape shape, string path, StringBuilder text, HashSet<Type> done)
    {
        if (!done.Add(shape.Type))
            return;
        object defaults = Activator.CreateInstance(shape.Type)!;
        text.Append("### ").Append(path.Length == 0 ? "At the top" : $"`{path}`").Append("\n\n").Append(SettingComments.Of(shape.Type.Name))
            .Append("\n\n| setting | form | default | meaning |\n| --- | --- | --- | --- |\n");
        foreach (var setting in shape.Settings)
            text.Append($"| `{setting.JsonName}` | {Form(setting.Shape, setting)} | {Default(setting, defaults)} | {ConfigSchema.Description(shape, setting).Replace("|", "\\|", StringComparison.Ordinal)} |\n");
        text.Append('\n');
        // A price is shown once, and a model's price is where people look for it.
        foreach (var setting in shape.Settings.OrderByDescending(setting => setting.Shape.Kind == ShapeKind.Price))
            Inside(setting.Shape, path.Length == 0 ? setting.JsonName : $"{path}.{setting.JsonName}", text, done);
    }

    private static void Inside(Shape shape, string path, StringBuilder text, HashSet<Type> done)
    {
        switch (shape.Kind)
        {
            case ShapeKind.Record:
                Table(shape, path, text, done);
                break;
            case ShapeKind.Map:
                Inside(shape.Item!, path + ".NAME", text, done);
                break;
            case ShapeKind.List:
                Inside(shape.Item!, path + "[]", text, done);
                break;
            case ShapeKind.Price:
                Inside(shape.Item!, path, text, done);
                break;
        }
    }

    private static string Default(Setting setting, object defaults) => ConfigSchema.Default(setting, defaults) is { } value ? $"`{value.ToJsonString()}`"
        : setting.Get(defaults) is "" ? "must be given" : setting.Get(defaults) is null ? "none" : setting.Shape.Kind == ShapeKind.Record ? "see below" : "empty";

    private static string Form(Shape shape, Setting setting) => shape.Kind switch
    {
        ShapeKind.Record => "object",
        ShapeKind.Map => $"object of names, each {Form(shape.Item!, setting)}",
        ShapeKind.List => $"list of {Form(shape.Item!, setting)}",
        ShapeKind.Price => "price",
        ShapeKind.Flag => "true or false",
        ShapeKind.Whole => "whole number",
        ShapeKind.Real => "number",
        ShapeKind.Usd => "USD",
        ShapeKind.Duration => "duration",
        ShapeKind.Instant => "time",
        ShapeKind.Choice => string.Join(", ", shape.Choices.Select(choice => $"`{choice}`")),
        _ when setting.OneOf.Count > 0 => string.Join(", ", setting.OneOf.Select(choice => $"`{choice}`")),
        _ => setting.IsFilePath ? "path" : "text",
    };
}
