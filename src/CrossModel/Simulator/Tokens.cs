namespace CrossModel.Simulator;

/// <summary>
/// The simulator's tokenizer: a token is the white space before a word and at most eight characters of the word. One rule for
/// usage, for the pieces of a stream, for the token cap and for logprobs, so that all four agree.
/// </summary>
internal static class Tokens
{
    private const int WordLength = 8;

    public static int Count(ReadOnlySpan<char> text)
    {
        var count = 0;
        for (var at = 0; at < text.Length; count++)
            at = EndOf(text, at);
        return count;
    }

    public static List<string> Split(string text)
    {
        var tokens = new List<string>();
        for (var at = 0; at < text.Length;)
        {
            var end = EndOf(text, at);
            tokens.Add(text[at..end]);
            at = end;
        }
        return tokens;
    }

    /// <summary>The first <paramref name="count"/> tokens of a text.</summary>
    public static string Take(string text, int count)
    {
        var at = 0;
        for (; count > 0 && at < text.Length; count--)
            at = EndOf(text, at);
        return text[..at];
    }

    private static int EndOf(ReadOnlySpan<char> text, int start)
    {
        var at = start;
        while (at < text.Length && char.IsWhiteSpace(text[at]))
            at++;
        var limit = at + WordLength;
        while (at < text.Length && at < limit && !char.IsWhiteSpace(text[at]))
            at++;
        // A surrogate pair cut in two would be two replacement characters on the wire.
        return at < text.Length && char.IsLowSurrogate(text[at]) && char.IsHighSurrogate(text[at - 1]) ? at + 1 : at;
    }
}

/// <summary>Numbers that follow from a seed alone (splitmix64), the same on every machine and in every run.</summary>
internal struct Dice(ulong seed)
{
    private ulong _state = seed;

    public static ulong Hash(ulong seed, ReadOnlySpan<char> text)
    {
        foreach (var letter in text)
            seed = (seed ^ letter) * 0x100000001B3;
        return seed;
    }

    public ulong Next()
    {
        var mixed = _state += 0x9E3779B97F4A7C15;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }

    public int Next(int below) => (int)(Next() % (ulong)below);

    /// <summary>Lower-case letters and digits, for ids.</summary>
    public string Letters(int length)
    {
        const string Alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
        Span<char> letters = stackalloc char[length];
        for (var i = 0; i < length; i++)
            letters[i] = Alphabet[Next(Alphabet.Length)];
        return new string(letters);
    }
}
