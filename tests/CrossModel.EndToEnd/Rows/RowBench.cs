using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Rows;

/// <summary>One gateway before one scripted upstream that plays servers of several kinds; shared by the tests of a class, which run one after another.</summary>
public sealed class RowBench : IAsyncLifetime
{
    internal ScriptedUpstream Upstream { get; private set; } = null!;
    internal TestGateway Gateway { get; private set; } = null!;

    /// <summary>What the upstream answers; null: the usual reply.</summary>
    internal Func<HttpContext, Received, Task>? Answer { get; set; }

    public async ValueTask InitializeAsync()
    {
        Upstream = await ScriptedUpstream.StartAsync((http, received) => (Answer ?? UsualReply.AnswerAsync)(http, received));
        string Kind(string name, string preset) => $$""", "{{name}}": { "dialect": "openai", "preset": "{{preset}}", "baseUrl": "{{Upstream.BaseUrl}}", "apiKey": "sk-upstream-secret" }""";
        string Model(string id, string upstream, string more = "") => $$""" "{{id}}": { "routes": [ { "upstream": "{{upstream}}", "model": "m" } ], "price": "free"{{more}} } """;
        Gateway = await TestGateway.StartAsync(Upstream.BaseUrl, more: "\"exposeUpstream\": true,",
            upstreams: string.Concat(((string[])["openai", "zai", "moonshot", "perplexity", "groq", "mistral", "ollama"]).Select(p => Kind(p, p))),
            models: string.Join(", ",
                Model("test/model", "up"), Model("openai/model", "openai"), Model("zai/model", "zai"), Model("moonshot/model", "moonshot"), Model("perplexity/model", "perplexity"),
                Model("groq/model", "groq"), Model("mistral/model", "mistral"), Model("ollama/model", "ollama"),
                Model("passing/model", "up", """, "passthrough": ["top_k"]"""),
                Model("text/model", "up", """, "inputModalities": ["text"], "outputModalities": ["text"], "tools": false, "structuredOutput": false, "reasoning": false, "temperature": false"""),
                """ "priced/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "cachedInput": 0.5, "output": 2 } } """,
                """ "two/model": { "routes": [ { "upstream": "up", "model": "m", "cost": { "input": 3, "output": 3 } }, { "upstream": "openai", "model": "m", "cost": { "input": 1, "output": 1 } } ], "price": "free" } """));
    }

    public async ValueTask DisposeAsync()
    {
        await Gateway.DisposeAsync();
        await Upstream.DisposeAsync();
    }

    /// <summary>Sends a case and compares all that can be seen.</summary>
    internal async Task CheckAsync(RowCase row)
    {
        var before = Upstream.Received.Count;
        var reply = await Gateway.PostAsync(row.Body);
        var received = Upstream.Received.Skip(before).ToList();

        Assert.True((int)reply.Status == row.Status, $"{(int)reply.Status}: {reply.Text}");
        Assert.StartsWith("req_", reply.Header("x-request-id"), StringComparison.Ordinal);
        if (row.Code is not null)
        {
            Assert.Equal(row.Code, reply.ErrorCode);
            Assert.Equal(row.Param, (string?)reply.Json["error"]!["param"]);
            Assert.NotEqual("", (string?)reply.Json["error"]!["message"]);
        }
        Assert.Equal(row.Ignored, reply.Header("x-crossmodel-ignored"));
        if (row.Upstream is null)
        {
            Assert.Empty(received);
            return;
        }
        var body = Assert.Single(received).Text;
        if (row.IsExact) Assert.Equal(row.Upstream, body);
        else Assert.True(System.Text.Json.Nodes.JsonNode.DeepEquals(System.Text.Json.Nodes.JsonNode.Parse(row.Upstream), System.Text.Json.Nodes.JsonNode.Parse(body)), $"wanted {row.Upstream}\n   got {body}");
    }
}
