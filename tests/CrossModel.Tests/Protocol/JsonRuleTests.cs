using System.Text;

namespace CrossModel.Tests.Protocol;

/// <summary>What makes a body unreadable: always 400 invalid_json, naming line and byte.</summary>
public sealed class JsonRuleTests
{
    [Theory]
    [InlineData("", "line 1, byte 1: the body is empty")]
    [InlineData(" \n ", "the body is empty")]
    [InlineData("\uFEFF{}", "line 1, byte 1: it begins with a byte order mark")]
    [InlineData("[]", "line 1, byte 1: the body must be a JSON object")]
    [InlineData("  \"x\"", "line 1, byte 3: the body must be a JSON object")]
    [InlineData("null", "the body must be a JSON object")]
    [InlineData("{\"model\":\"a\",\n \"messages\":[", "line 2, byte 14: it ends too early")]
    [InlineData("{\"model\":\"a", "it ends too early")]
    [InlineData("{\"model\":\"a\",}", "line 1, byte 14: this is not JSON")]
    [InlineData("{\"model\":nope}", "line 1, byte 11: this is not JSON")]
    [InlineData("{\"n\":01}", "this is not JSON")]
    [InlineData("{\"n\":1} x", "line 1, byte 9: this is not JSON")]
    [InlineData("{\"n\":1}{}", "line 1, byte 8: this is not JSON")]
    [InlineData("{\"n\":1/*no comments*/}", "this is not JSON")]
    [InlineData("{\"user\":\"a\nb\"}", "this is not JSON")]
    [InlineData("{\"user\":\"\\ud800\"}", "line 1, byte 10: this \\u escape is half of a surrogate pair")]
    [InlineData("{\"user\":\"\\uDC00\\ud800\"}", "half of a surrogate pair")]
    [InlineData("{\"user\":\"\\ud83d\\u0041\"}", "half of a surrogate pair")]
    [InlineData("{\"metadata\":{\"deep\":[\"\\\\\\ud800\"]}}", "half of a surrogate pair")]
    public void Body_Unreadable_IsInvalidJsonNamingThePlace(string body, string says)
    {
        var refusal = Requests.Refusal(body);
        Assert.Equal((400, "invalid_request_error", "invalid_json", null), (refusal!.Status, refusal.Type, refusal.Code, refusal.Param));
        Assert.Contains(says, refusal.Message, StringComparison.Ordinal);
        Assert.Matches("line [0-9]+, byte [0-9]+", refusal.Message);
    }

    [Theory]
    [InlineData(new byte[] { 0xFF })]
    [InlineData(new byte[] { 0xC3 })]
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 })]
    [InlineData(new byte[] { 0xC0, 0x80 })]
    public void Body_InvalidUtf8Anywhere_IsInvalidJson(byte[] bad)
    {
        byte[] body = [.. "{\"metadata\":\n{\"x\":[\""u8, .. bad, .. "\"]}}"u8];
        var refusal = Requests.Read(body, out _);
        Assert.Equal("invalid_json", refusal!.Code);
        Assert.Contains("line 2, byte 8: the bytes are not UTF-8", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"model":"a","model":"a","messages":[]}""")]
    [InlineData("""{"model":"a","m\u006fdel":"a"}""")]
    [InlineData("""{"model":null,"model":"a"}""")]
    [InlineData("""{"odd":1,"odd":2}""")]
    [InlineData("""{"odd":1,"\u006fdd":2}""")]
    [InlineData("""{"messages":[{"role":"user","role":"user"}]}""")]
    [InlineData("""{"messages":[{"x":1,"x":1}]}""")]
    [InlineData("""{"messages":[{"content":[{"type":"text","text":"","text":""}]}]}""")]
    [InlineData("""{"messages":[{"content":[{"image_url":{"url":"u","url":"u"}}]}]}""")]
    [InlineData("""{"messages":[{"content":[{"input_audio":{"format":"u","format":"u"}}]}]}""")]
    [InlineData("""{"messages":[{"content":[{"file":{"x":"u","x":"u"}}]}]}""")]
    [InlineData("""{"messages":[{"tool_calls":[{"id":null,"id":"a"}]}]}""")]
    [InlineData("""{"messages":[{"tool_calls":[{"function":{"name":"a","name":"a"}}]}]}""")]
    [InlineData("""{"messages":[{"function_call":{"name":"a","name":"a"}}]}""")]
    [InlineData("""{"tools":[{"type":"function","type":"function"}]}""")]
    [InlineData("""{"tools":[{"function":{"name":"a","name":"a"}}]}""")]
    [InlineData("""{"tool_choice":{"type":"function","type":"function"}}""")]
    [InlineData("""{"tool_choice":{"function":{"name":"a","name":"a"}}}""")]
    [InlineData("""{"response_format":{"type":"text","type":"text"}}""")]
    [InlineData("""{"response_format":{"json_schema":{"name":"a","name":"a"}}}""")]
    [InlineData("""{"stream_options":{"include_usage":true,"include_usage":true}}""")]
    [InlineData("""{"audio":{"voice":"a","voice":"a"}}""")]
    [InlineData("""{"prediction":{"type":"content","type":"content"}}""")]
    [InlineData("""{"provider":{"sort":"price","sort":"price"}}""")]
    [InlineData("""{"provider":{"max_price":{"prompt":1,"prompt":1}}}""")]
    public void Object_WithANameTwice_IsInvalidJson(string body)
    {
        var refusal = Requests.Refusal(body);
        Assert.Equal((400, "invalid_json"), (refusal!.Status, refusal.Code));
        Assert.Contains("stands twice in one object", refusal.Message, StringComparison.Ordinal);
        Assert.Matches("line 1, byte [0-9]+", refusal.Message);
    }

    [Fact]
    public void CallersOwnObjects_WithANameTwice_AreCarried()
    {
        using var request = Requests.Accepted(Requests.With(
            """ "metadata":{"a":"1","a":"2"},"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","type":"object"}}}],"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"x":1,"x":2}}} """));
        Assert.NotNull(request);
    }

    [Fact]
    public void Object_WithManyUnlistedNames_IsJudgedQuicklyAndWholly()
    {
        var names = string.Join(',', Enumerable.Range(0, 200_000).Select(i => $"\"k{i}\":0"));
        Assert.Null(Requests.Refusal(Requests.Messages($$"""{"role":"user","content":"Hi",{{names}}}""")));
        Assert.Equal("invalid_json", Requests.Refusal(Requests.Messages($$"""{"role":"user","content":"Hi",{{names}},"k7":0}"""))!.Code);
    }

    [Fact]
    public void BrokenJson_BehindAnotherFault_IsStillInvalidJson() =>
        Assert.Equal("invalid_json", Requests.Refusal("""{"model":5,"messages":[{"role":"wizard"}],"n":0,""")!.Code);

    [Theory]
    [InlineData(64, null)]
    [InlineData(65, "invalid_json")]
    public void Depth_UpTo64_IsRead(int depth, string? code)
    {
        // The body's own object and metadata are two of the levels.
        var body = Requests.With("\"metadata\":{\"x\":" + new string('[', depth - 2) + new string(']', depth - 2) + "}");
        var refusal = Requests.Refusal(body);
        Assert.Equal(code, refusal?.Code);
        if (code is not null) Assert.Contains("deeper than 64 levels", refusal!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Escapes_WholePairsAndEscapedBackslashes_AreRead()
    {
        using var request = Requests.Accepted(Requests.With("""
            "user":"\ud83d\ude00 \\ud800 \\\\ud800 \u00e9"
            """));
        Assert.NotNull(request);
    }

    [Fact]
    public void Names_Escaped_AreTheSameNames()
    {
        using var request = Requests.Accepted("""{"\u006dodel":"a/\u0062","messages":[{"r\u006fle":"us\u0065r","content":"Hi"}],"stre\u0061m":true}""");
        Assert.Equal("a/b", request.Model);
        Assert.True(request.Stream);
    }

    [Fact]
    public void Echo_OfWhatTheCallerSent_IsAtMost64Characters()
    {
        var odd = string.Concat(Enumerable.Repeat("😀long", 40));
        foreach (var body in new[]
        {
            Requests.Messages($$"""{"role":"{{odd}}","content":""}"""),
            Requests.Messages($$"""{"role":"user","content":[{"type":"{{odd}}"}]}"""),
            Requests.With($"\"reasoning_effort\":\"{odd}\""),
            Requests.With($"\"provider\":{{\"{odd}\":1}}"),
            $"{{\"{odd}\":1,\"{odd}\":2}}",
        })
        {
            var refusal = Requests.Refusal(body)!;
            Assert.DoesNotContain(odd[..70], refusal.Message, StringComparison.Ordinal);
            Assert.True((refusal.Param?.Length ?? 0) <= 64, refusal.Param);
            Assert.True(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(refusal.Message)) == refusal.Message, "cut inside a surrogate pair");
        }
    }
}
