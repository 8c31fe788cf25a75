using System.Globalization;
using System.Text;

namespace CrossModel.Protocol;

/// <summary>
/// Control and formatting characters: they cannot be seen, or turn the text around them, so that it looks like another or writes on a terminal what it likes.
/// </summary>
internal static class Unseen
{
    private static bool Is(Rune letter) =>
        Rune.GetUnicodeCategory(letter) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    public static bool IsIn(string text) => text.EnumerateRunes().Any(Is);

    /// <summary>The text with a blank in place of each.</summary>
    public static string Blank(string text) =>
        IsIn(text) ? string.Concat(text.EnumerateRunes().Select(static letter => Is(letter) ? " " : letter.ToString())) : text;
}
