using System.Reflection;

namespace CrossModel.EndToEnd.Rows;

/// <summary>Every row of docs/api.md has a test that sends it, and every such test has its row.</summary>
public sealed class ApiReferenceTests
{
    private static readonly IReadOnlyList<string> Tested =
    [
        .. RequestRowTests.Ids,
        .. typeof(ApiReferenceTests).Assembly.GetTypes().SelectMany(t => t.GetMethods()).Where(m => m.GetCustomAttribute<FactAttribute>() is not null)
            .SelectMany(m => m.GetCustomAttributes<RowAttribute>()).Select(r => r.Id).Distinct(),
    ];

    [Fact]
    public void Rows_EachHaveATest() => Assert.Empty(ApiRows.Ids.Except(Tested));

    [Fact]
    public void Tests_EachHaveARow() => Assert.Empty(Tested.Except(ApiRows.Ids));

    [Fact]
    public void Rows_AreFound() => Assert.True(ApiRows.Ids.Count > 150, "the pattern no longer finds the rows");
}
