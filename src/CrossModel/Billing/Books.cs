using System.Threading.Channels;
using CrossModel.Storage;

namespace CrossModel.Billing;

/// <summary>
/// The node's one writer of money. What arrives while a commit runs shares the next one, so a disk sync is paid once for many replies. One writer also
/// means that what a commit says about this node's leases is the whole truth about them.
/// </summary>
internal sealed class Books : IAsyncDisposable
{
    private const int MostInOneCommit = 256;

    // To wake a worker costs more than to send most answers; but the last of a crowd, and the next commit, would wait for all of them.
    private const int AnsweredHere = 64;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly Database _database;
    private readonly ILogger _log;
    private readonly Channel<BookItem> _arrivals;
    private readonly Queue<BookItem> _waiting = new();
    private readonly CancellationTokenSource _givingUp = new();
    private readonly Task _loop;
    private int _disposed;

    public Books(Database database, ILogger log)
    {
        (_database, _log) = (database, log);
        Node = Ids.New("node", database.Time);
        // Where a thread of its own writes, who brings the first item of a commit wakes it himself: a worker in between would be woken only to do that.
        _arrivals = Channel.CreateUnbounded<BookItem>(new UnboundedChannelOptions { SingleReader = true, AllowSynchronousContinuations = !database.IsShared });
        _loop = LoopAsync();
    }

    public Database Database => _database;
    public ILogger Log => _log;

    /// <summary>This process's name on its leases. New at every start: a restarted process never takes an old one's leases for its own.</summary>
    public string Node { get; }

    /// <summary>The last commit failed because the database was away, and none has succeeded since.</summary>
    public bool IsAway { get; private set; }

    /// <summary>False once the books are closed: then it will never be written.</summary>
    public bool Add(BookItem item) => _arrivals.Writer.TryWrite(item);

    private async Task LoopAsync()
    {
        var batch = new List<BookItem>();
        while (_waiting.Count > 0 || await _arrivals.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < MostInOneCommit && (_waiting.TryDequeue(out var item) || _arrivals.Reader.TryRead(out item))) batch.Add(item);
            await CommitAsync(batch, mayBeThere: false);
            // Whatever ended it: as long as it says so nobody is let in who could find out that the database is back.
            if (IsAway && _waiting.Count == 0) await WaitUntilBackAsync();
        }
        // Who waits for the end must not go on as the database's writer.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
    }

    /// <param name="mayBeThere">An earlier try may have committed, or the database says that a request is there already: look before writing.</param>
    private async Task CommitAsync(List<BookItem> items, bool mayBeThere)
    {
        while (items.Count > 0)
        {
            try
            {
                await _database.WriteInTurnAsync(session => ApplyAsync(session, items, mayBeThere), _givingUp.Token);
                if (IsAway) _log.BooksAreBack();
                IsAway = false;
                foreach (var item in items) item.Committed();
                Answer(items);
                return;
            }
            catch (OperationCanceledException) when (_givingUp.IsCancellationRequested)
            {
                foreach (var item in items) item.Failed(away: true);
                return;
            }
            catch (Exception e) when (_database.IsOutOfTime(e))
            {
                // Somebody holds an account's row: what is of that account waits for him, and keeps no other waiting.
                var accounts = items.GroupBy(i => i.AccountId).ToList();
                if (accounts.Count > 1)
                {
                    foreach (var account in accounts) await CommitAsync([.. account], mayBeThere: true);
                    return;
                }
                _log.AccountIsLate(_database.Reason(e), items.Count);
                foreach (var item in items)
                    if (item.OutlivesOutage) _ = AgainAsync(item);
                    else item.Failed(away: false);
                return;
            }
            catch (Exception e) when (_database.IsAway(e))
            {
                if (!IsAway) _log.BooksAreAway(_database.Reason(e));
                IsAway = true;
                mayBeThere = true;
                FailImpatient(items);
                if (items.Count > 0 && !await PauseAsync())
                {
                    foreach (var item in items) item.Failed(away: true);
                    return;
                }
            }
            catch (Exception e) when (!mayBeThere && _database.IsUniqueViolation(e))
            {
                mayBeThere = true;
            }
            catch (Exception e) when (items.Count == 1)
            {
                _log.BookItemFailed(_database.Reason(e), items[0].GetType().Name);
                items[0].Failed(away: false);
                return;
            }
            catch (Exception)
            {
                // Somebody in here is at fault: halves are tried until it stands alone, and the others are on the books.
                var half = items.Count / 2;
                await CommitAsync(items[..half], mayBeThere: true);
                await CommitAsync(items[half..], mayBeThere: true);
                return;
            }
        }
    }

    /// <summary>Nobody is left to ask for the database: whether it is back only a write can tell, since a full disk can be read. Any fault of it means no.</summary>
    private async Task WaitUntilBackAsync()
    {
        while (!_arrivals.Reader.Completion.IsCompleted && await PauseAsync())
        {
            try
            {
                await _database.WriteInTurnAsync(Probe, _givingUp.Token);
                _log.BooksAreBack();
                IsAway = false;
                return;
            }
            catch (OperationCanceledException) when (_givingUp.IsCancellationRequested)
            {
                return;
            }
            catch (Exception)
            {
                FailImpatient([]);
                if (_waiting.Count > 0) return;
            }
        }
    }

    private static async Task<bool> Probe(Session session)
    {
        await session.ExecuteAsync("UPDATE account SET leased = leased WHERE id IN (SELECT id FROM account LIMIT 1)");
        return true;
    }

    private async Task<bool> ApplyAsync(Session session, List<BookItem> items, bool mayBeThere)
    {
        // What has arrived since this commit was begun comes along; not into a later try, which looks for who was at fault in the one before.
        while (!mayBeThere && items.Count < MostInOneCommit && _arrivals.Reader.TryRead(out var item)) items.Add(item);
        var leases = items.Any(i => i is LeaseChange);
        if (leases && _database.IsShared) await Nodes.EnsureAliveAsync(session, Node);
        var posting = await Posting.OpenAsync(_database, session, Node, items.Select(i => i.AccountId));
        if (mayBeThere || items.Any(i => i is Charge { IsAbandoned: true }))
            posting.AlreadyThere = await Usage.RecordStore.FindAsync(session,
                [.. items.OfType<Charge>().Select(c => c.Record.Id)]);
        if (items.Any(i => i is Charge { IsAbandoned: true })) posting.Refunded = await FindRefundsAsync(session, items, posting.AlreadyThere);
        // Charges first: what they free can be leased in the same commit.
        foreach (var item in items)
            if (item is not LeaseChange) item.Apply(posting, RowOf(posting, item));
        if (leases)
            foreach (var item in items)
                if (item is LeaseChange) item.Apply(posting, RowOf(posting, item));
        await posting.SaveLastAsync();
        return true;
    }

    private void Answer(List<BookItem> items)
    {
        // A shared database is waited for, not worked for: the next commit begins meanwhile, and the pool answers.
        var here = _database.IsShared ? 0 : Math.Min(AnsweredHere, items.Count);
        for (var i = here; i < items.Count; i += AnsweredHere)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static portion =>
            {
                foreach (var item in portion) item.Answer();
            }, items.GetRange(i, Math.Min(AnsweredHere, items.Count - i)), preferLocal: false);
        }
        for (var i = 0; i < here; i++) items[i].Answer();
    }

    // Seldom: a charge whose caller was told "not charged", and whose refund itself may have been cut in its commit.
    private static async Task<HashSet<string>> FindRefundsAsync(Session session, List<BookItem> items, IReadOnlyDictionary<string, (long Seq, long Cost)> alreadyThere)
    {
        var refunded = new HashSet<string>(StringComparer.Ordinal);
        foreach (var charges in items.OfType<Charge>().Where(c => c.IsAbandoned && alreadyThere.ContainsKey(c.Record.Id)).GroupBy(c => c.AccountId))
        {
            // A refund comes after its charge.
            var first = charges.Min(c => alreadyThere[c.Record.Id].Seq);
            await foreach (var (seq, kind, reference) in Ledger.EntriesBackAsync(session, charges.Key))
            {
                if (seq <= first) break;
                if (kind == EntryKind.Refund) refunded.Add(reference);
            }
        }
        return refunded;
    }

    private static AccountRow RowOf(Posting posting, BookItem item) =>
        posting.Find(item.AccountId) ?? throw new InvalidOperationException("The account of a charge is not in the database.");

    private void FailImpatient(List<BookItem> items)
    {
        while (_arrivals.Reader.TryRead(out var arrival)) _waiting.Enqueue(arrival);
        for (var i = _waiting.Count; i > 0; i--)
        {
            var item = _waiting.Dequeue();
            if (item.OutlivesOutage) _waiting.Enqueue(item);
            else item.Failed(away: true);
        }
        foreach (var item in items)
            if (!item.OutlivesOutage) item.Failed(away: true);
        items.RemoveAll(i => !i.OutlivesOutage);
    }

    /// <summary>A little later: whoever holds the row lets go.</summary>
    private async Task AgainAsync(BookItem item)
    {
        await Task.Delay(Pause, _database.Time, _givingUp.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!Add(item)) item.Failed(away: true);
    }

    private async Task<bool> PauseAsync()
    {
        try
        {
            await Task.Delay(Pause, _database.Time, _givingUp.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Writes what is queued; gives up after 10 s, since a process that is asked to end must end.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        _arrivals.Writer.TryComplete();
        _givingUp.CancelAfter(TimeSpan.FromSeconds(10));
        await _loop;
        _givingUp.Dispose();
    }
}

internal static partial class Log
{
    [LoggerMessage(EventId = 7001, Level = LogLevel.Error, Message = "The database is away ({Fault}): charges wait for it, new calls that need money are refused")]
    public static partial void BooksAreAway(this ILogger log, string fault);

    [LoggerMessage(EventId = 7002, Level = LogLevel.Information, Message = "The database is back: it takes what is written again")]
    public static partial void BooksAreBack(this ILogger log);

    [LoggerMessage(EventId = 7004, Level = LogLevel.Warning, Message = "{Count} writes of one account were not done in the time that the database gives a statement or a lock ({Fault}): its charges are tried again, and pg_locks shows who holds its row")]
    public static partial void AccountIsLate(this ILogger log, string fault, int count);

    [LoggerMessage(EventId = 7003, Level = LogLevel.Error, Message = "One {Item} could not be written ({Fault}); the others of its commit were")]
    public static partial void BookItemFailed(this ILogger log, string fault, string item);
}
