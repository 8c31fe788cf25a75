using CrossModel.Protocol;

namespace CrossModel.Tests.Protocol;

public sealed class MessageRuleTests
{
    private const string Calls = """{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"c2","type":"function","function":{"name":"f","arguments":"not json"}}]}""";
    private const string A1 = """{"role":"tool","tool_call_id":"c1","content":"1"}""";
    private const string A2 = """{"role":"tool","tool_call_id":"c2","content":"2"}""";
    private const string Ask = """{"role":"user","content":"Hi"}""";

    [Theory]
    [InlineData("""{"model":"a"}""", "messages")]
    [InlineData("""{"model":"a","messages":null}""", "messages")]
    [InlineData("""{"model":"a","messages":[]}""", "messages")]
    [InlineData("""{"model":"a","messages":{}}""", "messages")]
    [InlineData("""{"model":"a","messages":"Hi"}""", "messages")]
    [InlineData("""{"model":"a","messages":["Hi"]}""", "messages[0]")]
    [InlineData("""{"model":"a","messages":[null]}""", "messages[0]")]
    public void Messages_OfTheWrongShape_AreInvalidMessages(string body, string param) => Claim(body, "invalid_messages", param);

    [Theory]
    [InlineData("""{"content":"Hi"}""", "messages[0].role")]
    [InlineData("""{"role":null,"content":"Hi"}""", "messages[0].role")]
    [InlineData("""{"role":5,"content":"Hi"}""", "messages[0].role")]
    [InlineData("""{"role":"user"}""", "messages[0].content")]
    [InlineData("""{"role":"user","content":null}""", "messages[0].content")]
    [InlineData("""{"role":"user","content":[]}""", "messages[0].content")]
    [InlineData("""{"role":"user","content":5}""", "messages[0].content")]
    [InlineData("""{"role":"user","content":{"type":"text"}}""", "messages[0].content")]
    [InlineData("""{"role":"system","content":null}""", "messages[0].content")]
    [InlineData("""{"role":"assistant"}""", "messages[0].content")]
    [InlineData("""{"role":"user","refusal":"No"}""", "messages[0].content")]
    [InlineData("""{"role":"assistant","content":null,"tool_calls":[]}""", "messages[0].content")]
    [InlineData("""{"role":"user","content":"Hi","name":7}""", "messages[0].name")]
    [InlineData("""{"role":"user","content":"Hi","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":""}}]}""", "messages[0].tool_calls")]
    [InlineData("""{"role":"assistant","content":"Hi","tool_calls":{}}""", "messages[0].tool_calls")]
    [InlineData("""{"role":"assistant","tool_calls":["c"]}""", "messages[0].tool_calls[0]")]
    [InlineData("""{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f","arguments":""}}]}""", "messages[0].tool_calls[0].id")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"","function":{"name":"f","arguments":""}}]}""", "messages[0].tool_calls[0].id")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":7}]}""", "messages[0].tool_calls[0].id")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","type":"odd"}]}""", "messages[0].tool_calls[0].type")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","type":"function"}]}""", "messages[0].tool_calls[0].function")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","type":"custom","function":{"name":"f","arguments":""}}]}""", "messages[0].tool_calls[0].custom")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":"f"}]}""", "messages[0].tool_calls[0].function")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"arguments":""}}]}""", "messages[0].tool_calls[0].function.name")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"","arguments":""}}]}""", "messages[0].tool_calls[0].function.name")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f"}}]}""", "messages[0].tool_calls[0].function.arguments")]
    [InlineData("""{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":{}}}]}""", "messages[0].tool_calls[0].function.arguments")]
    [InlineData("""{"role":"assistant","function_call":{"name":"f"}}""", "messages[0].function_call.arguments")]
    [InlineData("""{"role":"assistant","audio":"id"}""", "messages[0].audio")]
    [InlineData("""{"role":"assistant","refusal":1}""", "messages[0].refusal")]
    [InlineData("""{"role":"tool","tool_call_id":5,"content":""}""", "messages[0].tool_call_id")]
    public void Message_OfTheWrongShape_IsInvalidMessages(string message, string param) => Claim(Requests.Messages(message), "invalid_messages", param);

    [Theory]
    [InlineData("wizard")]
    [InlineData("User")]
    [InlineData("function")]
    [InlineData("")]
    public void Role_Unknown_IsUnsupportedMessageRole(string role) =>
        Claim(Requests.Messages($$"""{{Ask}},{"content":"Hi","role":"{{role}}"}"""), "unsupported_message_role", "messages[1].role");

    [Theory]
    [InlineData("""5""", "")]
    [InlineData("""{}""", ".type")]
    [InlineData("""{"text":"Hi"}""", ".type")]
    [InlineData("""{"type":null,"text":"Hi"}""", ".type")]
    [InlineData("""{"type":5}""", ".type")]
    [InlineData("""{"type":"thinking"}""", ".type")]
    [InlineData("""{"type":"text"}""", ".text")]
    [InlineData("""{"type":"text","text":null}""", ".text")]
    [InlineData("""{"type":"text","text":5}""", ".text")]
    [InlineData("""{"type":"image_url"}""", ".image_url")]
    [InlineData("""{"type":"image_url","image_url":"https://x/y.png"}""", ".image_url")]
    [InlineData("""{"type":"image_url","image_url":{}}""", ".image_url.url")]
    [InlineData("""{"type":"image_url","image_url":{"url":""}}""", ".image_url.url")]
    [InlineData("""{"type":"image_url","image_url":{"url":5}}""", ".image_url.url")]
    [InlineData("""{"type":"image_url","image_url":{"url":"u","detail":5}}""", ".image_url.detail")]
    [InlineData("""{"type":"input_audio"}""", ".input_audio")]
    [InlineData("""{"type":"input_audio","input_audio":{"format":"wav"}}""", ".input_audio.data")]
    [InlineData("""{"type":"input_audio","input_audio":{"data":"AAAA"}}""", ".input_audio.format")]
    [InlineData("""{"type":"video_url"}""", ".video_url")]
    [InlineData("""{"type":"video_url","video_url":{}}""", ".video_url.url")]
    [InlineData("""{"type":"video"}""", ".video")]
    [InlineData("""{"type":"video","video":[]}""", ".video")]
    [InlineData("""{"type":"video","video":{}}""", ".video")]
    [InlineData("""{"type":"video","video":["http://a/b",1]}""", ".video[1]")]
    [InlineData("""{"type":"video","video":[""]}""", ".video[0]")]
    [InlineData("""{"type":"video","video":[{"a":1,"a":2}]}""", ".video[0]")]
    [InlineData("""{"type":"file"}""", ".file")]
    [InlineData("""{"type":"file","file":{"filename":"a.pdf"}}""", ".file.file_data")]
    [InlineData("""{"type":"file","file":{"file_id":5}}""", ".file.file_id")]
    [InlineData("""{"type":"refusal","refusal":"No"}""", ".type")]
    public void Block_OfTheWrongShape_IsInvalidMessagesPointingAtIt(string block, string place) =>
        Claim(Requests.Messages($$"""{{Ask}},{"role":"user","content":[{"type":"text","text":"Hi"},{{block}}]}"""), "invalid_messages", "messages[1].content[1]" + place);

    public static TheoryData<string, string> Mismatches => new()
    {
        { $"{Ask},{A1}", "messages[1].tool_call_id" },
        { $"{Calls},{{\"role\":\"tool\",\"content\":\"1\"}}", "messages[1].tool_call_id" },
        { $"{Calls},{{\"role\":\"tool\",\"tool_call_id\":null,\"content\":\"1\"}}", "messages[1].tool_call_id" },
        { $"{Calls},{A1},{A1}", "messages[2].tool_call_id" },
        { $"{Calls},{A1},{{\"role\":\"tool\",\"tool_call_id\":\"c9\",\"content\":\"1\"}}", "messages[2].tool_call_id" },
        { $"{Calls},{A1},{Ask}", "messages[0].tool_calls[1].id" },
        { $"{Calls},{A2},{{\"role\":\"assistant\",\"content\":\"Hi\"}}", "messages[0].tool_calls[0].id" },
        { $"{Calls},{A1}", "messages[0].tool_calls[1].id" },
        // Too late is as good as not at all.
        { $"{Calls},{A1},{Ask},{A2}", "messages[0].tool_calls[1].id" },
        { $"{Calls},{A1},{{\"role\":\"assistant\",\"content\":\"Hi\"}},{A2}", "messages[0].tool_calls[1].id" },
        { $"{Ask},{Calls}", "messages[1].tool_calls[0].id" },
        { $"{Calls},{A1},{A2},{Ask},{A1}", "messages[4].tool_call_id" },
        { $"{Calls},{A1},{A2},{Calls.Replace("\"c1\"", "\"d1\"", StringComparison.Ordinal)},{A1}", "messages[4].tool_call_id" },
        { Calls.Replace("\"c2\"", "\"c1\"", StringComparison.Ordinal), "messages[0].tool_calls[1].id" },
        { Calls.Replace("\"c2\"", "\"\\u00631\"", StringComparison.Ordinal), "messages[0].tool_calls[1].id" },
    };

    [Theory, MemberData(nameof(Mismatches))]
    public void ToolCallIds_ThatDoNotMatch_AreToolCallIdMismatch(string messages, string param) =>
        Claim(Requests.Messages(messages), "tool_call_id_mismatch", param);

    public static TheoryData<string> Matches =>
    [
        $"{Ask},{Calls},{A1},{A2}",
        $"{Calls},{A2},{A1},{Ask}",
        $"{Calls},{{\"role\":\"system\",\"content\":\"s\"}},{A1},{{\"role\":\"developer\",\"content\":\"d\"}},{A2},{Ask}",
        $"{Calls},{A1},{A2},{Calls},{A1},{A2}",
        $"{Calls},{A1},{A2.Replace("c2", "\\u00632", StringComparison.Ordinal)},{Ask}",
        $"{Calls},{{\"content\":[{{\"text\":\"1\",\"type\":\"text\"}}],\"tool_call_id\":\"c1\",\"role\":\"tool\"}},{A2}",
    ];

    [Theory, MemberData(nameof(Matches))]
    public void ToolCallIds_ThatMatch_AreAccepted(string messages)
    {
        using var request = Requests.Accepted(Requests.Messages(messages));
        Assert.True(request.Features.HasFlag(ChatFeatures.ToolHistory));
    }

    [Fact]
    public void ToolCalls_ManyAnsweredBackwards_AreJudgedQuickly()
    {
        var ids = Enumerable.Range(0, 50_000).ToList();
        var calls = string.Join(',', ids.Select(i => $$$"""{"id":"c{{{i}}}","function":{"name":"f","arguments":""}}"""));
        var answers = string.Join(',', Enumerable.Reverse(ids).Select(i => $$"""{"role":"tool","tool_call_id":"c{{i}}","content":""}"""));
        Assert.Null(Requests.Refusal(Requests.Messages($$"""{"role":"assistant","tool_calls":[{{calls}}]},{{answers}}""")));
    }

    [Theory]
    [InlineData("""{"role":"system","content":"s"}""", ChatFeatures.None)]
    [InlineData("""{"role":"developer","content":"s","name":"n"}""", ChatFeatures.DeveloperRole)]
    [InlineData("""{"role":"user","content":""}""", ChatFeatures.None)]
    [InlineData("""{"role":"user","content":"Hi","tool_calls":[],"tool_call_id":null,"name":null,"odd":{"kept":1}}""", ChatFeatures.None)]
    [InlineData("""{"role":"assistant","refusal":"No"}""", ChatFeatures.None)]
    [InlineData("""{"role":"assistant","content":null,"audio":{"id":"a"}}""", ChatFeatures.None)]
    [InlineData("""{"role":"assistant","content":null,"function_call":{"name":"f","arguments":""}}""", ChatFeatures.None)]
    [InlineData("""{"role":"user","content":"Hi","reasoning_content":"none of a model's"}""", ChatFeatures.None)]
    [InlineData("""{"role":"assistant","content":"x","reasoning_content":"y"}""", ChatFeatures.ReasoningHistory)]
    [InlineData("""{"role":"assistant","content":"x","reasoning_details":[{"type":"z"}]}""", ChatFeatures.ReasoningHistory)]
    [InlineData("""{"role":"assistant","content":[{"type":"refusal","refusal":"No"}]}""", ChatFeatures.None)]
    [InlineData("""{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}""", ChatFeatures.CacheMarks)]
    [InlineData("""{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}}]}""", ChatFeatures.Images)]
    [InlineData("""{"role":"user","content":[{"image_url":{"url":"data:image/png;base64,AAAA"},"type":"image_url","text":null}]}""", ChatFeatures.Images)]
    [InlineData("""{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}""", ChatFeatures.AudioInput)]
    [InlineData("""{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://x/y.mp4"}}]}""", ChatFeatures.Video)]
    [InlineData("""{"role":"user","content":[{"type":"video","video":["https://x/1.png","https://x/2.png"]}]}""", ChatFeatures.Video)]
    [InlineData("""{"role":"user","content":[{"type":"video","video":"https://x/1.mp4"}]}""", ChatFeatures.Video)]
    [InlineData("""{"role":"user","content":[{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA","filename":"a.pdf"}}]}""", ChatFeatures.Files)]
    [InlineData("""{"role":"user","content":[{"type":"file","file":{"file_id":"f1"}}]}""", ChatFeatures.Files | ChatFeatures.FileIds)]
    [InlineData("""{"role":"user","content":[{"type":"file","file":{"file_url":"https://x/y.pdf"}}]}""", ChatFeatures.Files)]
    public void Message_WellFormed_IsAcceptedAndItsFeaturesNoted(string message, object features)
    {
        using var request = Requests.Accepted(Requests.Messages(message));
        Assert.Equal(features, request.Features);
    }

    [Fact]
    public void ToolCall_WithExtraContent_IsNoted()
    {
        using var request = Requests.Accepted(Requests.Messages(
            """{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":""},"extra_content":{"google":{}}}]},{"role":"tool","tool_call_id":"c","content":""}"""));
        Assert.Equal(ChatFeatures.ToolHistory | ChatFeatures.ExtraContent, request.Features);
    }

    private static void Claim(string body, string code, string param)
    {
        var refusal = Requests.Refusal(body);
        Assert.Equal((400, "invalid_request_error", code, param), (refusal?.Status ?? 0, refusal?.Type, refusal?.Code, refusal?.Param));
    }
}
