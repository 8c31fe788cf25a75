using CrossModel.Configuration;

namespace CrossModel.Dialects;

/// <summary>An upstream's keys, which take turns call by call.</summary>
internal sealed class KeyTurns(params string[] keys)
{
    private int _turn = -1;

    public bool IsEmpty => keys.Length == 0;

    public static KeyTurns Of(UpstreamConfig config) => new(config.ApiKeys.Count > 0 ? [.. config.ApiKeys] : config.ApiKey is { Length: > 0 } key ? [key] : []);

    /// <summary>There must be one: <see cref="IsEmpty"/> tells.</summary>
    public string Next() => keys[(uint)Interlocked.Increment(ref _turn) % (uint)keys.Length];
}
