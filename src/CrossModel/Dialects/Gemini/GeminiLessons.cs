using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Gemini;

/// <summary>What refusals have taught of one upstream: what a model does not take, and which reasoning state is not of its making.</summary>
internal sealed partial class GeminiLessons
{
    /// <summary>Beyond this many everything is forgotten: a caller who sends state of another provider over and over must not fill the memory.</summary>
    private const int MostForeign = 10_000;

    private readonly ConcurrentDictionary<string, Lesson> _models = new();
    private readonly ConcurrentDictionary<UInt128, bool> _foreign = new();

    /// <param name="Together">Gives all candidates in one call, and has done so; false: it does not; null: not tried yet.</param>
    /// <param name="NoLevels">Words for how much to think that it does not take, of those it is asked with; null: none so far.</param>
    internal readonly record struct Lesson(bool NoPenalties, bool NoSystem, bool WantsSignatures, bool NoThinking, IReadOnlyList<string>? NoLevels, bool? Together);

    /// <param name="model">The path of the model's address.</param>
    public Lesson Of(string model) => _models.GetValueOrDefault(model);

    /// <summary>The candidates of this request are asked for in one call: the provider gives up to eight of them, in no stream, and not with every model.</summary>
    public static bool AsksTogether(ChatRequest request, Lesson learned) => request is { Candidates: > 1 and <= 8, Stream: false } && learned.Together is not false;

    /// <summary>And they are sure to come.</summary>
    public bool IsSure(ChatRequest request, Uri address) => Of(GeminiAddress.ModelOf(address)) is { Together: true } learned && AsksTogether(request, learned);

    /// <summary>What a reply to several candidates shows. One that has failed once is not tried again, whatever another gave.</summary>
    public void Gave(string model, bool all) =>
        _models.AddOrUpdate(model, _ => new Lesson { Together = all }, (_, known) => known with { Together = all && known.Together is not false });

    /// <summary>The provider has refused a request because of this state.</summary>
    public bool IsForeign(ReadOnlySpan<byte> signature) => !_foreign.IsEmpty && _foreign.ContainsKey(Key(signature));

    /// <summary>
    /// True: written anew the request has a better chance, also when a call beside this one has learned the same meanwhile, since this one was written before.
    /// </summary>
    public bool Learn(string model, string message, ReadOnlyMemory<byte> sent)
    {
        bool Says(string words) =>
            message.Contains(words, StringComparison.OrdinalIgnoreCase)
            && !CallersWords.Hold(sent.Span, words, ours: words is "candidateCount" or "candidate_count" ? 1 : 0);
        var penalties = Says("penalty is not enabled") && Holds(sent, "Penalty\""u8);
        var system = Says("developer instruction is not enabled") && Holds(sent, "\"systemInstruction\""u8);
        // Who knows it writes the marker wherever a signature is missing.
        var signatures = Says("missing a thought_signature") && Holds(sent, "\"functionCall\""u8) && !Holds(sent, GoogleState.SkipMarker);
        var one = (Says("multiple candidates") || Says("one candidate") || Says("candidateCount") || Says("candidate_count")) && Holds(sent, "\"candidateCount\""u8);
        var said = NoThinking().Match(message);
        var level = said.Groups["level"].Value.ToLowerInvariant();
        var thinking = said.Success && !CallersWords.Hold(sent.Span, said.Value)
            && (level.Length == 0 ? Holds(sent, "\"thinkingConfig\""u8) : Holds(sent, Encoding.UTF8.GetBytes($"\"thinkingLevel\":\"{level}\"")));
        if (penalties || system || signatures || thinking)
        {
            Lesson Add(Lesson known)
            {
                // One word that it does not take says nothing of the others.
                var noLevels = thinking && level.Length > 0 ? [.. (known.NoLevels ?? []).Append(level).Distinct()] : known.NoLevels;
                return known with
                {
                    NoPenalties = known.NoPenalties || penalties,
                    NoSystem = known.NoSystem || system,
                    WantsSignatures = known.WantsSignatures || signatures,
                    NoThinking = known.NoThinking || (thinking && level.Length == 0) || noLevels?.Count == GeminiModel.Levels.Count,
                    NoLevels = noLevels,
                };
            }
            _models.AddOrUpdate(model, _ => Add(default), (_, known) => Add(known));
        }
        if (one) Gave(model, all: false);
        return (Says("thought signature") && Says("corrupted") && LearnForeign(sent)) || penalties || system || signatures || thinking || one;
    }

    [GeneratedRegex(@"\bThinking[ _](?:level|budget)(?: (?<level>\w+))? is not supported", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex NoThinking();

    private static bool Holds(ReadOnlyMemory<byte> sent, ReadOnlySpan<byte> name) => sent.Span.IndexOf(name) >= 0;

    /// <summary>Which one it was is not said: all that were sent are suspect, and the next request goes without them.</summary>
    private bool LearnForeign(ReadOnlyMemory<byte> sent)
    {
        if (_foreign.Count > MostForeign) _foreign.Clear();
        var any = false;
        using var json = JsonDocument.Parse(sent, new JsonDocumentOptions { MaxDepth = 1000 });
        foreach (var part in json.RootElement.GetProperty("contents"u8).EnumerateArray().SelectMany(content => content.GetProperty("parts"u8).EnumerateArray()))
        {
            if (!part.TryGetProperty("thoughtSignature"u8, out var signature) || signature.ValueEquals(GoogleState.SkipMarker)) continue;
            _foreign[Key(Encoding.UTF8.GetBytes(signature.GetString()!))] = true;
            any = true;
        }
        return any;
    }

    private static UInt128 Key(ReadOnlySpan<byte> signature)
    {
        Span<byte> digest = stackalloc byte[32];
        SHA256.HashData(signature, digest);
        return BitConverter.ToUInt128(digest);
    }
}
