using System.Text.RegularExpressions;
using CrossModel.Configuration;
using CrossModel.Routing;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Architecture;

/// <summary>Every setting takes effect when the file changes, or is marked as one that needs a restart.</summary>
public sealed partial class SettingTests
{
    [Fact]
    public void WhatTheCompositionReadsOnce_IsMarked_AndNothingElseIs()
    {
        var text = File.ReadAllText(Path.Combine(RepoRoot.Folder, "src", "CrossModel", "Gateway.cs"));
        // "config" is what the start found; what is in force is asked of the watcher or of the snapshot.
        var read = ReadOfTheStart().Matches(text).Select(use => use.Groups[1].Value).ToHashSet();
        var settings = Leaves(Shape.Of(typeof(GatewayConfig)), "").ToList();
        Assert.NotEmpty(read);
        Assert.All(settings, leaf => Assert.True(leaf.NeedsRestart == read.Any(path => leaf.Path == path || leaf.Path.StartsWith(path + '.', StringComparison.Ordinal)),
            $"{leaf.Path} {(leaf.NeedsRestart ? "is marked and not read at the start" : "is read at the start and not marked")}"));
    }

    [Fact]
    public void EverySettingOfAnUpstream_MakesANewOneWhenItChanges()
    {
        var shape = Shape.Of(typeof(UpstreamConfig));
        Assert.All(shape.Settings, setting =>
        {
            var (before, after) = (new UpstreamConfig(), new UpstreamConfig());
            setting.Set(after, Another(setting.Shape, setting.Get(before)));
            Assert.False(UpstreamSet.IsSame(before, after), $"{setting.JsonName} can change and nobody notices");
        });
    }

    private static object Another(Shape shape, object? value) => shape.Kind switch
    {
        ShapeKind.Text => "another",
        ShapeKind.Whole => 7,
        ShapeKind.Flag => !(bool)(value ?? false),
        ShapeKind.Duration => TimeSpan.FromSeconds(7),
        ShapeKind.Choice => Enum.GetValues(shape.Type).GetValue(1)!,
        ShapeKind.List => new List<string> { "another" },
        ShapeKind.Map => new Dictionary<string, string> { ["another"] = "" },
        ShapeKind.Record => new TimeoutsConfig { Idle = TimeSpan.FromSeconds(7) },
        _ => throw new InvalidOperationException($"no other {shape.Kind} is known here"),
    };

    /// <summary>Single values by their path in the records: <c>Limits.KeepAlive</c>. Names of the operator's choice are rebuilt as a whole.</summary>
    private static IEnumerable<(string Path, bool NeedsRestart)> Leaves(Shape shape, string path) => shape.Settings.SelectMany(setting =>
        setting.Shape.Kind == ShapeKind.Record ? Leaves(setting.Shape, $"{path}{setting.Name}.") : [(path + setting.Name, setting.NeedsRestart)]);

    [GeneratedRegex(@"(?<![\w.])config\.([A-Z]\w+(?:\.[A-Z]\w+)*)")]
    private static partial Regex ReadOfTheStart();
}
