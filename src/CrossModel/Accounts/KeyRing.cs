using System.Collections.Concurrent;
using CrossModel.Protocol;
using CrossModel.Storage;

namespace CrossModel.Accounts;

/// <summary>Either a refusal or the caller, never both.</summary>
internal readonly record struct KeyAnswer(ApiError? Refusal, Caller? Caller);

/// <summary>
/// Who holds this key? Answers from memory, without a database and without allocating, for every key seen before; a key never seen is looked up once.
/// The change feed keeps the memory true: what was revoked anywhere is refused here within a second.
/// </summary>
internal sealed class KeyRing : IDisposable
{
    /// <summary>Look-ups at once, and keys that may wait for one: a flood of made-up keys must not take the database from those who pay.</summary>
    private const int LookUpsAtOnce = 2;
    private const int MostWaiting = 512;

    private static readonly ValueTask<KeyAnswer> Missing = new(new KeyAnswer(ApiErrors.MissingApiKey(), null));
    private static readonly KeyAnswer Invalid = new(ApiErrors.InvalidApiKey(), null);
    private static readonly KeyAnswer Away =
        new(ApiErrors.ModelUnavailable("Keys cannot be checked at the moment: the gateway's database does not answer. Try again shortly."), null);
    private static readonly KeyAnswer Busy =
        new(ApiErrors.ModelUnavailable("Too many unknown keys are being looked up at the moment. Try again shortly."), null);

    private readonly Database _database;
    private readonly KeyStore _keys;
    private readonly AccountStore _accounts;
    private readonly ChangeFeed _feed;
    private readonly Func<TimeSpan> _staleAfter;
    private readonly ConcurrentDictionary<KeyHash, Caller> _known = new();
    private readonly MissMemory _misses = new();
    private readonly SemaphoreSlim _lookUps = new(LookUpsAtOnce);
    private readonly Dictionary<KeyHash, Task<KeyAnswer>> _running = [];
    private readonly Lock _changing = new();
    private long _changes;

    /// <param name="feed">Not started yet; after <see cref="ChangeFeed.StartAsync"/> the ring answers.</param>
    /// <param name="staleAfter">Without an answer to "what changed?" for this long, nobody is let in (503).</param>
    public KeyRing(Database database, ChangeFeed feed, Func<TimeSpan> staleAfter)
    {
        (_database, _feed, _staleAfter) = (database, feed, staleAfter);
        _keys = new KeyStore(database);
        _accounts = new AccountStore(database);
        feed.On(KeyStore.Kind, KeysChangedAsync);
        feed.On(AccountStore.Kind, AccountsChangedAsync);
    }

    /// <summary>Keys in memory, those known to be unknown not counted.</summary>
    public int Known => _known.Count;

    /// <summary>Keys remembered as unknown.</summary>
    public int Missed => _misses.Count;

    /// <param name="authorization">The header's value; null: there was none.</param>
    /// <param name="connection">What the connection that it came on remembers; null: nothing.</param>
    public ValueTask<KeyAnswer> FindAsync(string? authorization, IDictionary<object, object?>? connection = null)
    {
        if (Repeated(authorization, connection) is not { } hash)
        {
            var key = Bearer(authorization);
            if (key.IsEmpty) return Missing;
            if (!ApiKey.HasValidChecksum(key)) return new(Invalid);
            hash = KeyHash.Of(key);
            connection?[this] = new Presented(authorization!, hash);
        }
        if (_feed.IsStale(_staleAfter())) return new(Away);
        return TryRemember(hash) is { } answer ? new(answer) : new(LookUpOnceAsync(hash));
    }

    // Kestrel hands out the same string while a connection repeats a header: what was worked out for it holds. Only the reference is compared, so that
    // no time tells how much of a key was guessed that came on this connection before.
    private KeyHash? Repeated(string? authorization, IDictionary<object, object?>? connection) =>
        connection is not null && connection.TryGetValue(this, out var last) && last is Presented seen && ReferenceEquals(seen.Authorization, authorization) ? seen.Hash : null;

    /// <summary>What follows the scheme; empty: another scheme. RFC 9110: the scheme is case-insensitive, one or more blanks follow.</summary>
    public static ReadOnlySpan<char> Bearer(ReadOnlySpan<char> authorization)
    {
        const string Scheme = "Bearer";
        authorization = authorization.Trim(' ');
        return authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase) && authorization.Length > Scheme.Length && authorization[Scheme.Length] == ' '
            ? authorization[Scheme.Length..].Trim(' ')
            : default;
    }

    private KeyAnswer? TryRemember(KeyHash hash) =>
        _known.TryGetValue(hash, out var caller) ? Judge(caller) : _misses.Contains(hash) ? Invalid : null;

    private KeyAnswer Judge(Caller caller) =>
        caller.Key is { Revoked: false, Enabled: true } && caller.Account.Enabled && (caller.Key.Expires is not { } end || end > _database.Now)
            ? new(null, caller)
            : Invalid;

    /// <summary>One look-up a key, however many callers wait for it: a thousand calls with one new key are no flood.</summary>
    private Task<KeyAnswer> LookUpOnceAsync(KeyHash hash)
    {
        lock (_running)
        {
            if (_running.TryGetValue(hash, out var running)) return running;
            if (_running.Count >= MostWaiting) return Task.FromResult(Busy);
            return _running[hash] = LookUpAsync(hash);
        }
    }

    private async Task<KeyAnswer> LookUpAsync(KeyHash hash)
    {
        await Task.Yield(); // The caller notes this task before it may end.
        try
        {
            await _lookUps.WaitAsync();
            try
            {
                while (true)
                {
                    // Others may have asked for the same key while this one waited.
                    if (TryRemember(hash) is { } answer) return answer;
                    var changes = Volatile.Read(ref _changes);
                    var caller = await _keys.LookUpAsync(hash);
                    lock (_changing)
                    {
                        // A change that came meanwhile was told to those in memory then, not to this one: what was read may be older.
                        if (changes != _changes) continue;
                        if (caller is null) _misses.Add(hash);
                        else _known[hash] = caller;
                    }
                }
            }
            finally
            {
                _lookUps.Release();
            }
        }
        catch (Exception e) when (_database.IsAway(e))
        {
            return Away;
        }
        finally
        {
            lock (_running) _running.Remove(hash);
        }
    }

    private async Task KeysChangedAsync(long before)
    {
        var changed = await _keys.ChangedAsync(before);
        lock (_changing)
        {
            _changes++;
            _misses.Clear();
            foreach (var key in changed)
            {
                var hash = KeyHash.FromHex(key.Hash);
                if (_known.TryGetValue(hash, out var caller)) _known[hash] = caller with { Key = key };
            }
            // Each new key is a change: what has ended leaves as others come, or keys that live for a day would gather as long as the process lives.
            foreach (var (hash, caller) in _known)
                if (caller.Key.StatusAt(_database.Now) is "revoked" or "expired") _known.TryRemove(hash, out _);
        }
    }

    private async Task AccountsChangedAsync(long before)
    {
        var changed = (await _accounts.ChangedAsync(before)).ToDictionary(account => account.Id);
        lock (_changing)
        {
            _changes++;
            foreach (var (hash, caller) in _known)
                if (changed.TryGetValue(caller.Account.Id, out var account)) _known[hash] = caller with { Account = account };
        }
    }

    public void Dispose() => _lookUps.Dispose();

    private sealed record Presented(string Authorization, KeyHash Hash);
}
