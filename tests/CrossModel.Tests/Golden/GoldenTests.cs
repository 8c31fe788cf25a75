namespace CrossModel.Tests.Golden;

/// <summary>Runs every file that it finds under Golden/chat. <c>UPDATE_GOLDEN=1</c> writes them anew; whoever does reads the difference.</summary>
public sealed class GoldenTests
{
    public static TheoryData<string, string> Requests() => Found((c, dialect) => c.Has(dialect + ".request.json") || c.Has(dialect + ".refusal.json"));

    public static TheoryData<string, string> Replies() => Found((c, dialect) => c.Has(dialect + ".reply.json") || c.Has(dialect + ".reply.sse") || c.Has(dialect + ".reply.eventstream"));

    [Theory]
    [MemberData(nameof(Requests))]
    public void Request_OfACase_IsTheGoldenOne(string name, string dialect) => new GoldenCase(name, dialect).CheckRequest();

    [Theory]
    [MemberData(nameof(Replies))]
    public void Reply_OfACase_IsTheGoldenOne(string name, string dialect) => new GoldenCase(name, dialect).CheckReply();

    [Fact]
    public void Files_OfEveryCase_BelongToADialect() =>
        Assert.All(GoldenCase.Cases().SelectMany(c => Directory.GetFiles(Path.Combine(GoldenCase.Root, c))).Select(f => Path.GetFileName(f).Split('.')[0]).Where(d => d != "client"), d => Assert.Contains(d, GoldenCase.Dialects()));

    private static TheoryData<string, string> Found(Func<GoldenCase, string, bool> has)
    {
        var found = new TheoryData<string, string>();
        foreach (var name in GoldenCase.Cases())
            foreach (var dialect in GoldenCase.Dialects().Where(d => has(new GoldenCase(name, d), d)))
                found.Add(name, dialect);
        return found;
    }
}
