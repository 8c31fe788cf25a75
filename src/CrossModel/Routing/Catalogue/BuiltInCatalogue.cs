using System.Text.Json;
using CrossModel.Configuration;

namespace CrossModel.Routing;

/// <summary>One model of the built-in catalogue.</summary>
/// <param name="Price">What the provider asked for it at the catalogue's date; null: not stated in a way that can be billed.</param>
/// <param name="Retired">The provider has announced its end: known, but not offered by itself.</param>
internal sealed record CatalogueModel(string Id, ModelFacts Facts, PriceConfig? Price, bool Retired);

/// <summary>
/// Facts of the public providers' chat models, built into the program: limits, abilities and dated prices. The configuration overrides
/// every one of them, and a configured model is never billed by them. Read when first asked, so that a start that needs none pays nothing.
/// </summary>
internal static class BuiltInCatalogue
{
    private static readonly Lazy<JsonDocument> Document = new(Load);

    /// <summary>The day the facts were taken: prices age.</summary>
    public static DateOnly Date => DateOnly.ParseExact(Document.Value.RootElement.GetProperty("date").GetString()!, "yyyy-MM-dd");

    /// <param name="vendor">A <see cref="Vendor.Name"/>.</param>
    /// <param name="upstreamModel">The model's name at the provider.</param>
    public static CatalogueModel? Find(string vendor, string upstreamModel) =>
        ModelsOf(vendor) is { } models && models.TryGetProperty(upstreamModel, out var facts) ? Read(upstreamModel, facts) : null;

    public static IEnumerable<CatalogueModel> All(string vendor) =>
        ModelsOf(vendor) is { } models ? models.EnumerateObject().Select(m => Read(m.Name, m.Value)) : [];

    private static JsonElement? ModelsOf(string vendor) =>
        Document.Value.RootElement.GetProperty("vendors").TryGetProperty(vendor, out var models) ? models : null;

    private static CatalogueModel Read(string id, JsonElement m) => new(
        id,
        new ModelFacts
        {
            Name = m.GetProperty("name").GetString(),
            Released = Text(m, "released") is { } day ? new DateTimeOffset(DateTime.ParseExact(day, "yyyy-MM-dd", null), TimeSpan.Zero) : null,
            ContextWindow = Count(m, "context"),
            MaxOutputTokens = Count(m, "output"),
            InputModalities = Texts(m, "in"),
            OutputModalities = Texts(m, "out"),
            Tools = Flag(m, "tools"),
            StructuredOutput = Flag(m, "structured"),
            Reasoning = Flag(m, "reasoning"),
            Temperature = Flag(m, "temperature"),
            ReasoningEfforts = Texts(m, "efforts"),
        },
        m.TryGetProperty("price", out var price) ? Price(price) : null,
        Flag(m, "retired") ?? false);

    private static PriceConfig Price(JsonElement p)
    {
        if (Amount(p, "input") == 0 && Amount(p, "output") == 0) return new PriceConfig { IsFree = true };
        var tiers = p.TryGetProperty("tiers", out var list)
            ? list.EnumerateArray().Select(t => new PriceTierConfig
            {
                Above = t.GetProperty("above").GetInt64(),
                Input = Amount(t, "input"),
                CachedInput = Amount(t, "cachedInput"),
                CacheWrite = Amount(t, "cacheWrite"),
                CacheWriteHour = Amount(t, "cacheWriteHour"),
                AudioInput = Amount(t, "audioInput"),
                Output = Amount(t, "output"),
                AudioOutput = Amount(t, "audioOutput"),
            }).ToList()
            : [];
        return new PriceConfig
        {
            Versions =
            [
                new PriceVersionConfig
                {
                    Input = Amount(p, "input"),
                    CachedInput = Amount(p, "cachedInput"),
                    CacheWrite = Amount(p, "cacheWrite"),
                    CacheWriteHour = Amount(p, "cacheWriteHour"),
                    AudioInput = Amount(p, "audioInput"),
                    Output = Amount(p, "output"),
                    Reasoning = Amount(p, "reasoning"),
                    AudioOutput = Amount(p, "audioOutput"),
                    Request = Amount(p, "request"),
                    Tiers = tiers,
                },
            ],
        };
    }

    private static string? Text(JsonElement m, string name) => m.TryGetProperty(name, out var v) ? v.GetString() : null;
    private static long? Count(JsonElement m, string name) => m.TryGetProperty(name, out var v) ? v.GetInt64() : null;
    private static bool? Flag(JsonElement m, string name) => m.TryGetProperty(name, out var v) ? v.GetBoolean() : null;
    private static decimal? Amount(JsonElement m, string name) => m.TryGetProperty(name, out var v) ? v.GetDecimal() : null;
    private static List<string>? Texts(JsonElement m, string name) =>
        m.TryGetProperty(name, out var v) ? [.. v.EnumerateArray().Select(t => t.GetString()!)] : null;

    private static JsonDocument Load()
    {
        using var file = typeof(BuiltInCatalogue).Assembly.GetManifestResourceStream("CrossModel.Routing.Catalogue.models.json")!;
        return JsonDocument.Parse(file);
    }
}
