using System.Security.Cryptography;

namespace CrossModel.Storage;

/// <summary>Ids made by us: text that sorts by the time it was made, under any collation.</summary>
internal static class Ids
{
    // No i, l, o, u: nothing to misread, no words. Lower case only, so that PostgreSQL's collations and byte order agree.
    private const string Alphabet = "0123456789abcdefghjkmnpqrstvwxyz";

    /// <summary><c>prefix_</c>, 10 characters of unix milliseconds, 16 random ones (80 bits).</summary>
    public static string New(string prefix, TimeProvider time) =>
        string.Create(prefix.Length + 27, (prefix, Now: time.GetUtcNow().ToUnixTimeMilliseconds()), static (text, state) =>
        {
            state.prefix.CopyTo(text);
            text[state.prefix.Length] = '_';
            var rest = text[(state.prefix.Length + 1)..];
            for (var i = 9; i >= 0; i--, state.Now >>= 5) rest[i] = Alphabet[(int)(state.Now & 31)];
            RandomText.Fill(rest[10..], Alphabet);
        });

    /// <summary>What an id made at that time begins with: no earlier id of the prefix sorts after it.</summary>
    public static string FirstAt(string prefix, long unixMilliseconds) =>
        string.Create(prefix.Length + 11, (prefix, Now: Math.Max(0, unixMilliseconds)), static (text, state) =>
        {
            state.prefix.CopyTo(text);
            text[state.prefix.Length] = '_';
            for (var i = text.Length - 1; i > state.prefix.Length; i--, state.Now >>= 5) text[i] = Alphabet[(int)(state.Now & 31)];
        });
}

/// <summary>The ids of one call.</summary>
internal static class RequestIds
{
    // An id is made when its request arrives, a moment before its record's time, and its ledger entry later; but a clock may have been set back a little.
    /// <summary>Milliseconds that the times of a request's id, record and ledger entry may lie apart.</summary>
    public const long Slack = 60_000;

    /// <summary>No id of a record created at that time or later sorts before it.</summary>
    public static string FirstSince(long unixMilliseconds) => Ids.FirstAt("req", unixMilliseconds - Slack);

    /// <summary>Every id of a record created before that time sorts before it.</summary>
    public static string EndBefore(long unixMilliseconds) => Ids.FirstAt("req", unixMilliseconds + Slack);

    /// <summary>The <c>x-request-id</c>, <c>req_…</c>: what billing and look-ups rely on.</summary>
    public static string NewRequest(TimeProvider time) => Ids.New("req", time);

    /// <summary>A completion's id: <c>chatcmpl_</c> and 24 base62 characters.</summary>
    public static string NewCompletion() => string.Create(9 + 24, 0, static (text, _) =>
    {
        "chatcmpl_".CopyTo(text);
        RandomText.Fill(text[9..], RandomText.Base62);
    });
}

/// <summary>Characters from the system's cryptographic generator, each of the alphabet equally likely.</summary>
internal static class RandomText
{
    public const string Base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    // Asking the generator costs a system call: one for many ids. Used bytes are wiped, so that no past id can be read from memory.
    [ThreadStatic] private static byte[]? _pool;
    [ThreadStatic] private static int _left;

    /// <param name="alphabet">2 to 256 characters.</param>
    public static void Fill(Span<char> text, string alphabet)
    {
        // Bytes at or above the largest multiple of the alphabet's length are thrown away: a plain remainder would favour the first characters.
        var fair = 256 / alphabet.Length * alphabet.Length;
        foreach (ref var character in text)
        {
            byte random;
            do random = Next();
            while (random >= fair);
            character = alphabet[random % alphabet.Length];
        }
    }

    private static byte Next()
    {
        var pool = _pool ??= new byte[512];
        if (_left == 0)
        {
            RandomNumberGenerator.Fill(pool);
            _left = pool.Length;
        }
        var random = pool[--_left];
        pool[_left] = 0;
        return random;
    }
}
