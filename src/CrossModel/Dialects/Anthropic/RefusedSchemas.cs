using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using CrossModel.Protocol;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// Schemas that one upstream has refused to compile. It makes one grammar of all that a request is to be held to, and says afterwards only that this
/// was too much: more than 20 strict tools, more than 24 optional members or 16 of several types, or simply too large. The same tools and format are
/// not sent there again to be held to.
/// </summary>
internal sealed class RefusedSchemas
{
    /// <summary>Beyond this many everything is forgotten.</summary>
    private const int Most = 10_000;

    private static readonly string[] Words =
        ["compiled grammar is too large", "schema is too complex", "too many strict tools", "schemas contains too many", "grammar compilation timed out"];

    private readonly ConcurrentDictionary<UInt128, bool> _refused = new();

    // By what they were written into: few requests have any, and each member of one is paid for by every call of every dialect.
    private readonly ConditionalWeakTable<UpstreamRequest, object> _keys = new();

    /// <summary>What the model is to be held to in this request.</summary>
    /// <param name="tools">Some tool is strict, and the model takes such.</param>
    /// <param name="format">The model takes the schema of the reply.</param>
    /// <param name="otherwise">The schema of the reply has another way, a tool.</param>
    public (bool Tools, bool Format) Of(ChatRequest request, string model, UpstreamRequest upstream, bool tools, bool format, bool otherwise)
    {
        if (tools && MayBeHeld("tools", request, model, upstream)) return (true, format);
        // Where it has no other way a refusal would teach nothing.
        return (false, format && (!otherwise || MayBeHeld("format", request, model, upstream)));
    }

    private bool MayBeHeld(string what, ChatRequest request, string model, UpstreamRequest upstream)
    {
        var key = KeyOf(what, request, model);
        if (_refused.ContainsKey(key))
        {
            // It may hold what was written for the try before.
            _keys.Remove(upstream);
            return false;
        }
        _keys.AddOrUpdate(upstream, key);
        return true;
    }

    /// <summary>True: the upstream refused a request for its schemas, and it is to be held to less.</summary>
    public bool Learn(string message, UpstreamRequest upstream)
    {
        if (!_keys.TryGetValue(upstream, out var key)) return false;
        if (!Words.Any(words => message.Contains(words, StringComparison.OrdinalIgnoreCase))) return false;
        if (_refused.Count > Most) _refused.Clear();
        _refused[(UInt128)key] = true;
        return true;
    }

    private static UInt128 KeyOf(string what, ChatRequest request, string model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{what} {model}\n"));
        foreach (var parameter in (ReadOnlySpan<ChatParameter>)[ChatParameter.Tools, ChatParameter.ResponseFormat])
        {
            if (request.Has(parameter)) hash.AppendData(request.Value(parameter).In(request.Body.Span));
        }
        return BitConverter.ToUInt128(hash.GetHashAndReset());
    }
}
