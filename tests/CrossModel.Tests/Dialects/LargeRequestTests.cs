using System.Diagnostics;
using System.Text;
using System.Text.Json;
using CrossModel.Dialects;
using CrossModel.Dialects.Gemini;
using CrossModel.Dialects.OpenAI;
using CrossModel.Protocol;
using CrossModel.Tests.Golden;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects;

/// <summary>A request is written before anybody asks for money: however many parts it has, each costs the same. Where one costs more the more there are, a body of 32 MiB takes a processor for hours.</summary>
public sealed class LargeRequestTests
{
    private const string User = """{"role":"user","content":"a"}""";
    private const string Calls = "\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"f#\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"r\"";
    private const string Document = """{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0xLjQK"}}""";

    public static TheoryData<string, string> Shapes()
    {
        var data = new TheoryData<string, string>();
        foreach (var dialect in GoldenCase.Dialects())
            foreach (var shape in (string[])["messages", "instructions", "blank blocks", "calls", "documents"]) data.Add(dialect, shape);
        return data;
    }

    private static string Many(int count, string part) => string.Join(',', Enumerable.Range(0, count).Select(i => part.Replace("#", i.ToString(System.Globalization.CultureInfo.InvariantCulture), StringComparison.Ordinal)));

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Request_WithManyParts_IsWrittenInTime(string dialect, string shape)
    {
        var messages = shape switch
        {
            "messages" => Many(200_000, User),
            "instructions" => User + "," + Many(200_000, """{"role":"system","content":"a"}"""),
            "blank blocks" => $$"""{"role":"user","content":[{{Many(200_000, """{"type":"text","text":" "}""")}}]},{{User}}""",
            "calls" => Many(40_000, "{" + Calls + "}"),
            _ => $$"""{"role":"user","content":[{{Many(40_000, Document)}}]}""",
        };
        var body = new PooledBuffer();
        body.Write(Encoding.UTF8.GetBytes($$"""{"model":"a/b","reasoning_effort":"low","messages":[{{messages}}]}"""));
        Assert.Null(ChatRequestReader.Read(body, out var request));
        using (request)
        {
            using var speaker = GoldenCase.Dialect(dialect, TimeProvider.System);
            using var upstream = new UpstreamRequest();
            var clock = Stopwatch.StartNew();
            var refusal = speaker.Write(request!, GoldenCase.DefaultRoute(dialect), new WriteOptions(null, "account"), upstream);
            // Some models read no documents; what is refused at the first shows nothing of the others.
            Assert.True(refusal is null || shape == "documents", refusal?.Message);
            Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        }
    }

    [Fact]
    public void Schema_WithManyReferencesAndRequiredMembers_IsWrittenInTime()
    {
        const int count = 100_000;
        var schema = "{\"type\":\"object\",\"properties\":{" + Many(count, "\"p#\":{\"$ref\":\"@/$defs/d#\"}").Replace('@', '#') + "},\"required\":[" + Many(count, "\"p#\"") + "],\"$defs\":{"
            + string.Join(',', Enumerable.Range(0, count).Select(i => $"\"d{i}\":{{\"$ref\":\"#/$defs/d{i + 1}\"}}")) + "}}";
        InlinedInTime(schema);
    }

    private static void InlinedInTime(string schema)
    {
        using var parsed = JsonDocument.Parse(schema);
        using var target = new MemoryStream();
        using var json = new Utf8JsonWriter(target);
        var clock = Stopwatch.StartNew();
        new GeminiSchema(json, parsed.RootElement).Write();
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    /// <summary>Each is written into few bytes or none, and would be read whole at each of many references.</summary>
    [Theory]
    [InlineData("a long name")]
    [InlineData("unknown members")]
    public void Schema_WhoseReferencesLeadToMuch_IsWrittenInTime(string shape)
    {
        var name = shape == "a long name" ? new string('n', 500_000) : "n";
        var last = shape == "a long name" ? "" : Many(100_000, "\"x#\":1");
        static string Twice(string name) => "{\"anyOf\":[{\"$ref\":\"#/$defs/" + name + "\"},{\"$ref\":\"#/$defs/" + name + "\"}]}";
        var definitions = string.Join(',', Enumerable.Range(0, 20).Select(i => $"\"d{i}\":{Twice(i < 19 ? $"d{i + 1}" : name)}"));
        InlinedInTime("{\"$ref\":\"#/$defs/d0\",\"$defs\":{" + definitions + ",\"" + name + "\":{" + last + "}}}");
    }

    [Theory]
    [InlineData("anthropic", "\"oneOf\":[]")]
    [InlineData("gemini", "\"const\":\"a\"")]
    public void Schema_WithOneMemberManyTimes_IsWrittenInTime(string dialect, string member) =>
        InTime(dialect, "{\"type\":\"object\",\"properties\":{\"a\":{" + Many(300_000, member) + "}}}");

    /// <summary>One definition has as many names as its letters can be written in.</summary>
    [Fact]
    public void Schema_WithManySpellingsOfAReference_IsWrittenInTime()
    {
        var references = string.Join(',', Enumerable.Range(0, 4096).Select(i =>
            "{\"$ref\":\"#/$defs/" + string.Concat(Enumerable.Range(0, 12).Select(bit => (i >> bit & 1) == 0 ? "a" : "%61")) + "\"}"));
        InTime("anthropic", "{\"type\":\"object\",\"properties\":{\"a\":{\"anyOf\":[" + references + "]}},\"$defs\":{\"aaaaaaaaaaaa\":{\"anyOf\":["
            + Many(100_000, "{\"type\":\"string\"}") + "]}}}");
    }

    [Fact]
    public void Texts_WithManyMembersBesideThem_AreJoinedInTime()
    {
        var messages = Encoding.UTF8.GetBytes("[{\"role\":\"user\",\"content\":[" + Many(2, "{\"type\":\"text\",\"text\":\"a\"," + Many(200_000, "\"x#\":1") + "}") + "]}]");
        var clock = Stopwatch.StartNew();
        ContentEdits.ToTexts(messages, new JsonSpan(0, messages.Length), new BodySplice(), []);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    /// <summary>A call that is sent again and again, each time with the state that it was thought from, would become many times the caller's body.</summary>
    [Theory]
    [InlineData("anthropic")]
    [InlineData("bedrock")]
    [InlineData("gemini")]
    public void State_OfACallThatIsRepeated_IsNotPutBackWithoutEnd(string dialect)
    {
        var time = new FakeClock();
        var state = new string('A', 500_000);
        var (kind, kept) = dialect == "gemini" ? ("gemini", state) : ("anthropic", "[{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"" + state + "\"}]");
        ReasoningMemory.Of(time).Remember(kind, "account", "c", "f", "{}"u8, Encoding.UTF8.GetBytes(kept));
        var calls = Many(200, "{" + Calls.Replace("f#", "f", StringComparison.Ordinal) + "}");
        using var request = CrossModel.Tests.Protocol.Requests.Accepted("{\"model\":\"a/b\",\"reasoning_effort\":\"low\",\"messages\":[" + User + "," + calls + "]}");
        using var speaker = GoldenCase.Dialect(dialect, time);
        using var upstream = new UpstreamRequest();
        Assert.Null(speaker.Write(request, GoldenCase.DefaultRoute(dialect), new WriteOptions(null, "account"), upstream));
        Assert.InRange(upstream.Body.Length, 1, 20_000_000);
    }

    private static void InTime(string dialect, string schema)
    {
        var body = new PooledBuffer();
        body.Write(Encoding.UTF8.GetBytes("{\"model\":\"a/b\",\"messages\":[" + User + "],\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":" + schema + "}}}"));
        Assert.Null(ChatRequestReader.Read(body, out var request));
        using (request)
        {
            using var speaker = GoldenCase.Dialect(dialect, TimeProvider.System);
            using var upstream = new UpstreamRequest();
            var clock = Stopwatch.StartNew();
            Assert.Null(speaker.Write(request!, GoldenCase.DefaultRoute(dialect), new WriteOptions(null, "account"), upstream));
            Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        }
    }
}
