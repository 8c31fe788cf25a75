using CrossModel.Configuration;

namespace CrossModel.Dialects;

/// <summary>
/// An upstream's keys, which take turns call by call. Of several, one that its provider refuses or holds back rests, and the others serve; where all rest,
/// the one whose rest ends first is tried.
/// </summary>
internal sealed class KeyTurns(TimeProvider time, params string[] keys)
{
    private static readonly HttpRequestOptionsKey<(KeyTurns Keys, int Index)> Used = new("crossmodel.key");
    private static readonly TimeSpan RefusedRest = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LimitedRest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestRest = TimeSpan.FromMinutes(10);

    private readonly long[] _restsUntil = new long[keys.Length]; // the clock's timestamps
    private int _turn = -1;

    public bool IsEmpty => keys.Length == 0;

    public static KeyTurns Of(UpstreamConfig config, TimeProvider time) =>
        new(time, config.ApiKeys.Count > 0 ? [.. config.ApiKeys] : config.ApiKey is { Length: > 0 } key ? [key] : []);

    /// <summary>The key for this message. There must be one: <see cref="IsEmpty"/> tells.</summary>
    public string Next(HttpRequestMessage message)
    {
        if (keys.Length == 1) return keys[0];
        var now = time.GetTimestamp();
        int awake = 0, best = 0;
        for (var i = 0; i < keys.Length; i++)
        {
            if (!Rests(i, now)) awake++;
            if (Volatile.Read(ref _restsUntil[i]) < Volatile.Read(ref _restsUntil[best])) best = i;
        }
        // The turn goes round those that are awake, or the neighbour of one that rests would serve twice as often as the others.
        var left = awake == 0 ? -1 : (int)((uint)Interlocked.Increment(ref _turn) % (uint)awake);
        for (var i = 0; left >= 0 && i < keys.Length; i++)
            if (!Rests(i, now) && left-- == 0) best = i;
        message.Options.Set(Used, (this, best));
        return keys[best];
    }

    /// <summary>What a provider holds against one of several keys is no fault of the upstream's while another key is awake: the call is sent once more, with that one.</summary>
    public static UpstreamFault Judge(UpstreamFault fault, HttpRequestMessage? message)
    {
        if (fault.IsOfModel || message is null || !message.Options.TryGetValue(Used, out var used)) return fault;
        return fault.Failure switch
        {
            UpstreamFailure.Operator => used.Keys.Rest(used.Index, RefusedRest, fault),
            UpstreamFailure.RateLimited => used.Keys.Rest(used.Index, fault.RetryAfter ?? LimitedRest, fault),
            _ => fault,
        };
    }

    private UpstreamFault Rest(int index, TimeSpan rest, UpstreamFault fault)
    {
        var now = time.GetTimestamp();
        var until = now + (long)((rest < LongestRest ? rest : LongestRest).TotalSeconds * time.TimestampFrequency);
        // The longest rest wins: a late failure of an older call must not shorten what a newer one asked for.
        long seen;
        while ((seen = Volatile.Read(ref _restsUntil[index])) < until && Interlocked.CompareExchange(ref _restsUntil[index], until, seen) != seen) { }
        fault = fault with { Detail = $"key {index + 1} of {keys.Length}: {fault.Detail}" };
        return Enumerable.Range(0, keys.Length).Any(i => !Rests(i, now)) ? fault with { TryAgain = true, IsOfKey = true } : fault;
    }

    private bool Rests(int index, long now) => Volatile.Read(ref _restsUntil[index]) > now;
}
