using System.Security.Cryptography;
using System.Text;

namespace CrossModel.Dialects;

/// <summary>Ids of tool calls: for those that a provider gave none, and as some models take them.</summary>
internal static class CallIds
{
    /// <summary>An endless list of calls must cost neither endless memory nor, where each is looked up among those before it, endless time.</summary>
    public const int Most = 1024;

    public const string TooMany = "more calls than any reply has";

    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary><c>call_</c> and 24 letters and digits.</summary>
    public static string New() => "call_" + RandomNumberGenerator.GetString(Letters, 24);

    /// <summary>The only form that Mistral's models take.</summary>
    public static bool IsNineLetters(string id) => id.Length == 9 && id.All(char.IsAsciiLetterOrDigit);

    /// <summary>Nine letters and digits, the same for the same seed today and in the next turn.</summary>
    public static string NineLetters(string seed) => string.Create(9, SHA256.HashData(Encoding.UTF8.GetBytes(seed)), static (id, hash) =>
    {
        for (var i = 0; i < id.Length; i++) id[i] = Letters[hash[i] % Letters.Length];
    });
}
