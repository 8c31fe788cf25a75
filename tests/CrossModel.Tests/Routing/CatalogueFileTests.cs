using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using CrossModel.Routing;
using CrossModel.Tests.Support;

namespace CrossModel.Tests.Routing;

/// <summary>The built-in catalogue's file is made from ../shared/catalog/models.json by this test: UPDATE_GOLDEN=1 writes it anew.</summary>
public sealed class CatalogueFileTests
{
    private const string Commit = "f3fc692";
    private const string Date = "2026-07-02";

    /// <summary>The source says that these have no tools; OpenAI gave them function calling in June 2023, from the snapshot 0613 on.</summary>
    private static readonly HashSet<string> CallTools = ["gpt-3.5-turbo", "gpt-3.5-turbo-0613", "gpt-3.5-turbo-1106", "gpt-3.5-turbo-0125"];

    /// <summary>The source leaves out what Perplexity asks for each request on top of its tokens, and that is most of it: USD where little of the web is searched, as is usual.</summary>
    private static readonly Dictionary<string, string> RequestFees = new() { ["sonar"] = "0.005", ["sonar-pro"] = "0.006", ["sonar-reasoning-pro"] = "0.006" };

    /// <summary>The source knows nothing of Converse's documents: these read them, Nova by Amazon's own table of models and features.</summary>
    private static readonly string[] ReadDocuments = ["amazon.nova-lite", "amazon.nova-pro", "amazon.nova-2-lite", "anthropic.claude"];

    [Fact]
    public void Catalogue_WhereItsSourceIsWrong_IsCorrected()
    {
        Assert.Equal([0.005m, null, 0.006m, 0.006m], BuiltInCatalogue.All("perplexity").Select(m => m.Price?.Versions[0].Request));
        Assert.True(BuiltInCatalogue.Find("openai", "gpt-3.5-turbo")!.Facts.Tools);
        Assert.True(BuiltInCatalogue.Find("azure", "gpt-3.5-turbo-0125")!.Facts.Tools);
        Assert.False(BuiltInCatalogue.Find("azure", "gpt-3.5-turbo-0301")!.Facts.Tools);
        Assert.All(["amazon.nova-lite-v1:0", "amazon.nova-pro-v1:0", "amazon.nova-2-lite-v1:0", "eu.anthropic.claude-fable-5"],
            id => Assert.Contains("pdf", BuiltInCatalogue.Find("amazon-bedrock", id)!.Facts.InputModalities!));
        Assert.DoesNotContain("pdf", BuiltInCatalogue.Find("amazon-bedrock", "amazon.nova-micro-v1:0")!.Facts.InputModalities!);
    }

    [Fact]
    public void CatalogueFile_MadeAnewFromItsSource_IsTheCommittedOne()
    {
        var source = RepoRoot.File("..", "shared", "catalog", "models.json");
        Assert.SkipUnless(File.Exists(source), "left out: ../shared/catalog is not beside this checkout");
        var made = Make(JsonDocument.Parse(File.ReadAllBytes(source)).RootElement);
        var file = RepoRoot.File("src", "CrossModel", "Routing", "Catalogue", "models.json");
        if (Environment.GetEnvironmentVariable("UPDATE_GOLDEN") == "1") File.WriteAllText(file, made);
        Assert.Equal(made, File.ReadAllText(file));
    }

    private static string Make(JsonElement source)
    {
        var vendors = new List<string>();
        foreach (var vendor in source.EnumerateObject().Where(v => v.Name != "google-vertex-anthropic"))
        {
            var models = vendor.Value.GetProperty("models").EnumerateObject().ToList();
            // Vertex is one address and one dialect, whoever made the model.
            if (vendor.Name == "google-vertex")
                models.AddRange(source.GetProperty("google-vertex-anthropic").GetProperty("models").EnumerateObject().Where(m => models.All(k => k.Name != m.Name)));
            var lines = models.Where(m => IsChat(vendor.Name, m)).OrderBy(m => m.Name, StringComparer.Ordinal).Select(m => $"{Json(m.Name)}:{Facts(m)}");
            vendors.Add($"{Json(vendor.Name)}:{{\n{string.Join(",\n", lines)}}}");
        }
        return $"{{\"source\":\"facts of models.dev, https://github.com/anomalyco/models.dev\",\"licence\":\"MIT, © 2025 models.dev; see LICENSE-models.dev\","
            + $"\"commit\":\"{Commit}\",\"date\":\"{Date}\",\"corrected\":\"tools of gpt-3.5-turbo, which calls functions since its snapshot 0613; what Perplexity asks for a request; documents of Nova and Claude at Amazon\",\"vendors\":{{\n{string.Join(",\n", vendors)}}}}}\n";
    }

    /// <summary>Text comes out, and it is asked by chat: no embeddings, pictures, speech, nor what OpenAI serves by its other API only.</summary>
    private static bool IsChat(string vendor, JsonProperty model)
    {
        string[] others = ["embed", "image", "realtime", "whisper", "-tts"];
        string[] openai = ["-pro", "codex", "deep-research"];
        if (others.Any(model.Name.Contains) || (vendor == "openai" && openai.Any(model.Name.Contains))) return false;
        // Where the source does not say what comes out, it is a language model like the rest.
        var isText = !model.Value.GetProperty("modalities").TryGetProperty("output", out var output) || output.GetArrayLength() == 0
            || output.EnumerateArray().Any(o => o.GetString() == "text");
        return isText && Number(model.Value.GetProperty("limit"), "context") > 0;
    }

    private static string Facts(JsonProperty model)
    {
        var m = model.Value;
        var facts = new List<string> { $"\"name\":{m.GetProperty("name").GetRawText()}" };
        // Some dates are a month only.
        facts.Add($"\"released\":\"{m.GetProperty("release_date").GetString() + (m.GetProperty("release_date").GetString()!.Length == 7 ? "-01" : "")}\"");
        Copy(m.GetProperty("limit"), "context", "context");
        if (Number(m.GetProperty("limit"), "output") > 0) Copy(m.GetProperty("limit"), "output", "output");
        foreach (var (from, to) in new[] { ("input", "in"), ("output", "out") })
            if (m.GetProperty("modalities").TryGetProperty(from, out var list) && list.GetArrayLength() > 0)
            {
                var adds = to == "in" && ReadDocuments.Any(model.Name.Contains) && list.EnumerateArray().All(e => e.GetString() != "pdf") ? ",\"pdf\"]" : "]";
                facts.Add($"\"{to}\":{Compact(list)[..^1]}{adds}");
            }
        if (CallTools.Contains(model.Name)) facts.Add("\"tools\":true");
        else Copy(m, "tool_call", "tools");
        Copy(m, "structured_output", "structured");
        Copy(m, "reasoning", "reasoning");
        Copy(m, "temperature", "temperature");
        if (m.TryGetProperty("reasoning_options", out var options))
            foreach (var option in options.EnumerateArray().Where(o => o.GetProperty("type").GetString() == "effort")) facts.Add($"\"efforts\":{Compact(option.GetProperty("values"))}");
        if (m.TryGetProperty("cost", out var cost) && Price(cost, model.Name) is { } price) facts.Add($"\"price\":{price}");
        if (m.TryGetProperty("status", out var status) && status.GetString() == "deprecated") facts.Add("\"retired\":true");
        return $"{{{string.Join(',', facts)}}}";

        void Copy(JsonElement holder, string from, string to)
        {
            if (holder.TryGetProperty(from, out var value)) facts.Add($"\"{to}\":{value.GetRawText()}");
        }
    }

    private static string? Price(JsonElement cost, string model)
    {
        var isClaude = model.Contains("claude", StringComparison.Ordinal);
        // Per search or per citation, in units that the source does not state: such a model cannot be billed from these facts.
        if (cost.TryGetProperty("request", out _) || cost.TryGetProperty("citation", out _)) return null;
        var parts = Classes(cost, isClaude);
        if (cost.TryGetProperty("reasoning", out var reasoning)) parts.Add($"\"reasoning\":{reasoning.GetRawText()}");
        if (RequestFees.TryGetValue(model, out var fee)) parts.Add($"\"request\":{fee}");
        if (cost.TryGetProperty("tiers", out var tiers))
        {
            var list = tiers.EnumerateArray().Select(t => $"{{\"above\":{t.GetProperty("tier").GetProperty("size").GetRawText()},{string.Join(',', Classes(t, isClaude))}}}");
            parts.Add($"\"tiers\":[{string.Join(',', list)}]");
        }
        return $"{{{string.Join(',', parts)}}}";
    }

    private static List<string> Classes(JsonElement cost, bool isClaude)
    {
        var parts = new List<string>();
        foreach (var (from, to) in new[] { ("input", "input"), ("cache_read", "cachedInput"), ("cached_input", "cachedInput"), ("cache_write", "cacheWrite"), ("cached_write", "cacheWrite"),
            ("input_audio", "audioInput"), ("output", "output"), ("output_audio", "audioOutput") })
        {
            // A zero for cache or sound means "none stated": such tokens then cost what input or output cost, never nothing by mistake.
            if (cost.TryGetProperty(from, out var price) && (price.GetDecimal() > 0 || from is "input" or "output")) parts.Add($"\"{to}\":{price.GetRawText()}");
        }
        // The source has one price for what is written to a cache, that of five minutes. For an hour Anthropic asks twice the input price, wherever Claude is served.
        if (isClaude && cost.TryGetProperty("cache_write", out _)) parts.Add($"\"cacheWriteHour\":{(2 * cost.GetProperty("input").GetDecimal()).ToString(CultureInfo.InvariantCulture)}");
        return parts;
    }

    private static long Number(JsonElement holder, string name) => holder.TryGetProperty(name, out var value) ? value.GetInt64() : 0;
    private static string Compact(JsonElement list) => $"[{string.Join(',', list.EnumerateArray().Select(e => e.GetRawText()))}]";
    private static string Json(string text) => JsonSerializer.Serialize(text, Relaxed);
    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
