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

    /// <summary>What programs make of arguments that they parse and write anew: JavaScript has one kind of number, others sort the members or put them in their schema's order.</summary>
    [Theory]
    [InlineData("""{"n":[37.5,5,100,0,-3],"a":{"d":true,"c":"x"},"z":"é"}""")]
    [InlineData("""{"a":{"c":"x","d":true},"n":[37.5,5,100,0,-3],"z":"é"}""")]
    [InlineData("""{"z":"é","n":[3.75e1,5.0,1E2,-0.0,-3],"a":{"d":true,"c":"x"}}""")]
    public void State_OfTheSameCallWithItsValuesInAnotherForm_IsFound(string arguments)
    {
        var memory = new ReasoningMemory(_clock);
        Put(memory, "acc", "id", """{"z": "é", "n": [37.50, 5.0, 1e2, -0, -3.0], "a": {"d": true, "c": "x"}}""", "[1]");
        Assert.Equal("[1]", Get(memory, "acc", "id", arguments));
    }

    [Fact]
    public void State_OfAnIntegerThatJavaScriptCannotHold_IsFound()
    {
        var memory = new ReasoningMemory(_clock);
        Put(memory, "acc", "id", """{"n":12345678901234567890,"far":1e999}""", "[1]");
        Assert.Equal("[1]", Get(memory, "acc", "id", """{"far":1e999,"n":12345678901234567000}"""));
    }

    [Theory]
    [InlineData("""{"n":[2,1]}""")]
    [InlineData("""{"n":["1",2]}""")]
    [InlineData("""{"n":[1,2],"m":null}""")]
    [InlineData("""{"m":[1,2]}""")]
    public void State_OfOtherArguments_IsNotFound(string arguments)
    {
        var memory = new ReasoningMemory(_clock);
        Put(memory, "acc", "id", """{"n":[1,2]}""", "[1]");
        Assert.Null(Get(memory, "acc", "id", arguments));
    }

    /// <summary>A caller writes its history as it likes, and pays nothing for a dry run: to sort the names of 32 MB would take ten seconds.</summary>
    [Theory]
    [InlineData(1000, "[1]")]
    [InlineData(1001, null)]
    public void State_OfACallOfAGreatManyMembers_IsFoundInTheirOwnOrderAlone(int members, string? found)
    {
        var memory = new ReasoningMemory(_clock);
        string[] written = [.. Enumerable.Range(0, members).Select(i => $"\"{i}\":{i}")];
        var (own, other) = ($"{{{string.Join(',', written)}}}", $"{{{string.Join(',', written.Reverse())}}}");
        Put(memory, "acc", "id", own, "[1]");
        Assert.Equal("[1]", Get(memory, "acc", "id", own));
        Assert.Equal(found, Get(memory, "acc", "id", other));
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
