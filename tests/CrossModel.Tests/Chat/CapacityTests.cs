using CrossModel.Chat;

namespace CrossModel.Tests.Chat;

public sealed class CapacityTests
{
    /// <summary>In MiB. With half as much again for bodies 256 MiB are too little: arrays are larger than what is in them, and a body is held as it came and as it is sent.</summary>
    [Theory]
    [InlineData(32, 4)]
    [InlineData(192, 32)]
    [InlineData(768, 176)]
    [InlineData(64 * 1024, 16 * 1024 - 16)]
    public void Share_LeavesTheProgramWhatItNeedsItself(long available, long share) =>
        Assert.Equal(share, Capacity.ShareOf(available * 1024 * 1024) / 1024 / 1024);
}
