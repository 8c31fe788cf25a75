using System.Security.Cryptography;

namespace CrossModel.Dialects;

/// <summary>Ids of calls that the provider gave none.</summary>
internal static class CallIds
{
    /// <summary>An endless list of calls must cost neither endless memory nor, where each is looked up among those before it, endless time.</summary>
    public const int Most = 1024;

    public const string TooMany = "more calls than any reply has";

    private const string Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary><c>call_</c> and 24 letters and digits.</summary>
    public static string New() => "call_" + RandomNumberGenerator.GetString(Letters, 24);
}
