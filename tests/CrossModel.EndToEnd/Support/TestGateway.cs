using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net;
using CrossModel.Accounts;
using CrossModel.Upstreams;
using OpenAI;
using OpenAI.Chat;

namespace CrossModel.EndToEnd.Support;

/// <summary>The whole program on a free loopback port with a temporary folder and database, put together by the program's own Gateway.StartAsync.</summary>
internal sealed class TestGateway : IAsyncDisposable
{
    private readonly string _folder;

    private TestGateway(string folder, Gateway gateway, Http http) => (_folder, Gateway, Http) = (folder, gateway, http);

    public Gateway Gateway { get; }
    public Http Http { get; }
    public Uri Address => Http.Base;
    public string Key { get; private set; } = "";
    public LogLines Log { get; private init; } = null!;
    public string ConfigFile => Path.Combine(_folder, "crossmodel.json");

    /// <param name="upstream">Where the models' upstream "up" is; the base URL with its version.</param>
    /// <param name="models">The members of "models"; null: one free model test/model served by "up" as "m".</param>
    /// <param name="upstreams">Further upstreams, each beginning with a comma.</param>
    /// <param name="more">Further top-level members, each ending in a comma.</param>
    public static async Task<TestGateway> StartAsync(string upstream, string? models = null, string more = "", string upstreamMore = "", string upstreams = "", string database = "sqlite:test.db", decimal balance = 100m, TimeProvider? time = null)
    {
        var folder = Directory.CreateTempSubdirectory("crossmodel-e2e-").FullName;
        var config = Path.Combine(folder, "crossmodel.json");
        await File.WriteAllTextAsync(config, $$"""
            {
              "urls": "http://127.0.0.1:0",
              "database": "{{database}}",
              {{more}}
              "upstreams": { "up": { "dialect": "openai", "baseUrl": "{{upstream}}", "apiKey": "sk-upstream-secret"{{upstreamMore}} }{{upstreams}} },
              "models": { {{models ?? """ "test/model": { "routes": [ { "upstream": "up", "model": "m" } ], "price": "free" } """}} }
            }
            """);
        return await StartFromAsync(folder, config, balance, time);
    }

    public static async Task<TestGateway> StartFromAsync(string folder, string? config, decimal balance = 100m, TimeProvider? time = null, Func<IPAddress, bool>? mayFetchFrom = null)
    {
        var log = new LogLines();
        var gateway = await Gateway.StartAsync(new GatewayOptions
        {
            ConfigFile = config,
            Environment = new Dictionary<string, string>(),
            LoopbackServers = [],
            Time = time ?? TimeProvider.System,
            MayFetchFrom = mayFetchFrom ?? PublicAddress.Is,
            Logging = logging => logging.AddProvider(log),
        });
        var test = new TestGateway(folder, gateway, new Http(new Uri(gateway.Addresses[0]))) { Log = log };
        test.Key = await test.NewKeyAsync("default-" + Guid.NewGuid().ToString("N")[..8], balance);
        return test;
    }

    /// <summary>A new account with a balance, and a key of it.</summary>
    public async Task<string> NewKeyAsync(string account, decimal balance, Terms? accountTerms = null, Terms? keyTerms = null, IReadOnlyList<string>? models = null)
    {
        return await TestAccounts.CreateAsync(Gateway.Database, account, balance, accountTerms, keyTerms, models);
    }

    /// <summary>The official SDK, as a user would point it here.</summary>
    public ChatClient Sdk(string model = "test/model", string? key = null) =>
        new(model, new ApiKeyCredential(key ?? Key), new OpenAIClientOptions { Endpoint = new Uri(Address, "/v1"), RetryPolicy = new ClientRetryPolicy(0) });

    public Task<HttpReply> PostAsync(string body, string? key = null, params (string Name, string Value)[] headers) =>
        Http.SendAsync(HttpMethod.Post, "/v1/chat/completions", body, key ?? Key, headers);

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await Gateway.StopAsync();
        await Gateway.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
