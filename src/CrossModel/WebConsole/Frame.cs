using CrossModel.Accounts;

namespace CrossModel.WebConsole;

/// <summary>What stands around every page.</summary>
/// <param name="Who">Null: nobody is signed in.</param>
/// <param name="Faults">Why the configuration file is not in force, for the operator; empty: it is.</param>
internal sealed record Frame(SignedIn? Who, IReadOnlyList<string> Faults);
