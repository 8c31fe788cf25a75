using System.Collections.Concurrent;
using CrossModel.Configuration;

namespace CrossModel.Dialects;

/// <summary>
/// An upstream's keys, which take turns call by call. Of several, one that its provider refuses rests, and one that it holds back rests for the model that was
/// asked for; the others serve. Where all rest, the one that wakes first is tried, and one that is refused after those that are held back.
/// </summary>
internal sealed class KeyTurns(TimeProvider time, params string[] keys)
{
    private static readonly HttpRequestOptionsKey<(KeyTurns Keys, int Index, string Model)> Used = new("crossmodel.key");
    private static readonly TimeSpan RefusedRest = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LimitedRest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(10);

    // The clock's timestamps.
    private readonly long[] _refusedUntil = new long[keys.Length];
    private readonly ConcurrentDictionary<string, long[]> _heldBackUntil = new(StringComparer.Ordinal);
    private int _turn = -1;

    public bool IsEmpty => keys.Length == 0;

    public static KeyTurns Of(UpstreamConfig config, TimeProvider time) =>
        new(time, config.ApiKeys.Count > 0 ? [.. config.ApiKeys] : config.ApiKey is { Length: > 0 } key ? [key] : []);

    /// <summary>The key for this message. There must be one: <see cref="IsEmpty"/> tells.</summary>
    /// <param name="model">Its name at the upstream: a rate limit says nothing of others.</param>
    public string Next(HttpRequestMessage message, string model)
    {
        if (keys.Length == 1) return keys[0];
        var now = time.GetTimestamp();
        int awake = 0, best = 0;
        for (var i = 0; i < keys.Length; i++)
        {
            if (RestOf(i, model, now) == 0) awake++;
            if (RestOf(i, model, now) < RestOf(best, model, now)) best = i;
        }
        // The turn goes round those that are awake, or the neighbour of one that rests would serve twice as often as the others.
        var left = awake == 0 ? -1 : (int)((uint)Interlocked.Increment(ref _turn) % (uint)awake);
        for (var i = 0; left >= 0 && i < keys.Length; i++)
            if (RestOf(i, model, now) == 0 && left-- == 0) best = i;
        message.Options.Set(Used, (this, best, model));
        return keys[best];
    }

    /// <summary>What a provider holds against one of several keys is no fault of the upstream's while another key is awake: the call is sent once more, with that one.</summary>
    public static UpstreamFault Judge(UpstreamFault fault, HttpRequestMessage? message)
    {
        if (fault.IsOfModel || message is null || !message.Options.TryGetValue(Used, out var used)) return fault;
        var (turns, index, model) = used;
        switch (fault.Failure)
        {
            case UpstreamFailure.Operator:
                turns.Rest(turns._refusedUntil, index, RefusedRest);
                return turns.Judge(fault, index, model);
            case UpstreamFailure.RateLimited:
                // "At once" is no length of a rest: all keys would be asked again and again.
                turns.Rest(turns._heldBackUntil.GetOrAdd(model, static (_, count) => new long[count], turns._refusedUntil.Length),
                    index, fault.RetryAfter is { Ticks: > 0 } said ? said : LimitedRest);
                return turns.Judge(fault, index, model);
            default:
                return fault;
        }
    }

    private UpstreamFault Judge(UpstreamFault fault, int index, string model)
    {
        fault = fault with { Detail = $"key {index + 1} of {keys.Length}: {fault.Detail}" };
        var now = time.GetTimestamp();
        var others = Enumerable.Range(0, keys.Length).Where(i => i != index);
        if (others.Any(i => RestOf(i, model, now) == 0)) return fault with { TryAgain = true, IsOfKey = true };
        // With a key that is only held back the upstream's other models are well.
        return fault with { IsOfModel = others.Any(i => Volatile.Read(ref _refusedUntil[i]) <= now) };
    }

    private void Rest(long[] until, int index, TimeSpan rest)
    {
        var end = time.GetTimestamp() + (long)((rest < LongestRest ? rest : LongestRest).TotalSeconds * time.TimestampFrequency);
        // The longest rest wins: a late failure of an older call must not shorten what a newer one was told.
        long seen;
        while ((seen = Volatile.Read(ref until[index])) < end && Interlocked.CompareExchange(ref until[index], end, seen) != seen) { }
    }

    /// <summary>How long it rests; 0: it is awake. One that is refused is behind all that are held back.</summary>
    private long RestOf(int index, string model, long now)
    {
        if (Volatile.Read(ref _refusedUntil[index]) is var refused && refused > now) return (long.MaxValue / 2) + refused - now;
        return _heldBackUntil.TryGetValue(model, out var heldBack) ? Math.Max(0, Volatile.Read(ref heldBack[index]) - now) : 0;
    }
}
