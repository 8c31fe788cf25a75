using CrossModel.Accounts;
using CrossModel.Storage;

namespace CrossModel.WebConsole;

/// <summary>What stands around every page.</summary>
/// <param name="Who">Null: nobody is signed in.</param>
/// <param name="Faults">Why the configuration file is not in force, for the operator; empty: it is.</param>
internal sealed record Frame(SignedIn? Who, IReadOnlyList<string> Faults)
{
    private const int NumberLength = 22;

    /// <summary>Stands in the page's forms: one that comes twice with it was sent twice.</summary>
    public string Number { get; } = string.Create(NumberLength, 0, static (text, _) => RandomText.Fill(text, RandomText.Base62));
}
