using System.Net;
using System.Text;
using Azure.Core.Pipeline;
using Azure.Identity;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Azure;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Azure;

public sealed class EntraTokenTests
{
    /// <summary>Entra ID's token endpoint, answering in memory.</summary>
    private sealed class TokenEndpoint : HttpMessageHandler
    {
        private readonly TaskCompletionSource _open = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _asked;

        public int Asked => Volatile.Read(ref _asked);
        public string LastForm { get; private set; } = "";
        public bool IsDown { get; set; }
        public void Open() => _open.TrySetResult();

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var number = Interlocked.Increment(ref _asked);
            LastForm = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
            await _open.Task.WaitAsync(cancellationToken);
            if (IsDown) return new HttpResponseMessage(HttpStatusCode.Unauthorized) { Content = new StringContent("{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: secret hunter2\"}", Encoding.UTF8, "application/json") };
            return new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent($"{{\"token_type\":\"Bearer\",\"expires_in\":3600,\"ext_expires_in\":3600,\"access_token\":\"token-{number}\"}}", Encoding.UTF8, "application/json") };
        }
    }

    private static ClientSecretCredential Credential(TokenEndpoint endpoint) => new("11111111-2222-3333-4444-555555555555", "client", "hunter2", new ClientSecretCredentialOptions
    {
        Transport = new HttpClientTransport(endpoint),
        DisableInstanceDiscovery = true,
        Retry = { MaxRetries = 0 },
    });

    [Fact]
    public async Task Token_ManyAskAtOnce_IsFetchedOnceAndSentAsBearer()
    {
        using var endpoint = new TokenEndpoint();
        using var token = new EntraToken(Credential(endpoint), "https://cognitiveservices.azure.com/.default", new FakeClock());
        using var dialect = new AzureDialect(new UpstreamConfig { Dialect = "azure", BaseUrl = "https://res.openai.azure.com/openai/v1" }, TimeProvider.System, token);
        using var upstream = new UpstreamRequest();
        var messages = Enumerable.Range(0, 50).Select(_ => new HttpRequestMessage()).ToArray();

        var waiting = messages.Select(m => dialect.AuthorizeAsync(m, upstream, TestContext.Current.CancellationToken).AsTask()).ToArray();
        endpoint.Open();
        await Task.WhenAll(waiting);

        Assert.Equal(1, endpoint.Asked);
        Assert.All(messages, m => Assert.Equal("Bearer token-1", m.Headers.Authorization!.ToString()));
        Assert.Contains("scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default", endpoint.LastForm, StringComparison.Ordinal);
        Assert.Contains("grant_type=client_credentials", endpoint.LastForm, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Token_Refused_IsACredentialFaultWithoutItsSecret()
    {
        using var endpoint = new TokenEndpoint { IsDown = true };
        endpoint.Open();
        using var token = new EntraToken(Credential(endpoint), "scope/.default", new FakeClock());
        var fault = await Assert.ThrowsAsync<CredentialException>(() => token.GetAsync(TestContext.Current.CancellationToken).AsTask());
        Assert.DoesNotContain("hunter2", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://res.openai.azure.com/openai/v1", "https://cognitiveservices.azure.com/.default")]
    [InlineData("https://res.openai.azure.us/openai/v1", "https://cognitiveservices.azure.us/.default")]
    [InlineData("https://res.openai.azure.cn/openai/v1", "https://cognitiveservices.azure.cn/.default")]
    public void Scope_OfACloud_IsItsOwn(string baseUrl, string scope) => Assert.Equal(scope, new AzureAddress(new UpstreamConfig { BaseUrl = baseUrl }).Scope);
}
