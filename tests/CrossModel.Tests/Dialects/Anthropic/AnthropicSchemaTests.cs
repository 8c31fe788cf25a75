using System.Diagnostics;
using System.Text.Json;
using CrossModel.Dialects;
using CrossModel.Dialects.Anthropic;

namespace CrossModel.Tests.Dialects.Anthropic;

/// <summary>Schemas of formats and strict tools, brought to Claude's subset or not held to.</summary>
public sealed class AnthropicSchemaTests : AnthropicWriting
{
    /// <summary>Closed, as strict schemas must be, a map could only be empty: a tool that is not strict takes it.</summary>
    [Theory]
    [InlineData("""{"type":"object","additionalProperties":{"type":"string"}}""", false)]
    [InlineData("""{"type":"object","additionalProperties":{},"properties":{"a":{"type":"string"}}}""", false)]
    [InlineData("""{"type":"object","additionalProperties":true,"properties":{"a":{"type":"string"}}}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":["object","null"]}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"additionalProperties":true}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"$ref":"#/$defs/m"}]}},"$defs":{"m":{"patternProperties":{"^x":{}}}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"object","additionalProperties":false}}}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"integer"}}}}}""", true)]
    public void Schema_WithAMap_IsNotClosed(string schema, bool isClosed) => AssertFits(schema, isClosed);

    /// <summary>The API answers 400 then: "Circular reference detected in schema definitions".</summary>
    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}}}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#/definitions/m"}},"definitions":{"m":{"items":{"$ref":"#/definitions/n"}},"n":{"anyOf":[{"$ref":"#/definitions/m"}]}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","items":{"$ref":"#"}}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#/$defs/Node%3Cx~1y%3E"}},"$defs":{"Node<x/y>":{"items":{"$ref":"#/$defs/Node%3Cx~1y%3E"}}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"anyOf":[{"type":"object","properties":{"b":{"$ref":"#/properties/a/anyOf/0"}}}]}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#/$defs/m"},"b":{"$ref":"#/$defs/m"},"c":{"$ref":"#/$defs/n"}},"$defs":{"m":{"items":{"$ref":"#/$defs/n"}},"n":{"type":"string"}}}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"#/$defs/nowhere"},"$ref":{"const":{"$ref":"#"}}}}""", true)]
    public void Schema_ThatLeadsBackToItself_IsNotHeldTo(string schema, bool ends) => AssertFits(schema, ends);

    /// <summary>The API answers 400 to what is not of its subset of JSON Schema.</summary>
    [Theory]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"minItems":2,"maxItems":2}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","items":[{"type":"string"}]}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","items":true}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"},"contains":{"const":"x"}}}}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"not":{"type":"null"}}}}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"string"}},"unevaluatedProperties":false}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"string"}},"unevaluatedProperties":{"type":"string"}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"array","items":{"type":"string"},"additionalItems":false}}}""", true)]
    [InlineData("""{"allOf":[{"type":"object","properties":{"a":{"type":"string"}}}]}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"minLength":1,"allOf":[{"$ref":"#/$defs/m"}]}},"$defs":{"m":{"type":"string"}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"string"}},"if":{"required":["a"]},"then":{"required":["b"]}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"type":"string"}},"dependentSchemas":{"a":{"properties":{"b":{"type":"string"}}}}}""", false)]
    [InlineData("""{"type":"object","patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"description":"A","allOf":[{"$ref":"#/$defs/m"}]}},"$defs":{"m":{"type":"string"}}}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"allOf":[{"properties":{"b":{"type":"string"}}},{"properties":{"c":{"type":"string"}}}]}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"allOf":[{"type":"string"},{"enum":["b"]}]}}}""", true)]
    [InlineData("""{"type":"object","properties":{"a":{"$ref":"https://example.com/m.json"}}}""", false)]
    [InlineData("""{"type":"object","properties":{"a":{"enum":["b",{"c":1}]}}}""", false)]
    [InlineData("""{"type":"object","properties":{"not":{"type":"string"},"if":{"enum":["b",1,true,null]},"contains":{"$ref":"#/$defs/prefixItems"}},"$defs":{"prefixItems":{"type":"string"}}}""", true)]
    public void Schema_WithAKeywordThatIsNotTaken_IsNotHeldTo(string schema, bool isHeldTo) => AssertFits(schema, isHeldTo);

    /// <summary>How large the schemas of a request may be together nobody can tell beforehand: what the upstream has refused to compile is asked for less strictly.</summary>
    [Theory]
    [InlineData("Too many strict tools (48). The maximum number of strict tools supported is 20. Try reducing the number of tools marked as strict.")]
    [InlineData("The compiled grammar is too large, which would cause performance issues. Simplify your tool schemas or reduce the number of strict tools.")]
    [InlineData("Schemas contains too many optional parameters (87), which would make grammar compilation inefficient. Reduce the number of optional parameters in your tool schemas (limit: 24).")]
    [InlineData("Schema is too complex for compilation. Try reducing the number of tools or simplifying tool schemas.")]
    public void Schemas_ThatAreTooMuchTogether_AreHeldToLess(string said)
    {
        using var dialect = new AnthropicDialect(new CrossModel.Configuration.UpstreamConfig { ApiKey = "key" }, Clock);
        using var upstream = new UpstreamRequest();
        using var response = new HttpResponseMessage();
        var error = System.Text.Encoding.UTF8.GetBytes(JsonSerializer.Serialize(new { type = "error", error = new { type = "invalid_request_error", message = said } }));
        bool Refused() => dialect.ReadFault(400, response.Headers, error, upstream).TryAgain;
        JsonElement Ask(string body)
        {
            using var request = CrossModel.Tests.Protocol.Requests.Accepted(body);
            upstream.Body.Reset();
            upstream.Ignored.Clear();
            Assert.Null(dialect.Write(request, new RouteModel("a/b", "claude-sonnet-4-6", new()), new WriteOptions(null, "account"), upstream));
            return JsonDocument.Parse(upstream.Body.Memory.ToArray()).RootElement;
        }
        static string Body(string name) => With($$$"""
            "tools":[{"type":"function","function":{"name":"{{{name}}}","strict":true,"parameters":{"type":"object","properties":{} } }}],
            "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"type":"string"} } } } }
            """);

        Assert.True(Ask(Body("f")).GetProperty("tools")[0].GetProperty("strict").GetBoolean());
        Assert.True(Refused());
        var second = Ask(Body("f"));
        Assert.False(second.GetProperty("tools")[0].TryGetProperty("strict", out _));
        Assert.True(second.TryGetProperty("output_config", out _));
        Assert.Equal("tools.strict", string.Join(", ", upstream.Ignored));
        Assert.True(Refused());
        var third = Ask(Body("f"));
        Assert.Equal("json", third.GetProperty("tools")[1].GetProperty("name").GetString());
        Assert.False(third.TryGetProperty("output_config", out _));
        Assert.False(Refused(), "it is asked for ever");
        // Of other tools it says nothing.
        Assert.True(Ask(Body("g")).GetProperty("tools")[0].GetProperty("strict").GetBoolean());
    }

    [Fact]
    public void Schema_WithLimitsAndRemarks_SaysThemInTheDescription()
    {
        var sent = Write(With("""
            "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{
            "a":{"type":"array","description":"A","items":{"type":"string"},"minItems":2,"examples":[["b"]]},"c":{"type":"integer","minimum":1,"deprecated":true,"default":2}},"dependentRequired":{"a":["c"]}}}}
            """));
        Assert.Equal("""{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"a":{"type":"array","items":{"type":"string"},"description":"A (minItems: 2, examples: [[\"b\"]])"},"c":{"type":"integer","default":2,"description":"(minimum: 1, deprecated: true)"}},"additionalProperties":false,"description":"(dependentRequired: {\"a\":[\"c\"]})"}""",
            sent.Json.GetProperty("output_config").GetProperty("format").GetProperty("schema").GetRawText());
    }

    [Fact]
    public void Schema_OfManyParts_IsClosedInEach_AndSaidInTheWordsThatAreTaken()
    {
        var sent = Write(With("""
            "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","additionalProperties":true,"properties":{
            "a":{"$ref":"#/definitions/m"},"b":{"type":"string","format":"uri"},"c":{"type":"string","format":"byte"},"d":{"anyOf":[{"type":"string"}],"oneOf":[{"type":"integer"}]}},
            "definitions":{"m":{"oneOf":[{"type":["object","null"],"properties":{"n":{"type":"array","items":{"properties":{}},"minItems":1}}},{"type":"null"}]}}}}}
            """));
        Assert.Equal("""{"type":"object","properties":{"a":{"$ref":"#/definitions/m"},"b":{"type":"string","format":"uri"},"c":{"type":"string","description":"(format: \"byte\")"},"d":{"anyOf":[{"type":"string"}],"description":"(oneOf: [{\"type\":\"integer\"}])"}},"definitions":{"m":{"anyOf":[{"type":["object","null"],"properties":{"n":{"type":"array","items":{"properties":{},"additionalProperties":false},"minItems":1}},"additionalProperties":false},{"type":"null"}]}},"additionalProperties":false}""",
            sent.Json.GetProperty("output_config").GetProperty("format").GetProperty("schema").GetRawText());
    }

    /// <summary>As generators write what stands for one other type: all tools and formats take it as that type.</summary>
    [Fact]
    public void Schema_OfOnePartInAllOf_IsThatPart()
    {
        const string schema = """{"description":"R","allOf":[{"type":"object","properties":{"a":{"description":"A","allOf":[{"type":"string","description":"B","minLength":1}]}}}]}""";
        const string expected = """{"type":"object","properties":{"a":{"type":"string","description":"A (minLength: 1)"}},"additionalProperties":false,"description":"R"}""";
        var format = Write(With($$$"""
            "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{{{schema}}}}}
            """));
        Assert.Equal(expected, format.Json.GetProperty("output_config").GetProperty("format").GetProperty("schema").GetRawText());
        var tool = Write(With($$$"""
            "tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{{{schema}}}}}]
            """));
        Assert.Equal(expected.Replace(""","description":"R"}""", "}", StringComparison.Ordinal), tool.Json.GetProperty("tools")[0].GetProperty("input_schema").GetRawText());
        Assert.True(tool.Json.GetProperty("tools")[0].GetProperty("strict").GetBoolean());
    }

    /// <summary>A search through all definitions for each reference would take minutes.</summary>
    [Fact]
    public void Schema_WithAChainOfReferences_IsReadInTime()
    {
        const int count = 200_000;
        var links = string.Join(',', Enumerable.Range(0, count).Select(i => $"\"{i}\":{{\"items\":{{\"$ref\":\"#/$defs/{(i + 1) % count}\"}}}}"));
        using var schema = JsonDocument.Parse($$$"""{"type":"object","properties":{"a":{"$ref":"#/$defs/0"}},"$defs":{ {{{links}}} }}""");
        var clock = Stopwatch.StartNew();
        Assert.False(SchemaSubset.Fits(schema.RootElement));
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
    }

    /// <summary>Each definition is looked at once, however many ways lead to it: here they are 2 to the 60th.</summary>
    [Fact]
    public async Task Schema_WithManyWaysToOneDefinition_IsReadInTime()
    {
        var links = string.Join(',', Enumerable.Range(0, 60).Select(i => $$$""" "{{{i}}}":{"anyOf":[{"$ref":"#/$defs/{{{i + 1}}}"},{"items":{"$ref":"#/$defs/{{{i + 1}}}"}}]} """));
        using var schema = JsonDocument.Parse($$$"""{"type":"object","properties":{"a":{"$ref":"#/$defs/0"}},"$defs":{ {{{links}}} }}""");
        Assert.True(await Task.Run(() => SchemaSubset.Fits(schema.RootElement)).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken));
    }

    private void AssertFits(string schema, bool isClosed)
    {
        var format = Write(With($$$"""
            "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{{{schema}}}}}
            """));
        Assert.Equal((isClosed ? null : "json", isClosed), (format.ContentTool, format.Json.TryGetProperty("output_config", out _)));
        if (!isClosed) Assert.Equal(schema, format.Json.GetProperty("tools")[0].GetProperty("input_schema").GetRawText());
        var tool = Write(With($$$"""
            "tools":[{"type":"function","function":{"name":"f","strict":true,"parameters":{{{schema}}}}}]
            """));
        Assert.Equal((isClosed ? "" : "tools.strict", isClosed), (tool.Ignored, tool.Json.GetProperty("tools")[0].TryGetProperty("strict", out _)));
        if (!isClosed) Assert.Equal(schema, tool.Json.GetProperty("tools")[0].GetProperty("input_schema").GetRawText());
    }

    [Fact]
    public void Schema_WithAnyOfBesideOneOf_KeepsTheFirst_AndSaysTheOther()
    {
        var sent = Write(With("""
            "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"a":{"anyOf":[{"type":"string"}],"oneOf":[{"const":"b"}]}}}}}
            """));
        Assert.Equal("""{"anyOf":[{"type":"string"}],"description":"(oneOf: [{\"const\":\"b\"}])"}""",
            sent.Json.GetProperty("output_config").GetProperty("format").GetProperty("schema").GetProperty("properties").GetProperty("a").GetRawText());
    }
}
