using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace CrossModel.Dialects.Gemini;

/// <summary>What refusals have taught of one upstream: what a model does not take, and which reasoning state is not of its making.</summary>
internal sealed class GeminiLessons
{
    /// <summary>Beyond this many everything is forgotten: a caller who sends state of another provider over and over must not fill the memory.</summary>
    private const int MostForeign = 10_000;

    private readonly ConcurrentDictionary<string, Lesson> _models = new();
    private readonly ConcurrentDictionary<UInt128, bool> _foreign = new();

    internal readonly record struct Lesson(bool NoPenalties, bool NoSystem, bool WantsSignatures);

    /// <param name="model">The path of the model's address.</param>
    public Lesson Of(string model) => _models.GetValueOrDefault(model);

    /// <summary>The provider has refused a request because of this state.</summary>
    public bool IsForeign(ReadOnlySpan<byte> signature) => !_foreign.IsEmpty && _foreign.ContainsKey(Key(signature));

    /// <summary>True: written anew the request has a better chance.</summary>
    public bool Learn(string model, string message, ReadOnlyMemory<byte> sent)
    {
        var known = Of(model);
        bool Says(string words) => message.Contains(words, StringComparison.OrdinalIgnoreCase);
        var learned = known with
        {
            NoPenalties = known.NoPenalties || (Says("penalty is not enabled") && Holds(sent, "Penalty\""u8)),
            NoSystem = known.NoSystem || (Says("developer instruction is not enabled") && Holds(sent, "\"systemInstruction\""u8)),
            WantsSignatures = known.WantsSignatures || (Says("missing a thought_signature") && Holds(sent, "\"functionCall\""u8)),
        };
        if (learned != known) _models[model] = learned;
        return (Says("thought signature") && Says("corrupted") && LearnForeign(sent)) || learned != known;
    }

    private static bool Holds(ReadOnlyMemory<byte> sent, ReadOnlySpan<byte> name) => sent.Span.IndexOf(name) >= 0;

    /// <summary>Which one it was is not said: all that were sent are suspect, and the next request goes without them.</summary>
    private bool LearnForeign(ReadOnlyMemory<byte> sent)
    {
        if (_foreign.Count > MostForeign) _foreign.Clear();
        var isNew = false;
        using var json = JsonDocument.Parse(sent);
        foreach (var part in json.RootElement.GetProperty("contents"u8).EnumerateArray().SelectMany(content => content.GetProperty("parts"u8).EnumerateArray()))
        {
            if (!part.TryGetProperty("thoughtSignature"u8, out var signature) || signature.ValueEquals(Signatures.SkipMarker)) continue;
            isNew |= _foreign.TryAdd(Key(Encoding.UTF8.GetBytes(signature.GetString()!)), true);
        }
        return isNew;
    }

    private static UInt128 Key(ReadOnlySpan<byte> signature)
    {
        Span<byte> digest = stackalloc byte[32];
        SHA256.HashData(signature, digest);
        return BitConverter.ToUInt128(digest);
    }
}
