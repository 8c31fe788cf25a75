using System.Text.Json;

namespace CrossModel.Dialects;

/// <summary>
/// Providers quote what they refuse. A word of a refusal that stands in the request too may be the caller's own, and what one caller writes must not
/// decide how all others are served: such a refusal teaches nothing.
/// </summary>
internal static class CallersWords
{
    /// <summary>The words stand in a string of the body that is no word of the protocol (a role, a type, the model),
    /// or in a name below its top level, in whatever spelling of JSON, case and underscores.</summary>
    /// <param name="sent">The body as it was sent to the provider, JSON.</param>
    /// <param name="ours">So often a name below the top level that is just these words is the dialect's own.</param>
    public static bool Hold(ReadOnlySpan<byte> sent, string words, int ours = 0)
    {
        var wanted = Bare(words);
        try
        {
            // What is sent may be deeper than what the caller may send.
            var json = new Utf8JsonReader(sent, new JsonReaderOptions { MaxDepth = 1000 });
            var isProtocol = false;
            while (json.Read())
            {
                if (json.TokenType == JsonTokenType.String && isProtocol) continue;
                if (json.TokenType == JsonTokenType.PropertyName)
                    isProtocol = json.ValueTextEquals("role"u8) || json.ValueTextEquals("type"u8) || (json.CurrentDepth == 1 && json.ValueTextEquals("model"u8));
                if (json.TokenType != JsonTokenType.String && (json.TokenType != JsonTokenType.PropertyName || json.CurrentDepth < 2)) continue;
                var text = Bare(json.GetString()!);
                if (json.TokenType == JsonTokenType.PropertyName && text.Equals(wanted, StringComparison.OrdinalIgnoreCase) && ours-- > 0) continue;
                if (text.Contains(wanted, StringComparison.OrdinalIgnoreCase)) return true;
            }
            return false;
        }
        catch (Exception fault) when (fault is InvalidOperationException or JsonException)
        {
            // Half a surrogate pair, or deeper than anybody looks: no telling what it says.
            return true;
        }
    }

    /// <summary>A name below the body's top level is this one, in whatever spelling of case and underscores.</summary>
    public static bool Name(ReadOnlySpan<byte> sent, string name)
    {
        try
        {
            var json = new Utf8JsonReader(sent, new JsonReaderOptions { MaxDepth = 1000 });
            while (json.Read())
            {
                if (json is { TokenType: JsonTokenType.PropertyName, CurrentDepth: > 1 }
                    && Bare(json.GetString()!).Equals(Bare(name), StringComparison.OrdinalIgnoreCase)) return true;
            }
            return false;
        }
        catch (Exception fault) when (fault is InvalidOperationException or JsonException)
        {
            return true;
        }
    }

    private static string Bare(string text) => text.Replace("_", "", StringComparison.Ordinal);
}
