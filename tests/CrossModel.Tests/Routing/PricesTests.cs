using CrossModel.Billing;
using CrossModel.Configuration;
using CrossModel.Routing;

namespace CrossModel.Tests.Routing;

public sealed class PricesTests
{
    private static readonly DateTimeOffset Now = new(2026, 7, 14, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Price_EveryAmountOfTheConfiguration_IsTheOneThatIsBilled()
    {
        var configured = new PriceVersionConfig
        {
            Input = 1,
            CachedInput = 2,
            CacheWrite = 3,
            CacheWriteHour = 4,
            AudioInput = 5,
            Output = 6,
            Reasoning = 7,
            AudioOutput = 8,
            Request = 9,
            Image = 10,
            AudioSecond = 11,
            Tiers = [new PriceTierConfig { Above = 12, Input = 13, CachedInput = 14, CacheWrite = 15, CacheWriteHour = 16, AudioInput = 17, Output = 18, Reasoning = 19, AudioOutput = 20 }],
        };
        var billed = Prices.From(new PriceConfig { Versions = [configured] }).At(Now)!;
        AssertSame(configured, billed);
        AssertSame(configured.Tiers[0], billed.Tiers[0]);
        Assert.Equal(12, billed.Tiers[0].Above);

        static void AssertSame(object configured, object billed)
        {
            foreach (var amount in configured.GetType().GetProperties().Where(p => p.PropertyType == typeof(decimal?)))
            {
                var usd = Assert.IsType<decimal>(amount.GetValue(configured));
                Assert.Equal((amount.Name, (long)usd * Usd.Nano), (amount.Name, (long?)billed.GetType().GetProperty(amount.Name)!.GetValue(billed)));
            }
        }
    }

    [Fact]
    public void Price_InForce_IsTheNewestBegun_WhereverItStands()
    {
        PriceVersionConfig From(int days, decimal input) => new() { From = Now.AddDays(days), Input = input };
        var price = new PriceConfig { Versions = [From(-1, 2), From(1, 3), From(-2, 1)] };
        Assert.Equal(2, Prices.InForce(price, Now)!.Input);
        Assert.Equal(3, Prices.InForce(price, Now.AddDays(1))!.Input);
    }
}
