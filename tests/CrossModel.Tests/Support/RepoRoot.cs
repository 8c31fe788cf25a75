namespace CrossModel.Tests.Support;

/// <summary>Where the checkout is.</summary>
internal static class RepoRoot
{
    public static string Folder { get; } = Find();

    public static string File(params string[] parts) => Path.Combine([Folder, .. parts]);

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (System.IO.File.Exists(Path.Combine(folder.FullName, "CrossModel.slnx"))) return folder.FullName;
        throw new InvalidOperationException("The tests run from outside a checkout: no CrossModel.slnx above " + AppContext.BaseDirectory);
    }
}

/// <summary>The recorded exchanges beside the checkout; a clone alone does not have them.</summary>
internal static class Fixtures
{
    /// <summary>Null where they are missing.</summary>
    public static string? Folder { get; } = Find();

    /// <summary>The folder, or the test is reported as left out.</summary>
    public static string Require()
    {
        if (Folder is null) Assert.Skip("left out: the recorded exchanges (../shared/fixtures) are not beside this checkout");
        return Folder!;
    }

    /// <summary>Of recordings, for a theory; none where they are missing.</summary>
    public static TheoryData<string> Names(Func<IEnumerable<string>> names) => Folder is null ? [] : [.. names()];

    private static string? Find()
    {
        var folder = Path.GetFullPath(RepoRoot.File("..", "shared", "fixtures"));
        return Directory.Exists(folder) ? folder : null;
    }
}
