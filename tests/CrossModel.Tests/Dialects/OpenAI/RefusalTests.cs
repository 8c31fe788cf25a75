using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.OpenAI;
using CrossModel.Tests.Protocol;
using static CrossModel.Tests.Dialects.OpenAI.OpenAIRequestTests;

namespace CrossModel.Tests.Dialects.OpenAI;

/// <summary>What one model's refusals teach, each said in a server's own words; the reasons why nothing is learned from others are in OpenAIRequestTests.</summary>
public sealed class RefusalTests
{
    private const string Call = """{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}""";

    private static string Error(string message) => JsonSerializer.Serialize(new { error = new { message, type = "invalid_request_error" } });

    /// <summary>Sends, is refused, and sends again; null: the refusal has taught nothing.</summary>
    private static Sent? Again(string body, string error, string? preset = null, int status = 400)
    {
        using var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1", Preset = preset }, null, TimeProvider.System);
        using var upstream = new UpstreamRequest();
        using var response = new HttpResponseMessage();
        upstream.Body.Write(Encoding.UTF8.GetBytes(Write(body, dialect: dialect).Body));
        upstream.Stream = TopLevel.Has(upstream.Body.Span, "stream"u8);
        if (!dialect.ReadFault(status, response.Headers, Encoding.UTF8.GetBytes(error), upstream).TryAgain) return null;
        var again = Write(body, dialect: dialect);
        upstream.Body.Reset();
        upstream.Body.Write(Encoding.UTF8.GetBytes(again.Body));
        upstream.Stream = TopLevel.Has(upstream.Body.Span, "stream"u8);
        Assert.False(dialect.ReadFault(status, response.Headers, Encoding.UTF8.GetBytes(error), upstream).TryAgain, "it is asked for ever");
        return again;
    }

    [Theory]
    [InlineData("\"prompt_cache_key\":\"k\"", "Validation: Unsupported parameter(s): `prompt_cache_key`", "prompt_cache_key")]
    [InlineData("\"seed\":1,\"service_tier\":\"auto\"", "Validation: Unsupported parameter(s): `seed`, `service_tier`", "seed, service_tier")]
    [InlineData("\"verbosity\":\"low\"", "Unknown parameter: 'verbosity'.", "verbosity")]
    [InlineData("\"seed\":1", "property 'seed' is unsupported", "seed")]
    [InlineData("\"reasoning_effort\":\"low\"", "BAD_REQUEST: reasoning_effort: Extra inputs are not permitted", "reasoning_effort")]
    [InlineData("\"reasoning_effort\":\"low\"", "\"llama3.1:8b\" does not support thinking", "reasoning_effort")]
    [InlineData("\"reasoning_effort\":\"medium\"", "think value \"medium\" is not supported for this model", "reasoning_effort")]
    [InlineData("\"temperature\":0.7,\"top_p\":0.5", "invalid temperature: only 1 is allowed for this model", "temperature")]
    [InlineData("\"temperature\":0.7,\"top_p\":0.5", "invalid top_p: only 0.95 is allowed for this model", "top_p")]
    [InlineData("\"temperature\":0.2", "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.", "temperature")]
    [InlineData("\"temperature\":0.2", "Unsupported parameter: 'temperature' is not supported with this model.", "temperature")]
    // about something else
    [InlineData("\"metadata\":{\"a\":\"b\"}", "Unknown parameter: 'metadata.a'.", null)]
    [InlineData("\"reasoning_effort\":\"minimal\"", "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model.", null)]
    [InlineData("\"temperature\":0.2,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"temperature\":1}}}]", "property 'temperature' is unsupported", null)]
    [InlineData("\"temperature\":0.2", "temperature is too low", null)]
    public void Parameter_ThatTheModelDoesNotTake_IsLeftOutAndNamed(string members, string said, string? ignored) =>
        Assert.Equal(ignored, Again(Requests.With(members), Error(said))?.Ignored);

    [Theory]
    [InlineData("""{"type":"urn:inference-service:problem-details:unprocessable-entity","title":"Unprocessable Entity","status":422,"detail":"body -> frequency_penalty\n  Extra inputs are not permitted (type=extra_forbidden)\nbody -> presence_penalty\n  Extra inputs are not permitted (type=extra_forbidden)"}""")]
    [InlineData("""{"detail":[{"type":"extra_forbidden","loc":["body","frequency_penalty"],"msg":"Extra inputs are not permitted"},{"type":"extra_forbidden","loc":["body","presence_penalty"],"msg":"Extra inputs are not permitted"}]}""")]
    [InlineData("""{"object":"error","message":"[{'type': 'extra_forbidden', 'loc': ('body', 'frequency_penalty'), 'msg': 'Extra inputs are not permitted'}, {'type': 'extra_forbidden', 'loc': ('body', 'presence_penalty'), 'msg': 'Extra inputs are not permitted'}]","code":400}""")]
    public void Parameters_RefusedTogether_AreLeftOutTogether(string error) =>
        Assert.Equal("frequency_penalty, presence_penalty", Again(Requests.With("\"presence_penalty\":1,\"frequency_penalty\":1"), error, status: 422)!.Ignored);

    /// <summary>A server may quote pages of what it refuses. Each phrase that could teach something is looked for in the request, which may be large: few are.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Refusal_ThatQuotesPagesOfTheCallers_IsReadInTime(bool inOnePhrase)
    {
        var quoted = inOnePhrase ? "Unsupported parameter: " + string.Concat(Enumerable.Repeat("seed, ", 3000))
            : string.Concat(Enumerable.Range(0, 1200).Select(i => $"Unsupported parameter: s{new string('_', i % 40)}ee{new string('_', i / 40)}d. "));
        var body = JsonSerializer.Serialize(new { model = "a/b", seed = 1, messages = new[] { new { role = "user", content = new string('x', 8 << 20) }, new { role = "user", content = quoted } } });
        var clock = System.Diagnostics.Stopwatch.StartNew();
        Assert.Null(Again(body, Error("Invalid content: " + quoted)));
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    /// <summary>A word of a prompt that is the name of a parameter too does not keep a model from being understood.</summary>
    [Fact]
    public void Parameter_WhoseNameIsAWordOfThePrompt_IsLearnedToo()
    {
        const string weather = """{"model":"a/b","temperature":0.2,"messages":[{"role":"user","content":"the temperature, for my user?"}],"tools":[{"type":"function","function":{"name":"f","parameters":{"temperature":1}}}]}""";
        Assert.Equal("temperature", Again(weather, Error("invalid temperature: only 1 is allowed for this model"))!.Ignored);
        Assert.Null(Again(weather.Replace("for my user?", "invalid temperature: only 1 is", StringComparison.Ordinal), Error("you say: invalid temperature: only 1 is")));
        Assert.Equal("user", Again("""{"model":"a/b","user":"u","messages":[{"role":"user","content":"for my user?"}]}""", Error("Unrecognized request argument supplied: user"))!.Ignored);
    }

    [Theory]
    [InlineData("parameter.enable_thinking must be set to false for non-streaming calls")]
    [InlineData("This model only support stream mode, please enable the stream parameter to access the model. ")]
    [InlineData("Requests with max_tokens > 4096 must have stream=true")]
    public void Stream_WhereNothingElseIsGiven_IsAskedFor(string said)
    {
        var again = Again(Requests.With("\"seed\":1"), Error(said))!;
        Assert.True(again.Json.GetProperty("stream").GetBoolean());
        Assert.True(again.Json.GetProperty("stream_options").GetProperty("include_usage").GetBoolean());
        Assert.Equal("", again.Ignored);
        Assert.Null(Again(Requests.With("\"stream\":true"), Error(said)));
    }

    [Theory]
    [InlineData("messages[0].role: unknown variant `developer`, expected one of `system`, `user`, `assistant`, `tool`")]
    [InlineData("developer is not one of ['system', 'assistant', 'user', 'tool', 'function'] - 'messages.[0].role'")]
    [InlineData("Unexpected message role.")]
    [InlineData("Error from provider: [1214] Incorrect role information")]
    public void Developer_WhereNobodyKnowsTheRole_IsSystem(string said)
    {
        const string body = """{"model":"a/b","messages":[{"role":"developer","content":"a developer's words"},{"role":"user","content":"b"}]}""";
        Assert.Equal("system", Again(body, Error(said))!.Json.GetProperty("messages")[0].GetProperty("role").GetString());
        Assert.Null(Again(body.Replace("\"developer\"", "\"system\"", StringComparison.Ordinal), Error(said)));
    }

    [Theory]
    [InlineData("moonshot", "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1")]
    [InlineData(null, "The `reasoning_content` in the thinking mode must be passed back to the API.")]
    public void Reasoning_ThatMustBeThere_IsThere(string? preset, string said)
    {
        static string Body(string more) => $$"""{"model":"a/b","messages":[{"role":"user","content":"1"},{"role":"assistant","content":null,"tool_calls":[{{Call}}]{{more}}},{"role":"tool","tool_call_id":"c","content":"x"}]}""";
        foreach (var more in (string[])["", ",\"reasoning_content\":null", ",\"reasoning_content\":\"\""])
            Assert.Equal(" ", Again(Body(more), Error(said), preset)!.Json.GetProperty("messages")[1].GetProperty("reasoning_content").GetString());
        Assert.Null(Again(Body(",\"reasoning_content\":\"r\""), Error(said), preset));
    }

    [Theory]
    [InlineData("minimax", 400, """{"type":"error","error":{"type":"bad_request_error","message":"invalid params, function parameters is empty (2013)","http_code":"400"}}""")]
    [InlineData(null, 422, """{"detail":[{"type":"missing","loc":["body","tools",0,"function","parameters"],"msg":"Field required","input":{"name":"f"}}]}""")]
    [InlineData(null, 400, """{"error":{"message":"Failed to deserialize the JSON body into the target type: tools[0].function: missing field `parameters` at line 1"}}""")]
    [InlineData(null, 400, """{"error":{"message":"'parameters' is a required property - 'tools.0.function'"}}""")]
    public void Parameters_OfAFunction_ThatMustBeThere_AreThere(string? preset, int status, string error)
    {
        static string Body(string more) => Requests.With("\"tools\":[{\"function\":{\"name\":\"f\"" + more + "},\"type\":\"function\"},{\"type\":\"function\",\"function\":{\"name\":\"g\",\"parameters\":{\"a\":1.0}}}]");
        foreach (var more in (string[])["", ",\"parameters\":null"])
        {
            var tools = Again(Body(more), error, preset, status)!.Json.GetProperty("tools");
            Assert.Equal("{\"type\":\"object\",\"properties\":{}}", tools[0].GetProperty("function").GetProperty("parameters").GetRawText());
            Assert.Equal("{\"a\":1.0}", tools[1].GetProperty("function").GetProperty("parameters").GetRawText());
        }
        Assert.Null(Again(Body(",\"parameters\":{\"type\":\"object\"}"), error, preset, status));
    }

    [Theory]
    [InlineData("AiError: Bad input: Error: oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt', Type mismatch of '/messages/0/content', 'array' not in 'string', required properties at '/messages/1' are 'role,content'")]
    [InlineData("Failed to deserialize the JSON body into the target type: messages[0]: invalid type: sequence, expected a string at line 1 column 9")]
    [InlineData("'messages.0' : for 'role:user' the following must be satisfied[('messages.0.content' : value must be a string)]")]
    public void Contents_ThatMustBeTexts_Are(string said)
    {
        static string Body(string first, string second) => $$"""{"model":"a/b","messages":[{"role":"user","content":{{first}}},{"role":"assistant",{{second}}"tool_calls":[{{Call}}]},{"role":"tool","tool_call_id":"c","content":"x"}]}""";
        var blocks = """[{"type":"text","text":"h\u00e9"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]""";
        foreach (var second in (string[])["\"content\":null,", ""])
        {
            var messages = Again(Body(blocks, second), Error(said))!.Json.GetProperty("messages");
            Assert.Equal(("\"h\\u00e9\\nb\"", ""), (messages[0].GetProperty("content").GetRawText(), messages[1].GetProperty("content").GetString()));
        }
        Assert.Null(Again(Body("[{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x.example/a.png\"}}]", "\"content\":\"\","), Error(said)));
    }

    [Theory]
    [InlineData("minimal", "'none', 'low', 'medium', 'high', and 'xhigh'", "low")]
    [InlineData("none", "'minimal', 'low', 'medium', and 'high'", "minimal")]
    [InlineData("high", "'medium'", "medium")]
    [InlineData("xhigh", "'low' and 'high'", "high")]
    public void Effort_ThatTheModelDoesNotTake_IsTheNearestThatItDoes(string asked, string taken, string sent)
    {
        var said = $"Unsupported value: 'reasoning_effort' does not support '{asked}' with this model. Supported values are: {taken}.";
        var again = Again(Requests.With($"\"reasoning_effort\":\"{asked}\""), Error(said), "openai")!;
        Assert.Equal((sent, "reasoning_effort=" + sent), (again.Json.GetProperty("reasoning_effort").GetString(), again.Ignored));
        var quoted = JsonSerializer.Serialize(new { model = "a/b", reasoning_effort = asked, messages = new[] { new { role = "user", content = said } } });
        Assert.Null(Again(quoted, Error(said), "openai"));
    }

    /// <summary>From GPT-5.6 on to say nothing is refused too: the model would think by itself.</summary>
    [Theory]
    [InlineData("", "reasoning_effort=none")]
    [InlineData(",\"reasoning_effort\":\"high\",\"temperature\":0.5", "reasoning_effort=none")]
    public void Thinking_BesideTools_WhereItIsRefused_IsSwitchedOffAndNamed(string members, string ignored)
    {
        const string said = "Function tools with reasoning_effort are not supported for gpt-5.6-terra in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.";
        const string tools = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]";
        var again = Again(Requests.With(tools + members), Error(said), "openai")!;
        Assert.Equal(("none", ignored), (again.Json.GetProperty("reasoning_effort").GetString(), again.Ignored));
        Assert.Equal(members.Contains("temperature", StringComparison.Ordinal), again.Json.TryGetProperty("temperature", out _));
        using var dialect = Taught(Requests.With(tools), Error(said), "openai");
        var without = Write(Requests.With("\"reasoning_effort\":\"high\""), dialect: dialect);
        Assert.Equal(("high", ""), (without.Json.GetProperty("reasoning_effort").GetString(), without.Ignored));
        Assert.Null(Again(Requests.With(tools + ",\"reasoning_effort\":\"none\""), Error(said), "openai"));
        Assert.Null(Again(Requests.With("\"reasoning_effort\":\"high\""), Error(said), "openai"));
    }

    /// <summary>What the model is made to do is kept, and not the thinking about it.</summary>
    [Theory]
    [InlineData("deepseek", "Thinking mode does not support this tool_choice", "thinking", """{"type":"disabled"}""")]
    [InlineData("moonshot", "tool_choice 'required' is incompatible with thinking enabled", "thinking", """{"type":"disabled"}""")]
    [InlineData("moonshot", "tool_choice 'specified' is incompatible with thinking enabled", "thinking", """{"type":"disabled"}""")]
    [InlineData("dashscope", "<400> InternalError.Algo.InvalidParameter: The tool_choice parameter does not support being set to required or object in thinking mode", "enable_thinking", "false")]
    [InlineData(null, "Thinking mode does not support this tool_choice", "reasoning_effort", "\"none\"")]
    public void Thinking_BesideAForcedTool_WhereItIsRefused_IsSwitchedOffAndNamed(string? preset, string said, string member, string value)
    {
        const string tools = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}],\"tool_choice\":";
        foreach (var more in (string[])["", ",\"reasoning_effort\":\"low\""])
        {
            foreach (var choice in (string[])["\"required\"", "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}"])
            {
                var again = Again(Requests.With(tools + choice + more), Error(said), preset)!;
                Assert.Equal((value, "reasoning_effort=none"), (again.Json.GetProperty(member).GetRawText(), again.Ignored));
                Assert.Equal(choice, again.Json.GetProperty("tool_choice").GetRawText());
            }
        }
        using var dialect = Taught(Requests.With(tools + "\"required\""), Error(said), preset);
        Assert.Equal("", Write(Requests.With(tools + "\"auto\",\"reasoning_effort\":\"low\""), dialect: dialect).Ignored);
    }

    [Fact]
    public void Candidates_OfAModelThatGivesOne_AreAskedOneByOne() =>
        Assert.False(Again(Requests.With("\"n\":3"), Error("invalid n: only 1 is allowed for this model"), "moonshot")!.Json.TryGetProperty("n", out _));

    /// <summary>A server quotes what it refuses as JSON inside JSON: in that spelling too the words are the caller's.</summary>
    [Theory]
    [InlineData("extra_forbidden\",\"loc\":[\"body\",\"temperature\"]")]
    [InlineData("body -> temperature\n  Extra inputs are not permitted")]
    [InlineData("think value \"low\" is not supported for this model")]
    public void Words_OfTheCaller_QuotedAsJson_TeachNothing(string words)
    {
        var body = JsonSerializer.Serialize(new { model = "a/b", temperature = 0.2, reasoning_effort = "low", messages = new[] { new { role = "user", content = words } } });
        var quoted = words.Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
        Assert.Null(Again(body, $$"""{"detail":[{"type":"value_error","msg":"bad","input":"{{quoted}}"}]}""", status: 422));
    }

    /// <summary>Each name is looked for once, however often a server quotes it: a large request is not searched a thousand times.</summary>
    [Fact]
    public void Words_QuotedOverAndOver_AreLookedForOnce()
    {
        var said = string.Concat(Enumerable.Repeat("Unknown parameter: seed Unknown parameter: user ", 1300));
        var body = JsonSerializer.Serialize(new { model = "a/b", seed = 1, messages = new[] { new { role = "user", content = new string('x', 4_000_000) + said } } });
        var watch = System.Diagnostics.Stopwatch.StartNew();
        Assert.Null(Again(body, Error(said)));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"{watch.Elapsed}");
    }

    /// <summary>A server that judges by alternatives says of each content that it is no text, whatever was wrong with it: what counts is what stands there.</summary>
    [Fact]
    public void Contents_OfWhichAnotherThingIsWrong_StayAsTheyAre()
    {
        const string error = """{"detail":[{"type":"string_type","loc":["body","messages",1,"user","content","str"],"msg":"Input should be a valid string"},{"type":"literal_error","loc":["body","messages",1,"user","content","list[ContentChunk]",0,"type"],"msg":"Input should be 'text'"}]}""";
        const string picture = """[{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}]""";
        static string Body(string content) => $$"""{"model":"a/b","messages":[{"role":"system","content":[{"type":"text","text":"s"}]},{"role":"user","content":{{content}}}]}""";
        Assert.Null(Again(Body(picture), error, status: 422));
        Assert.Equal("u", Again(Body("""[{"type":"text","text":"u"}]"""), error, status: 422)!.Json.GetProperty("messages")[1].GetProperty("content").GetString());
    }

    [Fact]
    public void Marks_OfContentsThatBecomeTexts_AreNamed()
    {
        const string body = """{"model":"a/b","messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}]}""";
        Assert.Equal("cache_control", Again(body, Error("messages[0]: invalid type: sequence, expected a string"))!.Ignored);
    }

    /// <summary>Ollama's models that think take no word for how much, but can be kept from it.</summary>
    [Fact]
    public void Thinking_ThatIsSwitchedOff_StaysOff_WhereAnEffortWasRefused()
    {
        using var dialect = Taught(Requests.With("\"reasoning_effort\":\"medium\""), Error("think value \"medium\" is not supported for this model"), "ollama");
        Assert.Equal("none", Write(Requests.With("\"reasoning_effort\":\"none\""), dialect: dialect).Json.GetProperty("reasoning_effort").GetString());
        Assert.Equal("reasoning_effort", Write(Requests.With("\"reasoning_effort\":\"low\""), dialect: dialect).Ignored);
    }

    /// <summary>GPT-5.1 and its like take a temperature where they are not to think.</summary>
    [Fact]
    public void Temperature_RefusedWithAnEffort_IsTakenWithoutOne()
    {
        const string said = "Unsupported parameter: 'temperature' is not supported with this model.";
        using var dialect = Taught(Requests.With("\"temperature\":0.2,\"reasoning_effort\":\"high\""), Error(said), "openai");
        Assert.Equal("temperature", Write(Requests.With("\"temperature\":0.2,\"reasoning_effort\":\"low\""), dialect: dialect).Ignored);
        foreach (var more in (string[])["", ",\"reasoning_effort\":\"none\""]) Assert.Equal("", Write(Requests.With("\"temperature\":0.2" + more), dialect: dialect).Ignored);
        using var strict = Taught(Requests.With("\"temperature\":0.2"), Error(said), "openai");
        Assert.Equal("temperature", Write(Requests.With("\"temperature\":0.2,\"reasoning_effort\":\"low\""), dialect: strict).Ignored);
    }

    /// <summary>A name may have several servers behind it, of which one wants what another refuses: the last word counts.</summary>
    [Fact]
    public void Reasoning_WantedAndRefused_GoesByTheLastWord()
    {
        const string loop = $$"""{"model":"a/b","messages":[{"role":"user","content":"1"},{"role":"assistant","content":null,"tool_calls":[{{Call}}]},{"role":"tool","tool_call_id":"c","content":"x"}]}""";
        using var dialect = Taught(loop, Error("reasoning_content is missing in assistant tool call message at index 1"));
        bool Says() => Write(loop, dialect: dialect).Json.GetProperty("messages")[1].TryGetProperty("reasoning_content", out _);
        Assert.True(Says());
        Teach(dialect, loop, Error("messages.1.reasoning_content: property 'reasoning_content' is unsupported"));
        Assert.False(Says());
        Teach(dialect, loop, Error("reasoning_content is missing in assistant tool call message at index 1"));
        Assert.True(Says());
    }

    /// <summary>What goes out under another name is left out under that one.</summary>
    [Theory]
    [InlineData("openai", "\"user\":\"u\"", "safety_identifier", "user")]
    [InlineData("xai", "\"safety_identifier\":\"u\"", "user", "safety_identifier")]
    public void Caller_WhoseNameIsSpelledAnew_IsLeftOut(string preset, string members, string refused, string ignored) =>
        Assert.Equal(ignored, Again(Requests.With(members), Error($"Unrecognized request argument supplied: {refused}"), preset)!.Ignored);

    [Fact]
    public void Parameter_LearnedAndKnown_IsNamedOnce()
    {
        using var dialect = Taught(Requests.With("\"temperature\":0.2"), Error("Unsupported parameter: 'temperature' is not supported with this model."));
        Assert.Equal("temperature", Write(Requests.With("\"temperature\":0.2"), facts: new() { Temperature = false }, dialect: dialect).Ignored);
    }

    /// <summary>Of the tools that the choice leaves, too, what the server refuses is left out.</summary>
    [Fact]
    public void Strict_OfAToolThatTheChoiceNames_IsLeftOutStill()
    {
        const string tool = """{"type":"function","function":{"name":"NAME","strict":true,"parameters":{"type":"object"}}}""";
        string Tool(string name) => tool.Replace("NAME", name, StringComparison.Ordinal);
        var sent = Write(Requests.With($$$"""
            "tools":[{{{Tool("e")}}},{{{Tool("f")}}} , {{{Tool("g")}}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}}
            """), "zai");
        Assert.Equal("""[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]""", sent.Json.GetProperty("tools").GetRawText().Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal("auto", sent.Json.GetProperty("tool_choice").GetString());
    }

    private static OpenAIDialect Taught(string body, string error, string? preset = null)
    {
        var dialect = new OpenAIDialect(new UpstreamConfig { BaseUrl = "http://models.example/v1", Preset = preset }, null, TimeProvider.System);
        Teach(dialect, body, error);
        return dialect;
    }

    private static void Teach(OpenAIDialect dialect, string body, string error)
    {
        using var upstream = new UpstreamRequest();
        using var response = new HttpResponseMessage();
        upstream.Body.Write(Encoding.UTF8.GetBytes(Write(body, dialect: dialect).Body));
        Assert.True(dialect.ReadFault(400, response.Headers, Encoding.UTF8.GetBytes(error), upstream).TryAgain);
    }
}
