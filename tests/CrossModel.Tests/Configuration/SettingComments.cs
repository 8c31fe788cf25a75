using System.Text.RegularExpressions;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Configuration;

/// <summary>The doc comments of the configuration records, read from their source: the schema's and the document's one source of words.</summary>
internal static partial class SettingComments
{
    private static readonly Dictionary<string, string> Found = Read();

    /// <param name="member">Record, or record and property: <c>LimitsConfig.FanOut</c>.</param>
    public static string Of(string member) => Found.TryGetValue(member, out string? text) ? text
        : throw new InvalidOperationException($"{member} has no doc comment: it is what users read about it.");

    private static Dictionary<string, string> Read()
    {
        var found = new Dictionary<string, string>();
        var record = "";
        string? comment = null;
        foreach (var line in File.ReadLines(Path.Combine(RepoRoot.Folder, "src/CrossModel/Configuration/GatewayConfig.cs")))
        {
            if (Comment().Match(line) is { Success: true } words)
                comment = Tag().Replace(words.Groups[1].Value, "`");
            else if (Record().Match(line) is { Success: true } head)
            {
                record = head.Groups[1].Value;
                if (comment is not null)
                    found[record] = comment;
                comment = null;
            }
            else if (Property().Match(line) is { Success: true } property)
            {
                if (comment is not null)
                    found[$"{record}.{property.Groups[1].Value}"] = comment;
                comment = null;
            }
        }
        return found;
    }

    [GeneratedRegex(@"^\s*/// <summary>(.*)</summary>$")]
    private static partial Regex Comment();

    [GeneratedRegex(@"</?c>")]
    private static partial Regex Tag();

    [GeneratedRegex(@"^internal sealed record (\w+)$")]
    private static partial Regex Record();

    [GeneratedRegex(@"^    public .+ (\w+) \{ get; init; \}")]
    private static partial Regex Property();
}
