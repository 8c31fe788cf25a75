using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Vertex;
using CrossModel.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace CrossModel.Tests.Dialects.Vertex;

/// <summary>Access tokens against a token endpoint on this machine.</summary>
public sealed class GoogleTokenTests : IAsyncLifetime
{
    private readonly RSA _key = RSA.Create(2048);
    private readonly string _folder = Directory.CreateTempSubdirectory("crossmodel-google-").FullName;
    private readonly ConcurrentQueue<(string Form, string? Flavor)> _asked = new();
    private readonly FakeClock _clock = new();
    private WebApplication _endpoint = null!;
    private Func<int, (int Status, string Body)> _answer = n => (200, $$"""{"access_token":"token-{{n}}","expires_in":3599,"token_type":"Bearer"}""");

    private string Address => _endpoint.Urls.First() + "/token";

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        _endpoint = builder.Build();
        _endpoint.Urls.Add("http://127.0.0.1:0");
        _endpoint.Run(async http =>
        {
            using var reader = new StreamReader(http.Request.Body);
            _asked.Enqueue((await reader.ReadToEndAsync(), http.Request.Headers["Metadata-Flavor"]));
            var (status, body) = _answer(_asked.Count);
            http.Response.StatusCode = status;
            if (status == 302) http.Response.Headers.Location = "/elsewhere";
            await http.Response.WriteAsync(body);
        });
        await _endpoint.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _endpoint.DisposeAsync();
        _key.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private GoogleToken Token(object file)
    {
        var path = Path.Combine(_folder, "key.json");
        File.WriteAllText(path, JsonSerializer.Serialize(file));
        return new GoogleToken(path, _clock);
    }

    private GoogleToken ServiceAccount(bool escaped = false) => Token(new
    {
        type = "service_account",
        client_email = "robot@project.example",
        private_key_id = "kid-1",
        token_uri = Address,
        private_key = escaped ? _key.ExportPkcs8PrivateKeyPem().Replace("\n", "\\n", StringComparison.Ordinal) : _key.ExportPkcs8PrivateKeyPem(),
    });

    private static Dictionary<string, string> Form(string text) => text.Split('&').Select(p => p.Split('=')).ToDictionary(p => p[0], p => Uri.UnescapeDataString(p[1].Replace('+', ' ')));

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ServiceAccount_SignsItsAssertion(bool escaped)
    {
        using var token = ServiceAccount(escaped);
        Assert.Equal("token-1", await token.GetAsync(default));
        var form = Form(_asked.Single().Form);
        Assert.Equal("urn:ietf:params:oauth:grant-type:jwt-bearer", form["grant_type"]);
        var parts = form["assertion"].Split('.');
        Assert.True(_key.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), System.Buffers.Text.Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
        var head = JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(parts[0])).RootElement;
        Assert.Equal(("RS256", "JWT", "kid-1"), (head.GetProperty("alg").GetString(), head.GetProperty("typ").GetString(), head.GetProperty("kid").GetString()));
        var claims = JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(parts[1])).RootElement;
        Assert.Equal(("robot@project.example", Address), (claims.GetProperty("iss").GetString(), claims.GetProperty("aud").GetString()));
        Assert.Equal(_clock.GetUtcNow().ToUnixTimeSeconds(), claims.GetProperty("iat").GetInt64());
        Assert.Equal(3600, claims.GetProperty("exp").GetInt64() - claims.GetProperty("iat").GetInt64());
        Assert.Equal("https://www.googleapis.com/auth/cloud-platform", claims.GetProperty("scope").GetString());
    }

    [Fact]
    public async Task AuthorizedUser_SendsItsRefreshToken()
    {
        using var token = Token(new { type = "authorized_user", client_id = "id", client_secret = "secret", refresh_token = "refresh", token_uri = Address });
        Assert.Equal("token-1", await token.GetAsync(default));
        Assert.Equal(new Dictionary<string, string> { ["grant_type"] = "refresh_token", ["client_id"] = "id", ["client_secret"] = "secret", ["refresh_token"] = "refresh" }, Form(_asked.Single().Form));
    }

    [Fact]
    public async Task Machine_IsAskedWithItsFlavor()
    {
        using var token = new GoogleToken(null, _clock, Address);
        Assert.Equal("token-1", await token.GetAsync(default));
        Assert.Equal("Google", _asked.Single().Flavor);
    }

    [Fact]
    public async Task Token_AskedForByMany_IsFetchedOnce()
    {
        using var token = ServiceAccount();
        var all = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => token.GetAsync(default).AsTask()));
        Assert.All(all, t => Assert.Equal("token-1", t));
        Assert.Single(_asked);
    }

    [Fact]
    public async Task Token_Refused_IsFetchedAgainUnlessFresh()
    {
        using var token = ServiceAccount();
        await token.GetAsync(default);
        Assert.False(token.Forget());
        _clock.Advance(TimeSpan.FromMinutes(2));
        Assert.True(token.Forget());
        Assert.False(token.Forget());
        Assert.Equal("token-2", await token.GetAsync(default));
    }

    [Theory]
    [InlineData(400, """{"error":"invalid_grant","error_description":"secret words"}""", "invalid_grant")]
    [InlineData(200, "<html>", "access token")]
    [InlineData(200, "{}", "access token")]
    [InlineData(200, """{"access_token":""}""", "empty")]
    [InlineData(302, "", "302")]
    [InlineData(400, """{"error":"the secret of 127.0.0.1"}""", "400")]
    public async Task Token_NotGiven_IsTheOperatorsFault(int status, string body, string says)
    {
        _answer = _ => (status, body);
        using var token = ServiceAccount();
        var fault = await Assert.ThrowsAsync<CredentialException>(() => token.GetAsync(default).AsTask());
        Assert.Contains(says, fault.Message);
        Assert.DoesNotContain("secret", fault.Message);
        Assert.DoesNotContain("127.0.0.1", fault.Message);
        Assert.Single(_asked);
    }

    [Fact]
    public async Task Token_HoldsAsLongAsItsEndpointSays()
    {
        _answer = n => (200, $$"""{"access_token":"token-{{n}}","expires_in":600}""");
        using var token = ServiceAccount();
        await token.GetAsync(default);
        _clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal("token-1", await token.GetAsync(default));
        _clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal("token-2", await token.GetAsync(default));
    }

    [Fact]
    public async Task Token_OfAnEndpointThatIsSilent_IsGivenUpAfterTwentySeconds()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        using var token = new GoogleToken(null, _clock, $"http://{silent.LocalEndpoint}/token");
        var asked = token.GetAsync(default).AsTask();
        using var connection = await silent.AcceptSocketAsync(TestContext.Current.CancellationToken);
        _clock.Advance(TimeSpan.FromSeconds(20));
        var fault = await Assert.ThrowsAsync<CredentialException>(() => asked.WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Contains("in time", fault.Message);
    }

    [Fact]
    public async Task Token_OfAnEndpointThatIsNotThere_IsTheOperatorsFault()
    {
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var address = $"http://{closed.LocalEndpoint}/token";
        closed.Stop();
        using var token = new GoogleToken(null, _clock, address);
        await Assert.ThrowsAsync<CredentialException>(() => token.GetAsync(default).AsTask());
    }

    /// <summary>What a person's sign-in leaves names no address.</summary>
    [Fact]
    public void File_WithoutATokenAddress_AsksGoogle()
    {
        var path = Path.Combine(_folder, "user.json");
        File.WriteAllText(path, """{"type":"authorized_user","client_id":"id","client_secret":"s","refresh_token":"r"}""");
        Assert.Equal("https://oauth2.googleapis.com/token", GoogleKeyFile.Read(path).TokenAddress.ToString());
    }

    [Fact]
    public async Task Upstream_WithAServiceAccount_SendsItsToken_AndAnotherOnceAnOldOneIsRefused()
    {
        using var given = ServiceAccount();
        using var dialect = new VertexDialect(new UpstreamConfig { Dialect = "vertex", Project = "p", ServiceAccount = Path.Combine(_folder, "key.json") }, _clock);
        using var upstream = new UpstreamRequest { Uri = new Uri("https://aiplatform.googleapis.com/") };
        using var response = new HttpResponseMessage();
        async Task<string?> SentAsync()
        {
            using var message = new HttpRequestMessage();
            await dialect.AuthorizeAsync(message, upstream, default);
            return message.Headers.Authorization?.ToString();
        }
        Assert.Equal("Bearer token-1", await SentAsync());
        Assert.False(dialect.ReadFault(401, response.Headers, default, upstream).TryAgain);
        _clock.Advance(TimeSpan.FromMinutes(2));
        Assert.True(dialect.ReadFault(401, response.Headers, default, upstream).TryAgain);
        Assert.Equal("Bearer token-2", await SentAsync());
    }

    [Theory]
    [InlineData("""{"type":"external_account"}""")]
    [InlineData("""{"type":"service_account","client_email":"a","private_key":"nothing"}""")]
    [InlineData("""{"type":"service_account"}""")]
    [InlineData("""{"type":"authorized_user","client_id":"a","client_secret":"b","refresh_token":"c","token_uri":"ftp://tokens.example/"}""")]
    [InlineData("[]")]
    [InlineData("nothing")]
    [InlineData(null)]
    public async Task File_ThatCannotBeUsed_IsSaidSo(string? text)
    {
        var path = Path.Combine(_folder, "bad.json");
        if (text is not null) await File.WriteAllTextAsync(path, text);
        using var token = new GoogleToken(path, _clock);
        await Assert.ThrowsAsync<CredentialException>(() => token.GetAsync(default).AsTask());
    }
}
