using System.Text.Json;
using System.Text.RegularExpressions;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Tests.Golden;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects;

/// <summary>The support matrix of docs/dialects.md against the code: every cell is tried with a small request, and has a golden file.</summary>
public sealed partial class DialectMatrixTests
{
    /// <param name="Path">Where a request says it; see <see cref="JsonPath"/>.</param>
    /// <param name="Request">A small request that says it, without <c>model</c>; members in braces.</param>
    private sealed record Row(string Path, string Request);

    private const string Hi = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";
    private const string Tool = "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\",\"properties\":{}}}}";
    private const string Png = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";

    private const string Loop = $$$"""
        {"messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"call_1","content":"ok"}],"tools":[{{{Tool}}}]}
        """;

    private static string Block(string block) => $$"""{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},{{block}}]}]}""";
    private static string With(string members) => $$"""{{{Hi}},{{members}}}""";

    private static readonly Dictionary<string, Row> Rows = new()
    {
        ["system"] = new("messages[].role=system", """{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]}"""),
        ["developer"] = new("messages[].role=developer", """{"messages":[{"role":"developer","content":"Be brief."},{"role":"user","content":"Hi"}]}"""),
        ["name"] = new("messages[].name", """{"messages":[{"role":"user","name":"ann","content":"Hi"}]}"""),
        ["tool_calls"] = new("messages[].tool_calls[].function.arguments", Loop),
        ["tool_call_id"] = new("messages[].tool_call_id", Loop),
        ["text"] = new("messages[].content[].text", Block("""{"type":"text","text":"there"}""")),
        ["image_url (data)"] = new("messages[].content[].image_url.url^=data:", Block($$$"""{"type":"image_url","image_url":{"url":"{{{Png}}}"}}""")),
        ["image_url (https)"] = new("messages[].content[].image_url.url^=https:", Block("""{"type":"image_url","image_url":{"url":"https://images.example/a.png"}}""")),
        ["image_url.detail"] = new("messages[].content[].image_url.detail", Block($$$"""{"type":"image_url","image_url":{"url":"{{{Png}}}","detail":"high"}}""")),
        ["input_audio"] = new("messages[].content[].input_audio.data", Block("""{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}""")),
        ["video_url"] = new("messages[].content[].video_url.url", Block("""{"type":"video_url","video_url":{"url":"https://videos.example/a.mp4"}}""")),
        ["video"] = new("messages[].content[].video", Block("""{"type":"video","video":["https://images.example/a.png"]}""")),
        ["file (PDF)"] = new("messages[].content[].file.file_data^=data:application/pdf", Block("""{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xLjQK"}}""")),
        ["file (text)"] = new("messages[].content[].file.file_data^=data:text/", Block("""{"type":"file","file":{"filename":"a.txt","file_data":"data:text/plain;base64,SGVsbG8="}}""")),
        ["file_id"] = new("messages[].content[].file.file_id", Block("""{"type":"file","file":{"file_id":"file-abc"}}""")),
        ["stream"] = new("stream", With("\"stream\":true")),
        ["stream_options"] = new("stream_options.include_usage", With("\"stream\":true,\"stream_options\":{\"include_usage\":true}")),
        ["max_completion_tokens"] = new("max_completion_tokens", With("\"max_completion_tokens\":100")),
        ["max_tokens"] = new("max_tokens", With("\"max_tokens\":100")),
        ["temperature"] = new("temperature", With("\"temperature\":0.5")),
        ["top_p"] = new("top_p", With("\"top_p\":0.5")),
        ["stop"] = new("stop", With("\"stop\":[\"END\"]")),
        ["tools"] = new("tools[].function.name", With($"\"tools\":[{Tool}]")),
        ["tools.strict"] = new("tools[].function.strict", With("""
            "tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{"type":"object","properties":{}}}}]
            """)),
        ["tool_choice (auto)"] = new("tool_choice=auto", With($"\"tools\":[{Tool}],\"tool_choice\":\"auto\"")),
        ["tool_choice (required)"] = new("tool_choice=required", With($"\"tools\":[{Tool}],\"tool_choice\":\"required\"")),
        ["tool_choice (none)"] = new("tool_choice=none", With($"\"tools\":[{Tool}],\"tool_choice\":\"none\"")),
        ["tool_choice (named)"] = new("tool_choice.function.name", With($$$"""
            "tools":[{{{Tool}}}],"tool_choice":{"type":"function","function":{"name":"f"}}
            """)),
        ["parallel_tool_calls"] = new("parallel_tool_calls", With($"\"tools\":[{Tool}],\"parallel_tool_calls\":false")),
        ["reasoning_effort"] = new("reasoning_effort", With("\"reasoning_effort\":\"high\"")),
        ["response_format (json_schema)"] = new("response_format.json_schema.schema", With("""
            "response_format":{"type":"json_schema","json_schema":{"name":"r","schema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}}}
            """)),
        ["response_format (json_object)"] = new("response_format.type=json_object", With("\"response_format\":{\"type\":\"json_object\"}")),
        ["safety_identifier"] = new("safety_identifier", With("\"safety_identifier\":\"u1\"")),
        ["user"] = new("user", With("\"user\":\"u1\"")),
        ["n"] = new("n", With("\"n\":2")),
        ["logprobs"] = new("logprobs", With("\"logprobs\":true")),
        ["top_logprobs"] = new("top_logprobs", With("\"logprobs\":true,\"top_logprobs\":2")),
        ["modalities"] = new("modalities", With("\"modalities\":[\"text\",\"audio\"],\"audio\":{\"voice\":\"alloy\",\"format\":\"wav\"}")),
        ["presence_penalty"] = new("presence_penalty", With("\"presence_penalty\":0.5")),
        ["frequency_penalty"] = new("frequency_penalty", With("\"frequency_penalty\":0.5")),
        ["logit_bias"] = new("logit_bias", With("\"logit_bias\":{\"50256\":-100}")),
        ["seed"] = new("seed", With("\"seed\":7")),
        ["prediction"] = new("prediction", With("\"prediction\":{\"type\":\"content\",\"content\":\"Hello\"}")),
        ["verbosity"] = new("verbosity", With("\"verbosity\":\"low\"")),
        ["store"] = new("store", With("\"store\":true")),
        ["metadata"] = new("metadata", With("\"metadata\":{\"k\":\"v\"}")),
        ["service_tier"] = new("service_tier", With("\"service_tier\":\"auto\"")),
        ["web_search_options"] = new("web_search_options", With("\"web_search_options\":{}")),
    };

    private static readonly string[] Columns = ["openai", "azure", "anthropic", "gemini", "vertex", "bedrock"];

    /// <summary>Row, dialect, cell; of dialects that are built.</summary>
    public static TheoryData<string, string, string> Cells()
    {
        var cells = new TheoryData<string, string, string>();
        foreach (var (row, dialect, cell) in Table()) cells.Add(row, dialect, cell);
        return cells;
    }

    [Fact]
    public void Matrix_HasEveryRow_Once() => Assert.Equal(Rows.Keys.Order(), Lines().Select(line => line[0]).Order());

    [Theory]
    [MemberData(nameof(Cells))]
    public void Cell_OfABuiltDialect_IsWhatTheCodeDoes(string id, string dialect, string cell)
    {
        var row = Rows[id];
        using var request = Protocol.Requests.Accepted(row.Request.Insert(1, "\"model\":\"a/b\","));
        using var speaker = GoldenCase.Dialect(dialect, new FakeClock());
        using var upstream = new UpstreamRequest();
        var route = GoldenCase.DefaultRoute(dialect);
        var refusal = speaker.Write(request, route, new WriteOptions(null, "account"), upstream);
        var isFetched = cell.StartsWith("fetched, ", StringComparison.Ordinal);
        if (cell == "refused" || isFetched)
        {
            Assert.Equal("unsupported_parameter", refusal?.Code);
            if (!isFetched) return;
            upstream.Body.Clear();
            upstream.Remote.MayFetch = true;
            refusal = speaker.Write(request, route, new WriteOptions(null, "account"), upstream);
            cell = cell["fetched, ".Length..];
        }
        Assert.Null(refusal);
        Assert.Equal(isFetched, !upstream.Remote.IsEmpty);
        var name = id.Split(' ')[0];
        var isNamed = upstream.Ignored.Any(i => i == name || i.StartsWith(name + "=", StringComparison.Ordinal));
        Assert.Equal(cell == "ignored", isNamed);
        using var body = JsonDocument.Parse(upstream.Body.Memory);
        using var asked = JsonDocument.Parse(row.Request);
        if (cell == "as is") Assert.Equal(JsonPath.Find(asked.RootElement, row.Path).Select(v => v.GetRawText()), JsonPath.Find(body.RootElement, row.Path).Select(v => v.GetRawText()));
        else if (cell == "fan out") Assert.True(upstream.Candidates == 1 && !body.RootElement.TryGetProperty("n", out _));
        else if (To().Match(cell) is { Success: true } to) Assert.NotEmpty(JsonPath.Find(body.RootElement, to.Groups[1].Value));
        else Assert.Contains(cell, (string[])["ignored", "by the gateway"]);
    }

    [Theory]
    [MemberData(nameof(Cells))]
    public void Cell_OfABuiltDialect_HasAGoldenFile(string id, string dialect, string cell)
    {
        var file = cell == "refused" || cell.StartsWith("fetched, ", StringComparison.Ordinal) ? ".refusal.json" : ".request.json";
        Assert.Contains(GoldenCase.Cases(), name =>
        {
            var golden = new GoldenCase(name, dialect);
            using var client = JsonDocument.Parse(golden.Client);
            return golden.Has(dialect + file) && JsonPath.Find(client.RootElement, Rows[id].Path).Count > 0;
        });
    }

    [Fact]
    public void Server_WithoutAPreset_DiffersFromOpenAIInThreeRows()
    {
        using var openAI = GoldenCase.Dialect("openai", new FakeClock());
        using var unknown = DialectSet.Create(new UpstreamConfig { Dialect = "openai", BaseUrl = "https://models.example/v1" }, new FakeClock());
        string Body(IDialect speaker, Row row)
        {
            using var request = Protocol.Requests.Accepted(row.Request.Insert(1, "\"model\":\"a/b\","));
            using var upstream = new UpstreamRequest();
            Assert.Null(speaker.Write(request, GoldenCase.DefaultRoute("openai"), new WriteOptions(null, "account"), upstream));
            return System.Text.Encoding.UTF8.GetString(upstream.Body.Span);
        }
        Assert.Equal(["max_completion_tokens", "max_tokens", "user"], Rows.Where(r => Body(openAI, r.Value) != Body(unknown, r.Value)).Select(r => r.Key));
        Assert.Contains("\"max_tokens\":100", Body(unknown, Rows["max_completion_tokens"]), StringComparison.Ordinal);
        foreach (var same in (string[])["max_tokens", "user"]) Assert.EndsWith(Rows[same].Request[1..], Body(unknown, Rows[same]), StringComparison.Ordinal);
    }

    private static IEnumerable<(string Row, string Dialect, string Cell)> Table()
    {
        var lines = Lines();
        for (var column = 0; column < Columns.Length; column++)
        {
            foreach (var line in lines) yield return (line[0], Columns[column], line[column + 1]);
        }
    }

    private static List<string[]> Lines() =>
        [.. File.ReadLines(RepoRoot.File("docs", "dialects.md"))
            .SkipWhile(line => !line.StartsWith("| what | " + string.Join(" | ", Columns), StringComparison.Ordinal)).Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Split('|')[1..^1].Select(cell => cell.Trim()).ToArray())
            .Select(cells => (string[])[cells[0].Replace("`", "", StringComparison.Ordinal), .. cells[1..]])];

    [GeneratedRegex("^to `([^`]+)`$")]
    private static partial Regex To();
}

/// <summary>A place in JSON: members parted by dots, <c>[]</c> any element, <c>=text</c> or <c>^=beginning</c> of a string at the end.</summary>
internal static partial class JsonPath
{
    public static List<JsonElement> Find(JsonElement root, string path)
    {
        var match = Condition().Match(path);
        List<JsonElement> found = [root];
        foreach (var part in match.Groups[1].Value.Split('.'))
        {
            var name = part.Replace("[]", "", StringComparison.Ordinal);
            found = [.. found.Where(e => e.ValueKind == JsonValueKind.Object && e.TryGetProperty(name, out _)).Select(e => e.GetProperty(name))];
            if (part.EndsWith("[]", StringComparison.Ordinal)) found = [.. found.Where(e => e.ValueKind == JsonValueKind.Array).SelectMany(e => e.EnumerateArray())];
        }
        var wanted = match.Groups[3].Value;
        return match.Groups[2].Value switch
        {
            "=" => found.FindAll(e => e.ValueKind == JsonValueKind.String && e.GetString() == wanted),
            "^=" => found.FindAll(e => e.ValueKind == JsonValueKind.String && e.GetString()!.StartsWith(wanted, StringComparison.Ordinal)),
            _ => found.FindAll(e => e.ValueKind != JsonValueKind.Null),
        };
    }

    [GeneratedRegex(@"^([^=^]+?)(?:(\^?=)(.*))?$")]
    private static partial Regex Condition();
}
