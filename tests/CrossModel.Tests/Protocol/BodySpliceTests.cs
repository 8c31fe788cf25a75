using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CrossModel.Protocol;
using CsCheck;

namespace CrossModel.Tests.Protocol;

public sealed class BodySpliceTests
{
    [Theory]
    [InlineData("""{"a":1,"b":2,"c":3}""", "a", """{"b":2,"c":3}""")]
    [InlineData("""{"a":1,"b":2,"c":3}""", "b", """{"a":1,"c":3}""")]
    [InlineData("""{"a":1,"b":2,"c":3}""", "c", """{"a":1,"b":2}""")]
    [InlineData("""{"a":1,"b":2,"c":3}""", "a b", """{"c":3}""")]
    [InlineData("""{"a":1,"b":2,"c":3}""", "c b", """{"a":1}""")]
    [InlineData("""{"a":1,"b":2,"c":3}""", "a c", """{"b":2}""")]
    [InlineData("""{"a":1,"b":2,"c":3}""", "a b c", "{}")]
    [InlineData("""{"a":1}""", "a", "{}")]
    [InlineData("{ \"a\" : 1 ,\n \"b\" : 2 ,\n \"c\" : 3 \n}", "b c", "{ \"a\" : 1  \n}")]
    public void Remove_AnyMembers_LeavesRightCommas(string body, string names, string expected)
    {
        var splice = new BodySplice();
        foreach (var name in names.Split(' ')) splice.Remove(Member(body, name));
        Assert.Equal(expected, Written(splice, body));
    }

    [Theory]
    [InlineData("{}", "", """{"x":0}""")]
    [InlineData("{ }", "", """{"x":0 }""")]
    [InlineData("""{"a":1}""", "", """{"x":0,"a":1}""")]
    [InlineData("""{"a":1}""", "a", """{"x":0}""")]
    [InlineData("""{ "a":1, "b":2 }""", "a b", """{"x":0  }""")]
    [InlineData("""{"a":1,"b":2}""", "a", """{"x":0,"b":2}""")]
    public void InsertFirst_WithRemovals_AddsACommaOnlyBeforeWhatIsLeft(string body, string removed, string expected)
    {
        var splice = new BodySplice();
        foreach (var name in removed.Split(' ', StringSplitOptions.RemoveEmptyEntries)) splice.Remove(Member(body, name));
        splice.InsertFirst(0, "\"x\":0"u8);
        Assert.Equal(expected, Written(splice, body));
    }

    [Fact]
    public void InsertFirst_Twice_KeepsCallOrder()
    {
        var splice = new BodySplice();
        splice.InsertFirst(0, "\"x\":0"u8);
        splice.InsertFirst(0, "\"y\":0"u8);
        Assert.Equal("""{"x":0,"y":0,"a":1}""", Written(splice, """{"a":1}"""));
        Assert.Equal("""{"x":0,"y":0}""", Written(splice, "{}"));
    }

    [Fact]
    public void Edits_InsideARemovedMember_VanishWithIt()
    {
        const string Body = """{"o":{"i":1},"b":2}""";
        var splice = new BodySplice();
        splice.Remove(Member(Body, "o"));
        splice.InsertFirst(5, "\"x\":0"u8);
        splice.Replace(new JsonSpan(10, 1), "9"u8);
        Assert.Equal("""{"b":2}""", Written(splice, Body));
    }

    [Fact]
    public void Clear_MakesItEmpty()
    {
        var splice = new BodySplice();
        splice.Replace(new JsonSpan(5, 1), "22"u8);
        Assert.Equal("""{"a":22}""", Written(splice, """{"a":1}"""));
        splice.Clear();
        Assert.Equal("""{"a":1}""", Written(splice, """{"a":1}"""));
    }

    private static readonly Gen<string> Space = Gen.OneOfConst("", "", "", " ", "\n  ", "\t");
    private static readonly Gen<(int Edit, string Before, string Colon, string After)> GenMember = Gen.Select(Gen.Int[0, 2], Space, Space, Space);

    // One object within another, each member kept, replaced or removed at random, inserts or not: the model is a JsonObject.
    [Fact]
    public void Write_AnyEdits_EqualsTheModelAndKeepsOtherBytes() =>
        Gen.Select(GenMember.Array[0, 6], GenMember.Array[0, 4], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int).Sample((outer, inner, outerInserts, innerInserts, seed) =>
        {
            var body = new StringBuilder("{");
            var edits = new List<Action<BodySplice>>();
            var model = new JsonObject();
            for (var i = 0; i < outerInserts; i++)
            {
                var name = $"new{i}";
                edits.Add(s => s.InsertFirst(0, Encoding.UTF8.GetBytes($"\"{name}\":[{name.Length}]")));
                model[name] = new JsonArray(name.Length);
            }
            Members(body, outer, "m", edits, model, 1.50m);
            if (outer.Length > 0) body.Append(',');
            body.Append("\"in\":");
            var innerModel = new JsonObject();
            var innerStart = body.Length;
            body.Append('{');
            for (var i = 0; i < innerInserts; i++)
            {
                var name = $"new{i}";
                edits.Add(s => s.InsertFirst(innerStart, Encoding.UTF8.GetBytes($"\"{name}\":true")));
                innerModel[name] = true;
            }
            Members(body, inner, "i", edits, innerModel, 2.500m);
            body.Append("}}");
            model["in"] = innerModel;
            var splice = new BodySplice();
            var shuffled = edits.ToArray();
            new Random(seed).Shuffle(shuffled);
            foreach (var edit in shuffled) edit(splice);
            var written = Written(splice, body.ToString());
            Assert.True(JsonNode.DeepEquals(model, JsonNode.Parse(written)), $"{body}\n{written}\n{model.ToJsonString()}");
            foreach (var kept in outer.Select((m, i) => (m, i)).Where(m => m.m.Edit == 0))
                Assert.Contains($"\"m{kept.i}\"{kept.m.Colon}:{kept.m.After}1.50", written, StringComparison.Ordinal);
        }, iter: 5_000);

    private static void Members(StringBuilder body, (int Edit, string Before, string Colon, string After)[] members, string prefix,
        List<Action<BodySplice>> edits, JsonObject model, decimal value)
    {
        for (var i = 0; i < members.Length; i++)
        {
            var (edit, before, colon, after) = members[i];
            if (i > 0) body.Append(',');
            body.Append(before);
            var start = body.Length;
            body.Append($"\"{prefix}{i}\"{colon}:{after}");
            var valueStart = body.Length;
            body.Append(value);
            var (member, span) = (new JsonSpan(start, body.Length - start), new JsonSpan(valueStart, body.Length - valueStart));
            body.Append(before);
            if (edit == 0) model[$"{prefix}{i}"] = value;
            else if (edit == 1) edits.Add(s => s.Remove(member));
            else
            {
                edits.Add(s => s.Replace(span, "\"replaced\""u8));
                model[$"{prefix}{i}"] = "replaced";
            }
        }
    }

    private static string Written(BodySplice splice, string body)
    {
        var target = new ArrayBufferWriter<byte>();
        splice.Write(Encoding.UTF8.GetBytes(body), target);
        return Encoding.UTF8.GetString(target.WrittenSpan);
    }

    /// <summary>A member of the outermost object.</summary>
    private static JsonSpan Member(string body, string name)
    {
        var json = new Utf8JsonReader(Encoding.UTF8.GetBytes(body));
        while (json.Read())
        {
            if (json.TokenType != JsonTokenType.PropertyName || json.CurrentDepth != 1) continue;
            var start = (int)json.TokenStartIndex;
            var found = json.ValueTextEquals(name);
            json.Read();
            json.Skip();
            if (found) return new JsonSpan(start, (int)json.BytesConsumed - start);
        }
        throw new ArgumentException($"{name} is not in {body}");
    }
}
