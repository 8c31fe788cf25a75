namespace CrossModel.EndToEnd.Rows;

/// <summary>Every row of docs/api.md that a request can show, sent through the program to an upstream that keeps what it receives.</summary>
public sealed class RequestRowTests(RowBench bench) : IClassFixture<RowBench>
{
    private static readonly Dictionary<string, RowCase> Cases = Number([.. ParameterRows.All, .. MessageRows.All]);

    public static TheoryData<string> Rows() => [.. Cases.Keys];

    public static IEnumerable<string> Ids => Cases.Values.Select(c => c.Id).Distinct();

    [Theory]
    [MemberData(nameof(Rows))]
    public Task Row_Sent_DoesWhatThePageSays(string row) => bench.CheckAsync(Cases[row]);

    private static Dictionary<string, RowCase> Number(IEnumerable<RowCase> rows) =>
        rows.GroupBy(r => r.Id).SelectMany(group => group.Select((row, i) => (Name: $"{row.Id} {i + 1}", row))).ToDictionary(r => r.Name, r => r.row);
}
