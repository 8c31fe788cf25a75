namespace CrossModel.Billing;

/// <summary>A model's price over time: of its versions the newest begun one holds.</summary>
internal sealed class PriceList
{
    private readonly PriceVersion[] _newestFirst;

    public PriceList(IReadOnlyList<PriceVersion> versions) =>
        _newestFirst = [.. versions.OrderByDescending(v => v.From ?? DateTimeOffset.MinValue)];

    /// <summary>Written "free": every reply costs 0.</summary>
    public static PriceList Free { get; } = new([PriceVersion.Free]);

    /// <summary>The version in force; null when none has begun: then the model has no price.</summary>
    public PriceVersion? At(DateTimeOffset now)
    {
        foreach (var version in _newestFirst)
            if (version.From is null || version.From <= now) return version;
        return null;
    }
}
