using System.Text;
using System.Text.Json;
using Amazon.Runtime;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Dialects.Bedrock;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects.Bedrock;

public sealed class AwsSignerTests
{
    public static TheoryData<string> Vectors()
    {
        var names = new TheoryData<string>();
        if (Fixtures.Folder is not null) foreach (var vector in Read()) names.Add(vector.GetProperty("name").GetString()!);
        return names;
    }

    private static JsonElement.ArrayEnumerator Read() =>
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Fixtures.Require(), "bedrock", "sigv4-vectors.json"))).RootElement.GetProperty("vectors").EnumerateArray();

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Vectors))]
    public void Signature_OfAKnownRequest_IsTheOfficialSigners(string name)
    {
        var vector = Read().Single(v => v.GetProperty("name").GetString() == name);
        string Text(string member) => vector.GetProperty(member).GetString()!;
        var wanted = vector.GetProperty("signedHeaders");
        var key = new AwsKey(Text("accessKeyId"), Text("secretAccessKey"), vector.TryGetProperty("sessionToken", out var token) ? token.GetString() : null);
        var uri = new Uri($"https://{wanted.GetProperty("host").GetString()}{Text("path")}");

        var signed = AwsSigner.Sign(uri, Encoding.UTF8.GetBytes(Text("body")), Text("region"), key, vector.GetProperty("date").GetDateTimeOffset()).ToDictionary(h => h.Key, h => h.Value);

        Assert.Equal(wanted.GetProperty("authorization").GetString(), signed["authorization"]);
        foreach (var header in wanted.EnumerateObject().Where(h => h.Name.StartsWith("x-amz", StringComparison.Ordinal))) Assert.Equal(header.Value.GetString(), signed[header.Name]);
    }

    [Fact]
    public void Signature_IsOfTheHostWithItsPort_OfTheQuery_AndOfTheMomentInAnyZone()
    {
        var night = new DateTimeOffset(2026, 7, 14, 23, 30, 0, TimeSpan.Zero);
        static string Sign(string uri, DateTimeOffset now) => AwsSigner.Sign(new Uri(uri), [], "us-east-1", new AwsKey("id", "secret", null), now).Single(h => h.Key == "authorization").Value;
        Assert.Equal(Sign("https://a.example/b", night), Sign("https://a.example:443/b", night.ToOffset(TimeSpan.FromHours(9))));
        Assert.Equal(3, new[] { "https://a.example/b", "https://a.example:8443/b", "https://a.example/b?c=d" }.Select(uri => Sign(uri, night)).Distinct().Count());
    }

    [Theory]
    [InlineData("us.amazon.nova-lite-v1:0", "/model/us.amazon.nova-lite-v1%3A0/converse")]
    [InlineData("arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/abc", "/model/arn%3Aaws%3Abedrock%3Aus-west-2%3A123456789012%3Aapplication-inference-profile%2Fabc/converse")]
    public void Address_OfAModel_HasItsIdEncodedOnce(string model, string path)
    {
        using var upstream = BedrockRequestTests.Upstream("\"n\":1", model);
        Assert.Equal("https://bedrock-runtime.us-east-1.amazonaws.com" + path, upstream.Uri.AbsoluteUri);
        Assert.Equal(path, upstream.Uri.PathAndQuery);
    }

    [Fact]
    public async Task Credentials_OfARole_SignWithTheTokenOfTheMoment()
    {
        var role = new RotatingCredentials();
        var clock = new FakeClock();
        var credentials = new BedrockCredentials(new UpstreamConfig { Region = "eu-west-1" }, "eu-west-1", clock, () => role);
        using var upstream = BedrockRequestTests.Upstream("\"n\":1", "amazon.nova-lite-v1:0");
        for (var turn = 1; turn <= 2; turn++)
        {
            using var message = new HttpRequestMessage();
            await credentials.AuthorizeAsync(message, upstream, TestContext.Current.CancellationToken);
            Assert.Equal($"token-{turn}", message.Headers.GetValues("x-amz-security-token").Single());
            Assert.Contains("SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token", message.Headers.GetValues("authorization").Single(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Credentials_OfNoMachine_AreACredentialFault()
    {
        var credentials = new BedrockCredentials(new UpstreamConfig(), "eu-west-1", new FakeClock(), () => throw new AmazonClientException("secret-host"));
        using var upstream = BedrockRequestTests.Upstream("\"n\":1", "amazon.nova-lite-v1:0");
        using var message = new HttpRequestMessage();
        var fault = await Assert.ThrowsAsync<CredentialException>(() => credentials.AuthorizeAsync(message, upstream, default).AsTask());
        Assert.DoesNotContain("secret-host", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_WithAKey_AreBearerAndUnsigned()
    {
        var credentials = new BedrockCredentials(new UpstreamConfig { ApiKey = "bk" }, "eu-west-1", new FakeClock());
        using var upstream = BedrockRequestTests.Upstream("\"n\":1", "amazon.nova-lite-v1:0");
        using var message = new HttpRequestMessage();
        await credentials.AuthorizeAsync(message, upstream, default);
        Assert.Equal("Bearer bk", message.Headers.Authorization!.ToString());
        Assert.False(message.Headers.Contains("x-amz-date"));
    }

    private sealed class RotatingCredentials : AWSCredentials
    {
        private int _turn;

        public override ImmutableCredentials GetCredentials()
        {
            var turn = ++_turn;
            return new ImmutableCredentials("AKID" + turn, "secret", "token-" + turn);
        }
    }
}
