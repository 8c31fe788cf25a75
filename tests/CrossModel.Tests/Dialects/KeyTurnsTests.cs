using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects;

public sealed class KeyTurnsTests
{
    private readonly FakeClock _clock = new();

    private KeyTurns Keys(params string[] keys) => KeyTurns.Of(new UpstreamConfig { ApiKeys = [.. keys] }, _clock);

    private static (string Key, UpstreamFault Fault) Use(KeyTurns keys, UpstreamFault fault, string model = "m")
    {
        using var message = new HttpRequestMessage();
        var key = keys.Next(message, model);
        return (key, KeyTurns.Judge(fault, message));
    }

    private static string Used(KeyTurns keys, int calls, string model = "m") => string.Concat(Enumerable.Range(0, calls).Select(_ => keys.Next(new HttpRequestMessage(), model)));

    private static UpstreamFault Refused => new(UpstreamFailure.Operator, Status: 401, Detail: "401 no");

    private static UpstreamFault HeldBack(double? seconds = null) => new(UpstreamFailure.RateLimited, RetryAfter: seconds is { } said ? TimeSpan.FromSeconds(said) : null);

    [Fact]
    public void Key_ThatIsRefused_RestsAMinute_WhileTheOthersServe()
    {
        var keys = Keys("a", "b", "c");
        var (key, fault) = Use(keys, Refused);
        Assert.Equal(("a", true, true, "key 1 of 3: 401 no"), (key, fault.TryAgain, fault.IsOfKey, fault.Detail));
        Assert.Equal("cbcbcb", Used(keys, 6));
        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.DoesNotContain('a', Used(keys, 6));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Contains('a', Used(keys, 3));
    }

    /// <summary>As long as the provider says, ten minutes at most; where it says nothing, five seconds.</summary>
    [Theory]
    [InlineData(null, 5)]
    [InlineData(0, 5)]
    [InlineData(20, 20)]
    [InlineData(3600, 600)]
    public void Key_ThatIsHeldBack_RestsSoLong(int? said, int rests)
    {
        var keys = Keys("a", "b");
        Use(keys, HeldBack(said));
        _clock.Advance(TimeSpan.FromSeconds(rests - 0.1));
        Assert.Equal("bbb", Used(keys, 3));
        _clock.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Contains('a', Used(keys, 2));
    }

    /// <summary>Two calls with it were under way: what the later answer does not say takes nothing from what the first one said.</summary>
    [Fact]
    public void Key_ThatIsHeldBackTwice_RestsForTheLongerOfBoth()
    {
        var keys = Keys("a", "b");
        var messages = new[] { new HttpRequestMessage(), new HttpRequestMessage(), new HttpRequestMessage() };
        Assert.Equal("aba", string.Concat(messages.Select(message => keys.Next(message, "m"))));
        KeyTurns.Judge(HeldBack(60), messages[0]);
        KeyTurns.Judge(HeldBack(), messages[2]);
        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal("bbb", Used(keys, 3));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Contains('a', Used(keys, 2));
    }

    [Fact]
    public void Keys_ThatAllRest_AreTriedAllTheSame_TheNextToWakeFirst()
    {
        var keys = Keys("a", "b");
        Assert.True(Use(keys, Refused).Fault.TryAgain);
        _clock.Advance(TimeSpan.FromSeconds(1));
        var (key, fault) = Use(keys, Refused);
        Assert.Equal(("b", false, false), (key, fault.TryAgain, fault.IsOfKey));
        Assert.Equal("aaa", Used(keys, 3));
    }

    /// <summary>A provider counts each model by itself, but a key that it refuses is refused for all.</summary>
    [Fact]
    public void Key_ThatIsHeldBack_RestsForThatModelAlone()
    {
        var keys = Keys("a", "b");
        Use(keys, HeldBack());
        Use(keys, HeldBack());
        Assert.Equal("abab", Used(keys, 4, "other"));
        Use(keys, Refused, "other");
        Assert.Equal("bbb", Used(keys, 3, "other"));
        Assert.Equal("bbb", Used(keys, 3, "third"));
    }

    [Fact]
    public void Key_ThatIsRefused_IsTriedAfterThoseThatAreHeldBack_AndTheOtherModelsAreWell()
    {
        var keys = Keys("a", "b");
        Assert.True(Use(keys, HeldBack(600)).Fault.IsOfKey);
        var fault = Use(keys, Refused).Fault;
        Assert.Equal((false, false, true), (fault.TryAgain, fault.IsOfKey, fault.IsOfModel));
        Assert.Equal("aaa", Used(keys, 3));
        Assert.False(Use(Keys("a", "b"), Refused).Fault.IsOfModel);
    }

    [Fact]
    public void Key_ThatIsAlone_NeverRests()
    {
        var (key, fault) = Use(Keys("a"), Refused);
        Assert.Equal(("a", Refused), (key, fault));
    }

    /// <summary>A server that is down is down for every key, and what an account may not ask says nothing of its key.</summary>
    [Theory]
    [InlineData(nameof(UpstreamFailure.ServerError), false)]
    [InlineData(nameof(UpstreamFailure.Rejected), false)]
    [InlineData(nameof(UpstreamFailure.Operator), true)]
    public void Fault_ThatIsNotTheKeys_LetsNoneRest(string failure, bool isOfModel)
    {
        var keys = Keys("a", "b");
        var fault = new UpstreamFault(Enum.Parse<UpstreamFailure>(failure), IsOfModel: isOfModel);
        Assert.Equal(fault, Use(keys, fault).Fault);
        Assert.Equal("baba", Used(keys, 4));
    }
}
