using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Support;
using CrossModel.Simulator;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Every fault that the simulated provider knows, plain and streamed: whatever happens, the caller gets a reply of the promised shape, and the books agree with it.</summary>
public sealed class EveryFault(EveryFault.Site site) : IClassFixture<EveryFault.Site>
{
    public sealed class Site : IAsyncLifetime
    {
        internal SimulatorHost Simulator { get; private set; } = null!;
        internal TestGateway Gateway { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Simulator = await SimulatorHost.StartAsync(new SimulatorOptions());
            Gateway = await TestGateway.StartAsync(new Uri(Simulator.Address, "/v1").ToString(),
                """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1 } } """,
                upstreamMore: """, "timeouts": { "firstByte": "1s", "plain": "1s", "idle": "1s" }""", balance: 1000);
        }

        public async ValueTask DisposeAsync()
        {
            await Gateway.DisposeAsync();
            await Simulator.DisposeAsync();
        }
    }

    private const string Whole = "Whole";
    private const string Cut = "Cut";

    /// <summary>What must come of it, plain and streamed: a whole reply, a stream that is cut, or the status of the error.</summary>
    public static TheoryData<string, string, string> Faults() => new()
    {
        { "status=400", "400", "400" }, { "status=401", "502", "502" }, { "status=404", "503", "503" }, { "status=408", "502", "502" },
        { "status=418", "502", "502" }, { "status=429;retry-after=3", "429", "429" }, { "status=500", "502", "502" }, { "status=503;body=html", "502", "502" },
        { "status=503;body=empty", "502", "502" }, { "status=529;body=text", "502", "502" }, { "status=200;body=html", "502", "502" }, { "status=503;times=1;id=once", Whole, Whole },
        { "delay=100ms", Whole, Whole }, { "reset", "502", "502" }, { "reset=headers", "502", "502" }, { "reset=3", "502", Cut },
        { "hang", "502", "502" }, { "hang=headers", "502", "502" }, { "hang=3", "502", Cut },
        { "cut=0", "502", "502" }, { "cut=1", "502", "502" }, { "cut=3", "502", Cut }, { "cut=3;end=clean", "502", Cut }, { "cut=3;end=reset", "502", Cut },
        { "garbage", "502", "502" }, { "garbage=3", "502", Cut }, { "error", "502", "502" }, { "error=3", "502", Cut },
        { "drip=1ms;text=short", Whole, Whole }, { "redirect=http://127.0.0.1:9/", "502", "502" }, { "set-cookie=a=b", Whole, Whole }, { "content-type=text/html", Whole, Whole },
        { "usage=none", Whole, Whole }, { "usage=zero", Whole, Whole }, { "usage=twice", Whole, Whole }, { "usage={\"prompt_tokens\":-1}", Whole, Whole },
        { "usage={\"prompt_tokens\":1e30,\"completion_tokens\":\"x\"}", Whole, Whole }, { "finish=none", Whole, Whole }, { "finish=twice", Whole, Whole }, { "finish=eos", Whole, Whole },
        { "done=none", Whole, Whole }, { "content-on-finish", Whole, Whole }, { "crlf", Whole, Whole }, { "comments", Whole, Whole }, { "unknown", Whole, Whole },
        { "json", Whole, Whole }, { "sse", Whole, Whole }, { "empty", Whole, Whole }, { "line=1000000", Whole, Whole }, { "blocked", Whole, Whole }, { "blocked=prompt", "400", "400" },
        { "tokens=200", Whole, Whole }, { "reasoning", Whole, Whole }, { "refusal", Whole, Whole }, { "cached=64", Whole, Whole }, { "calls=look", Whole, Whole },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Plain_Meets_TheFault(string script, string plain, string streamed)
    {
        Assert.NotNull(streamed);
        var reply = await AskAsync(script, "");

        if (plain != Whole)
        {
            AssertFailed(reply, plain);
            return;
        }
        Assert.True((int)reply.Status == 200, reply.Text);
        var json = reply.Json;
        Assert.Equal("chat.completion", (string?)json["object"]);
        Assert.Contains((string?)json["choices"]![0]!["finish_reason"], (string[])["stop", "length", "tool_calls", "content_filter"]);
        Assert.Equal("assistant", (string?)json["choices"]![0]!["message"]!["role"]);
        AssertUsage(json["usage"]!);
        await AssertBookedAsync(reply, json["usage"]);
    }

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Stream_Meets_TheFault(string script, string plain, string streamed)
    {
        Assert.NotNull(plain);
        var reply = await AskAsync(script, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");

        if (streamed is not (Whole or Cut))
        {
            AssertFailed(reply, streamed);
            return;
        }
        Assert.True((int)reply.Status == 200, reply.Text);
        Assert.All(reply.Text.Split("\n\n")[..^1], e => Assert.Matches("^(data: [^\n]+|: keep-alive)$", e));
        var isCut = streamed == Cut;
        var chunks = isCut ? reply.Chunks.SkipLast(1).ToList() : reply.Chunks;
        Assert.All(chunks, c => Assert.Equal(("chat.completion.chunk", "test/model"), ((string?)c["object"], (string?)c["model"])));
        Assert.Equal("assistant", (string?)chunks[0]["choices"]![0]!["delta"]!["role"]);
        if (isCut)
        {
            Assert.NotNull(JsonNode.Parse(reply.Events[^1])!["error"]!["code"]);
            Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
            await AssertBookedAsync(reply, null);
            return;
        }
        Assert.Equal("[DONE]", reply.Events[^1]);
        var finishes = chunks.SelectMany(c => c["choices"]!.AsArray()).Select(c => (string?)c!["finish_reason"]).Where(f => f is not null).ToList();
        Assert.Contains(Assert.Single(finishes), (string[])["stop", "length", "tool_calls", "content_filter"]);
        var usage = Assert.Single(chunks, c => c["usage"] is not null);
        Assert.Same(usage, chunks[^1]);
        AssertUsage(usage["usage"]!);
        await AssertBookedAsync(reply, usage["usage"]);
    }

    private Task<HttpReply> AskAsync(string script, string members) => site.Gateway.PostAsync(new JsonObject
    {
        ["model"] = "test/model",
        ["messages"] = new JsonArray(new JsonObject { ["role"] = "user", ["content"] = $"Hi [[simulate: {script}]]" }),
    }.ToJsonString()[..^1] + ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"look\"}}]" + members + "}");

    private static void AssertFailed(HttpReply reply, string status)
    {
        Assert.True($"{(int)reply.Status}" == status, $"{(int)reply.Status}: {reply.Text}");
        Assert.Equal("application/json", reply.Header("content-type"));
        Assert.Equal(["message", "type", "param", "code"], reply.Json["error"]!.AsObject().Select(m => m.Key));
        Assert.Equal((int)reply.Status is 429 or 503, reply.Header("retry-after") is not null);
    }

    private static void AssertUsage(JsonNode usage)
    {
        var (prompt, completion) = ((long)usage["prompt_tokens"]!, (long)usage["completion_tokens"]!);
        Assert.True(prompt >= 0 && completion >= 0);
        Assert.Equal(prompt + completion, (long)usage["total_tokens"]!);
        Assert.InRange((long)usage["prompt_tokens_details"]!["cached_tokens"]!, 0, prompt);
        Assert.InRange((long)usage["completion_tokens_details"]!["reasoning_tokens"]!, 0, completion);
    }

    private async Task AssertBookedAsync(HttpReply reply, JsonNode? usage)
    {
        var receipt = (await site.Gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), site.Gateway.Key)).Json;
        Assert.Contains((string?)receipt["basis"], (string[])["reported", "counted", "waived"]);
        if (usage is null)
        {
            Assert.Equal("counted", (string?)receipt["basis"]);
            return;
        }
        if ((string?)receipt["basis"] == "waived") return;
        Assert.Equal(((long)usage["prompt_tokens"]!, (long)usage["completion_tokens"]!), ((long)receipt["usage"]!["prompt_tokens"]!, (long)receipt["usage"]!["completion_tokens"]!));
        Assert.Equal((decimal)usage["cost"]!, decimal.Parse((string)receipt["cost"]!, System.Globalization.CultureInfo.InvariantCulture));
    }
}
