using System.Globalization;
using CrossModel.Configuration;
using CrossModel.Dialects;
using CrossModel.Tests.Protocol;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Dialects;

/// <summary>Which addresses each dialect leaves to its provider, wants fetched, or refuses whatever the operator allows.</summary>
public sealed class RemoteLinksTests
{
    private const string Claude = "claude-sonnet-4-5";
    private const string BedrockClaude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    private const string Nova = "us.amazon.nova-2-lite-v1:0";

    private static UpstreamConfig Config(string dialect) => dialect switch
    {
        "vertex" => new UpstreamConfig { Dialect = "vertex", Project = "p", Location = "us-east5", ApiKey = "k" },
        "invoke" => new UpstreamConfig { Dialect = "bedrock", Api = "invoke", ApiKey = "k" },
        "azure" => new UpstreamConfig { Dialect = "azure", BaseUrl = "https://r.openai.azure.com/openai/v1", ApiKey = "k" },
        _ => new UpstreamConfig { Dialect = dialect, ApiKey = "k" },
    };

    private static (string? Code, IReadOnlyList<RemoteLink> Wanted) Write(string dialect, string model, string blocks, bool mayFetch = true)
    {
        using var speaker = DialectSet.Create(Config(dialect), new FakeClock());
        using var request = Requests.Accepted(Requests.Messages("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"u\"}," + blocks + "]}"));
        using var upstream = new UpstreamRequest { Remote = { MayFetch = mayFetch } };
        var refusal = speaker.Write(request, new RouteModel("a/b", model, new ModelFacts()), new WriteOptions(null, "account"), upstream);
        return (refusal?.Code, upstream.Remote.Wanted);
    }

    private static string Block(string kind, string url) => kind switch
    {
        "image" => "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" + url + "\"}}",
        "file" => "{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\",\"file_data\":\"" + url + "\"}}",
        "video" => "{\"type\":\"video_url\",\"video_url\":{\"url\":\"" + url + "\"}}",
        _ => "{\"type\":\"video\",\"video\":[\"" + url + "\"]}",
    };

    private const string Image = "messages[0].content[1].image_url.url Image 20971520";
    private const string File = "messages[0].content[1].file.file_data Document 20971520";
    private const string Video = "messages[0].content[1].video_url.url Video 20971520";

    [Theory]
    [InlineData("openai", "gpt-4o", "image", "http://a.example/a.png", "")]
    [InlineData("azure", "gpt-4o", "file", "http://a.example/a.pdf", "")]
    [InlineData("anthropic", Claude, "image", "https://a.example/a.png", "")]
    [InlineData("anthropic", Claude, "image", "http://a.example/a.png", Image)]
    [InlineData("anthropic", Claude, "image", "HTTP://a.example/a.png", Image)]
    [InlineData("anthropic", Claude, "file", "https://a.example/a.pdf", "")]
    [InlineData("anthropic", Claude, "file", "http://a.example/a.pdf", File)]
    [InlineData("anthropic", Claude, "image", "ftp://a.example/a.png", null)]
    [InlineData("vertex", Claude, "image", "https://a.example/a.png", Image)]
    [InlineData("vertex", Claude, "file", "https://a.example/a.pdf", File)]
    [InlineData("vertex", Claude, "image", "gs://bucket/a.png", null)]
    [InlineData("invoke", BedrockClaude, "image", "https://a.example/a.png", Image)]
    [InlineData("invoke", BedrockClaude, "file", "http://a.example/a.pdf", File)]
    [InlineData("bedrock", BedrockClaude, "image", "https://a.example/a.png", "messages[0].content[1].image_url.url Image 3932160")]
    [InlineData("bedrock", Nova, "frames", "http://a.example/a.png", "messages[0].content[1].video[0] Image 3932160")]
    [InlineData("bedrock", Nova, "file", "https://a.example/a.pdf", File)]
    [InlineData("bedrock", Nova, "image", "s3://bucket/a.png", "")]
    [InlineData("bedrock", Nova, "video", "https://a.example/a.mp4", null)]
    [InlineData("gemini", "gemini-2.5-flash", "image", "https://a.example/a.png", "")]
    [InlineData("gemini", "gemini-2.5-flash", "image", "http://a.example/a.png", Image)]
    [InlineData("gemini", "gemini-2.0-flash", "image", "https://a.example/a.png", Image)]
    [InlineData("gemini", "gemini-2.0-flash", "file", "https://a.example/a.pdf", File)]
    [InlineData("gemini", "gemini-2.5-flash", "video", "https://a.example/a.mp4", Video)]
    [InlineData("gemini", "gemini-2.5-flash", "video", "https://youtu.be/a", "")]
    [InlineData("gemini", "gemini-2.0-flash", "file", "https://generativelanguage.googleapis.com/v1beta/files/a", "")]
    [InlineData("gemini", "gemini-2.5-flash", "image", "gs://bucket/a.png", null)]
    [InlineData("vertex", "gemini-2.5-flash", "image", "https://a.example/a.png", Image)]
    [InlineData("vertex", "gemini-2.5-flash", "file", "http://a.example/a.pdf", File)]
    [InlineData("vertex", "gemini-2.5-flash", "frames", "https://a.example/a.png", "messages[0].content[1].video[0] Image 20971520")]
    [InlineData("vertex", "gemini-2.5-flash", "video", "https://www.youtube.com/watch?v=a", "")]
    public void Address_IsWantedOnlyWhereTheProviderDoesNotReadIt(string dialect, string model, string kind, string url, string? wanted)
    {
        var (code, links) = Write(dialect, model, Block(kind, url));
        Assert.Equal(wanted is null ? "unsupported_parameter" : null, code);
        Assert.Equal(wanted ?? "", string.Join(", ", links.Select(l => string.Create(CultureInfo.InvariantCulture, $"{l.Place} {l.Kind} {l.MostBytes}"))));
        if (links.Count == 0) return;
        Assert.Equal(url, links[0].Url);
        Assert.Equal("unsupported_parameter", Write(dialect, model, Block(kind, url), mayFetch: false).Code);
    }

    [Theory]
    [InlineData(16, null)]
    [InlineData(17, "unsupported_parameter")]
    public void Addresses_AreAtMostSixteen(int count, string? code) =>
        Assert.Equal(code, Write("anthropic", Claude, string.Join(',', Enumerable.Range(0, count).Select(i => Block("image", $"http://a.example/{i}.png")))).Code);
}
