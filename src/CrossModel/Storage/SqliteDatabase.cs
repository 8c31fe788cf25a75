using System.Collections.Concurrent;
using CrossModel.Configuration;
using Microsoft.Data.Sqlite;

namespace CrossModel.Storage;

/// <summary>SQLite in WAL mode: many readers, and the one <see cref="SqliteWriter"/>.</summary>
internal sealed class SqliteDatabase : Database
{
    private const int IdleReaders = 16;

    private readonly string _file;
    private readonly bool _isFull;
    private readonly FileStream? _serverLock;
    private readonly ConcurrentBag<Session> _readers = [];
    private readonly SqliteWriter _writer;
    private int _disposed;

    // Before the first connection. A session is used by one thread at a time, so the library need not lock each of its calls, nor count its memory
    // under a lock of all connections.
    static SqliteDatabase()
    {
        SQLitePCL.Batteries_V2.Init();
        _ = SQLitePCL.raw.sqlite3_config(SQLitePCL.raw.SQLITE_CONFIG_MULTITHREAD);
        _ = SQLitePCL.raw.sqlite3_config(SQLitePCL.raw.SQLITE_CONFIG_MEMSTATUS, 0);
    }

    private SqliteDatabase(string file, DatabaseOptions options, FileStream? serverLock) : base(options.Time)
    {
        _file = file;
        _isFull = options.Storage.Synchronous != "normal";
        _serverLock = serverLock;
        _writer = new SqliteWriter(() => Connect(forWriting: true), CountCommit);
    }

    public static SqliteDatabase Open(string path, DatabaseOptions options)
    {
        FileStream? serverLock = null;
        try
        {
            var file = Path.GetFullPath(path);
            if (options.IfMissing is { } advice && !File.Exists(file)) throw new DatabaseException($"There is no database at {file}. {advice}");
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            if (options.Server) serverLock = TakeServerLock(file);
            // SQLite would let everybody read it. The files that it makes beside it have this one's mode.
            if (!File.Exists(file)) PrivateFile.Open(file, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite).Dispose();
            var database = new SqliteDatabase(file, options, serverLock);
            var session = database.Connect(forWriting: true);
            // Asked for writing, SQLite opens what it may only read all the same, and a transaction that writes begins as well.
            if (options.Server && SQLitePCL.raw.sqlite3_db_readonly(((SqliteConnection)session.Connection).Handle, "main") == 1)
            {
                session.DisposeAsync().AsTask().GetAwaiter().GetResult();
                throw OfAnotherUser(file);
            }
            database._writer.Start(session);
            return database;
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            serverLock?.Dispose();
            // 14: cannot open. It is there, so it is this user who cannot.
            if ((e is SqliteException { SqliteErrorCode: 14 } or UnauthorizedAccessException) && File.Exists(path)) throw OfAnotherUser(path);
            throw new DatabaseException($"The database file {path} cannot be opened: {e.Message} Check \"database\" in the configuration and the folder's permissions.", e);
        }
        catch
        {
            serverLock?.Dispose();
            throw;
        }
    }

    private static DatabaseException OfAnotherUser(string file) =>
        new($"The database file {file} cannot be written by this user. Give it to this user (chown), and run commands as the service's user: what another user's command makes belongs to that user.");

    // An operating-system lock on a file beside the database: it ends with the process, however that ends. Not on the database file itself, since
    // closing any other handle of that would drop the locks that SQLite holds on it (POSIX).
    private static FileStream TakeServerLock(string file)
    {
        var real = File.Exists(file) ? File.ResolveLinkTarget(file, returnFinalTarget: true)?.FullName ?? file : file;
        try
        {
            return PrivateFile.Open(real + ".lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        // EWOULDBLOCK of Linux and macOS, a sharing violation of Windows. Whatever else there is (a file system that takes no writes) is no other server.
        catch (IOException e) when (e.HResult is 11 or 35 or unchecked((int)0x80070020))
        {
            throw new DatabaseException(
                $"Another CrossModel server already runs on the database file {file}. Stop it first, give this one a \"database\" of its own, or use PostgreSQL for several servers.", e);
        }
    }

    private Session Connect(bool forWriting)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = _file,
            Mode = SqliteOpenMode.ReadWriteCreate,
            Pooling = false, // sessions are kept here, with their statements
            DefaultTimeout = 1, // the driver tries again this long after busy_timeout, asleep: the latter waits better
        }.ConnectionString);
        try
        {
            connection.Open();
            using var pragmas = connection.CreateCommand();
            pragmas.CommandText = "PRAGMA busy_timeout=5000; PRAGMA foreign_keys=ON; " + (forWriting
                ? _isFull ? "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" : "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                : "PRAGMA query_only=ON;");
            pragmas.ExecuteNonQuery();
            return new Session(connection, new SqliteRows(connection), keepsCommands: true);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    public override async Task<T> ReadAsync<T>(Func<Session, Task<T>> read, CancellationToken ct = default)
    {
        ct.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        // A file is waited for on the thread that reads it: never on one that reads sockets.
        await Task.Yield();
        if (!_readers.TryTake(out var session)) session = Connect(forWriting: false);
        var reusable = false;
        try
        {
            var result = await read(session);
            reusable = true;
            return result;
        }
        finally
        {
            // A session whose statement failed is not kept: what ails it (a lost file, a transaction left open) would meet the next reader.
            if (reusable && _readers.Count < IdleReaders && _disposed == 0) _readers.Add(session);
            else await session.DisposeAsync();
        }
    }

    public override Task<T> SnapshotAsync<T>(Func<Session, Task<T>> read, CancellationToken ct = default) =>
        ReadAsync(async session =>
        {
            await session.ExecuteAsync("BEGIN");
            var result = await read(session);
            await session.ExecuteAsync("COMMIT");
            return result;
        }, ct);

    public override Task<T> WriteAsync<T>(Func<Session, Task<T>> write, CancellationToken ct = default) =>
        _writer.WriteAsync(write, TaskCreationOptions.RunContinuationsAsynchronously, ct);

    public override Task<T> WriteInTurnAsync<T>(Func<Session, Task<T>> write, CancellationToken ct = default) =>
        _writer.WriteAsync(write, TaskCreationOptions.None, ct);

    public override bool IsUniqueViolation(Exception e) => e is SqliteException { SqliteExtendedErrorCode: 2067 or 1555 };

    // 5 busy, 6 locked, 7 no memory, 8 read-only, 10 I/O, 13 full, 14 cannot open
    public override bool IsAway(Exception e) => e is SqliteException { SqliteErrorCode: 5 or 6 or 7 or 8 or 10 or 13 or 14 };

    public override string Reason(Exception e) => e is SqliteException s ? s.SqliteErrorCode == 13 ? "the disk is full" : $"SQLite's error {s.SqliteErrorCode}" : base.Reason(e);

    public override async Task BackupAsync(string file, CancellationToken ct)
    {
        if (Path.Exists(file)) throw new DatabaseException($"{file} exists already. Name a new file, so that no older copy is lost.");
        var unfinished = file + ".part";
        await using var session = Connect(forWriting: true);
        try
        {
            File.Delete(unfinished);
            PrivateFile.Open(unfinished, FileMode.CreateNew, FileAccess.Write).Dispose();
            await session.ExecuteAsync("VACUUM INTO @file", ("@file", unfinished));
            File.Move(unfinished, file);
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            if (File.Exists(unfinished)) File.Delete(unfinished);
            throw new DatabaseException($"The copy could not be written: {e.Message.TrimEnd('.')}. Name a file in a folder that is there, can be written and has room.", e);
        }
    }

    public override string Name => $"The database file {_file}";

    protected override string Remedy(Exception e) => (e as SqliteException)?.SqliteErrorCode switch
    {
        8 => " Run this as the user whose file it is, and see that its folder may be written.",
        11 => " The file is damaged. Keep it, and put a copy in its place (crossmodel backup makes such).",
        26 => " The file is no database of SQLite's. Name another in \"database\".",
        _ => "",
    };

    public override bool IsShared => false;

    public override string RowLock(string alias) => "";

    public override string FreeRowLock(string alias) => "";

    internal override string Flavored(string sql) => sql.Replace("/*sqlite WITHOUT ROWID*/", "WITHOUT ROWID", StringComparison.Ordinal);

    // The writer's transaction is BEGIN IMMEDIATE: it keeps every other process out already.
    internal override Task LockForMigrationAsync(Session session) => Task.CompletedTask;

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        await _writer.StopAsync();
        while (_readers.TryTake(out var reader)) await reader.DisposeAsync();
        // Last, so that it can fold the WAL into the database file.
        await _writer.DisposeAsync();
        _serverLock?.Dispose();
    }
}
