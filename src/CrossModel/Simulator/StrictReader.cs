using System.Text.Json;

namespace CrossModel.Simulator;

/// <summary>Reads a request to its end, remembers the first rule that it breaks and the first member that nobody knows.</summary>
internal abstract class StrictReader(Prompt prompt)
{
    private WireError? _first;
    private WireError? _unknown;

    protected Prompt Prompt => prompt;

    /// <summary>An unknown member is found while parsing, before any rule is looked at.</summary>
    public WireError? Fault => _unknown is null ? _first : _unknown with { Behind = _first };

    protected void Fail(string message) => _first ??= new WireError(400, message);

    protected bool Require(bool holds, string message)
    {
        if (!holds)
            Fail(message);
        return holds;
    }

    /// <summary>The provider's words for a member that it does not know.</summary>
    protected abstract string UnknownMember(string path, string name);

    /// <param name="known">Names, separated by blanks.</param>
    protected void Members(JsonElement element, string path, string known)
    {
        var names = known.Split(' ');
        foreach (var member in element.Members())
            if (!names.Contains(Canonical(member.Name)))
                _unknown ??= new WireError(400, UnknownMember(path, member.Name), Unknown: true);
    }

    /// <summary>For providers that take several spellings of a name.</summary>
    protected virtual string Canonical(string name) => name;

    protected void Range(JsonElement owner, string name, string path, double low, double high)
    {
        if (owner.Get(name) is { ValueKind: not JsonValueKind.Undefined } value && !(value.Number() >= low && value.Number() <= high))
            Fail($"{path}: expected a number from {low} to {high}");
    }
}
