using CrossModel.Tests.Support;

namespace CrossModel.Tests.Cli;

public sealed class BackupCommandTests
{
    [Fact]
    public async Task Backup_BesideARunningServer_OpensWithTheSameBalances()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme", "--balance", "12.5");
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "copy.db.part"), "left by one that was killed");
        await using (await TestDatabase.OpenAsync("sqlite:" + run.DatabaseFile, server: true))
            await run.GoodAsync("backup", "copy.db");
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "restored.json"), """{ "database": "sqlite:copy.db" }""");
        Assert.Equal("12.50", await run.GoodAsync("accounts", "balance", "acme", "--config", "restored.json"));
    }

    [Fact]
    public async Task Backup_OntoAFileThatIsThere_IsRefusedAndLeavesIt()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        var file = Path.Combine(run.Folder, "copy.db");
        await File.WriteAllTextAsync(file, "mine");
        foreach (var taken in new[] { "copy.db", "." })
        {
            Assert.Equal(1, await run.RunAsync("backup", taken));
            Assert.Contains("exists already. Name a new file", run.Error, StringComparison.Ordinal);
        }
        Assert.Equal("mine", await File.ReadAllTextAsync(file));
    }

    [Fact]
    public async Task Backup_IntoAFolderThatIsNotThere_IsRefusedInWords()
    {
        var run = new CommandRun();
        await run.GoodAsync("accounts", "create", "acme");
        Assert.Equal(1, await run.RunAsync("backup", "nowhere/copy.db"));
        Assert.Contains("The copy could not be written", run.Error, StringComparison.Ordinal);
        Assert.Contains("Name a file in a folder that is there", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backup_OnPostgres_IsRefusedNamingItsOwnTool()
    {
        var run = new CommandRun();
        await File.WriteAllTextAsync(Path.Combine(run.Folder, "crossmodel.json"), $$"""{ "database": "{{await TestDatabase.NewAddressAsync(postgres: true)}}" }""");
        Assert.Equal(1, await run.RunAsync("backup", "copy.db"));
        Assert.Contains("pg_dump", run.Error, StringComparison.Ordinal);
    }
}
