using CrossModel.Billing;
using CrossModel.Configuration;

namespace CrossModel.Routing;

/// <summary>From a configured price to the room that computes with it.</summary>
internal static class Prices
{
    public static PriceList From(PriceConfig price) =>
        price.IsFree ? PriceList.Free : new PriceList([.. price.Versions.Select(v => new PriceVersion { Name = v.From?.ToString("O") ?? "first", From = v.From })]);
}
