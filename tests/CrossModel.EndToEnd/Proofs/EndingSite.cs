using System.Text;
using System.Text.Json.Nodes;
using CrossModel.Accounts;
using CrossModel.Billing;
using CrossModel.EndToEnd.Support;
using CrossModel.Usage;

namespace CrossModel.EndToEnd.Proofs;

/// <summary>A gateway before an upstream that ends a call in one certain way, and the record of the call.</summary>
internal sealed class EndingSite : IAsyncDisposable
{
    private readonly ScriptedUpstream _upstream;
    private readonly decimal _balance;

    private EndingSite(ScriptedUpstream upstream, TestGateway gateway, decimal balance) => (_upstream, Gateway, _balance) = (upstream, gateway, balance);

    public TestGateway Gateway { get; }

    public static async Task<EndingSite> StartAsync(Func<HttpContext, Received, Task> answer, string more = "", string model = "", string upstreamMore = "", decimal balance = 1m,
        string price = """{ "input": 1.00, "output": 2.00 }""", string database = "sqlite:test.db")
    {
        var upstream = await ScriptedUpstream.StartAsync(answer);
        var models = $$"""
            "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": {{price}}{{model}} }
            """;
        return new EndingSite(upstream, await TestGateway.StartAsync(upstream.BaseUrl, models, more, upstreamMore, database: database, balance: balance), balance);
    }

    public static Task<EndingSite> JsonAsync(string json, string upstreamMore = "", string price = """{ "input": 1.00, "output": 2.00 }""", string database = "sqlite:test.db") =>
        StartAsync(async (http, _) =>
        {
            http.Response.ContentType = "application/json";
            await http.Response.WriteAsync(json);
        }, upstreamMore: upstreamMore, price: price, database: database);

    public static Task<EndingSite> EventsAsync(params string[] data) => EventsAsync(data, 1m);

    public static Task<EndingSite> EventsAsync(string[] data, decimal balance, string database = "sqlite:test.db") =>
        TextAsync("text/event-stream", string.Concat(data.Select(d => $"data: {d}\n\n")), balance: balance, database: database);

    public static Task<EndingSite> TextAsync(string contentType, string body, string upstreamMore = "", string price = """{ "input": 1.00, "output": 2.00 }""", decimal balance = 1m,
        string database = "sqlite:test.db") => StartAsync(async (http, _) =>
        {
            http.Response.ContentType = contentType;
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(body));
        }, upstreamMore: upstreamMore, price: price, balance: balance, database: database);

    public Task<HttpReply> AskAsync(bool stream) => stream ? StreamAsync() : PlainAsync();

    public Task<HttpReply> PlainAsync(int? maxTokens = null) => Gateway.PostAsync(Body(stream: false, maxTokens));

    public Task<HttpReply> StreamAsync(int? maxTokens = null) => Gateway.PostAsync(Body(stream: true, maxTokens));

    public Task<HttpResponseMessage> OpenAsync(bool stream, int? maxTokens = null, CancellationToken cancellation = default) =>
        Gateway.Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", Encoding.UTF8.GetBytes(Body(stream, maxTokens)), Gateway.Key, cancellation: cancellation);

    public static string Body(bool stream, int? maxTokens) =>
        $$"""{"model":"test/model",{{(maxTokens is { } cap ? $"\"max_tokens\":{cap}," : "")}}{{(stream ? "\"stream\":true,\"stream_options\":{\"include_usage\":true}," : "")}}"messages":[{"role":"user","content":"123456789 123456789 123456789 "}]}""";

    /// <summary>Another key of the same account.</summary>
    public async Task<string> NewKeyAsync(Terms terms)
    {
        var keys = new KeyStore(Gateway.Gateway.Database);
        return (await keys.CreateAsync(new KeyOrder((await keys.FindAsync(Gateway.Key)).Single().Entry.AccountId, "limited", null, null, terms))).Key;
    }

    /// <summary>Calls, and closes the connection as soon as the upstream was asked, or else as soon as content came. Answers the request's id.</summary>
    public async Task<string> LeaveAsync(bool stream, bool onceUpstreamWasAsked)
    {
        using var leaving = new CancellationTokenSource();
        if (onceUpstreamWasAsked)
        {
            var call = OpenAsync(stream, cancellation: leaving.Token);
            while (_upstream.Received.Count == 0) await Task.Delay(5);
            await leaving.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        }
        else
        {
            using var response = await OpenAsync(stream, cancellation: leaving.Token);
            await using var body = await response.Content.ReadAsStreamAsync();
            Assert.True(await body.ReadAsync(new byte[16]) > 0);
        }
        return await NewestRequestAsync();
    }

    public async Task WaitForUpstreamAsync(int calls)
    {
        while (_upstream.Received.Count < calls) await Task.Delay(5);
    }

    /// <summary>Until the gateway is ready for calls again.</summary>
    public async Task WaitForServiceAsync()
    {
        for (var tries = 0; (int)(await Gateway.Http.GetAsync("/readyz")).Status != 200; tries++)
        {
            Assert.True(tries < 1500, "the gateway did not become ready again");
            await Task.Delay(20);
        }
    }

    /// <summary>The record comes when the gateway has noticed: within seconds.</summary>
    private async Task<string> NewestRequestAsync()
    {
        for (var tries = 0; tries < 1000; tries++)
        {
            var id = await Gateway.Gateway.Database.ReadAsync(s => s.FirstAsync("SELECT id FROM request_record ORDER BY id DESC LIMIT 1", row => row.GetString(0)));
            if (id is not null) return id;
            await Task.Delay(10);
        }
        Assert.Fail("no record was written");
        return "";
    }

    public async Task<JsonNode> ReceiptAsync(string id)
    {
        // What is waived is noted after the caller was answered.
        for (var tries = 0; ; tries++)
        {
            var reply = await Gateway.Http.GetAsync("/v1/requests/" + id, Gateway.Key);
            if ((int)reply.Status == 200) return reply.Json;
            Assert.True(tries < 500, reply.Text);
            await Task.Delay(10);
        }
    }

    public async Task<JsonNode> AccountAsync() => (await Gateway.Http.GetAsync("/v1/account", Gateway.Key)).Json;

    public async Task AssertRecordAsync(HttpReply reply, string basis, int status, (long Prompt, long Completion) tokens, long cost)
    {
        await AssertRecordAsync(reply.Header("x-request-id")!, basis, status, tokens, cost);
        // What the caller was shown is what is on the books.
        if (reply.Header("x-crossmodel-cost") is { } shown) Assert.Equal(Usd.Format(cost), shown);
        if ((int)reply.Status != 200) return;
        var usage = reply.Text.StartsWith('{') ? reply.Json["usage"] : reply.Chunks.LastOrDefault(c => c["usage"] is not null)?["usage"];
        if (usage is null) return;
        Assert.Equal(cost / 1_000_000_000m, (decimal)usage["cost"]!);
        Assert.Equal(tokens.Prompt, (long)usage["prompt_tokens"]!);
        Assert.Equal(tokens.Completion, (long)usage["completion_tokens"]!);
    }

    /// <param name="overHttp">False once the server has stopped: the record is read from the books.</param>
    public async Task AssertRecordAsync(string id, string basis, int status, (long Prompt, long Completion) tokens, long cost, bool overHttp = true)
    {
        if (overHttp) await ReceiptAsync(id);
        var stored = await StoredAsync(id);
        Assert.Equal((basis, status, tokens.Prompt, tokens.Completion, cost),
            (RecordText.Name(stored.Record.Basis), stored.Record.Status, stored.Record.Usage.InputTokens, stored.Record.Usage.OutputTokens, stored.Cost));
        await AssertBooksAsync(cost);
    }

    /// <summary>For endings in which the status may be either of two.</summary>
    public async Task AssertChargedAsync(string id, string basis, long cost)
    {
        await ReceiptAsync(id);
        var stored = await StoredAsync(id);
        Assert.Equal((basis, cost), (RecordText.Name(stored.Record.Basis), stored.Cost));
        await AssertBooksAsync(cost);
    }

    public async Task<StoredRequest> StoredAsync(string id) => (await new UsageQueries(Gateway.Gateway.Database).FindAsync(id))!;

    /// <summary>The balance went down by the cost and by nothing else, nothing stays held, and the books verify.</summary>
    private async Task AssertBooksAsync(long cost)
    {
        var database = Gateway.Gateway.Database;
        var balance = await database.ReadAsync(s => s.FirstAsync("SELECT balance FROM account", row => row.GetInt64(0)));
        Assert.Equal((long)(_balance * 1_000_000_000m) - cost, balance);
        Assert.Empty((await new LedgerVerifier(database).RunAsync()).Faults);
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await _upstream.DisposeAsync();
    }
}
