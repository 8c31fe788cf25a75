namespace CrossModel.Billing;

// Stands in until the room's own PriceList lands: that commit deletes this file.
internal sealed class PriceList(IReadOnlyList<PriceVersion> versions)
{
    public static PriceList Free { get; } = new([new PriceVersion { Name = "free", IsFree = true }]);
    public PriceVersion? At(DateTimeOffset now) => versions.Where(v => v.From is null || v.From <= now).MaxBy(v => v.From ?? DateTimeOffset.MinValue);
}

internal sealed class PriceVersion
{
    public required string Name { get; init; }
    public bool IsFree { get; init; }
    public DateTimeOffset? From { get; init; }
}
