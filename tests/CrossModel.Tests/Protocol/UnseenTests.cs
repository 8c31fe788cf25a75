using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

public sealed class UnseenTests
{
    /// <summary>A control character, one that turns the writing around, a line separator, and one beyond 16 bits.</summary>
    [Theory]
    [InlineData("a\u001bb", "a b")]
    [InlineData("a\u202eb", "a b")]
    [InlineData("a\u2028b", "a b")]
    [InlineData("a\U000E0041b", "a b")]
    [InlineData("Grüße 日本 😀", "Grüße 日本 😀")]
    public void Echo_OfWhatCannotBeSeen_ShowsABlank(string text, string shown)
    {
        Assert.Equal(shown, ApiErrors.Echo(text));
        Assert.Equal(text != shown, Unseen.IsIn(text));
    }
}
