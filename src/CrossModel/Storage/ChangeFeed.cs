namespace CrossModel.Storage;

/// <summary>
/// Tells this node what others changed: a counter per kind in the table <c>change</c>, asked for every 300 ms. Who changes a thing takes the next
/// number with <see cref="NextAsync"/> in the same transaction and stamps the row with it; the counter's row stays locked until the commit, so
/// numbers become visible in order and nobody misses one.
/// </summary>
internal sealed class ChangeFeed(Database database, ILogger log) : IAsyncDisposable
{
    public static TimeSpan Interval { get; } = TimeSpan.FromMilliseconds(300);

    private static readonly TimeSpan LongestAnswer = TimeSpan.FromSeconds(3);

    private readonly List<(string Kind, Func<long, Task> Changed)> _listeners = [];
    private readonly Dictionary<string, long> _seen = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _oneAtATime = new(1);
    private readonly CancellationTokenSource _stopping = new();
    private Task _loop = Task.CompletedTask;
    private long _lastAnswer;
    private bool _knowsWhereItIs;
    private bool _failing;

    /// <summary>Takes the next number of a kind, to stamp the changed row with.</summary>
    public static async Task<long> NextAsync(Session session, string kind) =>
        await session.FirstAsync(
            "INSERT INTO change (kind, number) VALUES (@kind, 1) ON CONFLICT (kind) DO UPDATE SET number = change.number + 1 RETURNING number",
            row => row.GetInt64(0), ("@kind", kind));

    /// <summary>Before <see cref="StartAsync"/>: <paramref name="changed"/> is given the last number seen before;
    /// rows stamped above it are news. If it throws it is asked again.</summary>
    public void On(string kind, Func<long, Task> changed) => _listeners.Add((kind, changed));

    /// <summary>Asks once, so that nothing is missed from here on, then every 300 ms.</summary>
    public async Task StartAsync()
    {
        await PollAsync();
        _loop = LoopAsync();
    }

    /// <summary>True when no answer has come for that long: what this node remembers may be out of date.</summary>
    public bool IsStale(TimeSpan limit) =>
        !Volatile.Read(ref _knowsWhereItIs) || database.Time.GetElapsedTime(Volatile.Read(ref _lastAnswer)) > limit;

    /// <summary>Asks now; when it returns all changes committed before are told.</summary>
    public async Task PollAsync()
    {
        await _oneAtATime.WaitAsync();
        try
        {
            var asked = database.Time.GetTimestamp();
            using var patience = new CancellationTokenSource(LongestAnswer, database.Time);
            var counters = await database.ReadAsync(
                session => session.QueryAsync("SELECT kind, number FROM change", row => (Kind: row.GetString(0), Number: row.GetInt64(1))), patience.Token);
            foreach (var (kind, number) in counters)
            {
                var before = _seen.GetValueOrDefault(kind);
                if (number == before) continue;
                if (_knowsWhereItIs)
                    foreach (var listener in _listeners)
                        if (listener.Kind == kind) await listener.Changed(before);
                _seen[kind] = number;
            }
            _knowsWhereItIs = true;
            // From when it was asked: the answer is no younger than the question.
            Volatile.Write(ref _lastAnswer, asked);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    private async Task LoopAsync()
    {
        using var timer = new PeriodicTimer(Interval, database.Time);
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await timer.WaitForNextTickAsync(_stopping.Token);
                await PollAsync();
                if (_failing) log.ChangesFollowedAgain();
                _failing = false;
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // Whatever it was, the feed must go on: staleness is what callers feel, and the first failure says why.
                if (!_failing) log.ChangesNotFollowed(database.Reason(e));
                _failing = true;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _loop;
        _stopping.Dispose();
        _oneAtATime.Dispose();
    }
}

internal static partial class Log
{
    [LoggerMessage(EventId = 6002, Level = LogLevel.Warning, Message = "The database does not say what changed ({Fault}); new calls are refused if this lasts")]
    public static partial void ChangesNotFollowed(this ILogger log, string fault);

    [LoggerMessage(EventId = 6003, Level = LogLevel.Information, Message = "The database says what changed again")]
    public static partial void ChangesFollowedAgain(this ILogger log);
}
