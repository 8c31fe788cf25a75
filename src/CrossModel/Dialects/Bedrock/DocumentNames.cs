using System.Text;

namespace CrossModel.Dialects.Bedrock;

/// <summary>The names of a request's documents, which Converse demands.</summary>
internal sealed class DocumentNames
{
    private const int Longest = 200;

    private readonly HashSet<string> _taken = new(StringComparer.OrdinalIgnoreCase);
    // Of a name that many documents have: the search goes on where the last one ended.
    private readonly Dictionary<string, int> _next = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Letters, digits, single spaces, hyphens, parentheses and square brackets only, and each name once in a request. The model reads it: the rest stays.</summary>
    public string Of(string title)
    {
        var stem = MediaFormats.OfName(title) is null ? title : title[..title.LastIndexOf('.')];
        var text = new StringBuilder();
        foreach (var letter in stem)
        {
            var allowed = char.IsAsciiLetterOrDigit(letter) || letter is '-' or '(' or ')' or '[' or ']' ? letter : letter is '_' or '.' ? '-' : ' ';
            if (allowed == ' ' && (text.Length == 0 || text[^1] == ' ')) continue;
            text.Append(allowed);
            if (text.Length == Longest - 10) break;
        }
        var name = text.ToString().Trim();
        if (name.Length == 0) name = "document";
        var unique = name;
        var number = _next.GetValueOrDefault(name, 2);
        for (; !_taken.Add(unique); number++) unique = $"{name} {number}";
        _next[name] = number;
        return unique;
    }
}
