using System.Text.RegularExpressions;
using CrossModel.Protocol;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Protocol;

/// <summary>docs/api.md says what the reader does: each name that the reader knows has its row, and no row is invented.</summary>
public sealed partial class ApiReferenceTests
{
    private static readonly string[] Rows = [.. RowId().Matches(File.ReadAllText(RepoRoot.File("docs", "api.md"))).Select(m => m.Groups[1].Value)];

    [Fact]
    public void Ids_AreUnique() => Assert.Equal(Rows.Length, Rows.Distinct().Count());

    [Fact]
    public void Parameters_EachHaveARow() =>
        Assert.Equal(ChatParameters.Table.Names.Order(), Rows.Where(r => r.StartsWith("param:", StringComparison.Ordinal) && !r.Contains('.', StringComparison.Ordinal)).Select(r => r[6..]).Order());

    [Fact]
    public void ErrorCodes_OfEveryMaker_HaveARow()
    {
        var makers = File.ReadAllText(RepoRoot.File("src", "CrossModel", "Protocol", "ApiError.cs"));
        var codes = ErrorCode().Matches(makers).Select(m => m.Groups[1].Value).Distinct().ToList();
        Assert.True(codes.Count > 15, "the pattern no longer finds the makers");
        Assert.Empty(codes.Select(c => "error:" + c).Except(Rows));
    }

    [GeneratedRegex(@"^\| `([a-z_.]+:[\w.\-]+)` \|", RegexOptions.Multiline)]
    private static partial Regex RowId();

    [GeneratedRegex(@"new\([0-9]{3}, \S+, ""(\w+)""")]
    private static partial Regex ErrorCode();
}
