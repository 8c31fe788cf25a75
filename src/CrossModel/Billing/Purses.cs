using System.Collections.Concurrent;
using CrossModel.Accounts;

namespace CrossModel.Billing;

/// <summary>An account's money as it is now. Amounts in nano-dollars.</summary>
/// <param name="Held">What calls in flight hold on this node and other nodes lease; from a process without purses: what all nodes lease.</param>
internal readonly record struct Standing(long Balance, long CreditLimit, long Held, Spent Spent)
{
    public long Available => Balance + CreditLimit - Held;
}

/// <summary>The purses of this node: where calls get their holds from, in memory, the database only when a purse is empty.</summary>
internal sealed class Purses : IAsyncDisposable
{
    private static readonly TimeSpan SweepInterval = TimeSpan.FromMilliseconds(300);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<string, Purse> _purses = new(StringComparer.Ordinal);
    private readonly Books _books;
    private readonly Nodes _nodes;
    private readonly CancellationTokenSource _stopping = new();
    private Task _sweeping = Task.CompletedTask;
    private Task _beating = Task.CompletedTask;

    private Purses(Books books)
    {
        _books = books;
        _nodes = new Nodes(books.Database, books.Node, Lost);
    }

    /// <summary>Ready to hold. On SQLite what a dead process leased is free again; on PostgreSQL this node begins to beat.</summary>
    public static async Task<Purses> StartAsync(Books books, CancellationToken ct = default)
    {
        var purses = new Purses(books);
        if (!books.Database.IsShared)
        {
            await books.Database.WriteAsync(Nodes.ReturnAllAsync, ct);
        }
        else
        {
            await purses._nodes.BeatAsync(ct);
            purses._beating = purses.BeatLoopAsync();
        }
        purses._sweeping = purses.SweepLoopAsync();
        return purses;
    }

    /// <summary>The books take nothing, or this node could not tell the others that it lives: nothing that costs is taken on.</summary>
    public bool IsAway => !_nodes.IsAlive || _books.IsAway;

    /// <summary>Sets money aside for a call. In memory while the purse has idle money. A hold of 0 needs neither money nor database.</summary>
    public ValueTask<HoldAnswer> HoldAsync(Account account, long amount, CancellationToken ct = default)
    {
        var purse = _purses.TryGetValue(account.Id, out var known) ? known : _purses.GetOrAdd(account.Id, static (id, books) => new Purse(id, books), _books);
        if (amount <= 0) return new(new HoldAnswer(new Hold(purse, 0)));
        if (IsAway) return new(HoldAnswer.Away);
        if (purse.TryTake(amount)) return new(new HoldAnswer(new Hold(purse, amount)));
        return new(WaitAsync(purse, amount, ct));
    }

    private async Task<HoldAnswer> WaitAsync(Purse purse, long amount, CancellationToken ct)
    {
        var answer = purse.TakeAsync(amount);
        try
        {
            return await answer.WaitAsync(LongestWait, _books.Database.Time, ct);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            // Money that comes after all finds nobody: it goes straight back.
            _ = ReleaseLateAsync(answer);
            if (e is OperationCanceledException) throw;
            return HoldAnswer.Away;
        }
    }

    private static async Task ReleaseLateAsync(Task<HoldAnswer> late) => (await late).Hold?.Release();

    /// <summary>The account's money, asked of the database, with what calls hold on this node.</summary>
    public async Task<Standing?> StandingAsync(string accountId, CancellationToken ct = default)
    {
        var held = _purses.TryGetValue(accountId, out var purse) ? purse.Held : 0;
        return await _books.Database.ReadAsync(session => AccountMoney.ReadAsync(session, _books.Database.Now, accountId, _books.Node, held), ct);
    }

    private async Task SweepLoopAsync()
    {
        using var timer = new PeriodicTimer(SweepInterval, _books.Database.Time);
        while (await NextAsync(timer))
            foreach (var purse in _purses.Values) purse.Sweep();
    }

    private async Task BeatLoopAsync()
    {
        string? said = null;
        using var timer = new PeriodicTimer(Nodes.Interval, _books.Database.Time);
        while (await NextAsync(timer))
        {
            try
            {
                await _nodes.BeatAsync(_stopping.Token);
                await _nodes.BuryAsync(_stopping.Token);
                if (said is not null) _books.Log.BeatsAgain();
                said = null;
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // It tries again at the next beat; meanwhile IsAlive turns false by itself and nobody is admitted. Each reason is said once, until one works.
                var reason = _books.Database.Reason(e);
                if (reason != said) _books.Log.BeatFailed(reason);
                said = reason;
            }
        }
    }

    private void Lost()
    {
        _books.Log.LeasesLost();
        foreach (var purse in _purses.Values) purse.Lost();
    }

    private async Task<bool> NextAsync(PeriodicTimer timer)
    {
        try
        {
            return await timer.WaitForNextTickAsync(_stopping.Token);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Gives back what is idle, after the last call has ended and before the books close.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _sweeping;
        await _beating;
        foreach (var purse in _purses.Values) purse.ReturnAll();
        await _books.DisposeAsync();
        try
        {
            await _books.Database.WriteAsync(
                session => _books.Database.IsShared ? _nodes.ReturnAsync(session, _books.Node, beat: null) : Nodes.ReturnAllAsync(session), CancellationToken.None);
        }
        catch (Exception e) when (_books.Database.IsAway(e))
        {
            _books.Log.BeatFailed(_books.Database.Reason(e)); // the others bury this node in ten seconds
        }
        _stopping.Dispose();
    }
}

internal static partial class Log
{
    [LoggerMessage(EventId = 7011, Level = LogLevel.Warning, Message = "This node was taken for dead (frozen, or cut off from the database): its leases went back to the accounts, it leases anew")]
    public static partial void LeasesLost(this ILogger log);

    [LoggerMessage(EventId = 7012, Level = LogLevel.Warning, Message = "This node could not renew its leases, or take back those of a dead one ({Fault}); it stops admitting calls if its own run out")]
    public static partial void BeatFailed(this ILogger log, string fault);

    [LoggerMessage(EventId = 7013, Level = LogLevel.Information, Message = "This node renews its leases again")]
    public static partial void BeatsAgain(this ILogger log);
}
