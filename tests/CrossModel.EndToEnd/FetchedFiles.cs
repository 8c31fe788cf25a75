using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using CrossModel.Accounts;
using CrossModel.EndToEnd.Support;
using CrossModel.Simulator;
using CrossModel.Tests.Support;
using CrossModel.Upstreams;

namespace CrossModel.EndToEnd;

/// <summary>Images and files by address, fetched by the whole program for providers that do not fetch them; loopback stands for the public internet where a test says so.</summary>
public sealed class FetchedFiles
{
    private const string AwsKeys = """ "region": "eu-central-1", "accessKeyId": "AKIDEXAMPLE", "secretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" """;
    private static readonly byte[] Png = Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==");
    private static readonly byte[] Pdf = "%PDF-1.4 one page"u8.ToArray();
    private static readonly byte[] Film = "....ftypisom a film"u8.ToArray();

    /// <summary>A server of files, a simulated provider in every dialect, and the gateway between them.</summary>
    private sealed class Stage : IAsyncDisposable
    {
        public required ScriptedUpstream Files { get; init; }
        public required SimulatorHost Provider { get; init; }
        public required TestGateway Gateway { get; init; }
        public string Host => "127.0.0.1:" + Files.Address.Port;

        public static async Task<Stage> StartAsync(Func<HttpContext, Received, Task>? answer = null, bool fetches = true, Func<IPAddress, bool>? mayFetchFrom = null, string more = "", TimeProvider? time = null)
        {
            var files = await ScriptedUpstream.StartAsync(answer ?? ServeAsync);
            var provider = await SimulatorHost.StartAsync(new SimulatorOptions(), TestContext.Current.CancellationToken);
            var folder = Directory.CreateTempSubdirectory("crossmodel-e2e-").FullName;
            var config = Path.Combine(folder, "crossmodel.json");
            var at = provider.Address.ToString().TrimEnd('/');
            string Upstream(string name, string dialect, string members, string path = "") => $$""" "{{name}}": { "dialect": "{{dialect}}", "baseUrl": "{{at}}{{path}}", {{members}}, "fetchRemote": {{(fetches ? "true" : "false")}} } """;
            string Model(string name, params string[] routes) =>
                $$""" "test/{{name}}": { "routes": [ {{string.Join(',', routes.Select(r => $$"""{ "upstream": "{{r.Split(' ')[0]}}", "model": "{{r.Split(' ')[1]}}" }"""))}} ], "price": { "input": 1, "output": 2 } } """;
            string[] upstreams =
            [
                Upstream("openai", "openai", """ "apiKey": "k" """, "/v1"), Upstream("anthropic", "anthropic", """ "apiKey": "k" """), Upstream("gemini", "gemini", """ "apiKey": "k" """),
                Upstream("vertex", "vertex", """ "project": "p", "location": "us-east5", "apiKey": "k", "headers": { "Authorization": "Bearer ya29.simulated" } """),
                Upstream("bedrock", "bedrock", AwsKeys), Upstream("invoke", "bedrock", """ "api": "invoke", """ + AwsKeys),
            ];
            string[] models =
            [
                Model("openai", "openai gpt-4o"), Model("claude", "anthropic claude-sonnet-4-5"), Model("vertex-claude", "vertex claude-sonnet-4-5@20250929"), Model("invoke", "invoke us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
                Model("bedrock", "bedrock us.anthropic.claude-sonnet-4-5-20250929-v1:0"), Model("gemini", "gemini gemini-2.5-flash"), Model("vertex", "vertex gemini-2.5-flash"),
                Model("fallback", "vertex simulated:status=500", "bedrock simulated:status=500", "anthropic claude-sonnet-4-5"), Model("mixed", "bedrock us.amazon.nova-2-lite-v1:0", "openai gpt-4o"),
            ];
            await File.WriteAllTextAsync(config, $$"""{ "urls": "http://127.0.0.1:0", "database": "sqlite:test.db", {{more}} "upstreams": { {{string.Join(',', upstreams)}} }, "models": { {{string.Join(',', models)}} } }""");
            return new Stage { Files = files, Provider = provider, Gateway = await TestGateway.StartFromAsync(folder, config, time: time, mayFetchFrom: mayFetchFrom ?? (a => a.Equals(IPAddress.Loopback))) };
        }

        private static async Task ServeAsync(HttpContext http, Received received)
        {
            var (type, body) = Path.GetExtension(received.Path) switch { ".pdf" => ("application/pdf", Pdf), ".mp4" => ("video/mp4", Film), _ => ("image/png", Png) };
            http.Response.ContentType = type;
            await http.Response.Body.WriteAsync(body);
        }

        public Task<HttpReply> AskAsync(string model, string block, string members = "", string? key = null, params (string Name, string Value)[] headers) =>
            Gateway.PostAsync($$"""{"model":"test/{{model}}","max_tokens":50,{{members}}"messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{{block}}]}]}""", key, headers);

        public string Image(string path = "/a.png") => $$$"""{"type":"image_url","image_url":{"url":"http://{{{Host}}}{{{path}}}"}}""";
        public string File_(string path = "/a.pdf") => $$$"""{"type":"file","file":{"filename":"a.pdf","file_data":"http://{{{Host}}}{{{path}}}"}}""";
        public string Video(string path = "/a.mp4") => $$$"""{"type":"video_url","video_url":{"url":"http://{{{Host}}}{{{path}}}"}}""";

        public async Task<(string Balance, string Held)> MoneyAsync()
        {
            var account = (await Gateway.Http.GetAsync("/v1/account", Gateway.Key)).Json;
            return ((string)account["balance"]!, (string)account["held"]!);
        }

        public async Task<JsonNode> ReceiptAsync(HttpReply reply) => (await Gateway.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), Gateway.Key)).Json;

        /// <summary>Refused, and as if nothing had been: no upstream asked, no money gone or held.</summary>
        public async Task<HttpReply> RefusedAsync(HttpReply reply, int status = 400)
        {
            Assert.Equal(status, (int)reply.Status);
            Assert.Empty(Provider.Requests);
            // The note of a call that gave nothing is not waited for.
            await Until.TrueAsync(async () => await MoneyAsync() == ("100.00", "0.00"));
            return reply;
        }

        public async ValueTask DisposeAsync()
        {
            await Gateway.DisposeAsync();
            await Files.DisposeAsync();
            await Provider.DisposeAsync();
        }
    }

    public static TheoryData<string, string, bool> EveryWay() => new()
    {
        { "claude", "image", false }, { "claude", "image", true }, { "claude", "file", false },
        { "vertex-claude", "image", false }, { "vertex-claude", "file", true }, { "invoke", "image", false }, { "invoke", "file", true },
        { "bedrock", "image", false }, { "bedrock", "file", true },
        { "gemini", "image", true }, { "gemini", "file", false }, { "gemini", "video", false },
        { "vertex", "image", false }, { "vertex", "file", true }, { "vertex", "video", false },
    };

    [Theory]
    [MemberData(nameof(EveryWay))]
    public async Task Address_ThatTheProviderDoesNotFetch_ArrivesThereAsData_AndIsChargedOnce(string model, string kind, bool streamed)
    {
        await using var stage = await Stage.StartAsync();
        var (block, data) = kind switch { "image" => (stage.Image(), Png), "file" => (stage.File_(), Pdf), _ => (stage.Video(), Film) };

        var reply = await stage.AskAsync(model, block, streamed ? "\"stream\":true," : "");

        Assert.Equal(200, (int)reply.Status);
        if (streamed) Assert.Equal("[DONE]", reply.Events[^1]);
        var sent = Encoding.UTF8.GetString(Assert.Single(stage.Provider.Requests).Body);
        Assert.Contains(Convert.ToBase64String(data), sent, StringComparison.Ordinal);
        Assert.DoesNotContain(stage.Host, sent, StringComparison.Ordinal);
        Assert.Single(stage.Files.Received);
        var receipt = await stage.ReceiptAsync(reply);
        var cost = decimal.Parse((string)receipt["cost"]!, System.Globalization.CultureInfo.InvariantCulture);
        Assert.True(cost > 0);
        var (balance, held) = await stage.MoneyAsync();
        Assert.Equal((100m - cost, "0.00"), (decimal.Parse(balance, System.Globalization.CultureInfo.InvariantCulture), held));
        // Where callers' files lie is nobody's to read afterwards.
        Assert.DoesNotContain(stage.Host, receipt.ToJsonString() + string.Join('\n', stage.Gateway.Log.All), StringComparison.Ordinal);
    }

    /// <summary>What is fetched counts against the bytes that the gateway may hold, and so does the body that it is put into.</summary>
    [Theory]
    [InlineData(50_000, true, 200)]
    [InlineData(100_000, true, 503)]
    [InlineData(200_000, false, 503)]
    public async Task Bytes_ThatAreFetched_CountAsHeld(int size, bool isImage, int status)
    {
        await using var stage = await Stage.StartAsync((http, _) => http.Response.Body.WriteAsync((byte[])[.. isImage ? Png : [], .. new byte[size]]).AsTask(), more: """ "limits": { "bufferedBytes": 190000 }, """);
        Assert.Equal(status, (int)(await stage.AskAsync("claude", stage.Image())).Status);
    }

    /// <summary>Gemini gets the results in the order of the calls, and each keeps its own picture.</summary>
    [Fact]
    public async Task Files_OfResultsThatCameInAnotherOrder_ArriveWhereTheyBelong()
    {
        await using var stage = await Stage.StartAsync();
        static string Call(string id) => $$$"""{"id":"{{{id}}}","type":"function","function":{"name":"f{{{id}}}","arguments":"{}"}}""";
        string Result(string id) => $$"""{"role":"tool","tool_call_id":"{{id}}","content":[{{stage.Image($"/{id}.png")}}]}""";
        var reply = await stage.Gateway.PostAsync($$"""{"model":"test/vertex","max_tokens":50,"messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{{Call("a")}},{{Call("b")}}]},{{Result("b")}},{{Result("a")}}]}""");
        Assert.Equal((200, 2), ((int)reply.Status, stage.Files.Received.Count));
        Assert.Equal(2, Encoding.UTF8.GetString(Assert.Single(stage.Provider.Requests).Body).Split(Convert.ToBase64String(Png)).Length - 1);
    }

    [Fact]
    public async Task Files_OfOneCall_AreFetchedOnce_ForAllItsCandidatesAndRoutes()
    {
        await using var stage = await Stage.StartAsync();
        Assert.Equal(200, (int)(await stage.AskAsync("claude", stage.Image() + "," + stage.Image(), "\"n\":2,")).Status);
        Assert.Equal((1, 2), (stage.Files.Received.Count, stage.Provider.Requests.Count));

        var reply = await stage.AskAsync("fallback", stage.Image("/b.png"));
        Assert.Equal((200, 2), ((int)reply.Status, stage.Files.Received.Count));
        Assert.Contains(Convert.ToBase64String(Png), Encoding.UTF8.GetString(stage.Provider.Requests[^1].Body), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_OfWhoCannotPay_OrIsOverALimit_AreNotFetched()
    {
        await using var stage = await Stage.StartAsync();
        var poor = await stage.Gateway.NewKeyAsync("poor", 0m);
        Assert.Equal(402, (int)(await stage.AskAsync("claude", stage.Image(), key: poor)).Status);
        var busy = await stage.Gateway.NewKeyAsync("busy", 10m, new Terms { RequestsPerMinute = 1 });
        await stage.AskAsync("openai", """{"type":"text","text":"Hi"}""", key: busy);
        Assert.Equal(429, (int)(await stage.AskAsync("claude", stage.Image(), key: busy)).Status);
        Assert.Empty(stage.Files.Received);
    }

    [Fact]
    public async Task Address_WhereTheOperatorAllowsNothing_IsRefusedBeforeAdmission_NamingBothWaysOut()
    {
        await using var stage = await Stage.StartAsync(fetches: false);
        foreach (var model in new[] { "claude", "vertex-claude", "invoke", "bedrock", "gemini", "vertex" })
        {
            var reply = await stage.RefusedAsync(await stage.AskAsync(model, stage.Image()));
            Assert.Equal(("unsupported_parameter", "messages[0].content[1].image_url.url"), (reply.ErrorCode, (string?)reply.Json["error"]!["param"]));
            foreach (var way in new[] { "data URL", "fetchRemote" }) Assert.Contains(way, reply.Text, StringComparison.Ordinal);
            Assert.Equal(model == "claude", reply.Text.Contains("https", StringComparison.Ordinal));
        }
        Assert.Empty(stage.Files.Received);
    }

    [Fact]
    public async Task Address_OnARouteOfTheSameFormat_IsLeftAsItIs()
    {
        await using var stage = await Stage.StartAsync();
        await stage.AskAsync("openai", stage.Image());
        Assert.Contains($"http://{stage.Host}/a.png", Encoding.UTF8.GetString(Assert.Single(stage.Provider.Requests).Body), StringComparison.Ordinal);
        Assert.Empty(stage.Files.Received);
    }

    [Fact]
    public async Task RouteThatNeedsNothingFetched_IsTriedWhereAFetchFails()
    {
        await using var stage = await Stage.StartAsync((http, _) =>
        {
            http.Response.StatusCode = 404;
            return Task.CompletedTask;
        });
        Assert.Equal(200, (int)(await stage.AskAsync("mixed", stage.Image())).Status);
        Assert.Contains(stage.Host, Encoding.UTF8.GetString(Assert.Single(stage.Provider.Requests).Body), StringComparison.Ordinal);
    }

    /// <summary>The caller would wait as long once more.</summary>
    [Fact]
    public async Task File_ThatCannotBeHad_IsNotAskedForAgainByTheNextRoute()
    {
        await using var stage = await Stage.StartAsync((http, _) =>
        {
            http.Response.StatusCode = 404;
            return Task.CompletedTask;
        });

        Assert.Contains("status 404", (await stage.RefusedAsync(await stage.AskAsync("fallback", stage.Image()))).Text, StringComparison.Ordinal);

        Assert.Single(stage.Files.Received);
    }

    [Theory]
    [InlineData("large", "larger than 3932160 bytes")]
    [InlineData("page", "no image")]
    [InlineData("gone", "status 404")]
    [InlineData("loop", "leads on")]
    [InlineData("private", "No public web server")]
    public async Task File_ThatCannotBeHad_Is400_NobodyIsAskedAndNothingIsHeld(string fault, string words)
    {
        using var inside = new TcpListener(IPAddress.Parse("127.0.0.2"), 0);
        inside.Start();
        await using var stage = await Stage.StartAsync(async (http, _) =>
        {
            if (fault is "loop" or "private") http.Response.Redirect(fault == "loop" ? "/again" : $"http://{inside.LocalEndpoint}/");
            else if (fault == "gone") http.Response.StatusCode = 404;
            else if (fault == "page") await http.Response.WriteAsync("<html>Log in</html>");
            else for (var i = 0; i < 64; i++) await http.Response.Body.WriteAsync(new byte[64 * 1024], http.RequestAborted);
        });
        var reply = await stage.RefusedAsync(await stage.AskAsync("bedrock", stage.Image()));
        Assert.Equal(("invalid_messages", "messages[0].content[1].image_url.url"), (reply.ErrorCode, (string?)reply.Json["error"]!["param"]));
        Assert.Contains(words, (string)reply.Json["error"]!["message"]!, StringComparison.Ordinal);
        Assert.False(inside.Pending());
        var receipt = await stage.ReceiptAsync(reply);
        Assert.Equal(("waived", 400, "0.00"), ((string?)receipt["basis"], (int)receipt["status"]!, (string?)receipt["cost"]));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("localhost")]
    [InlineData("2130706433")]
    [InlineData("0x7f.1")]
    [InlineData("[::ffff:127.0.0.1]")]
    [InlineData("0.0.0.0")]
    public async Task Address_OnThisMachine_IsNeverConnectedTo_AsTheProgramIsShipped(string host)
    {
        using var inside = new TcpListener(IPAddress.Any, 0);
        inside.Start();
        await using var stage = await Stage.StartAsync(mayFetchFrom: PublicAddress.Is);
        var port = ((IPEndPoint)inside.LocalEndpoint).Port;
        var reply = await stage.RefusedAsync(await stage.AskAsync("claude", $$$"""{"type":"image_url","image_url":{"url":"http://{{{host}}}:{{{port}}}/"}}"""));
        Assert.Contains("No public web server", reply.Text, StringComparison.Ordinal);
        Assert.False(inside.Pending());
    }

    [Fact]
    public async Task File_ThatDrips_IsGivenUpAfterTheTimeLimit()
    {
        var clock = new FakeClock();
        var asked = new TaskCompletionSource();
        await using var stage = await Stage.StartAsync(async (http, _) =>
        {
            await http.Response.Body.WriteAsync(Png.AsMemory(0, 9));
            await http.Response.Body.FlushAsync();
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }, time: clock);
        var asking = stage.AskAsync("claude", stage.Image());
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        clock.Advance(RemoteFiles.Patience);
        Assert.Contains("10 seconds", (await stage.RefusedAsync(await asking)).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_ThatWouldNotFitTheBody_AreTooLarge_AsIfTheyHadBeenSent()
    {
        await using var stage = await Stage.StartAsync((http, _) => http.Response.Body.WriteAsync(new byte[9000]).AsTask(), more: """ "limits": { "bodyBytes": 10000 }, """);
        Assert.Equal("request_too_large", (await stage.RefusedAsync(await stage.AskAsync("claude", stage.Image()), 413)).ErrorCode);
    }

    [Fact]
    public async Task DryRun_FetchesNothing_AndSaysWhatWouldBe()
    {
        await using var stage = await Stage.StartAsync();
        var reply = await stage.AskAsync("bedrock", stage.Image(), headers: ("x-crossmodel-dry-run", "1"));
        var route = Assert.Single(reply.Json["routes"]!.AsArray())!;
        Assert.Equal("messages[0].content[1].image_url.url", (string?)Assert.Single(route["fetches"]!.AsArray()));
        Assert.Equal($"http://{stage.Host}/a.png", (string?)route["body"]!["messages"]![0]!["content"]![1]!["image"]!["source"]!["bytes"]);
        Assert.Empty(stage.Files.Received);
        Assert.Empty((await stage.AskAsync("openai", stage.Image(), headers: ("x-crossmodel-dry-run", "1"))).Json["routes"]![0]!["fetches"]!.AsArray());
    }

    [Fact]
    public async Task Caller_WhoLeavesMeanwhile_EndsTheFetch_AndIsCharged_Nothing()
    {
        var (asked, ended) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var stage = await Stage.StartAsync(async (http, _) =>
        {
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ended.TrySetResult();
        });
        using var leaving = new CancellationTokenSource();
        var body = Encoding.UTF8.GetBytes($$"""{"model":"test/claude","messages":[{"role":"user","content":[{{stage.Image()}}]}]}""");
        var asking = stage.Gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", body, stage.Gateway.Key, cancellation: leaving.Token);
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        await leaving.CancelAsync();
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
        await Until.TrueAsync(async () => await stage.MoneyAsync() == ("100.00", "0.00"));
        Assert.Empty(stage.Provider.Requests);
    }
}
