using CrossModel.Configuration;
using CrossModel.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace CrossModel.Tests.Support;

/// <summary>
/// An empty database for one test. A contract suite is an abstract class whose tests call <see cref="NewAddressAsync"/> of the kind its two
/// subclasses name.
/// </summary>
internal static class TestDatabase
{
    /// <summary>The address of a new, empty database; skips the test where PostgreSQL is asked for and missing.</summary>
    public static async Task<string> NewAddressAsync(bool postgres)
    {
        if (postgres) return await (await PostgresServer.Shared()).CreateDatabaseAsync();
        return "sqlite:" + Path.Combine(TempFolder.New(), "test.db");
    }

    public static async Task<Database> OpenNewAsync(bool postgres, TimeProvider? time = null) => await OpenAsync(await NewAddressAsync(postgres), time);

    public static Task<Database> OpenAsync(string address, TimeProvider? time = null, bool server = false) =>
        Database.OpenAsync(address, new DatabaseOptions(new StorageConfig(), time ?? TimeProvider.System, server, NullLogger.Instance), TestContext.Current.CancellationToken);
}

/// <summary>Folders that are gone when the test run ends.</summary>
internal static class TempFolder
{
    private static readonly Lazy<string> s_root = new(() =>
    {
        var root = Directory.CreateTempSubdirectory("crossmodel-tests-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(root, recursive: true);
        return root;
    });

    private static int s_count;

    public static string New() => Directory.CreateDirectory(Path.Combine(s_root.Value, Interlocked.Increment(ref s_count).ToString(System.Globalization.CultureInfo.InvariantCulture))).FullName;
}
