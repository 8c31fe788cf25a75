using System.Text.Json;
using System.Text.Json.Nodes;
using CrossModel.Simulator;

namespace CrossModel.Tests.Simulator;

public sealed class OpenAIWireTests : IAsyncLifetime
{
    private const string Weather = """{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["C","F"]},"days":{"type":"integer","minimum":2,"maximum":3}},"required":["city","unit"]}}}""";
    private const string Time = """{"type":"function","function":{"name":"get_time"}}""";
    private SimulatorClient _simulator = null!;

    public async ValueTask InitializeAsync() => _simulator = await SimulatorClient.StartAsync();

    public ValueTask DisposeAsync() => _simulator.DisposeAsync();

    [Fact]
    public async Task Reply_SameRequestTwice_IsTheSame()
    {
        var first = (await _simulator.AskAsync("simulated")).Json;
        var second = (await _simulator.AskAsync("simulated")).Json;
        Assert.Equal((string?)first["id"], (string?)second["id"]);
        Assert.Equal(first["choices"]!.ToJsonString(), second["choices"]!.ToJsonString());
        Assert.Contains("Hello there", (string?)first["choices"]![0]!["message"]!["content"], StringComparison.Ordinal);
        Assert.Contains("simulated reply", (string?)first["choices"]![0]!["message"]!["content"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_OfTheSameQuestion_HasThePlainReplysTextAndUsage()
    {
        var plain = (await _simulator.AskAsync("simulated")).Json;
        var stream = await _simulator.AskAsync("simulated", true, ""","stream_options":{"include_usage":true}""");
        Assert.Equal((string?)plain["choices"]![0]!["message"]!["content"], stream.Text);
        Assert.EndsWith("data: [DONE]\n\n", stream.Body, StringComparison.Ordinal);
        var chunks = stream.Chunks;
        Assert.Equal("assistant", (string?)chunks[0]["choices"]![0]!["delta"]!["role"]);
        Assert.Equal("stop", (string?)chunks[^2]["choices"]![0]!["finish_reason"]);
        Assert.Empty(chunks[^1]["choices"]!.AsArray());
        Assert.Equal(plain["usage"]!.ToJsonString(), chunks[^1]["usage"]!.ToJsonString());
        Assert.All(chunks[..^1], chunk => Assert.True(chunk.AsObject().ContainsKey("usage") && chunk["usage"] is null));
        // One token a chunk: usage is what was streamed.
        Assert.Equal(chunks.Count - 3, (int)plain["usage"]!["completion_tokens"]!);
    }

    [Fact]
    public async Task Stream_WithoutIncludeUsage_SaysNothingOfUsage() =>
        Assert.DoesNotContain("usage", (await _simulator.AskAsync("simulated", true)).Body, StringComparison.Ordinal);

    [Fact]
    public async Task Cap_SmallerThanTheReply_EndsItWithLength()
    {
        var reply = (await _simulator.AskAsync("simulated", more: ""","max_completion_tokens":4""")).Json;
        Assert.Equal("length", (string?)reply["choices"]![0]!["finish_reason"]);
        Assert.Equal(4, (int)reply["usage"]!["completion_tokens"]!);
        Assert.Equal("This is a simulate", (string?)reply["choices"]![0]!["message"]!["content"]);
    }

    [Fact]
    public async Task Stop_InTheText_IsNotSent()
    {
        var reply = (await _simulator.AskAsync("simulated:text=one two three", more: ""","stop":["three"," two"]""")).Json;
        Assert.Equal("one", (string?)reply["choices"]![0]!["message"]!["content"]);
        Assert.Equal("stop", (string?)reply["choices"]![0]!["finish_reason"]);
    }

    [Fact]
    public async Task Candidates_Three_ComeWithIndicesOfTheirOwn()
    {
        var plain = (await _simulator.AskAsync("simulated", more: ""","n":3""")).Json["choices"]!.AsArray();
        Assert.Equal([0, 1, 2], plain.Select(choice => (int)choice!["index"]!));
        var stream = await _simulator.AskAsync("simulated", true, ""","n":3""");
        for (var i = 0; i < 3; i++)
            Assert.Equal((string?)plain[i]!["message"]!["content"], string.Concat(stream.Chunks.Select(chunk => chunk["choices"]![0]!)
                .Where(choice => (int)choice["index"]! == i).Select(choice => (string?)choice["delta"]!["content"])));
    }

    [Fact]
    public async Task Tools_UserAsksForOne_IsCalledWithArgumentsThatSatisfyTheSchema()
    {
        var reply = await _simulator.PostAsync(SimulatorClient.Ask("simulated", more: $$""","tools":[{{Time}},{{Weather}}]""", text: "What is the weather in Rome?"));
        var choice = reply.Json["choices"]![0]!;
        var call = Assert.Single(choice["message"]!["tool_calls"]!.AsArray())!;
        var arguments = JsonNode.Parse((string)call["function"]!["arguments"]!)!;
        Assert.Equal("tool_calls", (string?)choice["finish_reason"]);
        Assert.Null(choice["message"]!["content"]);
        Assert.Equal("get_weather", (string?)call["function"]!["name"]);
        Assert.True((string?)arguments["unit"] is "C" or "F");
        Assert.InRange((int)arguments["days"]!, 2, 3);
        Assert.IsAssignableFrom<JsonValue>(arguments["city"]);
    }

    [Theory]
    [InlineData("weather and time", "", "get_time,get_weather")]
    [InlineData("weather and time", ""","parallel_tool_calls":false""", "get_time")]
    [InlineData("weather and time", ""","tool_choice":"none" """, "")]
    [InlineData("hello", "", "")]
    [InlineData("hello", ""","tool_choice":"required" """, "get_time")]
    [InlineData("hello", ""","tool_choice":{"type":"function","function":{"name":"get_weather"}}""", "get_weather")]
    public async Task Tools_EveryChoice_CallsWhatItSays(string text, string more, string called)
    {
        var body = SimulatorClient.Ask("simulated", more: $$""","tools":[{{Time}},{{Weather}}]{{more}}""", text: text);
        var calls = (await _simulator.PostAsync(body)).Json["choices"]![0]!["message"]!["tool_calls"]?.AsArray() ?? [];
        Assert.Equal(called, string.Join(',', calls.Select(call => (string?)call!["function"]!["name"])));
        var stream = await _simulator.PostAsync(body.Replace("\"stream\":false", "\"stream\":true", StringComparison.Ordinal));
        var deltas = stream.Chunks.SelectMany(chunk => chunk["choices"]![0]!["delta"]!["tool_calls"]?.AsArray() ?? []).ToList();
        for (var i = 0; i < calls.Count; i++)
            Assert.Equal((string?)calls[i]!["function"]!["arguments"], string.Concat(deltas.Where(delta => (int)delta!["index"]! == i).Select(delta => (string?)delta!["function"]!["arguments"])));
    }

    [Fact]
    public async Task ToolResult_AsLastMessage_IsMentionedInTheText()
    {
        var reply = await _simulator.PostAsync($$$"""
            {"model":"simulated","tools":[{{{Weather}}}],"messages":[{"role":"user","content":"weather?"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"call_1","content":"21 degrees"}]}
            """);
        Assert.Contains("The tool get_weather answered \"21 degrees\"", (string?)reply.Json["choices"]![0]!["message"]!["content"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task ResponseFormat_Schema_IsSatisfied()
    {
        var reply = await _simulator.AskAsync("simulated", more: ""","response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"ok":{"type":"boolean"},"tags":{"type":"array","minItems":2,"items":{"type":"string","maxLength":3}}},"required":["ok","tags"],"additionalProperties":false}}}""");
        var content = JsonNode.Parse((string)reply.Json["choices"]![0]!["message"]!["content"]!)!;
        Assert.Equal(JsonValueKind.Array, content["tags"]!.GetValueKind());
        Assert.True(content["tags"]!.AsArray().Count >= 2 && content["tags"]!.AsArray().All(tag => ((string)tag!).Length <= 3));
        Assert.True(content["ok"]!.GetValueKind() is JsonValueKind.True or JsonValueKind.False);
    }

    [Fact]
    public async Task Reasoning_AskedFor_IsStreamedAndCounted()
    {
        var stream = await _simulator.AskAsync("simulated", true, ""","reasoning_effort":"low","stream_options":{"include_usage":true}""");
        var reasoning = stream.Chunks.Count(chunk => chunk["choices"]!.AsArray().FirstOrDefault()?["delta"]!["reasoning_content"] is not null);
        Assert.True(reasoning > 5);
        Assert.Equal(reasoning, (int)stream.Chunks[^1]["usage"]!["completion_tokens_details"]!["reasoning_tokens"]!);
        Assert.DoesNotContain("reasoning_content", (await _simulator.AskAsync("simulated-reasoning", true, ""","reasoning_effort":"none" """)).Body, StringComparison.Ordinal);
        Assert.Contains("reasoning_content", (await _simulator.AskAsync("simulated-reasoning")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Logprobs_AskedFor_OneEntryPerToken()
    {
        var reply = (await _simulator.AskAsync("simulated", more: ""","logprobs":true,"top_logprobs":2""")).Json;
        var entries = reply["choices"]![0]!["logprobs"]!["content"]!.AsArray();
        Assert.Equal((string?)reply["choices"]![0]!["message"]!["content"], string.Concat(entries.Select(entry => (string?)entry!["token"])));
        Assert.All(entries, entry => Assert.Equal(2, entry!["top_logprobs"]!.AsArray().Count));
        Assert.Equal(entries.Count, (int)reply["usage"]!["completion_tokens"]!);
    }

    [Fact]
    public async Task Media_InTheMessage_IsNamedInTheText()
    {
        var reply = await _simulator.PostAsync("""
            {"model":"simulated","messages":[{"role":"user","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"https://example.com/a.png"}},
            {"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}]}]}
            """);
        Assert.Contains("image, wav audio, file a.pdf", (string?)reply.Json["choices"]![0]!["message"]!["content"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"model":"m","messages":[]}""", "messages")]
    [InlineData("""{"messages":[{"role":"user","content":"x"}]}""", "model")]
    [InlineData("""{"model":"m","messages":[{"role":"king","content":"x"}]}""", "messages[0].role")]
    [InlineData("""{"model":"m","messages":[{"role":"user"}]}""", "messages[0].content")]
    [InlineData("""{"model":"m","messages":[{"role":"tool","tool_call_id":"a","content":"x"}]}""", "messages[0].role")]
    [InlineData("""{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"user","content":"x"}]}""", "messages")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[]}""", "tools")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"tool_choice":"auto"}""", "tool_choice")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":5,"max_completion_tokens":5}""", "max_tokens")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":2.5}""", "temperature")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"top_logprobs":2}""", "top_logprobs")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"stream_options":{"include_usage":true}}""", "stream_options")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"reasoning_effort":"huge"}""", "reasoning_effort")]
    [InlineData("""{"model":"m","messages":[{"role":"user","content":"x"}],"top_k":2}""", "top_k")]
    [InlineData("""{"model":"m","model":"m","messages":[{"role":"user","content":"x"}]}""", null)]
    public async Task Request_ThatOpenAIRefuses_IsRefused(string body, string? param)
    {
        var answer = await _simulator.PostAsync(body);
        Assert.Equal(400, answer.Status);
        Assert.Equal(param, (string?)answer.Json["error"]!["param"]);
        Assert.Equal("invalid_request_error", (string?)answer.Json["error"]!["type"]);
    }

    [Fact]
    public async Task Lenient_UnknownParameter_IsTaken() =>
        Assert.Equal(200, (await _simulator.AskAsync("simulated:lenient", more: ""","top_k":2""")).Status);

    [Fact]
    public async Task Refuse_NamedParameter_IsUnsupportedThere()
    {
        var answer = await _simulator.AskAsync("simulated:refuse=max_tokens,n", more: ""","max_tokens":5""");
        Assert.Equal((400, "unsupported_parameter", "max_tokens"), (answer.Status, (string?)answer.Json["error"]!["code"], (string?)answer.Json["error"]!["param"]));
    }

    [Fact]
    public async Task Models_List_AnswersAsOpenAI()
    {
        var list = await _simulator.SendAsync(HttpMethod.Get, "/v1/models", null);
        Assert.Contains(list.Json["data"]!.AsArray(), model => (string?)model!["id"] == "simulated");
        Assert.Equal(404, (await _simulator.SendAsync(HttpMethod.Get, "/nowhere", null)).Status);
        Assert.Equal(405, (await _simulator.SendAsync(HttpMethod.Get, "/v1/chat/completions", null)).Status);
    }

    [Fact]
    public async Task Requests_Received_AreKeptByteForByteUpToTheLimit()
    {
        await using var small = await SimulatorClient.StartAsync(new SimulatorOptions { KeepRequests = 2 });
        for (var i = 0; i < 3; i++)
            await small.PostAsync(SimulatorClient.Ask("simulated", text: "no. " + i), ("x-test", "yes"));
        Assert.Equal(2, small.Host.Requests.Count);
        var last = small.Host.Requests[^1];
        Assert.Equal(SimulatorClient.Ask("simulated", text: "no. 2"), System.Text.Encoding.UTF8.GetString(last.Body));
        Assert.Equal(("POST", "/v1/chat/completions", "yes"), (last.Method, last.Path, last.Headers["X-Test"]));
        Assert.False(await last.Ended);
    }

    [Fact]
    public async Task Azure_Stream_BeginsWithAChunkWithoutChoices()
    {
        var path = "/openai/deployments/my-gpt/chat/completions";
        var body = SimulatorClient.Ask("ignored", true);
        var stream = await _simulator.SendAsync(HttpMethod.Post, path + "?api-version=2024-10-21", body, ("api-key", "k"));
        Assert.Equal(("", 0), ((string?)stream.Chunks[0]["id"], stream.Chunks[0]["choices"]!.AsArray().Count));
        Assert.Equal("my-gpt", (string?)stream.Chunks[1]["model"]);
        Assert.Equal(404, (await _simulator.SendAsync(HttpMethod.Post, path, body, ("api-key", "k"))).Status);
        Assert.Equal(401, (await _simulator.SendAsync(HttpMethod.Post, path + "?api-version=2024-10-21", body)).Status);
        var blocked = await _simulator.SendAsync(HttpMethod.Post, "/openai/v1/chat/completions", SimulatorClient.Ask("sim-blocked"), ("api-key", "k"));
        Assert.Null(blocked.Json["choices"]![0]!["message"]);
        var prompt = await _simulator.SendAsync(HttpMethod.Post, "/openai/v1/chat/completions", SimulatorClient.Ask("simulated:blocked=prompt"), ("api-key", "k"));
        Assert.Equal((400, "ResponsibleAIPolicyViolation"), (prompt.Status, (string?)prompt.Json["error"]!["innererror"]!["code"]));
    }
}
