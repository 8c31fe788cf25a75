using CrossModel.Routing;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Routing;

/// <summary>docs/configuration.md names every variable and port that a start without a file looks at.</summary>
public sealed class FoundModelsDocumentTests
{
    [Fact]
    public async Task Document_NamesEveryVariableAndPort()
    {
        var document = await File.ReadAllTextAsync(Path.Combine(RepoRoot.Folder, "docs", "configuration.md"), TestContext.Current.CancellationToken);
        Assert.All(Vendor.All.SelectMany(vendor => vendor.Keys), key => Assert.Contains($"`{key}`", document, StringComparison.Ordinal));
        Assert.All(LoopbackServer.Usual, server => Assert.Contains(server.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), document, StringComparison.Ordinal));
    }
}
