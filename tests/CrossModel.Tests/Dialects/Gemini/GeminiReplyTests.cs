using System.Text;
using System.Text.Json;
using CrossModel.Dialects;
using CrossModel.Dialects.Gemini;
using CrossModel.Protocol;
using CrossModel.Tests.Dialects.OpenAI;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Gemini;

/// <summary>The state machine of replies, row by row.</summary>
public sealed class GeminiReplyTests
{
    private const string Call = """{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"QUJD"}""";

    private static string Chunk(string parts, string? finish = null, string more = "") =>
        "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" + parts + "]}" + (finish is null ? "" : $",\"finishReason\":\"{finish}\"") + ",\"index\":0}]" + more + "}\r\n\r\n";

    private static Replayed Stream(string body, string[]? tools = null) => Replay.Stream(GoogleRecorded.Reader(tools: tools), Encoding.UTF8.GetBytes(body));

    private static Replayed Plain(string body) => Replay.Plain(GoogleRecorded.Reader(stream: false), Encoding.UTF8.GetBytes(body));

    [Theory]
    [InlineData("STOP", "stop")]
    [InlineData("MAX_TOKENS", "length")]
    [InlineData("CONTINUATION", "length")]
    [InlineData("SAFETY", "content_filter")]
    [InlineData("RECITATION", "content_filter")]
    [InlineData("LANGUAGE", "content_filter")]
    [InlineData("BLOCKLIST", "content_filter")]
    [InlineData("PROHIBITED_CONTENT", "content_filter")]
    [InlineData("SPII", "content_filter")]
    [InlineData("IMAGE_SAFETY", "content_filter")]
    [InlineData("MODEL_ARMOR", "content_filter")]
    [InlineData("OTHER", "stop")]
    [InlineData("SOMETHING_NEW", "stop")]
    public void Finish_EveryWord_IsOneOfTheFour(string said, string shown)
    {
        var reading = Reading.OfStream(Stream(Chunk("""{"text":"a"}""") + Chunk("""{"text":"b"}""", said)));
        Assert.Equal((shown, "ab"), (reading.Finish[0], reading.AllContent));
    }

    [Theory]
    [InlineData("OTHER", nameof(UpstreamFailure.BadReply), false)]
    [InlineData("NO_IMAGE", nameof(UpstreamFailure.BadReply), false)]
    [InlineData("MALFORMED_FUNCTION_CALL", nameof(UpstreamFailure.ServerError), true)]
    [InlineData("MALFORMED_RESPONSE", nameof(UpstreamFailure.ServerError), true)]
    [InlineData("TOO_MANY_TOOL_CALLS", nameof(UpstreamFailure.ServerError), true)]
    [InlineData("UNEXPECTED_TOOL_CALL", nameof(UpstreamFailure.ServerError), true)]
    public void Finish_WithoutContent_IsAFailure(string said, string failure, bool again)
    {
        var fault = Stream(Chunk("""{"text":""}""", said)).Fault;
        Assert.Equal((failure, again), (fault!.Failure.ToString(), fault.TryAgain));
    }

    /// <summary>The first chunks count the prompt alone: where the reply breaks off behind them its text is counted.</summary>
    [Theory]
    [InlineData("", 0)]
    [InlineData(",\"candidatesTokenCount\":1", 1)]
    public void Usage_AmidAStream_TellsOfTheTextBeforeIt(string output, long told)
    {
        using var written = new PooledBuffer();
        using var client = new ChunkWriter(written, "chatcmpl_ours", 1, "vendor/model", includeUsage: false);
        using var reader = GoogleRecorded.Reader();
        reader.Read(Encoding.UTF8.GetBytes(Chunk("""{"text":"a"}""", more: ",\"usageMetadata\":{\"promptTokenCount\":3" + output + "}") + Chunk("""{"text":"bc"}""")), client);
        Assert.Equal((told, 3L), (reader.CountedTextBytes, client.TextBytes));
    }

    [Fact]
    public void UnexpectedCall_OfADeclaredTool_IsACall()
    {
        Assert.Equal("tool_calls", Reading.OfStream(Stream(Chunk(Call, "UNEXPECTED_TOOL_CALL"), ["f"])).Finish[0]);
        Assert.NotNull(Stream(Chunk(Call, "UNEXPECTED_TOOL_CALL"), ["g"]).Fault);
    }

    [Fact]
    public void Calls_InOneChunkAndSeveral_AreCounted()
    {
        var reply = Stream(Chunk(Call + ",{\"functionCall\":{\"name\":\"g\"}}") + Chunk("""{"functionCall":{"name":"h","args":{"é":"\u00e9"},"id":"x"}}""", "STOP"));
        var reading = Reading.OfStream(reply);
        Assert.Equal(["{\"a\":1}", "{}", "{\"é\":\"\\u00e9\"}"], reading.Calls.Values.Select(c => c.Arguments.ToString()));
        Assert.Equal("x", reading.Calls[2].Id);
        Assert.Equal("tool_calls", reading.Finish[0]);
        Assert.Contains("\"extra_content\":{\"google\":{\"thought_signature\":\"QUJD\"}}", reply.Output);
        Assert.Equal(1, reply.Output.Split("extra_content").Length - 1);
    }

    /// <summary>Vertex AI may give arguments in pieces, each with its place.</summary>
    [Fact]
    public void Arguments_InPieces_ArePutTogether()
    {
        static string Piece(string pieces) => Chunk($$$"""{"functionCall":{"partialArgs":[{{{pieces}}}],"willContinue":true}}""");
        var reading = Reading.OfStream(Stream(Chunk("""{"functionCall":{"name":"f","willContinue":true}}""")
            + Piece("""{"jsonPath":"$.stops[0].city","stringValue":"Os","willContinue":true}""")
            + Piece("""{"jsonPath":"$.stops[0].city","stringValue":"lo"},{"jsonPath":"$.stops[0].days","numberValue":2}""")
            + Piece("""{"jsonPath":"$.stops[1].home","boolValue":true},{"jsonPath":"$.note","nullValue":"NULL_VALUE"}""")
            + Chunk("""{"functionCall":{}}""", "STOP")));
        Assert.Equal("""{"stops":[{"city":"Oslo","days":2},{"home":true}],"note":null}""", reading.Calls[0].Arguments.ToString());
    }

    [Fact]
    public void Calls_WithOneId_GetTwo()
    {
        var reading = Reading.OfStream(Stream(Chunk("""{"functionCall":{"name":"f","id":"x"}},{"functionCall":{"name":"g","id":"x"}}""", "STOP")));
        Assert.Equal(2, reading.Calls.Values.Select(c => c.Id).Distinct().Count());
    }

    [Fact]
    public void Signature_OfACall_IsRememberedForItsAccountOnly()
    {
        var memory = new ReasoningMemory(new FakeClock());
        var reading = Reading.OfStream(Replay.Stream(GoogleRecorded.Reader(memory: memory), Encoding.UTF8.GetBytes(Chunk(Call, "STOP"))));
        var id = reading.Calls[0].Id;
        Assert.Equal("QUJD"u8.ToArray(), memory.Find("gemini", "account", id, "f", "{\"a\": 1}"u8));
        Assert.Null(memory.Find("gemini", "other", id, "f", "{\"a\":1}"u8));
        Assert.Null(memory.Find("vertex", "account", id, "f", "{\"a\":1}"u8));
    }

    [Fact]
    public void Prompt_Blocked_IsAFilteredReply()
    {
        const string Body = """{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}""";
        var (stream, plain) = (Stream("data: " + Body + "\r\n\r\n"), Plain(Body));
        foreach (var reading in (Reading[])[Reading.OfStream(stream), Reading.OfPlain(plain)]) Assert.Equal(("", "content_filter"), (reading.AllContent, reading.Finish[0]));
        Assert.Equal((7, 0), (plain.Usage!.Value.InputTokens, plain.Usage.Value.OutputTokens));
    }

    [Theory]
    [InlineData("""{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}""", nameof(UpstreamFailure.ServerError))]
    [InlineData("""[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}]""", nameof(UpstreamFailure.RateLimited))]
    [InlineData("""{"error":"odd"}""", nameof(UpstreamFailure.BadReply))]
    public void Error_InsideASuccess_IsAFailure(string error, string failure)
    {
        Assert.Equal(failure, Stream(Chunk("""{"text":"a"}""") + "data: " + error + "\r\n\r\n").Fault!.Failure.ToString());
        Assert.Equal(failure, Stream(error).Fault!.Failure.ToString());
        Assert.Equal(failure, Plain(error).Fault!.Failure.ToString());
    }

    [Fact]
    public void Usage_LastWins_ButNeverOneWithoutCounts()
    {
        var reply = Stream(Chunk("""{"text":"a"}""", null, ""","usageMetadata":{"promptTokenCount":9,"totalTokenCount":99,"candidatesTokenCount":90}""")
            + Chunk("""{"text":"b"}""", "STOP", ""","usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2,"thoughtsTokenCount":3,"toolUsePromptTokenCount":4,"cachedContentTokenCount":5,"totalTokenCount":18}""")
            + "data: {\"usageMetadata\":{\"trafficType\":\"ON_DEMAND\"}}\r\n\r\n");
        Assert.Equal((13, 5, 5, 3), (reply.Usage!.Value.InputTokens, reply.Usage.Value.CachedInputTokens, reply.Usage.Value.OutputTokens, reply.Usage.Value.ReasoningTokens));
    }

    [Theory]
    // As Google counts: thoughts beside what is visible, what came from the cache inside the prompt.
    [InlineData("\"promptTokenCount\":100,\"cachedContentTokenCount\":60,\"candidatesTokenCount\":50,\"thoughtsTokenCount\":30,\"totalTokenCount\":180", 100, 60, 80, 30)]
    // Vertex AI, at times: the prompt without what came from the cache, and the total too.
    [InlineData("\"promptTokenCount\":5,\"cachedContentTokenCount\":13710,\"candidatesTokenCount\":20,\"totalTokenCount\":25", 13715, 13710, 20, 0)]
    // Nothing visible came.
    [InlineData("\"promptTokenCount\":100,\"thoughtsTokenCount\":30,\"totalTokenCount\":130", 100, 0, 30, 30)]
    // It came, and only the total tells how much.
    [InlineData("\"promptTokenCount\":100,\"toolUsePromptTokenCount\":7,\"thoughtsTokenCount\":30,\"totalTokenCount\":150", 107, 0, 43, 30)]
    // Gateways that count thoughts as visible.
    [InlineData("\"promptTokenCount\":100,\"candidatesTokenCount\":50,\"thoughtsTokenCount\":30,\"totalTokenCount\":150", 100, 0, 50, 30)]
    [InlineData("\"promptTokenCount\":100,\"toolUsePromptTokenCount\":7,\"candidatesTokenCount\":50,\"thoughtsTokenCount\":50,\"totalTokenCount\":157", 107, 0, 50, 50)]
    public void Usage_EveryShape_IsNormalised(string counts, int input, int cached, int output, int reasoning)
    {
        var usage = Stream(Chunk("""{"text":"a"}""", "STOP", $",\"usageMetadata\":{{{counts}}}")).Usage!.Value;
        Assert.Equal((input, cached, output, reasoning), (usage.InputTokens, usage.CachedInputTokens, usage.OutputTokens, usage.ReasoningTokens));
    }

    [Fact]
    public void Usage_WhoseLastCountsLeaveOutTheCache_KeepsWhatWasSaidOfIt()
    {
        var reply = Stream(Chunk("""{"text":"a"}""", null, ""","usageMetadata":{"promptTokenCount":76000,"cachedContentTokenCount":73673,"candidatesTokenCount":1,"totalTokenCount":76001}""")
            + Chunk("""{"text":"b"}""", "STOP", ""","usageMetadata":{"promptTokenCount":76000,"candidatesTokenCount":2,"totalTokenCount":76002}"""));
        Assert.Equal((76000, 73673, 2), (reply.Usage!.Value.InputTokens, reply.Usage.Value.CachedInputTokens, reply.Usage.Value.OutputTokens));
    }

    /// <summary>What was said before makes no prompt of now larger.</summary>
    [Fact]
    public void Usage_WhosePromptFalls_HasNoMoreFromTheCacheThanThatPrompt()
    {
        var reply = Stream(Chunk("""{"text":"a"}""", null, ""","usageMetadata":{"promptTokenCount":1000,"cachedContentTokenCount":800,"candidatesTokenCount":1,"totalTokenCount":1001}""")
            + Chunk("""{"text":"b"}""", "STOP", ""","usageMetadata":{"promptTokenCount":500,"candidatesTokenCount":2,"totalTokenCount":502}"""));
        Assert.Equal((500, 500), (reply.Usage!.Value.InputTokens, reply.Usage.Value.CachedInputTokens));
    }

    // The prompt's sound without what of it came from the cache; never more than what is not cached, and of the reply never more than what is no thought.
    [Theory]
    [InlineData("\"promptTokenCount\":145,\"candidatesTokenCount\":10,\"thoughtsTokenCount\":24,\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":6},{\"modality\":\"AUDIO\",\"tokenCount\":139}]", 139, 0)]
    [InlineData("\"promptTokenCount\":145,\"cachedContentTokenCount\":100,\"promptTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":139}],\"cacheTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":98}]", 41, 0)]
    [InlineData("\"promptTokenCount\":145,\"cachedContentTokenCount\":100,\"promptTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":139}]", 45, 0)]
    [InlineData("\"promptTokenCount\":9,\"cachedContentTokenCount\":100,\"promptTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":4}],\"cacheTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":98}]", 4, 0)]
    [InlineData("\"promptTokenCount\":9,\"promptTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":2}],\"cacheTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":5}]", 0, 0)]
    [InlineData("\"promptTokenCount\":9,\"candidatesTokenCount\":50,\"thoughtsTokenCount\":5,\"candidatesTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":60}]", 0, 50)]
    [InlineData("\"promptTokenCount\":9,\"promptTokensDetails\":{\"modality\":\"AUDIO\"},\"candidatesTokensDetails\":[1,{},{\"modality\":7,\"tokenCount\":1},{\"modality\":\"AUDIO\"},{\"modality\":\"AUDIO\",\"tokenCount\":null}]", 0, 0)]
    [InlineData("\"promptTokenCount\":9,\"promptTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":-1}]", null, null)]
    [InlineData("\"promptTokenCount\":9,\"candidatesTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":\"3\"}]", null, null)]
    public void Usage_WithSound_HasItsParts(string counts, int? heard, int? spoken)
    {
        var usage = Stream(Chunk("""{"text":"a"}""", "STOP", $",\"usageMetadata\":{{{counts}}}")).Usage;
        Assert.Equal(((long?)heard, (long?)spoken), (usage?.AudioInputTokens, usage?.AudioOutputTokens));
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("\"9\"")]
    [InlineData("99999999999")]
    public void Usage_Hostile_IsNone(string count) => Assert.Null(Stream(Chunk("""{"text":"a"}""", "STOP", $",\"usageMetadata\":{{\"promptTokenCount\":{count}}}")).Usage);

    [Fact]
    public void Array_InsteadOfEvents_IsReadToo()
    {
        var one = Chunk("""{"text":"a"}""")[6..].Trim();
        var two = Chunk("""{"text":"b"}""", "STOP")[6..].Trim();
        Assert.Equal("ab", Reading.OfStream(Stream($"[{one},\r\n{two}]")).AllContent);
        Assert.Equal("ab", Reading.OfPlain(Plain($"[{one},\r\n{two}]")).AllContent);
    }

    [Fact]
    public void Candidates_OfSeveralCalls_AreNumberedBehindEachOther()
    {
        var reader = new GeminiReply(Replayed.Context(offset: 2), GeminiHost.GeminiApi, new ReasoningMemory(TimeProvider.System), _ => { });
        var reading = Reading.OfStream(Replay.Stream(reader, Encoding.UTF8.GetBytes(Chunk("""{"text":"a"}""", "STOP"))));
        Assert.Equal([2], reading.Finish.Keys);
    }

    [Fact]
    public void Image_Given_IsADataUrlBesideTheText()
    {
        var reply = Plain("""{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]},"finishReason":"STOP"}]}""");
        Assert.Equal("data:image/png;base64,QUJD", JsonDocument.Parse(reply.Output).RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("images")[0].GetProperty("image_url").GetProperty("url").GetString());
    }

    /// <summary>What a model has sketched while it thought is none of the pictures that were asked for, unless nothing else comes: then the last one is.</summary>
    [Theory]
    [InlineData("""{"inlineData":{"mimeType":"image/png","data":"REVG"}}""")]
    [InlineData("""{"thought":true,"inlineData":{"mimeType":"image/png","data":"REVG"}}""")]
    public void Image_OfAThought_IsPassedOverWhereAnotherComes(string last)
    {
        var reply = Plain($$$"""{"candidates":[{"content":{"parts":[{"thought":true,"inlineData":{"mimeType":"image/png","data":"QUJD"}},{{{last}}}]},"finishReason":"STOP"}]}""");
        var image = Assert.Single(JsonDocument.Parse(reply.Output).RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("images").EnumerateArray());
        Assert.Equal("data:image/png;base64,REVG", image.GetProperty("image_url").GetProperty("url").GetString());
    }

    private const string Sketch = """{"thought":true,"inlineData":{"mimeType":"image/png","data":"QUJD"}}""";

    [Fact]
    public void Image_OfAThought_BesideTextAlone_IsTheReplys()
    {
        var reply = Plain($$$"""{"candidates":[{"content":{"parts":[{"text":"Here it is."},{{{Sketch}}}]},"finishReason":"STOP"}]}""");
        Assert.Contains("data:image/png;base64,QUJD", reply.Output, StringComparison.Ordinal);
    }

    /// <summary>A reply that fails or is blocked has no picture: a sketch would make a reply of it that is paid for.</summary>
    [Theory]
    [InlineData("", "CutShort")]
    [InlineData(""","finishReason":"MALFORMED_RESPONSE" """, "ServerError")]
    [InlineData(""","finishReason":"NO_IMAGE" """, "BadReply")]
    [InlineData(""","finishReason":"IMAGE_SAFETY" """, null)]
    public void Image_OfAThought_InAReplyThatIsNone_IsPassedOver(string end, string? failure)
    {
        var reply = Stream($"data: {{\"candidates\":[{{\"content\":{{\"parts\":[{Sketch}]}}{end}}}]}}\n\n");
        Assert.Equal(failure, reply.Fault?.Failure.ToString());
        Assert.DoesNotContain("QUJD", reply.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Logprobs_Given_AreInOpenAIsShape()
    {
        Fixtures.Require();
        var reply = Replay.Plain(GoogleRecorded.Reader(stream: false), GoogleRecorded.Get("vertex-gemini-07-json-logprobs").Body);
        var first = JsonDocument.Parse(reply.Output).RootElement.GetProperty("choices")[0].GetProperty("logprobs").GetProperty("content")[0];
        Assert.True(first.GetProperty("logprob").GetDouble() <= 0);
        Assert.Equal(Encoding.UTF8.GetBytes(first.GetProperty("token").GetString()!), first.GetProperty("bytes").EnumerateArray().Select(b => b.GetByte()));
    }

    /// <summary>What is odd in them spoils neither the reply nor the rest of them.</summary>
    [Theory]
    [InlineData("""{"chosenCandidates":[{"token":"é","logProbability":-0.5},{"token":7,"logProbability":1e999}],"topCandidates":[{"candidates":[{"token":"b","logProbability":"x"}]},{"candidates":3}]}""",
        """{"content":[{"token":"é","logprob":-0.5,"bytes":[195,169],"top_logprobs":[{"token":"b","logprob":0,"bytes":[98]}]},{"token":"","logprob":0,"bytes":[],"top_logprobs":[]}],"refusal":null}""")]
    [InlineData("""{"chosenCandidates":[{"token":"a"},{"token":"b"}],"topCandidates":[3]}""",
        """{"content":[{"token":"a","logprob":0,"bytes":[97],"top_logprobs":[]},{"token":"b","logprob":0,"bytes":[98],"top_logprobs":[]}],"refusal":null}""")]
    [InlineData("""{"chosenCandidates":[{"token":"a"}],"topCandidates":{}}""", """{"content":[{"token":"a","logprob":0,"bytes":[97],"top_logprobs":[]}],"refusal":null}""")]
    [InlineData("""{"chosenCandidates":[]}""", null)]
    [InlineData("""{"chosenCandidates":{}}""", null)]
    public void Logprobs_OfAnyShape_AreToldAsFarAsTheyGo(string given, string? shown)
    {
        var reply = Plain($$"""{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP","logprobsResult":{{given}}}]}""");
        var choice = JsonDocument.Parse(reply.Output).RootElement.GetProperty("choices")[0];
        Assert.Equal((shown, "a"), (choice.GetProperty("logprobs") is { ValueKind: JsonValueKind.Object } told ? told.GetRawText() : null, choice.GetProperty("message").GetProperty("content").GetString()));
    }
}
