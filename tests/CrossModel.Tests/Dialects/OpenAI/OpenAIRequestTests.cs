using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.OpenAI;
using CrossModel.Protocol;
using CrossModel.Tests.Protocol;

namespace CrossModel.Tests.Dialects.OpenAI;

public sealed class OpenAIRequestTests
{
    internal sealed record Sent(string Body, string Ignored, ApiError? Refusal)
    {
        public JsonElement Json => JsonDocument.Parse(Body).RootElement;
    }

    internal static Sent Write(string body, string? preset = null, ModelFacts? facts = null, string model = "real-model", long? cap = null, UnknownParameters unknown = UnknownParameters.Forward, OpenAIDialect? dialect = null, int candidate = 0)
    {
        using var owned = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1", Preset = preset }, null, TimeProvider.System);
        Assert.Null(CrossModel.Tests.Protocol.Requests.Read(Encoding.UTF8.GetBytes(body), out var request));
        using var upstream = new UpstreamRequest();
        var route = new RouteModel("vendor/model", model, facts ?? new ModelFacts()) { UnknownParameters = unknown };
        var refusal = (dialect ?? owned).Write(request!, route, new WriteOptions(cap, "account", candidate), upstream);
        var text = Encoding.UTF8.GetString(upstream.Body.Span);
        Assert.Equal(body, Encoding.UTF8.GetString(request!.Body.Span));
        request.Dispose();
        if (refusal is null)
        {
            var names = JsonDocument.Parse(text).RootElement.EnumerateObject().Select(m => m.Name).ToList();
            Assert.Equal(names.Distinct(), names);
        }
        return new Sent(text, string.Join(", ", upstream.Ignored), refusal);
    }

    private static string With(string members) => Requests.With(members);

    [Fact]
    public void Body_ForAnUnknownServer_ChangesOnlyTheModel()
    {
        const string body = """ { "model" : "vendor/model", "messages":[{"role":"developer","content":"h\u00e9","x":1.0}],"temperature":1.50,"n":2,"user":"u","tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"a":1e2}}}],"seed":7, "reasoning_effort":"high"} """;
        Assert.Equal(body.Replace("\"vendor/model\"", "\"real-model\"", StringComparison.Ordinal), Write(body).Body);
    }

    [Theory]
    [InlineData(null, "\"max_tokens\":5", "max_tokens")]
    [InlineData(null, "\"max_completion_tokens\":5", "max_tokens")]
    [InlineData(null, "\"max_tokens\":9,\"max_completion_tokens\":5", "max_tokens")]
    [InlineData(null, "\"max_completion_tokens\":5,\"max_tokens\":null", "max_tokens")]
    [InlineData("openai", "\"max_tokens\":5", "max_completion_tokens")]
    [InlineData("openai", "\"max_completion_tokens\":5,\"max_tokens\":9", "max_completion_tokens")]
    [InlineData("openai", "\"max_completion_tokens\":null,\"max_tokens\":5", "max_completion_tokens")]
    public void Cap_EverySpelling_GoesOutAsTheServersOwn(string? preset, string members, string name)
    {
        var sent = Write(With(members), preset).Json;
        Assert.Equal(5, sent.GetProperty(name).GetInt32());
        Assert.False(sent.TryGetProperty(name == "max_tokens" ? "max_completion_tokens" : "max_tokens", out _));
    }

    [Fact]
    public void Cap_Affordable_IsAdded() =>
        Assert.Equal(812, Write(With("\"n\":1,\"max_completion_tokens\":null"), cap: 812).Json.GetProperty("max_tokens").GetInt32());

    [Theory]
    [InlineData("\"stream\":true")]
    [InlineData("\"stream\":true,\"stream_options\":null")]
    [InlineData("\"stream\":true,\"stream_options\":{}")]
    [InlineData("\"stream\":true,\"stream_options\":{\"include_usage\":false}")]
    [InlineData("\"stream\":true,\"stream_options\":{\"include_usage\":null}")]
    [InlineData("\"stream_options\":{\"include_obfuscation\":false},\"stream\":true")]
    public void Usage_OfAStream_IsAlwaysAskedFor(string members)
    {
        Assert.True(Write(With(members)).Json.GetProperty("stream_options").GetProperty("include_usage").GetBoolean());
        Assert.False(Write(With(members), "mistral").Json.TryGetProperty("stream_options", out _));
    }

    [Fact]
    public void Routing_OfOurs_StaysHere()
    {
        var sent = Write(With("\"models\":[\"a/c\"],\"provider\":{\"sort\":\"price\"}")).Json;
        Assert.False(sent.TryGetProperty("models", out _) || sent.TryGetProperty("provider", out _));
    }

    [Theory]
    [InlineData("\"tools\":[]", "tools")]
    [InlineData("\"tools\":[],\"tool_choice\":\"auto\",\"parallel_tool_calls\":true", "tools,tool_choice,parallel_tool_calls")]
    [InlineData("\"tool_choice\":\"none\"", "tool_choice")]
    public void Tools_Empty_AreLeftOut(string members, string gone) =>
        Assert.All(gone.Split(','), name => Assert.False(Write(With(members)).Json.TryGetProperty(name, out _)));

    [Theory]
    [InlineData("openai", "\"user\":\"u\"", "safety_identifier")]
    [InlineData("openai", "\"user\":\"x\",\"safety_identifier\":\"u\"", "safety_identifier")]
    [InlineData("xai", "\"user\":\"x\",\"safety_identifier\":\"u\"", "user")]
    [InlineData("deepseek", "\"user\":\"x\",\"safety_identifier\":\"u\"", "")]
    public void User_EverySpelling_GoesOutAsTheServersOwn(string preset, string members, string name)
    {
        var sent = Write(With(members), preset).Json;
        Assert.Equal(name, string.Join(",", ((string[])["user", "safety_identifier"]).Where(n => sent.TryGetProperty(n, out _))));
        if (name != "") Assert.Equal("u", sent.GetProperty(name).GetString());
    }

    [Theory]
    [InlineData("deepseek", "none", """{"thinking":{"type":"disabled"}}""", "")]
    [InlineData("deepseek", "xhigh", """{"thinking":{"type":"enabled"},"reasoning_effort":"high"}""", "reasoning_effort=high")]
    [InlineData("openrouter", "low", """{"reasoning":{"effort":"low"}}""", "")]
    [InlineData("dashscope", "none", """{"enable_thinking":false}""", "")]
    [InlineData("dashscope", "minimal", """{"enable_thinking":true,"thinking_budget":512}""", "")]
    [InlineData("dashscope", "medium", """{"enable_thinking":true,"thinking_budget":2048}""", "")]
    [InlineData("zai", "high", """{"thinking":{"type":"enabled"}}""", "")]
    [InlineData("mistral", "low", """{"reasoning_effort":"high"}""", "reasoning_effort=high")]
    [InlineData("groq", "xhigh", """{"reasoning_effort":"high"}""", "reasoning_effort=high")]
    [InlineData("groq", "minimal", """{"reasoning_effort":"low"}""", "reasoning_effort=low")]
    [InlineData("openai", "xhigh", """{"reasoning_effort":"xhigh"}""", "")]
    [InlineData("ollama", "xhigh", """{"reasoning_effort":"high"}""", "reasoning_effort=high")]
    [InlineData("ollama", "minimal", """{"reasoning_effort":"low"}""", "reasoning_effort=low")]
    [InlineData("ollama", "none", """{"reasoning_effort":"none"}""", "")]
    public void Effort_EveryServer_IsAskedInItsWords(string preset, string effort, string members, string ignored)
    {
        var sent = Write(With($"\"reasoning_effort\":\"{effort}\""), preset);
        var rest = sent.Json.EnumerateObject().Where(m => m.Name is not ("model" or "messages")).ToDictionary(m => m.Name, m => m.Value);
        Assert.True(JsonElement.DeepEquals(JsonDocument.Parse(members).RootElement, JsonSerializer.SerializeToElement(rest)), sent.Body);
        Assert.Equal(ignored, sent.Ignored);
    }

    [Fact]
    public void Effort_OfAModelThatDoesNotThink_IsDroppedAndNamed() =>
        Assert.Equal("reasoning_effort", Write(With("\"reasoning_effort\":\"low\""), facts: new ModelFacts { Reasoning = false }).Ignored);

    [Fact]
    public void Mistral_ItsWays_AreKept()
    {
        var sent = Write("""{"model":"a/b","seed":5,"tool_choice":"required","user":"u","verbosity":"low","tools":[{"type":"function","function":{"name":"f"}}],"messages":[{"role":"developer","content":"d"},{"role":"assistant","reasoning_content":"r","tool_calls":[{"id":"functions.f:0","type":"function","extra_content":{},"function":{"name":"f","arguments":"{}"}},{"id":"abcDEF123","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"functions.f:0","content":"x"},{"role":"tool","tool_call_id":"abcDEF123","content":"x"}]}""", "mistral");
        var json = sent.Json;
        Assert.Equal(5, json.GetProperty("random_seed").GetInt32());
        Assert.Equal("any", json.GetProperty("tool_choice").GetString());
        Assert.Equal("user, verbosity", sent.Ignored);
        var messages = json.GetProperty("messages");
        Assert.Equal("system", messages[0].GetProperty("role").GetString());
        Assert.False(messages[1].TryGetProperty("reasoning_content", out _));
        var ids = messages[1].GetProperty("tool_calls").EnumerateArray().Select(c => c.GetProperty("id").GetString()!).ToList();
        Assert.Matches("^[A-Za-z0-9]{9}$", ids[0]);
        Assert.Equal("abcDEF123", ids[1]);
        Assert.Equal(ids, messages.EnumerateArray().Skip(2).Select(m => m.GetProperty("tool_call_id").GetString()));
        Assert.False(messages[1].GetProperty("tool_calls")[0].TryGetProperty("extra_content", out _));
    }

    /// <summary>Such a server refuses the request over it, null or not.</summary>
    [Theory]
    [InlineData("mistral", """{"role":"user","content":"a","name":"n"}""", """{"role":"user","content":"a"}""", "name")]
    [InlineData("mistral", """{"role":"user","content":"a","name":null}""", """{"role":"user","content":"a"}""", "")]
    [InlineData("xai", """{"role":"developer","name":"n","content":"a"}""", """{"role":"system","content":"a"}""", "name")]
    [InlineData("xai", """{"role":"user","content":"a","name":"n"}""", """{"role":"user","content":"a","name":"n"}""", "")]
    [InlineData("groq", """{"role":"user","content":"a","name":"n"}""", """{"role":"user","content":"a","name":"n"}""", "")]
    public void Name_OfAMessage_GoesWhereTheServerTakesIt(string preset, string message, string expected, string ignored)
    {
        var sent = Write(Requests.Messages(message + """,{"role":"assistant","content":null,"tool_calls":[{"id":"abcDEF123","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","name":"f","tool_call_id":"abcDEF123","content":"x"}"""), preset);
        Assert.Contains(expected, sent.Body, StringComparison.Ordinal);
        Assert.Contains("\"function\":{\"name\":\"f\"", sent.Body, StringComparison.Ordinal);
        Assert.Equal(preset != "xai", sent.Body.Contains("\"role\":\"tool\",\"name\":\"f\"", StringComparison.Ordinal));
        Assert.Equal(preset == "xai" ? "name" : ignored, sent.Ignored);
    }

    /// <summary>However the server that thought has called it.</summary>
    [Fact]
    public void Reasoning_OfTheHistory_IsDroppedUnderEveryName() =>
        Assert.Contains("""{"role":"assistant","content":"a"},""",
            Write(Requests.Messages("""{"role":"assistant","content":"a","reasoning":"r","reasoning_content":"r","reasoning_details":[{"text":"r"}]},{"role":"user","content":"b"}"""), "mistral").Body, StringComparison.Ordinal);

    /// <summary>A caller sends replies back as they came, of whatever model. A list without an element is a fault at OpenAI, null is not.</summary>
    [Theory]
    [InlineData("openai", """{"refusal":null,"role":"assistant","content":"a", "audio":null,"function_call" : null,"annotations":[{"type":"url_citation"}],"reasoning_content":null}""")]
    [InlineData(null, """{"role":"assistant","content":"a", "annotations":[{"type":"url_citation"}],"reasoning_content":null}""")]
    [InlineData("mistral", """{"role":"assistant","content":"a"}""")]
    [InlineData("groq", """{"role":"assistant","content":"a"}""")]
    [InlineData("cerebras", """{"role":"assistant","content":"a"}""")]
    [InlineData("gemini-compat", """{"role":"assistant","content":"a"}""")]
    public void Reply_SentBack_LosesWhatSaysNothingToTheServer(string? preset, string expected) =>
        Assert.Contains("[" + expected + ",{", Write(Requests.Messages("""{"refusal":null,"role":"assistant","content":"a", "tool_calls":[ ],"audio":null,"function_call" : null,"annotations":[{"type":"url_citation"}],"reasoning_content":null},{"role":"user","content":"b"}"""), preset).Body, StringComparison.Ordinal);

    /// <summary>OpenAI's SDKs put what they have parsed beside the text (<c>parse</c>, <c>stream</c>, <c>runTools</c>) and send it back so. OpenAI passes over it; Groq, Mistral and others refuse a member that they do not know.</summary>
    [Theory]
    [InlineData("openai")]
    [InlineData(null)]
    [InlineData("groq")]
    [InlineData("mistral")]
    public void Reply_SentBackAsAnSdkHasParsedIt_LosesWhatItParsed(string? preset) =>
        Assert.Contains("""[{"role":"assistant","content":"{\"a\":1}"},{"content":null,"role":"assistant","tool_calls":[{"id":"abcdefghi","function":{"arguments":"{}","name":"f"},"type":"function"}]},{""",
            Write(Requests.Messages("""{"role":"assistant","content":"{\"a\":1}","parsed":{"a":1}},{"content":null,"role":"assistant","tool_calls":[{"id":"abcdefghi","function":{"arguments":"{}","name":"f","parsed_arguments":{"b":[2]}},"type":"function"}],"parsed":null},{"role":"tool","tool_call_id":"abcdefghi","content":"x"}"""), preset).Body, StringComparison.Ordinal);

    /// <summary>OpenAI's SDK for Python leaves a stream's <c>index</c> in the calls of the message that it has put together. vLLM with Mistral's tokenizer refused it.</summary>
    [Theory]
    [InlineData("openai")]
    [InlineData(null)]
    [InlineData("vllm")]
    [InlineData("mistral")]
    public void Calls_SentBackAsAStreamHadThem_LoseTheirIndexAlone(string? preset) =>
        Assert.Contains("""[{"role":"assistant","tool_calls":[{"id":"abcdefghi","function":{"arguments":"{\"index\":1}","name":"f","index":2},"type":"function","more":3},{"id":"abcdefghj","type":"function","function":{"name":"f","arguments":"{}"}}],"index":4},{""",
            Write(Requests.Messages("""{"role":"assistant","tool_calls":[{"index":0,"id":"abcdefghi","function":{"arguments":"{\"index\":1}","name":"f","index":2},"type":"function","more":3},{"id":"abcdefghj","type":"function","function":{"name":"f","arguments":"{}"},"index":null}],"index":4},{"role":"tool","tool_call_id":"abcdefghi","content":"x"},{"role":"tool","tool_call_id":"abcdefghj","content":"x"}"""), preset).Body, StringComparison.Ordinal);

    [Fact]
    public void Reply_SentBackWithCalls_KeepsThem() =>
        Assert.Contains("""[{"role":"user","content":"a"},{"content":null,"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{""",
            Write(Requests.Messages("""{"role":"user","content":"a"},{"content":null,"refusal":null,"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}],"function_call":null},{"role":"tool","tool_call_id":"c","content":"x"}"""), "groq").Body, StringComparison.Ordinal);

    [Fact]
    public void Reply_SentBackWithNullForCalls_LosesThemAtAServerThatTakesNoNull() =>
        Assert.Contains("""[{"role":"assistant","content":"a"},{""", Write(Requests.Messages("""{"role":"assistant","content":"a","tool_calls":null},{"role":"user","content":"b"}"""), "groq").Body, StringComparison.Ordinal);

    /// <summary>Else one caller would decide what all others are served; nor is it left out of what another role says, or where the model insists on it.</summary>
    [Theory]
    [InlineData(null, "a/b", """{"role":"assistant","content":null,"reasoning_content":"r","tool_calls":[{"id":"reasoning_details not supported","type":"function","function":{"name":"f","arguments":"{}"}}]}""", "reasoning_details not supported")]
    [InlineData(null, "a/b", """{"role":"assistant","content":"My reasoning","reasoning_content":"r"}""", "tool 'reasoning' is not supported")]
    [InlineData(null, "a/b", """{"reasoning_content":"r","role":"user","content":"a"}""", "reasoning_content is not supported")]
    [InlineData("deepseek", "deepseek-v4-pro", """{"role":"assistant","content":"a","reasoning_content":"r"}""", "reasoning_content is not supported")]
    public void Refusal_OfReasoning_ThatIsNoneOfTheServers_TeachesNothing(string? preset, string model, string message, string said)
    {
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1", Preset = preset }, null, TimeProvider.System);
        using var upstream = new UpstreamRequest();
        using var response = new HttpResponseMessage();
        upstream.Body.Write(Encoding.UTF8.GetBytes($$"""{"model":"{{model}}","messages":[{{message}},{"role":"assistant","content":"b","reasoning_content":"r"},{"role":"user","content":"c"}]}"""));
        Assert.False(dialect.ReadFault(400, response.Headers, Encoding.UTF8.GetBytes("{\"error\":{\"message\":\"messages: " + said + "\"}}"), upstream).TryAgain);
    }

    [Theory]
    [InlineData(null, "{\"error\":{\"message\":\"'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]\"}}", true)]
    [InlineData("groq", "{\"error\":{\"message\":\"`messages[0].reasoning`: reasoning is not supported with this model\",\"type\":\"invalid_request_error\"}}", true)]
    [InlineData("cerebras", "{\"message\":\"messages.0.assistant.reasoning: property 'messages.0.assistant.reasoning' is unsupported\",\"code\":\"wrong_api_format\"}", true)]
    [InlineData(null, "{\"detail\":[{\"type\":\"extra_forbidden\",\"loc\":[\"body\",\"messages\",0,\"assistant\",\"reasoning_content\"],\"msg\":\"Extra inputs are not permitted\"}]}", true)]
    [InlineData(null, "{\"error\":{\"message\":\"The `reasoning_content` in the thinking mode must be passed back to the API. See messages.\"}}", false)]
    [InlineData(null, "{\"error\":{\"message\":\"messages: too many, and tools are not supported\"}}", false)]
    public void Refusal_OfReasoningInTheHistory_IsLearned(string? preset, string error, bool learned)
    {
        const string body = """{"model":"a/b","messages":[{"role":"assistant","content":"a","reasoning_content":"r"},{"role":"user","content":"b"}]}""";
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1", Preset = preset }, null, TimeProvider.System);
        using var upstream = new UpstreamRequest();
        using var response = new HttpResponseMessage();
        upstream.Body.Write(Encoding.UTF8.GetBytes(Write(body, dialect: dialect).Body));
        Assert.Equal(learned, dialect.ReadFault(400, response.Headers, Encoding.UTF8.GetBytes(error), upstream).TryAgain);
        var again = Write(body, dialect: dialect).Body;
        Assert.Equal(learned, !again.Contains("reasoning", StringComparison.Ordinal));
        upstream.Body.Reset();
        upstream.Body.Write(Encoding.UTF8.GetBytes(again));
        if (learned) Assert.False(dialect.ReadFault(400, response.Headers, Encoding.UTF8.GetBytes(error), upstream).TryAgain);
    }

    /// <summary>A name or a role means the same with escapes and without, and is as long as it is written.</summary>
    [Theory]
    [InlineData("groq", """{"role":"assistant","r\u0065asoning\u005Fcontent" : "r","content":"a"}""", """{"role":"assistant","reasoning" : "r","content":"a"}""")]
    [InlineData("openrouter", """{"role":"\u0061ssistant","content":"a","reasoning_content":"r"}""", """{"role":"\u0061ssistant","content":"a","reasoning":"r"}""")]
    [InlineData("vllm", """{"role":"assistant","content":"a","reasoning_content":"r"}""", """{"role":"assistant","content":"a","reasoning":"r"}""")]
    [InlineData("vllm", """{"role":"assistant","reasoning":"r","reasoning_content":"r","content":"a"}""", """{"role":"assistant","reasoning":"r","content":"a"}""")]
    [InlineData("mistral", """{"role":"develop\u0065r","content":"a"}""", """{"role":"system","content":"a"}""")]
    public void Messages_WithEscapes_AreMendedToo(string preset, string message, string expected) =>
        Assert.Contains(expected, Write($$"""{"model":"a/b","messages":[{{message}},{"role":"user","content":"b"}]}""", preset).Body);

    [Fact]
    public void DeepSeek_ReasoningInHistory_DependsOnTheModel()
    {
        const string body = """{"model":"a/b","messages":[{"role":"user","content":"1"},{"role":"assistant","content":"2","reasoning_content":"old"},{"role":"user","content":"3"},{"role":"assistant","content":null,"reasoning_content":"new","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"x"},{"role":"assistant","content":"y"}]}""";
        static string Reasoning(Sent sent) => string.Join('|', sent.Json.GetProperty("messages").EnumerateArray().Where(m => m.GetProperty("role").GetString() == "assistant")
            .Select(m => m.TryGetProperty("reasoning_content", out var r) ? $"<{r.GetString()}>" : "-"));
        Assert.Equal("<old>|<new>|<>", Reasoning(Write(body, "deepseek", model: "deepseek-v4-pro")));
        Assert.Equal("-|<new>|-", Reasoning(Write(body, "deepseek", model: "deepseek-reasoner")));
        Assert.Equal("<old>|<new>|-", Reasoning(Write(body)));
    }

    [Theory]
    [InlineData("groq", "\"logprobs\":true", "logprobs")]
    [InlineData("deepseek", "\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"alloy\",\"format\":\"wav\"}", "modalities")]
    [InlineData("zai", "\"stop\":[\"a\",\"b\"]", "stop")]
    [InlineData("zai", "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"required\"", "tool_choice")]
    [InlineData("zai", "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "tool_choice")]
    [InlineData("together", "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":\"required\"", "tool_choice")]
    public void Refusal_WhatWouldBreakTheCaller_NamesTheParameter(string preset, string members, string param)
    {
        var refusal = Write(With(members), preset).Refusal;
        Assert.Equal((400, "unsupported_parameter"), (refusal!.Status, refusal.Code));
        if (param != "modalities") Assert.Equal(param, refusal.Param);
    }

    /// <summary>MiniMax' M2 models answer as if it were not there.</summary>
    [Fact]
    public void Format_WhereItIsPassedOver_IsRefused()
    {
        foreach (var format in (string[])["{\"type\":\"json_object\"}", "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{}}}"])
        {
            Assert.Equal((400, "response_format"), (Write(With($"\"response_format\":{format}"), "minimax", model: "MiniMax-M2.7").Refusal!.Status, Write(With($"\"response_format\":{format}"), "minimax", model: "MiniMax-M2.7").Refusal!.Param));
            Assert.Null(Write(With($"\"response_format\":{format}"), "minimax", model: "MiniMax-M3").Refusal);
        }
        Assert.Null(Write(With("\"response_format\":{\"type\":\"text\"}"), "minimax", model: "MiniMax-M2.7").Refusal);
    }

    [Theory]
    [InlineData("groq", "\"logprobs\":false,\"modalities\":[\"text\"]")]
    [InlineData("deepseek", "\"store\":false")]
    public void Default_OfWhatAServerLacks_IsNeitherRefusedNorNamed(string preset, string members)
    {
        var sent = Write(With(members), preset);
        Assert.Equal((null, ""), (sent.Refusal, sent.Ignored));
        Assert.Equal(2, sent.Json.EnumerateObject().Count());
    }

    [Fact]
    public void Capability_KnownToBeMissing_IsRefusedAndUnknownIsTried()
    {
        const string tools = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]";
        Assert.Equal("tools", Write(With(tools), facts: new ModelFacts { Tools = false }).Refusal!.Param);
        Assert.Null(Write(With(tools)).Refusal);
        const string image = """{"model":"a/b","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]}]}""";
        Assert.Equal("unsupported_parameter", Write(image, facts: new ModelFacts { InputModalities = ["text"] }).Refusal!.Code);
        Assert.Null(Write(image, facts: new ModelFacts { InputModalities = ["text", "image"] }).Refusal);
    }

    [Fact]
    public void Unknown_Parameters_FollowTheModelsSetting()
    {
        Assert.Equal(5, Write(With("\"top_k\":5")).Json.GetProperty("top_k").GetInt32());
        var ignored = Write(With("\"top_k\":5"), unknown: UnknownParameters.Ignore);
        Assert.False(ignored.Json.TryGetProperty("top_k", out _));
        Assert.Equal("top_k", ignored.Ignored);
    }

    [Fact]
    public void Temperature_TooHighForTheServer_IsLoweredAndNamed()
    {
        var sent = Write(With("\"temperature\":1.7"), "zai");
        Assert.Equal(("1", "temperature=1"), (sent.Json.GetProperty("temperature").GetRawText(), sent.Ignored));
        Assert.Equal("temperature, top_p", Write(With("\"temperature\":1,\"top_p\":0.5"), facts: new ModelFacts { Temperature = false }).Ignored);
        Assert.Equal("0", Write(With("\"temperature\":0"), "zai").Json.GetProperty("temperature").GetRawText());
    }

    [Fact]
    public void Temperature_TooLowForTheServer_IsRaisedAndNamed()
    {
        var sent = Write(With("\"temperature\":0"), "minimax");
        Assert.Equal(("0.01", "temperature=0.01"), (sent.Json.GetProperty("temperature").GetRawText(), sent.Ignored));
    }

    [Theory]
    [InlineData("qwq-plus", "\"stream\":false,\"stream_options\":null", true)]
    [InlineData("qwq-plus", "\"n\":1", true)]
    [InlineData("qwq-plus", "\"stream\":true", true)]
    [InlineData("qwen3-max", "\"stream\":false", false)]
    public void Stream_OfAModelThatGivesNothingElse_IsAskedForAnyway(string model, string members, bool streams)
    {
        var sent = Write(With(members), "dashscope", model: model).Json;
        Assert.Equal(streams, sent.TryGetProperty("stream", out var stream) && stream.GetBoolean());
        Assert.Equal(streams, sent.TryGetProperty("stream_options", out var options) && options.GetProperty("include_usage").GetBoolean());
    }

    [Theory]
    [InlineData("xai", "\"presence_penalty\":1", "{\"code\":\"Client specified an invalid argument\",\"error\":\"Model grok-4-fast-reasoning does not support parameter presencePenalty.\"}", "presence_penalty")]
    [InlineData("xai", "\"frequency_penalty\":1", "{\"code\":\"Client specified an invalid argument\",\"error\":\"Argument not supported on this model: frequencyPenalty\"}", "frequency_penalty")]
    [InlineData("xai", "\"reasoning_effort\":\"xhigh\"", "{\"code\":\"invalid-argument\",\"error\":\"Model grok-4.20-0309-reasoning does not support parameter reasoningEffort.\"}", "reasoning_effort")]
    [InlineData("openai", "\"logit_bias\":{\"1\":2}", "{\"error\":{\"message\":\"Unsupported parameter: 'logit_bias' is not supported with this model.\",\"code\":\"unsupported_parameter\",\"param\":\"logit_bias\"}}", "logit_bias")]
    [InlineData("xai", "\"stop\":\"a\"", "{\"code\":\"invalid-argument\",\"error\":\"Model grok-4-fast-reasoning does not support parameter stop.\"}", null)]
    public void Refusal_OfAParameterThatIsATaste_IsLearned(string preset, string members, string error, string? dropped)
    {
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1", Preset = preset }, null, TimeProvider.System);
        using var upstream = new UpstreamRequest();
        using var response = new HttpResponseMessage();
        upstream.Body.Write(Encoding.UTF8.GetBytes(Write(With(members), dialect: dialect).Body));
        Assert.Equal(dropped is not null, dialect.ReadFault(400, response.Headers, Encoding.UTF8.GetBytes(error), upstream).TryAgain);
        var again = Write(With(members), dialect: dialect);
        Assert.Equal(dropped ?? "", again.Ignored);
        Assert.Equal(dropped is null ? 3 : 2, again.Json.EnumerateObject().Count());
        Assert.NotEqual(dropped, Write(With(members), dialect: dialect, model: "another").Ignored);
    }

    /// <summary>Several rules change something in each message: a history of any length is written at once.</summary>
    [Theory]
    [InlineData("groq", "m", "\"reasoning_content\":\"r\"")]
    [InlineData("deepseek", "deepseek-v4", "\"audio\":null")]
    public void Messages_WithManyChanges_AreWrittenInTime(string preset, string model, string member)
    {
        var messages = string.Join(',', Enumerable.Repeat($$"""{"role":"assistant","content":"a",{{member}},"refusal":null}""", 100_000));
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var sent = Write($$"""{"messages":[{{messages}},{"role":"user","content":"u"}],"model":"a/b"}""", preset, model: model);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"{watch.Elapsed}");
        Assert.DoesNotContain("null", sent.Body, StringComparison.Ordinal);
    }

    /// <summary>A role is no caller's word, and no depth of a body is a fault of ours.</summary>
    [Fact]
    public void Refusal_OfAWordOfTheProtocol_IsLearned()
    {
        Assert.False(CallersWords.Hold("""{"model":"my-user","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"user":"u"}"""u8, "user"));
        Assert.True(CallersWords.Hold("""{"messages":[{"role":"user","content":"the user_"}]}"""u8, "user"));
        Assert.False(CallersWords.Hold(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"a\":", 200)) + "1" + new string('}', 200)), "user"));
    }

    /// <summary>A server quotes what it refuses: what one caller writes must not decide how all others are asked.</summary>
    [Theory]
    [InlineData("\"stream\":true", "#/stream_options")]
    [InlineData("\"stream\":true", "#/stream\\u005foptions")]
    [InlineData("\"seed\":1", "#/Unsupported parameter: 'seed'")]
    [InlineData("\"max_tokens\":5", "#/max_tokens unknown")]
    public void Refusal_InTheCallersOwnWords_TeachesNothing(string members, string reference)
    {
        members += $$$$""","response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"$ref":"{{{{reference}}}}"}}}""";
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1" }, null, TimeProvider.System);
        using var upstream = new UpstreamRequest();
        using var response = new HttpResponseMessage();
        var first = Write(With(members), dialect: dialect).Body;
        upstream.Body.Write(Encoding.UTF8.GetBytes(first));
        var error = $$$"""{"error":{"message":"failed to resolve {{{reference.Replace("\\u005f", "_", StringComparison.Ordinal)}}}: it is unknown"}}""";
        Assert.False(dialect.ReadFault(400, response.Headers, Encoding.UTF8.GetBytes(error), upstream).TryAgain);
        Assert.Equal(first, Write(With(members), dialect: dialect).Body);
    }

    [Fact]
    public void Candidates_WhereAServerGivesOne_AreAskedOneByOne()
    {
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://127.0.0.1:1/v1", Preset = "llama.cpp" }, null, TimeProvider.System);
        using var request = Requests.Accepted(With("\"n\":3"));
        Assert.False(dialect.TakesCandidates(request, new RouteModel("a", "b", new ModelFacts())));
        Assert.False(Write(With("\"n\":3"), "llama.cpp").Json.TryGetProperty("n", out _));
        Assert.Equal(3, Write(With("\"n\":3")).Json.GetProperty("n").GetInt32());
    }

    [Theory]
    [InlineData("""{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","code":"unsupported_parameter","param":"max_tokens"}}""", "\"max_tokens\":5", "max_completion_tokens")]
    [InlineData("""{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}""", "\"stream\":true", "stream")]
    public void Refusal_ThatNamesAParameter_IsLearnedFromOnce(string error, string members, string left)
    {
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1" }, null, TimeProvider.System);
        using var upstream = new UpstreamRequest();
        using var response = new HttpResponseMessage();
        upstream.Body.Write(Encoding.UTF8.GetBytes(Write(With(members), dialect: dialect).Body));
        Assert.True(dialect.ReadFault(400, response.Headers, Encoding.UTF8.GetBytes(error), upstream).TryAgain);
        var again = Write(With(members), dialect: dialect);
        Assert.Equal($"model,messages,{left}", string.Join(',', again.Json.EnumerateObject().Select(m => m.Name)));
        upstream.Body.Reset();
        upstream.Body.Write(Encoding.UTF8.GetBytes(again.Body));
        Assert.False(dialect.ReadFault(400, response.Headers, Encoding.UTF8.GetBytes(error), upstream).TryAgain);
    }

    [Fact]
    public async Task Keys_Several_AreUsedInTurn()
    {
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1/", ApiKeys = ["a", "b"] }, null, TimeProvider.System);
        var used = new List<string?>();
        for (var i = 0; i < 3; i++)
        {
            using var message = new HttpRequestMessage();
            using var upstream = new UpstreamRequest();
            await dialect.AuthorizeAsync(message, upstream, default);
            used.Add(message.Headers.Authorization!.ToString());
        }
        Assert.Equal(["Bearer a", "Bearer b", "Bearer a"], used);
    }

    [Fact]
    public void Dropped_Parameter_IsNamedUnlessItIsTheDefault()
    {
        const string tools = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"parallel_tool_calls\":";
        Assert.Equal("", Write(With(tools + "true"), "deepseek").Ignored);
        Assert.Equal("parallel_tool_calls", Write(With(tools + "false"), "deepseek").Ignored);
        Assert.Equal("logit_bias, seed", string.Join(", ", Write(With("\"seed\":1,\"logit_bias\":{}"), "zai").Ignored.Split(", ").Order()));
    }

    [Fact]
    public void Thinking_InTheServersOwnWords_IsNotSaidTwice()
    {
        var sent = Write(With("\"thinking\":{\"type\":\"enabled\",\"clear_thinking\":true},\"reasoning_effort\":\"low\""), "zai").Json;
        Assert.True(sent.GetProperty("thinking").GetProperty("clear_thinking").GetBoolean());
        Assert.False(sent.TryGetProperty("reasoning_effort", out _));
    }

    [Fact]
    public void Headers_Configured_GoWithEveryRequest()
    {
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1/?a=b", Headers = new Dictionary<string, string> { ["x-team"] = "t" } }, null, TimeProvider.System);
        Assert.Null(Requests.Read(Encoding.UTF8.GetBytes(With("\"n\":1")), out var request));
        using var upstream = new UpstreamRequest();
        Assert.Null(dialect.Write(request!, new RouteModel("a/b", "b", new ModelFacts()), default, upstream));
        request!.Dispose();
        Assert.Equal(("x-team", "t"), (upstream.Headers[0].Key, upstream.Headers[0].Value));
        Assert.Equal("http://models.example/v1/chat/completions?a=b", upstream.Uri.ToString());
    }

    [Theory]
    [InlineData("https://api.mistral.ai/v1", "mistral")]
    [InlineData("https://eu.api.mistral.ai/v1", "mistral")]
    [InlineData("https://notapi.mistral.ai.evil.example/v1", "")]
    [InlineData("http://127.0.0.1:11434/v1", "ollama")]
    [InlineData("http://models.example:11434/v1", "")]
    [InlineData("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-compat")]
    public void Preset_ByAddress_IsChosen(string address, string name) => Assert.Equal(name, Presets.Choose(null, new Uri(address)).Name);

    [Fact]
    public void Recorded_EveryRequest_ReachesAnUnknownServerUnchanged()
    {
        var count = 0;
        foreach (var exchange in Recorded.All("openai", "openai-compatible").Where(r => r.Request is not null))
        {
            if (Requests.Read(exchange.Request!, out var request) is not null) continue;
            using var owned = request!;
            using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1" }, null, TimeProvider.System);
            using var upstream = new UpstreamRequest();
            var route = new RouteModel("vendor/model", "real-model", new ModelFacts()) { UnknownParameters = UnknownParameters.Forward };
            Assert.Null(dialect.Write(request!, route, new WriteOptions(null, "account"), upstream));
            Compare(JsonDocument.Parse(exchange.Request!).RootElement, JsonDocument.Parse(upstream.Body.Memory).RootElement, exchange.Name);
            count++;
        }
        Assert.True(count > 50);
    }

    [Fact]
    public void Recorded_EveryRequest_IsAcceptedByItsOwnServersPreset()
    {
        var count = 0;
        foreach (var exchange in Recorded.All("openai", "openai-compatible").Where(r => r.Request is not null && r.Status == 200))
        {
            if (Requests.Read(exchange.Request!, out var request) is not null) continue;
            using var owned = request!;
            using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = exchange.BaseUrl }, null, TimeProvider.System);
            using var upstream = new UpstreamRequest();
            var route = new RouteModel("vendor/model", "real-model", new ModelFacts()) { UnknownParameters = UnknownParameters.Forward };
            var refusal = dialect.Write(request!, route, new WriteOptions(null, "account"), upstream);
            Assert.True(refusal is null, $"{exchange.Name}: {refusal}");
            var sent = JsonDocument.Parse(upstream.Body.Memory).RootElement;
            Assert.Equal(sent.EnumerateObject().Count(), sent.EnumerateObject().DistinctBy(m => m.Name).Count());
            Assert.True(upstream.Ignored.Count == 0, $"{exchange.Name}: {string.Join(", ", upstream.Ignored)}");
            count++;
        }
        Assert.True(count > 50);
    }

    private static void Compare(JsonElement was, JsonElement sent, string name)
    {
        var isStream = was.TryGetProperty("stream", out var stream) && stream.ValueKind == JsonValueKind.True;
        foreach (var member in was.EnumerateObject())
        {
            if (member.Name is "model" or "stream_options") continue;
            if (member.Name is "tools" && member.Value.ValueKind == JsonValueKind.Array && member.Value.GetArrayLength() == 0) continue;
            if (member.Name is "tool_choice" or "parallel_tool_calls" && !sent.TryGetProperty("tools", out _)) continue;
            var spelled = member.Name == "max_completion_tokens" ? "max_tokens" : member.Name;
            Assert.True(sent.TryGetProperty(spelled, out var kept), $"{name}: {member.Name} is gone");
            Assert.Equal(member.Value.GetRawText(), kept.GetRawText());
        }
        Assert.Equal("real-model", sent.GetProperty("model").GetString());
        if (isStream) Assert.True(sent.GetProperty("stream_options").GetProperty("include_usage").GetBoolean());
        var allowed = was.EnumerateObject().Select(m => m.Name).Append("stream_options").Append("max_tokens").ToHashSet();
        Assert.All(sent.EnumerateObject(), m => Assert.Contains(m.Name, allowed));
    }
}
