using System.Text;
using System.Text.Json;
using CrossModel.Dialects;
using CrossModel.Dialects.OpenAI;
using CrossModel.Protocol;

namespace CrossModel.Tests.Dialects.OpenAI;

/// <summary>The per-choice state machine, quirk by quirk.</summary>
public sealed class OpenAIStreamTests
{
    private static string Chunk(string delta, string finish = "null", int index = 0, string members = "") =>
        $$"""data: {"id":"up","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":{{index}},"delta":{{delta}},"logprobs":null,"finish_reason":{{finish}}}]{{members}}}""" + "\n\n";

    private static string Tools(string calls, string finish = "null") => Chunk($$"""{"tool_calls":[{{calls}}]}""", finish);

    private const string Done = "data: [DONE]\n\n";

    [Fact]
    public void Chunk_Ordinary_DiffersInIdentityOnly()
    {
        const string sent = """data: {"id":"up","object":"chat.completion.chunk","created":1,  "x":1.50,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"h\u00e9\/"},"logprobs":{"content":[]},"finish_reason":null,"y":[ ]}],"system_fingerprint":"f"}""";
        var reply = Replayed.Stream(sent + "\n\n" + Chunk("{}", "\"stop\"") + Done, usage: false);
        Assert.Equal("""{"id":"chatcmpl_ours","object":"chat.completion.chunk","created":1234567890,  "x":1.50,"model":"vendor/model","choices":[{"index":0,"delta":{"role":"assistant","content":"h\u00e9\/"},"logprobs":{"content":[]},"finish_reason":null,"y":[ ]}],"system_fingerprint":"f"}""", reply.Events()[0]);
        Assert.Equal(4, reply.TextBytes);
    }

    /// <summary>Usage that the caller has not asked for is taken out with one comma, wherever it stands and however the event is spaced.</summary>
    [Theory]
    [InlineData("""{"usage":null,"choices":[]}""", """{"choices":[]}""")]
    [InlineData("""{ "usage" : null , "choices":[]}""", """{  "choices":[]}""")]
    [InlineData("""{"choices":[] , "usage" : null }""", """{"choices":[]  }""")]
    [InlineData("""{"choices":[],"usage":null}""", """{"choices":[]}""")]
    public void Usage_UnaskedFor_IsTakenOutWithOneComma(string sent, string shown)
    {
        var choices = """[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}]""";
        var reply = Replayed.Stream("data: " + sent.Replace("[]", choices, StringComparison.Ordinal) + "\n\n" + Chunk("{}", "\"stop\"") + Done, usage: false);
        var added = """ "id":"chatcmpl_ours","object":"chat.completion.chunk","created":1234567890,"model":"vendor/model",""".TrimStart();
        var expected = shown.Insert(1, added).Replace("[]", choices.Replace("{\"content\"", "{\"role\":\"assistant\",\"content\"", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(expected, reply.Events()[0]);
    }

    /// <summary>Events like one before are not parsed: they must fare as if they came alone.</summary>
    [Theory]
    [InlineData("")]
    [InlineData(",\"usage\":null")]
    [InlineData(",\"system_fingerprint\":\"f\"")]
    public void Content_InAStreamOfLikeEvents_ComesOutAsAlone(string members)
    {
        string[] deltas =
        [
            """{"content":" a"}""", """{"content":"b"}""", """{"content":"é ✓"}""", """{"content":"line\n \"q\" \u0041"}""", """{"content":"c"}""", """{"content":""}""",
            """{"content":"d","refusal":"no"}""", """{"content":"e"}""", """{"content": "f"}""", """{"reasoning_content":"g"}""", """{"content":"data: h"}""", """{"content":"i}]}"}""",
            """{"content":"j","tool_calls":null}""", """{"content":"k","tool_calls":null}""", """{"content":"l","content_filter":{"x":1}}""", """{"content":"m"}""",
        ];
        string Event(string delta) => Chunk(delta, members: members);
        var role = Event("""{"role":"assistant","content":"start"}""");
        var end = Chunk("{}", "\"stop\"") + Done;
        var all = Replayed.Stream(role + string.Concat(deltas.Select(Event)) + end);
        var alone = deltas.Select(d => Replayed.Stream(role + Event(d) + end)).ToList();
        Assert.Equal(alone.SelectMany(r => r.Events().Skip(1).SkipLast(r.Events().Count - 2)), all.Events().Skip(1).Take(deltas.Length));
        var one = Replayed.Stream(role + end).TextBytes;
        Assert.Equal(alone.Sum(r => r.TextBytes - one), all.TextBytes - one);
    }

    /// <summary>Replies share what they read with: nothing of one may show in another.</summary>
    [Fact]
    public void Streams_ReadInTurns_ComeOutAsAlone()
    {
        var end = Chunk("{}", "\"stop\"") + Done;
        string[] bodies =
        [
            string.Concat(Enumerable.Range(0, 6).Select(i => Chunk($$"""{"role":"assistant","content":"a{{i}}"}"""))) + end,
            Tools("""{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}""") + string.Concat(Enumerable.Range(0, 5).Select(i => Tools($$"""{"function":{"arguments":"{{i}}"} }"""))) + end,
            string.Concat(Enumerable.Range(0, 6).Select(i => Chunk($$"""{"content":[{"type":"text","text":"c{{i}}"}],"reasoning":"r"}""", members: ",\"usage\":null"))) + end,
        ];
        var alone = bodies.Select(b => Replayed.Stream(b).Output).ToArray();

        var outputs = bodies.Select(_ => new PooledBuffer()).ToArray();
        var clients = outputs.Select(o => new ChunkWriter(o, "chatcmpl_ours", 1234567890, "vendor/model", includeUsage: true)).ToArray();
        var readers = bodies.Select(_ => new OpenAIReply(Replayed.Context(), Presets.Unknown)).ToArray();
        var (unread, sent) = (bodies.Select(_ => new PooledBuffer()).ToArray(), new int[bodies.Length]);
        // 70 bytes a turn: each reply is put aside within its events.
        for (var turn = 0; readers.Any(r => !r.Ended); turn++)
        {
            var i = turn % bodies.Length;
            if (readers[i].Ended) continue;
            var next = Math.Min(70, bodies[i].Length - sent[i]);
            unread[i].Write(Encoding.UTF8.GetBytes(bodies[i].Substring(sent[i], next)));
            sent[i] += next;
            unread[i].Consume(readers[i].Read(unread[i].Span, clients[i]));
            Assert.Null(readers[i].Fault);
        }
        for (var i = 0; i < bodies.Length; i++)
        {
            clients[i].ReleaseFinish();
            clients[i].Done();
            Assert.Equal(alone[i], Encoding.UTF8.GetString(outputs[i].Span));
        }
    }

    [Fact]
    public void Content_WithAControlCharacterAmongLikeEvents_IsABadReply()
    {
        var reply = Replayed.Stream(Chunk("""{"role":"assistant","content":"a"}""") + Chunk("""{"content":"b"}""") + Chunk("""{"content":"c"}""") + Chunk("{\"content\":\"d\u0001\"}") + Done);
        Assert.Equal(UpstreamFailure.BadReply, reply.Fault?.Failure);
    }

    [Fact]
    public void Content_ThatIsNotUtf8_IsABadReply_AloneAndAmongLikeEvents()
    {
        byte[] Bad(string before) => [.. Encoding.UTF8.GetBytes(before + "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\""), 0xff, 0xfe, .. Encoding.UTF8.GetBytes("\"},\"finish_reason\":null}]}\n\n" + Done)];
        string like = Chunk("""{"role":"assistant","content":"a"}""") + string.Concat(Enumerable.Repeat("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":null}]}\n\n", 3));
        Assert.All((string[])["", like], before => Assert.Equal(UpstreamFailure.BadReply, Replayed.Stream(Bad(before)).Fault?.Failure));
    }

    [Fact]
    public void Reply_WholeInOneEvent_IsReadAsAPlainOne()
    {
        var reply = Replayed.Stream("""data: {"id":"x","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}""" + "\n\n" + Done);
        Assert.Null(reply.Fault);
        Assert.Equal("hi", Reading.OfStream(reply).AllContent);
        Assert.Equal((3, 2), (reply.Usage!.Value.InputTokens, reply.Usage.Value.OutputTokens));
    }

    /// <summary>Every event of some servers is called a whole reply.</summary>
    [Fact]
    public void Chunks_CalledWholeReplies_AreChunks()
    {
        static string Event(string choice, string more = "") => $$"""data: {"object":"chat.completion","choices":[{{choice}}]{{more}}}""" + "\n\n";
        var text = Event("""{"index":0,"delta":{"content":"Hel"},"finish_reason":null}""") + Event("""{"index":0,"finish_reason":null}""") + Event("""{"index":0,"delta":{"content":"lo"},"finish_reason":null}""");
        const string usage = ",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}";
        foreach (var reply in new[]
        {
            Replayed.Stream(text + Event("""{"index":0,"finish_reason":"stop"}""") + Event("", usage) + Done),
            // A summary at the end says nothing new.
            Replayed.Stream(text + Event("""{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}""", usage) + Done),
            Replayed.Stream(Event("""{"index":0,"finish_reason":null}""") + text + Event("""{"index":0,"finish_reason":"stop"}""", usage) + Done),
        })
        {
            Assert.Null(reply.Fault);
            Assert.Equal(("Hello", 3L), (Reading.OfStream(reply).AllContent, reply.Usage?.InputTokens));
        }
    }

    [Fact]
    public void Reply_WholeInOneEventAndItsUsageInAnother_HasBoth()
    {
        var reply = Replayed.Stream("""data: {"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}""" + "\n\n"
            + """data: {"object":"chat.completion","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}""" + "\n\n");
        Assert.Null(reply.Fault);
        Assert.Equal(("hi", 2L), (Reading.OfStream(reply).AllContent, reply.Usage?.OutputTokens));
    }

    [Fact]
    public void Content_OfChoicesInTurns_KeepsEachItsOwn()
    {
        var sent = string.Concat(Enumerable.Range(0, 20).Select(i => Chunk($$"""{"content":"{{i}} "}""", index: i % 2)));
        var reply = Replayed.Stream(sent + Chunk("{}", "\"stop\"") + Chunk("{}", "\"stop\"", index: 1) + Done, candidates: 2);
        var contents = reply.Events().Take(20).Select(e => JsonDocument.Parse(e).RootElement.GetProperty("choices")[0]).ToList();
        Assert.Equal(Enumerable.Range(0, 20).Select(i => (i % 2, $"{i} ")), contents.Select(c => (c.GetProperty("index").GetInt32(), c.GetProperty("delta").GetProperty("content").GetString()!)));
    }

    [Fact]
    public void Finish_WithText_GoesOutAsTwoChunks()
    {
        var reply = Replayed.Stream(Chunk("""{"role":"assistant","content":"a"}""") + Chunk("""{"content":"b"}""", "\"length\"", members: ""","p":"abc" """) + Done);
        var reading = Reading.OfStream(reply);
        Assert.Equal("ab", reading.AllContent);
        Assert.Equal("length", reading.Finish[0]);
        Assert.Contains("\"p\":\"abc\"", reply.Events()[1]);
        Assert.Equal(4, reply.Events().Count);
    }

    [Theory]
    [InlineData("stop", "stop")]
    [InlineData("eos", "stop")]
    [InlineData("end_turn", "stop")]
    [InlineData("max_tokens", "length")]
    [InlineData("model_length", "length")]
    [InlineData("model_context_window_exceeded", "length")]
    [InlineData("function_call", "tool_calls")]
    [InlineData("tool_use", "tool_calls")]
    [InlineData("sensitive", "content_filter")]
    [InlineData("something_new", "stop")]
    public void Finish_EveryWord_IsOneOfTheFour(string said, string shown) =>
        Assert.Equal(shown, Reading.OfStream(Replayed.Stream(Chunk("""{"content":"a"}""") + Chunk("{}", $"\"{said}\"") + Done)).Finish[0]);

    [Theory]
    [InlineData("error")]
    [InlineData("network_error")]
    [InlineData("insufficient_system_resource")]
    public void Finish_ThatIsAFailure_FailsTheReply(string said) =>
        Assert.Equal(UpstreamFailure.ServerError, Replayed.Stream(Chunk("""{"content":"a"}""") + Chunk("{}", $"\"{said}\"") + Done).Fault!.Failure);

    /// <summary>What a choice says elsewhere than in its delta would be lost, and charged: a whole reply in one event is read, all else is no reply.</summary>
    [Theory]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}""", "Hello")]
    [InlineData("""{"object":"chat.completion.chunk","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}]}""", "Hello")]
    [InlineData("""{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":null}]}""", "Hello")]
    [InlineData("""{"choices":[{"index":0,"message":{"role":"assistant","content":"Hel"},"finish_reason":null}]}""", null)]
    [InlineData("""{"choices":[{"index":0,"text":"Hel","finish_reason":null}]}""", null)]
    public void Choice_WithoutADelta_IsWholeOrNone(string data, string? content)
    {
        var reply = Replayed.Stream("data: " + data + "\n\n" + Done);
        Assert.Equal(content is null ? UpstreamFailure.BadReply : null, reply.Fault?.Failure);
        if (content is not null) Assert.Equal((content, "stop"), (Reading.OfStream(reply).AllContent, Reading.OfStream(reply).Finish[0]));
    }

    /// <summary>A reply with its finish is whole, whatever of its last line was lost.</summary>
    [Theory]
    [InlineData("data: [DO", true)]
    [InlineData("data: {\"choices\":[],\"usa", true)]
    [InlineData("data: {\"choices\":[{\"index\":0,\"del", false)]
    public void Tail_ThatIsTorn_TakesNothingFromAFinishedReply(string tail, bool isFinished)
    {
        var reply = Replayed.Stream(Chunk("""{"content":"a"}""") + (isFinished ? Chunk("{}", "\"stop\"") : "") + tail);
        Assert.Equal(isFinished ? null : UpstreamFailure.CutShort, reply.Fault?.Failure);
    }

    [Fact]
    public void Message_RepeatedBesideTheFinish_ChangesNothing()
    {
        var reply = Replayed.Stream(Chunk("""{"content":"a"}""") + """data: {"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}""" + "\n\n" + Done);
        Assert.Equal(("a", "stop"), (Reading.OfStream(reply).AllContent, Reading.OfStream(reply).Finish[0]));
    }

    [Fact]
    public void Calls_ThatNeverGotAName_AreNoReply() => Assert.Equal(UpstreamFailure.BadReply,
        Replayed.Stream(Tools("""{"index":0,"id":"a","function":{"arguments":"{}"}}""") + Chunk("{}", "\"tool_calls\"") + Done).Fault?.Failure);

    /// <summary>The same bytes of names and arguments, however they are cut and in whatever form the call comes.</summary>
    [Fact]
    public void Calls_CountTheirNamesAndArguments()
    {
        const string arguments = """{\"a\":\"bcdefghij\"}""";
        string Pieces(Func<string, string> delta) => string.Concat(arguments.Replace("\\\"", "Q", StringComparison.Ordinal).Select(letter => Chunk(delta(letter == 'Q' ? "\\\"" : letter.ToString()))));
        var end = Chunk("{}", "\"stop\"") + Done;
        var function = Chunk("""{"function_call":{"name":"f","arguments":""}}""") + Pieces(p => $$$"""{"function_call":{"arguments":"{{{p}}}"}}""") + end;
        var custom = Tools("""{"index":0,"id":"a","type":"custom","custom":{"name":"f","input":"seventeen letters"}}""") + end;
        var tool = Tools("""{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}""") + Pieces(p => $$$"""{"tool_calls":[{"index":0,"function":{"arguments":"{{{p}}}"}}]}""") + end;
        var whole = $$$"""data: {"object":"chat.completion","choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{{{arguments}}}"}}]},"finish_reason":"tool_calls"}]}""" + "\n\n" + Done;
        var old = $$$"""data: {"object":"chat.completion","choices":[{"index":0,"message":{"content":null,"function_call":{"name":"f","arguments":"{{{arguments}}}"}},"finish_reason":"function_call"}]}""" + "\n\n" + Done;
        const string plainCustom = """data: {"object":"chat.completion","choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"a","type":"custom","custom":{"name":"f","input":"seventeen letters"}}]},"finish_reason":"tool_calls"}]}""" + "\n\n" + Done;
        Assert.Equal([18, 18, 18, 18, 18, 18], new[] { function, custom, tool, whole, old, plainCustom }.Select(body => Replayed.Stream(body).TextBytes));
        Assert.Equal(18, Replayed.Plain($$$"""{"choices":[{"index":0,"message":{"content":null,"function_call":{"name":"f","arguments":"{{{arguments}}}"}},"finish_reason":"function_call"}]}""").TextBytes);
    }

    [Fact]
    public void Finish_Twice_IsOne()
    {
        var reply = Replayed.Stream(Chunk("""{"content":"a"}""") + Chunk("""{"content":""}""", "\"stop\"") + Chunk("""{"role":"assistant","content":""}""", "\"stop\"", members: ""","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}""") + Done);
        Assert.Equal("stop", Reading.OfStream(reply).Finish[0]);
        Assert.Equal(3, reply.Usage!.Value.TotalTokens);
    }

    [Fact]
    public void Finish_MissingBeforeDone_IsStopOrToolCalls()
    {
        Assert.Equal("stop", Reading.OfStream(Replayed.Stream(Chunk("""{"content":"a"}""") + Done)).Finish[0]);
        Assert.Equal("tool_calls", Reading.OfStream(Replayed.Stream(Tools("""{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}""") + Chunk("{}", "\"\"") + Done)).Finish[0]);
    }

    [Fact]
    public void Finish_StopWithACall_IsToolCalls() => Assert.Equal("tool_calls",
        Reading.OfStream(Replayed.Stream(Tools("""{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}""") + Chunk("{}", "\"stop\"") + Done)).Finish[0]);

    [Fact]
    public void End_WithFinishButWithoutDone_IsWhole() => Assert.Null(Replayed.Stream(Chunk("""{"content":"a"}""") + Chunk("{}", "\"stop\"")).Fault);

    [Theory]
    [InlineData("")]
    [InlineData("data: {\"id\":\"x\",\"cho")]
    public void End_WithNeither_IsCutShort(string rest) =>
        Assert.Equal(UpstreamFailure.CutShort, Replayed.Stream(Chunk("""{"content":"a"}""") + rest).Fault!.Failure);

    [Theory]
    [InlineData("", "BadReply")]
    [InlineData("   \n", "BadReply")]
    [InlineData("<html><body>Bad gateway</body></html>", "BadReply")]
    [InlineData("data: <html>\n\n", "BadReply")]
    [InlineData("data: [DONE]\n\n", "BadReply")]
    [InlineData("data: {\"choices\":[5]}\n\n", "BadReply")]
    [InlineData("data: {\"choices\":[{\"index\":4000,\"delta\":{\"content\":\"x\"}}]}\n\n", "BadReply")]
    [InlineData("{\"error\":{\"message\":\"no\"}}", "BadReply")]
    [InlineData("{}", "BadReply")]
    [InlineData("{\"choices\":[]}", "BadReply")]
    [InlineData("{\"error\":\"Unexpected endpoint or method.\"}", "BadReply")]
    [InlineData("{\"base_resp\":{\"status_code\":1008,\"status_msg\":\"insufficient balance\"}}", "Operator")]
    [InlineData("{\"base_resp\":{\"status_code\":1002,\"status_msg\":\"rate limit\"},\"choices\":null}", "RateLimited")]
    [InlineData("data: {\"object\":\"error\",\"message\":\"the prompt is too long: maximum context length\",\"code\":400}\n\n", "Rejected")]
    [InlineData("data: {\"error\":{\"message\":\"Requested token count exceeds the model's maximum context length\",\"code\":400}}\n\n", "Rejected")]
    [InlineData("event: error\ndata: {\"message\":\"x\",\"status_code\":429}\n\n", "RateLimited")]
    [InlineData("event: error\ndata: {\"error\":{\"message\":\"Input does not fit in context length. The input has 31430 tokens, but the context length only supports 30000 tokens.\"},\"message\":\"Input does not fit in context length.\"}\n\n", "Rejected")]
    [InlineData("data: {\"error\":{\"message\":\"Input validation error: bad\",\"http_status_code\":422}}\n\n", "Rejected")]
    [InlineData("data: {\"error\":{\"code\":\"data_inspection_failed\",\"message\":\"Output data may contain inappropriate content.\"}}\n\n", "Rejected")]
    [InlineData("data: {\"error\":{\"code\":\"1305\",\"message\":\"busy\"}}\n\n", "RateLimited")]
    [InlineData("{\"base_resp\":{\"status_code\":2013,\"status_msg\":\"invalid params\"}}", "Rejected")]
    [InlineData("{\"base_resp\":{\"status_code\":2049,\"status_msg\":\"invalid api key\"}}", "Operator")]
    [InlineData("{\"base_resp\":{\"status_code\":1027,\"status_msg\":\"output new_sensitive\"}}", "Rejected")]
    [InlineData("{\"base_resp\":{\"status_code\":1000,\"status_msg\":\"unknown error\"}}", "BadReply")]
    [InlineData("error: {\"error\":{\"message\":\"failed to decode\"}}\n\n", "BadReply")]
    public void Reply_ThatIsNone_FailsByName(string body, string failure)
    {
        Assert.Equal(failure, Replayed.Stream(body).Fault?.Failure.ToString());
        Assert.NotNull(Replayed.Plain(body).Fault);
    }

    /// <summary>OpenAI's own, in a stream: it passes as a 500 does, so the same route is worth another try.</summary>
    [Theory]
    [InlineData("data: {0}\n\n")]
    [InlineData("{0}")]
    public void Error_OfTheServerWithoutAStatus_IsThatOfA500(string body)
    {
        const string error = """{"error":{"message":"The server had an error while processing your request. Sorry about that!","type":"server_error","param":null,"code":null}}""";
        var sent = body.Replace("{0}", error, StringComparison.Ordinal);
        foreach (var fault in (UpstreamFault?[])[Replayed.Stream(sent).Fault, Replayed.Plain(error).Fault]) Assert.Equal((UpstreamFailure.ServerError, 500), (fault!.Failure, fault.Status));
    }

    [Fact]
    public void Error_BesideNull_IsNoError() => Assert.Null(Replayed.Stream(Chunk("""{"content":"a"}""", members: ""","error":null,"base_resp":{"status_code":0}""") + Chunk("{}", "\"stop\"") + Done).Fault);

    [Fact]
    public void Event_Unknown_EndsNothing() => Assert.Equal("a", Reading.OfStream(Replayed.Stream(
        "event: ping\ndata: {\"type\":\"ping\"}\n\ndata: null\n\n: hello\n\n" + Chunk("""{"content":"a"}""") + "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n" + Chunk("{}", "\"stop\"") + Done)).AllContent);

    [Fact]
    public void Role_Missing_IsAddedToTheFirstDelta() => Assert.Contains("""{"role":"assistant","content":"a"}""",
        Replayed.Stream(Chunk("""{"content":"a"}""") + Done).Events()[0]);

    [Fact]
    public void Role_OfAnEmptyReply_ComesBeforeTheFinish()
    {
        var reply = Replayed.Stream(Chunk("{}", "\"stop\"") + Done);
        Assert.Equal("stop", Reading.OfStream(reply).Finish[0]);
        Assert.False(reply.HasContent);
    }

    [Theory]
    [InlineData("""{"content":"","reasoning":"th\u0069nk"}""")]
    [InlineData("""{"reasoning":"th\u0069nk","reasoning_content":null}""")]
    [InlineData("""{"reasoning_content":"th\u0069nk"}""")]
    [InlineData("""{"reasoning_content":"th\u0069nk","reasoning":"other"}""")]
    [InlineData("""{"content":[{"type":"thinking","thinking":[{"type":"text","text":"th\u0069"},{"type":"text","text":"nk"}]}]}""")]
    [InlineData("""{"content":[{"type":"reasoning","summary":[{"type":"summary_text","text":"th\u0069nk","signature":"s"},{"type":"summary_encrypted_text","data":"d"}]}]}""")]
    [InlineData("""{"content":[{"text":"th\u0069nk","type":"reasoning"}]}""")]
    public void Reasoning_EveryShape_IsReasoningContent(string delta)
    {
        var reply = Replayed.Stream(Chunk(delta) + Chunk("""{"content":"a"}""") + Done);
        Assert.Equal("think", Reading.OfStream(reply).Reasoning.ToString());
        Assert.Equal("a", Reading.OfStream(reply).AllContent);
        Assert.Equal(6, reply.TextBytes);
    }

    [Fact]
    public void Content_Blocks_BecomeOneString() => Assert.Equal("a\nb", Reading.OfStream(Replayed.Stream(
        Chunk("""{"content":[{"type":"text","text":"a\n"},{"type":"reference","reference_ids":[1]},{"type":"text","text":"b"}]}""") + Done)).AllContent);

    [Fact]
    public void Content_WithTagsOfThinking_StaysContent() =>
        Assert.Equal("<think>why</think>a", Reading.OfStream(Replayed.Stream(Chunk("""{"content":"<think>why</think>"}""") + Chunk("""{"content":"a"}""") + Done)).AllContent);

    [Fact]
    public void Details_OnlyWhereThePresetSaysSo_AreReasoning()
    {
        var body = Chunk("""{"content":"a","reasoning_details":[{"type":"reasoning.text","text":"why"}]}""") + Done;
        Assert.Equal("", Reading.OfStream(Replayed.Stream(body)).Reasoning.ToString());
        foreach (var name in (string[])["minimax", "snowflake"])
            Assert.Equal("why", Reading.OfStream(Replayed.Stream(body, Presets.All.Single(p => p.Name == name))).Reasoning.ToString());
    }

    [Theory]
    // as OpenAI does
    [InlineData("""{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":""}}~{"index":0,"function":{"arguments":"{\"a\""}}~{"index":0,"function":{"arguments":":1}"}}""", """c1 f {"a":1}""")]
    // id, name and type repeated; the id empty later (DashScope), the name empty later (LM Studio)
    [InlineData("""{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{"}}~{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"}"}}""", "c1 f {}")]
    [InlineData("""{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{"}}~{"index":0,"id":"","type":"function","function":{"name":"","arguments":"}"}}""", "c1 f {}")]
    // no index
    [InlineData("""{"id":"c1","type":"function","function":{"name":"f","arguments":"{"}}~{"function":{"arguments":"}"}}~{"id":"c2","function":{"name":"g","arguments":"{}"}}""", "c1 f {}|c2 g {}")]
    [InlineData("""{"id":"c1","type":"function","function":{"name":"f","arguments":"{"}},{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}~{"id":"c1","function":{"arguments":"}"}}""", "c1 f {}|c2 g {}")]
    // every call under index 0, told apart by id and name
    [InlineData("""{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}~{"index":0,"id":"c2","type":"function","function":{"name":"f","arguments":"{}"}}""", "c1 f {}|c2 f {}")]
    // indexes with gaps
    [InlineData("""{"index":3,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}~{"index":1,"id":"c2","type":"function","function":{"name":"g","arguments":"{"}}~{"index":1,"function":{"arguments":"}"}}""", "c1 f {}|c2 g {}")]
    // the name comes late
    [InlineData("""{"index":0,"id":"c1","type":"function","function":{"arguments":"{\"a\":"}}~{"index":0,"function":{"name":"f","arguments":"1}"}}""", """c1 f {"a":1}""")]
    // arguments as an object, or none at all
    [InlineData("""{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":{"a":"\""}}}""", """c1 f {"a":"\""}""")]
    [InlineData("""{"index":0,"id":"c1","type":"function","function":{"name":"f"}}""", "c1 f {}")]
    [InlineData("""{"index":0,"id":"c1","function":{"name":"f","arguments":""}}""", "c1 f {}")]
    // no id, no type, no index (Gemini's OpenAI endpoint)
    [InlineData("""{"id":"","function":{"name":"f","arguments":"{}"}}~{"id":"","function":{"name":"g","arguments":"{}"}}""", "* f {}|* g {}")]
    // one id for two calls (DeepSeek and Zhipu at times), said once or with every delta
    [InlineData("""{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}~{"index":1,"id":"c1","type":"function","function":{"name":"g","arguments":"{}"}}""", "c1 f {}|* g {}")]
    [InlineData("""{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"c1","type":"function","function":{"name":"f","arguments":"{"}}~{"index":1,"id":"c1","type":"function","function":{"name":"f","arguments":"}"}}""", "c1 f {}|* f {}")]
    public void Tools_EveryShape_BecomeOpenAIs(string deltas, string calls)
    {
        var reply = Replayed.Stream(string.Concat(deltas.Split('~').Select(d => Tools(d))) + Chunk("{}", "\"tool_calls\"") + Done);
        var reading = Reading.OfStream(reply);
        var wanted = calls.Split('|').Select(c => c.Split(' ', 3)).ToList();
        Assert.Equal(wanted.Select(w => (w[1], w[2])), reading.Calls.Values.Select(c => (c.Name, c.Arguments.ToString())));
        Assert.All(wanted.Zip(reading.Calls.Values), p => Assert.True(p.First[0] == "*" ? p.Second.Id.StartsWith("call_", StringComparison.Ordinal) : p.First[0] == p.Second.Id));
        Assert.Equal("tool_calls", reading.Finish[0]);
        Assert.True(reply.HasContent);
    }

    [Fact]
    public void Tools_Canonical_KeepTheirBytes() => Assert.Contains("""[ {"index":0, "type":"function","id":"c1","extra_content":{"google":{"thought_signature":"s"}},"function":{"arguments":"{\u007d","name":"f"}}]""",
        Replayed.Stream(Tools(""" {"index":0, "type":"function","id":"c1","extra_content":{"google":{"thought_signature":"s"}},"function":{"arguments":"{\u007d","name":"f"}}""") + Done).Output);

    [Fact]
    public void Tools_Mended_KeepFurtherMembers() => Assert.Contains("\"extra_content\":{\"a\":1}",
        Replayed.Stream(Tools("""{"id":"","extra_content":{"a":1},"function":{"name":"f","arguments":"{}"}}""") + Done).Output);

    [Fact]
    public void Choices_Interleaved_EachEndOnce()
    {
        var reading = Reading.OfStream(Replayed.Stream(
            Chunk("""{"role":"assistant","content":""}""", index: 0) + Chunk("""{"role":"assistant","content":""}""", index: 1) + Chunk("""{"content":"a"}""", index: 1)
            + Chunk("""{"content":"b"}""", index: 0) + Chunk("{}", "\"stop\"", 0) + Chunk("""{"content":"c"}""", index: 1) + Chunk("{}", "\"length\"", 1) + Done, candidates: 2));
        Assert.Equal("b", reading.Content[0].ToString());
        Assert.Equal("ac", reading.Content[1].ToString());
        Assert.Equal(("stop", "length"), (reading.Finish[0], reading.Finish[1]));
    }

    [Fact]
    public void Choices_SeveralInOneChunk_GoOutOneByOne()
    {
        var reading = Reading.OfStream(Replayed.Stream(
            """data: {"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"},"finish_reason":"stop"}, {"index":2,"delta":{},"finish_reason":"length"}],"z":1}""" + "\n\n" + Done, usage: false, candidates: 3));
        Assert.Equal("ab", reading.AllContent);
        Assert.Equal(3, reading.Finish.Count);
        Assert.Equal("length", reading.Finish[2]);
    }

    [Fact]
    public void Choices_OneUnfinishedAtTheEnd_IsCutShort() => Assert.Equal(UpstreamFailure.CutShort,
        Replayed.Stream(Chunk("""{"content":"a"}""", index: 0) + Chunk("""{"content":"a"}""", index: 1) + Chunk("{}", "\"stop\"", 1), candidates: 2).Fault!.Failure);

    [Fact]
    public void Choices_MoreThanAskedFor_AreABadReplyAndNoneOfThemGoesOut()
    {
        var reply = Replayed.Stream("""data: {"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}},{"index":2,"delta":{"content":"c"}}]}""" + "\n\n" + Done, candidates: 2);
        Assert.Equal(UpstreamFailure.BadReply, reply.Fault!.Failure);
        Assert.DoesNotContain("\"c\"", reply.Output, StringComparison.Ordinal);
        Assert.Equal(UpstreamFailure.BadReply, Replayed.Plain("{\"choices\":[{},{\"foo\":1}]}").Fault!.Failure);
    }

    [Fact]
    public void Offset_OfASideCall_MovesItsChoices()
    {
        var reading = Reading.OfStream(Replayed.Stream(Chunk("""{"content":"a"}""") + Chunk("{}", "\"stop\"") + Done, offset: 3));
        Assert.Equal("a", reading.Content[3].ToString());
        Assert.Equal("stop", reading.Finish[3]);
    }

    [Fact]
    public void Choice_WithNothingInIt_IsCompleted()
    {
        var reading = Reading.OfStream(Replayed.Stream("data: {\"choices\":[{}]}\n\ndata: {\"choices\":[{\"foo\":1,\"delta\":null}]}\n\n" + Chunk("""{"content":"a"}""") + Done));
        Assert.Equal("a", reading.AllContent);
        var plain = Reading.OfPlain(Replayed.Plain("{\"choices\":[{},{\"foo\":1}]}", candidates: 2));
        Assert.Equal(2, plain.Finish.Count);
    }

    [Fact]
    public void Data_OverSeveralLines_GoesOutAsOne() => Assert.Equal("a", Reading.OfStream(Replayed.Stream(
        "data: {\"choices\":[\ndata: {\"index\":0,\ndata: \"delta\":{\"content\":[{\"type\":\"text\",\ndata: \"text\":\"a\"}]}}]}\n\n" + Done)).AllContent);

    /// <summary>As some servers send them: each line is an event.</summary>
    [Fact]
    public void Events_WithoutBlankLinesBetweenThem_AreReadOneByOne()
    {
        static string Lines(params string[] events) => string.Concat(events.Select(e => e.TrimEnd('\n') + "\n"));
        var call = Tools("""{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\":"}}""");
        var more = Tools("""{"index":0,"function":{"arguments":"1}"}}""");
        var usage = """data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3}}""";
        foreach (var body in (string[])[Lines(Chunk("""{"content":"a"}"""), call, more, Chunk("{}", "\"stop\""), usage, Done) + "\n", Chunk("""{"content":"a"}""") + Lines(call, more) + "\n" + Lines(Chunk("{}", "\"stop\""), usage, Done)])
        {
            var reply = Replayed.Stream(body);
            Assert.Null(reply.Fault);
            var reading = Reading.OfStream(reply);
            Assert.Equal(("a", "{\"a\":1}", "tool_calls", 5), (reading.AllContent, reading.Calls.Values.Single().Arguments.ToString(), reading.Finish[0], reply.Usage!.Value.TotalTokens));
        }
        Assert.Equal(UpstreamFailure.BadReply, Replayed.Stream(Lines(Chunk("""{"content":"a"}"""), "data: {\"choices\":[") + "\n" + Done).Fault?.Failure);
    }

    [Fact]
    public void Usage_InsideAChoiceOrBesideGroqs_IsRead()
    {
        Assert.Equal(5, Replayed.Stream("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":3}}]}\n\n" + Done).Usage!.Value.TotalTokens);
        Assert.Equal(5, Replayed.Stream(Chunk("""{"content":"a"}""", members: ""","x_groq":{"id":"r","usage":{"prompt_tokens":2,"completion_tokens":3}}""") + Done).Usage!.Value.TotalTokens);
        // Groq's own says nothing more where the usual one has come.
        Assert.Equal(5, Replayed.Stream(Chunk("""{"content":"a"}""", members: ""","usage":{"prompt_tokens":2,"completion_tokens":3}""")
            + Chunk("{}", "\"stop\"", members: ""","x_groq":{"usage":{"prompt_tokens":7,"completion_tokens":7}}""") + Done).Usage!.Value.TotalTokens);
    }

    /// <summary>Whoever the server says is speaking.</summary>
    [Fact]
    public void Role_OfTheFirstDelta_IsTheAssistants() =>
        Assert.Equal("a", Reading.OfStream(Replayed.Stream(Chunk("""{"role":"model","content":"a"}""") + Chunk("{}", "\"stop\"") + Done)).AllContent);

    [Fact]
    public void Usage_Hostile_IsAbsent() => Assert.Null(Replayed.Stream(Chunk("""{"content":"a"}""", members: ""","usage":{"prompt_tokens":-2,"completion_tokens":3}""") + Done).Usage);

    [Fact]
    public void Logprobs_Missing_AreNull() => Assert.All(
        Replayed.Stream("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n" + Done).Events().Where(e => e != "[DONE]"),
        e => Assert.Equal(JsonValueKind.Null, JsonDocument.Parse(e).RootElement.GetProperty("choices")[0].GetProperty("logprobs").ValueKind));

    [Fact]
    public void Relaying_InTheSteadyState_AllocatesNothingPerEvent()
    {
        var text = Chunk("""{"content":"some text of usual length"}""");
        var events = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(text, 100)));
        var output = new PooledBuffer();
        using var client = new ChunkWriter(output, "chatcmpl_ours", 1, "vendor/model", includeUsage: true);
        using var reader = new OpenAIReply(Replayed.Context(), Presets.Unknown);
        long Round()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            reader.Read(events, client);
            output.Reset();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        Round();
        Round();
        Assert.InRange(Round() / 100, 0, 8);
        output.Dispose();
    }
}
