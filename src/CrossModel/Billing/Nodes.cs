using CrossModel.Storage;

namespace CrossModel.Billing;

/// <summary>
/// Which nodes live, on a database that several share. A node counts its beat up; one whose beat stands still for 10 s of the watcher's own time is dead,
/// and its leases return to the accounts. No two clocks are ever compared, so clocks may differ and jump.
/// </summary>
/// <param name="lost">This node was taken for dead, its leases are gone: called before it trusts itself again.</param>
internal sealed class Nodes(Database database, string node, Action lost)
{
    public static TimeSpan Interval { get; } = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan DeadAfter = TimeSpan.FromSeconds(10);

    // Shorter than what the others wait, by more than a beat can be on its way.
    private static readonly TimeSpan TrustsItself = TimeSpan.FromSeconds(7);

    private readonly Dictionary<string, (long Beat, long Since)> _seen = new(StringComparer.Ordinal);
    private long _beat;
    private long _lastBeat;

    /// <summary>The leases are surely still this node's: it may admit calls.</summary>
    public bool IsAlive => !database.IsShared || (Volatile.Read(ref _lastBeat) is var last and not 0 && database.Time.GetElapsedTime(last) < TrustsItself);

    /// <summary>Says that this node lives.</summary>
    public async Task BeatAsync(CancellationToken ct)
    {
        var began = database.Time.GetTimestamp();
        var beat = await database.WriteAsync(session => session.FirstAsync(
            "INSERT INTO node (id, beat) VALUES (@id, 1) ON CONFLICT (id) DO UPDATE SET beat = node.beat + 1 RETURNING beat", row => row.GetInt64(0), ("@id", node)), ct);
        if (beat <= _beat) lost();
        _beat = beat;
        // From when it began: the others may have seen it that early. Last of all: a hold from money that is gone would be the operator's loss.
        Volatile.Write(ref _lastBeat, began);
    }

    /// <summary>Returns the leases of nodes that stopped beating.</summary>
    public async Task BuryAsync(CancellationToken ct)
    {
        var beats = await database.ReadAsync(s => s.QueryAsync("SELECT id, beat FROM node", row => (Id: row.GetString(0), Beat: row.GetInt64(1))), ct);
        var now = database.Time.GetTimestamp();
        foreach (var (id, beat) in beats)
        {
            if (id == node) continue;
            if (!_seen.TryGetValue(id, out var seen) || seen.Beat != beat) _seen[id] = (beat, now);
            else if (database.Time.GetElapsedTime(seen.Since, now) >= DeadAfter) await database.WriteAsync(s => ReturnAsync(s, id, beat), ct);
        }
        foreach (var gone in _seen.Keys.Except(beats.Select(b => b.Id)).ToList()) _seen.Remove(gone);
    }

    /// <summary>Before anything is leased: takes the node's row for the transaction. One that was taken for dead begins anew, so that no lease is without a node.</summary>
    public static Task EnsureAliveAsync(Session session, string node) =>
        session.ExecuteAsync("INSERT INTO node (id, beat) VALUES (@id, 0) ON CONFLICT (id) DO UPDATE SET beat = node.beat", ("@id", node));

    /// <summary>On a database of one server: what an earlier process of it leased is free again.</summary>
    public static async Task ReturnAllAsync(Session session)
    {
        await session.ExecuteAsync("DELETE FROM lease");
        await session.ExecuteAsync("UPDATE account SET leased = 0 WHERE leased <> 0");
        await session.ExecuteAsync("DELETE FROM node");
    }

    /// <param name="beat">Only if it still stands there; null: whatever it says.</param>
    public async Task ReturnAsync(Session session, string dead, long? beat)
    {
        if (await session.ExecuteAsync("DELETE FROM node WHERE id = @id AND (beat = @beat OR @any = 1)", ("@id", dead), ("@beat", beat ?? 0), ("@any", beat is null)) == 0) return;
        var accounts = await session.QueryAsync("SELECT account_id FROM lease WHERE node = @node AND amount > 0", row => row.GetString(0), ("@node", dead));
        var posting = await Posting.OpenAsync(database, session, dead, accounts);
        foreach (var row in posting.Rows) row.MoveLease(-row.Lease);
        await posting.SaveAsync();
        await session.ExecuteAsync("DELETE FROM lease WHERE node = @node", ("@node", dead));
    }
}
