using CrossModel.Accounts;
using CrossModel.Limits;

namespace CrossModel.Tests.Limits;

/// <summary>What a node gets of a limit, in numbers.</summary>
public sealed class PortionsTests
{
    private static readonly Subject Whose = new(Scope.Account, "acc_1", "");

    [Theory]
    [InlineData(null, 0, 1, false, 0)]
    [InlineData(200, 0, 1, true, 200)]
    [InlineData(200, 60, 1, true, 140)]
    [InlineData(200, 60, 1, false, 11)]
    [InlineData(200, 195, 1, false, 5)]
    [InlineData(200, 199, 1, false, 1)]
    [InlineData(200, 199, 1, true, 1)]
    [InlineData(200, 200, 1, false, -1)]
    [InlineData(20, 0, 3, false, 4)]
    [InlineData(19, 0, 3, false, 3)]
    public void Of_ALimit_IsTheNeedAndATwentieth_OrForOneAloneWhatIsLeft(int? limit, int others, int need, bool alone, int portion) =>
        Assert.Equal(portion, Portions.Of(limit, others, need, 0, alone));

    [Theory]
    [InlineData(0, 0, 0, 10, true, 1000)]
    [InlineData(300, 0, 0, 10, true, 700)]
    [InlineData(300, 200, 0, 10, true, 500)]
    [InlineData(300, 200, 70, 10, false, 130)]
    [InlineData(300, 600, 70, 10, false, 100)]
    [InlineData(300, 620, 70, 10, false, 80)]
    [InlineData(300, 621, 70, 10, false, -1)]
    [InlineData(800, 0, 70, 10, false, 130)]
    [InlineData(801, 0, 70, 10, false, 80)]
    [InlineData(801, 0, 70, 10, true, 199)]
    [InlineData(0, 0, 0, 5000, true, 5000)]
    [InlineData(1500, 0, 0, 0, false, 0)]
    public void OfSpend_ALimit_IsLikewise_ButNearItsEndTheNeedAlone(int spent, int others, int held, int cost, bool alone, int portion)
    {
        Assert.Equal(portion, Portions.OfSpend(new Terms { SpendDay = 1000 }, Whose, new Spent(spent, 0, 0), others, held, cost, 0, alone));
        Assert.Equal(portion, Portions.OfSpend(new Terms { SpendMonth = 1000, SpendTotal = 9000 }, Whose, new Spent(0, spent, spent), others, held, cost, 0, alone));
        Assert.Equal(portion, Portions.OfSpend(new Terms { SpendDay = 9000, SpendTotal = 1000 }, Whose, new Spent(0, spent, spent), others, held, cost, 0, alone));
    }

    /// <summary>What stands in a queue is fetched in one go, or its spare where that is more, as far as it is there.</summary>
    [Theory]
    [InlineData(19, 0, 3, 5, 8)]
    [InlineData(19, 12, 3, 5, 7)]
    [InlineData(19, 17, 3, 5, -1)]
    [InlineData(200, 60, 1, 5, 11)]
    [InlineData(200, 60, 1, 30, 31)]
    public void Of_ALimitThatIsWaitedFor_CoversTheQueue(int limit, int others, int need, int waiting, int portion)
    {
        Assert.Equal(portion, Portions.Of(limit, others, need, waiting, alone: false));
        Assert.Equal(portion, Portions.OfSpend(new Terms { SpendDay = limit }, Whose, default, others, 0, need, waiting, alone: false));
    }

    /// <summary>What was charged before midnight and given back after it makes a day of less than nothing.</summary>
    [Fact]
    public void OfSpend_AfterARefundOfADayThatHasNoLimit_IsAllThatIsLeft() =>
        Assert.Equal(1000, Portions.OfSpend(new Terms { SpendMonth = 1000 }, Whose, new Spent(-5, 0, 0), 0, 0, 10, 0, alone: true));

    [Fact]
    public void FreeSpend_OfThreeLimits_IsTheLeast()
    {
        var terms = new Terms { SpendDay = 100, SpendMonth = 200, SpendTotal = 300 };
        Assert.Equal((90, 80, 70), (Portions.FreeSpend(terms, new Spent(10, 0, 0)), Portions.FreeSpend(terms, new Spent(0, 120, 0)), Portions.FreeSpend(terms, new Spent(0, 0, 230))));
        Assert.Equal(0, Portions.OfSpend(new Terms { Parallel = 1 }, Whose, default, 5, 3, 1, 0, alone: false));
    }

    [Fact]
    public void SpareOf_Limits_IsATwentiethOfEach_AndOfSpendNearItsEndNone()
    {
        var terms = new Terms { RequestsPerMinute = 60, TokensPerMinute = 1000, Parallel = 20, SpendDay = 400, SpendTotal = 200 };
        Assert.Equal(new ShareAmounts(3, 50, 1, 10), Portions.SpareOf(terms, isSpendNear: false));
        Assert.Equal(new ShareAmounts(3, 50, 1, 0), Portions.SpareOf(terms, isSpendNear: true));
        Assert.Equal((true, false, false), (Portions.IsSpendNear(199, 10), Portions.IsSpendNear(200, 10), Portions.IsSpendNear(-1, 0)));
    }
}
