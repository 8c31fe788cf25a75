using CrossModel.Limits;

namespace CrossModel.Tests.Limits;

public sealed class RateLeftTests
{
    [Theory]
    [InlineData(0, "0s")]
    [InlineData(11.2, "12ms")]
    [InlineData(999.5, "1s")]
    [InlineData(5001, "6s")]
    [InlineData(60_000, "1m0s")]
    [InlineData(89_999, "1m30s")]
    public void Duration_AnyTime_IsSpelledLikeOpenAIAndRoundedUp(double ms, string text) =>
        Assert.Equal(text, RateLeft.Duration((long)(ms * TimeSpan.TicksPerMillisecond)));

    [Fact]
    public void Tighter_OfTwo_IsTheSmallerRestWithTheLaterReset()
    {
        var (tight, slow) = (new RateLeft(10, 1, 5), new RateLeft(5, 4, 7));
        Assert.Equal(new RateLeft(10, 1, 7), RateLeft.Tighter(tight, slow));
        Assert.Equal(new RateLeft(10, 1, 7), RateLeft.Tighter(slow, tight));
    }
}
