using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CsCheck;

namespace CrossModel.Tests.Protocol;

/// <summary>Whatever is thrown at the reader: it accepts or answers the shared error shape, and never throws.</summary>
public sealed partial class ReaderPropertyTests
{
    private static readonly HashSet<string> Codes =
        ["invalid_json", "invalid_messages", "unsupported_message_role", "unsupported_parameter", "tool_call_id_mismatch", "invalid_type", "invalid_value", "missing_required_parameter"];

    // A body that touches every rule, to be mutated.
    private const string Rich = """
        {"model":"a/b","messages":[{"role":"system","content":"s\u00e9\ud83d\ude00","name":"n"},{"role":"developer","content":[{"type":"text","text":"x"}]},
        {"role":"user","content":[{"type":"text","text":"Hi \"you\""},{"type":"image_url","image_url":{"url":"https://x","detail":"low"}},{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},
        {"type":"video_url","video_url":{"url":"https://x"}},{"type":"video","video":["https://x"]},{"type":"file","file":{"file_id":"f"}}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":[1]}"},"extra_content":{}},{"id":"c2","type":"custom","custom":{"name":"g","input":""}}]},
        {"role":"tool","tool_call_id":"c2","content":"2"},{"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"1"}]},{"role":"assistant","refusal":"no"}],
        "stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":5,"max_tokens":6,"temperature":0.7,"top_p":0.5,"stop":["a"],"n":2,"seed":-3,
        "tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"custom","custom":{"name":"g","format":{}}}],
        "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"f"}}]}},"reasoning_effort":"low","safety_identifier":"s","user":"u",
        "presence_penalty":1,"frequency_penalty":-1,"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"x":{}},"strict":true}},"parallel_tool_calls":true,
        "logprobs":true,"top_logprobs":3,"modalities":["text","audio"],"audio":{"voice":"v","format":"wav"},"prediction":{"type":"content","content":"p"},"metadata":{"k":"v"},"store":true,
        "service_tier":"auto","verbosity":"low","web_search_options":{},"logit_bias":{"5":1},"functions":[{"name":"h"}],"function_call":"auto","models":["c/d"],
        "provider":{"order":["x"],"sort":"price","max_price":{"prompt":1}},"odd":1e5}
        """;

    private static readonly string[] Snippets =
    [
        "{", "}", "[", "]", ",", ":", "\"", "\\", "null", "true", "false", "0", "-1", "1e999", "5.0", "\"\"", "\\ud800", "\\u0000", "\u00e9", "😀", "\"x\":1,", "\"role\":\"user\",",
        "{}", "[]", "\"tool_calls\":[],", "\"content\":null,", " ", "\n", "/*", "NaN",
    ];

    private static readonly Gen<(double At, double Length, int Kind, string Text, byte Byte)> GenMutation =
        Gen.Select(Gen.Double[0, 1], Gen.Double[0, 1], Gen.Int[0, 4], Gen.OneOfConst(Snippets), Gen.Byte);

    [Fact]
    public void Rich_Unmutated_IsAccepted() => Assert.Null(Requests.Refusal(Rich));

    [Fact]
    public void MutatedBytes_NeverThrow() => GenMutation.Array[1, 4].Sample(mutations =>
    {
        var body = Encoding.UTF8.GetBytes(Rich).ToList();
        foreach (var (at, length, kind, text, odd) in mutations)
        {
            var place = (int)(at * (body.Count - 1));
            var run = Math.Min((int)(length * 30), body.Count - place);
            if (kind == 0) body.RemoveRange(place, run);
            else if (kind == 1) body.InsertRange(place, Encoding.UTF8.GetBytes(text));
            else if (kind == 2 && body.Count > 0) body[place] = odd;
            else if (kind == 3) body.InsertRange(place, body.GetRange(place, run));
            else body.RemoveRange(place, body.Count - place);
            if (body.Count == 0) break;
        }
        Judge([.. body]);
    }, iter: 20_000);

    // Valid JSON, wrong in kind: one value of the rich body becomes another, or a member goes, or comes twice under another name.
    [Fact]
    public void MutatedValues_NeverThrow()
    {
        var values = Gen.OneOfConst("null", "true", "0", "-1", "1.5", "99999999999999999999", "\"\"", "\"x\"", "\"assistant\"", "\"image_url\"", "[]", "{}", "[null]", "[{}]", "{\"a\":1}", "{\"name\":\"f\"}");
        Gen.Select(Gen.Int[0, 10_000], values, Gen.Bool).Array[1, 3].Sample(edits =>
        {
            var root = JsonNode.Parse(Rich)!;
            foreach (var (pick, value, remove) in edits)
            {
                var nodes = Descendants(root).ToList();
                var node = nodes[pick % nodes.Count];
                var replacement = JsonNode.Parse(value);
                if (node.Parent is JsonObject parent)
                {
                    if (remove) parent.Remove(node.GetPropertyName());
                    else parent[node.GetPropertyName()] = replacement;
                }
                else if (node.Parent is JsonArray array)
                {
                    if (remove) array.RemoveAt(node.GetElementIndex());
                    else array[node.GetElementIndex()] = replacement;
                }
            }
            Judge(Encoding.UTF8.GetBytes(root.ToJsonString()));
        }, iter: 10_000);
    }

    [Fact]
    public void RandomBytes_AreInvalidJson() => Gen.Byte.Array[0, 64].Sample(bytes =>
    {
        var refusal = Requests.Read(bytes, out var request);
        request?.Dispose();
        Assert.NotNull(refusal);
        Judge(bytes);
    }, iter: 5_000);

    private static void Judge(byte[] body)
    {
        var refusal = Requests.Read(body, out var request);
        Assert.Equal(refusal is null, request is not null);
        if (refusal is null)
        {
            _ = JsonNode.Parse(request!.Body.Span);
            request.Dispose();
            return;
        }
        Assert.Equal((400, "invalid_request_error"), (refusal.Status, refusal.Type));
        Assert.Contains(refusal.Code, Codes);
        Assert.InRange(refusal.Param?.Length ?? 0, 0, 64);
        Assert.InRange(refusal.Message.Length, 10, 400);
        if (refusal.Code == "invalid_json") Assert.Matches(LineAndByte(), refusal.Message);
        if (refusal.Code is "invalid_messages" or "tool_call_id_mismatch" or "unsupported_message_role") Assert.StartsWith("messages", refusal.Param, StringComparison.Ordinal);
    }

    private static IEnumerable<JsonNode> Descendants(JsonNode node)
    {
        var children = node switch
        {
            JsonObject o => o.Select(m => m.Value),
            JsonArray a => a,
            _ => [],
        };
        foreach (var child in children.OfType<JsonNode>())
        {
            yield return child;
            foreach (var deeper in Descendants(child)) yield return deeper;
        }
    }

    [GeneratedRegex("line [1-9][0-9]*, byte [1-9][0-9]*")]
    private static partial Regex LineAndByte();
}
