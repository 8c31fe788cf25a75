using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Gemini;
using CrossModel.Tests.Protocol;

namespace CrossModel.Tests.Dialects.Gemini;

/// <summary>The rows of the mapping, one by one.</summary>
public sealed class GeminiRequestTests
{
    private const string Tool = """{"type":"function","function":{"name":"get_weather","description":"d","parameters":{"type":"object","properties":{"city":{"type":"string"}},"$defs":{}}}}""";
    private const string Call = """{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{\"city\": \"Oslo\", \"n\": 1.50}"}}""";
    private const string Signed = """{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{}"},"extra_content":{"google":{"thought_signature":"QUJD"}}}""";

    private static Sent Write(string body, string model = "gemini-2.5-flash", ModelFacts? facts = null, UnknownParameters unknown = UnknownParameters.Reject, long? cap = null, GeminiDialect? dialect = null)
    {
        using var owned = new GeminiDialect(new UpstreamConfig(), TimeProvider.System);
        return Sent.Write(dialect ?? owned, body, model, facts, unknown, cap);
    }

    private static string With(string members) => Requests.With(members);

    private static string Messages(params string[] messages) => Requests.Messages(string.Join(",", messages));

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private static void Same(string expected, JsonElement actual) =>
        Assert.True(JsonElement.DeepEquals(Json(expected), actual), $"expected {expected}\n     got {actual.GetRawText()}");

    [Theory]
    [InlineData("\"max_tokens\":5", "maxOutputTokens", "5")]
    [InlineData("\"max_tokens\":9,\"max_completion_tokens\":5", "maxOutputTokens", "5")]
    [InlineData("\"temperature\":1.50", "temperature", "1.50")]
    [InlineData("\"top_p\":0.9", "topP", "0.9")]
    [InlineData("\"presence_penalty\":-1", "presencePenalty", "-1")]
    [InlineData("\"frequency_penalty\":1", "frequencyPenalty", "1")]
    [InlineData("\"seed\":-7", "seed", "-7")]
    [InlineData("\"stop\":\"a\\u00e9\"", "stopSequences", "[\"aé\"]")]
    [InlineData("\"stop\":[\"a\",\"b\"]", "stopSequences", "[\"a\",\"b\"]")]
    [InlineData("\"logprobs\":true", "responseLogprobs", "true")]
    [InlineData("\"logprobs\":true,\"top_logprobs\":3", "logprobs", "3")]
    [InlineData("\"response_format\":{\"type\":\"json_object\"}", "responseMimeType", "\"application/json\"")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\",\"$defs\":{}}}}", "responseJsonSchema", "{\"type\":\"object\",\"$defs\":{}}")]
    [InlineData("\"modalities\":[\"text\",\"image\"]", "responseModalities", "[\"TEXT\",\"IMAGE\"]")]
    public void Parameter_Taken_IsInTheGenerationConfig(string members, string name, string expected)
    {
        var sent = Write(With(members));
        Same(expected, sent.Config.GetProperty(name));
        Assert.Equal("", sent.Ignored);
    }

    [Fact]
    public void Parameter_Default_SaysNothing()
    {
        var sent = Write(With("\"n\":1,\"logprobs\":false,\"modalities\":[\"text\"],\"store\":false,\"user\":null,\"stop\":null,\"response_format\":{\"type\":\"text\"},\"tools\":[]"));
        Same("""{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{}}""", sent.Json);
        Assert.Equal("", sent.Ignored);
    }

    [Theory]
    [InlineData("\"user\":\"u\"", "user")]
    [InlineData("\"safety_identifier\":\"u\"", "safety_identifier")]
    [InlineData("\"metadata\":{\"a\":\"b\"}", "metadata")]
    [InlineData("\"store\":true", "store")]
    [InlineData("\"verbosity\":\"low\"", "verbosity")]
    [InlineData("\"prediction\":{\"type\":\"content\",\"content\":\"x\"}", "prediction")]
    [InlineData("\"logit_bias\":{\"1\":2}", "logit_bias")]
    [InlineData("\"web_search_options\":{}", "web_search_options")]
    [InlineData("\"service_tier\":\"scale\"", "service_tier")]
    [InlineData("\"response_format\":{\"type\":\"json_object\",\"schema\":{\"type\":\"object\"}}", "response_format.schema")]
    [InlineData("\"parallel_tool_calls\":false,\"tools\":[" + Tool + "]", "parallel_tool_calls")]
    public void Parameter_OfTasteOnly_IsDroppedAndNamed(string members, string ignored) => Assert.Equal(ignored, Write(With(members)).Ignored);

    [Theory]
    [InlineData("\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"a\",\"format\":\"wav\"}", "modalities", "unsupported_parameter")]
    [InlineData("\"seed\":3000000000", "seed", "invalid_value")]
    [InlineData("\"functions\":[{\"name\":\"f\"}]", "functions", "unsupported_parameter")]
    [InlineData("\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}]", "tools", "unsupported_parameter")]
    public void Parameter_ThatCannotBeHonoured_IsRefused(string members, string param, string code)
    {
        var refusal = Write(With(members)).Refusal;
        Assert.Equal((400, param, code), (refusal!.Status, refusal.Param, refusal.Code));
    }

    [Theory]
    [InlineData("flex", "flex")]
    [InlineData("priority", "priority")]
    [InlineData("default", "standard")]
    [InlineData("auto", "standard")]
    public void ServiceTier_Known_IsAtTheTop(string tier, string sent) => Assert.Equal(sent, Write(With($"\"service_tier\":\"{tier}\"")).Json.GetProperty("serviceTier").GetString());

    [Theory]
    [InlineData("41", 2, 43)]
    [InlineData("2147483647", 1, int.MinValue)]
    public void Seed_OfALaterCandidate_IsItsOwn(string seed, int candidate, int sends)
    {
        using var dialect = new GeminiDialect(new UpstreamConfig(), TimeProvider.System);
        Assert.Equal(sends, Sent.Write(dialect, With($"\"seed\":{seed}"), "gemini-2.5-flash", candidate: candidate).Config.GetProperty("seed").GetInt32());
    }

    [Fact]
    public void Cap_Affordable_IsSent() => Assert.Equal(812, Write(With("\"n\":1"), cap: 812).Config.GetProperty("maxOutputTokens").GetInt32());

    [Theory]
    [InlineData("gemini-2.5-flash", "none", "{\"thinkingBudget\":0}", "")]
    [InlineData("gemini-2.5-pro", "none", "{\"thinkingBudget\":128}", "reasoning_effort=minimal")]
    [InlineData("gemini-2.5-flash-lite", "minimal", "{\"thinkingBudget\":512,\"includeThoughts\":true}", "")]
    [InlineData("gemini-2.5-pro", "low", "{\"thinkingBudget\":1024,\"includeThoughts\":true}", "")]
    [InlineData("gemini-2.5-flash", "medium", "{\"thinkingBudget\":2048,\"includeThoughts\":true}", "")]
    [InlineData("gemini-2.5-flash", "high", "{\"thinkingBudget\":4096,\"includeThoughts\":true}", "")]
    [InlineData("gemini-2.5-flash", "xhigh", "{\"thinkingBudget\":24576,\"includeThoughts\":true}", "")]
    [InlineData("gemini-2.5-pro", "xhigh", "{\"thinkingBudget\":32768,\"includeThoughts\":true}", "")]
    [InlineData("gemini-3-flash-preview", "none", "{\"thinkingLevel\":\"minimal\"}", "reasoning_effort=minimal")]
    [InlineData("gemini-3.7-flash", "none", "{\"thinkingLevel\":\"low\"}", "reasoning_effort=low")]
    [InlineData("gemini-3-pro-preview", "minimal", "{\"thinkingLevel\":\"low\",\"includeThoughts\":true}", "reasoning_effort=low")]
    [InlineData("gemini-3-flash-preview", "minimal", "{\"thinkingLevel\":\"minimal\",\"includeThoughts\":true}", "")]
    [InlineData("gemini-3.1-pro-preview", "medium", "{\"thinkingLevel\":\"medium\",\"includeThoughts\":true}", "")]
    [InlineData("gemini-3.1-pro-preview", "xhigh", "{\"thinkingLevel\":\"high\",\"includeThoughts\":true}", "reasoning_effort=high")]
    [InlineData("gemini-flash-latest", "low", "{\"thinkingLevel\":\"low\",\"includeThoughts\":true}", "")]
    public void Effort_ByFamily_IsBudgetOrLevel(string model, string effort, string expected, string ignored)
    {
        var sent = Write(With($"\"reasoning_effort\":\"{effort}\""), model);
        Same(expected, sent.Config.GetProperty("thinkingConfig"));
        Assert.Equal(ignored, sent.Ignored);
    }

    [Theory]
    [InlineData("gemini-2.0-flash")]
    [InlineData("gemma-3-27b-it")]
    public void Effort_OfAModelThatDoesNotThink_IsDropped(string model)
    {
        var sent = Write(With("\"reasoning_effort\":\"low\""), model);
        Assert.False(sent.Config.TryGetProperty("thinkingConfig", out _));
        Assert.Equal("reasoning_effort", sent.Ignored);
    }

    [Fact]
    public void System_Anywhere_BecomesTheInstruction()
    {
        var sent = Write(Messages("""{"role":"system","content":"a"}""", """{"role":"user","content":"u"}""", """{"role":"developer","content":[{"type":"text","text":"b"}]}"""));
        Same("""{"parts":[{"text":"a"},{"text":"b"}]}""", sent.Json.GetProperty("systemInstruction"));
        Same("""[{"role":"user","parts":[{"text":"u"}]}]""", sent.Contents);
    }

    [Theory]
    [InlineData("gemma-3-27b-it", """{"role":"user","content":"u"}""", """[{"role":"user","parts":[{"text":"a"},{"text":"u"}]}]""")]
    [InlineData("gemini-2.5-pro", """{"role":"system","content":""}""", """[{"role":"user","parts":[{"text":"a"}]}]""")]
    public void System_WhereItCannotBeApart_IsTheFirstUserText(string model, string second, string expected)
    {
        var sent = Write(Messages("""{"role":"system","content":"a"}""", second), model);
        Same(expected, sent.Contents);
        Assert.False(sent.Json.TryGetProperty("systemInstruction", out _));
    }

    [Fact]
    public void System_WithAnImage_IsRefused() =>
        Assert.Equal("messages[0].content[0]", Write(Messages("""{"role":"system","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]}""", """{"role":"user","content":"u"}""")).Refusal!.Param);

    [Theory]
    [InlineData("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]}", "cache_control")]
    [InlineData("{\"role\":\"user\",\"content\":\"Hi\",\"cache_control\":{\"type\":\"ephemeral\"}}", "cache_control")]
    [InlineData("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\",\"prompt_cache_breakpoint\":{}}]}", "prompt_cache_breakpoint")]
    [InlineData("{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"},\"cache_control\":{\"type\":\"ephemeral\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"r\"}", "cache_control")]
    public void CacheMark_IsDroppedAndNamed(string message, string ignored)
    {
        var sent = Write(Messages(message));
        Assert.Equal(ignored, sent.Ignored);
        Assert.DoesNotContain("cache", sent.Body, StringComparison.Ordinal);
    }

    [Fact]
    public void Roles_InARow_AreMerged()
    {
        var sent = Write(Messages("""{"role":"user","content":"a","name":"n"}""", """{"role":"user","content":[{"type":"text","text":"b"},{"type":"text","text":""}]}""", """{"role":"assistant","content":"c"}""", """{"role":"assistant","content":"d","refusal":null}""", """{"role":"user","content":"e"}"""));
        Same("""[{"role":"user","parts":[{"text":"a"},{"text":"b"}]},{"role":"model","parts":[{"text":"c"},{"text":"d"}]},{"role":"user","parts":[{"text":"e"}]}]""", sent.Contents);
        Assert.Equal("name", sent.Ignored);
    }

    [Fact]
    public void Calls_AndResults_StandTogetherInTheOrderOfTheCalls()
    {
        var sent = Write(Messages("""{"role":"user","content":"u"}""",
            """{"role":"assistant","content":"t","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1.0}"}},{"id":"b","type":"function","function":{"name":"g","arguments":""}}]}""",
            """{"role":"tool","tool_call_id":"b","content":"plain"}""",
            """{"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"{\"ok\":true}"}]}""",
            """{"role":"user","content":"and?"}"""));
        Assert.Contains("\"x\":1.0", sent.Body);
        Same("""
            [{"role":"user","parts":[{"text":"u"}]},
             {"role":"model","parts":[{"text":"t"},{"functionCall":{"id":"a","name":"f","args":{"x":1.0}}},{"functionCall":{"id":"b","name":"g","args":{}}}]},
             {"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"ok":true}}},{"functionResponse":{"id":"b","name":"g","response":{"output":"plain"}}},{"text":"and?"}]}]
            """, sent.Contents);
    }

    /// <summary>A reference in it Google takes for one to a part of the result.</summary>
    [Theory]
    [InlineData("{\\\"type\\\":\\\"object\\\",\\\"items\\\":{\\\"$ref\\\":\\\"#/$defs/a\\\"}}")]
    [InlineData("{\\\"items\\\":[{\\\"\\\\u0024ref\\\":\\\"#/$defs/a\\\"}]}")]
    [InlineData("{\\\"a\\\":1,\\\"a\\\":2}")]
    [InlineData("{\\\"a\\\":[{\\\"b\\\":1,\\\"\\\\u0062\\\":2}]}")]
    public void Result_WithANameTwiceOrAReference_IsText(string result) => Assert.Equal($"{{\"output\":\"{result}\"}}",
        Write(Messages("""{"role":"user","content":"u"}""", $$"""{"role":"assistant","content":null,"tool_calls":[{{Call}}]}""",
            $$"""{"role":"tool","tool_call_id":"c1","content":"{{result}}"}""")).Contents[2].GetProperty("parts")[0].GetProperty("functionResponse").GetProperty("response").GetRawText());

    [Theory]
    [InlineData("gemini-3-pro-preview", """[{"functionResponse":{"id":"c1","name":"get_weather","response":{"output":"t"},"parts":[{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]}}]""")]
    [InlineData("gemini-2.5-pro", """[{"functionResponse":{"id":"c1","name":"get_weather","response":{"output":"t"}}},{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]""")]
    public void Result_WithAnImage_HasItInsideOrBehind(string model, string expected)
    {
        var sent = Write(Messages("""{"role":"user","content":"u"}""", $$"""{"role":"assistant","content":null,"tool_calls":[{{Call}}]}""",
            """{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]}"""), model);
        Same(expected, sent.Contents[2].GetProperty("parts"));
    }

    /// <summary>"Image part is missing a thought_signature": models that make pictures want state on every part of an earlier turn, and callers have none to give.</summary>
    [Theory]
    [InlineData("gemini-3-pro-image-preview", true)]
    [InlineData("gemini-nano-banana-2.1", true)]
    [InlineData("gemini-2.5-flash-image", false)]
    [InlineData("gemini-3.5-flash", false)]
    public void Pictures_OfAnEarlierReply_GoBack_SignedWhereTheModelWantsIt(string model, bool signed)
    {
        const string picture = """{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}""";
        var mark = signed ? ",\"thoughtSignature\":\"skip_thought_signature_validator\"" : "";
        var expected = $$$"""{"role":"model","parts":[{"text":"Here."{{{mark}}}},{"inlineData":{"mimeType":"image/png","data":"QUJD"}{{{mark}}}}]}""";
        foreach (var said in (string[])[$$$"""{"role":"assistant","content":"Here.","images":[{{{picture}}},7,{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}]}""", $$$"""{"role":"assistant","content":[{"type":"text","text":"Here."},{{{picture}}}]}"""])
        {
            var contents = Write(Messages("""{"role":"user","content":"Draw."}""", said, """{"role":"user","content":"Bluer."}"""), model).Json.GetProperty("contents");
            Same(expected, contents[1]);
            Same("""{"role":"user","parts":[{"text":"Bluer."}]}""", contents[2]);
        }
    }

    [Theory]
    [InlineData("[1]")]
    [InlineData("nothing")]
    [InlineData("{\\\"a\\\":")]
    [InlineData("{\\\"a\\\":\\\"\\\\ud800\\\"}")]
    [InlineData("{\\\"a\\\":1,\\\"a\\\":2}")]
    [InlineData("{\\\"a\\\":[{\\\"b\\\":1,\\\"\\\\u0062\\\":2}]}")]
    public void Arguments_ThatAreNoObjectOfNamesOnce_AreRefused(string arguments)
    {
        var refusal = Write(Messages("""{"role":"user","content":"u"}""", "{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"" + arguments + "\"}}]}", """{"role":"tool","tool_call_id":"a","content":"r"}""")).Refusal;
        Assert.Equal(("invalid_messages", "messages[1].tool_calls[0].function.arguments"), (refusal!.Code, refusal.Param));
    }

    [Theory]
    [InlineData("gemini-3-pro-preview", Signed, "QUJD")]
    [InlineData("gemini-3-pro-preview", Call, "skip_thought_signature_validator")]
    [InlineData("gemini-2.5-pro", Signed, "QUJD")]
    [InlineData("gemini-2.5-pro", Call, null)]
    public void Signature_OfTheOpenTurn_IsSentOrSkipped(string model, string call, string? expected)
    {
        var sent = Write(Messages("""{"role":"user","content":"u"}""", $$"""{"role":"assistant","tool_calls":[{{call}}]}""", """{"role":"tool","tool_call_id":"c1","content":"r"}"""), model);
        Assert.Equal(expected, sent.Contents[1].GetProperty("parts")[0].TryGetProperty("thoughtSignature", out var signature) ? signature.GetString() : null);
    }

    /// <summary>Inlined whole, these definitions would be 2²⁴ objects.</summary>
    [Fact]
    public void Schema_WhoseReferencesDouble_IsCut()
    {
        var definitions = string.Join(',', Enumerable.Range(0, 24).Select(i => $$"""
            "d{{i}}":{"type":"object","properties":{"a":{"$ref":"#/$defs/d{{i + 1}}"},"b":{"$ref":"#/$defs/d{{i + 1}}"} } }
            """));
        var sent = Write($$$"""{"model":"a/b","messages":[{"role":"user","content":"u"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"r":{"$ref":"#/$defs/d0"}},"$defs":{ {{{definitions}}} } } } } }""", "gemini-2.0-flash");
        Assert.InRange(sent.Body.Length, 1, 4_000_000);
    }

    /// <summary>What is referred to is written again at each reference, with all its words.</summary>
    [Fact]
    public void Schema_WhoseReferencesRepeatMuch_IsCut()
    {
        var properties = string.Join(',', Enumerable.Range(0, 5000).Select(i => $$""" "p{{i}}":{"$ref":"#/$defs/a"} """));
        var sent = Write($$$"""{"model":"a/b","messages":[{"role":"user","content":"u"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{ {{{properties}}} },"$defs":{"a":{"type":"string","description":"{{{new string('x', 50_000)}}}"}} } } } }""", "gemini-2.0-flash");
        Assert.InRange(sent.Body.Length, 1, 4_000_000);
    }

    /// <summary>No cycle, however many names one thing has.</summary>
    [Fact]
    public void Schema_OfAReferenceToAReference_IsInlinedEachTime()
    {
        var sent = Write("""{"model":"a/b","messages":[{"role":"user","content":"u"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"x":{"$ref":"#/$defs/a"},"y":{"$ref":"#/$defs/b"}},"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"type":"string"}}}}}}""", "gemini-2.0-flash");
        Assert.Contains("\"x\":{\"type\":\"STRING\"},\"y\":{\"type\":\"STRING\"}", sent.Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"$ref":"#"}""", """{"type":"OBJECT","properties":{"a":{"type":"OBJECT"}}}""")]
    [InlineData("""{"type":["string","null"],"nullable":true}""", """{"type":"STRING","nullable":true}""")]
    [InlineData("""{"type":["integer","string"],"anyOf":[{"minimum":1},{"maximum":0}]}""", """{"anyOf":[{"minimum":1},{"maximum":0}]}""")]
    [InlineData("""{"allOf":[{"type":"string"}]}""", """{"anyOf":[{"type":"STRING"}]}""")]
    [InlineData("""{"enum":["k",null]}""", """{"type":"STRING","enum":["k"],"nullable":true}""")]
    [InlineData("""{"type":"string","enum":["k",null]}""", """{"type":"STRING","enum":["k"]}""")]
    [InlineData("""{"type":["string","null"],"enum":["k",null]}""", """{"type":"STRING","enum":["k"],"nullable":true}""")]
    [InlineData("""{"anyOf":[{"type":"integer"},{"const":null}]}""", """{"nullable":true,"anyOf":[{"type":"INTEGER"}]}""")]
    [InlineData("""{"anyOf":[{"type":"integer"},{"enum":[null]}]}""", """{"nullable":true,"anyOf":[{"type":"INTEGER"}]}""")]
    [InlineData("""{"type":"object","properties":{"b":{"type":"string"}},"required":["c"]}""", """{"type":"OBJECT","properties":{"b":{"type":"STRING"}}}""")]
    public void Schema_ForTheFirstGenerations_IsWrittenInTheirWords(string part, string written) => Assert.Equal(
        $$$"""{"type":"OBJECT","properties":{"a":{{{written}}}}}""",
        Write(With($$$"""
            "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{{{part}}} } } } }
            """), "gemini-2.0-flash").Config.GetProperty("responseSchema").GetRawText());

    /// <summary>Results, and the user's words behind them, are one content still.</summary>
    [Fact]
    public void Signature_BeforeAnAssistantWhoSaysNothing_IsSkippedStill() => Assert.Contains("skip_thought_signature_validator",
        Write(Messages("""{"role":"user","content":"u"}""", $$"""{"role":"assistant","content":null,"tool_calls":[{{Call}}]}""", """{"role":"tool","tool_call_id":"c1","content":"r"}""",
            """{"role":"assistant","content":""}""", """{"role":"user","content":"go on"}"""), "gemini-3-pro-preview").Body);

    /// <summary>What is left out begins no turn.</summary>
    [Theory]
    [InlineData("\"\"")]
    [InlineData("[{\"type\":\"text\",\"text\":\"\"}]")]
    public void Signature_BeforeAUserWhoSaysNothing_IsSkippedStill(string nothing) => Assert.Contains("skip_thought_signature_validator",
        Write(Messages("""{"role":"user","content":"u"}""", $$"""{"role":"assistant","content":null,"tool_calls":[{{Call}}]}""", """{"role":"tool","tool_call_id":"c1","content":"r"}""",
            """{"role":"assistant","content":"a"}""", $$"""{"role":"user","content":{{nothing}}}"""), "gemini-3-pro-preview").Body);

    [Fact]
    public void Signature_OfAnAnsweredTurn_NeedsNoMarker()
    {
        var sent = Write(Messages("""{"role":"user","content":"u"}""", $$"""{"role":"assistant","tool_calls":[{{Call}}]}""", """{"role":"tool","tool_call_id":"c1","content":"r"}""", """{"role":"assistant","content":"a"}""", """{"role":"user","content":"more"}"""), "gemini-3-pro-preview");
        Assert.DoesNotContain("thoughtSignature", sent.Body);
    }

    // Google looks for the user's last content that is no result, and merged with a result the user's words may not count as one.
    [Theory]
    [InlineData("""{"role":"user","content":"more"}""")]
    [InlineData("""{"role":"system","content":"s"},{"role":"user","content":"more"},{"role":"user","content":"and more"}""")]
    public void Signature_WhereTheUserSpeaksRightBehindTheResult_IsSkipped(string more)
    {
        var sent = Write(Messages("""{"role":"user","content":"u"}""", $$"""{"role":"assistant","tool_calls":[{{Call}}]}""", """{"role":"tool","tool_call_id":"c1","content":"r"}""", more), "gemini-3-pro-preview");
        Assert.Equal(3, sent.Contents.GetArrayLength());
        Assert.Equal("skip_thought_signature_validator", sent.Contents[1].GetProperty("parts")[0].GetProperty("thoughtSignature").GetString());
    }

    /// <summary>Of calls side by side Google signs the first alone.</summary>
    [Fact]
    public void Signature_OfSeveralCalls_IsTheFirstOnes()
    {
        var sent = Write(Messages("""{"role":"user","content":"u"}""", $$"""{"role":"assistant","tool_calls":[{{Call}},{{Call.Replace("c1", "c2", StringComparison.Ordinal)}}]}""",
            """{"role":"tool","tool_call_id":"c1","content":"r"}""", """{"role":"tool","tool_call_id":"c2","content":"r"}"""), "gemini-3-pro-preview");
        Assert.Equal([true, false], sent.Contents[1].GetProperty("parts").EnumerateArray().Select(part => part.TryGetProperty("thoughtSignature", out _)));
    }

    [Fact]
    public void Signature_CalledCorrupted_IsReplacedByTheMarkerFromThenOn()
    {
        using var dialect = new GeminiDialect(new UpstreamConfig(), TimeProvider.System);
        var body = Messages("""{"role":"user","content":"u"}""", $$"""{"role":"assistant","tool_calls":[{{Signed}}]}""", """{"role":"tool","tool_call_id":"c1","content":"r"}""");
        Assert.Contains("QUJD", Write(body, "gemini-3-pro-preview", dialect: dialect).Body);
        var fault = Refuse(dialect, body, "gemini-3-pro-preview", """{"error":{"code":400,"message":"Corrupted thought signature.","status":"INVALID_ARGUMENT"}}""");
        Assert.True(fault.TryAgain);
        Assert.Contains("skip_thought_signature_validator", Write(body, "gemini-3-pro-preview", dialect: dialect).Body);
        Assert.False(Refuse(dialect, body, "gemini-3-pro-preview", """{"error":{"code":400,"message":"Corrupted thought signature.","status":"INVALID_ARGUMENT"}}""").TryAgain);
    }

    [Fact]
    public void Penalties_OnceRefused_AreDroppedForThatModel()
    {
        using var dialect = new GeminiDialect(new UpstreamConfig(), TimeProvider.System);
        var body = With("\"presence_penalty\":1");
        Assert.True(Refuse(dialect, body, "gemini-x", """{"error":{"code":400,"message":"Penalty is not enabled for models/gemini-x","status":"INVALID_ARGUMENT"}}""").TryAgain);
        Assert.Equal("presence_penalty", Write(body, "gemini-x", dialect: dialect).Ignored);
        Assert.Equal("", Write(body, "gemini-y", dialect: dialect).Ignored);
    }

    [Fact]
    public void Penalties_RefusedInTheCallersOwnWords_TeachNothing()
    {
        using var dialect = new GeminiDialect(new UpstreamConfig(), TimeProvider.System);
        var body = With("\"presence_penalty\":1,\"stop\":\"Penalty is not enabled\"");
        Assert.False(Refuse(dialect, body, "gemini-x", """{"error":{"code":400,"message":"Invalid stop sequence: Penalty is not enabled","status":"INVALID_ARGUMENT"}}""").TryAgain);
        Assert.Equal("", Write(body, "gemini-x", dialect: dialect).Ignored);
    }

    /// <summary>One word is refused, not all: who asks with another is not to lose it, and who asks with this one gets its neighbour.</summary>
    [Fact]
    public void Level_OnceRefused_IsTheNextOne_AndTheOthersStay()
    {
        using var dialect = new GeminiDialect(new UpstreamConfig(), TimeProvider.System);
        const string said = """{"error":{"code":400,"message":"Thinking level MEDIUM is not supported for this model. Please retry with other thinking level.","status":"INVALID_ARGUMENT"}}""";
        static string Level(Sent sent) => sent.Json.GetProperty("generationConfig").GetProperty("thinkingConfig").GetProperty("thinkingLevel").GetString()!;
        Assert.True(Refuse(dialect, With("\"reasoning_effort\":\"medium\""), "gemini-4-pro", said).TryAgain);
        var again = Write(With("\"reasoning_effort\":\"medium\""), "gemini-4-pro", dialect: dialect);
        Assert.Equal(("low", "reasoning_effort=low"), (Level(again), again.Ignored));
        var other = Write(With("\"reasoning_effort\":\"high\""), "gemini-4-pro", dialect: dialect);
        Assert.Equal(("high", ""), (Level(other), other.Ignored));
        Assert.False(Refuse(dialect, With("\"reasoning_effort\":\"high\""), "gemini-4-pro", said).TryAgain);
        foreach (var level in (string[])["LOW", "MINIMAL"])
            Assert.True(Refuse(dialect, With("\"reasoning_effort\":\"low\""), "gemini-4-pro", said.Replace("MEDIUM", level, StringComparison.Ordinal)).TryAgain);
        Assert.Equal("high", Level(Write(With("\"reasoning_effort\":\"low\""), "gemini-4-pro", dialect: dialect)));
    }

    private static UpstreamFault Refuse(GeminiDialect dialect, string body, string model, string error)
    {
        Assert.Null(Requests.Read(System.Text.Encoding.UTF8.GetBytes(body), out var request));
        using var owned = request;
        using var upstream = new UpstreamRequest();
        Assert.Null(dialect.Write(request!, new RouteModel("a/b", model, new ModelFacts()), new WriteOptions(null, "account"), upstream));
        using var response = new HttpResponseMessage();
        return dialect.ReadFault(400, response.Headers, System.Text.Encoding.UTF8.GetBytes(error), upstream);
    }

    [Fact]
    public void Tools_Declared_KeepTheirSchema()
    {
        var sent = Write(With($$$$"""
            "tools":[{{{{Tool}}}},{"type":"function","function":{"name":"now","parameters":{"type":"object","properties":{},"required":[],"additionalProperties":false}}}]
            """));
        Same("""[{"functionDeclarations":[{"name":"get_weather","description":"d","parametersJsonSchema":{"type":"object","properties":{"city":{"type":"string"}},"$defs":{}}},{"name":"now"}]}]""", sent.Json.GetProperty("tools"));
        Assert.False(sent.Json.TryGetProperty("toolConfig", out _));
    }

    [Theory]
    [InlineData("\"auto\"", "{\"mode\":\"AUTO\"}")]
    [InlineData("\"none\"", "{\"mode\":\"NONE\"}")]
    [InlineData("\"required\"", "{\"mode\":\"ANY\"}")]
    [InlineData("{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}", "{\"mode\":\"ANY\",\"allowedFunctionNames\":[\"get_weather\"]}")]
    [InlineData("{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}]}}", "{\"mode\":\"VALIDATED\",\"allowedFunctionNames\":[\"get_weather\"]}")]
    [InlineData("{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}]}}", "{\"mode\":\"ANY\",\"allowedFunctionNames\":[\"get_weather\"]}")]
    public void ToolChoice_Every_HasItsMode(string choice, string expected) =>
        Same(expected, Write(With($"\"tools\":[{Tool}],\"tool_choice\":{choice}")).Json.GetProperty("toolConfig").GetProperty("functionCallingConfig"));

    /// <summary>Google answers 400 then: "Invalid function name. Must start with a letter or an underscore."</summary>
    [Theory]
    [InlineData("2fa", false)]
    [InlineData("-f", false)]
    [InlineData("_2fa", true)]
    [InlineData("f-2", true)]
    public void Tool_WhoseNameBeginsWithNoLetter_IsRefused(string name, bool isTaken)
    {
        var refusal = Write(With($$$"""
            "tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"{{{name}}}"}}]
            """)).Refusal;
        Assert.Equal(isTaken ? (null, null) : ("unsupported_parameter", "tools[1].function.name"), (refusal?.Code, refusal?.Param));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\"tool_choice\":\"auto\",")]
    public void Tools_Strict_AreValidated(string choice) =>
        Same("""{"mode":"VALIDATED"}""", Write(With(choice + "\"tools\":[" + Tool.Replace("\"name\"", "\"strict\":true,\"name\"", StringComparison.Ordinal) + "]")).Json.GetProperty("toolConfig").GetProperty("functionCallingConfig"));

    [Theory]
    [InlineData("""{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}""", """{"inlineData":{"mimeType":"image/png","data":"QUJD"}}""")]
    [InlineData("""{"type":"image_url","image_url":{"url":"data:image/jpg;base64,/9j/4AAQSkZJRgAB"}}""", """{"inlineData":{"mimeType":"image/jpeg","data":"/9j/4AAQSkZJRgAB"}}""")]
    [InlineData("""{"type":"image_url","image_url":{"url":"DATA:Image/PNG;BASE64,QUJD"}}""", """{"inlineData":{"mimeType":"image/png","data":"QUJD"}}""")]
    [InlineData("""{"type":"input_audio","input_audio":{"data":"Data:Audio/WAV;Base64,QUJD","format":"wav"}}""", """{"inlineData":{"mimeType":"audio/wav","data":"QUJD"}}""")]
    [InlineData("""{"type":"file","file":{"file_data":"data:application/octet-stream;base64,JVBERi0xLjcK"}}""", """{"inlineData":{"mimeType":"application/pdf","data":"JVBERi0xLjcK"}}""")]
    [InlineData("""{"type":"image_url","image_url":{"url":"data:image\/png;base64,QU\/D"}}""", """{"inlineData":{"mimeType":"image/png","data":"QU/D"}}""")]
    [InlineData("""{"type":"image_url","image_url":{"url":"https://example.org/a.png","detail":"low"}}""", """{"fileData":{"fileUri":"https://example.org/a.png","mimeType":"image/png"},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}}""")]
    [InlineData("""{"type":"input_audio","input_audio":{"data":"QUJD","format":"mp3"}}""", """{"inlineData":{"mimeType":"audio/mp3","data":"QUJD"}}""")]
    [InlineData("""{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}}""", """{"inlineData":{"mimeType":"application/pdf","data":"QUJD"}}""")]
    [InlineData("""{"type":"file","file":{"filename":"a.txt","file_data":"QUJD"}}""", """{"inlineData":{"mimeType":"text/plain","data":"QUJD"}}""")]
    [InlineData("""{"type":"file","file":{"file_data":"https://generativelanguage.googleapis.com/v1beta/files/abc"}}""", """{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc","mimeType":"application/pdf"}}""")]
    [InlineData("""{"type":"video_url","video_url":{"url":"https://www.youtube.com/watch?v=x"}}""", """{"fileData":{"fileUri":"https://www.youtube.com/watch?v=x","mimeType":"video/*"}}""")]
    [InlineData("""{"type":"video_url","video_url":{"url":"data:video/webm;base64,QUJD"}}""", """{"inlineData":{"mimeType":"video/webm","data":"QUJD"}}""")]
    [InlineData("""{"type":"video","video":["data:image/jpeg;base64,QUJD"]}""", """{"inlineData":{"mimeType":"image/jpeg","data":"QUJD"}}""")]
    public void Block_Read_IsAPart(string block, string expected) =>
        Same(expected, Write(Messages("{\"role\":\"user\",\"content\":[" + block + "]}"), "gemini-3-flash-preview").Contents[0].GetProperty("parts")[0]);

    [Theory]
    [InlineData("""{"type":"file","file":{"file_id":"f"}}""", "messages[0].content[0].file.file_id", "unsupported_parameter")]
    [InlineData("""{"type":"image_url","image_url":{"url":"http://example.org/a.png"}}""", "messages[0].content[0].image_url.url", "unsupported_parameter")]
    [InlineData("""{"type":"video_url","video_url":{"url":"https://example.org/a.mp4"}}""", "messages[0].content[0].video_url.url", "unsupported_parameter")]
    [InlineData("""{"type":"image_url","image_url":{"url":"gs://bucket/a.png"}}""", "messages[0].content[0].image_url.url", "unsupported_parameter")]
    [InlineData("""{"type":"image_url","image_url":{"url":"data:image/png,abc"}}""", "messages[0].content[0].image_url.url", "invalid_messages")]
    [InlineData("""{"type":"image_url","image_url":{"url":"nothing"}}""", "messages[0].content[0].image_url.url", "invalid_messages")]
    public void Block_ThatCannotBeRead_IsRefused(string block, string param, string code)
    {
        var refusal = Write(Messages("{\"role\":\"user\",\"content\":[" + block + "]}")).Refusal;
        Assert.Equal((param, code), (refusal!.Param, refusal.Code));
    }

    [Fact]
    public void Address_ForAnOlderModel_IsRefused() =>
        Assert.Equal("unsupported_parameter", Write(Messages("""{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.org/a.png"}}]}"""), "gemini-2.0-flash").Refusal!.Code);

    [Fact]
    public void Resolution_ForTheSecondGeneration_IsOneForAll()
    {
        static string Image(string detail) => $$$"""{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"{{{detail}}}"}}""";
        Assert.Equal("MEDIA_RESOLUTION_HIGH", Write(Messages($$"""{"role":"user","content":[{{Image("high")}},{{Image("high")}}]}""")).Config.GetProperty("mediaResolution").GetString());
        Assert.Equal("image_url.detail", Write(Messages($$"""{"role":"user","content":[{{Image("high")}},{{Image("low")}}]}""")).Ignored);
        Assert.Equal("image_url.detail", Write(Messages($$"""{"role":"user","content":[{{Image("original")}}]}""")).Ignored);
    }

    /// <summary>Google passes over <c>const</c>, which tells the parts of a union apart; an enum of one it keeps to.</summary>
    [Fact]
    public void Schema_WithAConst_HasAnEnumOfOne()
    {
        const string schema = """{"type":"object","properties":{"const":{"type":"string","const":"k"},"n":{"const":1.50},"b":{"const":true},"e":{"const":"a","enum":["a","b"]},"u":{"anyOf":[{"$ref":"#/$defs/m"},{"items":{"const":"i"},"default":{"const":"d"}}]}},"$defs":{"m":{"additionalProperties":{"const":""}}},"required":["const"]}""";
        const string sent = """{"type":"object","properties":{"const":{"type":"string","enum":["k"]},"n":{"type":"number","enum":[1.50]},"b":{"const":true},"e":{"const":"a","enum":["a","b"]},"u":{"anyOf":[{"$ref":"#/$defs/m"},{"items":{"type":"string","enum":["i"]},"default":{"const":"d"}}]}},"$defs":{"m":{"additionalProperties":{"type":"string","enum":[""]}}},"required":["const"]}""";
        Assert.Equal(sent, Write(With("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":" + schema + "}}")).Config.GetProperty("responseJsonSchema").GetRawText());
        Assert.Equal(sent, Write(With("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":" + schema + "}}]"))
            .Json.GetProperty("tools")[0].GetProperty("functionDeclarations")[0].GetProperty("parametersJsonSchema").GetRawText());
    }

    [Fact]
    public void Schema_ForTheFirstGenerations_IsTheSubset()
    {
        var sent = Write(With("""
            "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"$schema":"x","type":"object","additionalProperties":false,"required":["a","zz"],
              "properties":{"a":{"type":["string","null"],"description":"d"},"b":{"const":"k"},"c":{"$ref":"#/$defs/node"},"d":{"oneOf":[{"type":"integer"},{"type":"null"}]},"e":{"type":["integer","string"]},"f":{"type":"integer","enum":[1,2]}},
              "$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"},"tags":{"type":"array","items":{"type":"string"}}}}}}}}
            """), "gemini-2.0-flash");
        Same("""
            {"type":"OBJECT","properties":{"a":{"type":"STRING","description":"d","nullable":true},"b":{"type":"STRING","enum":["k"]},
              "c":{"type":"OBJECT","properties":{"next":{"type":"OBJECT"},"tags":{"type":"ARRAY","items":{"type":"STRING"}}}},
              "d":{"nullable":true,"anyOf":[{"type":"INTEGER"}]},"e":{"anyOf":[{"type":"INTEGER"},{"type":"STRING"}]},"f":{"type":"INTEGER"}},"required":["a"]}
            """, sent.Config.GetProperty("responseSchema"));
    }

    [Fact]
    public void Unknown_LetThrough_GoesWhereItBelongs()
    {
        var sent = Write(With("\"top_k\":5,\"safetySettings\":[],\"contents\":[]"), unknown: UnknownParameters.Forward);
        Assert.Equal(5, sent.Config.GetProperty("topK").GetInt32());
        Assert.Equal(0, sent.Json.GetProperty("safetySettings").GetArrayLength());
        Assert.Equal(1, sent.Contents.GetArrayLength());
        Assert.Equal("contents", sent.Ignored);
        Assert.Equal("top_k", Write(With("\"top_k\":5"), unknown: UnknownParameters.Ignore).Ignored);
    }

    [Theory]
    [InlineData("gemini-2.5-pro", false, "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent")]
    [InlineData("gemini-2.5-pro", true, "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse")]
    [InlineData("tunedModels/mine", false, "https://generativelanguage.googleapis.com/v1beta/tunedModels/mine:generateContent")]
    [InlineData("a?b#c", false, "https://generativelanguage.googleapis.com/v1beta/models/a%3Fb%23c:generateContent")]
    public void Address_OfAModel_IsSafe(string model, bool stream, string expected) =>
        Assert.Equal(expected, Write(With($"\"stream\":{(stream ? "true" : "false")}"), model).Address);

    [Theory]
    [InlineData("../../v1/other")]
    [InlineData("models/..")]
    [InlineData(".")]
    public void Address_ThatWouldClimb_IsRefused(string model) => Assert.Equal(503, Write(With("\"n\":1"), model).Refusal!.Status);
}
