using System.Text;
using CrossModel.Accounts;
using CrossModel.EndToEnd.Support;

namespace CrossModel.EndToEnd.Rows;

/// <summary>The rows of the error table, of endpoints and of request headers.</summary>
public sealed class ErrorRowTests(RowBench bench) : IClassFixture<RowBench>, IAsyncLifetime
{
    private const string Hi = """{"model":"test/model","messages":[{"role":"user","content":"Hi"}]}""";

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync()
    {
        bench.Answer = null;
        return ValueTask.CompletedTask;
    }

    private Http Http => bench.Gateway.Http;

    private static void AssertError(HttpReply reply, int status, string type, string code, string? param = null)
    {
        Assert.True((int)reply.Status == status, $"{(int)reply.Status}: {reply.Text}");
        Assert.Equal("application/json", reply.Header("content-type"));
        Assert.StartsWith("req_", reply.Header("x-request-id"), StringComparison.Ordinal);
        Assert.Equal(["error"], reply.Json.AsObject().Select(m => m.Key));
        var error = reply.Json["error"]!.AsObject();
        Assert.Equal(["message", "type", "param", "code"], error.Select(m => m.Key));
        Assert.Equal((type, code, param), ((string?)error["type"], (string?)error["code"], (string?)error["param"]));
        Assert.False(string.IsNullOrWhiteSpace((string?)error["message"]));
    }

    [Theory]
    [Row("error:invalid_json")]
    [Row("error.member:message")]
    [Row("error.member:type")]
    [Row("error.member:param")]
    [Row("error.member:code")]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("hello")]
    [InlineData("[]")]
    [InlineData("{\"model\":\"test/model\",\"model\":\"test/model\"}")]
    [InlineData("{\"mod\\u0065l\":\"a\",\"model\":\"b\"}")]
    [InlineData("{\"model\":\"\\ud800\"}")]
    [InlineData("{\"model\":\"a\"} {}")]
    [InlineData("{\"model\":\"a\",}")]
    [InlineData("{\"a\":1,/**/\"b\":2}")]
    [InlineData("\uFEFF{}")]
    public async Task Body_ThatIsNoJson_IsToldWithLineAndByte(string body)
    {
        var reply = await bench.Gateway.PostAsync(body);

        AssertError(reply, 400, "invalid_request_error", "invalid_json");
        Assert.Contains("line", reply.Text, StringComparison.Ordinal);
        Assert.Contains("byte", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    [Row("error:invalid_json")]
    public async Task Body_NotUtf8OrTooDeep_IsRefused()
    {
        using var broken = await Http.OpenAsync(HttpMethod.Post, "/v1/chat/completions", [.. Encoding.UTF8.GetBytes("{\"model\":\""), 0xff, .. "\"}"u8], bench.Gateway.Key);
        AssertError(await Support.Http.ReadAsync(broken), 400, "invalid_request_error", "invalid_json");

        var deep = await bench.Gateway.PostAsync(Hi[..^1] + ",\"metadata\":" + string.Concat(Enumerable.Repeat("[", 80)) + string.Concat(Enumerable.Repeat("]", 80)) + "}");
        AssertError(deep, 400, "invalid_request_error", "invalid_json");
    }

    [Theory]
    [Row("error:missing_required_parameter")]
    [Row("error:invalid_type")]
    [Row("error:invalid_value")]
    [Row("error:invalid_messages")]
    [Row("error:unsupported_message_role")]
    [Row("error:tool_call_id_mismatch")]
    [Row("error:unsupported_parameter")]
    [InlineData("{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", "missing_required_parameter", "model")]
    [InlineData("{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"seed\":\"x\"}", "invalid_type", "seed")]
    [InlineData("{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"n\":0}", "invalid_value", "n")]
    [InlineData("{\"model\":\"test/model\",\"messages\":[]}", "invalid_messages", "messages")]
    [InlineData("{\"model\":\"test/model\",\"messages\":[{\"role\":\"elf\",\"content\":\"Hi\"}]}", "unsupported_message_role", "messages[0].role")]
    [InlineData("{\"model\":\"test/model\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"c\",\"content\":\"Hi\"}]}", "tool_call_id_mismatch", "messages[0].tool_call_id")]
    [InlineData("{\"model\":\"test/model\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_token\":1}", "unsupported_parameter", "max_token")]
    public async Task Request_Faulty_IsRefusedWithItsCodeAndPlace(string body, string code, string param)
    {
        var before = bench.Upstream.Received.Count;

        AssertError(await bench.Gateway.PostAsync(body), 400, "invalid_request_error", code, param);
        Assert.Equal(before, bench.Upstream.Received.Count);
    }

    [Fact]
    [Row("error:unsupported_parameter")]
    public async Task UnknownParameter_HasAHintAndMayBeLetThrough()
    {
        var refused = await bench.Gateway.PostAsync(Hi[..^1] + ",\"max_token\":5}");
        Assert.Contains("did you mean max_tokens?", refused.Text, StringComparison.OrdinalIgnoreCase);

        var body = Hi.Replace("test/model", "passing/model", StringComparison.Ordinal)[..^1] + ",\"top_k\":5}";
        Assert.Equal(200, (int)(await bench.Gateway.PostAsync(body)).Status);
        Assert.Equal(body.Replace("passing/model", "m", StringComparison.Ordinal), bench.Upstream.Received[^1].Text);

        // The preset of a server with extras of its own forwards.
        Assert.Equal(200, (int)(await bench.Gateway.PostAsync(body.Replace("passing/", "ollama/", StringComparison.Ordinal))).Status);
        Assert.Equal(5, (int)bench.Upstream.Received[^1].Json["top_k"]!);
    }

    [Theory]
    [Row("error:context_length_exceeded")]
    [Row("error:upstream_rejected")]
    [Row("error:content_filter")]
    [Row("error:provider_rate_limited")]
    [Row("error:provider_error")]
    [Row("error:model_unavailable")]
    [InlineData(400, """{"error":{"message":"This model's maximum context length is 10 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}""", 400, "invalid_request_error", "context_length_exceeded")]
    [InlineData(422, """{"error":{"message":"I do not like it.","type":"invalid_request_error","param":null,"code":null}}""", 400, "invalid_request_error", "upstream_rejected")]
    [InlineData(400, """{"error":{"message":"The prompt was filtered.","type":null,"param":"prompt","code":"content_filter"}}""", 400, "invalid_request_error", "content_filter")]
    [InlineData(413, """{"error":{"message":"Too much for me."}}""", 400, "invalid_request_error", "upstream_rejected")]
    [InlineData(429, """{"error":{"message":"Slow down."}}""", 429, "rate_limit_error", "provider_rate_limited")]
    [InlineData(401, """{"error":{"message":"Bad key sk-upstream-secret."}}""", 502, "provider_error", "provider_error")]
    [InlineData(402, """{"error":{"message":"Pay up."}}""", 502, "provider_error", "provider_error")]
    [InlineData(403, "", 502, "provider_error", "provider_error")]
    [InlineData(404, """{"error":{"message":"The model m does not exist.","code":"model_not_found"}}""", 503, "api_error", "model_unavailable")]
    [InlineData(302, "", 502, "provider_error", "provider_error")]
    [InlineData(500, "<html>nginx</html>", 502, "provider_error", "provider_error")]
    [InlineData(529, "", 502, "provider_error", "provider_error")]
    [InlineData(200, "", 502, "provider_error", "provider_error")]
    [InlineData(200, "not json", 502, "provider_error", "provider_error")]
    [InlineData(200, """{"choices":[""", 502, "provider_error", "provider_error")]
    public async Task Upstream_Fails_TheCallerSeesTheTablesRow(int status, string body, int seen, string type, string code)
    {
        await using var upstream = await ScriptedUpstream.JsonAsync(body, status);
        await using var gateway = await TestGateway.StartAsync(upstream.BaseUrl);
        foreach (var sent in (string[])[Hi, Hi[..^1] + ",\"stream\":true}"])
        {
            var reply = await gateway.PostAsync(sent);

            Assert.True((int)reply.Status == seen, $"{(int)reply.Status}: {reply.Text}");
            Assert.Equal((type, code), ((string?)reply.Json["error"]!["type"], reply.ErrorCode));
            Assert.Equal(seen is 429 or 503, reply.Header("retry-after") is not null);
            Assert.DoesNotContain("sk-upstream-secret", reply.Text, StringComparison.Ordinal);
            if (code is "upstream_rejected" or "context_length_exceeded" or "content_filter")
                Assert.Equal((string?)System.Text.Json.Nodes.JsonNode.Parse(body)!["error"]!["message"], (string?)reply.Json["error"]!["message"]);
        }
    }

    [Fact]
    [Row("error:missing_api_key")]
    [Row("header:authorization")]
    public async Task Key_MissingOrNoBearer_IsToldHow()
    {
        AssertError(await Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Hi, null), 401, "authentication_error", "missing_api_key");
        foreach (var header in (string[])["", "Bearer ", "Basic YTpi", bench.Gateway.Key])
            AssertError(await Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Hi, null, ("Authorization", header)), 401, "authentication_error", "missing_api_key");
        foreach (var scheme in (string[])["bearer ", "BEARER "])
            Assert.Equal(200, (int)(await Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", Hi, null, ("Authorization", scheme + bench.Gateway.Key))).Status);
    }

    [Fact]
    [Row("error:invalid_api_key")]
    public async Task Key_UnknownOrMistyped_ReadsTheSame()
    {
        var known = await bench.Gateway.NewKeyAsync("typist", 1);
        var replies = new List<HttpReply>();
        foreach (var key in (string[])["cm-nope", known[..^1] + (known[^1] == 'a' ? 'b' : 'a'), ApiKey.New()])
            replies.Add(await Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", "not even json", key));

        Assert.All(replies, r => AssertError(r, 401, "authentication_error", "invalid_api_key"));
        Assert.Single(replies.Select(r => r.Text).Distinct());
    }

    [Fact]
    [Row("error:insufficient_balance")]
    public async Task Balance_TooSmall_SaysWhatIsMissing()
    {
        var key = await bench.Gateway.NewKeyAsync("poor", 0.0001m);

        var reply = await bench.Gateway.PostAsync(Hi.Replace("test/", "priced/", StringComparison.Ordinal)[..^1] + ",\"max_tokens\":1000}", key);

        AssertError(reply, 402, "billing_error", "insufficient_balance");
        Assert.Matches("needed 0\\.[0-9]+, held 0\\.00, available 0\\.0001 USD; [0-9]+ output tokens would be affordable", reply.Text);
    }

    [Fact]
    [Row("error:model_not_found")]
    [Row("endpoint:model")]
    public async Task Model_Unknown_IsNotFound()
    {
        AssertError(await bench.Gateway.PostAsync(Hi.Replace("test/model", "no/such", StringComparison.Ordinal)), 404, "invalid_request_error", "model_not_found", "model");
        AssertError(await Http.GetAsync("/v1/models/no/such", bench.Gateway.Key), 404, "invalid_request_error", "model_not_found", "model");
    }

    [Fact]
    [Row("error:request_not_found")]
    [Row("endpoint:receipt")]
    public async Task Receipt_IsForTheOwnAccountOnly()
    {
        var id = (await bench.Gateway.PostAsync(Hi)).Header("x-request-id");
        var stranger = await bench.Gateway.NewKeyAsync("stranger", 0);

        var receipt = await Http.GetAsync("/v1/requests/" + id, bench.Gateway.Key);
        Assert.Equal(id, (string?)receipt.Json["request_id"]);
        Assert.Equal("reported", (string?)receipt.Json["basis"]);
        AssertError(await Http.GetAsync("/v1/requests/" + id, stranger), 404, "invalid_request_error", "request_not_found");
        AssertError(await Http.GetAsync("/v1/requests/req_no", bench.Gateway.Key), 404, "invalid_request_error", "request_not_found");
    }

    [Theory]
    [Row("error:not_found")]
    [InlineData("/")]
    [InlineData("/v1")]
    [InlineData("/v1/chat")]
    [InlineData("/v1/chat/completions/")]
    [InlineData("/v1/embeddings")]
    [InlineData("/v1/models-")]
    public async Task Path_Unknown_IsNotFound(string path)
    {
        AssertError(await Http.GetAsync(path, bench.Gateway.Key), 404, "invalid_request_error", "not_found");
        AssertError(await Http.SendAsync(HttpMethod.Post, path, "{}", null), 404, "invalid_request_error", "not_found");
    }

    [Theory]
    [Row("error:method_not_allowed")]
    [Row("endpoint:chat")]
    [InlineData("GET", "/v1/chat/completions", "POST")]
    [InlineData("DELETE", "/v1/chat/completions", "POST")]
    [InlineData("POST", "/v1/models", "GET, HEAD")]
    [InlineData("PUT", "/v1/models/test/model", "GET, HEAD")]
    [InlineData("POST", "/v1/account", "GET, HEAD")]
    [InlineData("POST", "/v1/requests/req_1", "GET, HEAD")]
    [InlineData("POST", "/healthz", "GET, HEAD")]
    [InlineData("POST", "/readyz", "GET, HEAD")]
    [InlineData("POST", "/metrics", "GET, HEAD")]
    [InlineData("POST", "/console/style.css", "GET, HEAD")]
    [InlineData("PUT", "/console", "GET, HEAD, POST")]
    public async Task Method_Wrong_IsNotAllowed(string method, string path, string allowed)
    {
        var reply = await Http.SendAsync(new HttpMethod(method), path, null, bench.Gateway.Key);

        AssertError(reply, 405, "invalid_request_error", "method_not_allowed");
        Assert.Equal(allowed, reply.Header("allow"));
    }

    [Fact]
    [Row("error:request_too_large")]
    public async Task Body_OverTheLimit_IsTooLarge()
    {
        await using var gateway = await TestGateway.StartAsync(bench.Upstream.BaseUrl, more: "\"limits\": { \"bodyBytes\": 100 },");

        AssertError(await gateway.PostAsync(new string(' ', 101)), 413, "invalid_request_error", "request_too_large");
        Assert.Equal(200, (int)(await gateway.PostAsync(Hi.PadRight(100))).Status);
    }

    [Theory]
    [Row("error:unsupported_content_encoding")]
    [InlineData("gzip")]
    [InlineData("br")]
    public async Task Body_Compressed_IsRefused(string encoding) =>
        AssertError(await bench.Gateway.PostAsync(Hi, null, ("Content-Encoding", encoding)), 415, "invalid_request_error", "unsupported_content_encoding");

    [Theory]
    [InlineData("identity")]
    [InlineData("")]
    public async Task Body_NotCompressedAndSayingSo_IsRead(string encoding) =>
        Assert.Equal(200, (int)(await bench.Gateway.PostAsync(Hi, null, ("Content-Encoding", encoding))).Status);

    [Fact]
    [Row("error.member:code")]
    public async Task Faults_Several_AreToldInTheirOrder()
    {
        await using var gateway = await TestGateway.StartAsync(bench.Upstream.BaseUrl, more: "\"limits\": { \"bodyBytes\": 1000 },", models: """
            "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": { "input": 1, "output": 1000 } }
            """);
        var key = await gateway.NewKeyAsync("limited", 1, keyTerms: new Terms { RequestsPerMinute = 1 });
        Assert.Equal(200, (int)(await gateway.PostAsync(Hi[..^1] + ",\"max_tokens\":5}", key)).Status);

        const string dear = ",\"max_tokens\":5000}";
        Assert.Equal(401, (int)(await gateway.PostAsync(new string('{', 2000), "cm-nope")).Status);
        Assert.Equal(413, (int)(await gateway.PostAsync(new string('{', 2000), key)).Status);
        Assert.Equal(400, (int)(await gateway.PostAsync(Hi.Replace("test/model", "no/such", StringComparison.Ordinal)[..^1] + ",\"n\":0}", key)).Status);
        Assert.Equal(404, (int)(await gateway.PostAsync(Hi.Replace("test/model", "no/such", StringComparison.Ordinal)[..^1] + dear, key)).Status);
        Assert.Equal(429, (int)(await gateway.PostAsync(Hi[..^1] + dear, key)).Status);
        Assert.Equal(402, (int)(await gateway.PostAsync(Hi[..^1] + dear, await gateway.NewKeyAsync("poor", 1))).Status);
    }

    [Fact]
    [Row("error.member:message")]
    public async Task Echo_OfWhatWasSent_IsShort()
    {
        var name = new string('x', 500);
        foreach (var body in (string[])[Hi.Replace("test/model", name, StringComparison.Ordinal), Hi[..^1] + $",\"{name}\":1}}", Hi.Replace("user", name, StringComparison.Ordinal)])
        {
            var reply = await bench.Gateway.PostAsync(body);
            Assert.True((int)reply.Status is 400 or 404);
            Assert.DoesNotContain(new string('x', 65), reply.Text, StringComparison.Ordinal);
        }
        AssertError(await Http.GetAsync("/" + name), 404, "invalid_request_error", "not_found");
        Assert.DoesNotContain(new string('x', 65), (await Http.GetAsync("/" + name)).Text, StringComparison.Ordinal);
    }

    [Fact]
    [Row("error:internal_error")]
    public async Task Gateway_Breaks_SaysSoWithoutATrace()
    {
        await using var gateway = await TestGateway.StartAsync(bench.Upstream.BaseUrl);
        await gateway.Gateway.Database.WriteAsync(s => s.ExecuteAsync("DROP TABLE request_record"));

        var reply = await gateway.Http.GetAsync("/v1/requests/req_1", gateway.Key);

        AssertError(reply, 500, "api_error", "internal_error");
        Assert.DoesNotContain("request_record", reply.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(" at ", (string?)reply.Json["error"]!["message"], StringComparison.Ordinal);
    }

    [Fact]
    [Row("endpoint:models")]
    [Row("endpoint:model")]
    public async Task Models_AreListedAndFoundOneByOne()
    {
        var list = (await Http.GetAsync("/v1/models", bench.Gateway.Key)).Json;

        Assert.Equal("list", (string?)list["object"]);
        Assert.Contains(list["data"]!.AsArray(), m => (string?)m!["id"] == "test/model");
        foreach (var path in (string[])["/v1/models/priced/model", "/v1/models/priced%2Fmodel"])
        {
            var model = (await Http.GetAsync(path, bench.Gateway.Key)).Json.AsObject();
            Assert.Equal("priced/model", (string?)model["id"]);
            Assert.Equal("model", (string?)model["object"]);
            foreach (var member in (string[])["created", "owned_by", "name", "description", "context_window", "max_output_tokens", "pricing", "capabilities", "modalities"])
                Assert.True(model.ContainsKey(member), member);
        }
    }

    [Fact]
    [Row("endpoint:account")]
    public async Task Account_ShowsItsOwnMoney()
    {
        var account = (await Http.GetAsync("/v1/account", await bench.Gateway.NewKeyAsync("rich", 12.5m))).Json;

        Assert.Equal("rich", (string?)account["account"]);
        Assert.Equal("12.50", (string?)account["balance"]);
        foreach (var member in (string[])["status", "held", "available", "limits", "spend", "key"]) Assert.True(account.AsObject().ContainsKey(member), member);
        AssertError(await Http.GetAsync("/v1/account"), 401, "authentication_error", "missing_api_key");
    }

    [Fact]
    [Row("endpoint:healthz")]
    [Row("endpoint:readyz")]
    public async Task Health_AndReadiness_NeedNoKey()
    {
        Assert.Equal(200, (int)(await Http.GetAsync("/healthz")).Status);
        Assert.Equal(200, (int)(await Http.GetAsync("/readyz")).Status);
        Assert.StartsWith("req_", (await Http.GetAsync("/readyz")).Header("x-request-id"), StringComparison.Ordinal);
    }

    [Theory]
    [Row("header:content-type")]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    public async Task ContentType_Whatever_TheBodyIsJson(string type)
    {
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(Http.Base, "/v1/chat/completions")) { Content = new StringContent(Hi, Encoding.UTF8, type) };
        message.Headers.TryAddWithoutValidation("Authorization", "Bearer " + bench.Gateway.Key);
        using var client = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        using var response = await client.SendAsync(message, TestContext.Current.CancellationToken);

        Assert.Equal(200, (int)response.StatusCode);
    }

    [Fact]
    [Row("header:x-client-request-id")]
    public async Task ClientRequestId_IsLoggedBesideOursAndNeverUsedAsOne()
    {
        var reply = await bench.Gateway.PostAsync(Hi, null, ("x-client-request-id", "mine-4711"), ("x-request-id", "req_forged"));
        await bench.Gateway.PostAsync(Hi, null, ("x-client-request-id", new string('x', 513)));

        Assert.NotEqual("req_forged", reply.Header("x-request-id"));
        Assert.Contains(bench.Gateway.Log.All, l => l.Contains("client_request_id=mine-4711", StringComparison.Ordinal) && l.Contains(reply.Header("x-request-id")!, StringComparison.Ordinal));
        Assert.DoesNotContain(bench.Gateway.Log.All, l => l.Contains("xxxxxxxx", StringComparison.Ordinal));
        Assert.Null(bench.Upstream.Received[^1].Headers.GetValueOrDefault("x-client-request-id"));
    }
}
