using CrossModel.Storage;
using CrossModel.Tests.Support;
using Microsoft.Data.Sqlite;

namespace CrossModel.Tests.Storage;

public sealed class SqliteDatabaseTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Server_SecondOnTheSameFile_IsRefusedInWordsAndTheFirstGoesOn()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: false);
        await using (var first = await TestDatabase.OpenAsync(address, server: true))
        {
            var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync(address, server: true));
            Assert.Contains("Another CrossModel server", refusal.Message, StringComparison.Ordinal);
            await first.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel);
        }
        await using var next = await TestDatabase.OpenAsync(address, server: true);
    }

    [Fact]
    public async Task Server_SecondOnTheSameFileThroughALink_IsRefusedToo()
    {
        var folder = TempFolder.New();
        var (file, link) = (Path.Combine(folder, "a.db"), Path.Combine(folder, "link.db"));
        await (await TestDatabase.OpenAsync("sqlite:" + file)).DisposeAsync();
        File.CreateSymbolicLink(link, file);
        await using var first = await TestDatabase.OpenAsync("sqlite:" + link, server: true);
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync("sqlite:" + file, server: true));
        Assert.Contains("Another CrossModel server", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CommandLine_BesideARunningServer_WritesAndIsSeen()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: false);
        await using var server = await TestDatabase.OpenAsync(address, server: true);
        await using (var commandLine = await TestDatabase.OpenAsync(address))
            await Task.WhenAll(Enumerable.Range(0, 50).Select(i => (i % 2 == 0 ? server : commandLine).WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel)));
        Assert.Equal(51, await server.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel));
    }

    [Fact]
    public async Task Files_OfANewDatabase_AreThisUsersAlone()
    {
        if (OperatingSystem.IsWindows()) return;
        var folder = TempFolder.New();
        await using var server = await TestDatabase.OpenAsync("sqlite:" + Path.Combine(folder, "a.db"), server: true);
        await server.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel);
        await server.BackupAsync(Path.Combine(folder, "copy.db"), Cancel);

        var files = Directory.GetFiles(folder);
        Assert.Equal(["a.db", "a.db-shm", "a.db-wal", "a.db.lock", "copy.db"], files.Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal));
        foreach (var file in files) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Fact]
    public async Task Open_FolderMissing_IsMade()
    {
        var file = Path.Combine(TempFolder.New(), "a", "b", "c.db");
        await using var database = await TestDatabase.OpenAsync("sqlite:" + file);
        Assert.True(File.Exists(file));
    }

    [Fact]
    public async Task Open_FileThatIsNoDatabase_IsRefusedInWordsAndUntouched()
    {
        var file = Path.Combine(TempFolder.New(), "notes.txt");
        var text = string.Concat(Enumerable.Repeat("shopping list\n", 500));
        await File.WriteAllTextAsync(file, text, Cancel);
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync("sqlite:" + file));
        Assert.Contains(file, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("Name another in \"database\"", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(text, await File.ReadAllTextAsync(file, Cancel));
    }

    [Fact]
    public async Task Open_FileThatIsDamaged_IsRefusedByItsName()
    {
        var file = Path.Combine(TempFolder.New(), "test.db");
        await using (await TestDatabase.OpenAsync("sqlite:" + file)) { }
        await using (var stream = File.OpenWrite(file))
        {
            stream.Position = 4096;
            await stream.WriteAsync(Enumerable.Repeat((byte)0xAA, (int)(stream.Length - 4096)).ToArray(), Cancel);
        }
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync("sqlite:" + file));
        Assert.Contains(file, refusal.Message, StringComparison.Ordinal);
        Assert.Contains("put a copy in its place", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Server_WhoseLockCannotBeMade_IsNotToldOfAnotherServer()
    {
        var file = Path.Combine(TempFolder.New(), "test.db");
        File.CreateSymbolicLink(file + ".lock", file + ".lock"); // leads to itself: neither opened nor made
        var refusal = await Assert.ThrowsAsync<DatabaseException>(() => TestDatabase.OpenAsync("sqlite:" + file, server: true));
        Assert.Contains("cannot be opened", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Another", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pragmas_OnTheWriter_AreWalAndFullSync()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres: false);
        var (mode, sync) = await database.WriteAsync(async session => (
            await session.FirstAsync("PRAGMA journal_mode", row => row.GetString(0)),
            await session.FirstAsync<long?>("PRAGMA synchronous", row => row.GetInt64(0))), Cancel);
        Assert.Equal(("wal", 2), (mode, sync));
    }

    [Fact]
    public async Task Write_WhileAnotherProcessHoldsTheFileTooLong_IsAwayAndComesBack()
    {
        var address = await TestDatabase.NewAddressAsync(postgres: false);
        await using var database = await TestDatabase.OpenAsync(address);
        await using var other = new SqliteConnection($"Data Source={address["sqlite:".Length..]};Pooling=false");
        await other.OpenAsync(Cancel);
        var exclusive = other.CreateCommand();
        exclusive.CommandText = "BEGIN IMMEDIATE";
        await exclusive.ExecuteNonQueryAsync(Cancel);
        var fault = await Assert.ThrowsAnyAsync<SqliteException>(() => database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel));
        Assert.True(database.IsAway(fault));
        exclusive.CommandText = "ROLLBACK";
        await exclusive.ExecuteNonQueryAsync(Cancel);
        Assert.Equal(1, await database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel));
    }

    [Fact]
    public async Task Backup_WhileWritesRun_IsAConsistentCopyThatOpens()
    {
        await using var database = await TestDatabase.OpenNewAsync(postgres: false);
        for (var i = 0; i < 10; i++) await database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel);
        var copy = Path.Combine(TempFolder.New(), "copy.db");
        var writes = Enumerable.Range(0, 20).Select(_ => database.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel)).ToArray();
        await database.BackupAsync(copy, Cancel);
        await Task.WhenAll(writes);
        await using var opened = await TestDatabase.OpenAsync("sqlite:" + copy);
        Assert.InRange(await opened.WriteAsync(session => ChangeFeed.NextAsync(session, "a"), Cancel), 11, 31);
        await Assert.ThrowsAsync<DatabaseException>(() => database.BackupAsync(copy, Cancel));
    }
}
