using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>The list of models, and a configuration that changes under a running program.</summary>
public sealed class ModelsAndReload
{
    private const string One = """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free" } """;

    private static async Task<IReadOnlyList<string>> IdsAsync(TestGateway gateway, string? key = null) =>
        [.. (await gateway.Http.GetAsync("/v1/models", key ?? gateway.Key)).Json["data"]!.AsArray().Select(m => (string)m!["id"]!).Order(StringComparer.Ordinal)];

    [Fact]
    public async Task List_HoldsWhatTheKeyMayCallAndNothingElse()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, One + """
            , "test/unpriced": { "routes": [ { "upstream": "up", "model": "m" } ] },
            "other/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 0.5, "output": 2 }, "contextWindow": 1000, "maxOutputTokens": 100, "name": "Other", "inputModalities": ["text", "image"] }
            """);
        var narrow = await gateway.NewKeyAsync("narrow", 1, models: ["test/*"]);

        Assert.Equal(["other/model", "test/model"], await IdsAsync(gateway));
        Assert.Equal(["test/model"], await IdsAsync(gateway, narrow));
        foreach (var (model, key) in ((string, string)[])[("test/unpriced", gateway.Key), ("other/model", narrow)])
        {
            Assert.Equal("model_not_found", (await gateway.Http.GetAsync("/v1/models/" + model, key)).ErrorCode);
            var call = await gateway.PostAsync($$"""{"model":"{{model}}","messages":[{"role":"user","content":"Hi"}]}""", key);
            Assert.Equal((404, "model_not_found"), ((int)call.Status, call.ErrorCode));
        }
        var other = (await gateway.Http.GetAsync("/v1/models/other/model", gateway.Key)).Json;
        Assert.Equal(("Other", 1000, 100), ((string?)other["name"], (int)other["context_window"]!, (int)other["max_output_tokens"]!));
        Assert.Contains("image", other["modalities"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Contains("0.5", other["pricing"]!.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task File_Changes_TheNewModelIsThereAndARunningStreamGoesOn()
    {
        var open = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, _) =>
        {
            await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
            await open.Task.WaitAsync(TimeSpan.FromSeconds(20));
            await UsualReply.SendAsync(http, UsualReply.Chunk(UsualReply.Text("lo!")) + UsualReply.Chunk("{}", "\"stop\"") + UsualReply.Done);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, One);
        using var running = await gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", """{"model":"test/model","messages":[{"role":"user","content":"Hi"}],"stream":true}"""u8.ToArray(), gateway.Key);

        var file = await File.ReadAllTextAsync(gateway.ConfigFile, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(gateway.ConfigFile, file.Replace("\"test/model\"", "\"new/model\"", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        await Until.TrueAsync(async () => (await IdsAsync(gateway)).SequenceEqual(["new/model"]), seconds: 4);
        open.SetResult();

        var reply = await Http.ReadAsync(running);
        Assert.Equal("[DONE]", reply.Events[^1]);
        Assert.All(reply.Chunks, c => Assert.Equal("test/model", (string?)c["model"]));
    }

    [Theory]
    [InlineData("callsInFlight\": 1", "Too many calls")]
    [InlineData("bufferedBytes\": 1", "as many bytes as it may")]
    [InlineData("staleAfter\": \"1ms", "does not answer")]
    public async Task Ceiling_Changes_HoldsFromThenOn(string limit, string words)
    {
        var open = new TaskCompletionSource();
        await using var upstream = await ScriptedUpstream.StartAsync(async (http, received) =>
        {
            if ((bool?)received.Json["stream"] == true) await open.Task.WaitAsync(TimeSpan.FromSeconds(20));
            await UsualReply.AnswerAsync(http, received);
        });
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, One);
        const string Plain = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";
        var running = gateway.PostAsync(Plain[..^1] + ",\"stream\":true}");
        Assert.Equal(200, (int)(await gateway.PostAsync(Plain)).Status);

        var file = await File.ReadAllTextAsync(gateway.ConfigFile, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(gateway.ConfigFile, file.Replace("\"upstreams\"", $"\"limits\": {{ \"{limit}{(limit.EndsWith("ms", StringComparison.Ordinal) ? "\"" : "")} }}, \"upstreams\"", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        await Until.TrueAsync(async () => (await gateway.PostAsync(Plain)) is { Status: System.Net.HttpStatusCode.ServiceUnavailable } reply && reply.Text.Contains(words, StringComparison.Ordinal));
        open.SetResult();
        Assert.Equal(200, (int)(await running).Status);
    }

    [Fact]
    public async Task File_BecomesFaulty_TheOldConfigurationStaysAndTheLogSaysWhy()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, One);

        var file = await File.ReadAllTextAsync(gateway.ConfigFile, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(gateway.ConfigFile, file.Replace("\"upstream\": \"up\"", "\"upstream\": \"nowhere\"", StringComparison.Ordinal), TestContext.Current.CancellationToken);
        await Until.TrueAsync(() => gateway.Log.All.Any(l => l.Contains("models[\"test/model\"].routes[0].upstream", StringComparison.Ordinal)));

        Assert.Equal(["test/model"], await IdsAsync(gateway));
        Assert.Equal(200, (int)(await gateway.PostAsync("""{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""")).Status);
    }

    [Fact]
    public async Task RequestId_IsOnEveryResponseAndNeverTwice()
    {
        await using var upstream = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl, One);
        const string body = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]""";
        var replies = new List<HttpReply>
        {
            await gateway.PostAsync(body + "}"), await gateway.PostAsync(body + ",\"stream\":true}"), await gateway.PostAsync("{"), await gateway.PostAsync(body + "}", "cm-nope"),
        };
        foreach (var (method, path) in ((string, string)[])[("GET", "/nowhere"), ("GET", "/v1/chat/completions"), ("OPTIONS", "/v1/chat/completions"), ("HEAD", "/v1/models"), ("TRACE", "/"), ("GET", "/healthz"), ("GET", "/v1/models")])
            replies.Add(await gateway.Http.SendAsync(new HttpMethod(method), path, null, gateway.Key));

        Assert.All(replies, r => Assert.Matches("^req_[0-9A-Za-z]+$", r.Header("x-request-id")));
        Assert.Equal(replies.Count, replies.Select(r => r.Header("x-request-id")).Distinct().Count());
    }
}
