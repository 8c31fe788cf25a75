using static CrossModel.EndToEnd.Rows.RowCase;

namespace CrossModel.EndToEnd.Rows;

/// <summary>The rows param:* as requests.</summary>
internal static class ParameterRows
{
    private const string Messages = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";
    private const string Tool = """{"type":"function","function":{"name":"look","parameters":{"type":"object"}}}""";
    private const string Tools = "\"tools\":[" + Tool + "]";
    private const string Usage = """ "stream_options":{"include_usage":true} """;

    public static IReadOnlyList<RowCase> All { get; } =
    [
        Goes("param:model", ""),
        RefusedBody("param:model", "{" + Messages + "}", "missing_required_parameter", "model"),
        RefusedBody("param:model", $$"""{"model":null,{{Messages}}}""", "missing_required_parameter", "model"),
        RefusedBody("param:model", $$"""{"model":"",{{Messages}}}""", "missing_required_parameter", "model"),
        RefusedBody("param:model", $$"""{"model":5,{{Messages}}}""", "invalid_type", "model"),
        RefusedBody("param:model", $$"""{"model":"no/such",{{Messages}}}""", "model_not_found", "model", 404),

        RefusedBody("param:messages", """{"model":"test/model"}""", "invalid_messages", "messages"),
        RefusedBody("param:messages", """{"model":"test/model","messages":[]}""", "invalid_messages", "messages"),
        RefusedBody("param:messages", """{"model":"test/model","messages":"Hi"}""", "invalid_messages", "messages"),
        RefusedBody("param:messages", """{"model":"test/model","messages":["Hi"]}""", "invalid_messages", "messages[0]"),
        GoesWith("param:messages", """ [ {"role":"user","content":"caf\u00e9 \u2603 ☃","other":1e2} ] """),

        Becomes("param:stream", "\"stream\":true", "\"stream\":true," + Usage),
        Goes("param:stream", "\"stream\":false"),
        Refused("param:stream", "\"stream\":\"yes\"", "invalid_type", "stream"),

        Goes("param:stream_options", "\"stream\":true,\"stream_options\":{\"include_usage\":true}"),
        Becomes("param:stream_options", "\"stream\":true,\"stream_options\":{\"include_usage\":false}", "\"stream\":true," + Usage),
        Becomes("param:stream_options", "\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}", "\"stream\":true,\"stream_options\":{\"include_usage\":true,\"include_obfuscation\":false}"),
        Becomes("param:stream_options", "\"stream\":true,\"stream_options\":null", "\"stream\":true," + Usage),
        Becomes("param:stream_options", "\"stream\":true", "\"stream\":true", model: "mistral/model"),
        Refused("param:stream_options", "\"stream_options\":{\"include_usage\":true}", "invalid_value", "stream_options"),
        Refused("param:stream_options", "\"stream\":true,\"stream_options\":true", "invalid_type", "stream_options"),

        Goes("param:max_completion_tokens", "\"max_completion_tokens\":17", "openai/model"),
        Becomes("param:max_completion_tokens", "\"max_completion_tokens\":17", "\"max_tokens\":17"),
        Becomes("param:max_completion_tokens", "\"max_tokens\":5,\"max_completion_tokens\":17", "\"max_completion_tokens\":17", "openai/model"),
        Becomes("param:max_completion_tokens", "\"max_completion_tokens\":17,\"max_tokens\":5", "\"max_tokens\":17"),
        Refused("param:max_completion_tokens", "\"max_completion_tokens\":0", "invalid_value", "max_completion_tokens"),
        Refused("param:max_completion_tokens", "\"max_completion_tokens\":\"17\"", "invalid_type", "max_completion_tokens"),
        Refused("param:max_completion_tokens", "\"max_completion_tokens\":17.0", "invalid_type", "max_completion_tokens"),

        Goes("param:max_tokens", "\"max_tokens\":17"),
        Becomes("param:max_tokens", "\"max_tokens\":17", "\"max_completion_tokens\":17", "openai/model"),
        Refused("param:max_tokens", "\"max_tokens\":-1", "invalid_value", "max_tokens"),
        Refused("param:max_tokens", "\"max_tokens\":5e0", "invalid_type", "max_tokens"),

        Goes("param:temperature", "\"temperature\":0.70"),
        Goes("param:temperature", "\"temperature\":2"),
        Goes("param:temperature", "\"temperature\":null"),
        Becomes("param:temperature", "\"temperature\":1.5", "\"temperature\":1", "moonshot/model", "temperature=1"),
        Becomes("param:temperature", "\"temperature\":1.5", "", "text/model", "temperature"),
        Refused("param:temperature", "\"temperature\":2.01", "invalid_value", "temperature"),
        Refused("param:temperature", "\"temperature\":-0.1", "invalid_value", "temperature"),
        Refused("param:temperature", "\"temperature\":\"1\"", "invalid_type", "temperature"),

        Goes("param:top_p", "\"top_p\":0.10"),
        Becomes("param:top_p", "\"top_p\":0.5", "", "text/model", "top_p"),
        Refused("param:top_p", "\"top_p\":1.1", "invalid_value", "top_p"),
        Refused("param:top_p", "\"top_p\":[]", "invalid_type", "top_p"),

        Goes("param:stop", "\"stop\":\"END\""),
        Goes("param:stop", "\"stop\":[\"a\",\"b\",\"c\",\"d\"]"),
        Refused("param:stop", "\"stop\":[\"a\",\"b\"]", "unsupported_parameter", "stop", "zai/model"),
        Refused("param:stop", "\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]", "invalid_value", "stop"),
        Refused("param:stop", "\"stop\":[\"a\",\"\"]", "invalid_value", "stop[1]"),
        Refused("param:stop", "\"stop\":\"\"", "invalid_value", "stop"),
        Refused("param:stop", "\"stop\":5", "invalid_type", "stop"),
        Refused("param:stop", "\"stop\":[5]", "invalid_type", "stop[0]"),

        Goes("param:tools", Tools),
        Becomes("param:tools", "\"tools\":[]", ""),
        Refused("param:tools", Tools, "unsupported_parameter", "tools", "text/model"),
        Refused("param:tools", "\"tools\":{}", "invalid_type", "tools"),

        Goes("param:tool_choice", Tools + ",\"tool_choice\":\"required\""),
        Refused("param:tool_choice", Tools + ",\"tool_choice\":\"perhaps\"", "invalid_value", "tool_choice"),
        Refused("param:tool_choice", Tools + ",\"tool_choice\":5", "invalid_type", "tool_choice"),

        .. ((string[])["none", "minimal", "low", "medium", "high", "xhigh"]).Select(e => Goes("param:reasoning_effort", $"\"reasoning_effort\":\"{e}\"")),
        Becomes("param:reasoning_effort", "\"reasoning_effort\":\"xhigh\"", "\"reasoning_effort\":\"high\"", "groq/model", "reasoning_effort=high"),
        Becomes("param:reasoning_effort", "\"reasoning_effort\":\"none\"", "\"thinking\":{\"type\":\"disabled\"}", "zai/model"),
        Becomes("param:reasoning_effort", "\"reasoning_effort\":\"low\"", "", "text/model", "reasoning_effort"),
        Refused("param:reasoning_effort", "\"reasoning_effort\":\"max\"", "invalid_value", "reasoning_effort"),
        Refused("param:reasoning_effort", "\"reasoning_effort\":1", "invalid_type", "reasoning_effort"),

        Goes("param:safety_identifier", "\"safety_identifier\":\"u-1\""),
        Becomes("param:safety_identifier", "\"user\":\"u-2\",\"safety_identifier\":\"u-1\"", "\"safety_identifier\":\"u-1\""),
        Becomes("param:safety_identifier", "\"safety_identifier\":\"u-1\"", "\"user\":\"u-1\"", "groq/model"),
        Becomes("param:safety_identifier", "\"safety_identifier\":\"u-1\"", "", "zai/model", "safety_identifier"),
        Refused("param:safety_identifier", "\"safety_identifier\":1", "invalid_type", "safety_identifier"),
        Goes("param:user", "\"user\":\"u-1\""),
        Becomes("param:user", "\"user\":\"u-1\"", "\"safety_identifier\":\"u-1\"", "openai/model"),
        Becomes("param:user", "\"user\":\"u-1\"", "", "zai/model", "user"),
        Refused("param:user", "\"user\":{}", "invalid_type", "user"),

        .. Taste("presence_penalty", "-1.50", "\"x\""),
        Refused("param:presence_penalty", "\"presence_penalty\":2.5", "invalid_value", "presence_penalty"),
        .. Taste("frequency_penalty", "0.25", "true"),
        Refused("param:frequency_penalty", "\"frequency_penalty\":-2.5", "invalid_value", "frequency_penalty"),

        Goes("param:response_format", "\"response_format\":{\"type\":\"text\"}", "text/model"),
        Goes("param:response_format", "\"response_format\":{\"type\":\"json_object\"}"),
        Goes("param:response_format", """ "response_format":{"type":"json_schema","json_schema":{"name":"answer","strict":true,"schema":{"type":"object","b":1,"a":2}}} """),
        Refused("param:response_format", """ "response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{}}} """, "unsupported_parameter", "response_format", "text/model"),
        Refused("param:response_format", "\"response_format\":{\"type\":\"yaml\"}", "invalid_value", "response_format.type"),
        Refused("param:response_format", "\"response_format\":{\"type\":\"json_schema\"}", "missing_required_parameter", "response_format.json_schema"),
        Refused("param:response_format", "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}", "missing_required_parameter", "response_format.json_schema.name"),
        Refused("param:response_format", "\"response_format\":\"json\"", "invalid_type", "response_format"),

        Goes("param:parallel_tool_calls", Tools + ",\"parallel_tool_calls\":false"),
        Refused("param:parallel_tool_calls", "\"parallel_tool_calls\":1", "invalid_type", "parallel_tool_calls"),

        Goes("param:n", "\"n\":3"),
        Goes("param:n", "\"n\":128"),
        Becomes("param:n", "\"n\":1", "", "groq/model"),
        Refused("param:n", "\"n\":0", "invalid_value", "n"),
        Refused("param:n", "\"n\":129", "invalid_value", "n"),
        Refused("param:n", "\"n\":9", "unsupported_parameter", "n", "groq/model"),
        Refused("param:n", "\"n\":2.0", "invalid_type", "n"),

        Goes("param:logprobs", "\"logprobs\":true"),
        Becomes("param:logprobs", "\"logprobs\":false", "", "groq/model"),
        Refused("param:logprobs", "\"logprobs\":true", "unsupported_parameter", "logprobs", "groq/model"),
        Refused("param:logprobs", "\"logprobs\":5", "invalid_type", "logprobs"),
        Goes("param:top_logprobs", "\"logprobs\":true,\"top_logprobs\":20"),
        Refused("param:top_logprobs", "\"logprobs\":true,\"top_logprobs\":21", "invalid_value", "top_logprobs"),
        Refused("param:top_logprobs", "\"top_logprobs\":2", "invalid_value", "top_logprobs"),
        Refused("param:top_logprobs", "\"logprobs\":true,\"top_logprobs\":\"2\"", "invalid_type", "top_logprobs"),

        Goes("param:modalities", "\"modalities\":[\"text\"]"),
        Becomes("param:modalities", "\"modalities\":[\"text\"]", "", "groq/model"),
        Refused("param:modalities", "\"modalities\":[\"text\",\"audio\"]", "missing_required_parameter", "audio"),
        Refused("param:modalities", "\"modalities\":[\"text\",\"image\"]", "unsupported_parameter", "modalities", "groq/model"),
        Refused("param:modalities", "\"modalities\":[\"text\",\"image\"]", "unsupported_parameter", "modalities", "text/model"),
        Refused("param:modalities", "\"modalities\":[\"smell\"]", "invalid_value", "modalities[0]"),
        Refused("param:modalities", "\"modalities\":[]", "invalid_value", "modalities"),
        Refused("param:modalities", "\"modalities\":\"text\"", "invalid_type", "modalities"),
        Goes("param:audio", "\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"alloy\",\"format\":\"wav\"}"),
        Goes("param:audio", "\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":{\"id\":\"v\"},\"format\":\"pcm16\"}"),
        Refused("param:audio", "\"audio\":{\"voice\":\"alloy\",\"format\":\"wav\"}", "unsupported_parameter", "audio", "groq/model"),
        Refused("param:audio", "\"audio\":{\"voice\":\"alloy\"}", "missing_required_parameter", "audio.format"),
        Refused("param:audio", "\"audio\":{\"voice\":\"alloy\",\"format\":\"midi\"}", "invalid_value", "audio.format"),
        Refused("param:audio", "\"audio\":true", "invalid_type", "audio"),

        .. Taste("prediction", "{\"type\":\"content\",\"content\":\"so\"}", "\"x\""),
        Refused("param:prediction", "\"prediction\":{\"type\":\"content\"}", "missing_required_parameter", "prediction.content"),
        .. Taste("seed", "-9007199254740993", "1.5"),
        .. Taste("metadata", "{\"b\":\"2\",\"a\":\"1\"}", "\"x\""),
        .. Taste("store", "true", "1"),
        .. Taste("service_tier", "\"flex\"", "1"),
        .. Taste("verbosity", "\"low\"", "1"),
        Refused("param:verbosity", "\"verbosity\":\"chatty\"", "invalid_value", "verbosity"),
        .. Taste("web_search_options", "{\"search_context_size\":\"low\"}", "true"),
        .. Taste("logit_bias", "{\"50256\":-100}", "[]"),
        Refused("param:logit_bias", "\"logit_bias\":{\"1\":101}", "invalid_value", "logit_bias"),
        .. Taste("prompt_cache_key", "\"k\"", "1"),
        .. Taste("prompt_cache_retention", "\"24h\"", "1"),
        .. Taste("prompt_cache_options", "{}", "1"),
        .. Taste("moderation", "{}", "1"),

        Goes("param:functions", "\"functions\":[{\"name\":\"look\",\"parameters\":{}}]"),
        Refused("param:functions", "\"functions\":[{\"name\":\"look\"}]", "unsupported_parameter", "functions", "text/model"),
        Refused("param:functions", "\"functions\":5", "invalid_type", "functions"),
        Goes("param:function_call", "\"functions\":[{\"name\":\"look\"}],\"function_call\":{\"name\":\"look\"}"),
        Goes("param:function_call", "\"functions\":[{\"name\":\"look\"}],\"function_call\":\"none\""),
        Refused("param:function_call", "\"functions\":[{\"name\":\"look\"}],\"function_call\":{\"name\":\"jump\"}", "invalid_value", "function_call.name"),
        Refused("param:function_call", "\"functions\":[{\"name\":\"look\"}],\"function_call\":5", "invalid_type", "function_call"),

        Becomes("param:models", "\"models\":[\"test/model\"]", "", "openai/model"),
        Refused("param:models", "\"models\":\"test/model\"", "invalid_type", "models"),
        Refused("param:models", "\"models\":[\"no/such\"]", "model_not_found", "model", "no/one", 404),
        Becomes("param:provider", "\"provider\":{\"allow_fallbacks\":false}", ""),
        Refused("param:provider", "\"provider\":{\"colour\":\"blue\"}", "unsupported_parameter", "provider.colour"),
        Refused("param:provider", "\"provider\":\"up\"", "invalid_type", "provider"),
    ];

    /// <summary>Passed on as it stands; dropped and named where the server does not know it; refused with another type.</summary>
    private static RowCase[] Taste(string name, string value, string otherType) =>
    [
        Goes("param:" + name, $"\"{name}\":{value}"),
        Becomes("param:" + name, $"\"{name}\":{value}", "", "zai/model", name),
        Refused("param:" + name, $"\"{name}\":{otherType}", "invalid_type", name),
    ];
}
