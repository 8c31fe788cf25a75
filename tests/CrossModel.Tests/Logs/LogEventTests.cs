using System.Globalization;
using System.Text.RegularExpressions;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Logs;

/// <summary>What the program logs has numbers and names that an operator can count on.</summary>
public sealed partial class LogEventTests
{
    private static readonly List<string> s_events = [.. Directory.EnumerateFiles(Path.Combine(RepoRoot.Folder, "src", "CrossModel"), "*.cs", SearchOption.AllDirectories)
        .SelectMany(file => Message().Matches(File.ReadAllText(file)).Select(message => message.Value))];

    [Fact]
    public void EveryEvent_HasANumberOfItsOwnThatTheDocumentLists()
    {
        var document = File.ReadAllText(Path.Combine(RepoRoot.Folder, "docs", "operations.md"));
        Assert.True(s_events.Count > 15, "the messages have another form");
        Assert.All(s_events, message => Assert.Matches(Number(), message));
        var numbers = s_events.Select(message => int.Parse(Number().Match(message).Groups[1].Value, CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(numbers.Distinct().Count(), numbers.Count);
        Assert.All(numbers.Where(number => number > 2), number => Assert.Contains($"| {number} |", document, StringComparison.Ordinal));
    }

    [Fact]
    public void Message_CallsAFieldByTheNameThatItHasInJson() =>
        Assert.All(s_events.SelectMany(message => Field().Matches(message)), field =>
            Assert.Equal(System.Text.Json.JsonNamingPolicy.SnakeCaseLower.ConvertName(field.Groups[2].Value), field.Groups[1].Value));

    [GeneratedRegex(@"\[LoggerMessage\(.*\)\]")]
    private static partial Regex Message();

    [GeneratedRegex(@"EventId = (\d+)")]
    private static partial Regex Number();

    [GeneratedRegex(@"(\w+)=\{(\w+)\}")]
    private static partial Regex Field();
}
