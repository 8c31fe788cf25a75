using System.Data;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using Npgsql;

namespace CrossModel.Storage;

/// <summary>PostgreSQL through the driver's pool of connections.</summary>
internal sealed class PostgresDatabase : Database
{
    private const int Tries = 5;
    private const long MigrationLock = 0x43726F73_734D6F64; // any number that no other program would take

    private readonly NpgsqlDataSource _source;

    private PostgresDatabase(NpgsqlDataSource source, TimeProvider time) : base(time) => _source = source;

    public static async Task<PostgresDatabase> ReachAsync(string address, DatabaseOptions options, CancellationToken ct)
    {
        var source = NpgsqlDataSource.Create(PostgresAddress.ToConnectionString(address));
        try
        {
            await using var connection = await source.OpenConnectionAsync(ct);
            return new PostgresDatabase(source, options.Time);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or SocketException || IsOfAFile(e))
        {
            await source.DisposeAsync();
            // The driver's message about a connection names the host; the server's (wrong password, no such database) and the driver's own refusals
            // (a password is wanted, TLS is not spoken) do not.
            var what = e switch
            {
                PostgresException answer => answer.MessageText,
                _ when IsOfAFile(e.InnerException ?? e) => "a file of sslrootcert, sslcert or sslkey cannot be used",
                NpgsqlException { InnerException: SocketException socket } => socket.Message,
                NpgsqlException { InnerException: AuthenticationException } => "its certificate is not believed; see sslmode and sslrootcert",
                NpgsqlException { InnerException: null } refusal => refusal.Message.TrimEnd('.'),
                _ => "it did not answer",
            };
            throw new DatabaseException($"The PostgreSQL database cannot be reached: {what}. Check \"database\" in the configuration and that the server runs.", e);
        }
    }

    /// <summary>What the driver lets through as it is: no certificate or key, or one that this user may not read.</summary>
    private static bool IsOfAFile(Exception e) => e is CryptographicException or UnauthorizedAccessException or FileNotFoundException or DirectoryNotFoundException;

    public override Task<T> ReadAsync<T>(Func<Session, Task<T>> read, CancellationToken ct = default) => ElsewhereAsync(async () =>
    {
        await using var session = await ConnectAsync(ct);
        return await read(session);
    });

    public override Task<T> SnapshotAsync<T>(Func<Session, Task<T>> read, CancellationToken ct = default) => ElsewhereAsync(async () =>
    {
        await using var session = await ConnectAsync(ct);
        await using var transaction = await session.Connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        var result = await read(session);
        await transaction.CommitAsync(CancellationToken.None);
        return result;
    });

    public override Task<T> WriteAsync<T>(Func<Session, Task<T>> write, CancellationToken ct = default) => ElsewhereAsync(() => TryAsync(write, ct));

    /// <summary>
    /// The driver locks a connection when it takes it up, while its keep-alive may wait for a socket under that lock; and it goes on where its socket was
    /// read. Neither the one nor what follows belongs on a thread that reads sockets.
    /// </summary>
    private static async Task<T> ElsewhereAsync<T>(Func<Task<T>> work)
    {
        try
        {
            if (!Thread.CurrentThread.IsThreadPoolThread) await Task.Yield();
            return await work();
        }
        finally
        {
            if (!Thread.CurrentThread.IsThreadPoolThread) await Task.Yield();
        }
    }

    private async Task<T> TryAsync<T>(Func<Session, Task<T>> write, CancellationToken ct)
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var session = await ConnectAsync(ct);
            await using var transaction = await session.Connection.BeginTransactionAsync(ct);
            try
            {
                var result = await write(session);
                CountCommit();
                // Not cancelled with the caller: half-way through nobody could say whether it happened.
                if (!await session.Rows.CommitAsync()) await transaction.CommitAsync(CancellationToken.None);
                return result;
            }
            catch (PostgresException e) when (attempt < Tries && e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure)
            {
                // The other side of the deadlock has won and goes on; the disposed transaction is rolled back.
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.ReadOnlySqlTransaction)
            {
                // Another server has taken over, and this one lives on: its connections would be kept for an hour.
                _source.Clear();
                throw;
            }
        }
    }

    private async Task<Session> ConnectAsync(CancellationToken ct)
    {
        var connection = await _source.OpenConnectionAsync(ct);
        return new Session(connection, new PostgresRows(connection), keepsCommands: false);
    }

    public override bool IsUniqueViolation(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.UniqueViolation };

    public override bool IsOutOfTime(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled or PostgresErrorCodes.LockNotAvailable or "25P03" or "25P04" };

    public override bool IsAway(Exception e) => e switch
    {
        // 08 connection, 53 out of something (disk, memory, connections), 57 stopping, starting or out of the server's own time limits, 58 I/O,
        // 25006 became a standby, 25P03 and 25P04 a transaction out of them
        PostgresException p => p.SqlState.StartsWith("08", StringComparison.Ordinal) || p.SqlState.StartsWith("53", StringComparison.Ordinal)
            || p.SqlState.StartsWith("57", StringComparison.Ordinal) || p.SqlState.StartsWith("58", StringComparison.Ordinal)
            || p.SqlState is "25006" or "25P03" or "25P04" || p.IsTransient,
        NpgsqlException => true,
        TimeoutException or SocketException or IOException => true,
        _ => false,
    };

    public override string Reason(Exception e) => e switch
    {
        // A prepared statement is not there, is there already, or is another: each transaction has had another connection.
        PostgresException { SqlState: "26000" or "42P05" or "08P01" } p => $"PostgreSQL's state {p.SqlState}; through a pooler in transaction mode the database's address must end in ?Max Auto Prepare=0&No Reset On Close=true",
        PostgresException p => $"PostgreSQL's state {p.SqlState}",
        _ => base.Reason(e),
    };

    public override Task BackupAsync(string file, CancellationToken ct) =>
        throw new DatabaseException("A PostgreSQL database is copied with its own tool: pg_dump --format=custom --file=FILE DATABASE.");

    public override string Name => "The PostgreSQL database";

    protected override string Remedy(Exception e) =>
        e is PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } ? " The role in the address must own the database, or may create in its schema public." : "";

    public override bool IsShared => true;

    public override string RowLock(string alias) => " FOR UPDATE OF " + alias;

    public override string FreeRowLock(string alias) => RowLock(alias) + " SKIP LOCKED";

    internal override Task LockForMigrationAsync(Session session) =>
        session.ExecuteLongAsync("SELECT pg_advisory_xact_lock(@key)", ("@key", MigrationLock));

    public override ValueTask DisposeAsync() => _source.DisposeAsync();
}
