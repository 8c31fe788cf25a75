using System.Diagnostics;
using System.Text;
using CrossModel.Simulator;

namespace CrossModel.Tests.Simulator;

public sealed class FaultTests : IAsyncLifetime
{
    private SimulatorClient _simulator = null!;

    public async ValueTask InitializeAsync() => _simulator = await SimulatorClient.StartAsync();

    public ValueTask DisposeAsync() => _simulator.DisposeAsync();

    [Fact]
    public async Task Status_ByModelName_AnswersTheErrorWithRetryAfter()
    {
        var answer = await _simulator.AskAsync("simulated:status=429;retry-after=2;code=insufficient_quota");
        Assert.Equal((429, "2", "insufficient_quota"), (answer.Status, answer.Headers.GetValues("retry-after").Single(), (string?)answer.Json["error"]!["code"]));
    }

    [Fact]
    public async Task Status_ByHeader_BeatsDirectiveAndModelName() =>
        Assert.Equal(502, (await _simulator.PostAsync(SimulatorClient.Ask("sim-503", text: "[[simulate: status=501]]"), ("x-simulate", "status=502"))).Status);

    [Fact]
    public async Task Status_ByDirectiveInTheLastUserMessage_BeatsTheModelName()
    {
        Assert.Equal(501, (await _simulator.PostAsync(SimulatorClient.Ask("sim-503", text: "Hi [[simulate: status=501]]!"))).Status);
        var earlier = """{"model":"m","messages":[{"role":"user","content":"[[simulate: status=501]]"},{"role":"assistant","content":"no"},{"role":"user","content":"go on"}]}""";
        Assert.Equal(200, (await _simulator.PostAsync(earlier)).Status);
    }

    /// <summary>It stands in prompts, and callers of the gateway write those: as long as they like, and never closed.</summary>
    [Theory]
    [InlineData("[[simulate:", " ", 4_000_000)]
    [InlineData("", "[[simulate:", 400_000)]
    [InlineData("[[simulate: status=501]] [[simulate:", " \n", 2_000_000)]
    public async Task Directive_ThatIsLongOrNeverEnds_IsReadInTime(string begin, string part, int times)
    {
        var clock = Stopwatch.StartNew();
        var answer = await _simulator.PostAsync(SimulatorClient.Ask("simulated", text: begin + string.Concat(Enumerable.Repeat(part, times))));
        Assert.Equal(begin.Contains("501", StringComparison.Ordinal) ? 501 : 200, answer.Status);
        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Directives_TheLastCounts_WithoutTheSpaceAroundIt() =>
        Assert.Equal((502, "a  b"), await ToldAsync("[[simulate: status=501]] [[simulate:\n status=502;message=a  b\t ]] [[simulate"));

    private async Task<(int Status, string? Message)> ToldAsync(string text)
    {
        var answer = await _simulator.PostAsync(SimulatorClient.Ask("simulated", text: text));
        return (answer.Status, (string?)answer.Json["error"]!["message"]);
    }

    /// <summary>Within the gateway callers write the script: one request must not take all of its memory.</summary>
    [Theory]
    [InlineData("line=67108864", 400)]
    [InlineData("tokens=1000000", 400)]
    [InlineData("line=1048576", 200)]
    [InlineData("tokens=100", 200)]
    public async Task Replies_OfManyCandidates_AreBoundedTogether(string script, int status)
    {
        var answer = await _simulator.PostAsync(SimulatorClient.Ask("simulated", more: ",\"n\":8", text: $"[[simulate: {script}]]"));
        Assert.Equal(status, answer.Status);
        if (status == 400) Assert.Contains("n", (string?)answer.Json["error"]!["message"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("html", "text/html", "<h1>")]
    [InlineData("text", "text/plain", "upstream connect error")]
    [InlineData("empty", null, "")]
    [InlineData("error", "application/json", "{\"error\":")]
    public async Task Status_EveryBody_ComesWithItsType(string body, string? type, string text)
    {
        var answer = await _simulator.AskAsync($"simulated:status=502;body={body}");
        Assert.Equal((502, type), (answer.Status, answer.Type));
        Assert.Contains(text, answer.Body, StringComparison.Ordinal);
        Assert.Equal(body == "empty", answer.Body.Length == 0);
    }

    [Fact]
    public async Task Times_FirstTwo_ThenGood()
    {
        List<int> statuses = [];
        for (var i = 0; i < 4; i++)
            statuses.Add((await _simulator.AskAsync("simulated:status=503;times=2")).Status);
        statuses.Add((await _simulator.AskAsync("sim-429-then-200")).Status);
        statuses.Add((await _simulator.AskAsync("sim-429-then-200")).Status);
        statuses.Add((await _simulator.AskAsync("simulated:status=503;times=2;id=other")).Status);
        Assert.Equal([503, 503, 200, 200, 429, 200, 503], statuses);
    }

    [Theory]
    [InlineData("simulated:sttaus=503")]
    [InlineData("simulated:status=nine")]
    [InlineData("simulated:cut=x")]
    [InlineData("simulated:usage=lots")]
    [InlineData("simulated:body=pdf")]
    [InlineData("simulated:delay=3")]
    [InlineData("simulated:end=soon")]
    [InlineData("simulated:status=99")]
    [InlineData("simulated:status=1000")]
    [InlineData("simulated:delay=1ms;status=nine")]
    public async Task Script_Misspelt_IsRefusedAndNamed(string model)
    {
        var answer = await _simulator.AskAsync(model);
        Assert.Equal((400, "invalid_simulation"), (answer.Status, (string?)answer.Json["error"]!["code"]));
        Assert.Contains(model[(model.LastIndexOfAny([':', ';']) + 1)..], (string?)answer.Json["error"]!["message"], StringComparison.Ordinal);
        // It stands in the model's name here, and in no header.
        Assert.DoesNotContain("x-simulate", (string?)answer.Json["error"]!["message"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("message=x", "message")]
    [InlineData("code=x;times=2", "code")]
    [InlineData("retry-after=2", "retry-after")]
    [InlineData("body=html;cut=3", "body")]
    [InlineData("end=clean", "end")]
    [InlineData("end=clean;status=503", "end")]
    [InlineData("times=2", "times")]
    [InlineData("times=2;tokens=9;id=a", "times")]
    public async Task Script_WithAPartThatChangesNothing_IsRefused(string script, string part)
    {
        var answer = await _simulator.AskAsync("simulated:" + script);
        Assert.Equal((400, "invalid_simulation"), (answer.Status, (string?)answer.Json["error"]!["code"]));
        Assert.Contains(part, (string?)answer.Json["error"]!["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task ModelName_ThatIsNoScript_IsJustAName()
    {
        Assert.Equal(200, (await _simulator.AskAsync("sim-large")).Status);
        Assert.Equal(200, (await _simulator.AskAsync("llama3:8b")).Status);
    }

    [Fact]
    public async Task Reset_BeforeHeaders_SendsNothing()
    {
        var (text, reset) = await _simulator.RawAsync(SimulatorClient.Ask("sim-reset", true));
        Assert.Equal(("", true), (text, reset));
    }

    [Fact]
    public async Task Reset_AfterHeadersOrEvents_SendsThatMuch()
    {
        var (headers, reset) = await _simulator.RawAsync(SimulatorClient.Ask("simulated:reset=headers", true));
        Assert.True(reset && headers.StartsWith("HTTP/1.1 200", StringComparison.Ordinal) && !headers.Contains("data:", StringComparison.Ordinal));
        var (events, resetLater) = await _simulator.RawAsync(SimulatorClient.Ask("simulated:reset=2", true));
        Assert.Equal((3, true), (events.Split("data: ").Length, resetLater));
    }

    [Theory]
    [InlineData("eof", false, false)]
    [InlineData("clean", true, false)]
    [InlineData("reset", false, true)]
    public async Task Cut_AfterThreeEvents_EndsAsSaid(string end, bool terminated, bool wasReset)
    {
        foreach (var stream in new[] { true, false })
        {
            var (text, reset) = await _simulator.RawAsync(SimulatorClient.Ask($"simulated:cut=3;end={end}", stream));
            Assert.Equal((terminated, wasReset), (text.EndsWith("0\r\n\r\n", StringComparison.Ordinal), reset));
            Assert.Equal(stream ? 4 : 1, text.Split("data: ").Length);
            Assert.DoesNotContain("finish_reason\":\"stop", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("sim-hang", 0, false)]
    [InlineData("simulated:hang=headers", 0, true)]
    [InlineData("simulated:hang=2", 2, true)]
    public async Task Hang_UntilTheClientLeaves_IsSilentAndRecordsIt(string model, int events, bool headers)
    {
        using var socket = await _simulator.ConnectAsync(SimulatorClient.Ask(model, true));
        var (text, buffer) = (new StringBuilder(), new byte[65_536]);
        while (headers && (!text.ToString().Contains("\r\n\r\n", StringComparison.Ordinal) || text.ToString().Split("data: ").Length <= events))
            text.Append(Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer)));
        await WaitAsync(() => _simulator.Host.Requests.Count == 1);
        Assert.Equal(events + 1, text.ToString().Split("data: ").Length);
        var request = _simulator.Host.Requests.Single();
        Assert.False(request.Ended.IsCompleted);
        socket.Close();
        Assert.True(await request.Ended.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        Assert.True(request.ClientLeft);
    }

    [Fact]
    public async Task Hang_SimulatorStops_DoesNotHoldItUp()
    {
        await using var other = await SimulatorClient.StartAsync();
        using var socket = await other.ConnectAsync(SimulatorClient.Ask("sim-hang", true));
        await WaitAsync(() => other.Host.Requests.Count == 1);
        await other.Host.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        Assert.False(other.Host.Requests.Single().ClientLeft);
    }

    [Fact]
    public async Task Garbage_PlainAndInAStream_IsNotJson()
    {
        Assert.ThrowsAny<Exception>(() => SimulatorClientJson(_simulator.AskAsync("sim-garbage").Result.Body));
        var stream = await _simulator.AskAsync("simulated:garbage=2", true);
        Assert.Contains("<garbage>", stream.Events[2], StringComparison.Ordinal);
        Assert.Contains("[DONE]", stream.Body, StringComparison.Ordinal);
    }

    private static void SimulatorClientJson(string body) => System.Text.Json.JsonDocument.Parse(body).Dispose();

    [Fact]
    public async Task Error_InsideA200_ComesPlainAndAsAnEvent()
    {
        var plain = await _simulator.AskAsync("simulated:error;message=out of luck");
        Assert.Equal((200, "out of luck"), (plain.Status, (string?)plain.Json["error"]!["message"]));
        var stream = await _simulator.AskAsync("simulated:error=2", true);
        Assert.Equal(3, stream.Chunks.Count);
        Assert.NotNull(stream.Chunks[^1]["error"]);
        Assert.DoesNotContain("[DONE]", stream.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Drip_Reply_ComesInOneByteChunks()
    {
        var (text, _) = await _simulator.RawAsync(SimulatorClient.Ask("simulated:drip=0ms;text=x", true));
        Assert.Contains("\r\n1\r\nd\r\n1\r\na\r\n1\r\nt\r\n1\r\na\r\n1\r\n:\r\n", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("usage=none", 0, null)]
    [InlineData("usage=twice", 2, null)]
    [InlineData("usage=zero", 1, "prompt_tokens\":0,\"completion_tokens\":0")]
    [InlineData("""usage={"prompt_tokens":-5,"total_tokens":1e99}""", 1, """{"prompt_tokens":-5,"total_tokens":1e99}""")]
    public async Task Usage_Everything_IsSentAsSaid(string script, int times, string? text)
    {
        var stream = await _simulator.AskAsync("simulated:" + script, true, ""","stream_options":{"include_usage":true}""");
        var plain = await _simulator.AskAsync("simulated:" + script);
        Assert.Equal(times, stream.Chunks.Count(chunk => chunk["usage"] is not null));
        Assert.Equal(times > 0, plain.Json["usage"] is not null);
        Assert.Contains(text ?? "", stream.Body, StringComparison.Ordinal);
        Assert.Contains(text ?? "", plain.Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("finish=none", 0, null)]
    [InlineData("finish=twice", 2, "stop")]
    [InlineData("finish=eos", 1, "eos")]
    [InlineData("content-on-finish", 1, "stop")]
    public async Task Finish_Everything_IsSentAsSaid(string script, int times, string? reason)
    {
        var stream = await _simulator.AskAsync("simulated:text=a b;" + script, true);
        var finishes = stream.Chunks.Select(chunk => chunk["choices"]![0]!).Where(choice => choice["finish_reason"] is not null).ToList();
        Assert.Equal(times, finishes.Count);
        Assert.All(finishes, choice => Assert.Equal(reason, (string?)choice["finish_reason"]));
        Assert.Equal("a b", stream.Text);
        if (script == "content-on-finish")
            Assert.Equal(" b", (string?)finishes[0]["delta"]!["content"]);
    }

    [Fact]
    public async Task Framing_DoneCrlfCommentsUnknown_AreAsSaid()
    {
        Assert.DoesNotContain("[DONE]", (await _simulator.AskAsync("simulated:done=none", true)).Body, StringComparison.Ordinal);
        var crlf = (await _simulator.AskAsync("simulated:crlf;comments;unknown", true)).Body;
        Assert.DoesNotContain("\n", crlf.Replace("\r\n", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.StartsWith(": simulated keep-alive\r\n\r\ndata: ", crlf, StringComparison.Ordinal);
        Assert.Contains("event: simulated.novelty\r\n", crlf, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Form_JsonForAStreamAndStreamForJson_AreAsSaid()
    {
        Assert.Equal("chat.completion", (string?)(await _simulator.AskAsync("sim-json", true)).Json["object"]);
        Assert.Equal("text/event-stream", (await _simulator.AskAsync("sim-sse")).Type);
        Assert.Equal("text/html", (await _simulator.AskAsync("simulated:content-type=text/html")).Type);
        Assert.Equal("", (string?)(await _simulator.AskAsync("sim-empty")).Json["choices"]![0]!["message"]!["content"]);
        Assert.Equal("", (await _simulator.AskAsync("sim-empty", true)).Text);
        Assert.NotNull((await _simulator.AskAsync("sim-refusal")).Json["choices"]![0]!["message"]!["refusal"]);
        Assert.Equal("content_filter", (string?)(await _simulator.AskAsync("sim-blocked")).Json["choices"]![0]!["finish_reason"]);
    }

    [Fact]
    public async Task Line_OfAMillionBytes_IsOneEvent()
    {
        var stream = await _simulator.AskAsync("simulated:line=1000000", true);
        Assert.Contains(stream.Events, data => data.Length > 1_000_000);
        Assert.Equal(3, stream.Events.Count);
    }

    [Fact]
    public async Task Redirect_AndCookie_AreSent()
    {
        var answer = await _simulator.AskAsync("simulated:redirect=http://127.0.0.1:1/x;set-cookie=a=b");
        Assert.Equal((302, "http://127.0.0.1:1/x", "a=b"), (answer.Status, answer.Headers.Location!.ToString(), answer.Headers.GetValues("set-cookie").Single()));
    }

    [Fact]
    public async Task Delay_BeforeTheFirstByte_IsKept()
    {
        var watch = Stopwatch.StartNew();
        await _simulator.AskAsync("simulated:delay=300ms");
        Assert.InRange(watch.ElapsedMilliseconds, 290, 5_000);
    }

    [Theory]
    [InlineData("simulated:tokens=20;pace=100", 0)]
    [InlineData("simulated:tokens=20", 100)]
    public async Task Pace_HundredTokensASecond_TakesAsLong(string model, double pace)
    {
        await using var paced = await SimulatorClient.StartAsync(new SimulatorOptions { TokensPerSecond = pace });
        var watch = Stopwatch.StartNew();
        var stream = await paced.AskAsync(model, true);
        Assert.InRange(watch.ElapsedMilliseconds, 190, 5_000);
        Assert.Equal(23, stream.Chunks.Count + 1);
    }

    [Fact]
    public async Task Fast_PlainAndStreamed_AreWholeReplies()
    {
        var stream = await _simulator.AskAsync("simulated:fast;events=3;size=4", true, ""","stream_options":{"include_usage":true}""");
        Assert.Equal("xxxxxxxxxxxx", stream.Text);
        Assert.Equal((6, 3), (stream.Chunks.Count, (int)stream.Chunks[^1]["usage"]!["completion_tokens"]!));
        Assert.EndsWith("data: [DONE]\n\n", stream.Body, StringComparison.Ordinal);
        var plain = (await _simulator.AskAsync("simulated:fast;events=3;size=4")).Json;
        Assert.Equal(("xxxxxxxxxxxx", 3), ((string?)plain["choices"]![0]!["message"]!["content"], (int)plain["usage"]!["completion_tokens"]!));
        var watch = Stopwatch.StartNew();
        Assert.Equal(5, (await _simulator.AskAsync("simulated:fast;events=3;interval=50ms", true)).Chunks.Count);
        Assert.InRange(watch.ElapsedMilliseconds, 240, 5_000);
    }

    private static async Task WaitAsync(Func<bool> holds)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!holds())
            await Task.Delay(5, timeout.Token);
    }
}
