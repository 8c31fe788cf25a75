using System.Text.Json;
using CrossModel.Dialects;
using CrossModel.Dialects.Anthropic;
using CrossModel.Tests.Protocol;

namespace CrossModel.Tests.Dialects.Anthropic;

/// <summary>Signed thinking in the loop of calls and results, over several turns: what goes back, from where, and what is asked without it.</summary>
public sealed class AnthropicThinkingTests : AnthropicWriting
{
    private const string Question = """{"role":"user","content":"Weather?"}""";
    private const string Result = """{"role":"tool","tool_call_id":"toolu_1","content":"Sunny"}""";

    private static string Loop(string call, string more = "") => $$"""{"model":"a/b","reasoning_effort":"high","messages":[{{Question}},{"role":"assistant","tool_calls":[{{call}}]},{{Result}}{{more}}]}""";

    private void Reply(string account = "account")
    {
        using var reader = new AnthropicReply(new ReplyContext("id", 1, "a/b", false, false, 0, account), ReasoningMemory.Of(Clock));
        using var reply = reader.ReadPlain("""
            {"type":"message","content":[{"type":"thinking","thinking":"Hm \"é\"","signature":"c2ln"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"city":"Köln"}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}
            """u8.ToArray());
        Assert.NotNull(reply);
    }

    private static string FirstOf(Sent sent) => sent.Json.GetProperty("messages")[1].GetProperty("content")[0].GetRawText();

    [Theory]
    [InlineData("""{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{\"city\":\"Köln\"}"}}""")]
    [InlineData("""{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{ \"city\": \"K\\u00f6ln\" }"}}""")]
    public void Thinking_ThatTheCallerDropped_ComesBackFromMemory(string call)
    {
        Reply();
        var sent = Write(Loop(call));
        Assert.True(JsonElement.DeepEquals(JsonDocument.Parse("""{"type":"thinking","thinking":"Hm \"é\"","signature":"c2ln"}""").RootElement, JsonDocument.Parse(FirstOf(sent)).RootElement));
        Assert.Equal("enabled", sent.Json.GetProperty("thinking").GetProperty("type").GetString());
        Assert.Equal("", sent.Ignored);
    }

    [Theory]
    [InlineData("""{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{\"city\":\"Bonn\"}"}}""", "account")]
    [InlineData("""{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{\"city\":\"Köln\"}"}}""", "another")]
    public void Thinking_OfAnotherCallOrAccount_IsNotUsed(string call, string account)
    {
        Reply();
        var sent = Write(Loop(call), account: account);
        Assert.Contains("tool_use", FirstOf(sent), StringComparison.Ordinal);
        Assert.False(sent.Json.TryGetProperty("thinking", out _));
        Assert.Equal("reasoning_effort", sent.Ignored);
    }

    [Fact]
    public void Thinking_LostInAFinishedLoop_DoesNotMatter()
    {
        const string call = """{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{}"}}""";
        var sent = Write(Loop(call, """,{"role":"assistant","content":"Sunny."},{"role":"user","content":"Thanks"}"""));
        Assert.Equal("", sent.Ignored);
        Assert.True(sent.Json.TryGetProperty("thinking", out _));
    }

    private const string Said = """{"role":"assistant","content":"Let me look."}""";
    private const string Signed = """{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"anthropic":{"thinking":[{"type":"thinking","thinking":"Hm","signature":"c2ln"}]}}}""";

    /// <summary>Callers that keep items, not messages, send what was said and what was called apart. The API takes them as one, "must start with a thinking block".</summary>
    [Theory]
    [InlineData("")]
    [InlineData(""",{"role":"system","content":"Be brief."}""")]
    [InlineData(""",{"role":"user","content":" "},{"role":"assistant","content":""},{"role":"assistant","content":"There."}""")]
    public void Thinking_OfATurnInSeveralMessages_StandsBeforeAllOfThem(string between)
    {
        var sent = Write($$"""{"model":"a/b","reasoning_effort":"high","messages":[{{Question}},{{Said}}{{between}},{"role":"assistant","tool_calls":[{{Signed}}]},{{Result}}]}""");
        string[] types = [.. sent.Json.GetProperty("messages")[1].GetProperty("content").EnumerateArray().Select(b => b.GetProperty("type").GetString()!)];
        Assert.Equal(("thinking", "tool_use", 1), (types[0], types[^1], types.Count(t => t == "thinking")));
        Assert.Equal("", sent.Ignored);
    }

    /// <summary>Each block is signed where it stood: in another order the API refuses them, "cannot be modified".</summary>
    [Fact]
    public void Thinking_BetweenCalls_StaysBetweenThem()
    {
        static string Call(int id, string thinking) => $$$"""{"id":"toolu_{{{id}}}","type":"function","function":{"name":"f","arguments":"{}"}{{{thinking}}}}""";
        static string Thought(string text) => $$$""","extra_content":{"anthropic":{"thinking":[{"type":"thinking","thinking":"{{{text}}}","signature":"c2ln"}]}}""";
        var calls = $"{Call(1, Thought("a"))},{Call(2, "")},{Call(3, Thought("b"))}";
        string Asked(string model) => string.Concat(Write($$"""
            {"model":"a/b","reasoning_effort":"high","messages":[{{Question}},{"role":"assistant","content":"Let me look.","tool_calls":[{{calls}}]},
            {{Result}},{"role":"tool","tool_call_id":"toolu_2","content":"x"},{"role":"tool","tool_call_id":"toolu_3","content":"x"}]}
            """, model).Json.GetProperty("messages")[1].GetProperty("content").EnumerateArray().Select(b => b.GetProperty("type").GetString()![..2]));
        Assert.Equal("thtetotothto", Asked("claude-opus-4-8"));
    }

    /// <summary>Some callers send calls in the order in which they were done.</summary>
    [Fact]
    public void Thinking_OfACallThatComesSecondNow_IsTheMessages()
    {
        const string other = """{"id":"toolu_2","type":"function","function":{"name":"f","arguments":"{}"}}""";
        var sent = Write($$"""
            {"model":"a/b","reasoning_effort":"high","messages":[{{Question}},{"role":"assistant","tool_calls":[{{other}},{{Signed}}]},
            {{Result}},{"role":"tool","tool_call_id":"toolu_2","content":"x"}]}
            """);
        string[] types = [.. sent.Json.GetProperty("messages")[1].GetProperty("content").EnumerateArray().Select(b => b.GetProperty("type").GetString()!)];
        Assert.Equal(["thinking", "tool_use", "tool_use"], types);
        Assert.Equal("", sent.Ignored);
    }

    [Theory]
    [InlineData(Said + ",", Signed, true)]
    [InlineData(Said + ",", """{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{}"}}""", false)]
    [InlineData("", """{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{}"}}""", false)]
    public void Loop_ThatGoesOnInSeveralMessages_IsOneLoop(string said, string first, bool thinks)
    {
        const string next = """{"id":"toolu_2","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"anthropic":{"thinking":[]}}}""";
        var sent = Write($$"""
            {"model":"a/b","reasoning_effort":"high","messages":[{{Question}},{"role":"assistant","tool_calls":[{{first}}]},{{Result}},{{said}}
            {"role":"assistant","tool_calls":[{{next}}]},{"role":"tool","tool_call_id":"toolu_2","content":"x"},{"role":"assistant","content":" "}]}
            """);
        Assert.Equal((thinks, thinks ? "" : "reasoning_effort"), (sent.Json.TryGetProperty("thinking", out _), sent.Ignored));
    }

    /// <summary>What was thought before its first calls does not say what was before its second.</summary>
    [Fact]
    public void Thinking_LostAmidALoop_IsNotAskedFor()
    {
        const string next = """{"id":"toolu_2","type":"function","function":{"name":"f","arguments":"{}"}}""";
        var sent = Write($$"""
            {"model":"a/b","reasoning_effort":"high","messages":[{{Question}},{"role":"assistant","tool_calls":[{{Signed}}]},{{Result}},
            {"role":"assistant","tool_calls":[{{next}}]},{"role":"tool","tool_call_id":"toolu_2","content":"x"}]}
            """);
        Assert.False(sent.Json.TryGetProperty("thinking", out _));
        Assert.Equal("reasoning_effort", sent.Ignored);
    }

    [Fact]
    public void Thinking_LostBeforeTheUserSpokeAgain_DoesNotMatter()
    {
        const string lost = """{"id":"toolu_2","type":"function","function":{"name":"f","arguments":"{}"}}""";
        var sent = Write($$"""
            {"model":"a/b","reasoning_effort":"high","messages":[{{Question}},{"role":"assistant","tool_calls":[{{lost}}]},{"role":"tool","tool_call_id":"toolu_2","content":"x"},
            {"role":"user","content":"And there?"},{"role":"assistant","tool_calls":[{{Signed}}]},{{Result}}]}
            """);
        Assert.True(sent.Json.TryGetProperty("thinking", out _));
        Assert.Equal("", sent.Ignored);
    }

    [Fact]
    public void Thinking_ForgedByTheCaller_LetsNoOtherBlockIn()
    {
        const string call = """{"id":"toolu_1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"anthropic":{"thinking":[{"type":"text","text":"x"},{"type":"thinking","thinking":"t"},5]}}}""";
        var sent = Write(Loop(call));
        Assert.Contains("tool_use", FirstOf(sent), StringComparison.Ordinal);
        Assert.Equal("reasoning_effort", sent.Ignored);
    }
}
