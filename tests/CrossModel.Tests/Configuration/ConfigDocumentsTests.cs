using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Configuration;

/// <summary>The files that users read beside the program say what the program does. <c>UPDATE_GOLDEN=1</c> rewrites what is generated in them.</summary>
public sealed class ConfigDocumentsTests
{
    private const string Begin = "<!-- generated from the configuration records: begin -->\n";
    private const string End = "<!-- generated: end -->";

    private static string Root(string file) => Path.Combine(RepoRoot.Folder, file);

    [Fact]
    public void Schema_OnDisk_IsWhatTheRecordsSay() => Golden(Root("crossmodel.schema.json"), ConfigSchema.Generate());

    [Fact]
    public void Document_OnDisk_IsWhatTheRecordsSay()
    {
        var file = Root("docs/configuration.md");
        var text = File.ReadAllText(file);
        var begin = text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        var end = text.IndexOf(End, StringComparison.Ordinal);
        Assert.True(begin >= Begin.Length && end >= begin, "docs/configuration.md has lost the marks of its generated part.");
        Golden(file, text[..begin] + "\n" + SettingTables.Generate() + text[end..]);
    }

    [Fact]
    public void Document_HasARowForEverySetting()
    {
        var text = File.ReadAllText(Root("docs/configuration.md"));
        Assert.All(AllSettings(Shape.Of(typeof(GatewayConfig)), []), setting => Assert.Contains($"| `{setting.JsonName}` |", text, StringComparison.Ordinal));
    }

    [Fact]
    public void Example_IsLoadedWithoutAFault()
    {
        using var given = new Given();
        // A folder of its own: the example names a service account file beside it.
        File.Copy(Root("crossmodel.example.json"), given.File, overwrite: true);
        Directory.CreateDirectory(Path.Combine(given.Folder, "secrets"));
        File.WriteAllText(Path.Combine(given.Folder, "secrets/google.json"), "{}");
        File.WriteAllText(Path.Combine(given.Folder, "secrets/anthropic-key"), "key\n");
        foreach (var name in (string[])["OPENAI_API_KEY", "AZURE_API_KEY", "GEMINI_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DEEPSEEK_API_KEY", "DEEPSEEK_API_KEY_2"])
            given.Environment[name] = "key";
        var loaded = given.Load(rules: DialectSet.Rules(TimeProvider.System));
        Assert.Empty(loaded.Faults);
        Assert.Equal(DialectSet.Known.Order(StringComparer.Ordinal), loaded.Config!.Upstreams.Values.Select(upstream => upstream.Dialect).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Example_ShowsEverySettingAtTheTop()
    {
        var text = File.ReadAllText(Root("crossmodel.example.json"));
        Assert.All(Shape.Of(typeof(GatewayConfig)).Settings, setting => Assert.Contains($"\"{setting.JsonName}\"", text, StringComparison.Ordinal));
    }

    private static IEnumerable<Setting> AllSettings(Shape shape, HashSet<Type> seen)
    {
        while (shape.Kind is ShapeKind.Map or ShapeKind.List or ShapeKind.Price)
            shape = shape.Item!;
        return seen.Add(shape.Type) ? shape.Settings.SelectMany(setting => AllSettings(setting.Shape, seen).Prepend(setting)) : [];
    }

    private static void Golden(string file, string expected)
    {
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1")
            File.WriteAllText(file, expected);
        Assert.True(File.Exists(file) && File.ReadAllText(file) == expected, $"{Path.GetFileName(file)} is not what the records say: run the tests with UPDATE_GOLDEN=1 and read the difference.");
    }
}
