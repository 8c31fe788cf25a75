using System.Globalization;
using System.Text.RegularExpressions;

namespace CrossModel.Dialects.Gemini;

/// <summary>How a model of Google's is told to think.</summary>
internal enum Thinking
{
    /// <summary>Not at all: it does not think.</summary>
    None,
    /// <summary><c>thinkingBudget</c>, in tokens.</summary>
    Budget,
    /// <summary><c>thinkingLevel</c>, a word.</summary>
    Level,
}

/// <summary>What a model's name says of it. A name without a version is taken for the newest: such names are aliases of the latest model.</summary>
/// <param name="Version">2.5 of gemini-2.5-pro; null: none in the name.</param>
internal sealed partial record GeminiModel(string Name, double? Version, bool IsGemma)
{
    /// <summary>What <see cref="Level"/> answers.</summary>
    public static IReadOnlyList<string> Levels { get; } = ["minimal", "low", "medium", "high"];

    public static GeminiModel Of(string upstreamModel)
    {
        var name = upstreamModel[(upstreamModel.LastIndexOf('/') + 1)..].ToLowerInvariant();
        var version = Numbered().Match(name);
        return new GeminiModel(name,
            version.Success ? double.Parse(version.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null,
            name.StartsWith("gemma", StringComparison.Ordinal));
    }

    public Thinking Thinking => IsGemma || Version < 2.5 ? Thinking.None : Version < 3 ? Thinking.Budget : Thinking.Level;

    /// <summary>Takes JSON Schema as it is; older ones take a part of OpenAPI's schema.</summary>
    public bool TakesJsonSchema => !IsGemma && Version is null or >= 2.5;

    /// <summary>Refuses a turn with calls that lacks the state it was thought from.</summary>
    public bool WantsSignatures => Thinking == Thinking.Level;

    /// <summary>Makes pictures, and refuses every part of an earlier turn of its own that lacks the state it was made from.</summary>
    public bool SignsAllParts => WantsSignatures && (Name.Contains("image", StringComparison.Ordinal) || Name.Contains("banana", StringComparison.Ordinal));

    /// <summary>Fetches any public https address by itself.</summary>
    public bool FetchesAddresses => TakesJsonSchema;

    /// <summary>Takes images and files inside a tool's result, and a resolution on each part.</summary>
    public bool IsThirdGeneration => Thinking == Thinking.Level;

    private bool IsPro => Name.Contains("pro", StringComparison.Ordinal);

    /// <summary>Tokens to think with for an effort; 0: none at all.</summary>
    public int Budget(string effort) => effort switch
    {
        "none" => IsPro ? 128 : 0,
        "minimal" => 512,
        "low" => 1024,
        "medium" => 2048,
        "high" => 4096,
        _ => IsPro ? 32768 : 24576,
    };

    /// <summary>The word for an effort. No model of this kind can be kept from thinking altogether.</summary>
    public string Level(string effort) => effort switch
    {
        // Pro models know low and high from the beginning, Flash has minimal too, but from 3.7 on no longer.
        "none" or "minimal" => Version < 3.7 && !IsPro ? "minimal" : "low",
        "low" or "medium" => effort,
        _ => "high",
    };

    [GeneratedRegex(@"^gemini-(\d+(?:\.\d+)?)", RegexOptions.CultureInvariant)]
    private static partial Regex Numbered();
}
