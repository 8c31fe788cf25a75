namespace CrossModel.Tests.Running;

public sealed class OpenFilesTests
{
    [Theory]
    [InlineData("Max open files            65536                65536                files     ", 32640L)]
    [InlineData("Max open files            1024                 524288               files     ", 384L)]
    [InlineData("Max open files            64                   64                   files     ", 16L)]
    [InlineData("Max open files            unlimited            unlimited            files     ", null)]
    public void Connections_AreHalfOfWhatTheProgramLeaves(string line, long? connections) =>
        Assert.Equal(connections, OpenFiles.Connections(["Limit                     Soft Limit           Hard Limit           Units     ", line]));

    [Fact]
    public void Connections_WhereNoLimitStands_AreNotLimited() => Assert.Null(OpenFiles.Connections([]));
}
