using System.Text;
using CrossModel.Dialects;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects;

public sealed class ReasoningMemoryTests
{
    private readonly FakeClock _clock = new();

    private static void Put(ReasoningMemory memory, string account, string id, string arguments, string state) =>
        memory.Remember("anthropic", account, id, "f", Encoding.UTF8.GetBytes(arguments), Encoding.UTF8.GetBytes(state));

    private static string? Get(ReasoningMemory memory, string account, string id, string arguments, string name = "f", string kind = "anthropic") =>
        memory.Find(kind, account, id, name, Encoding.UTF8.GetBytes(arguments)) is { } state ? Encoding.UTF8.GetString(state) : null;

    [Theory]
    [InlineData("""{"a":1,"b":"é"}""")]
    [InlineData("""{ "a": 1, "b": "\u00e9" }""")]
    public void State_OfTheSameCallWrittenOtherwise_IsFound(string arguments)
    {
        var memory = new ReasoningMemory(_clock);
        Put(memory, "acc", "id", """{"a":1,"b":"é"}""", "[1]");
        Assert.Equal("[1]", Get(memory, "acc", "id", arguments));
    }

    [Fact]
    public void State_OfAnotherAccountCallOrProvider_IsNotFound()
    {
        var memory = new ReasoningMemory(_clock);
        Put(memory, "acc", "functions.add:0", """{"a":1}""", "[1]");
        Assert.Null(Get(memory, "other", "functions.add:0", """{"a":1}"""));
        Assert.Null(Get(memory, "acc", "functions.add:1", """{"a":1}"""));
        Assert.Null(Get(memory, "acc", "functions.add:0", """{"a":2}"""));
        Assert.Null(Get(memory, "acc", "functions.add:0", """{"a":1}""", name: "g"));
        Assert.Null(Get(memory, "acc", "functions.add:0", """{"a":1}""", kind: "google"));
        Assert.Equal("[1]", Get(memory, "acc", "functions.add:0", """{"a":1}"""));
    }

    [Fact]
    public void State_OverItsLifetime_IsForgotten()
    {
        var memory = new ReasoningMemory(_clock);
        Put(memory, "acc", "id", "{}", "[1]");
        _clock.Advance(ReasoningMemory.Lifetime - TimeSpan.FromSeconds(1));
        Assert.Equal("[1]", Get(memory, "acc", "id", "{}"));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(Get(memory, "acc", "id", "{}"));
    }

    [Fact]
    public void Memory_Full_ForgetsTheLongestUnused()
    {
        var memory = new ReasoningMemory(_clock, capacity: 3 * 1300);
        foreach (var id in (string[])["a", "b", "c"]) Put(memory, "acc", id, "{}", new string('x', 1000));
        Assert.NotNull(Get(memory, "acc", "a", "{}"));
        Put(memory, "acc", "d", "{}", new string('x', 1000));
        Assert.Null(Get(memory, "acc", "b", "{}"));
        Assert.NotNull(Get(memory, "acc", "a", "{}"));
        Assert.NotNull(Get(memory, "acc", "d", "{}"));
    }

    [Fact]
    public void State_LargerThanAllowed_IsNotKept()
    {
        var memory = new ReasoningMemory(_clock);
        memory.Remember("anthropic", "acc", "id", "f", "{}"u8, new byte[ReasoningMemory.LargestState + 1]);
        Assert.Null(Get(memory, "acc", "id", "{}"));
    }

    [Fact]
    public void Memory_OfOneClock_IsOne() => Assert.Same(ReasoningMemory.Of(_clock), ReasoningMemory.Of(_clock));
}
