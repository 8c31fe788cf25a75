using System.Buffers;
using System.Text.Json;
using CrossModel.Configuration;
using CrossModel.Routing;
using static CrossModel.Tests.Routing.RoutingBench;

namespace CrossModel.Tests.Routing;

public sealed class ModelsEndpointTests
{
    private readonly RoutingBench _bench = new();

    [Fact]
    public void List_OfAKey_ShowsWhatItMayCallAlone()
    {
        var endpoint = Endpoint(Config(new() { ["x/1"] = Priced(To("a")), ["y/2"] = Priced(To("a")), ["y/3"] = Priced(To("a")) }));
        Assert.Equal(["x/1", "y/2", "y/3"], Listed(endpoint, null));
        Assert.Equal(["y/2", "y/3"], Listed(endpoint, id => id.StartsWith("y/", StringComparison.Ordinal)));
        Assert.Empty(Listed(endpoint, _ => false));
    }

    [Fact]
    public void Model_WithFactsAndPrice_HasEveryMember()
    {
        var model = One(Config(new()
        {
            ["acme/m-1"] = Priced(To("a")) with
            {
                Name = "M One",
                Description = "Says \"hi\"",
                ContextWindow = 1000,
                MaxOutputTokens = 100,
                InputModalities = ["text", "image"],
                OutputModalities = ["text"],
                Tools = true,
                StructuredOutput = false,
                ReasoningEfforts = ["low", "high"],
                Price = new PriceConfig { Versions = [new PriceVersionConfig { Input = 1.50m, CachedInput = 0.000000001m, CacheWriteHour = 3m, AudioInput = 40m, Output = 2m, AudioOutput = 80m, Tiers = [new PriceTierConfig { Above = 200, Input = 3, AudioInput = 50m }] }] },
            },
        }), "acme/m-1");
        Assert.Equal("""
            {"id":"acme/m-1","object":"model","created":0,"owned_by":"acme","name":"M One","description":"Says \"hi\"","context_window":1000,"max_output_tokens":100,"pricing":{"currency":"USD","unit":"per million tokens","input":"1.5","cached_input":"0.000000001","cache_write_hour":"3","audio_input":"40","output":"2","audio_output":"80","tiers":[{"above":200,"input":"3","audio_input":"50"}]},"capabilities":{"tools":true,"structured_output":false,"reasoning":null,"reasoning_efforts":["low","high"],"temperature":null},"modalities":{"input":["text","image"],"output":["text"]}}
            """, model);
    }

    [Fact]
    public void Model_ById_IsFound() =>
        Assert.StartsWith("{\"id\":\"x/a/b\"", One(Config(new() { ["x/a/b"] = Priced(To("a")) }), "x/a/b"), StringComparison.Ordinal);

    [Fact]
    public void Model_UnknownOrNotAllowed_Is404Alike()
    {
        var endpoint = Endpoint(Config(new() { ["x/1"] = Priced(To("a")) }));
        var unknown = endpoint.Write("x/2", new ArrayBufferWriter<byte>(), null)!;
        var denied = endpoint.Write("x/1", new ArrayBufferWriter<byte>(), _ => false)!;
        Assert.Equal((404, "model_not_found"), (unknown.Status, unknown.Code));
        Assert.Equal(unknown.Message.Replace("x/2", "x/1", StringComparison.Ordinal), denied.Message);
    }

    [Fact]
    public void Pricing_WhenTheNextVersionBegins_ShowsIt()
    {
        var price = new PriceConfig { Versions = [new PriceVersionConfig { Input = 1, Output = 2 }, new PriceVersionConfig { Input = 5, Output = 6, From = _bench.Now.AddDays(1) }] };
        var endpoint = Endpoint(Config(new() { ["x/1"] = Priced(To("a")) with { Price = price } }));
        Assert.Equal("1", InputPrice());
        _bench.Clock.Advance(TimeSpan.FromDays(1));
        Assert.Equal("5", InputPrice());

        string? InputPrice()
        {
            var target = new ArrayBufferWriter<byte>();
            Assert.Null(endpoint.Write("x/1", target, null));
            return JsonDocument.Parse(target.WrittenMemory).RootElement.GetProperty("pricing").GetProperty("input").GetString();
        }
    }

    [Fact]
    public void List_OfAThousandModels_AskedAgain_AllocatesNextToNothing()
    {
        var endpoint = Endpoint(Config(Enumerable.Range(0, 1000).ToDictionary(i => $"x/{i}", _ => Priced(To("a")))));
        var target = new ArrayBufferWriter<byte>(1024 * 1024);
        endpoint.WriteList(target, null);
        target.ResetWrittenCount();
        var before = GC.GetAllocatedBytesForCurrentThread();
        endpoint.WriteList(target, null);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1024);
        Assert.Equal(1000, JsonDocument.Parse(target.WrittenMemory).RootElement.GetProperty("data").GetArrayLength());
    }

    private ModelsEndpoint Endpoint(GatewayConfig config) => new(_bench.Build(config), _bench.Clock);

    private string One(GatewayConfig config, string path)
    {
        var target = new ArrayBufferWriter<byte>();
        Assert.Null(Endpoint(config).Write(path, target, null));
        return System.Text.Encoding.UTF8.GetString(target.WrittenSpan);
    }

    private static List<string?> Listed(ModelsEndpoint endpoint, Func<string, bool>? allows)
    {
        var target = new ArrayBufferWriter<byte>();
        endpoint.WriteList(target, allows);
        var list = JsonDocument.Parse(target.WrittenMemory).RootElement;
        Assert.Equal("list", list.GetProperty("object").GetString());
        return [.. list.GetProperty("data").EnumerateArray().Select(m => m.GetProperty("id").GetString())];
    }
}
