using static CrossModel.EndToEnd.Rows.RowCase;

namespace CrossModel.EndToEnd.Rows;

/// <summary>The rows of messages, roles, blocks, tools and their answers as requests.</summary>
internal static class MessageRows
{
    private const string Ask = """{"role":"user","content":"Hi"}""";
    private const string Call1 = """{"id":"c1","type":"function","function":{"name":"look","arguments":"{\"a\": 1}"}}""";
    private const string Call2 = """{"id":"c2","type":"function","function":{"name":"look","arguments":"{}"}}""";

    public static IReadOnlyList<RowCase> All { get; } =
    [
        RefusedWith("message:role", """[{"content":"Hi"}]""", "invalid_messages", "messages[0].role"),
        RefusedWith("message:role", """[{"role":5,"content":"Hi"}]""", "invalid_messages", "messages[0].role"),
        RefusedWith("message:role", """[{"role":"robot","content":"Hi"}]""", "unsupported_message_role", "messages[0].role"),
        RefusedWith("message:role", """[{"role":"function","name":"look","content":"Hi"}]""", "unsupported_message_role", "messages[0].role"),

        GoesWith("message:content", """[{"role":"user","content":""}]"""),
        GoesWith("message:content", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}}]},{"role":"tool","tool_call_id":"c1","content":"x"}]"""),
        GoesWith("message:content", $$$"""[{{{Ask}}},{"role":"assistant","refusal":"no"},{{{Ask}}}]"""),
        GoesWith("message:content", $$$"""[{{{Ask}}},{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},{{{Ask}}}]"""),
        RefusedWith("message:content", """[{"role":"user"}]""", "invalid_messages", "messages[0].content"),
        RefusedWith("message:content", """[{"role":"user","content":null}]""", "invalid_messages", "messages[0].content"),
        RefusedWith("message:content", """[{"role":"user","content":[]}]""", "invalid_messages", "messages[0].content"),
        RefusedWith("message:content", """[{"role":"user","content":5}]""", "invalid_messages", "messages[0].content"),
        RefusedWith("message:content", $$$"""[{{{Ask}}},{"role":"assistant","content":null}]""", "invalid_messages", "messages[1].content"),

        GoesWith("message:name", """[{"role":"user","name":"Ada","content":"Hi"}]"""),
        RefusedWith("message:name", """[{"role":"user","name":5,"content":"Hi"}]""", "invalid_messages", "messages[0].name"),

        GoesWith("message:tool_calls", $$$"""[{{{Ask}}},{"role":"assistant","content":"wait","tool_calls":[{{{Call1}}}]},{"role":"tool","tool_call_id":"c1","content":"x"}]"""),
        GoesWith("message:tool_calls", $$$"""[{{{Ask}}},{"role":"assistant","tool_calls":[{"id":"c1","function":{"name":"look","arguments":"not json"}}]},{"role":"tool","tool_call_id":"c1","content":"x"}]"""),
        GoesWith("message:tool_calls", $$$"""[{{{Ask}}},{"role":"assistant","tool_calls":[{"id":"c1","type":"custom","custom":{"name":"look","input":"x"}}]},{"role":"tool","tool_call_id":"c1","content":"x"}]"""),
        RefusedWith("message:tool_calls", $$$"""[{"role":"user","content":"Hi","tool_calls":[{{{Call1}}}]}]""", "invalid_messages", "messages[0].tool_calls"),
        RefusedWith("message:tool_calls", $$$"""[{{{Ask}}},{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"look","arguments":""}}]}]""", "invalid_messages", "messages[1].tool_calls[0].id"),
        RefusedWith("message:tool_calls", $$$"""[{{{Ask}}},{"role":"assistant","tool_calls":[{"id":"c1","function":{"arguments":""}}]}]""", "invalid_messages", "messages[1].tool_calls[0].function.name"),
        RefusedWith("message:tool_calls", $$$$"""[{{{{Ask}}}},{"role":"assistant","tool_calls":[{"id":"c1","function":{"name":"look","arguments":{}}}]}]""", "invalid_messages", "messages[1].tool_calls[0].function.arguments"),

        GoesWith("message:tool_call_id", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}}]},{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"x"}]}]"""),
        RefusedWith("message:tool_call_id", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}}]},{"role":"tool","content":"x"}]""", "tool_call_id_mismatch", "messages[2].tool_call_id"),
        RefusedWith("message:tool_call_id", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}}]},{"role":"tool","tool_call_id":5,"content":"x"}]""", "invalid_messages", "messages[2].tool_call_id"),

        GoesWith("role:system", $$$"""[{"role":"system","content":"Be brief."},{{{Ask}}}]"""),
        GoesWith("role:developer", $$$"""[{"role":"developer","content":"Be brief."},{{{Ask}}}]"""),
        Becomes("role:developer", "", "", "groq/model", null, $$$"""[{"role":"developer","content":"Be brief."},{{{Ask}}}]""", $$$"""[{"role":"system","content":"Be brief."},{{{Ask}}}]"""),
        GoesWith("role:user", """[{"role":"user","content":"Hi"},{"role":"user","content":"again"}]"""),
        GoesWith("role:assistant", $$$"""[{{{Ask}}},{"role":"assistant","content":"Yes?","reasoning_content":"hm"},{{{Ask}}}]"""),
        GoesWith("role:tool", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}}]},{"role":"tool","tool_call_id":"c1","content":"{\"celsius\":4}"}]"""),

        .. Block("text", """{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}""", """{"type":"text"}""", ".text", null),
        .. Block("image_url", """{"type":"image_url","image_url":{"url":"https://example.org/a.png","detail":"low"}}""", """{"type":"image_url","image_url":{}}""", ".image_url.url", "text/model"),
        .. Block("image_url", """{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}""", """{"type":"image_url"}""", ".image_url", "text/model"),
        .. Block("input_audio", """{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}""", """{"type":"input_audio","input_audio":{"data":"UklGRg=="}}""", ".input_audio.format", "text/model"),
        .. Block("input_audio", """{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"mp3"}}""", """{"type":"input_audio","input_audio":{"format":"wav"}}""", ".input_audio.data", "text/model"),
        .. Block("video_url", """{"type":"video_url","video_url":{"url":"https://example.org/a.mp4"}}""", """{"type":"video_url","video_url":{}}""", ".video_url.url", "text/model"),
        .. Block("video", """{"type":"video","video":["https://example.org/1.png","https://example.org/2.png"]}""", """{"type":"video"}""", ".video", "text/model"),
        .. Block("file", """{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}""", """{"type":"file"}""", ".file", "text/model"),
        GoesWith("block:file", """[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]"""),
        RefusedWith("block:text", """[{"role":"user","content":[{"type":"smell","smell":"rose"}]}]""", "invalid_messages", "messages[0].content[0].type"),
        RefusedWith("block:text", """[{"role":"user","content":["Hi"]}]""", "invalid_messages", "messages[0].content[0]"),

        RefusedWith("calls:unique", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}},{{{Call1}}}]},{"role":"tool","tool_call_id":"c1","content":"x"}]""", "tool_call_id_mismatch", "messages[1].tool_calls[1].id"),
        RefusedWith("calls:known", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}}]},{"role":"tool","tool_call_id":"c9","content":"x"}]""", "tool_call_id_mismatch", "messages[2].tool_call_id"),
        RefusedWith("calls:known", $$$"""[{{{Ask}}},{"role":"tool","tool_call_id":"c1","content":"x"}]""", "tool_call_id_mismatch", "messages[1].tool_call_id"),
        RefusedWith("calls:once", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}}]},{"role":"tool","tool_call_id":"c1","content":"x"},{"role":"tool","tool_call_id":"c1","content":"x"}]""", "tool_call_id_mismatch", "messages[3].tool_call_id"),
        RefusedWith("calls:all", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}},{{{Call2}}}]},{"role":"tool","tool_call_id":"c1","content":"x"},{{{Ask}}}]""", "tool_call_id_mismatch", "messages[1].tool_calls[1].id"),
        RefusedWith("calls:all", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}}]}]""", "tool_call_id_mismatch", "messages[1].tool_calls[0].id"),
        GoesWith("calls:all", $$$"""[{{{Ask}}},{"role":"assistant","content":null,"tool_calls":[{{{Call1}}},{{{Call2}}}]},{"role":"tool","tool_call_id":"c2","content":"x"},{"role":"system","content":"s"},{"role":"tool","tool_call_id":"c1","content":"x"},{{{Ask}}}]"""),

        Goes("tool:type", Tools("""{"type":"function","function":{"name":"look"}}""")),
        Goes("tool:type", Tools("""{"type":"custom","custom":{"name":"look"}}""")),
        Refused("tool:type", Tools("""{"function":{"name":"look"}}"""), "missing_required_parameter", "tools[0].type"),
        Refused("tool:type", Tools("""{"type":"hammer","function":{"name":"look"}}"""), "invalid_value", "tools[0].type"),
        Goes("tool:name", Tools("""{"type":"function","function":{"name":"aZ09_-"}}""")),
        Refused("tool:name", Tools("""{"type":"function","function":{}}"""), "missing_required_parameter", "tools[0].function.name"),
        Refused("tool:name", Tools("""{"type":"function","function":{"name":"get weather"}}"""), "invalid_value", "tools[0].function.name"),
        Refused("tool:name", Tools($$$"""{"type":"function","function":{"name":"{{{new string('a', 65)}}}"}}"""), "invalid_value", "tools[0].function.name"),
        Refused("tool:name", Tools("""{"type":"function","function":{"name":"look"}},{"type":"function","function":{"name":"look"}}"""), "invalid_value", "tools[1].function.name"),
        Goes("tool:description", Tools("""{"type":"function","function":{"name":"look","description":"Look at \"it\"."}}""")),
        Refused("tool:description", Tools("""{"type":"function","function":{"name":"look","description":5}}"""), "invalid_type", "tools[0].function.description"),
        Goes("tool:parameters", Tools("""{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{"z":{"type":"number","maximum":1e400},"a":{}},"x":1,"x":2}}}""")),
        Refused("tool:parameters", Tools("""{"type":"function","function":{"name":"look","parameters":"none"}}"""), "invalid_type", "tools[0].function.parameters"),
        Goes("tool:strict", Tools("""{"type":"function","function":{"name":"look","parameters":{},"strict":true}}""")),
        Becomes("tool:strict", Tools("""{"type":"function","function":{"name":"look","parameters":{},"strict":true}}"""), Tools("""{"type":"function","function":{"name":"look","parameters":{}}}"""), "moonshot/model"),
        Refused("tool:strict", Tools("""{"type":"function","function":{"name":"look","strict":"yes"}}"""), "invalid_type", "tools[0].function.strict"),

        Goes("tool_choice:auto", Look + ",\"tool_choice\":\"auto\""),
        Becomes("tool_choice:auto", "\"tool_choice\":\"auto\"", ""),
        Goes("tool_choice:none", Look + ",\"tool_choice\":\"none\""),
        Becomes("tool_choice:none", "\"tool_choice\":\"none\"", ""),
        Goes("tool_choice:required", Look + ",\"tool_choice\":\"required\""),
        Becomes("tool_choice:required", Look + ",\"tool_choice\":\"required\"", Look + ",\"tool_choice\":\"any\"", "mistral/model"),
        Refused("tool_choice:required", "\"tool_choice\":\"required\"", "invalid_value", "tool_choice"),
        Goes("tool_choice:function", Look + ""","tool_choice":{"type":"function","function":{"name":"look"}}"""),
        Refused("tool_choice:function", Look + ""","tool_choice":{"type":"function","function":{"name":"jump"}}""", "invalid_value", "tool_choice.function.name"),
        Goes("tool_choice:custom", Tools("""{"type":"custom","custom":{"name":"look"}}""") + ""","tool_choice":{"type":"custom","custom":{"name":"look"}}"""),
        Refused("tool_choice:custom", Look + ""","tool_choice":{"type":"custom","custom":{"name":"look"}}""", "invalid_value", "tool_choice.custom.name"),
        Goes("tool_choice:allowed_tools", Look + ""","tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"look"}}]}}"""),
        Refused("tool_choice:allowed_tools", Look + ""","tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"jump"}}]}}""", "invalid_value", "tool_choice.allowed_tools.tools[0].function.name"),
        Refused("tool_choice:allowed_tools", Look + ""","tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"never","tools":[{"type":"function","function":{"name":"look"}}]}}""", "invalid_value", "tool_choice.allowed_tools.mode"),
    ];

    private static string Look => Tools("""{"type":"function","function":{"name":"look"}}""");

    private static string Tools(string tools) => $"\"tools\":[{tools}]";

    /// <summary>Passed on byte for byte; refused without its field, and by a model that cannot read it.</summary>
    private static IEnumerable<RowCase> Block(string type, string block, string broken, string place, string? unable)
    {
        yield return GoesWith("block:" + type, $$$"""[{"role":"user","content":[{{{block}}}]}]""");
        yield return RefusedWith("block:" + type, $$$"""[{"role":"user","content":[{"type":"text","text":"Hi"},{{{broken}}}]}]""", "invalid_messages", "messages[0].content[1]" + place);
        if (unable is not null) yield return RefusedWith("block:" + type, $$$"""[{"role":"user","content":[{{{block}}}]}]""", "unsupported_parameter", "messages", unable);
    }
}
