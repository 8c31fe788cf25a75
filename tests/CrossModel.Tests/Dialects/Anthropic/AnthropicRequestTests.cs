using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Anthropic;
using CrossModel.Tests.Protocol;

namespace CrossModel.Tests.Dialects.Anthropic;

/// <summary>What golden files cannot say in one picture: tables and edges.</summary>
public sealed class AnthropicRequestTests : AnthropicWriting
{
    [Theory]
    [InlineData("claude-3-haiku-20240307", 4096)]
    [InlineData("claude-3-5-sonnet-20240620", 8192)]
    [InlineData("claude-3-7-sonnet-20250219", 64000)]
    [InlineData("claude-opus-4-20250514", 32000)]
    [InlineData("claude-sonnet-4-0", 64000)]
    [InlineData("claude-opus-4-1-20250805", 32000)]
    [InlineData("us.anthropic.claude-opus-4-5-20251101-v1:0", 64000)]
    [InlineData("us.anthropic.claude-opus-4-6-v1", 128000)]
    [InlineData("claude-sonnet-4@20250514", 64000)]
    [InlineData("claude-fable-5", 128000)]
    [InlineData("claude-opus-6-2", 128000)]
    [InlineData("kimi-k2", 4096)]
    public void Cap_NotGiven_IsTheModels(string model, long expected) =>
        Assert.Equal(expected, Write(With("\"seed\":1"), model).Json.GetProperty("max_tokens").GetInt64());

    [Theory]
    [InlineData("""{"role":"system","content":"a","cache_control":{"type":"ephemeral"}},{"role":"developer","content":"b"}""", """[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}]}]""", false)]
    [InlineData("""{"role":"system","content":"a"},{"role":"user","content":""}""", """[{"role":"user","content":[{"type":"text","text":"a"}]}]""", false)]
    [InlineData("""{"role":"system","content":"a"},{"role":"user","content":"u"}""", """[{"role":"user","content":[{"type":"text","text":"u"}]}]""", true)]
    public void System_Alone_IsWhatTheUserSays(string messages, string expected, bool apart)
    {
        var sent = Write(Requests.Messages(messages)).Json;
        Assert.Equal(expected, sent.GetProperty("messages").GetRawText());
        Assert.Equal(apart, sent.TryGetProperty("system", out _));
    }

    /// <summary>The API refuses thinking by budget before an answer that has begun.</summary>
    [Theory]
    [InlineData("""{"role":"user","content":"a"},{"role":"assistant","content":"The"}""", "claude-sonnet-4-5", false)]
    [InlineData("""{"role":"user","content":"a"},{"role":"assistant","content":"The"},{"role":"user","content":"b"}""", "claude-sonnet-4-5", true)]
    [InlineData("""{"role":"user","content":"a"},{"role":"assistant","content":"The"}""", "claude-opus-4-6", true)]
    public void Effort_BeforeABeginningOfTheAnswer_IsDroppedAndNamed(string messages, string model, bool thinks)
    {
        var sent = Write($$"""{"model":"a/b","reasoning_effort":"low","messages":[{{messages}}]}""", model);
        Assert.Equal((thinks, thinks ? "" : "reasoning_effort"), (sent.Json.TryGetProperty("thinking", out _), sent.Ignored));
    }

    [Theory]
    [InlineData("auto", "auto", "")]
    [InlineData("default", "standard_only", "")]
    [InlineData("flex", null, "service_tier")]
    public void ServiceTier_Asked_IsInAnthropicsWords(string tier, string? expected, string ignored)
    {
        var sent = Write(With($"\"service_tier\":\"{tier}\""));
        Assert.Equal((expected, ignored), (sent.Json.TryGetProperty("service_tier", out var said) ? said.GetString() : null, sent.Ignored));
    }

    [Fact]
    public void Refusal_OfAnEarlierTurn_GoesBackAsText() => Assert.Equal("""[{"type":"text","text":"I cannot."}]""",
        Write("""{"model":"a/b","messages":[{"role":"user","content":"1"},{"role":"assistant","content":null,"refusal":"I cannot."},{"role":"user","content":"2"}]}""")
            .Json.GetProperty("messages")[1].GetProperty("content").GetRawText());

    [Fact]
    public void CacheMark_ForAnHour_GoesAlongFromEveryPlace()
    {
        const string mark = "\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}";
        var sent = Write($$$"""
            {"model":"a/b","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}},{{{mark}}}}],"messages":[
            {"role":"system","content":[{"type":"text","text":"S",{{{mark}}}}]},{"role":"user","content":[{"type":"text","text":"T",{{{mark}}}}]},
            {"role":"assistant","content":"A",{{{mark}}}},{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a.b/c.png"},{{{mark}}}}]}]}
            """);
        Assert.Equal(("", 5), (sent.Ignored, sent.Json.GetRawText().Split(mark).Length - 1));
        foreach (var holder in new[] { sent.Json.GetProperty("tools")[0], sent.Json.GetProperty("system")[0] }.Concat(sent.Json.GetProperty("messages").EnumerateArray().Select(m => m.GetProperty("content")[0])))
            Assert.Equal("1h", holder.GetProperty("cache_control").GetProperty("ttl").GetString());
    }

    private const string Mark = "\"cache_control\":{\"type\":\"ephemeral\"}";

    [Theory]
    [InlineData("""{"role":"assistant","content":null,MARK,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"2","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r"},{"role":"tool","tool_call_id":"2","content":"r"}""", "0.content.1", "")]
    [InlineData("""{"role":"assistant","content":"a","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"},MARK}]},{"role":"tool","tool_call_id":"1","content":"r"}""", "0.content.1", "")]
    [InlineData("""{"role":"assistant","content":"a","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"r",MARK}""", "1.content.0", "")]
    [InlineData("""{"role":"assistant","content":null,"refusal":"No.",MARK},{"role":"user","content":"u"}""", "0.content.0", "")]
    [InlineData("""{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":""}],MARK}""", "0.content.0", "")]
    [InlineData("""{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"",MARK}]}""", null, "cache_control")]
    [InlineData("""{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":""}],MARK}""", null, "cache_control")]
    [InlineData("""{"role":"user","content":"a"},{"role":"assistant","content":"b",MARK}""", null, "cache_control")]
    [InlineData("""{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"text","text":"b",MARK}]}""", null, "cache_control")]
    public void CacheMark_StandsAtTheEndOfWhatItMarks_OrIsNamed(string messages, string? holder, string ignored)
    {
        var sent = Write(Requests.Messages(messages.Replace("MARK", Mark, StringComparison.Ordinal)));
        var at = sent.Json.GetProperty("messages");
        foreach (var step in (holder ?? "0").Split('.')) at = int.TryParse(step, out var index) ? at[index] : at.GetProperty(step);
        Assert.Equal((holder is not null, holder is null ? 0 : 1, ignored), (at.TryGetProperty("cache_control", out _), sent.Json.GetRawText().Split(Mark).Length - 1, sent.Ignored));
    }

    [Theory]
    [InlineData("""{"type":"function","function":{"name":"f","parameters":{"type":"object"},MARK}}""", "", 1, "")]
    [InlineData("""{"type":"function","function":{"name":"f","parameters":{"type":"object"}},MARK},{"type":"function","function":{"name":"g"}}""", ""","tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"g"}}]}}""", 0, "cache_control")]
    public void CacheMark_OfATool_StandsOnIt_OrIsNamed(string tools, string choice, int marks, string ignored)
    {
        var sent = Write(With($"\"tools\":[{tools.Replace("MARK", Mark, StringComparison.Ordinal)}]{choice}"));
        Assert.Equal((marks, ignored), (sent.Json.GetProperty("tools").GetRawText().Split(Mark).Length - 1, sent.Ignored));
    }

    /// <summary>Taste: nothing of the answer hangs on it.</summary>
    [Fact]
    public void Moderation_IsDroppedAndNamed() => Assert.Equal("moderation", Write(With("\"moderation\":{}")).Ignored);

    [Theory]
    [InlineData("""{"type":"enabled","budget_tokens":2000}""", "temperature")]
    [InlineData("""{"type":"disabled"}""", "")]
    public void Sampling_BesideThinkingInClaudesOwnWords_IsDropped(string thinking, string ignored)
    {
        var sent = Write(With($"\"thinking\":{thinking},\"temperature\":0.5,\"max_tokens\":3000"), unknown: UnknownParameters.Forward);
        Assert.Equal((ignored, ignored.Length == 0), (sent.Ignored, sent.Json.TryGetProperty("temperature", out _)));
    }

    [Theory]
    [InlineData("""{"role":"assistant","content":"a","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"r","prompt_cache_breakpoint":{}}]}""")]
    [InlineData("""{"role":"user","content":"a","prompt_cache_breakpoint":{}}""")]
    public void Breakpoint_InAToolMessageOrOfAWholeOne_IsNamed(string messages) => Assert.Equal("prompt_cache_breakpoint", Write(Requests.Messages(messages)).Ignored);

    [Theory]
    [InlineData("[\"\\n\",\"END\",\" \"]", "[\"END\"]", "stop[0], stop[2]")]
    [InlineData("[]", null, "")]
    [InlineData("[\"\\n\",\" \"]", null, "stop")]
    [InlineData("\"\\n\"", null, "stop")]
    [InlineData("\"END\"", "[\"END\"]", "")]
    public void Stop_OfWhiteSpaceOnly_IsNamedByItsPlace(string stop, string? expected, string ignored)
    {
        var sent = Write(With($"\"stop\":{stop}"));
        Assert.Equal((expected, ignored), (sent.Json.TryGetProperty("stop_sequences", out var said) ? said.GetRawText() : null, sent.Ignored));
    }

    [Fact]
    public void Cap_OfTheCatalogueTheAccountOrTheCaller_ComesFirst()
    {
        var facts = new ModelFacts { MaxOutputTokens = 7000 };
        Assert.Equal(7000, Write(With("\"seed\":1"), facts: facts).Json.GetProperty("max_tokens").GetInt64());
        Assert.Equal(812, Write(With("\"seed\":1"), facts: facts, cap: 812).Json.GetProperty("max_tokens").GetInt64());
        Assert.Equal(5, Write(With("\"max_tokens\":5")).Json.GetProperty("max_tokens").GetInt64());
        var lowered = Write(With("\"max_tokens\":90000"), facts: facts);
        Assert.Equal(7000, lowered.Json.GetProperty("max_tokens").GetInt64());
        Assert.Equal("max_tokens=7000", lowered.Ignored);
    }

    [Theory]
    [InlineData(21_333, false)]
    [InlineData(21_334, true)]
    public void PlainCall_ThatMayTakeTenMinutes_IsStreamed(int cap, bool streams)
    {
        var sent = Write(With($"\"max_tokens\":{cap}"));
        Assert.Equal(streams, sent.Stream);
        Assert.Equal(streams, sent.Json.TryGetProperty("stream", out _));
    }

    [Theory]
    [InlineData("claude-opus-4-5", "minimal", """{"type":"enabled","budget_tokens":1024}""", null)]
    [InlineData("claude-opus-4-5", "xhigh", """{"type":"enabled","budget_tokens":16384}""", null)]
    [InlineData("claude-opus-4-5", "none", null, null)]
    [InlineData("claude-opus-4-6", "xhigh", """{"type":"adaptive"}""", "max")]
    [InlineData("claude-opus-4-6", "minimal", """{"type":"adaptive"}""", "low")]
    [InlineData("claude-opus-4-6", "none", """{"type":"disabled"}""", null)]
    [InlineData("claude-opus-4-7", "none", null, null)]
    [InlineData("claude-opus-4-8", "xhigh", """{"type":"adaptive","display":"summarized"}""", "xhigh")]
    [InlineData("claude-sonnet-5", "none", """{"type":"disabled"}""", null)]
    [InlineData("claude-sonnet-5", "medium", """{"type":"adaptive","display":"summarized"}""", "medium")]
    public void Effort_ByModel_IsAsTheTableSays(string model, string effort, string? thinking, string? outputEffort)
    {
        var sent = Write(With($"\"reasoning_effort\":\"{effort}\""), model);
        Assert.Equal(thinking, sent.Json.TryGetProperty("thinking", out var t) ? t.GetRawText() : null);
        Assert.Equal(outputEffort, sent.Json.TryGetProperty("output_config", out var o) ? o.GetProperty("effort").GetString() : null);
        Assert.Equal("", sent.Ignored);
    }

    /// <summary>"thinking.type.disabled" is a 400 at models that nothing keeps from thinking; one of them has a word of its own.</summary>
    [Theory]
    [InlineData("claude-fable-5", null, "low", "reasoning_effort=low")]
    [InlineData("claude-mythos-5-1", null, "low", "reasoning_effort=low")]
    [InlineData("claude-opus-5-5", null, "low", "reasoning_effort=low")]
    [InlineData("claude-opus-6", null, "low", "reasoning_effort=low")]
    [InlineData("claude-sonnet-5-5", """{"type":"between_tools"}""", null, "")]
    [InlineData("claude-opus-5", """{"type":"disabled"}""", null, "")]
    [InlineData("claude-haiku-5-5", """{"type":"disabled"}""", null, "")]
    public void NoEffort_OfAModelOfTheFifthGeneration_IsSaidInItsWords(string model, string? thinking, string? outputEffort, string ignored)
    {
        var sent = Write(With("\"reasoning_effort\":\"none\""), model);
        Assert.Equal(thinking, sent.Json.TryGetProperty("thinking", out var t) ? t.GetRawText() : null);
        Assert.Equal(outputEffort, sent.Json.TryGetProperty("output_config", out var o) ? o.GetProperty("effort").GetString() : null);
        Assert.Equal(ignored, sent.Ignored);
    }

    /// <summary>Scheme, type and "base64" are words in any case.</summary>
    [Theory]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"DATA:Image/PNG;BASE64,QUJD\"}}", "image/png")]
    [InlineData("{\"type\":\"file\",\"file\":{\"file_data\":\"Data:Application/PDF;Base64,QUJD\"}}", "application/pdf")]
    public void DataUrl_InCapitals_IsRead(string block, string type)
    {
        var sent = Write($"{{\"model\":\"a/b\",\"messages\":[{{\"role\":\"user\",\"content\":[{block}]}}]}}");
        Assert.Null(sent.Refusal);
        var source = sent.Json.GetProperty("messages")[0].GetProperty("content")[0].GetProperty("source");
        Assert.Equal(("base64", type, "QUJD"), (source.GetProperty("type").GetString(), source.GetProperty("media_type").GetString(), source.GetProperty("data").GetString()));
    }

    /// <summary>Whom nothing keeps from thinking is asked to think, though it must call, or the signed thinking of its open loop is lost.</summary>
    [Theory]
    [InlineData("claude-fable-5", "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"required\",\"messages\":[{\"role\":\"user\",\"content\":\"u\"}]")]
    [InlineData("claude-opus-5-5", "\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"r\"}]")]
    public void Effort_OfAModelThatAlwaysThinks_GoesOut(string model, string members)
    {
        var sent = Write($"{{\"model\":\"a/b\",\"reasoning_effort\":\"high\",{members}}}", model);
        Assert.Equal(("adaptive", "high", ""), (sent.Json.GetProperty("thinking").GetProperty("type").GetString(), sent.Json.GetProperty("output_config").GetProperty("effort").GetString(), sent.Ignored));
    }

    /// <summary>"tool_choice: type "tool" and "any" are not supported for this model." Others take them where they do not think, which some do unless they are told not to.</summary>
    [Theory]
    [InlineData("claude-fable-5-1", "\"required\"", "tool_choice", null)]
    [InlineData("claude-opus-5-5", "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "tool_choice", null)]
    [InlineData("claude-sonnet-5-5", "{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}}", "tool_choice", null)]
    [InlineData("claude-sonnet-5-5", "\"auto\"", null, null)]
    [InlineData("claude-haiku-5-5", "\"required\"", null, "disabled")]
    [InlineData("claude-fable-5", "\"required\"", null, null)]
    [InlineData("claude-opus-5", "\"required\"", null, "disabled")]
    public void ForcedTool_WhereTheModelTakesNone_IsRefused(string model, string choice, string? param, string? thinking)
    {
        var sent = Write(With($"\"tools\":[{{\"type\":\"function\",\"function\":{{\"name\":\"f\"}}}}],\"tool_choice\":{choice}"), model);
        Assert.Equal((param, param is null ? null : "unsupported_parameter"), (sent.Refusal?.Param, sent.Refusal?.Code));
        if (param is null) Assert.Equal(thinking, sent.Json.TryGetProperty("thinking", out var said) ? said.GetProperty("type").GetString() : null);
    }

    /// <summary>A schema that is not of the subset would be a tool, and that one cannot be forced.</summary>
    [Theory]
    [InlineData("claude-opus-5-5", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}", "response_format")]
    [InlineData("claude-opus-5-5", "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}", null)]
    [InlineData("claude-opus-5", "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}", null)]
    public void Schema_OfAModelThatCannotBeMadeToCall_IsAFormatOrRefused(string model, string schema, string? param)
    {
        var sent = Write(With($"\"response_format\":{{\"type\":\"json_schema\",\"json_schema\":{{\"name\":\"n\",\"schema\":{schema}}}}}"), model);
        Assert.Equal((param, param is null ? null : "unsupported_parameter"), (sent.Refusal?.Param, sent.Refusal?.Code));
        if (param is null) Assert.Equal(model == "claude-opus-5", sent.ContentTool is not null);
    }

    [Theory]
    [InlineData("claude-3-5-sonnet-20240620", null)]
    [InlineData("claude-opus-4-6", false)]
    public void Effort_OfAModelThatDoesNotThink_IsNamed(string model, bool? reasoning)
    {
        var sent = Write(With("\"reasoning_effort\":\"high\""), model, new ModelFacts { Reasoning = reasoning });
        Assert.False(sent.Json.TryGetProperty("thinking", out _));
        Assert.Equal("reasoning_effort", sent.Ignored);
    }

    [Theory]
    [InlineData("\"max_tokens\":100", null, 16384 + 100, 16384)]
    [InlineData("\"max_tokens\":63000", null, 64000, 16384)]
    [InlineData("\"seed\":1", 10_000L, 10_000, 5_000)]
    public void Budget_BesideACap_LeavesRoomForTheAnswer(string members, long? affordable, long cap, long budget)
    {
        var sent = Write(With(members + ",\"reasoning_effort\":\"xhigh\""), cap: affordable).Json;
        Assert.Equal(cap, sent.GetProperty("max_tokens").GetInt64());
        Assert.Equal(budget, sent.GetProperty("thinking").GetProperty("budget_tokens").GetInt64());
    }

    /// <summary>A cap that was raised for thinking that has no room either is the caller's again.</summary>
    [Fact]
    public void Budget_WithoutRoomBesideACap_LeavesTheCap()
    {
        var sent = Write(With("\"max_tokens\":100,\"reasoning_effort\":\"high\""), facts: new ModelFacts { MaxOutputTokens = 1500 });
        Assert.Equal("reasoning_effort", sent.Ignored);
        Assert.Equal(100, sent.Json.GetProperty("max_tokens").GetInt64());
        Assert.False(sent.Json.TryGetProperty("thinking", out _));
    }

    [Fact]
    public void Budget_WithoutRoom_IsDroppedAndNamed()
    {
        var sent = Write(With("\"reasoning_effort\":\"low\""), cap: 900);
        Assert.Equal("reasoning_effort", sent.Ignored);
        Assert.Equal(900, sent.Json.GetProperty("max_tokens").GetInt64());
    }

    [Theory]
    [InlineData("claude-opus-4-7", "\"temperature\":1,\"top_p\":0.5", null, "temperature, top_p")]
    [InlineData("claude-sonnet-4-5", "\"temperature\":0.5,\"top_p\":0.5", "temperature", "top_p")]
    [InlineData("claude-sonnet-4-5", "\"top_p\":0.5", "top_p", "")]
    [InlineData("claude-3-5-sonnet-20240620", "\"temperature\":0.5,\"top_p\":0.5", "temperature,top_p", "")]
    public void Sampling_ByModel_IsAsTheTableSays(string model, string members, string? names, string ignored)
    {
        var sent = Write(With(members), model);
        Assert.Equal(names?.Split(',') ?? [], sent.Json.EnumerateObject().Select(m => m.Name).Where(n => n is "temperature" or "top_p"));
        Assert.Equal(ignored, string.Join(", ", sent.Ignored));
    }

    [Fact]
    public void UnknownParameters_Forwarded_GoOutAndOursStay()
    {
        const string body = "\"top_k\":5,\"system\":\"mine\",\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":3000},\"reasoning_effort\":\"low\"";
        var sent = Write(With(body), unknown: UnknownParameters.Forward);
        Assert.Equal(5, sent.Json.GetProperty("top_k").GetInt32());
        Assert.Equal(3000, sent.Json.GetProperty("thinking").GetProperty("budget_tokens").GetInt32());
        // What the caller says of thinking wins; the effort is named, and raises no cap.
        Assert.Equal("reasoning_effort, system", sent.Ignored);
        Assert.Equal(100, Write(With(body + ",\"max_tokens\":100"), unknown: UnknownParameters.Forward).Json.GetProperty("max_tokens").GetInt32());
        Assert.Equal("top_k, system, thinking", Write(With(body)).Ignored);
    }

    [Theory]
    [InlineData("claude-sonnet-4-5")]
    [InlineData("claude-opus-4-8")]
    public void OutputConfig_OfTheCallersBesideASchema_IsRefused_AndAnEffortBesideItNamed(string model)
    {
        const string own = "\"output_config\":{\"effort\":\"low\"}";
        const string schema = ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"type\":\"object\",\"properties\":{}}}}";
        var refusal = Write(With(own + schema), model, unknown: UnknownParameters.Forward).Refusal;
        Assert.Equal((400, "unsupported_parameter", "response_format"), (refusal!.Status, refusal.Code, refusal.Param));
        var sent = Write(With(own + ",\"reasoning_effort\":\"high\""), "claude-opus-4-8", unknown: UnknownParameters.Forward);
        Assert.Equal(("low", "reasoning_effort"), (sent.Json.GetProperty("output_config").GetProperty("effort").GetString(), sent.Ignored));
        Assert.Equal("reasoning_effort", Write(With("\"thinking\":{\"type\":\"adaptive\"},\"reasoning_effort\":\"none\""), "claude-opus-4-8", unknown: UnknownParameters.Forward).Ignored);
    }

    [Theory]
    [InlineData("claude-sonnet-4-5")]
    [InlineData("claude-3-5-haiku-20241022")]
    public void DescriptionOfAFormat_HasNoPlace_AndIsNamed(string model) => Assert.Equal("response_format.json_schema.description", Write(With(
        "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"description\":\"Answer in French.\",\"schema\":{\"type\":\"object\",\"properties\":{}}}}"), model).Ignored);

    [Theory]
    [InlineData("""{"type":"json_object","schema":{"type":"object"},"other":null}""", "response_format.schema")]
    [InlineData("""{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{}},"level":2}}""", "response_format.json_schema.level")]
    public void MembersOfAFormat_ThatOtherServersKnow_AreNamed(string format, string ignored) =>
        Assert.Equal(ignored, Write(With("\"response_format\":" + format)).Ignored);

    [Fact]
    public void StrictTool_WhoseSchemaHasNoType_IsAnObject()
    {
        var sent = Write(With("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\",\"strict\":true,\"parameters\":{\"properties\":{\"x\":{\"type\":\"string\"}},\"required\":[\"x\"]}}}]"));
        var schema = sent.Json.GetProperty("tools")[0].GetProperty("input_schema");
        Assert.Equal("object", schema.GetProperty("type").GetString());
        Assert.Equal("string", schema.GetProperty("properties").GetProperty("x").GetProperty("type").GetString());
    }

    [Fact]
    public void Arguments_WithHalfASurrogatePair_AreRefused()
    {
        var refusal = Write("""{"model":"a/b","messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"x\":\"\\ud800\"}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]}""").Refusal;
        Assert.Equal("invalid_messages", refusal?.Code);
    }

    /// <summary>One call at a time has no place but in a choice, and none where nothing is called.</summary>
    [Theory]
    [InlineData("", """{"type":"auto","disable_parallel_tool_use":true}""")]
    [InlineData(",\"tool_choice\":\"auto\"", """{"type":"auto","disable_parallel_tool_use":true}""")]
    [InlineData(",\"tool_choice\":\"required\"", """{"type":"any","disable_parallel_tool_use":true}""")]
    [InlineData(",\"tool_choice\":\"none\"", """{"type":"none"}""")]
    public void ParallelCalls_Unwanted_AreSaidInTheChoice(string choice, string expected)
    {
        var sent = Write(With($$$"""  "tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":false{{{choice}}}"""));
        Assert.Equal(expected, sent.Json.GetProperty("tool_choice").GetRawText());
        Assert.Equal("", sent.Ignored);
    }

    /// <summary>Clients mislabel, and the API refuses an image whose type is another than it says.</summary>
    [Fact]
    public void Image_UnderAnothersType_GoesOutUnderItsOwn()
    {
        const string block = """{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,iVBORw0KGgo="}}""";
        var sent = Write($$"""{"model":"a/b","messages":[{"role":"user","content":[{{block}}]}]}""");
        Assert.Equal("image/png", sent.Json.GetProperty("messages")[0].GetProperty("content")[0].GetProperty("source").GetProperty("media_type").GetString());
    }

    [Fact]
    public void AllowedTools_SendsOnlyThose()
    {
        var sent = Write(With("""
            "tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],
            "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}}
            """)).Json;
        Assert.Equal("g", Assert.Single(sent.GetProperty("tools").EnumerateArray()).GetProperty("name").GetString());
        Assert.Equal("any", sent.GetProperty("tool_choice").GetProperty("type").GetString());
    }

    [Fact]
    public void Schema_BesideTools_OfAnOlderModel_IsOneMoreTool()
    {
        const string body = """
            "tools":[{"type":"function","function":{"name":"json"}}],
            "response_format":{"type":"json_schema","json_schema":{"name":"r","schema":{"type":"object"}}}
            """;
        var sent = Write(With(body), "claude-3-5-haiku-20241022", new ModelFacts { StructuredOutput = false });
        Assert.Equal(["json", "json_reply"], sent.Json.GetProperty("tools").EnumerateArray().Select(t => t.GetProperty("name").GetString()));
        Assert.Equal("any", sent.Json.GetProperty("tool_choice").GetProperty("type").GetString());
        Assert.Equal("json_reply", sent.ContentTool);
    }

    [Theory]
    [InlineData("\"functions\":[{\"name\":\"f\"}]", "functions")]
    [InlineData("\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"f\"}}]", "tools[0].type")]
    [InlineData("\"audio\":{\"voice\":\"a\",\"format\":\"wav\"}", "audio")]
    public void Parameter_ThatClaudeHasNoPlaceFor_IsRefused(string members, string param)
    {
        var refusal = Write(With(members)).Refusal;
        Assert.Equal(("unsupported_parameter", param), (refusal?.Code, refusal?.Param));
    }

    [Theory]
    [InlineData("\"n\":1,\"logprobs\":false,\"store\":false,\"modalities\":[\"text\"],\"presence_penalty\":0,\"seed\":null")]
    public void Defaults_AreNeitherRefusedNorNamed(string members) => Assert.Equal("", Write(With(members)).Ignored);

    [Fact]
    public void Ids_OverTurns_StayTheSame()
    {
        const string call = """{"role":"assistant","tool_calls":[{"id":"call:1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call:1","content":"x"}""";
        static List<string?> Ids(JsonElement json) => [.. json.GetProperty("messages").EnumerateArray().SelectMany(m => m.GetProperty("content").EnumerateArray())
            .Select(b => b.TryGetProperty("id", out var id) || b.TryGetProperty("tool_use_id", out id) ? id.GetString() : null).Where(id => id is not null)];
        var first = Ids(Write(Requests.Messages($$"""{"role":"user","content":"Hi"},{{call}}""")).Json);
        var second = Ids(Write(Requests.Messages($$"""{"role":"user","content":"Hi"},{{call}},{{call}}""")).Json);
        Assert.Equal(first, second[..2]);
        Assert.Equal(second[2], second[3]);
        Assert.NotEqual(second[0], second[2]);
        Assert.All(second, id => Assert.Matches("^[A-Za-z0-9_-]{1,64}$", id));
    }

    [Fact]
    public void Message_WithoutContent_IsLeftOut()
    {
        var sent = Write(Requests.Messages("""{"role":"user","content":"a"},{"role":"assistant","content":""},{"role":"user","content":[{"type":"text","text":"b"}]}""")).Json;
        var message = Assert.Single(sent.GetProperty("messages").EnumerateArray());
        Assert.Equal(2, message.GetProperty("content").GetArrayLength());
    }

    /// <summary>The API answers 400 then: "text content blocks must contain non-whitespace text". Models that write a line break before a call are many.</summary>
    [Theory]
    [InlineData("\" \"")]
    [InlineData("\"\\n\\n\"")]
    [InlineData("\"\\u0020\\t\\u2003\"")]
    [InlineData("[{\"type\":\"text\",\"text\":\"\\n\"},{\"type\":\"text\",\"text\":\"\u00a0\"}]")]
    public void Text_OfWhiteSpaceOnly_IsLeftOut(string blank)
    {
        var sent = Write(Requests.Messages($$$"""
            {"role":"system","content":{{{blank}}}},{"role":"user","content":"a"},{"role":"user","content":{{{blank}}}},
            {"role":"assistant","content":{{{blank}}},"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":{{{blank}}}}
            """)).Json;
        Assert.False(sent.TryGetProperty("system", out _));
        Assert.Equal("""[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"}]}]""",
            sent.GetProperty("messages").GetRawText());
    }

    /// <summary>What stands behind it is sent elsewhere, or not at all: "final assistant content cannot end with trailing whitespace".</summary>
    [Theory]
    [InlineData("""{"role":"system","content":"b"}""")]
    [InlineData("""{"role":"user","content":"\n"},{"role":"developer","content":"b"}""")]
    [InlineData("""{"role":"user","content":[{"type":"text","text":""}]}""")]
    [InlineData("""{"role":"assistant","content":""}""")]
    [InlineData("""{"role":"assistant","content":[{"type":"refusal","refusal":" "}]},{"role":"user","content":"\n"}""")]
    public void BeginningOfTheAnswer_BeforeWhatIsNoTurn_LosesItsSpaceToo(string behind) => Assert.Equal("""[{"type":"text","text":"The answer is"}]""",
        Write(Requests.Messages($$"""{"role":"user","content":"a"},{"role":"assistant","content":"The answer is \n"},{{behind}}""")).Json.GetProperty("messages")[1].GetProperty("content").GetRawText());

    [Theory]
    [InlineData("https://api.anthropic.com", "https://api.anthropic.com/v1/messages")]
    [InlineData("https://models.example/anthropic/v1/", "https://models.example/anthropic/v1/messages")]
    [InlineData(null, "https://api.anthropic.com/v1/messages")]
    public async Task Address_AndCredentials_AreAnthropics(string? baseUrl, string expected)
    {
        using var dialect = new AnthropicDialect(new UpstreamConfig { BaseUrl = baseUrl, ApiKeys = ["one", "sk-ant-oat-two"] }, Clock);
        using var request = Requests.Accepted(With("\"seed\":1"));
        using var upstream = new UpstreamRequest();
        Assert.Null(dialect.Write(request, new RouteModel("a/b", "claude-opus-4-6", new ModelFacts()), new WriteOptions(null, "account"), upstream));
        Assert.Equal(expected, upstream.Uri.ToString());
        using var first = new HttpRequestMessage();
        using var second = new HttpRequestMessage();
        await dialect.AuthorizeAsync(first, upstream, TestContext.Current.CancellationToken);
        await dialect.AuthorizeAsync(second, upstream, TestContext.Current.CancellationToken);
        Assert.Equal("one", Assert.Single(first.Headers.GetValues("x-api-key")));
        Assert.Equal("Bearer sk-ant-oat-two", second.Headers.Authorization?.ToString());
    }
}
