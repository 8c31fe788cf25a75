using CrossModel.Storage;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Storage;

public sealed class IdsTests
{
    [Fact]
    public void New_LaterIds_SortLaterAndNoneIsMadeTwice()
    {
        var clock = new FakeClock();
        var ids = new List<string>();
        for (var i = 0; i < 1000; i++)
        {
            ids.Add(Ids.New("acc", clock));
            clock.Advance(TimeSpan.FromMilliseconds(1));
        }
        Assert.Equal(ids.Order(StringComparer.Ordinal), ids);
        Assert.Equal(1000, ids.Distinct().Count());
        Assert.All(ids, id => Assert.Matches("^acc_[0-9a-z]{26}$", id));
    }

    [Fact]
    public void RequestIds_HaveTheWrittenForms()
    {
        Assert.Matches("^req_[0-9a-z]{26}$", RequestIds.NewRequest(TimeProvider.System));
        Assert.Matches("^chatcmpl_[0-9A-Za-z]{24}$", RequestIds.NewCompletion());
    }
}
