using Microsoft.Data.Sqlite;

namespace CrossModel.Storage;

/// <summary>
/// The one who writes to a SQLite database. Writes queue for a thread of their own, so that a disk sync never holds a thread that serves callers; those
/// waiting together share one commit.
/// </summary>
/// <param name="connect">Opens another connection after a broken one.</param>
/// <param name="countCommit">Called before each commit.</param>
internal sealed class SqliteWriter(Func<Session> connect, Action countCommit) : IAsyncDisposable
{
    private const int MostInOneCommit = 128;

    private readonly Queue<QueuedWrite> _writes = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Session? _session;
    private bool _closing;

    public void Start(Session session)
    {
        _session = session;
        new Thread(Loop) { IsBackground = true, Name = "sqlite writer" }.Start();
    }

    /// <param name="options">Where what follows the write runs.</param>
    public Task<T> WriteAsync<T>(Func<Session, Task<T>> write, TaskCreationOptions options, CancellationToken ct)
    {
        var queued = new QueuedWrite<T>(write, options, ct);
        lock (_writes)
        {
            ObjectDisposedException.ThrowIf(_closing, this);
            _writes.Enqueue(queued);
            Monitor.Pulse(_writes);
        }
        return queued.Task;
    }

    private void Loop()
    {
        var batch = new List<QueuedWrite>();
        while (Take(batch))
        {
            batch.RemoveAll(static write => write.IsCancelled());
            if (batch.Count > 0) Commit(batch);
        }
        _ended.SetResult();
    }

    /// <summary>Waits for writes and takes all that are there. False: there will be none.</summary>
    private bool Take(List<QueuedWrite> batch)
    {
        batch.Clear();
        lock (_writes)
        {
            // Not by a collection that blocks: it spins first, on the processor that those who make the next writes need.
            while (_writes.Count == 0 && !_closing) Monitor.Wait(_writes);
            while (batch.Count < MostInOneCommit && _writes.TryDequeue(out var next)) batch.Add(next);
        }
        return batch.Count > 0;
    }

    private void Commit(List<QueuedWrite> batch)
    {
        try
        {
            var session = _session ??= connect();
            Run(session, "BEGIN IMMEDIATE");
            var alone = batch.Count == 1;
            foreach (var write in batch)
            {
                // Every page that changes under a savepoint is copied first: a write that shares with nobody does without.
                if (!alone) Run(session, "SAVEPOINT one");
                var fault = write.Run(session);
                // Some errors (a full disk) have ended the whole transaction already: then nobody's part is left.
                if (fault is not null && IsOutsideTransaction(session)) throw fault;
                if (alone)
                {
                    if (fault is null) countCommit();
                    Run(session, fault is null ? "COMMIT" : "ROLLBACK");
                    continue;
                }
                if (fault is not null) Run(session, "ROLLBACK TO one");
                Run(session, "RELEASE one");
            }
            if (!alone)
            {
                countCommit();
                Run(session, "COMMIT");
            }
        }
        catch (Exception e)
        {
            // Whatever broke, the next batch starts on a fresh connection; closing this one rolls back.
            if (_session is { } broken)
            {
                _session = null;
                try
                {
                    broken.DisposeAsync().AsTask().GetAwaiter().GetResult();
                }
                catch (SqliteException)
                {
                    // Closing a connection to a lost file may fail as well; it is given up either way.
                }
            }
            foreach (var write in batch) write.Fail(e);
            return;
        }
        foreach (var write in batch) write.Complete();
    }

    private static void Run(Session session, string sql) => session.ExecuteAsync(sql).GetAwaiter().GetResult();

    private static bool IsOutsideTransaction(Session session) =>
        SQLitePCL.raw.sqlite3_get_autocommit(((SqliteConnection)session.Connection).Handle) != 0;

    /// <summary>Takes no more writes and waits for those that are queued.</summary>
    public Task StopAsync()
    {
        lock (_writes)
        {
            _closing = true;
            Monitor.Pulse(_writes);
        }
        return _ended.Task;
    }

    /// <summary>Closes the connection, after <see cref="StopAsync"/>.</summary>
    public ValueTask DisposeAsync() => _session is null ? default : _session.DisposeAsync();

    private abstract class QueuedWrite
    {
        public abstract bool IsCancelled();
        /// <summary>Answers what went wrong; null: nothing.</summary>
        public abstract Exception? Run(Session session);
        public abstract void Complete();
        public abstract void Fail(Exception e);
    }

    private sealed class QueuedWrite<T>(Func<Session, Task<T>> write, TaskCreationOptions options, CancellationToken ct) : QueuedWrite
    {
        private readonly TaskCompletionSource<T> _done = new(options);
        private Exception? _fault;
        private T _result = default!;

        public Task<T> Task => _done.Task;

        public override bool IsCancelled() => ct.IsCancellationRequested && _done.TrySetCanceled(ct);

        public override Exception? Run(Session session)
        {
            try
            {
                _result = write(session).GetAwaiter().GetResult();
                return null;
            }
            catch (Exception e)
            {
                return _fault = e;
            }
        }

        public override void Complete()
        {
            if (_fault is null) _done.TrySetResult(_result);
            else _done.TrySetException(_fault);
        }

        public override void Fail(Exception e) => _done.TrySetException(_fault ?? e);
    }
}
