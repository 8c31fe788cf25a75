using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.OpenAI;
using CrossModel.Tests.Protocol;
using Xunit;
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

    [Fact]
    public void Candidates_OfAModelThatGivesOne_AreAskedOneByOne() =>
        Assert.False(Again(Requests.With("\"n\":3"), Error("invalid n: only 1 is allowed for this model"), "moonshot")!.Json.TryGetProperty("n", out _));
}
