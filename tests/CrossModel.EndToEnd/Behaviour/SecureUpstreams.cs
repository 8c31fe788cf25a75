using System.Collections.Concurrent;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using CrossModel.EndToEnd.Proofs;
using CrossModel.EndToEnd.Support;
using CrossModel.Tests.Support;
using Microsoft.AspNetCore.Http.Features;

namespace CrossModel.EndToEnd.Behaviour;

/// <summary>Providers are reached over https and HTTP/2, where many calls share a connection and each is a stream of it that can end by itself.</summary>
public sealed class SecureUpstreams(SecureUpstreams.Site site) : IClassFixture<SecureUpstreams.Site>
{
    /// <summary>HTTP/2's own errors.</summary>
    private const int InternalError = 2, RefusedStream = 7, Cancel = 8;

    public sealed class Site : IAsyncLifetime
    {
        private readonly X509Certificate2 _certificate = TestCertificate.New();
        private readonly X509Certificate2 _unknown = TestCertificate.New();
        private ScriptedUpstream? _stranger, _busy;

        internal ScriptedUpstream Upstream { get; private set; } = null!;
        internal ScriptedUpstream Second { get; private set; } = null!;
        internal ForgetfulRelay Relay { get; private set; } = null!;
        internal ServerProcess Server { get; private set; } = null!;
        internal string Key { get; private set; } = "";
        internal string Config { get; private set; } = "";
        internal ConcurrentBag<string> Protocols { get; } = [];

        /// <summary>Set when the caller has something of the stream that is cut.</summary>
        internal TaskCompletionSource Read { get; } = new();

        /// <summary>Set when the call of a caller that left has ended at the upstream.</summary>
        internal TaskCompletionSource Left { get; } = new();

        public async ValueTask InitializeAsync()
        {
            Upstream = await ScriptedUpstream.StartAsync(AnswerAsync, _certificate, streams: 2);
            Second = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync, _certificate);
            _stranger = await ScriptedUpstream.StartAsync(UsualReply.AnswerAsync, _unknown);
            _busy = await ScriptedUpstream.StartAsync((http, _) => UsualReply.JsonAsync(http, """{"error":{"message":"busy"}}""", 429), _certificate, reads: false);
            Relay = ForgetfulRelay.To(Second.Address.Port);
            var folder = TempFolder.New();
            var trusted = Path.Combine(folder, "trusted.pem");
            await File.WriteAllTextAsync(trusted, _certificate.ExportCertificatePem());
            Config = Path.Combine(folder, "crossmodel.json");
            string Model(string name, string upstream = "up") =>
                $$""" "test/{{name}}": { "routes": [ { "upstream": "{{upstream}}", "model": "{{name}}" } ], "price": { "input": 1, "output": 1 } }""";
            await File.WriteAllTextAsync(Config, $$"""
                { "urls": "http://127.0.0.1:0", "database": "sqlite:test.db",
                  "upstreams": {
                    "up": { "baseUrl": "{{Upstream.BaseUrl}}" },
                    "second": { "baseUrl": "{{Second.BaseUrl}}" },
                    "stranger": { "baseUrl": "{{_stranger.BaseUrl}}" },
                    "busy": { "baseUrl": "{{_busy.BaseUrl}}" },
                    "forgetful": { "baseUrl": "https://127.0.0.1:{{Relay.Port}}/v1" }
                  },
                  "models": {
                    {{Model("usual")}}, {{Model("reset")}}, {{Model("refuse-once")}}, {{Model("cut")}}, {{Model("slow")}}, {{Model("wait")}},
                    {{Model("stranger", "stranger")}}, {{Model("forgetful", "forgetful")}}, {{Model("busy", "busy")}},
                    "test/busy-first": { "routes": [ { "upstream": "busy", "model": "m" }, { "upstream": "second", "model": "m" } ], "price": "free" },
                    "test/two": { "routes": [ { "upstream": "up", "model": "usual" }, { "upstream": "second", "model": "m" } ], "price": "free" }
                  } }
                """);
            Assert.Equal(0, (await ServerProcess.CommandAsync("accounts", "create", "acme", "--balance", "1", "--config", Config)).ExitCode);
            Key = (await ServerProcess.CommandAsync("keys", "create", "--account", "acme", "--name", "k", "--config", Config)).Output.Trim();
            Server = await ServerProcess.StartBelievingAsync(trusted, Config);
        }

        private async Task AnswerAsync(HttpContext http, Received received)
        {
            Protocols.Add(http.Request.Protocol);
            var model = (string?)received.Json["model"];
            if (model == "reset" || (model == "refuse-once" && Upstream.Received.Count(r => (string?)r.Json["model"] == model) == 1))
            {
                http.Features.Get<IHttpResetFeature>()!.Reset(model == "reset" ? InternalError : RefusedStream);
                return;
            }
            if (model == "cut")
            {
                await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hello!")));
                // A reset discards what was not read yet.
                await Read.Task;
                http.Features.Get<IHttpResetFeature>()!.Reset(Cancel);
                return;
            }
            if (model == "slow") await Task.Delay(100);
            if (model == "wait")
            {
                await UsualReply.BeginAsync(http, UsualReply.Chunk(UsualReply.Role) + UsualReply.Chunk(UsualReply.Text("Hel")));
                await Task.Delay(TimeSpan.FromSeconds(60), http.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                if (http.RequestAborted.IsCancellationRequested) Left.SetResult();
                return;
            }
            await UsualReply.AnswerAsync(http, received);
        }

        public async ValueTask DisposeAsync()
        {
            await Server.DisposeAsync();
            Relay.Dispose();
            foreach (var upstream in (ScriptedUpstream[])[Upstream, Second, _stranger!, _busy!]) await upstream.DisposeAsync();
            _certificate.Dispose();
            _unknown.Dispose();
        }
    }

    private Task<HttpReply> AskAsync(string model, bool stream = false, string prompt = "Hi") =>
        site.Server.Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Body(model, stream, prompt), site.Key);

    private static string Body(string model, bool stream, string prompt = "Hi") =>
        $$"""{"model":"test/{{model}}","messages":[{"role":"user","content":"{{prompt}}"}],"stream":{{(stream ? "true" : "false")}}}""";

    /// <summary>On the books once the reply is there, or soon after a failure.</summary>
    private async Task<JsonNode> ReceiptAsync(HttpReply reply)
    {
        HttpReply? receipt = null;
        await Until.TrueAsync(async () => (receipt = await site.Server.Http.GetAsync("/v1/requests/" + reply.Header("x-request-id"), site.Key)).Status == System.Net.HttpStatusCode.OK);
        return receipt!.Json;
    }

    private static string Outcomes(JsonNode receipt) => string.Join(' ', receipt["attempts"]!.AsArray().Select(a => (string?)a!["outcome"]));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Call_OverHttp2_IsRelayedAndCharged(bool stream)
    {
        var reply = await AskAsync("usual", stream);

        Assert.Equal(200, (int)reply.Status);
        Assert.Contains(stream ? "[DONE]" : "Hello!", reply.Text, StringComparison.Ordinal);
        Assert.All(site.Protocols, p => Assert.Equal("HTTP/2", p));
        var receipt = await ReceiptAsync(reply);
        Assert.Equal(("reported", "0.000012", "ok"), ((string?)receipt["basis"], (string?)receipt["cost"], Outcomes(receipt)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stream_ResetBeforeItsReply_IsAFailureOfThatModel_NotOneToConnect(bool stream)
    {
        var reply = await AskAsync("reset", stream);

        Assert.Equal((502, "provider_error", "2"), ((int)reply.Status, reply.ErrorCode, reply.Header("x-crossmodel-attempts")));
        Assert.Contains("failed to answer", (string?)reply.Json["error"]!["message"], StringComparison.Ordinal);
        var receipt = await ReceiptAsync(reply);
        Assert.Equal(("waived", "0.00", "server_error server_error"), ((string?)receipt["basis"], (string?)receipt["cost"], Outcomes(receipt)));
        // Its other models do not rest.
        var before = site.Second.Received.Count;
        Assert.Equal(200, (int)(await AskAsync("two", stream)).Status);
        Assert.Equal(before, site.Second.Received.Count);
    }

    [Fact]
    public async Task Stream_Refused_IsAskedForAgain_ForOneCharge()
    {
        var reply = await AskAsync("refuse-once");

        Assert.Equal(200, (int)reply.Status);
        Assert.Equal("0.000012", (string?)(await ReceiptAsync(reply))["cost"]);
        var bodies = site.Upstream.Received.Where(r => (string?)r.Json["model"] == "refuse-once").Select(r => r.Text).ToArray();
        Assert.Equal(2, bodies.Length);
        Assert.Equal(bodies[0], bodies[1]);
    }

    [Fact]
    public async Task Stream_ResetInItsMiddle_EndsWithTheErrorEvent_AndWhatCameIsCharged()
    {
        using var response = await site.Server.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(Body("cut", stream: true)), site.Key);
        site.Read.SetResult();
        var reply = await Http.ReadAsync(response);

        Assert.Equal(200, (int)reply.Status);
        Assert.Equal("provider_error", (string?)reply.Chunks[^1]["error"]!["code"]);
        Assert.DoesNotContain("[DONE]", reply.Text, StringComparison.Ordinal);
        var receipt = await ReceiptAsync(reply);
        Assert.Equal(("counted", "cut_short"), ((string?)receipt["basis"], Outcomes(receipt)));
        Assert.NotEqual("0.00", (string?)receipt["cost"]);
    }

    /// <summary>The upstream takes two at once on a connection.</summary>
    [Fact]
    public async Task Calls_MoreThanAConnectionTakes_AreAllServed()
    {
        await AskAsync("usual");

        var replies = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => AskAsync("slow", stream: i % 2 == 0)));

        Assert.All(replies, r => Assert.Equal(200, (int)r.Status));
    }

    /// <summary>Whose body nobody reads waits for room in the connection, and the answer overtakes it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Answer_BeforeALargePromptIsRead_IsTheAnswer(bool stream)
    {
        var prompt = new string('a', 1024 * 1024);

        var refused = await AskAsync("busy", stream, prompt);
        var served = await AskAsync("busy-first", stream, prompt);

        Assert.Equal((429, "provider_rate_limited"), ((int)refused.Status, refused.ErrorCode));
        Assert.Equal(200, (int)served.Status);
        Assert.Contains(prompt, site.Second.Received[^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Caller_Gone_EndsItsStreamOfTheConnection()
    {
        using (var response = await site.Server.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(Body("wait", stream: true)), site.Key))
            Assert.Equal(200, (int)response.StatusCode);

        await site.Left.Task.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Certificate_ThatNobodyVouchesFor_IsNoConnection()
    {
        var reply = await AskAsync("stranger");

        Assert.Equal((502, "provider_error"), ((int)reply.Status, reply.ErrorCode));
        Assert.Equal("connect connect", Outcomes(await ReceiptAsync(reply)));
    }

    [Fact]
    public async Task Connection_ThatDiedWithoutAWord_IsGivenUpSoon_AndCallsGetANewOne()
    {
        Assert.Equal(200, (int)(await AskAsync("forgetful")).Status);
        site.Relay.Forget();

        var failed = await AskAsync("forgetful").WaitAsync(TimeSpan.FromSeconds(75), TestContext.Current.CancellationToken);

        // Where it was found out in time, the call has been asked again.
        Assert.True((int)failed.Status is 200 or 502, failed.Text);
        Assert.StartsWith("server_error", Outcomes(await ReceiptAsync(failed)), StringComparison.Ordinal);
        Assert.Equal(200, (int)(await AskAsync("forgetful")).Status);
    }
}
