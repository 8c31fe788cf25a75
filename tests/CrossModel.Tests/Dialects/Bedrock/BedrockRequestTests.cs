using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Tests.Protocol;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Bedrock;

public sealed class BedrockRequestTests
{
    private const string Haiku = "us.anthropic.claude-haiku-4-5-20251001-v1:0";
    private const string Opus46 = "us.anthropic.claude-opus-4-6-v1";
    private const string Opus48 = "us.anthropic.claude-opus-4-8-v1";
    private const string OldClaude = "anthropic.claude-3-5-haiku-20241022-v1:0";
    private const string Nova = "us.amazon.nova-pro-v1:0";
    private const string Nova2 = "us.amazon.nova-2-lite-v1:0";
    private const string Gpt = "us.openai.gpt-5.6-sol";
    private const string GptOss = "openai.gpt-oss-120b-1:0";
    private const string Mistral = "mistral.mistral-large-2407-v1:0";
    private const string Llama = "us.meta.llama3-3-70b-instruct-v1:0";
    private const string Tool = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"\",\"strict\":true}}]";
    private const string TwoTools = "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":\"g\"},\"cache_control\":{\"type\":\"ephemeral\"}}]";
    private const string SpecF = "{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}}";
    private const string SpecG = "{\"toolSpec\":{\"name\":\"g\",\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}}";
    private const string Png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

    private sealed record Sent(string Body, string Ignored, ApiError? Refusal)
    {
        public string At(string path)
        {
            var node = JsonNode.Parse(Body);
            foreach (var part in path.Split('.')) node = node is JsonArray array ? array[int.Parse(part, System.Globalization.CultureInfo.InvariantCulture)] : node?[part];
            return node?.ToJsonString(new JsonSerializerOptions { Encoder = JsonText.Encoder }) ?? "";
        }
    }

    /// <summary>Thousands of names that differ in hyphens only are told apart at once, each the same way every time.</summary>
    [Fact]
    public void Aliases_OfManyNamesThatDifferInHyphens_AreMadeInTime()
    {
        var names = Enumerable.Range(0, 8192).Select(i => "f-" + string.Concat(Enumerable.Range(0, 13).Select(bit => (i >> bit & 1) == 0 ? "a-" : "a_"))).ToList();
        using var tools = JsonDocument.Parse(JsonSerializer.Serialize(names.Select(name => new { type = "function", function = new { name } })));
        var watch = System.Diagnostics.Stopwatch.StartNew();
        var aliases = new CrossModel.Dialects.Bedrock.ToolAliases(noHyphens: true, tools.RootElement);
        var sent = names.ConvertAll(aliases.Of);
        Assert.Equal(sent, names.Select(aliases.Of));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"{watch.Elapsed}");
        Assert.Equal(names.Count, sent.Distinct().Count());
        Assert.Equal(names, sent.Select(alias => aliases.Callers![alias]));
    }

    [Theory]
    [InlineData(null, "https://bedrock-runtime.us-east-1.amazonaws.com/")]
    [InlineData("eu-central-1", "https://bedrock-runtime.eu-central-1.amazonaws.com/")]
    [InlineData("cn-north-1", "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/")]
    public void Address_ByRegion_IsThatPartOfAmazons(string? region, string address)
    {
        using var dialect = new CrossModel.Dialects.Bedrock.BedrockDialect(new UpstreamConfig { Region = region }, TimeProvider.System);
        Assert.Null(Requests.Read(Encoding.UTF8.GetBytes(Requests.With("\"n\":1")), out var request));
        using (request)
        using (var upstream = new UpstreamRequest())
        {
            Assert.Null(dialect.Write(request!, new RouteModel("vendor/model", Nova, new ModelFacts()), new WriteOptions(null, "account"), upstream));
            Assert.StartsWith(address, upstream.Uri.ToString(), StringComparison.Ordinal);
        }
    }

    internal static UpstreamRequest Upstream(string members, string model)
    {
        using var dialect = BedrockRecorded.Dialect();
        Assert.Null(Requests.Read(Encoding.UTF8.GetBytes(Requests.With(members)), out var request));
        using (request)
        {
            var upstream = new UpstreamRequest();
            Assert.Null(dialect.Write(request!, new RouteModel("vendor/model", model, new ModelFacts()), new WriteOptions(null, "account"), upstream));
            return upstream;
        }
    }

    private static Sent Write(string body, string model = Haiku, ModelFacts? facts = null, long? cap = null, TimeProvider? time = null, bool mayFetch = false)
    {
        using var dialect = BedrockRecorded.Dialect(time: time);
        Assert.Null(Requests.Read(Encoding.UTF8.GetBytes(body), out var request));
        using (request)
        using (var upstream = new UpstreamRequest { Remote = { MayFetch = mayFetch } })
        {
            var route = new RouteModel("vendor/model", model, facts ?? new ModelFacts()) { UnknownParameters = UnknownParameters.Forward };
            var refusal = dialect.Write(request!, route, new WriteOptions(cap, "account"), upstream);
            Assert.Equal(body, Encoding.UTF8.GetString(request!.Body.Span));
            var text = Encoding.UTF8.GetString(upstream.Body.Span);
            if (refusal is null) JsonDocument.Parse(text);
            return new Sent(text, string.Join(", ", upstream.Ignored), refusal);
        }
    }

    private static Sent With(string members, string model = Haiku) => Write(Requests.With(members), model);

    private static Sent Messages(string messages, string model = Haiku, bool mayFetch = false) => Write(Requests.Messages(messages), model, mayFetch: mayFetch);

    [Fact]
    public void System_Alone_IsWhatTheUserSays()
    {
        var sent = Write("""{"model":"a/b","response_format":{"type":"json_object"},"messages":[{"role":"system","content":"a"},{"role":"user","content":" "},{"role":"developer","content":"b"}]}""");
        Assert.Equal("""[{"role":"user","content":[{"text":"a"},{"text":"b"}]}]""", sent.At("messages"));
        Assert.Equal("""[{"text":"Respond with one JSON object and nothing else."}]""", sent.At("system"));
    }

    [Fact]
    public void Effort_BeforeABeginningOfTheAnswer_IsDroppedAndNamed()
    {
        var sent = Write("""{"model":"a/b","reasoning_effort":"low","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"The"}]}""");
        Assert.Equal(("", "reasoning_effort"), (sent.At("additionalModelRequestFields"), sent.Ignored));
    }

    [Theory]
    [InlineData("""{"role":"system","content":"b"}""")]
    [InlineData("""{"role":"assistant","content":" "}""")]
    public void BeginningOfTheAnswer_BeforeWhatIsNoTurn_LosesItsSpaceToo(string behind) => Assert.Equal("\"The answer is\"",
        Messages($$"""{"role":"user","content":"a"},{"role":"assistant","content":"The answer is \n"},{{behind}}""").At("messages.1.content.0.text"));

    [Fact]
    public void NoneAndJson_BesideCallsOfTheHistory_AreBothSaidInWords()
    {
        var sent = Write($$"""{"model":"a/b","messages":[{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"} }]},{"role":"tool","tool_call_id":"c1","content":"s"}],{{Tool}},"tool_choice":"none","response_format":{"type":"json_object"} }""");
        Assert.Equal("\"Respond with one JSON object and nothing else. Do not call a tool.\"", sent.At("system.0.text"));
    }

    [Fact]
    public void Parallel_WhereASchemaIsATool_IsNamedWhereItIsNotSaid()
    {
        const string schema = ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"type\":\"object\",\"properties\":{}}}}";
        Assert.Contains("parallel_tool_calls", Write(Requests.With(Tool + ",\"parallel_tool_calls\":false" + schema), Nova).Ignored, StringComparison.Ordinal);
    }

    [Fact]
    public void Thinking_InTheCallersOwnWords_RaisesNoCap()
    {
        var sent = Write(Requests.With("\"max_tokens\":100,\"reasoning_effort\":\"high\",\"thinking\":{\"type\":\"disabled\"}"));
        Assert.Equal(("100", "reasoning_effort"), (sent.At("inferenceConfig.maxTokens"), sent.Ignored));
    }

    [Theory]
    [InlineData(Haiku, "\"max_tokens\":7", "inferenceConfig", "{\"maxTokens\":7}", "")]
    [InlineData(Haiku, "\"max_tokens\":7,\"max_completion_tokens\":5", "inferenceConfig", "{\"maxTokens\":5}", "")]
    [InlineData(Nova, "\"seed\":1", "inferenceConfig", "{}", "seed")]
    [InlineData(Nova, "\"temperature\":0.50,\"top_p\":0.9,\"stop\":[\"a\",\"b\"]", "inferenceConfig", "{\"temperature\":0.50,\"topP\":0.9,\"stopSequences\":[\"a\",\"b\"]}", "")]
    [InlineData(Nova, "\"temperature\":1.5", "inferenceConfig", "{\"temperature\":1}", "temperature=1")]
    [InlineData(Haiku, "\"temperature\":0.5,\"top_p\":0.9", "inferenceConfig", "{\"temperature\":0.5}", "top_p")]
    [InlineData(Opus48, "\"temperature\":0.5,\"top_p\":0.9", "inferenceConfig", "{}", "temperature, top_p")]
    [InlineData(Haiku, "\"stop\":[\" \",\"x\"]", "inferenceConfig", "{\"stopSequences\":[\"x\"]}", "stop[0]")]
    [InlineData(Nova, "\"stop\":[]", "inferenceConfig", "{}", "")]
    [InlineData(Nova, "\"service_tier\":\"flex\"", "serviceTier", "{\"type\":\"flex\"}", "")]
    [InlineData(Nova, "\"service_tier\":\"priority\"", "serviceTier", "{\"type\":\"priority\"}", "")]
    [InlineData(Nova, "\"service_tier\":\"scale\"", "serviceTier", "", "service_tier")]
    [InlineData(Nova, "\"service_tier\":\"auto\"", "serviceTier", "", "")]
    [InlineData(Nova, "\"inferenceConfig\":{\"topP\":1}", "inferenceConfig", "{}", "inferenceConfig")]
    [InlineData(Nova, "\"user\":\"u\",\"safety_identifier\":\"s\",\"metadata\":{\"a\":\"b\"}", "requestMetadata", "", "metadata, safety_identifier, user")]
    [InlineData(Nova, "\"presence_penalty\":1,\"frequency_penalty\":0,\"logit_bias\":{},\"store\":true,\"verbosity\":\"low\",\"prediction\":{\"type\":\"content\",\"content\":\"x\"}", "additionalModelRequestFields", "", "presence_penalty, logit_bias, prediction, verbosity, store")]
    [InlineData(Haiku, "\"reasoning_effort\":\"high\"", "additionalModelRequestFields", "{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":4096}}", "")]
    [InlineData(Opus46, "\"reasoning_effort\":\"xhigh\"", "additionalModelRequestFields", "{\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"max\"}}", "")]
    [InlineData(Opus46, "\"reasoning_effort\":\"high\",\"output_config\":{\"effort\":\"low\"}", "additionalModelRequestFields", "{\"thinking\":{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"low\"}}", "reasoning_effort")]
    [InlineData(Opus46, "\"reasoning_effort\":\"none\",\"thinking\":{\"type\":\"adaptive\"}", "additionalModelRequestFields", "{\"thinking\":{\"type\":\"adaptive\"}}", "reasoning_effort")]
    [InlineData(Opus46, "\"reasoning_effort\":\"none\",\"thinking\":{\"type\":\"disabled\"}", "additionalModelRequestFields", "{\"thinking\":{\"type\":\"disabled\"}}", "")]
    [InlineData(GptOss, "\"reasoning_effort\":\"none\"", "additionalModelRequestFields", "", "reasoning_effort")]
    [InlineData(GptOss, "\"reasoning_effort\":\"minimal\"", "additionalModelRequestFields", "{\"reasoning_effort\":\"low\"}", "reasoning_effort=low")]
    [InlineData(Gpt, "\"reasoning_effort\":\"xhigh\"", "additionalModelRequestFields", "{\"reasoning\":{\"effort\":\"xhigh\"}}", "")]
    [InlineData(Gpt, "\"reasoning_effort\":\"minimal\"", "additionalModelRequestFields", "{\"reasoning\":{\"effort\":\"low\"}}", "reasoning_effort=low")]
    [InlineData(Gpt, "\"reasoning_effort\":\"none\"", "additionalModelRequestFields", "{\"reasoning\":{\"effort\":\"none\"}}", "")]
    [InlineData(Gpt, "\"temperature\":0.5,\"top_p\":0.9,\"max_tokens\":7", "inferenceConfig", "{\"maxTokens\":7}", "temperature, top_p")]
    [InlineData(Nova2, "\"reasoning_effort\":\"medium\"", "additionalModelRequestFields", "{\"reasoningConfig\":{\"type\":\"enabled\",\"maxReasoningEffort\":\"medium\"}}", "")]
    [InlineData(Nova2, "\"reasoning_effort\":\"high\"", "additionalModelRequestFields", "{\"reasoningConfig\":{\"type\":\"enabled\",\"maxReasoningEffort\":\"high\"}}", "")]
    [InlineData(Nova2, "\"reasoning_effort\":\"high\",\"temperature\":0.5,\"top_p\":0.9", "inferenceConfig", "{}", "temperature, top_p")]
    [InlineData(Nova2, "\"reasoning_effort\":\"xhigh\",\"max_tokens\":500", "additionalModelRequestFields", "{\"reasoningConfig\":{\"type\":\"enabled\",\"maxReasoningEffort\":\"medium\"}}", "reasoning_effort=medium")]
    [InlineData(Nova2, "\"reasoning_effort\":\"high\",\"max_tokens\":500,\"temperature\":0.5", "inferenceConfig", "{\"maxTokens\":500,\"temperature\":0.5}", "reasoning_effort=medium")]
    [InlineData(Nova2, "\"reasoning_effort\":\"high\",\"reasoningConfig\":{\"type\":\"disabled\"},\"temperature\":0.5", "inferenceConfig", "{\"temperature\":0.5}", "")]
    [InlineData(Nova2, "\"reasoning_effort\":\"none\"", "additionalModelRequestFields", "{\"reasoningConfig\":{\"type\":\"disabled\"}}", "")]
    [InlineData("deepseek.r1-v1:0", "\"reasoning_effort\":\"high\"", "additionalModelRequestFields", "", "reasoning_effort")]
    [InlineData(Nova, "\"top_k\":5,\"guardrailConfig\":{\"guardrailIdentifier\":\"g\"}", "additionalModelRequestFields", "{\"top_k\":5}", "")]
    [InlineData(Nova, "\"top_k\":5,\"guardrailConfig\":{\"guardrailIdentifier\":\"g\"}", "guardrailConfig", "{\"guardrailIdentifier\":\"g\"}", "")]
    [InlineData(Nova, Tool, "toolConfig", "{\"tools\":[{\"toolSpec\":{\"name\":\"f\",\"inputSchema\":{\"json\":{\"type\":\"object\",\"properties\":{}}}}}]}", "tools.strict")]
    [InlineData(Nova, Tool + ",\"tool_choice\":\"auto\"", "toolConfig.toolChoice", "{\"auto\":{}}", "tools.strict")]
    [InlineData(Nova, Tool + ",\"tool_choice\":\"required\"", "toolConfig.toolChoice", "{\"any\":{}}", "tools.strict")]
    [InlineData(Nova, Tool + ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "toolConfig.toolChoice", "{\"tool\":{\"name\":\"f\"}}", "tools.strict")]
    [InlineData(Mistral, Tool + ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "toolConfig.toolChoice", "{\"any\":{}}", "tools.strict")]
    [InlineData(Nova, TwoTools + ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "toolConfig", "{\"tools\":[" + SpecF + "," + SpecG + ",{\"cachePoint\":{\"type\":\"default\"}}],\"toolChoice\":{\"tool\":{\"name\":\"f\"}}}", "")]
    [InlineData(Mistral, TwoTools + ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "toolConfig", "{\"tools\":[" + SpecF + "],\"toolChoice\":{\"any\":{}}}", "cache_control")]
    [InlineData(Haiku, TwoTools, "toolConfig", "{\"tools\":[" + SpecF + "," + SpecG + ",{\"cachePoint\":{\"type\":\"default\"}}]}", "")]
    [InlineData(Haiku, TwoTools + ",\"tool_choice\":\"none\"", "toolConfig", "", "cache_control")]
    [InlineData(Nova, Tool + ",\"tool_choice\":\"none\"", "toolConfig", "", "")]
    [InlineData(Nova, Tool + ",\"parallel_tool_calls\":false", "additionalModelRequestFields", "", "parallel_tool_calls, tools.strict")]
    [InlineData(OldClaude, Tool + ",\"parallel_tool_calls\":false", "additionalModelRequestFields", "{\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}}", "tools.strict")]
    [InlineData(OldClaude, Tool + ",\"parallel_tool_calls\":false,\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}", "additionalModelRequestFields", "{\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\",\"disable_parallel_tool_use\":true}}", "tools.strict")]
    [InlineData(Nova, "\"response_format\":{\"type\":\"json_object\",\"schema\":{}}", "outputConfig", "", "response_format.schema")]
    [InlineData(Nova, "\"response_format\":{\"type\":\"json_object\"}", "system", "[{\"text\":\"Respond with one JSON object and nothing else.\"}]", "")]
    [InlineData(GptOss, "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}", "outputConfig", "{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"name\":\"n\",\"schema\":\"{\\\"type\\\":\\\"object\\\"}\"}}}}", "")]
    [InlineData(Nova, "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}", "toolConfig.toolChoice", "{\"tool\":{\"name\":\"json\"}}", "")]
    [InlineData(Haiku, "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"prefixItems\":[{\"type\":\"string\"}]}}}}}", "toolConfig.toolChoice", "{\"tool\":{\"name\":\"json\"}}", "")]
    [InlineData(Nova, TwoTools + ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"description\":\"d\",\"schema\":{\"type\":\"object\"}}}", "toolConfig.toolChoice", "{\"any\":{}}", "response_format.json_schema.description")]
    public void Parameter_OfTheTable_BecomesWhatItSays(string model, string members, string path, string value, string ignored)
    {
        var sent = With(members, model);
        Assert.Null(sent.Refusal);
        Assert.Equal((value, ignored), (sent.At(path), sent.Ignored));
    }

    [Theory]
    [InlineData(Haiku, "\"logprobs\":true", "logprobs")]
    [InlineData(Haiku, "\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"alloy\",\"format\":\"mp3\"}", "modalities")]
    [InlineData(Llama, Tool + ",\"tool_choice\":\"required\"", "tool_choice")]
    [InlineData(Llama, "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}", "response_format")]
    public void Parameter_ThatCannotBeHonoured_IsRefused(string model, string members, string param)
    {
        var refusal = With(members, model).Refusal;
        Assert.Equal((400, "unsupported_parameter", param), (refusal!.Status, refusal.Code, refusal.Param));
    }

    [Theory]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/gif;base64," + Png + "\"}}", "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"" + Png + "\"}}}")]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"DATA:Image/PNG;BASE64," + Png + "\"}}", "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"" + Png + "\"}}}")]
    [InlineData("{\"type\":\"file\",\"file\":{\"filename\":\"My  report_v2.final.pdf\",\"file_data\":\"data:application/pdf;base64,JVBERi0x\"}}", "{\"document\":{\"format\":\"pdf\",\"name\":\"My report-v2-final\",\"source\":{\"bytes\":\"JVBERi0x\"}}}")]
    [InlineData("{\"type\":\"file\",\"file\":{\"filename\":\"ü.csv\",\"file_data\":\"data:application/octet-stream;base64,YSxi\"}}", "{\"document\":{\"format\":\"csv\",\"name\":\"document\",\"source\":{\"bytes\":\"YSxi\"}}}")]
    [InlineData("{\"type\":\"file\",\"file\":{\"filename\":\"a.py\",\"file_data\":\"data:text/x-python;base64,YSxi\"}}", "{\"document\":{\"format\":\"txt\",\"name\":\"a-py\",\"source\":{\"bytes\":\"YSxi\"}}}")]
    [InlineData("{\"type\":\"file\",\"file\":{\"filename\":\" (a) \",\"file_data\":\"data:application/octet-stream;base64,JVBERi0x\"}}", "{\"document\":{\"format\":\"pdf\",\"name\":\"(a)\",\"source\":{\"bytes\":\"JVBERi0x\"}}}")]
    [InlineData("{\"type\":\"file\",\"file\":{\"filename\":\"a.png\",\"file_data\":\"data:image/png;base64," + Png + "\"}}", "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"" + Png + "\"}}}")]
    [InlineData("{\"type\":\"video_url\",\"video_url\":{\"url\":\"data:video/quicktime;base64,AAAA\"}}", "{\"video\":{\"format\":\"mov\",\"source\":{\"bytes\":\"AAAA\"}}}")]
    [InlineData("{\"type\":\"video\",\"video\":[\"data:image/png;base64," + Png + "\"]}", "{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"" + Png + "\"}}}")]
    [InlineData("{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"AAAA\",\"format\":\"mp3\"}}", "{\"audio\":{\"format\":\"mp3\",\"source\":{\"bytes\":\"AAAA\"}}}")]
    public void Block_OfTheTable_BecomesWhatItSays(string block, string expected)
    {
        var sent = Messages("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"See\"}," + block + "]}", Nova);
        Assert.Null(sent.Refusal);
        Assert.Equal("[{\"text\":\"See\"}," + expected + "]", sent.At("messages.0.content"));
    }

    /// <summary>Bedrock reads a bucket with the rights of the operator's credential: callers name what is in it only where the operator lets them.</summary>
    [Theory]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"s3://b/a.jpg\"}}", "{\"image\":{\"format\":\"jpeg\",\"source\":{\"s3Location\":{\"uri\":\"s3://b/a.jpg\"}}}}")]
    [InlineData("{\"type\":\"video_url\",\"video_url\":{\"url\":\"s3://b/a.3gp\"}}", "{\"video\":{\"format\":\"three_gp\",\"source\":{\"s3Location\":{\"uri\":\"s3://b/a.3gp\"}}}}")]
    [InlineData("{\"type\":\"video\",\"video\":[\"s3://b/a.png\"]}", "{\"image\":{\"format\":\"png\",\"source\":{\"s3Location\":{\"uri\":\"s3://b/a.png\"}}}}")]
    public void Stored_IsReadOnlyWhereTheOperatorLetsIt(string block, string expected)
    {
        var message = "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"See\"}," + block + "]}";
        Assert.Equal("[{\"text\":\"See\"}," + expected + "]", Messages(message, Nova, mayFetch: true).At("messages.0.content"));
        var refusal = Messages(message, Nova).Refusal;
        Assert.Equal((400, "unsupported_parameter"), (refusal!.Status, refusal.Code));
        Assert.StartsWith("messages[0].content[1].", refusal.Param, StringComparison.Ordinal);
        foreach (var way in (string[])["data URL", "fetchRemote"]) Assert.Contains(way, refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://x.example/a.png\"}}", "messages[0].content[0].image_url.url")]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/tiff;base64,AAAA\"}}", "messages[0].content[0].image_url.url")]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:application/pdf;base64,JVBERi0x\"}}", "messages[0].content[0].image_url.url")]
    [InlineData("{\"type\":\"image_url\",\"image_url\":{\"url\":\"s3://b/a.mp4\"}}", "messages[0].content[0].image_url.url")]
    [InlineData("{\"type\":\"video_url\",\"video_url\":{\"url\":\"https://x.example/a.mp4\"}}", "messages[0].content[0].video_url.url")]
    [InlineData("{\"type\":\"file\",\"file\":{\"file_id\":\"file-1\"}}", "messages[0].content[0].file.file_id")]
    [InlineData("{\"type\":\"file\",\"file\":{\"filename\":\"a.zip\",\"file_data\":\"data:application/zip;base64,AAAA\"}}", "messages[0].content[0].file.file_data")]
    public void Block_ThatCannotBeSent_IsRefused(string block, string param) =>
        Assert.Equal(("unsupported_parameter", param), (Messages("{\"role\":\"user\",\"content\":[" + block + "]}", Nova).Refusal!.Code, Messages("{\"role\":\"user\",\"content\":[" + block + "]}", Nova).Refusal!.Param));

    [Theory]
    [InlineData("image", "Bedrock reads an image from a data URL in base64: data:image/…;base64,….")]
    [InlineData("video", "Bedrock reads a video from a data URL in base64: data:video/…;base64,….")]
    public void Block_OfADataUrlThatIsNotBase64_SaysHowItIsRead(string kind, string message) =>
        Assert.Equal(message, Messages($$$"""{"role":"user","content":[{"type":"{{{kind}}}_url","{{{kind}}}_url":{"url":"data:{{{kind}}}/x,AAAA"}}]}""", Nova).Refusal!.Message);

    [Fact]
    public void Documents_OfOneName_GetTwo_AndATextBesideThem()
    {
        const string file = "{\"type\":\"file\",\"file\":{\"filename\":\"a.txt\",\"file_data\":\"data:text/plain;base64,YQ==\"}}";
        var content = Messages("{\"role\":\"user\",\"content\":[" + file + "," + file + "]}", Nova).At("messages.0.content");
        Assert.Equal("[{\"document\":{\"format\":\"txt\",\"name\":\"a\",\"source\":{\"bytes\":\"YQ==\"}}},{\"document\":{\"format\":\"txt\",\"name\":\"a 2\",\"source\":{\"bytes\":\"YQ==\"}}},{\"text\":\"Use the attached document.\"}]", content);
    }

    /// <summary>Converse refuses names of more than 200 characters.</summary>
    [Fact]
    public void Document_OfALongName_HasItsBeginning() => Assert.Equal($"\"{new string('x', 190)}\"",
        Messages("{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"" + new string('x', 300) + ".txt\",\"file_data\":\"data:text/plain;base64,YQ==\"}}]}", Nova).At("messages.0.content.0.document.name"));

    /// <summary>The text of a tool's result is not beside the document, though it stands in the same message.</summary>
    [Fact]
    public void Document_BehindAToolsResult_GetsATextToo() => Assert.Equal("{\"text\":\"Use the attached document.\"}", Messages(
        "{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"r\"}," +
        "{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a.txt\",\"file_data\":\"data:text/plain;base64,YQ==\"}}]}", Nova).At("messages.2.content.2"));

    [Fact]
    public void Facts_OfTheModel_CapTheReply_DropTheTemperature_AndAllowTheSchema()
    {
        var sent = Write(Requests.With("\"max_tokens\":500,\"temperature\":0.5,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"}}}"), Nova,
            new ModelFacts { MaxOutputTokens = 100, Temperature = false, StructuredOutput = true });
        Assert.Equal(("{\"maxTokens\":100}", "max_tokens=100, temperature"), (sent.At("inferenceConfig"), sent.Ignored));
        Assert.NotEqual("", sent.At("outputConfig"));
        Assert.Equal("{\"maxTokens\":300}", Write(Requests.With("\"n\":1"), Nova, cap: 300).At("inferenceConfig"));
    }

    [Theory]
    [InlineData("""{"role":"assistant","audio":{"id":"a"} }""", "messages[1].audio")]
    [InlineData("""{"role":"assistant","function_call":{"name":"f","arguments":"{}"} }""", "messages[1].function_call")]
    public void Message_ThatCannotBeSent_IsRefused(string message, string param)
    {
        var refusal = Messages($$"""{"role":"user","content":"a"},{{message}},{"role":"user","content":"b"}""").Refusal;
        Assert.Equal(("unsupported_parameter", param), (refusal!.Code, refusal.Param));
    }

    [Fact]
    public void Refusal_OfAnEarlierTurn_IsItsText_AndANameIsNamed()
    {
        var sent = Messages("""{"role":"user","name":"n","content":"a"},{"role":"assistant","refusal":"no"},{"role":"user","content":"b"}""");
        Assert.Equal(("[{\"text\":\"no\"}]", "name"), (sent.At("messages.1.content"), sent.Ignored));
    }

    [Fact]
    public void Messages_OfNeighbours_AreMergedAndBlankTextsDropped()
    {
        var sent = Messages("{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\" \"},{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"assistant\",\"content\":\"\"},{\"role\":\"developer\",\"content\":\"D\"},{\"role\":\"user\",\"content\":\"c\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"pre  \"},{\"type\":\"text\",\"text\":\" \"}]}");
        Assert.Equal("[{\"role\":\"user\",\"content\":[{\"text\":\"a\"},{\"text\":\"b\"},{\"text\":\"c\"}]},{\"role\":\"assistant\",\"content\":[{\"text\":\"pre\"}]}]", sent.At("messages"));
        Assert.Equal("[{\"text\":\"S\"},{\"text\":\"D\"}]", sent.At("system"));
    }

    private const string Loop = "{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"functions.f:0\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}EXTRA},{\"id\":\"c2\",\"type\":\"function\",\"function\":{\"name\":\"g\",\"arguments\":\"\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"functions.f:0\",\"content\":\"one\"},{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":\"\"}";

    [Fact]
    public void ToolLoop_WithoutTools_DeclaresTheOnesUsed()
    {
        var loop = Loop.Replace("EXTRA", "", StringComparison.Ordinal);
        var sent = Messages(loop + ",{\"role\":\"user\",\"content\":\"and?\"}," + loop.Replace("functions.f:0", "c3", StringComparison.Ordinal).Replace("c2", "c4", StringComparison.Ordinal), Nova);
        Assert.Equal("[\"f\",\"g\"]", JsonSerializer.Serialize(JsonNode.Parse(sent.At("toolConfig.tools"))!.AsArray().Select(t => t!["toolSpec"]!["name"]!.GetValue<string>())));
        var id = sent.At("messages.1.content.0.toolUse.toolUseId");
        Assert.Matches("^\"[a-zA-Z0-9_-]{1,64}\"$", id);
        Assert.Equal("{\"a\":1}", sent.At("messages.1.content.0.toolUse.input"));
        Assert.Equal("{}", sent.At("messages.1.content.1.toolUse.input"));
        Assert.Equal("[{\"toolResult\":{\"toolUseId\":" + id + ",\"content\":[{\"text\":\"one\"}]}},{\"toolResult\":{\"toolUseId\":\"c2\",\"content\":[{\"text\":\"(nothing)\"}]}},{\"text\":\"and?\"},{\"text\":\"q\"}]", sent.At("messages.2.content"));
        Assert.Contains("Do not call a tool", sent.At("system"), StringComparison.Ordinal);
    }

    [Fact]
    public void ToolLoop_OnMistral_HasNineCharacterIds()
    {
        var sent = Messages(Loop.Replace("EXTRA", "", StringComparison.Ordinal), Mistral);
        Assert.Matches("^\"[a-zA-Z0-9]{9}\"$", sent.At("messages.1.content.0.toolUse.toolUseId"));
        Assert.Equal(sent.At("messages.1.content.0.toolUse.toolUseId"), sent.At("messages.2.content.0.toolResult.toolUseId"));
    }

    [Fact]
    public void ToolLoop_OnMistral_OfAnIdInTwoTurns_HasTwo()
    {
        var loop = Loop.Replace("EXTRA", "", StringComparison.Ordinal).Replace("c2", "abcDEF123", StringComparison.Ordinal);
        var sent = Messages(loop + "," + loop, Mistral);
        string[] ids = [.. new[] { "1.content.0.toolUse", "1.content.1.toolUse", "3.content.0.toolUse", "3.content.1.toolUse" }.Select(at => sent.At($"messages.{at}.toolUseId"))];
        Assert.Equal("\"abcDEF123\"", ids[1]);
        Assert.Equal(4, ids.Distinct().Count());
        Assert.All(ids, id => Assert.Matches("^\"[a-zA-Z0-9]{9}\"$", id));
        Assert.Equal(ids, new[] { "2.content.0", "2.content.1", "4.content.0", "4.content.1" }.Select(at => sent.At($"messages.{at}.toolResult.toolUseId")));
    }

    [Fact]
    public void ToolLoop_WithBadArguments_IsRefused()
    {
        var refusal = Messages(Loop.Replace("EXTRA", "", StringComparison.Ordinal).Replace("{\\\"a\\\":1}", "{oops", StringComparison.Ordinal)).Refusal;
        Assert.Equal(("invalid_messages", "messages[1].tool_calls[0].function.arguments"), (refusal!.Code, refusal.Param));
    }

    [Fact]
    public void Thinking_SentBack_GoesFirst_AndWithoutItTheModelDoesNotThink()
    {
        const string effort = "],\"reasoning_effort\":\"high\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]";
        string Body(string extra) => Requests.Messages(Loop.Replace("EXTRA", extra, StringComparison.Ordinal)).Replace("\"content\":\"\"}]", "\"content\":\"\"}" + effort, StringComparison.Ordinal);
        var kept = Write(Body(",\"extra_content\":{\"anthropic\":{\"thinking\":[{\"type\":\"thinking\",\"thinking\":\"T\",\"signature\":\"c2ln\"},{\"type\":\"redacted_thinking\",\"data\":\"ZA==\"}]}}"), time: new FakeClock());
        Assert.Equal("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"T\",\"signature\":\"c2ln\"}}}", kept.At("messages.1.content.0"));
        Assert.Equal("{\"reasoningContent\":{\"redactedContent\":\"ZA==\"}}", kept.At("messages.1.content.1"));
        Assert.Equal("enabled", JsonNode.Parse(kept.Body)!["additionalModelRequestFields"]!["thinking"]!["type"]!.GetValue<string>());
        var lost = Write(Body(""), time: new FakeClock());
        Assert.Equal(("", "reasoning_effort"), (lost.At("additionalModelRequestFields"), lost.Ignored));
    }

    [Fact]
    public void Thinking_OfATurnInTwoMessages_StandsBeforeBoth()
    {
        var loop = Loop.Replace("EXTRA", ",\"extra_content\":{\"anthropic\":{\"thinking\":[{\"type\":\"thinking\",\"thinking\":\"T\",\"signature\":\"c2ln\"}]}}", StringComparison.Ordinal)
            .Replace("{\"role\":\"assistant\"", "{\"role\":\"assistant\",\"content\":\"Let me look.\"},{\"role\":\"assistant\"", StringComparison.Ordinal);
        var sent = Write(Requests.Messages(loop).Replace("\"content\":\"\"}]", "\"content\":\"\"}],\"reasoning_effort\":\"high\"", StringComparison.Ordinal), time: new FakeClock());
        Assert.Equal("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"T\",\"signature\":\"c2ln\"}}}", sent.At("messages.1.content.0"));
        Assert.Equal("{\"text\":\"Let me look.\"}", sent.At("messages.1.content.1"));
    }

    [Fact]
    public void Thinking_InClaudesOwnWords_GetsItsEarlierTurnsBack()
    {
        var body = Requests.Messages(Loop.Replace("EXTRA", ",\"extra_content\":{\"anthropic\":{\"thinking\":[{\"type\":\"thinking\",\"thinking\":\"T\",\"signature\":\"c2ln\"}]}}", StringComparison.Ordinal))
            .Replace("\"content\":\"\"}]", "\"content\":\"\"}],\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":2000},\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}},{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]", StringComparison.Ordinal);
        var sent = Write(body, time: new FakeClock());
        Assert.Equal("""{"thinking":{"type":"enabled","budget_tokens":2000}}""", sent.At("additionalModelRequestFields"));
        Assert.Equal("{\"reasoningContent\":{\"reasoningText\":{\"text\":\"T\",\"signature\":\"c2ln\"}}}", sent.At("messages.1.content.0"));
    }

    [Theory]
    [InlineData("""{"type":"enabled","budget_tokens":2000}""", "temperature")]
    [InlineData("""{"type":"disabled"}""", "")]
    public void Sampling_BesideThinkingInClaudesOwnWords_IsDropped(string thinking, string ignored)
    {
        var sent = With($"\"thinking\":{thinking},\"temperature\":0.5,\"max_tokens\":3000");
        Assert.Equal((ignored, ignored.Length == 0 ? "0.5" : ""), (sent.Ignored, sent.At("inferenceConfig.temperature")));
    }

    [Theory]
    [InlineData(Haiku, "[{\"text\":\"a\"},{\"cachePoint\":{\"type\":\"default\",\"ttl\":\"1h\"}}]", "")]
    [InlineData("amazon.nova-pro-v1:0", "[{\"text\":\"a\"},{\"cachePoint\":{\"type\":\"default\"}}]", "cache_control.ttl")]
    [InlineData(Llama, "[{\"text\":\"a\"}]", "cache_control")]
    public void CacheMark_WhereTheFamilyTakesThem_IsACachePoint(string model, string content, string ignored)
    {
        var sent = Messages("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}}]}", model);
        Assert.Equal((content, ignored), (sent.At("messages.0.content"), sent.Ignored));
    }

    [Theory]
    [InlineData("""{"role":"assistant","content":null,MARK,"tool_calls":[CALL]},{"role":"tool","tool_call_id":"1","content":"r"}""", Haiku, "messages.0.content.1", "")]
    [InlineData("""{"role":"assistant","content":"a","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"},MARK}]},{"role":"tool","tool_call_id":"1","content":"r"}""", Haiku, "messages.0.content.2", "")]
    [InlineData("""{"role":"assistant","content":"a","tool_calls":[CALL]},{"role":"tool","tool_call_id":"1","content":"r",MARK}""", Haiku, "messages.1.content.1", "")]
    [InlineData("""{"role":"assistant","content":"a","tool_calls":[CALL]},{"role":"tool","tool_call_id":"1","content":[{"type":"text","text":"r",MARK}]}""", Haiku, "messages.1.content.1", "")]
    [InlineData("""{"role":"assistant","content":"a","tool_calls":[CALL]},{"role":"tool","tool_call_id":"1","content":"r",MARK}""", Llama, null, "cache_control")]
    [InlineData("""{"role":"user","content":"a"},{"role":"assistant","content":"b",MARK}""", Haiku, null, "cache_control")]
    [InlineData("""{"role":"user","content":[{"type":"text","text":"",MARK},{"type":"text","text":"q"}]}""", Haiku, null, "cache_control")]
    [InlineData("""{"role":"user","content":[{"type":"text","text":" "}],MARK},{"role":"user","content":"q"}""", Haiku, null, "cache_control")]
    [InlineData("""{"role":"system","content":[{"type":"text","text":"",MARK}]},{"role":"user","content":"q"}""", Haiku, null, "cache_control")]
    [InlineData("""{"role":"user","content":[{"type":"text","text":"q"},{"type":"file","file":{"filename":"a.csv","file_data":"data:text/csv;base64,YSxi"},MARK}]}""", Haiku, null, "cache_control")]
    [InlineData("""{"role":"user","content":[{"type":"file","file":{"filename":"a.csv","file_data":"data:text/csv;base64,YSxi"}},{"type":"text","text":"q",MARK}]}""", Haiku, "messages.0.content.2", "")]
    [InlineData("""{"role":"user","content":[{"type":"text","text":"q",MARK}],MARK}""", Haiku, "messages.0.content.1", "")]
    [InlineData("""{"role":"user","content":[{"type":"text","text":"q","cache_control":{"type":"ephemeral","ttl":"5m"}}]}""", Haiku, "messages.0.content.1", "")]
    public void CacheMark_StandsBehindWhatItMarks_OrIsNamed(string messages, string model, string? place, string ignored)
    {
        var sent = Messages(messages.Replace("CALL", """{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}""", StringComparison.Ordinal)
            .Replace("MARK", "\"cache_control\":{\"type\":\"ephemeral\"}", StringComparison.Ordinal), model);
        Assert.Equal((place is null ? 0 : 1, ignored), (sent.Body.Split("cachePoint").Length - 1, sent.Ignored));
        if (place is not null) Assert.Equal("{\"cachePoint\":{\"type\":\"default\"}}", sent.At(place));
    }

    public static TheoryData<string> Expressible() => BedrockRecorded.Names(e => e.Request is not null && ConverseAsChat.Of(e.Request!) is not null);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Expressible))]
    public void Request_Recorded_GoesOutAsItWasSent(string name)
    {
        var exchange = BedrockRecorded.Get(name);
        var sent = Write(ConverseAsChat.Of(exchange.Request!)!, exchange.Model.UpstreamModel, mayFetch: true);
        Assert.Null(sent.Refusal);
        Assert.Equal("", sent.Ignored);
        Assert.True(JsonNode.DeepEquals(ConverseAsChat.Normal(JsonNode.Parse(exchange.Request!)!), ConverseAsChat.Normal(JsonNode.Parse(sent.Body)!)), sent.Body);
    }
}
