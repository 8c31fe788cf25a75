using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Protocol;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Golden;

/// <summary>One folder of Golden/chat for one dialect; README.md there says what each file is.</summary>
internal sealed partial class GoldenCase(string name, string dialect)
{
    private const string Id = "chatcmpl_golden";
    private const long Created = 1_700_000_000;
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NewLine = "\n" };

    /// <summary>Made-up upstreams: nothing is sent there.</summary>
    private static readonly Dictionary<string, (string Model, UpstreamConfig Config)> Routes = new()
    {
        ["openai"] = ("gpt-5-mini", new UpstreamConfig { Dialect = "openai", BaseUrl = "https://api.openai.com/v1", ApiKey = "key" }),
        ["azure"] = ("gpt-5-mini", new UpstreamConfig { Dialect = "azure", BaseUrl = "https://resource.openai.azure.com/openai/v1", ApiKey = "key" }),
        ["anthropic"] = ("claude-sonnet-4-5", new UpstreamConfig { Dialect = "anthropic", ApiKey = "key" }),
        ["gemini"] = ("gemini-3-pro", new UpstreamConfig { Dialect = "gemini", ApiKey = "key" }),
        ["vertex"] = ("gemini-3-pro", new UpstreamConfig { Dialect = "vertex", Project = "project", Location = "europe-west1" }),
        ["bedrock-invoke"] = ("anthropic.claude-sonnet-4-5-20250929-v1:0", new UpstreamConfig { Dialect = "bedrock", Api = "invoke", Region = "eu-central-1", ApiKey = "key" }),
        ["bedrock"] = ("anthropic.claude-sonnet-4-5-20250929-v1:0", new UpstreamConfig { Dialect = "bedrock", Region = "eu-central-1", ApiKey = "key" }),
    };

    public static string Root { get; } = RepoRoot.File("tests", "CrossModel.Tests", "Golden", "chat");

    public static bool IsUpdate { get; } = Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1";

    private string Folder => Path.Combine(Root, name);

    public byte[] Client => File.ReadAllBytes(Path.Combine(Folder, "client.json"));

    public static IEnumerable<string> Cases() => Directory.GetDirectories(Root).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal);

    public static IEnumerable<string> Dialects() => Routes.Keys;

    public bool Has(string file) => File.Exists(Path.Combine(Folder, file));

    public static IDialect Dialect(string dialect, TimeProvider time) => DialectSet.Create(Routes[dialect].Config, time);

    public static RouteModel DefaultRoute(string dialect) => new("a/b", Routes[dialect].Model, new ModelFacts());

    /// <summary>The route's model is the dialect's usual one, or what DIALECT.route.json names.</summary>
    private RouteModel Route()
    {
        var usual = DefaultRoute(dialect);
        var file = Path.Combine(Folder, dialect + ".route.json");
        if (!File.Exists(file)) return usual;
        var json = JsonNode.Parse(File.ReadAllBytes(file))!;
        return usual with { UpstreamModel = (string?)json["model"] ?? usual.UpstreamModel };
    }

    public void CheckRequest()
    {
        using var request = Protocol.Requests.Accepted(Encoding.UTF8.GetString(Client));
        using var speaker = Dialect(dialect, new FakeClock());
        using var upstream = new UpstreamRequest();
        var refusal = speaker.Write(request, Route(), new WriteOptions(null, "account"), upstream);
        if (Has(dialect + ".refusal.json"))
        {
            Assert.NotNull(refusal);
            Compare(dialect + ".refusal.json", new JsonObject { ["code"] = refusal.Code, ["param"] = refusal.Param });
            return;
        }
        Assert.Null(refusal);
        var headers = new JsonObject();
        foreach (var (header, value) in upstream.Headers) headers[header] = value;
        Compare(dialect + ".request.json", new JsonObject
        {
            ["address"] = upstream.Uri.ToString(),
            ["headers"] = headers,
            ["stream"] = upstream.Stream,
            ["ignored"] = string.Join(", ", upstream.Ignored),
            ["body"] = JsonNode.Parse(upstream.Body.Span),
        });
    }

    public void CheckReply()
    {
        var clock = new FakeClock();
        using var request = Protocol.Requests.Accepted(Encoding.UTF8.GetString(Client));
        using var speaker = Dialect(dialect, clock);
        using var upstream = new UpstreamRequest();
        Assert.Null(speaker.Write(request, Route(), new WriteOptions(null, "account"), upstream));
        var file = Directory.GetFiles(Folder, dialect + ".reply.*").Single();
        var body = File.ReadAllBytes(file);
        ReplyReader Open() => speaker.OpenReply(new ReplyContext(Id, Created, request.Model, request.Stream, request.IncludeUsage, 0, "account") { Candidates = upstream.Candidates, ContentTool = upstream.ContentTool, ToolAliases = upstream.ToolAliases }, Route());
        if (!request.Stream)
        {
            CompareClient("json", Plain(Open(), body));
            return;
        }
        var stream = Stream(Open(), body, request.IncludeUsage, []);
        CompareClient("sse", Normal(stream));
        for (var cut = 1; cut < body.Length; cut++) Assert.Equal(Normal(stream), Normal(Stream(Open(), body, request.IncludeUsage, [cut])));
        Assert.Equal(Normal(stream), Normal(Stream(Open(), body, request.IncludeUsage, [.. Enumerable.Range(1, body.Length - 1)])));
    }

    private static string Plain(ReplyReader owned, byte[] body)
    {
        using var reader = owned;
        using var output = new PooledBuffer();
        using var reply = reader.ReadPlain(body);
        Assert.Null(reader.Fault);
        reply!.Write(output, new ReplyIdentity(Id, Created, "a/b"), reply.Usage ?? default, null);
        return Pretty(JsonNode.Parse(Normal(Encoding.UTF8.GetString(output.Span)))!);
    }

    private static string Stream(ReplyReader owned, byte[] body, bool usage, int[] cuts)
    {
        using var reader = owned;
        using var output = new PooledBuffer();
        using var client = new ChunkWriter(output, Id, Created, "a/b", usage);
        using var unread = new PooledBuffer();
        var from = 0;
        foreach (var to in (int[])[.. cuts, body.Length])
        {
            if (reader.Fault is not null || reader.Ended) break;
            unread.Write(body.AsSpan(from..to));
            unread.Consume(reader.Read(unread.Span, client));
            from = to;
        }
        if (reader.Fault is null && !reader.Ended) reader.Complete(unread.Span, client);
        Assert.Null(reader.Fault);
        client.ReleaseFinish();
        client.Usage(reader.Usage ?? default, null);
        client.Done();
        return Encoding.UTF8.GetString(output.Span);
    }

    private void Compare(string file, JsonNode actual)
    {
        var path = Path.Combine(Folder, file);
        if (IsUpdate) File.WriteAllText(path, Pretty(actual));
        Assert.Equal(File.ReadAllText(path), Pretty(actual));
    }

    /// <summary>All dialects share client.reply.*; one whose reply must look otherwise has a file of its own.</summary>
    private void CompareClient(string kind, string actual)
    {
        var (shared, own) = (Path.Combine(Folder, $"client.reply.{kind}"), Path.Combine(Folder, $"{dialect}.client.reply.{kind}"));
        if (IsUpdate)
        {
            var isShared = !File.Exists(shared) || dialect == First() || File.ReadAllText(shared) == actual;
            if (isShared) File.Delete(own);
            File.WriteAllText(isShared ? shared : own, actual);
        }
        Assert.Equal(File.ReadAllText(File.Exists(own) ? own : shared), actual);
    }

    private string First() => Directory.GetFiles(Folder, "*.reply.*").Select(f => Path.GetFileName(f).Split('.')).Where(p => p[1] == "reply" && p[0] != "client").Select(p => p[0]).Min(StringComparer.Ordinal)!;

    private static string Pretty(JsonNode json) => json.ToJsonString(Indented) + "\n";

    private static string Normal(string text) => MadeIds().Replace(text, "call_made");

    [GeneratedRegex("call_[A-Za-z0-9]{24}(?=\")")]
    private static partial Regex MadeIds();
}
