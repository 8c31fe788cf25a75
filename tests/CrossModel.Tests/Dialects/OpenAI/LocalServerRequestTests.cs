using System.Text.Json;
using CrossModel.Tests.Protocol;
using static CrossModel.Tests.Dialects.OpenAI.OpenAIRequestTests;

namespace CrossModel.Tests.Dialects.OpenAI;

/// <summary>What servers that run on one's own machine pass over without a word, or refuse though OpenAI takes it.</summary>
public sealed class LocalServerRequestTests
{
    private const string Tools = """
        "tools":[{"type":"function","function":{"name":"f","parameters":{"x":1.0}}},{"type":"function","function":{"name":"g"}},{"type":"custom","custom":{"name":"g"}},{"type":"function","function":{"name":"h"}}]
        """;

    private static string Choosing(string choice) => Requests.With($"{Tools},\"tool_choice\":{choice}");

    private static string NamesOf(JsonElement body) => string.Join(',', body.GetProperty("tools").EnumerateArray()
        .Select(t => t.TryGetProperty("function", out var function) ? function.GetProperty("name").GetString() : "custom " + t.GetProperty("custom").GetProperty("name").GetString()));

    [Theory]
    [InlineData("""{"type":"function","function":{"name":"g"}}""", "g", "required")]
    [InlineData("""{"type":"custom","custom":{"name":"g"}}""", "custom g", "required")]
    [InlineData("""{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"h"}}]}}""", "f,h", "auto")]
    [InlineData("""{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}""", "f", "required")]
    [InlineData("\"required\"", "f,g,custom g,h", "required")]
    public void ToolChoice_OfNames_SendsThoseToolsAlone(string choice, string tools, string word)
    {
        foreach (var preset in (string[])["llama.cpp", "gpustack", "lmstudio"])
        {
            var sent = Write(Choosing(choice), preset).Json;
            Assert.Equal((tools, word), (NamesOf(sent), sent.GetProperty("tool_choice").GetString()));
            Assert.Equal("1.0", tools[0] == 'f' ? sent.GetProperty("tools")[0].GetProperty("function").GetProperty("parameters").GetProperty("x").GetRawText() : "1.0");
        }
        Assert.Equal(JsonValueKind.Object, Write(Choosing("""{"type":"function","function":{"name":"g"}}""")).Json.GetProperty("tool_choice").ValueKind);
    }

    [Theory]
    [InlineData("\"required\"")]
    [InlineData("""{"type":"function","function":{"name":"g"}}""")]
    [InlineData("""{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}""")]
    public void ToolChoice_OfAServerThatPassesOverIt_IsRefused(string choice) => Assert.Equal("tool_choice", Write(Choosing(choice), "ollama").Refusal!.Param);

    [Fact]
    public void ToolChoice_OfAServerThatPassesOverIt_IsKeptBySendingFewerTools()
    {
        foreach (var preset in (string[])["ollama", "zai"]) Assert.False(Write(Choosing("\"none\""), preset).Json.TryGetProperty("tools", out _));
        Assert.Equal("h", NamesOf(Write(Choosing("""{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"h"}}]}}"""), "ollama").Json));
    }

    [Theory]
    [InlineData("llama.cpp")]
    [InlineData("vllm")]
    [InlineData("sglang")]
    [InlineData("ollama")]
    [InlineData("lmstudio")]
    [InlineData("deepseek")]
    public void Functions_WhereTheOlderFormIsPassedOver_AreRefused(string preset)
    {
        var refusal = Write(Requests.With("\"functions\":[{\"name\":\"f\"}],\"function_call\":{\"name\":\"f\"}"), preset).Refusal!;
        Assert.Equal((400, "functions"), (refusal.Status, refusal.Param));
        Assert.Contains("Send tools and tool_choice instead", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(2, Write(Requests.With("\"functions\":[ ],\"function_call\":\"none\""), preset).Json.EnumerateObject().Count());
        Assert.True(Write(Requests.With("\"functions\":[{\"name\":\"f\"}]"), "openai").Json.TryGetProperty("functions", out _));
    }

    [Fact]
    public void JsonObject_WhereOnlyASchemaIsHeldTo_GetsOne()
    {
        Assert.Equal("""{"schema":{"type":"object"},"type":"json_object"}""", Format("{\"type\":\"json_object\"}", "llama.cpp"));
        Assert.Equal("""{"type":"json_object","schema":{"a":1}}""", Format("{\"type\":\"json_object\",\"schema\":{\"a\":1}}", "llama.cpp"));
        Assert.Equal("""{"type":"text"}""", Format("{\"type\":\"text\"}", "llama.cpp"));
        Assert.Equal("""{"type":"json_object"}""", Format("{\"type\":\"json_object\"}", null));
    }

    private static string Format(string format, string? preset) => Write(Requests.With($"\"response_format\":{format}"), preset).Json.GetProperty("response_format").GetRawText();

    [Theory]
    [InlineData("\"top_logprobs\":0", "1", "top_logprobs=1")]
    [InlineData("\"top_logprobs\":5", "5", "")]
    public void TopLogprobs_OfZero_AreRaisedWhereTheyWouldGiveNone(string member, string sends, string ignored)
    {
        var sent = Write(Requests.With("\"logprobs\":true," + member), "llama.cpp");
        Assert.Equal((sends, ignored), (sent.Json.GetProperty("top_logprobs").GetRawText(), sent.Ignored));
        Assert.Equal("0", Write(Requests.With("\"logprobs\":true,\"top_logprobs\":0")).Json.GetProperty("top_logprobs").GetRawText());
    }

    /// <summary>llama.cpp gives twenty alternatives a token to whoever does not say how many, OpenAI none.</summary>
    [Theory]
    [InlineData("\"logprobs\":true", "1")]
    [InlineData("\"logprobs\":true,\"top_logprobs\":null", "1")]
    [InlineData("\"logprobs\":false", null)]
    public void TopLogprobs_LeftOut_AreAsFewAsTheServerGives(string members, string? sends)
    {
        var sent = Write(Requests.With(members), "llama.cpp");
        Assert.Equal((sends, ""), (sent.Json.TryGetProperty("top_logprobs", out var number) ? number.GetRawText() : null, sent.Ignored));
        Assert.False(Write(Requests.With("\"logprobs\":true")).Json.TryGetProperty("top_logprobs", out _));
    }

    [Fact]
    public void Calls_OfTheHistory_AreFilledIn()
    {
        const string body = """{"model":"a/b","messages":[{"role":"user","content":"1"},{"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":" "}},{"id":"d","type":null,"function":{"arguments":"","name":"type"}},{"id":"e","type":"function","function":{"name":"f","arguments":"no"}},{"id":"x","type":"custom","custom":{"name":"g","input":""}}]},{"role":"tool","tool_call_id":"c","content":"x"},{"role":"tool","tool_call_id":"d","content":"x"},{"role":"tool","tool_call_id":"e","content":"x"},{"role":"tool","tool_call_id":"x","content":"x"}]}""";
        foreach (var preset in (string[])["llama.cpp", "gpustack", "ollama"])
        {
            Assert.Equal(
                """[{"type":"function","id":"c","function":{"name":"f","arguments":"{}"}},{"id":"d","type":"function","function":{"arguments":"{}","name":"type"}},{"id":"e","type":"function","function":{"name":"f","arguments":"no"}},{"id":"x","type":"custom","custom":{"name":"g","input":""}}]""",
                Write(body, preset).Json.GetProperty("messages")[1].GetProperty("tool_calls").GetRawText());
        }
    }

    [Theory]
    [InlineData(null, "41", 2, "\"seed\":43")]
    [InlineData("mistral", "41", 2, "\"random_seed\":43")]
    [InlineData(null, "9223372036854775807", 1, "\"seed\":-9223372036854775808")]
    [InlineData(null, "41", 0, "\"seed\":41")]
    public void Seed_OfALaterCandidate_IsItsOwn(string? preset, string seed, int candidate, string sends) =>
        Assert.Contains(sends, Write(Requests.With($"\"seed\":{seed}"), preset, candidate: candidate).Body, StringComparison.Ordinal);

    [Fact]
    public void Seed_OfALaterCandidate_IsDroppedWhereTheFirstOnesIs()
    {
        var sent = Write(Requests.With("\"seed\":41"), "deepseek", candidate: 1);
        Assert.Equal(("seed", false), (sent.Ignored, sent.Json.TryGetProperty("seed", out _)));
    }
}
