using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace CrossModel.Dialects.Anthropic;

/// <summary>
/// Ids of calls as Anthropic takes them: <c>[A-Za-z0-9_-]</c>, at most 64 characters, each once in a conversation. Others (from another
/// provider, or counted anew in each turn) get a replacement that depends only on what stands before, so it is the same in every later turn.
/// </summary>
/// <param name="isNine">The model takes exactly nine letters and digits.</param>
internal sealed class ToolIds(bool isNine = false)
{
    private const int Longest = 64;
    private static readonly SearchValues<char> Allowed = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

    private readonly Dictionary<string, string> _current = [];
    private readonly Dictionary<string, int> _uses = [];
    private readonly HashSet<string> _taken = [];

    /// <summary>The id of a call.</summary>
    public string Issue(string id)
    {
        _uses[id] = _uses.GetValueOrDefault(id) + 1;
        var issued = id;
        for (var attempt = 0; !IsAllowed(issued) || !_taken.Add(issued); attempt++)
        {
            var seed = $"{id}#{_uses[id]}#{attempt}";
            issued = isNine ? CallIds.NineLetters(seed) : "toolu_" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(seed)).AsSpan(0, 12));
        }
        return _current[id] = issued;
    }

    /// <summary>The id that a call's result names: that of the nearest call before it.</summary>
    public string Answer(string id) => _current.GetValueOrDefault(id, id);

    private bool IsAllowed(string id) => isNine ? CallIds.IsNineLetters(id) : id.Length is > 0 and <= Longest && !id.AsSpan().ContainsAnyExcept(Allowed);
}
