using CrossModel.Configuration;

namespace CrossModel.Storage;

/// <summary>How to open a database.</summary>
/// <param name="Server">True for the server: on SQLite it takes the file for itself. Command-line processes say false and may write beside it.</param>
internal sealed record DatabaseOptions(StorageConfig Storage, TimeProvider Time, bool Server, ILogger Log)
{
    /// <summary>A SQLite file that is not there is refused with these words, so that nobody is told about an empty one what was meant for another. Null: it is made.</summary>
    public string? IfMissing { get; init; }
}

/// <summary>The database cannot be used; the message is for people and names what to do.</summary>
internal sealed class DatabaseException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>
/// SQLite or PostgreSQL under one SQL text: <c>@name</c> parameters, text ids, BIGINT for times (unix milliseconds), money (nano-dollars) and flags (0/1).
/// What differs lives in <see cref="SqliteDatabase"/> and <see cref="PostgresDatabase"/> and nowhere else.
/// </summary>
internal abstract class Database(TimeProvider time) : IAsyncDisposable
{
    private long _commits;

    public TimeProvider Time { get; } = time;

    /// <summary>Now in unix milliseconds.</summary>
    public long Now => Time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>For messages: <c>The database file /x/crossmodel.db</c>; never with a password.</summary>
    public abstract string Name { get; }

    /// <summary>What helps against this failure of making or reading the schema, as a sentence behind a space; empty: its own words must do.</summary>
    protected abstract string Remedy(Exception e);

    /// <summary>Commits begun so far: what fails without a further one has changed nothing, else nobody can say.</summary>
    public long Commits => Volatile.Read(ref _commits);

    /// <summary>To be called before each commit is sent.</summary>
    protected void CountCommit() => Interlocked.Increment(ref _commits);

    /// <summary>Opens, takes the server's lock if asked to, and migrates. Throws <see cref="DatabaseException"/>.</summary>
    /// <param name="address"><c>sqlite:ABSOLUTE-FILE</c> or <c>postgresql://user:password@host:port/db?sslmode=…</c></param>
    public static async Task<Database> OpenAsync(string address, DatabaseOptions options, CancellationToken ct)
    {
        Database database;
        if (address.StartsWith("sqlite:", StringComparison.OrdinalIgnoreCase))
            database = SqliteDatabase.Open(address["sqlite:".Length..], options);
        else if (PostgresAddress.IsOne(address))
            database = await PostgresDatabase.ReachAsync(address, options, ct);
        else
            throw new DatabaseException("The database address must be \"sqlite:FILE\" or \"postgresql://user:password@host/db\". Mend \"database\" in the configuration.");
        try
        {
            await Migrations.ApplyAsync(database, Migrations.Embedded, options.Log, ct);
            return database;
        }
        catch (Exception e)
        {
            await database.DisposeAsync();
            if (e is DatabaseException or OperationCanceledException) throw;
            throw new DatabaseException($"{database.Name} could not be brought up to date: {e.Message.Split('\n')[0].TrimEnd('.')}.{database.Remedy(e)}", e);
        }
    }

    /// <summary>Runs statements that change nothing; each sees what is committed when it starts.</summary>
    public abstract Task<T> ReadAsync<T>(Func<Session, Task<T>> read, CancellationToken ct = default);

    /// <summary>As <see cref="ReadAsync"/>, but all statements see one moment: for sums that must agree with each other.</summary>
    public abstract Task<T> SnapshotAsync<T>(Func<Session, Task<T>> read, CancellationToken ct = default);

    /// <summary>
    /// One transaction, durable when this returns; any exception takes all of it back. <paramref name="write"/> may run again after a deadlock, so it
    /// must change nothing but the database, and should await nothing but its session: on SQLite it has the only writer.
    /// A connection that breaks during the commit leaves open whether it happened: make such writes repeatable.
    /// </summary>
    public abstract Task<T> WriteAsync<T>(Func<Session, Task<T>> write, CancellationToken ct = default);

    /// <summary>
    /// As above, for one who writes again and again: where a thread of its own writes, what follows runs on that thread, which would else be woken for
    /// every commit. What follows must never block it.
    /// </summary>
    public virtual Task<T> WriteInTurnAsync<T>(Func<Session, Task<T>> write, CancellationToken ct = default) => WriteAsync(write, ct);

    /// <summary>As <see cref="WriteAsync{T}"/>, for writes without a result.</summary>
    public Task WriteAsync(Func<Session, Task> write, CancellationToken ct = default) =>
        WriteAsync(async session =>
        {
            await write(session);
            return true;
        }, ct);

    /// <summary>A row with that unique value is there already.</summary>
    public abstract bool IsUniqueViolation(Exception e);

    /// <summary>Connection lost, server stopping, disk full, locked: not the statement's fault, trying again may help.</summary>
    public abstract bool IsAway(Exception e);

    /// <summary>It is there: its own limit of a statement's, a lock's or a transaction's time has ended this write.</summary>
    public virtual bool IsOutOfTime(Exception e) => false;

    /// <summary>What kind of fault it is, for the log: no text of the database's, which may hold values.</summary>
    public virtual string Reason(Exception e) => e.GetType().Name;

    /// <summary>Writes a consistent copy to a file that must not exist yet. Throws <see cref="DatabaseException"/> where the database has a tool of its own for that.</summary>
    public abstract Task BackupAsync(string file, CancellationToken ct);

    /// <summary>Several servers may work on it at once.</summary>
    public abstract bool IsShared { get; }

    /// <summary>Ends a SELECT whose rows of the table called <paramref name="alias"/> nobody else may change until this transaction ends; empty where the writer is alone anyway.</summary>
    public abstract string RowLock(string alias);

    /// <summary>As <see cref="RowLock"/>, and leaves out the rows that another transaction works on, instead of waiting for it.</summary>
    public abstract string FreeRowLock(string alias);

    /// <summary>A migration's text in this database's own words.</summary>
    internal virtual string Flavored(string sql) => sql;

    /// <summary>Inside a transaction: waits until no other process migrates, and keeps others out until it ends.</summary>
    internal abstract Task LockForMigrationAsync(Session session);

    public abstract ValueTask DisposeAsync();
}
