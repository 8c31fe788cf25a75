using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

public sealed class ParameterRuleTests
{
    private const string Tools = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}]";

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"Hi"}]}""", "missing_required_parameter")]
    [InlineData("""{"model":null,"messages":[{"role":"user","content":"Hi"}]}""", "missing_required_parameter")]
    [InlineData("""{"model":"","messages":[{"role":"user","content":"Hi"}]}""", "missing_required_parameter")]
    [InlineData("{}", "missing_required_parameter")]
    [InlineData("""{"model":5,"messages":[{"role":"user","content":"Hi"}]}""", "invalid_type")]
    [InlineData("""{"model":["a"]}""", "invalid_type")]
    public void Model_MissingOrNoString_IsRefused(string body, string code) => Claim(body, code, "model");

    [Theory]
    [InlineData("\"stream\":\"true\"", "stream")]
    [InlineData("\"stream\":1", "stream")]
    [InlineData("\"stream\":true,\"stream_options\":[]", "stream_options")]
    [InlineData("\"stream\":true,\"stream_options\":{\"include_usage\":1}", "stream_options.include_usage")]
    [InlineData("\"max_tokens\":\"5\"", "max_tokens")]
    [InlineData("\"max_tokens\":5.0", "max_tokens")]
    [InlineData("\"max_tokens\":1e3", "max_tokens")]
    [InlineData("\"max_completion_tokens\":5.5", "max_completion_tokens")]
    [InlineData("\"temperature\":\"1\"", "temperature")]
    [InlineData("\"top_p\":true", "top_p")]
    [InlineData("\"presence_penalty\":[]", "presence_penalty")]
    [InlineData("\"frequency_penalty\":{}", "frequency_penalty")]
    [InlineData("\"stop\":5", "stop")]
    [InlineData("\"stop\":[\"a\",5]", "stop[1]")]
    [InlineData("\"n\":\"1\"", "n")]
    [InlineData("\"n\":2.0", "n")]
    [InlineData("\"seed\":\"x\"", "seed")]
    [InlineData("\"seed\":1.5", "seed")]
    [InlineData("\"logprobs\":1", "logprobs")]
    [InlineData("\"logprobs\":true,\"top_logprobs\":\"1\"", "top_logprobs")]
    [InlineData("\"logit_bias\":[]", "logit_bias")]
    [InlineData("\"logit_bias\":{\"5\":\"x\"}", "logit_bias")]
    [InlineData("\"modalities\":\"text\"", "modalities")]
    [InlineData("\"modalities\":[5]", "modalities[0]")]
    [InlineData("\"audio\":\"x\"", "audio")]
    [InlineData("\"audio\":{\"voice\":5}", "audio.voice")]
    [InlineData("\"prediction\":\"x\"", "prediction")]
    [InlineData("\"prediction\":{\"type\":\"content\",\"content\":5}", "prediction.content")]
    [InlineData("\"metadata\":\"x\"", "metadata")]
    [InlineData("\"store\":\"x\"", "store")]
    [InlineData("\"service_tier\":1", "service_tier")]
    [InlineData("\"verbosity\":1", "verbosity")]
    [InlineData("\"web_search_options\":true", "web_search_options")]
    [InlineData("\"reasoning_effort\":1", "reasoning_effort")]
    [InlineData("\"user\":1", "user")]
    [InlineData("\"safety_identifier\":{}", "safety_identifier")]
    [InlineData("\"parallel_tool_calls\":\"yes\"", "parallel_tool_calls")]
    [InlineData("\"response_format\":\"json\"", "response_format")]
    [InlineData("\"response_format\":{\"type\":5}", "response_format.type")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":[]}", "response_format.json_schema")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":5}}", "response_format.json_schema.name")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"schema\":1}}", "response_format.json_schema.schema")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"strict\":1}}", "response_format.json_schema.strict")]
    [InlineData("\"tools\":{}", "tools")]
    [InlineData("\"tools\":[5]", "tools[0]")]
    [InlineData("\"tools\":[{\"type\":5}]", "tools[0].type")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":[]}]", "tools[0].function")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":5}}]", "tools[0].function.name")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":5}}]", "tools[0].function.description")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":[]}}]", "tools[0].function.parameters")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"strict\":\"yes\"}}]", "tools[0].function.strict")]
    [InlineData("\"tool_choice\":5", "tool_choice")]
    [InlineData("\"tool_choice\":{\"type\":5}", "tool_choice.type")]
    [InlineData("\"tool_choice\":{\"type\":\"function\",\"function\":\"f\"}", "tool_choice.function")]
    [InlineData("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":5}}", "tool_choice.function.name")]
    [InlineData("\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":[]}", "tool_choice.allowed_tools")]
    [InlineData("\"functions\":{}", "functions")]
    [InlineData("\"functions\":[{\"name\":5}]", "functions[0].name")]
    [InlineData("\"function_call\":5", "function_call")]
    [InlineData("\"models\":\"a\"", "models")]
    [InlineData("\"models\":[\"a\",5]", "models[1]")]
    [InlineData("\"provider\":\"a\"", "provider")]
    [InlineData("\"provider\":{\"order\":\"a\"}", "provider.order")]
    [InlineData("\"provider\":{\"only\":[5]}", "provider.only[0]")]
    [InlineData("\"provider\":{\"allow_fallbacks\":\"no\"}", "provider.allow_fallbacks")]
    [InlineData("\"provider\":{\"sort\":{}}", "provider.sort")]
    [InlineData("\"provider\":{\"max_price\":5}", "provider.max_price")]
    [InlineData("\"provider\":{\"max_price\":{\"prompt\":true}}", "provider.max_price.prompt")]
    [InlineData("\"prompt_cache_key\":5", "prompt_cache_key")]
    [InlineData("\"prompt_cache_options\":5", "prompt_cache_options")]
    [InlineData("\"moderation\":5", "moderation")]
    public void Parameter_OfTheWrongType_IsInvalidType(string members, string param) => Claim(Requests.With(members), "invalid_type", param);

    [Theory]
    [InlineData("\"temperature\":2.1", "temperature")]
    [InlineData("\"temperature\":-0.1", "temperature")]
    [InlineData("\"temperature\":1e999", "temperature")]
    [InlineData("\"top_p\":1.01", "top_p")]
    [InlineData("\"top_p\":-1", "top_p")]
    [InlineData("\"presence_penalty\":2.5", "presence_penalty")]
    [InlineData("\"frequency_penalty\":-2.5", "frequency_penalty")]
    [InlineData("\"n\":0", "n")]
    [InlineData("\"n\":129", "n")]
    [InlineData("\"n\":99999999999999999999", "n")]
    [InlineData("\"max_tokens\":0", "max_tokens")]
    [InlineData("\"max_tokens\":-1", "max_tokens")]
    [InlineData("\"max_completion_tokens\":0", "max_completion_tokens")]
    [InlineData("\"max_completion_tokens\":99999999999999999999", "max_completion_tokens")]
    [InlineData("\"seed\":99999999999999999999", "seed")]
    [InlineData("\"logprobs\":true,\"top_logprobs\":21", "top_logprobs")]
    [InlineData("\"logprobs\":true,\"top_logprobs\":-1", "top_logprobs")]
    [InlineData("\"top_logprobs\":1", "top_logprobs")]
    [InlineData("\"top_logprobs\":1,\"logprobs\":false", "top_logprobs")]
    [InlineData("\"logit_bias\":{\"5\":101}", "logit_bias")]
    [InlineData("\"stop\":\"\"", "stop")]
    [InlineData("\"stop\":[\"a\",\"\"]", "stop[1]")]
    [InlineData("\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]", "stop")]
    [InlineData("\"reasoning_effort\":\"max\"", "reasoning_effort")]
    [InlineData("\"reasoning_effort\":\"High\"", "reasoning_effort")]
    [InlineData("\"verbosity\":\"loud\"", "verbosity")]
    [InlineData("\"modalities\":[]", "modalities")]
    [InlineData("\"modalities\":[\"smell\"]", "modalities[0]")]
    [InlineData("\"audio\":{\"voice\":\"alloy\",\"format\":\"midi\"}", "audio.format")]
    [InlineData("\"prediction\":{\"type\":\"x\",\"content\":\"\"}", "prediction.type")]
    [InlineData("\"stream_options\":{\"include_usage\":true}", "stream_options")]
    [InlineData("\"stream\":false,\"stream_options\":{}", "stream_options")]
    [InlineData("\"response_format\":{\"type\":\"xml\"}", "response_format.type")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a b\"}}", "response_format.json_schema.name")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]", "tools[0].function.name")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a234567890123456789012345678901234567890123456789012345678901234x\"}}]", "tools[0].function.name")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\"}},{\"type\":\"function\",\"function\":{\"name\":\"a\"}}]", "tools[1].function.name")]
    [InlineData("\"tool_choice\":\"any\"", "tool_choice")]
    [InlineData("\"tool_choice\":\"required\"", "tool_choice")]
    [InlineData("\"tools\":[],\"tool_choice\":\"required\"", "tool_choice")]
    [InlineData("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "tool_choice")]
    [InlineData("\"tool_choice\":{\"type\":\"odd\"}", "tool_choice.type")]
    [InlineData("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"g\"}}," + Tools, "tool_choice.function.name")]
    [InlineData("\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"c\"}}," + Tools, "tool_choice.function.name")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"custom\",\"custom\":{\"name\":\"f\"}}", "tool_choice.custom.name")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"none\",\"tools\":[]}}", "tool_choice.allowed_tools.mode")]
    [InlineData("\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[]}}", "tool_choice")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]}}", "tool_choice.allowed_tools.tools[1].function.name")]
    [InlineData("\"functions\":[{\"name\":\"f\"}],\"function_call\":{\"name\":\"g\"}", "function_call.name")]
    [InlineData("\"function_call\":\"required\"", "function_call")]
    [InlineData("\"models\":[\"\"]", "models[0]")]
    [InlineData("\"provider\":{\"max_price\":{\"prompt\":-1}}", "provider.max_price.prompt")]
    [InlineData("\"provider\":{\"max_price\":{\"completion\":\"x\"}}", "provider.max_price.completion")]
    public void Parameter_OutOfRangeOrNotListed_IsInvalidValue(string members, string param) => Claim(Requests.With(members), "invalid_value", param);

    [Theory]
    [InlineData("\"tools\":[{}]", "tools[0].type")]
    [InlineData("\"tools\":[{\"function\":{\"name\":\"f\"}}]", "tools[0].type")]
    [InlineData("\"tools\":[{\"type\":\"function\"}]", "tools[0].function")]
    [InlineData("\"tools\":[{\"type\":\"custom\",\"function\":{\"name\":\"f\"}}]", "tools[0].custom")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{}}]", "tools[0].function.name")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"\"}}]", "tools[0].function.name")]
    [InlineData(Tools + ",\"tool_choice\":{}", "tool_choice.type")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"function\"}", "tool_choice.function")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"function\",\"function\":{}}", "tool_choice.function.name")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"tools\":[]}}", "tool_choice.allowed_tools.mode")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[{}]}}", "tool_choice.allowed_tools.tools[0].function")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[{\"type\":\"function\",\"name\":\"f\"}]}}", "tool_choice.allowed_tools.tools[0].function")]
    [InlineData("\"audio\":{\"voice\":{},\"format\":\"wav\"}", "audio.voice.id")]
    [InlineData("\"response_format\":{}", "response_format.type")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\"}", "response_format.json_schema")]
    [InlineData("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}", "response_format.json_schema.name")]
    [InlineData("\"modalities\":[\"text\",\"audio\"]", "audio")]
    [InlineData("\"audio\":{\"format\":\"wav\"}", "audio.voice")]
    [InlineData("\"audio\":{\"voice\":\"alloy\"}", "audio.format")]
    [InlineData("\"prediction\":{\"type\":\"content\"}", "prediction.content")]
    [InlineData("\"functions\":[{}]", "functions[0].name")]
    public void Parameter_WithoutARequiredMember_IsMissingRequiredParameter(string members, string param) =>
        Claim(Requests.With(members), "missing_required_parameter", param);

    [Theory]
    [InlineData("\"provider\":{\"quantizations\":[\"fp8\"]}", "provider.quantizations")]
    [InlineData("\"provider\":{\"sort\":\"beauty\"}", "provider.sort")]
    [InlineData("\"provider\":{\"max_price\":{\"image\":1}}", "provider.max_price.image")]
    public void Provider_WhatCannotBeObeyed_IsUnsupportedParameter(string members, string param) =>
        Claim(Requests.With(members), "unsupported_parameter", param);

    [Theory]
    [InlineData("\"temperature\":0,\"top_p\":1.0,\"presence_penalty\":-2,\"frequency_penalty\":2,\"n\":128")]
    [InlineData("\"temperature\":2,\"top_p\":0,\"seed\":-9223372036854775808,\"stop\":[]")]
    [InlineData("\"stop\":[\"a\",\"b\",\"c\",\"d\"],\"logprobs\":true,\"top_logprobs\":20,\"logit_bias\":{\"1\":-100,\"2\":100}")]
    [InlineData("\"metadata\":{},\"store\":false,\"service_tier\":\"flex\",\"verbosity\":\"low\",\"web_search_options\":{},\"user\":\"u\",\"safety_identifier\":\"s\"")]
    [InlineData("\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":{\"id\":\"v\"},\"format\":\"wav\"},\"prediction\":{\"type\":\"content\",\"content\":[]}")]
    [InlineData("\"tools\":[],\"tool_choice\":\"auto\",\"parallel_tool_calls\":false")]
    [InlineData("\"tool_choice\":\"none\"")]
    [InlineData(Tools + ",\"tool_choice\":\"required\"")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}")]
    [InlineData(Tools + ",\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"auto\",\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"c\"}}]}}")]
    [InlineData("\"tool_choice\":{\"function\":{\"name\":\"\\u0066\"},\"type\":\"function\"}," + Tools)]
    [InlineData("\"functions\":[{\"name\":\"f\",\"parameters\":{}}],\"function_call\":{\"name\":\"f\"}")]
    [InlineData("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":null,\"strict\":null,\"description\":null}}]")]
    [InlineData("\"prompt_cache_key\":\"k\",\"prompt_cache_retention\":\"24h\",\"prompt_cache_options\":{},\"moderation\":{}")]
    public void Parameters_AtTheirLimits_AreAccepted(string members) => Assert.Null(Requests.Refusal(Requests.With(members)));

    [Fact]
    public void Parameters_AllNull_AreAbsent()
    {
        var all = ChatParameters.Table.Names.Except(["model", "messages"]).Select(n => $"\"{n}\":null");
        using var request = Requests.Accepted(Requests.With(string.Join(',', all)));
        Assert.All(Enum.GetValues<ChatParameter>().Skip(2), p => Assert.False(request.Has(p)));
        Assert.Equal((1, null, false), (request.Candidates, request.MaxOutputTokens, request.Stream));
    }

    [Fact]
    public void Request_WithEverything_SaysWhatItHolds()
    {
        const string Body = """
            {"model":"a/b","messages":[{"role":"user","content":"Hi"}], "stream" : true ,"stream_options":{"include_usage":true},"max_tokens":9,
             "max_completion_tokens":7,"n":3,"reasoning_effort":"xhigh","models":["c/d","e/f"],"logprobs":true,"odd":[1],"response_format":{"type":"json_object"},
             "tools":[{"type":"function","function":{"name":"f","strict":true}}],"tool_choice":"required",
             "provider":{"order":["x"],"only":["x","y"],"ignore":["z"],"sort":"price","allow_fallbacks":false,"require_parameters":true,"max_price":{"prompt":1.5,"completion":"2"}}}
            """;
        using var request = Requests.Accepted(Body);
        Assert.Equal(("a/b", true, true, 7L, 3, "xhigh"),
            (request.Model, request.Stream, request.IncludeUsage, request.MaxOutputTokens, request.Candidates, request.ReasoningEffort));
        Assert.Equal(["c/d", "e/f"], request.FallbackModels);
        Assert.Equal(ChatFeatures.Logprobs | ChatFeatures.JsonObject | ChatFeatures.Tools | ChatFeatures.StrictTool | ChatFeatures.ForcedTool, request.Features);
        Assert.Equal("\"stream\" : true", Text(request.Member(ChatParameter.Stream)));
        Assert.Equal("7", Text(request.Value(ChatParameter.MaxCompletionTokens)));
        Assert.Equal("true", Text(request.IncludeUsageValue));
        var odd = Assert.Single(request.Unknown);
        Assert.Equal(("odd", "\"odd\":[1]", "[1]"), (odd.Name, Text(odd.Member), Text(odd.Value)));
        var wish = request.Preferences!;
        Assert.Equal(("x", "x y", "z", "price", 1.5m, 2m, false, true), (string.Join(' ', wish.Order), string.Join(' ', wish.Only!), string.Join(' ', wish.Ignore),
            wish.Sort, wish.MaxInputPrice, wish.MaxOutputPrice, wish.AllowFallbacks, wish.RequireParameters));

        string Text(JsonSpan span) => System.Text.Encoding.UTF8.GetString(span.In(request.Body));
    }

    private static void Claim(string body, string code, string param)
    {
        var refusal = Requests.Refusal(body);
        Assert.Equal((400, "invalid_request_error", code, param), (refusal?.Status ?? 0, refusal?.Type, refusal?.Code, refusal?.Param));
    }
}
