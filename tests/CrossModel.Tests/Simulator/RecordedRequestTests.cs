using System.Text.Json.Nodes;
using CrossModel.Simulator;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Simulator;

/// <summary>The strict readers must not be stricter than the providers: what a provider once took, the simulator takes.</summary>
public sealed class RecordedRequestTests
{
    [Fact]
    public async Task Signature_OfTheOfficialSigner_IsTakenAndOnlyForThisBody()
    {
        var text = await File.ReadAllTextAsync(Path.Combine(Fixtures.Require(), "bedrock", "sigv4-vectors.json"), TestContext.Current.CancellationToken);
        foreach (var vector in JsonNode.Parse(text)!["vectors"]!.AsArray())
        {
            var clock = new FakeClock();
            clock.SetUtcNow((DateTimeOffset)vector!["date"]!);
            await using var simulator = await SimulatorClient.StartAsync(new SimulatorOptions { Time = clock });
            var headers = vector["signedHeaders"]!.AsObject().Where(header => header.Key != "content-type").Select(header => (header.Key, (string)header.Value!)).ToArray();
            var (path, body) = ((string)vector["path"]!, (string)vector["body"]!);
            Assert.NotEqual(403, await simulator.SendExactlyAsync(path, body, headers));
            Assert.Equal(403, await simulator.SendExactlyAsync(path, body + " ", headers));
            clock.Advance(TimeSpan.FromMinutes(6));
            Assert.Equal(403, await simulator.SendExactlyAsync(path, body, headers));
        }
    }

    [Theory]
    [InlineData("anthropic")]
    [InlineData("azure")]
    [InlineData("bedrock")]
    [InlineData("gemini")]
    [InlineData("openai")]
    [InlineData("vertex")]
    public async Task Request_ThatTheProviderTook_IsTaken(string folder)
    {
        var fixtures = Path.Combine(Fixtures.Require(), folder);
        await using var simulator = await SimulatorClient.StartAsync(new SimulatorOptions { KeepRequests = 0 });
        List<string> refused = [];
        foreach (var file in Directory.EnumerateFiles(fixtures, "*.meta.json"))
        {
            var meta = JsonNode.Parse(await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken))!;
            var endpoint = (string?)meta["endpoint"];
            if ((int?)meta["status"] != 200 || meta["request"] is null || endpoint?.StartsWith("https://", StringComparison.Ordinal) != true)
                continue;
            var request = Path.Combine(fixtures, (string)meta["request"]!);
            if (!File.Exists(request))
                continue;
            var path = endpoint[endpoint.IndexOf('/', 8)..];
            var answer = await simulator.SendAsync(HttpMethod.Post, path, await File.ReadAllTextAsync(request, TestContext.Current.CancellationToken),
                ("Authorization", "Bearer x"), ("anthropic-version", "2023-06-01"));
            // Signatures of a real provider are no simulator's; system turns in mid-conversation are a beta that it does not play.
            if (answer.Status != 200 && !answer.Body.Contains("signature", StringComparison.OrdinalIgnoreCase) && !answer.Body.Contains("Unexpected role", StringComparison.Ordinal))
                refused.Add($"{Path.GetFileName(file)}: {answer.Status} {answer.Body}");
        }
        Assert.True(refused.Count == 0, string.Join('\n', refused));
    }
}
