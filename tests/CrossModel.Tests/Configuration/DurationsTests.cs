using CrossModel.Configuration;

namespace CrossModel.Tests.Configuration;

public sealed class DurationsTests
{
    [Theory]
    [InlineData("300ms", 300)]
    [InlineData("0s", 0)]
    [InlineData("30s", 30_000)]
    [InlineData("5m", 300_000)]
    [InlineData("24h", 86_400_000)]
    [InlineData("90d", 7_776_000_000)]
    public void Duration_WithAUnit_IsRead(string text, long milliseconds) => Assert.Equal(TimeSpan.FromMilliseconds(milliseconds), Durations.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("s")]
    [InlineData("ms")]
    [InlineData("-1s")]
    [InlineData("1.5s")]
    [InlineData("1 s")]
    [InlineData("1S")]
    [InlineData("1h30m")]
    [InlineData("99999999999999999999s")]
    [InlineData("9223372036854775807d")]
    public void Duration_OfAnotherForm_IsRefused(string text) => Assert.Null(Durations.Parse(text));

    [Theory]
    [InlineData("0s")]
    [InlineData("1500ms")]
    [InlineData("90s")]
    [InlineData("10m")]
    [InlineData("25h")]
    [InlineData("2d")]
    public void Duration_Formatted_IsReadBackTheSame(string text) => Assert.Equal(text, Durations.Format(Durations.Parse(text)!.Value));
}
